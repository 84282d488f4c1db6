// SPDX-License-Identifier: Apache-2.0
//
// Coroutines within one thread.
#include "harness.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/loopwatchdog.h>
#include <qmicroio/taskgroup.h>

#include <QCoroTask>
#include <QCoroTimer>

#include <QtCore/QEventLoop>
#include <QtCore/QTimer>

#include <malloc.h>

using namespace Bench;
using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// Awaiting a coroutine that has its result at once

[[gnu::noinline]] Task<quint64> child(quint64 number)
{
    co_return number;
}

[[gnu::noinline]] QCoro::Task<quint64> qcoroChild(quint64 number)
{
    co_return number;
}

void checkSum(quint64 count, quint64 sum)
{
    if (sum != count * (count + 1) / 2)
        throw std::runtime_error("a result is wrong");
}

class AwaitProbe : public ThroughputProbe
{
public:
    double run(quint64 count) override { return QMicroIO::run(awaitChildren(count)); }

private:
    static Task<double> awaitChildren(quint64 count)
    {
        quint64 sum = 0;
        const auto begin = Clock::now();
        for (quint64 i = 1; i <= count; ++i)
            sum += co_await child(i);
        const double seconds = secondsSince(begin);
        checkSum(count, sum);
        co_return seconds;
    }
};

class QCoroAwaitProbe : public ThroughputProbe
{
public:
    double run(quint64 count) override
    {
        double seconds = 0;
        awaitChildren(count, seconds); // runs to its end within the call, since nothing suspends it
        return seconds;
    }

private:
    static QCoro::Task<> awaitChildren(quint64 count, double &seconds)
    {
        quint64 sum = 0;
        const auto begin = Clock::now();
        for (quint64 i = 1; i <= count; ++i)
            sum += co_await qcoroChild(i);
        seconds = secondsSince(begin);
        checkSum(count, sum);
    }
};

// ---------------------------------------------------------------------------------------------------------------------
// Children of a group

class SpawnProbe : public ThroughputProbe
{
public:
    explicit SpawnProbe(quint64 atOnce)
        : m_atOnce(atOnce)
    {
    }
    double run(quint64 count) override
    {
        quint64 ended = 0;
        double seconds = 0;
        auto one = [&]() -> Task<> {
            ++ended;
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            const auto begin = Clock::now();
            for (quint64 spawned = 0; spawned < count;) {
                for (const quint64 end = std::min(count, spawned + m_atOnce); spawned < end; ++spawned)
                    group.startSoon(std::ref(one));
                co_await group.untilEmpty();
            }
            seconds = secondsSince(begin);
        };
        QMicroIO::run(withTaskGroup(body));
        if (ended != count)
            throw std::runtime_error("a child did not run");
        return seconds;
    }

private:
    quint64 m_atOnce;
};

// The same with the loop under watch.
class WatchedSpawnProbe : public ThroughputProbe
{
public:
    double run(quint64 count) override
    {
        const LoopWatchdog watchdog(std::chrono::milliseconds(100));
        return m_spawn.run(count);
    }

private:
    SpawnProbe m_spawn{1000};
};

// ---------------------------------------------------------------------------------------------------------------------
// Sleeping tasks

constexpr int Sleepers = 100'000;

// Spread over one second, in no order, however many there are.
std::chrono::microseconds timeOf(int sleeper, int all)
{
    return std::chrono::microseconds(quint64(sleeper) * 7919 % quint64(all) * 1'000'000 / quint64(all));
}

Task<> sleepFor(std::chrono::microseconds span)
{
    co_await sleep(span);
}

class SleepProbe : public Probe
{
public:
    explicit SleepProbe(int sleepers)
        : m_sleepers(sleepers)
    {
    }
    void warmUp() override { }
    double measure() override
    {
        const auto begin = Clock::now();
        auto body = [this](TaskGroup &group) -> Task<> {
            for (int i = 0; i < m_sleepers; ++i)
                group.startSoon(&sleepFor, timeOf(i, m_sleepers));
            co_return;
        };
        QMicroIO::run(withTaskGroup(body));
        return secondsSince(begin) * 1e9;
    }

private:
    const int m_sleepers;
};

// What a program without coroutines does.
class TimerSleepProbe : public Probe
{
public:
    explicit TimerSleepProbe(int sleepers)
        : m_sleepers(sleepers)
    {
    }
    void warmUp() override { }
    double measure() override
    {
        const auto begin = Clock::now();
        QEventLoop loop;
        int left = m_sleepers;
        for (int i = 0; i < m_sleepers; ++i) {
            const auto span = std::chrono::duration_cast<std::chrono::milliseconds>(timeOf(i, m_sleepers));
            QTimer::singleShot(span, Qt::PreciseTimer, &loop, [&] {
                if (--left == 0)
                    loop.quit();
            });
        }
        loop.exec();
        return secondsSince(begin) * 1e9;
    }

private:
    const int m_sleepers;
};

QCoro::Task<> qcoroSleep(std::chrono::microseconds span, int &left, QEventLoop &loop)
{
    // QCoro counts in milliseconds.
    co_await QCoro::sleepFor(std::chrono::duration_cast<std::chrono::milliseconds>(span));
    if (--left == 0)
        loop.quit();
}

class QCoroSleepProbe : public Probe
{
public:
    explicit QCoroSleepProbe(int sleepers)
        : m_sleepers(sleepers)
    {
    }
    void warmUp() override { }
    double measure() override
    {
        const auto begin = Clock::now();
        QEventLoop loop;
        int left = m_sleepers;
        for (int i = 0; i < m_sleepers; ++i)
            qcoroSleep(timeOf(i, m_sleepers), left, loop);
        loop.exec();
        return secondsSince(begin) * 1e9;
    }

private:
    const int m_sleepers;
};

class CancelProbe : public Probe
{
public:
    double measure() override
    {
        Clock::time_point begin;
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < Sleepers; ++i)
                group.startSoon(&sleepFor, 1h);
            co_await checkpoint(); // behind all children, so they sleep now
            begin = Clock::now();
            group.cancel();
        };
        QMicroIO::run(withTaskGroup(body));
        return secondsSince(begin) * 1e9;
    }
};

// What the heap holds, with the overhead of its blocks.
double heapBytes()
{
    const auto info = mallinfo2();
    return double(info.uordblks) + double(info.hblkhd);
}

// In a new thread each time: a thread that has run tasks before keeps some blocks to use them again.
class SleepBytesProbe : public Probe
{
public:
    double measure() override
    {
        RunningService service;
        return service->submit(&measureThere).result();
    }

private:
    static Task<double> measureThere()
    {
        constexpr int Count = 10'000;
        double bytes = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            const double before = heapBytes();
            for (int i = 0; i < Count; ++i)
                group.startSoon(&sleepFor, 1h);
            co_await checkpoint();
            bytes = (heapBytes() - before) / Count;
            group.cancel();
        };
        co_await withTaskGroup(body);
        co_return bytes;
    }
};

class QCoroSleepBytesProbe : public Probe
{
public:
    double measure() override
    {
        constexpr int Count = 10'000;
        QEventLoop loop;
        int left = Count;
        const double before = heapBytes();
        for (int i = 0; i < Count; ++i)
            qcoroSleep(1s, left, loop);
        const double bytes = (heapBytes() - before) / Count;
        loop.exec();
        return bytes;
    }
};

} // namespace

int main(int argc, char **argv)
{
    constexpr int Rounds = 15;
    // First: where its two frames lie in a heap that a million sleepers have left decides more than what is measured.
    addGroup("await", {side<AwaitProbe>("qmicroio", Rounds), side<QCoroAwaitProbe>("qcoro", Rounds)});
    addGroup("sleepBytes", {side<SleepBytesProbe>("qmicroio", 3), side<QCoroSleepBytesProbe>("qcoro", 3)});
    // Early: the heap is not yet in the pieces that others leave.
    addGroup("sleepsOfMany", {side<SleepProbe>("qmicroio", 3, 10 * Sleepers)});
    addGroup("spawn", {side<SpawnProbe>("thousand", Rounds, 1000), side<SpawnProbe>("single", Rounds, 1)});
    addGroup("watchdogTasks", {side<WatchedSpawnProbe>("on", Rounds), side<SpawnProbe>("off", Rounds, 1000)});
    addGroup("cancel", {side<CancelProbe>("qmicroio", 7)});
    addGroup("sleeps", {side<SleepProbe>("qmicroio", 5, Sleepers), side<QCoroSleepProbe>("qcoro", 1, Sleepers)});
    // Cost against count, at sizes that each side can bear.
    for (const int sleepers : {1'000, 3'000, 10'000, 30'000}) {
        addGroup("sleeps" + std::to_string(sleepers),
                 {side<SleepProbe>("qmicroio", 1, sleepers), side<QCoroSleepProbe>("qcoro", 1, sleepers),
                  side<TimerSleepProbe>("qtimer", 1, sleepers)});
    }
    return runGroups(argc, argv);
}
