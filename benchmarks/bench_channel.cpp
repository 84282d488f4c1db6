// SPDX-License-Identifier: Apache-2.0
//
// Channels: several producers, kinds of items, latency, several receivers, and what is left for others on a flooded loop.
#include "rigs.h"

#include <qmicroio/channelwork.h>

#include <concurrentqueue/concurrentqueue.h>

#include <QtCore/QString>
#include <QtCore/QTimer>

#include <algorithm>
#include <array>
#include <optional>

using namespace Bench;
using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// Several producers and kinds of items

struct Block
{
    quint64 number = 0;
    std::array<quint64, 7> rest{};
};
static_assert(sizeof(Block) == 64);

template<std::size_t Bytes>
struct Sized
{
    std::array<quint64, Bytes / sizeof(quint64)> words{};
};

template<class T>
T makeItem(quint64 number)
{
    if constexpr (std::is_same_v<T, QString>) {
        static const QString text = QStringLiteral("what a line of a log file may look like");
        return text;
    } else if constexpr (std::is_same_v<T, Block>) {
        return {number, {}};
    } else if constexpr (std::is_class_v<T>) {
        T item;
        item.words.front() = number;
        return item;
    } else {
        return T(number);
    }
}

// Counts what arrives, and keeps producers from running far ahead; see Window.
class Meeting
{
public:
    void begin(quint64 count)
    {
        m_count = 0;
        m_expected = count;
        m_received.store(0, std::memory_order_relaxed);
    }
    void took(quint64 items = 1) // consumer
    {
        const quint64 before = m_count;
        m_count += items;
        if (before / Stride != m_count / Stride || m_count == m_expected) {
            m_received.store(m_count, std::memory_order_release);
            if (before / (Most / 4) != m_count / (Most / 4))
                m_received.notify_all();
        }
        if (m_count == m_expected)
            m_done.release();
    }
    void admit(quint64 sentByAll) const // a producer
    {
        for (;;) {
            const quint64 seen = m_received.load(std::memory_order_acquire);
            if (sentByAll <= seen + Most / 2)
                return;
            m_received.wait(seen, std::memory_order_acquire);
        }
    }
    void awaitEnd() { m_done.acquire(); }
    static constexpr quint64 Stride = 1024;

private:
    static constexpr quint64 Most = 64 * 1024;
    alignas(64) quint64 m_count = 0;
    quint64 m_expected = 0;
    alignas(64) std::atomic<quint64> m_received{0};
    alignas(64) QSemaphore m_done;
};

template<class T>
class ChannelWay
{
public:
    explicit ChannelWay(Meeting &meeting)
    {
        auto consume = [this, &meeting]() -> Task<> {
            try {
                for (;;) {
                    static_cast<void>(co_await m_channel.receiver.receive());
                    meeting.took();
                }
            } catch (const EndOfStream &) {
            }
        };
        m_end = m_service->submit(consume);
    }
    ~ChannelWay()
    {
        m_channel.sender.close();
        m_end.waitForFinished();
    }
    class Producer
    {
    public:
        explicit Producer(ChannelWay &way)
            : m_sender(way.m_channel.sender)
        {
        }
        void send(T &&item) { m_sender.sendNowait(std::move(item)); }
        void flush() { }

    private:
        ChannelSender<T> m_sender;
    };

private:
    Channel<T> m_channel = createChannel<T>();
    RunningService m_service;
    QFuture<void> m_end;
};

template<class T>
class InvokeWay
{
public:
    explicit InvokeWay(Meeting &meeting)
        : m_meeting(meeting)
    {
    }
    class Producer
    {
    public:
        explicit Producer(InvokeWay &way)
            : m_way(way)
        {
        }
        void send(T &&item)
        {
            QMetaObject::invokeMethod(
                m_way.m_thread.object(), [meeting = &m_way.m_meeting, moved = std::move(item)] { meeting->took(); },
                Qt::QueuedConnection);
        }
        void flush() { }

    private:
        InvokeWay &m_way;
    };

private:
    Meeting &m_meeting;
    BareThread m_thread;
};

// Nobody to wake, everything in bulk: what is possible at best.
template<class T>
class BulkQueueWay
{
    static constexpr std::size_t BulkItems = 256;

public:
    explicit BulkQueueWay(Meeting &meeting)
        : m_thread([this, &meeting] {
            moodycamel::ConsumerToken token(m_queue);
            std::vector<T> items(BulkItems);
            while (!m_ends.load(std::memory_order_relaxed)) {
                const std::size_t count = m_queue.try_dequeue_bulk(token, items.begin(), items.size());
                if (count > 0)
                    meeting.took(count);
                else
                    std::this_thread::yield();
            }
        })
    {
    }
    ~BulkQueueWay()
    {
        m_ends = true;
        m_thread.join();
    }
    class Producer
    {
    public:
        explicit Producer(BulkQueueWay &way)
            : m_queue(way.m_queue)
            , m_token(way.m_queue)
            , m_outgoing(BulkItems)
        {
        }
        void send(T &&item)
        {
            m_outgoing[m_filled++] = std::move(item);
            if (m_filled == BulkItems)
                flush();
        }
        void flush()
        {
            m_queue.enqueue_bulk(m_token, std::make_move_iterator(m_outgoing.begin()), m_filled);
            m_filled = 0;
        }

    private:
        moodycamel::ConcurrentQueue<T> &m_queue;
        moodycamel::ProducerToken m_token;
        std::vector<T> m_outgoing;
        std::size_t m_filled = 0;
    };

private:
    moodycamel::ConcurrentQueue<T> m_queue;
    std::atomic<bool> m_ends{false};
    std::thread m_thread;
};

template<class T, template<class> class Way>
class ManyProducers : public ThroughputProbe
{
public:
    explicit ManyProducers(int producers)
        : m_way(m_meeting)
        , m_count(quint64(producers))
    {
        for (quint64 p = 0; p < m_count; ++p)
            m_threads.emplace_back([this] { produce(); });
    }
    ~ManyProducers() override
    {
        m_each = 0;
        m_begin.release(int(m_count));
        for (std::thread &thread : m_threads)
            thread.join();
    }
    double run(quint64 count) override
    {
        m_each = std::max<quint64>(1, count / m_count);
        m_meeting.begin(m_each * m_count);
        const auto begin = Clock::now();
        m_begin.release(int(m_count));
        m_meeting.awaitEnd();
        const double seconds = secondsSince(begin) * double(count) / double(m_each * m_count);
        m_ended.acquire(int(m_count));
        return seconds;
    }

private:
    void produce()
    {
        typename Way<T>::Producer producer(m_way);
        for (;;) {
            m_begin.acquire();
            if (m_each == 0)
                return;
            for (quint64 i = 0; i < m_each; ++i) {
                if (i % Meeting::Stride == 0) {
                    producer.flush(); // nobody may wait for what this thread holds back
                    m_meeting.admit(i * m_count);
                }
                producer.send(makeItem<T>(i));
            }
            producer.flush();
            m_ended.release();
        }
    }
    Meeting m_meeting;
    Way<T> m_way;
    const quint64 m_count;
    quint64 m_each = 0;
    QSemaphore m_begin;
    QSemaphore m_ended;
    std::vector<std::thread> m_threads;
};

template<class T>
void addProducers(const char *type)
{
    constexpr int Rounds = 11;
    for (const int producers : {1, 2, 4}) {
        addGroup("channel" + std::string(type) + std::to_string(producers),
                 {side<ManyProducers<T, ChannelWay>>("qmicroio", Rounds, producers),
                  side<ManyProducers<T, InvokeWay>>("invokeMethod", Rounds, producers),
                  side<ManyProducers<T, BulkQueueWay>>("moodycamelBulk", Rounds, producers)});
    }
}

// For the plot of the cost of one item against its size.
template<std::size_t... Bytes>
void addSizes()
{
    constexpr int Rounds = 5;
    (addGroup("channelSize" + std::to_string(Bytes),
              {side<ManyProducers<Sized<Bytes>, ChannelWay>>("qmicroio", Rounds, 1),
               side<ManyProducers<Sized<Bytes>, InvokeWay>>("invokeMethod", Rounds, 1),
               side<ManyProducers<Sized<Bytes>, BulkQueueWay>>("moodycamelBulk", Rounds, 1)}),
     ...);
}

// Items that are sent one after the other, and then a wait until the last one is there: what waking costs is shared by all of
// them. It is that of both threads, on every side.
template<template<class> class Way>
class Bursts : public ThroughputProbe
{
public:
    explicit Bursts(quint64 size)
        : m_way(m_meeting)
        , m_producer(m_way)
        , m_size(size)
    {
    }
    double run(quint64 count) override
    {
        const quint64 bursts = std::max<quint64>(1, count / m_size);
        const auto begin = Clock::now();
        for (quint64 burst = 0; burst < bursts; ++burst) {
            m_meeting.begin(m_size);
            for (quint64 i = 0; i < m_size; ++i)
                m_producer.send(quint64(i));
            m_meeting.awaitEnd();
        }
        return secondsSince(begin) * double(count) / double(bursts * m_size);
    }

private:
    Meeting m_meeting;
    Way<quint64> m_way;
    typename Way<quint64>::Producer m_producer;
    const quint64 m_size;
};

void addBursts()
{
    for (const quint64 size : {1, 3, 10, 30, 100, 1'000, 10'000}) {
        addGroup("channelBurst" + std::to_string(size),
                 {side<Bursts<ChannelWay>>("qmicroio", 5, size), side<Bursts<InvokeWay>>("invokeMethod", 5, size)});
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// How long until a sleeping receiver has what was sent

class Signaller : public QObject
{
    Q_OBJECT
Q_SIGNALS:
    void sent(quint64 item);
};

class WakeProbe : public Probe
{
public:
    double measure() override
    {
        constexpr int Calls = 600;
        std::vector<double> times;
        std::thread caller([&] {
            bindToCore(0);
            for (int i = -20; i < Calls; ++i) {
                // Long enough for the other thread to fall asleep, short enough for a watching one to be still awake.
                for (const auto begin = Clock::now(); Clock::now() - begin < 25us;) { }
                m_arrived.store(0, std::memory_order_relaxed);
                const auto begin = Clock::now();
                send();
                qint64 arrived = 0;
                while ((arrived = m_arrived.load(std::memory_order_acquire)) == 0) { }
                if (i >= 0)
                    times.push_back(double(arrived - begin.time_since_epoch().count()));
            }
        });
        caller.join();
        const auto at = times.begin() + std::ptrdiff_t(m_quantile * double(times.size() - 1));
        std::nth_element(times.begin(), at, times.end());
        return *at;
    }

protected:
    explicit WakeProbe(double quantile)
        : m_quantile(quantile)
    {
    }
    virtual void send() = 0;
    void arrived() { m_arrived.store(Clock::now().time_since_epoch().count(), std::memory_order_release); }

private:
    const double m_quantile;
    std::atomic<qint64> m_arrived{0};
};

class ChannelWake : public WakeProbe
{
public:
    ChannelWake(double quantile, std::chrono::microseconds busyPoll)
        : WakeProbe(quantile)
    {
        m_service->callSync([] { bindToCore(1); });
        m_service->setBusyPoll(busyPoll);
        auto consume = [this]() -> Task<> {
            while (auto item = co_await m_channel.receiver.next())
                arrived();
        };
        m_end = m_service->submit(consume);
    }
    ~ChannelWake() override
    {
        m_channel.sender.close();
        m_end.waitForFinished();
    }
    void send() override { m_channel.sender.sendNowait(1); }

private:
    Channel<quint64> m_channel = createChannel<quint64>();
    RunningService m_service;
    QFuture<void> m_end;
};

class SignalWake : public WakeProbe
{
public:
    explicit SignalWake(double quantile)
        : WakeProbe(quantile)
    {
        QMetaObject::invokeMethod(m_thread.object(), [] { bindToCore(1); }, Qt::BlockingQueuedConnection);
        QObject::connect(
            &m_signaller, &Signaller::sent, m_thread.object(), [this] { arrived(); }, Qt::QueuedConnection);
    }
    void send() override { Q_EMIT m_signaller.sent(1); }

private:
    Signaller m_signaller;
    BareThread m_thread;
};

// ---------------------------------------------------------------------------------------------------------------------
// There and back between two loops

class PingPong : public ThroughputProbe
{
public:
    explicit PingPong(std::chrono::microseconds busyPoll)
    {
        m_here->callSync([] { bindToCore(0); });
        m_there->callSync([] { bindToCore(1); });
        m_here->setBusyPoll(busyPoll);
        m_there->setBusyPoll(busyPoll);
        auto answer = [this]() -> Task<> {
            while (auto item = co_await m_to.receiver.next())
                co_await m_back.sender.send(*item);
        };
        m_end = m_there->submit(answer);
    }
    ~PingPong() override
    {
        m_to.sender.close();
        m_end.waitForFinished();
        m_back.sender.close();
    }
    double run(quint64 count) override
    {
        auto ask = [this, count]() -> Task<double> {
            const auto begin = Clock::now();
            for (quint64 i = 0; i < count; ++i) {
                co_await m_to.sender.send(i);
                if (co_await m_back.receiver.receive() != i)
                    throw std::runtime_error("another item came back");
            }
            co_return secondsSince(begin);
        };
        return m_here->submit(ask).result();
    }

private:
    static ChannelOptions one() { return {QString(), LateSend::Throw, 1}; }
    Channel<quint64> m_to = createChannel<quint64>(one());
    Channel<quint64> m_back = createChannel<quint64>(one());
    RunningService m_here;
    RunningService m_there;
    QFuture<void> m_end;
};

class SignalPingPong : public ThroughputProbe
{
public:
    SignalPingPong()
    {
        QMetaObject::invokeMethod(m_here.object(), [] { bindToCore(0); }, Qt::BlockingQueuedConnection);
        QMetaObject::invokeMethod(m_there.object(), [] { bindToCore(1); }, Qt::BlockingQueuedConnection);
        QObject::connect(
            &m_to, &Signaller::sent, m_there.object(), [this](quint64 item) { Q_EMIT m_back.sent(item); },
            Qt::QueuedConnection);
        QObject::connect(
            &m_back, &Signaller::sent, m_here.object(),
            [this](quint64 item) {
                if (item + 1 < m_count)
                    Q_EMIT m_to.sent(item + 1);
                else
                    m_done.release();
            },
            Qt::QueuedConnection);
    }
    double run(quint64 count) override
    {
        m_count = count;
        const auto begin = Clock::now();
        Q_EMIT m_to.sent(0);
        m_done.acquire();
        return secondsSince(begin);
    }

private:
    Signaller m_to;
    Signaller m_back;
    quint64 m_count = 0;
    QSemaphore m_done;
    BareThread m_here;
    BareThread m_there;
};

// ---------------------------------------------------------------------------------------------------------------------
// Work for the processor, shared by several loops

class WorkProbe : public ThroughputProbe
{
public:
    WorkProbe(int loops, qsizetype capacity)
    {
        auto made = createWorkChannel<quint64>({QString(), LateSend::Throw, capacity});
        m_sender.emplace(std::move(made.sender));
        m_receivers.push_back(std::move(made.receiver));
        for (int i = 1; i < loops; ++i)
            m_receivers.push_back(m_receivers.front().clone());
        for (WorkReceiver<quint64> &receiver : m_receivers) {
            m_loops.push_back(std::make_unique<RunningService>());
            auto work = [this, &receiver]() -> Task<> {
                while (auto item = co_await receiver.next()) {
                    quint64 value = *item;
                    for (int i = 0; i < 20000; ++i) // some 20 µs
                        value = value * 6364136223846793005U + 1442695040888963407U;
                    m_sum.fetch_add(value & 1, std::memory_order_relaxed);
                    if (m_left.fetch_sub(1, std::memory_order_acq_rel) == 1)
                        m_done.release();
                }
            };
            m_ends.push_back((*m_loops.back())->submit(work));
        }
    }
    ~WorkProbe() override
    {
        m_sender->close();
        for (QFuture<void> &end : m_ends)
            end.waitForFinished();
        for (WorkReceiver<quint64> &receiver : m_receivers)
            receiver.close();
    }
    double run(quint64 count) override
    {
        m_left = count;
        const auto begin = Clock::now();
        for (quint64 i = 0; i < count; ++i)
            m_sender->sendBlocking(i);
        m_done.acquire();
        return secondsSince(begin);
    }

private:
    std::optional<ChannelSender<quint64>> m_sender;
    std::vector<WorkReceiver<quint64>> m_receivers;
    std::atomic<quint64> m_left{0};
    std::atomic<quint64> m_sum{0};
    QSemaphore m_done;
    std::vector<std::unique_ptr<RunningService>> m_loops;
    std::vector<QFuture<void>> m_ends;
};

// ---------------------------------------------------------------------------------------------------------------------
// What two producers that never stop leave to a timer on the same loop

class Flood
{
public:
    template<class Send>
    explicit Flood(Send send)
    {
        for (int i = 0; i < 2; ++i) {
            m_threads.emplace_back([this, send] {
                while (!m_ends.load(std::memory_order_relaxed)) {
                    for (int item = 0; item < 256; ++item)
                        send();
                    // The memory is to last: a producer that is far ahead lets the others catch up.
                    while (m_ahead.load(std::memory_order_relaxed) > 1'000'000
                           && !m_ends.load(std::memory_order_relaxed))
                        std::this_thread::yield();
                    m_ahead.fetch_add(256, std::memory_order_relaxed);
                }
            });
        }
    }
    ~Flood()
    {
        m_ends = true;
        for (std::thread &thread : m_threads)
            thread.join();
    }
    Flood(const Flood &) = delete;
    Flood &operator=(const Flood &) = delete;
    void took() { m_ahead.fetch_sub(1, std::memory_order_relaxed); }

private:
    std::atomic<qint64> m_ahead{0};
    std::atomic<bool> m_ends{false};
    std::vector<std::thread> m_threads;
};

// The 99th percentile of the time between two calls of a timer of 10 ms, in the thread of `context`.
double timerGap(QObject *context)
{
    constexpr std::size_t Ticks = 100;
    std::vector<double> gaps;
    QSemaphore done;
    QTimer *timer = nullptr;
    Clock::time_point last;
    QMetaObject::invokeMethod(
        context,
        [&] {
            timer = new QTimer;
            timer->setTimerType(Qt::PreciseTimer);
            last = Clock::now();
            QObject::connect(timer, &QTimer::timeout, timer, [&] {
                const Clock::time_point now = Clock::now();
                gaps.push_back(double((now - std::exchange(last, now)).count()));
                if (gaps.size() < Ticks)
                    return;
                delete std::exchange(timer, nullptr);
                done.release();
            });
            timer->start(10);
        },
        Qt::QueuedConnection);
    done.acquire();
    std::sort(gaps.begin(), gaps.end());
    return gaps[Ticks * 99 / 100 - 1];
}

class ChannelFairness : public Probe
{
public:
    void warmUp() override { }
    double measure() override
    {
        auto channel = createChannel<quint64>();
        RunningService service;
        std::optional<Flood> flood;
        std::atomic<Flood *> shared{nullptr};
        auto consume = [&]() -> Task<> {
            while (auto item = co_await channel.receiver.next()) {
                if (Flood *known = shared.load(std::memory_order_acquire))
                    known->took();
            }
        };
        QFuture<void> end = service->submit(consume);
        flood.emplace([&] { channel.sender.sendNowait(1); });
        shared = &*flood;
        const double gap = timerGap(service->context());
        shared = nullptr;
        service->callSync([] { });
        flood.reset();
        channel.sender.close();
        end.waitForFinished();
        return gap;
    }
};

class InvokeFairness : public Probe
{
public:
    void warmUp() override { }
    double measure() override
    {
        BareThread thread;
        std::atomic<Flood *> shared{nullptr};
        std::optional<Flood> flood;
        flood.emplace([&] {
            QMetaObject::invokeMethod(
                thread.object(),
                [&shared] {
                    if (Flood *known = shared.load(std::memory_order_acquire))
                        known->took();
                },
                Qt::QueuedConnection);
        });
        shared = &*flood;
        const double gap = timerGap(thread.object());
        shared = nullptr;
        QMetaObject::invokeMethod(thread.object(), [] { }, Qt::BlockingQueuedConnection);
        flood.reset();
        QMetaObject::invokeMethod(thread.object(), [] { }, Qt::BlockingQueuedConnection);
        return gap;
    }
};

} // namespace

int main(int argc, char **argv)
{
    constexpr int Rounds = 15;
    constexpr auto Watch = 50us;
    addProducers<int>("Int");
    addProducers<QString>("String");
    addProducers<Block>("Block");
    addSizes<8, 32, 64, 128, 256, 512, 1024>();
    addBursts();
    for (const auto &[group, quantile] : {std::pair{"wakeMedian", 0.5}, std::pair{"wakeP99", 0.99}}) {
        addGroup(group,
                 {side<ChannelWake>("qmicroio", Rounds, quantile, 0us), side<SignalWake>("signal", Rounds, quantile),
                  side<ChannelWake>("busyPoll", Rounds, quantile, Watch)});
    }
    addGroup("pingPong",
             {side<PingPong>("qmicroio", Rounds, 0us), side<SignalPingPong>("signal", Rounds),
              side<PingPong>("busyPoll", Rounds, Watch)});
    addGroup("workChannel",
             {side<WorkProbe>("twoLoops", Rounds, 2, Unbounded), side<WorkProbe>("oneLoop", Rounds, 1, Unbounded)});
    // The thread that sends takes its part of the two cores: it wakes for each free place.
    addGroup("boundedWorkChannel",
             {side<WorkProbe>("twoLoops", Rounds, 2, 64), side<WorkProbe>("oneLoop", Rounds, 1, 64)});
    addGroup("fairness", {side<ChannelFairness>("qmicroio", 3), side<InvokeFairness>("invokeMethod", 3)});
    return runGroups(argc, argv);
}

#include "bench_channel.moc"
