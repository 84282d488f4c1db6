// SPDX-License-Identifier: Apache-2.0
#include "service.h"

#include "walk.h"

#include <QtCore/QScopeGuard>

#include <optional>
#include <utility>

using namespace QMicroIO;

namespace Checksum {
namespace {

// Handing work to another thread costs as much as hashing a small file, so that small files travel together.
constexpr std::size_t BatchFiles = 32;
constexpr std::uint64_t BatchBytes = 1024 * 1024;

// How many batches may be underway beside those being hashed. They bound the memory that the program needs; many of them let
// the other threads go on while one hashes a large file, whose result the later ones have to wait for.
constexpr int SpareBatches = 256;

} // namespace

HashService::HashService(Options options, ChannelSender<HashedBatch> results, Count count)
    : LoopServiceThread(QStringLiteral("checksum"))
    , m_options(std::move(options))
    , m_count(count)
    , m_results(std::move(results))
    , m_room(createChannel<Room>({QStringLiteral("room"), LateSend::Drop}))
{
    m_pool.setMaxThreadCount(m_options.jobs);
    for (int i = 0; i < m_options.jobs + SpareBatches; ++i)
        m_room.sender.sendNowait({});
}

HashService::~HashService()
{
    // Here, not in the base class: the coroutines and the pool's threads use the members, which are gone by then.
    stop();
    join();
}

void HashService::stopRequested(const QString &reason)
{
    // Cancellation ends the waits of coroutines. Threads that read, hash or walk look at this instead.
    m_stop = true;
    LoopServiceThread::stopRequested(reason);
}

Task<> HashService::runAsync()
{
    // However it ends: whoever reads the results gets those that are there, and then the end.
    const auto atEnd = qScopeGuard([this] {
        m_room.receiver.close();
        m_results.close();
    });
    started();
    const auto work = [this](TaskGroup &group) {
        if (m_count == Count::Yes)
            group.startSoon(&HashService::countFiles, this);
        return walk(group);
    };
    co_await withTaskGroup(work); // ends when the walk and all that it started have ended
}

Task<> HashService::walk(TaskGroup &group)
{
    TreeWalk tree(m_options.paths, m_stop);
    std::vector<Entry> batch;
    std::uint64_t batchBytes = 0;
    for (std::uint64_t number = 0;;) {
        std::optional<Entry> entry = tree.next();
        const bool isFull = batch.size() == BatchFiles || (entry && batchBytes + entry->size > BatchBytes);
        if (!batch.empty() && (!entry || isFull)) {
            co_await m_room.receiver.receive(); // while too many are underway the walk waits here
            group.startSoon(&HashService::hashBatch, this, number++, std::exchange(batch, {}));
            co_await checkpoint(); // it begins now, and not when the walk next has to wait
            batchBytes = 0;
        }
        if (!entry)
            break;
        batchBytes += entry->size;
        batch.push_back(std::move(*entry));
    }
    m_skippedLinks = tree.skippedLinks();
}

Task<> HashService::hashBatch(std::uint64_t number, std::vector<Entry> batch)
{
    auto hash = [this, files = std::move(batch)]() mutable {
        return hashFiles(std::move(files), m_options.algorithm, m_stop, m_done);
    };
    // Cancelled, it never begins if it still waits for a thread; otherwise it ends early and gives what it has.
    std::vector<Result> results = co_await offload(&m_pool, std::move(hash));
    m_results.sendNowait({number, std::move(results)});
}

Task<> HashService::countFiles()
{
    const auto count = [this] {
        TreeWalk tree(m_options.paths, m_stop);
        while (const std::optional<Entry> entry = tree.next()) {
            if (entry->kind != Entry::Kind::File)
                continue;
            m_total.files.fetch_add(1, std::memory_order_relaxed);
            m_total.bytes.fetch_add(entry->size, std::memory_order_relaxed);
        }
        m_counted = true;
    };
    co_await offload(count); // on the global pool: it takes no thread from those that hash
}

} // namespace Checksum
