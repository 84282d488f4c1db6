// floor 21: a clock that moves when told, or jumps when everything is blocked
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/clock.h>
#include <qmicroio/test/testexport.h>

#include <QtCore/QString>

#include <chrono>
#include <memory>

QT_BEGIN_NAMESPACE
class QObject;
class QTimer;
QT_END_NAMESPACE

namespace QMicroIO::Test {

/// A clock for tests, in place of the system's while it is installed: sleeps, deadlines, timeouts and blocking waits
/// with deadlines count by it, on all loops and threads of the program.
///
/// Starts at zero and stands still. Time moves by advance(), by a rate, or by itself: with an autojump threshold it
/// jumps to the next deadline whenever nobody has anything to do. Everybody is every loop, every service's thread and
/// the thread that installed the clock. A thread counts as blocked in its event loop, in a wait of this library, and
/// after 5 real milliseconds also asleep in a call of others, such as QFuture::result(). Functions of offload() count
/// as work.
///
/// Not under it: std::chrono::steady_clock::now() and QDeadlineTimer in code under test, and timers of Qt other than
/// those that control() was told of. A QDeadlineTimer given to a blocking wait is taken as what is left of it where the
/// call begins, rounded up to a whole millisecond, and counts by this clock from there: on a busy machine a test may see
/// a little less than it gave, never more.
///
/// Thread:   any, except where a method says otherwise. Lifetime: the destructor uninstalls.
/// Cost:     a thread that looks while it is installed; a system call for each thread before a jump.
/// Source:   the clocks of Trio's testing module and of tokio's paused runtime.
class QMICROIO_TEST_EXPORT VirtualClock
{
public:
    VirtualClock();
    ~VirtualClock();
    VirtualClock(const VirtualClock &) = delete;
    VirtualClock &operator=(const VirtualClock &) = delete;

    /// From here on everything counts by this clock; what waits already keeps the time that it had left.
    ///
    /// Thread: the one that runs the test; it counts as busy unless it is blocked. Blocking waits that have begun
    /// before keep the system's clock. Fails: LogicError when a clock is installed.
    void install();
    /// Back to the system's clock: what still waits keeps the time that it has left. Harmless when not installed.
    void uninstall();
    /// Between install() and uninstall().
    bool isInstalled() const;

    /// Since install(): zero then, and before.
    std::chrono::nanoseconds elapsed() const;
    /// The instant that deadlines are compared with; moves with elapsed().
    std::chrono::steady_clock::time_point now() const;

    /// Moves the clock in one step; what becomes due wakes in the order of its deadlines, in the next turn of its loop.
    ///
    /// Fails: std::invalid_argument for a negative span or NaN, and then nothing moves; LogicError when not installed.
    template<class Rep, class Period>
    void advance(std::chrono::duration<Rep, Period> span)
    {
        advanceBy(QMicroIO::detail::checkedDuration(span, "VirtualClock::advance()"));
    }

    /// Virtual seconds for each real second; zero, the default: time does not flow. No step at the change.
    ///
    /// Fails: std::invalid_argument for a negative rate or NaN.
    void setRate(double rate);
    /// As set by setRate().
    double rate() const;

    /// Once everything has been blocked that long (real time), the clock jumps to the next deadline. Acts at once.
    ///
    /// On a tie, tasks in waitAllTasksBlocked() go first. Units: real time. Fails: std::invalid_argument for a
    /// negative time or NaN.
    template<class Rep, class Period>
    void setAutojump(std::chrono::duration<Rep, Period> threshold)
    {
        setThreshold(QMicroIO::detail::checkedDuration(threshold, "VirtualClock::setAutojump()"));
    }
    /// The default: time moves only when told.
    void stopAutojump();
    /// How often it has jumped by itself.
    quint64 jumps() const;

    /// Puts a QTimer under this clock: from its next start on, it times out by virtual time.
    ///
    /// A timer of zero milliseconds stays with Qt: it times out at each turn of the event loop.
    /// Thread: the timer's. Lifetime: until the timer is destroyed or the clock is uninstalled; a timer that runs then
    /// goes on with Qt's.
    /// Fails: std::invalid_argument for null; LogicError when the clock is not installed, in another thread, or in one
    /// without an event loop; NotRunningError when that has ended.
    void control(QTimer *timer);
    /// All QTimers that `owner` has as children, now, at any depth. As control().
    void controlTimersOf(QObject *owner);

    /// While it lives, the installed clock does not jump by itself: for work in threads that it does not know.
    using Hold = QMicroIO::detail::ClockHold;

    /// For people: where the installed clock stands and who keeps it from jumping.
    static QString describe();

private:
    void advanceBy(std::chrono::nanoseconds span);
    void setThreshold(std::chrono::nanoseconds threshold);
    struct Private;
    std::unique_ptr<Private> d;
};

/// The clock's own instant, for code under test that computes absolute deadlines. The system's when no clock is
/// installed.
/// Thread: any. Cost: an atomic load and a look at the clock; no allocation.
QMICROIO_TEST_EXPORT std::chrono::steady_clock::time_point now();

} // namespace QMicroIO::Test
