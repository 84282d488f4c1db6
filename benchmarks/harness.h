// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/loopservicethread.h>

#include <QtCore/QSemaphore>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace Bench {

using Clock = std::chrono::steady_clock;

inline double secondsSince(Clock::time_point begin)
{
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

// One side of a comparison: our figure, or one of its baselines. Made before its first repetition, destroyed after its last.
class Probe
{
public:
    Probe() = default;
    virtual ~Probe() = default;
    Probe(const Probe &) = delete;
    Probe &operator=(const Probe &) = delete;

    // Called once before the repetitions, so that each of them measures a steady state.
    virtual void warmUp() { static_cast<void>(measure()); }
    // One repetition: nanoseconds, allocations or bytes for each operation.
    virtual double measure() = 0;
};

// Nanoseconds of each operation when many follow each other.
class ThroughputProbe : public Probe
{
public:
    void warmUp() override;
    double measure() override;

protected:
    // Seconds that `count` operations take, up to the end of the last one.
    virtual double run(quint64 count) = 0;
    quint64 repetitionCount() const { return m_count; }

private:
    quint64 m_count = 0;
};

// The median of the nanoseconds of single operations, with a short pause before each. The median, since one operation during
// which the system runs another program would outweigh all others in a mean.
class LatencyProbe : public Probe
{
public:
    double measure() override;

protected:
    LatencyProbe(int calls, std::chrono::microseconds pause)
        : m_calls(calls)
        , m_pause(pause)
    {
    }
    // What is timed.
    virtual void call() = 0;

private:
    int m_calls;
    std::chrono::microseconds m_pause;
};

// Which cores the two threads of a round trip have. Left to itself the system puts both on one core or on two, as it likes, and
// a round trip costs several times more on the one than on the other.
enum class Cores { One, Two };

// Binds the current thread to one of the cores that this process may use: the first, or the second if there is one.
void bindToCore(int which);

struct Side
{
    std::string name;
    int rounds; // repetitions
    std::function<std::unique_ptr<Probe>()> make;
};

template<class P, class... A>
Side side(std::string name, int rounds, A... args)
{
    return {std::move(name), rounds, [=] { return std::make_unique<P>(args...); }};
}

// Sides that are measured in turn, so that whatever else the machine does meets all of them. In every other round the order
// is reversed. Each repetition is one benchmark, named GROUP/SIDE/ROUND; its result is the counter "value".
void addGroup(const std::string &name, std::vector<Side> sides);

// Keeps a producer from running far ahead: what a growing queue costs is no steady state. Both ends look at it seldom.
class Window
{
public:
    void reset() { m_received.store(0, std::memory_order_relaxed); }
    // Producer: before it sends item `index`. It sleeps until half of the window is free, so that waking it counts for nothing; it
    // does not yield, since who yields on a busy machine waits for the time slices of all other programs.
    void admit(quint64 index) const
    {
        if (index % Stride != 0 || index <= m_received.load(std::memory_order_acquire) + Most)
            return;
        for (;;) {
            const quint64 seen = m_received.load(std::memory_order_acquire);
            if (index <= seen + Most / 2)
                return;
            m_received.wait(seen, std::memory_order_acquire);
        }
    }
    // Consumer: after it has received `count` items in all. More than half a window is left when the producer sleeps, so a
    // notification is always still to come.
    void received(quint64 count)
    {
        if (count % Stride != 0)
            return;
        m_received.store(count, std::memory_order_release);
        if (count % (Most / 4) == 0)
            m_received.notify_one();
    }

private:
    static constexpr quint64 Most = 64 * 1024;
    static constexpr quint64 Stride = 1024;
    std::atomic<quint64> m_received{0};
};

// Where the items of every side of a throughput comparison end up. They are the numbers from 1 up, and 0 as the last one.
class Sink
{
public:
    // Consumer.
    void take(quint64 item)
    {
        if (item == 0) {
            m_done.release();
            return;
        }
        m_sum += item;
        m_window.received(++m_count);
    }

    // Producer: seconds from the first send until everything has been received.
    template<class Send>
    double run(quint64 count, Send send)
    {
        return runWith(count, [&] {
            for (quint64 item = 1; item <= count; ++item) {
                m_window.admit(item);
                send(item);
            }
            send(quint64(0));
        });
    }
    // The same for a producer that does all of it, without the window.
    template<class Produce>
    double runWith(quint64 count, Produce produce)
    {
        m_count = m_sum = 0;
        m_window.reset();
        const auto begin = Clock::now();
        produce();
        m_done.acquire();
        const double seconds = secondsSince(begin);
        if (m_count != count || m_sum != count * (count + 1) / 2)
            throw std::runtime_error("items were lost or changed on their way");
        return seconds;
    }

private:
    // What the consumer writes must not lie beside what the producer reads.
    alignas(64) quint64 m_count = 0;
    quint64 m_sum = 0;
    alignas(64) Window m_window;
    alignas(64) QSemaphore m_done;
};

class RunningService
{
public:
    RunningService()
    {
        m_service.start();
        m_service.waitStarted();
    }
    ~RunningService()
    {
        m_service.stop();
        m_service.join();
    }
    RunningService(const RunningService &) = delete;
    RunningService &operator=(const RunningService &) = delete;
    QMicroIO::LoopServiceThread *operator->() { return &m_service; }

private:
    QMicroIO::LoopServiceThread m_service{QStringLiteral("bench")};
};

// The main function of every benchmark program, after it has added its groups.
int runGroups(int argc, char **argv);

} // namespace Bench
