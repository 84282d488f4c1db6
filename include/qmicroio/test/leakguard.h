// floor 22: what a test has left behind, and where it was created
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/test/testexport.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QStringList>

#include <memory>
#include <source_location>

namespace QMicroIO::Test {

namespace detail {
class StepAccounts;
}

/// Finds what came to life after its construction and is still there: running services, tasks that wait (with the line
/// where), pending requests, calls that no loop has taken, and coroutine frames. Names each, and the lines that
/// created it.
///
/// The lines come from the program's debug information, through addr2line; without either, the program's own file and
/// offset are named. runTest() uses one around each test.
///
/// Thread:   the one that runs the test. Lifetime: at most one counts at a time; an inner one takes over until it goes.
/// Blocks:   its methods and its constructor as taskTree(), for loops that do not answer.
/// Cost:     a lock and some microseconds for each frame, service and request while it lives.
class QMICROIO_TEST_EXPORT LeakGuard
{
public:
    LeakGuard();
    ~LeakGuard();
    LeakGuard(const LeakGuard &) = delete;
    LeakGuard &operator=(const LeakGuard &) = delete;

    /// One text for each thing left; empty when nothing is.
    ///
    /// Blocks: while something is left, until the deadline (real time), with this thread's events processed: what is
    /// on its way out may finish.
    QStringList leaks(QDeadlineTimer deadline = QDeadlineTimer(500)) const;
    /// The same as a check. Fails: CheckFailed.
    void check(QDeadlineTimer deadline = QDeadlineTimer(500),
               std::source_location place = std::source_location::current()) const;

private:
    friend class detail::StepAccounts;
    QStringList leaksOfThisThread() const; // at once; what others do meanwhile is not looked at
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace QMicroIO::Test
