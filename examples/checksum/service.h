// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hashing.h"
#include "options.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QThreadPool>

#include <atomic>
#include <cstdint>
#include <vector>

namespace Checksum {

/// Some files that were hashed together. Batches are numbered in the order of the walk and arrive in any order.
struct HashedBatch
{
    std::uint64_t number = 0;
    std::vector<Result> results;
};

/// Walks the named files and folders in its own thread and hashes the files on a thread pool. Ends by itself, and then closes
/// the channel of the results; stop() makes it end sooner, with what was finished by then.
class HashService : public QMicroIO::LoopServiceThread
{
public:
    enum class Count { No, Yes };
    /// With Count::Yes it also finds out beforehand how much there is to do.
    HashService(Options options, QMicroIO::ChannelSender<HashedBatch> results, Count count);
    ~HashService() override;

    /// One of the batches is out of the way: there is room for another. Any thread.
    void batchPrinted() { m_room.sender.sendNowait({}); }

    /// So far. Any thread.
    const Tally &done() const { return m_done; }
    /// All that there is, once isCounted(). Any thread.
    const Tally &total() const { return m_total; }
    bool isCounted() const { return m_counted; }
    /// Symbolic links below folders, which are left out. After join().
    std::uint64_t skippedLinks() const { return m_skippedLinks; }

protected:
    QMicroIO::Task<> runAsync() override;
    void stopRequested(const QString &reason) override;

private:
    struct Room
    {
    };
    QMicroIO::Task<> walk(QMicroIO::TaskGroup &group);
    QMicroIO::Task<> hashBatch(std::uint64_t number, std::vector<Entry> batch);
    QMicroIO::Task<> countFiles();

    const Options m_options;
    const Count m_count;
    QMicroIO::ChannelSender<HashedBatch> m_results;
    QMicroIO::Channel<Room> m_room;
    QThreadPool m_pool;
    std::atomic<bool> m_stop{false};
    Tally m_done;
    Tally m_total;
    std::atomic<bool> m_counted{false};
    std::uint64_t m_skippedLinks = 0;
};

} // namespace Checksum
