// SPDX-License-Identifier: Apache-2.0
//
// Files -> tail -> bounded channel -> filtering actor -> bounded channel -> store. Each stage ends when the one in front of it has
// ended and everything it sent is done, so stopping the first one stops the pipeline without a loss.
#include "filter.h"
#include "options.h"
#include "posix.h"
#include "store.h"
#include "tail.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/statusprinter.h>
#include <qmicroio/systemsignals.h>
#include <qmicroio/taskgroup.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QElapsedTimer>

#include <cstdio>
#include <optional>

using namespace QMicroIO;
using namespace LogPipeline;
using namespace std::chrono_literals;

namespace {

class ProgressLine
{
public:
    explicit ProgressLine(const Progress &progress)
        : m_progress(progress)
        , m_onTerminal(isErrorOnTerminal())
    {
        m_clock.start();
    }
    bool isOnTerminal() const { return m_onTerminal; }
    void show(qsizetype chunks, qsizetype selections)
    {
        const double megabytes = double(m_progress.bytesRead.load()) / 1e6;
        const double seconds = std::max(1e-3, double(m_clock.elapsed()) / 1e3);
        std::fprintf(stderr,
                     "%s%.1f MB read (%.1f MB/s), %llu lines, %llu stored in %llu transactions, waiting: %lld + %lld",
                     m_onTerminal ? "\r\033[K" : "", megabytes, megabytes / seconds,
                     static_cast<unsigned long long>(m_progress.linesRead.load()),
                     static_cast<unsigned long long>(m_progress.linesStored.load()),
                     static_cast<unsigned long long>(m_progress.transactions.load()), static_cast<long long>(chunks),
                     static_cast<long long>(selections));
        if (!m_onTerminal)
            std::fputc('\n', stderr);
    }
    void end() const
    {
        if (m_onTerminal)
            std::fputc('\n', stderr);
    }

private:
    const Progress &m_progress;
    const bool m_onTerminal;
    QElapsedTimer m_clock;
};

constexpr int Interrupted = 130; // as a shell reports Ctrl-C

int follow(const Options &options)
{
    SystemSignals signals({Interrupted});
    Progress progress;
    auto chunks = createChannel<Chunk>({.name = QStringLiteral("chunks"), .capacity = options.capacity});
    auto selections = createChannel<Selection>({.name = QStringLiteral("selections"), .capacity = options.capacity});
    const ChannelSender<Chunk> waitingChunks = chunks.sender; // for their number
    const ChannelSender<Selection> waitingSelections = selections.sender;

    Store store({options.database, options.batch, options.acknowledge}, std::move(selections.receiver), progress);
    store.start();
    store.waitStarted();
    Filter filter(options.match, std::move(chunks.receiver), std::move(selections.sender), progress);
    Tail tail(options.files, store.positions(), options.once ? Tail::Follow::No : Tail::Follow::Yes,
              std::move(chunks.sender), progress);

    ProgressLine line(progress);
    const auto show = [&] { line.show(waitingChunks.stats().queued, waitingSelections.stats().queued); };
    const auto watch = [&](TaskGroup &group) -> Task<> {
        const auto showOften = [&]() -> Task<> {
            for (;;) {
                show();
                co_await sleep(200ms);
            }
        };
        if (options.progress || line.isOnTerminal())
            group.startSoon(showOften);
        // Every stage ends after the one in front of it; one that fails breaks its channels, which ends the others.
        filter.start();
        tail.start();
        const SystemSignals::Binding ctrlC = signals.stops(tail); // what was read goes its way to the end
        co_await untilClosed(store.scope());
        group.cancel();
    };
    run(withTaskGroup(watch));
    for (LoopServiceThread *stage : std::initializer_list<LoopServiceThread *>{&tail, &filter, &store}) {
        stage->stop();
        stage->join();
    }
    if (options.progress || line.isOnTerminal()) {
        show();
        line.end();
    }
    // The last stage first: a failure there is why the ones in front of it could not go on.
    for (LoopServiceThread *stage : std::initializer_list<LoopServiceThread *>{&store, &filter, &tail}) {
        if (stage->error())
            std::rethrow_exception(stage->error());
    }
    return signals.number() != 0 ? Interrupted : 0;
}

} // namespace

int main(int argc, char **argv)
{
    const QCoreApplication app(argc, argv);
    const Options options = parseOptions(QCoreApplication::arguments());
    try {
        std::optional<StatusPrinter> status;
        if (options.status)
            status.emplace(*options.status);
        return follow(options);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "log_pipeline: %s\n", error.what());
        return 1;
    }
}
