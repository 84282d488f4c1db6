// floor 23: cancels an operation at each of its suspensions in turn
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/detail/promise.h>
#include <qmicroio/task.h>
#include <qmicroio/test/check.h>
#include <qmicroio/test/leakguard.h>
#include <qmicroio/test/testexport.h>

#include <QtCore/QStringList>

#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>

namespace QMicroIO::Test {

/// One run of an operation by interruptAtEachStep().
struct Interruption
{
    int step = 0; ///< cancelled at this suspension, counted from 1; in the last run one more than the operation has
    bool completed = false; ///< it ran to its end: nothing was cancelled, or it ended all the same
};

namespace detail {

// Cancels `scope` at the n-th suspension of the task while it lives.
class QMICROIO_TEST_EXPORT StepTrigger
{
public:
    StepTrigger(QMicroIO::detail::TaskContext &task, CancelScope &scope, int step);
    ~StepTrigger();
    StepTrigger(const StepTrigger &) = delete;
    StepTrigger &operator=(const StepTrigger &) = delete;
    bool wasReached() const { return m_reached; }
    void suspended();
    QMicroIO::detail::TaskContext &task() const { return m_task; }

private:
    QMicroIO::detail::TaskContext &m_task;
    CancelScope &m_scope;
    int m_left;
    bool m_reached = false;
};

// Frames that are there besides those of the interrupter itself, and tasks of this loop.
class QMICROIO_TEST_EXPORT StepAccounts
{
public:
    StepAccounts();
    ~StepAccounts();
    StepAccounts(const StepAccounts &) = delete;
    StepAccounts &operator=(const StepAccounts &) = delete;
    void require(int step, std::source_location place) const;

private:
    LeakGuard m_guard;
};

template<class Make>
Task<bool> runUntilStep(Make &make, int step, bool &reached)
{
    QMicroIO::detail::TaskContext &task = co_await QMicroIO::detail::CurrentTask();
    CancelScope scope;
    StepTrigger trigger(task, scope, step);
    auto body = [&]() -> Task<> { co_await std::invoke(make); };
    const bool completed = co_await scope.run(body);
    reached = trigger.wasReached();
    co_return completed;
}

} // namespace detail

/// Runs make(), which gives a fresh Task, again and again: cancelled at its first suspension, at its second, and so
/// on, until it completes without one. After each run `check(Interruption)` looks at what the operation has left, for
/// example that no item was lost.
///
/// Gives the number of suspensions. After each run nothing may be left that was not there before: frames, waiting
/// tasks, pending requests, running services. That holds for what the loop's own thread makes, so other tasks of that
/// loop should be at rest. Suspensions of the task itself count, also those that only let others run; those of the
/// tasks that it starts do not.
/// Thread: a task's. Suspends: as the operation. Cancel point: as the operation.
/// Fails: CheckFailed when a run leaves something behind, when the operation goes on for more than `mostSteps`; what
/// the operation throws in a run that nobody cancelled, what check() throws.
/// Cost: one run for each suspension, so O(n * n) steps, and a look at all tasks after each.
template<class Make, class Check>
    requires std::is_invocable_v<Check &, Interruption>
Task<int> interruptAtEachStep(Make make, Check check, int mostSteps = 1000,
                              std::source_location place = std::source_location::current())
{
    for (int step = 1;; ++step) {
        if (step > mostSteps) {
            throw CheckFailed(
                QStringLiteral("interruptAtEachStep(): the operation suspends more than %1 times").arg(mostSteps),
                place);
        }
        bool reached = false;
        bool completed = false;
        {
            const detail::StepAccounts accounts;
            completed = co_await detail::runUntilStep(make, step, reached);
            accounts.require(step, place);
        }
        check(Interruption{step, completed});
        if (!reached)
            co_return step - 1;
    }
}

/// The same without a check of one's own.
/// Thread: a task's.
template<class Make>
Task<int> interruptAtEachStep(Make make, std::source_location place = std::source_location::current())
{
    return interruptAtEachStep(std::move(make), [](Interruption) { }, 1000, place);
}

} // namespace QMicroIO::Test
