// SPDX-License-Identifier: Apache-2.0
//
// What crosses from one thread to another, and threads themselves.
#include "rigs.h"
#include "roundtrips.h"

#include <qmicroio/loopwatchdog.h>

#include <concurrentqueue/concurrentqueue.h>

#include <QtConcurrent/QtConcurrentRun>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

using namespace Bench;
using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

template<class Rig>
class Throughput : public ThroughputProbe
{
public:
    double run(quint64 count) override { return m_rig.run(count); }

private:
    Rig m_rig;
};

// A queue without anybody to wake: both threads do nothing but move items.
class BareQueueProbe : public ThroughputProbe
{
public:
    enum class Sending { Single, Bulk };
    explicit BareQueueProbe(Sending sending)
        : m_sending(sending)
    {
    }
    ~BareQueueProbe() override
    {
        m_ending = true;
        m_begin.release();
        m_thread.join();
    }
    double run(quint64 count) override
    {
        m_begin.release();
        if (m_sending == Sending::Single)
            return m_sink.run(count, [this](quint64 item) { m_queue.enqueue(m_producer, item); });
        std::size_t filled = 0;
        return m_sink.run(count, [this, &filled](quint64 item) {
            m_outgoing[filled++] = item;
            if (filled == m_outgoing.size() || item == 0) {
                m_queue.enqueue_bulk(m_producer, m_outgoing.data(), filled);
                filled = 0;
            }
        });
    }

private:
    static constexpr std::size_t BulkItems = 256;

    void consume()
    {
        moodycamel::ConsumerToken token(m_queue);
        std::array<quint64, BulkItems> items{};
        for (;;) {
            m_begin.acquire();
            if (m_ending)
                return;
            for (bool ended = false; !ended;) {
                const std::size_t count = m_queue.try_dequeue_bulk(token, items.data(), items.size());
                for (std::size_t i = 0; i < count; ++i)
                    m_sink.take(items[i]);
                ended = count > 0 && items[count - 1] == 0;
                if (count == 0)
                    std::this_thread::yield();
            }
        }
    }

    const Sending m_sending;
    moodycamel::ConcurrentQueue<quint64> m_queue;
    moodycamel::ProducerToken m_producer{m_queue};
    std::array<quint64, BulkItems> m_outgoing{};
    Sink m_sink;
    QSemaphore m_begin;
    std::atomic<bool> m_ending{false};
    std::thread m_thread{[this] { consume(); }};
};

// ---------------------------------------------------------------------------------------------------------------------
// Round trips to a thread that sleeps

class CallSyncProbe : public RoundTripProbe
{
public:
    CallSyncProbe(Cores cores, std::chrono::microseconds busyPoll)
    {
        m_service->callSync([=] { bindToCore(coreOfTheOther(cores)); });
        m_service->setBusyPoll(busyPoll);
    }
    void call() override
    {
        m_last = m_service->callSync([this] { return m_last + 1; });
    }

private:
    int m_last = 0;
    RunningService m_service;
};

// ---------------------------------------------------------------------------------------------------------------------
// Results from another thread

// Both sides have as many calls under way and collect every result.
template<class Start>
double runAndCollect(quint64 count, Start start)
{
    constexpr quint64 Outstanding = 1000;
    std::vector<QFuture<quint64>> futures(Outstanding);
    quint64 sum = 0;
    const auto begin = Clock::now();
    for (quint64 first = 1; first <= count; first += Outstanding) {
        const quint64 size = std::min(Outstanding, count - first + 1);
        for (quint64 i = 0; i < size; ++i)
            futures[i] = start(first + i);
        for (quint64 i = 0; i < size; ++i)
            sum += futures[i].result();
    }
    const double seconds = secondsSince(begin);
    if (sum != count * (count + 1) / 2)
        throw std::runtime_error("a result is wrong");
    return seconds;
}

class SubmitProbe : public ThroughputProbe
{
public:
    double run(quint64 count) override
    {
        return runAndCollect(count, [this](quint64 item) { return m_service->submit([item] { return item; }); });
    }

private:
    RunningService m_service;
};

class ConcurrentRunProbe : public ThroughputProbe
{
public:
    explicit ConcurrentRunProbe(int threads)
    {
        m_pool.setMaxThreadCount(threads);
        m_pool.setExpiryTimeout(-1);
    }
    double run(quint64 count) override
    {
        return runAndCollect(count,
                             [this](quint64 item) { return QtConcurrent::run(&m_pool, [item] { return item; }); });
    }

private:
    QThreadPool m_pool;
};

// What nobody who gives a QFuture away can save the caller: it is made, started, read and freed, and nothing else is done. Its
// result is put in between, outside the time that is taken.
class FutureAloneProbe : public ThroughputProbe
{
public:
    double run(quint64 count) override
    {
        constexpr quint64 Outstanding = 1000;
        std::vector<std::optional<QFutureInterface<quint64>>> answering(Outstanding);
        std::vector<QFuture<quint64>> futures(Outstanding);
        quint64 sum = 0;
        Clock::duration time{};
        for (quint64 first = 1; first <= count; first += Outstanding) {
            const quint64 size = std::min(Outstanding, count - first + 1);
            const auto begin = Clock::now();
            for (quint64 i = 0; i < size; ++i) {
                QFutureInterface<quint64> made;
                made.reportStarted();
                futures[i] = made.future();
                answering[i].emplace(std::move(made));
            }
            const auto made = Clock::now();
            for (quint64 i = 0; i < size; ++i) {
                answering[i]->reportResult(first + i);
                answering[i]->reportFinished();
                answering[i].reset();
            }
            const auto answered = Clock::now();
            for (quint64 i = 0; i < size; ++i) {
                sum += futures[i].result();
                futures[i] = QFuture<quint64>();
            }
            time += (made - begin) + (Clock::now() - answered);
        }
        if (sum != count * (count + 1) / 2)
            throw std::runtime_error("a result is wrong");
        return std::chrono::duration<double>(time).count();
    }
};

// ---------------------------------------------------------------------------------------------------------------------
// A thread's whole life

constexpr int Lives = 200;

class ServiceLifeProbe : public LatencyProbe
{
public:
    ServiceLifeProbe()
        : LatencyProbe(Lives, 0us)
    {
    }
    void call() override
    {
        LoopServiceThread service;
        service.start();
        service.waitStarted();
        service.stop();
        service.join();
    }
};

class ThreadLifeProbe : public LatencyProbe
{
public:
    enum class Until { ThreadRuns, LoopTurns };
    explicit ThreadLifeProbe(Until until)
        : LatencyProbe(Lives, 0us)
        , m_until(until)
    {
    }
    void call() override
    {
        class Thread : public QThread
        {
        public:
            QSemaphore running;
            QObject object;
            explicit Thread(Until until)
                : m_until(until)
            {
                if (m_until != Until::LoopTurns)
                    return;
                object.moveToThread(this);
                QMetaObject::invokeMethod(&object, [this] { running.release(); }, Qt::QueuedConnection);
            }

        private:
            void run() override
            {
                if (m_until == Until::ThreadRuns)
                    running.release();
                exec();
            }
            const Until m_until;
        } thread(m_until);
        thread.start();
        thread.running.acquire();
        thread.quit();
        thread.wait();
    }

private:
    const Until m_until;
};

// What a blocking call costs for being known to all others: an edge is entered and taken out again.
class WaitEdgeProbe : public ThroughputProbe
{
public:
    // The one that is waited for waits for another one, and so on.
    explicit WaitEdgeProbe(int chain)
    {
        for (int i = 0; i < chain; ++i)
            m_nodes.push_back(std::make_shared<detail::ThreadNode>());
        for (std::size_t i = 1; i < m_nodes.size(); ++i)
            m_nodes[i - 1]->wait.target = m_nodes[i].get();
    }
    double run(quint64 count) override
    {
        detail::Gate gate;
        const auto begin = Clock::now();
        for (quint64 i = 0; i < count; ++i)
            const detail::WaitEdge edge(m_nodes.front(), "benchmark", gate);
        return secondsSince(begin);
    }

private:
    std::vector<std::shared_ptr<detail::ThreadNode>> m_nodes;
};

class TwoLocksProbe : public ThroughputProbe
{
public:
    double run(quint64 count) override
    {
        const auto begin = Clock::now();
        for (quint64 i = 0; i < count; ++i) {
            for (int k = 0; k < 2; ++k) {
                const std::lock_guard lock(m_mutex);
                m_value = m_value + 1;
            }
        }
        return secondsSince(begin);
    }

private:
    std::mutex m_mutex;
    volatile quint64 m_value = 0;
};

// The same with every loop under watch.
template<class Rig>
class Watched : public ThroughputProbe
{
public:
    double run(quint64 count) override
    {
        const LoopWatchdog watchdog(100ms);
        return m_rig.run(count);
    }

private:
    Rig m_rig;
};

} // namespace

int main(int argc, char **argv)
{
    constexpr int Rounds = 21;
    constexpr int RoundTripRounds = 25;
    addGroup("channel",
             {side<Throughput<ChannelRig<Receiving::Item>>>("qmicroio", Rounds),
              side<Throughput<ChannelRig<Receiving::Next>>>("next", Rounds),
              side<Throughput<QueuedInvokeRig>>("invokeMethod", Rounds),
              side<BareQueueProbe>("moodycamel", Rounds, BareQueueProbe::Sending::Single),
              side<BareQueueProbe>("moodycamelBulk", Rounds, BareQueueProbe::Sending::Bulk)});
    addGroup("callSoon",
             {side<Throughput<CallSoonRig>>("qmicroio", Rounds),
              side<Throughput<QueuedInvokeRig>>("invokeMethod", Rounds),
              side<Throughput<AsioPostRig>>("asio", Rounds)});
    for (const auto &[group, cores] : {std::pair{"callSync", Cores::Two}, std::pair{"callSyncOneCore", Cores::One}}) {
        addGroup(group,
                 {side<CallSyncProbe>("qmicroio", RoundTripRounds, cores, 0us),
                  side<BlockingInvokeProbe>("blocking", RoundTripRounds, cores),
                  side<CallSyncProbe>("busyPoll", RoundTripRounds, cores, Watch)});
    }
    addGroup("submit",
             {side<SubmitProbe>("qmicroio", Rounds), side<ConcurrentRunProbe>("qtConcurrent", Rounds, 1),
              side<ConcurrentRunProbe>("qtConcurrentAllCores", Rounds, QThread::idealThreadCount()),
              side<FutureAloneProbe>("futureAlone", Rounds)});
    addGroup("life",
             {side<ServiceLifeProbe>("qmicroio", Rounds),
              side<ThreadLifeProbe>("qthread", Rounds, ThreadLifeProbe::Until::ThreadRuns),
              side<ThreadLifeProbe>("qthreadLoop", Rounds, ThreadLifeProbe::Until::LoopTurns)});
    addGroup("waitGraph",
             {side<WaitEdgeProbe>("qmicroio", Rounds, 1), side<TwoLocksProbe>("twoLocks", Rounds),
              side<WaitEdgeProbe>("chainOf8", Rounds, 8)});
    addGroup("watchdog",
             {side<Watched<ChannelRig<Receiving::Item>>>("on", Rounds),
              side<Throughput<ChannelRig<Receiving::Item>>>("off", Rounds)});
    return runGroups(argc, argv);
}
