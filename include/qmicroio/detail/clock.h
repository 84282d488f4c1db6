// floor 1: the one source of "now", and waits that end by it
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <QtCore/QDeadlineTimer>

#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace QMicroIO::detail {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

class Seam;

// A thread that sleeps until it is told, or until an instant of a clock that a test moves.
class Sleeper
{
public:
    Sleeper(const Sleeper &) = delete;
    Sleeper &operator=(const Sleeper &) = delete;
    // Ends one sleep of the thread, which then looks whether it is over. Any thread; no lock of the clock is held.
    virtual void poke() = 0;
    TimePoint until() const { return m_until; }
    bool isOver() const noexcept { return m_over.load(std::memory_order_acquire) != Over::No; }
    // Else the clock was taken away.
    bool timeIsUp() const noexcept { return m_over.load(std::memory_order_acquire) == Over::TimeIsUp; }
    void setTimeIsUp() noexcept { m_over.store(Over::TimeIsUp, std::memory_order_release); }
    void setClockIsGone() noexcept { m_over.store(Over::ClockIsGone, std::memory_order_release); }

protected:
    explicit Sleeper(TimePoint until)
        : m_until(until)
    {
    }
    ~Sleeper() = default;

private:
    enum class Over { No, TimeIsUp, ClockIsGone };
    const TimePoint m_until;
    std::atomic<Over> m_over{Over::No};
};

// What a test kit puts in place of the system's clock. Loops and threads tell it when they are busy and when they have
// nothing left to do, so that time can move by itself then. Any thread calls it, with locks of its own held.
class ClockHook
{
public:
    ClockHook(const ClockHook &) = delete;
    ClockHook &operator=(const ClockHook &) = delete;
    virtual TimePoint now() noexcept = 0;

    // On a loop's thread. `next`: when its first timer is due. The clock wakes the loop then, through its seam.
    virtual void loopTurns(const std::shared_ptr<Seam> &loop) = 0;
    virtual void loopArms(const std::shared_ptr<Seam> &loop, TimePoint next) = 0;
    virtual void loopBlocks(const std::shared_ptr<Seam> &loop, TimePoint next) = 0;
    virtual void loopCloses(const std::shared_ptr<Seam> &loop) = 0;

    // A thread that is about to begin counts as busy until it says otherwise. `key` tells threads apart.
    virtual void threadPromised(const void *key) = 0;
    virtual void threadBegins(const void *key) = 0;
    virtual void threadEnds(const void *key) = 0;

    // This thread sleeps from the one to the other. No poke() runs once awake() has returned; it must not be called
    // with a lock that poke() takes.
    virtual void sleeps(Sleeper &sleeper) = 0;
    virtual void awake(Sleeper &sleeper) = 0;

    // Work in a thread that the clock does not know, such as one of a pool.
    virtual void hold() noexcept = 0;
    virtual void release() noexcept = 0;

protected:
    ClockHook() = default;
    ~ClockHook() = default; // lives for ever: threads may be inside it whenever it is taken away
};

QMICROIO_EXPORT extern std::atomic<ClockHook *> installedClock;
inline ClockHook *clockHook() noexcept
{
    return installedClock.load(std::memory_order_acquire);
}

// While it lives, time does not move by itself.
class ClockHold
{
public:
    ClockHold() noexcept
        : m_clock(clockHook())
    {
        if (Q_UNLIKELY(m_clock != nullptr))
            m_clock->hold();
    }
    ClockHold(ClockHold &&other) noexcept
        : m_clock(std::exchange(other.m_clock, nullptr))
    {
    }
    ClockHold &operator=(ClockHold &&) = delete;
    ~ClockHold()
    {
        if (Q_UNLIKELY(m_clock != nullptr))
            m_clock->release();
    }

private:
    ClockHook *m_clock;
};

// The one source of "now".
QMICROIO_EXPORT TimePoint now() noexcept;

// A span in the clock's own unit; spans too long to represent become the longest one.
template<class Rep, class Period>
Clock::duration checkedDuration(std::chrono::duration<Rep, Period> span, const char *what)
{
    if constexpr (std::is_floating_point_v<Rep>) {
        if (std::isnan(span.count()))
            throw std::invalid_argument(std::string(what) + ": the time is NaN; give a number");
    }
    if (span < span.zero())
        throw std::invalid_argument(std::string(what) + ": the time is negative; give zero or more");
    using Wide = std::chrono::duration<long double, Clock::period>;
    if (std::chrono::duration_cast<Wide>(span) >= Wide(Clock::duration::max()))
        return Clock::duration::max();
    return std::chrono::duration_cast<Clock::duration>(span);
}

inline TimePoint after(TimePoint start, Clock::duration span) noexcept
{
    return span >= TimePoint::max() - start ? TimePoint::max() : start + span;
}

// The deadline as an instant of the clock that now() reads. Deadlines count by the system's clock, so what is left of one is
// rounded up to a whole millisecond: the time since it was made is no part of a test.
QMICROIO_EXPORT TimePoint instantOf(QDeadlineTimer deadline);

// One deadline for several waits in a row, and for a wait that something precedes: by a clock that a test moves it counts from here.
class QMICROIO_EXPORT SharedDeadline
{
public:
    explicit SharedDeadline(QDeadlineTimer deadline);
    QDeadlineTimer left() const;

private:
    QDeadlineTimer m_deadline;
    ClockHook *m_clock;
    TimePoint m_end;
};

// Waits until `done` holds or the instant has come by a clock that a test moves; the lock is held again on return.
// Nothing: the clock was taken away meanwhile.
template<class Condition, class Predicate>
std::optional<bool> waitByHook(ClockHook &clock, Condition &condition, std::unique_lock<std::mutex> &lock,
                               TimePoint until, Predicate &done)
{
    class Sleep final : public Sleeper
    {
    public:
        Sleep(Condition &condition, std::mutex &mutex, TimePoint until)
            : Sleeper(until)
            , m_condition(condition)
            , m_mutex(mutex)
        {
        }
        void poke() override
        {
            const std::lock_guard lock(m_mutex); // else the thread may just have looked and miss it
            m_condition.notify_all();
        }

    private:
        Condition &m_condition;
        std::mutex &m_mutex;
    } sleep(condition, *lock.mutex(), until);
    while (!done()) {
        if (sleep.isOver())
            return sleep.timeIsUp() ? std::optional(false) : std::nullopt;
        clock.sleeps(sleep);
        condition.wait(lock, [&] { return sleep.isOver() || done(); });
        lock.unlock();
        clock.awake(sleep);
        lock.lock();
    }
    return true;
}

// Waits until `done` holds or the deadline has passed; the lock is held again on return.
template<class Condition, class Predicate>
bool waitUntil(Condition &condition, std::unique_lock<std::mutex> &lock, QDeadlineTimer deadline, Predicate done)
{
    if (ClockHook *clock = clockHook(); Q_UNLIKELY(clock != nullptr)) {
        if (const auto result = waitByHook(*clock, condition, lock, instantOf(deadline), done))
            return *result;
    }
    if (deadline.isForever()) {
        condition.wait(lock, done);
        return true;
    }
    const auto left = std::chrono::nanoseconds(deadline.remainingTimeNSecs());
    return condition.wait_until(lock, after(Clock::now(), left), done);
}

} // namespace QMicroIO::detail
