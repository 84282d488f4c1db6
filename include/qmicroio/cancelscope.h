// floor 8: regions of a task that can be cancelled, timed out or shielded
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/scope.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>
#include <qmicroio/task.h>

#include <QtCore/QString>

#include <chrono>
#include <functional>
#include <optional>
#include <type_traits>

namespace QMicroIO {

class CancelScope;

namespace detail {

class ScopeGroupMember;

template<class F>
struct BodyOf
{
    using Returned = typename std::conditional_t<std::is_invocable_v<F &, CancelScope &>,
                                                 std::invoke_result<F &, CancelScope &>, std::invoke_result<F &>>::type;
    static_assert(IsAnyTask<Returned>,
                  "QMicroIO: the body of a scope is called as body() or body(CancelScope &) and returns a Task: "
                  "[&]() -> QMicroIO::Task<> { ... co_return; }");
    using Result = TaskResult<Returned>;
};

// bool for a body without a result: true when it ran to its end.
template<class R>
using ScopeResult = std::conditional_t<std::is_void_v<R>, bool, std::optional<R>>;

// The scope is entered while this lives; also when the frame that holds it is destroyed in the middle of a wait.
class QMICROIO_EXPORT ScopeRegion
{
public:
    ScopeRegion(TaskContext &task, ScopeRef scope, const char *misuse);
    ~ScopeRegion();
    ScopeRegion(const ScopeRegion &) = delete;
    ScopeRegion &operator=(const ScopeRegion &) = delete;

    // Leaves. Returns what must be thrown on; a cancellation that ends here is taken out and marked as caught.
    std::exception_ptr leave(const std::exception_ptr &error);

private:
    TaskContext &m_task;
    ScopeRef m_scope;
    ScopeState *m_outer;
    bool m_left = false;
};

template<class F>
Task<ScopeResult<typename BodyOf<F>::Result>> runInScope(ScopeRef state, F body);

} // namespace detail

/// A region of a task that ends as a whole when it is cancelled or its deadline passes.
///
/// Cancellation is level-triggered: inside a cancelled scope every wait throws Cancelled until the region is left. The
/// outermost cancelled scope absorbs it; a scope that was never cancelled never absorbs.
///
/// Thread:   cancel() and what it reports: any; everything else: the thread of the task's loop.
/// Lifetime: must outlive run(); used for one run. Destroying it afterwards is free at any time. Destroyed before its run has
///           begun: LogicError there. Destroyed in the middle: logged as critical, and the region goes on without it.
/// Source:   the cancel scopes of Trio (N. J. Smith, 2018) and AnyIO.
class QMICROIO_EXPORT CancelScope
{
public:
    CancelScope();
    ~CancelScope();
    CancelScope(const CancelScope &) = delete;
    CancelScope &operator=(const CancelScope &) = delete;

    /// Asks for cancellation, now or later: before run() it counts from the region's first wait on.
    ///
    /// Thread: any. Suspends: never. Repeat: true for the first call (or deadline), later ones change nothing.
    /// Fails: never; after the region was left it has no effect but isCancelCalled(). Cost: one posted event at most.
    bool cancel(const QString &reason = {});
    /// Thread: any; on the loop's thread a deadline that has passed counts at once.
    bool isCancelCalled() const;
    /// True once the region ended by this scope's own cancellation. Thread: the task's.
    bool isCancelledCaught() const;
    /// True when the deadline, not a call, cancelled first. Thread: any.
    bool isTimedOut() const;
    /// Of the first cancel(); empty before. Thread: any.
    QString reason() const;

    /// An instant of the monotonic clock; time_point::max(): never. May be moved while inside; the past cancels at once.
    /// Moving it later does not undo a cancellation. Thread: the task's. Fails: LogicError from another while inside.
    void setDeadline(std::chrono::steady_clock::time_point deadline);
    /// The instant; before run() with a timeout set, time_point::max(). Thread: the task's.
    std::chrono::steady_clock::time_point deadline() const;
    /// A span counted from the entry into run(), or from now when inside already.
    ///
    /// Thread: the task's. Fails: std::invalid_argument for a negative span or NaN; LogicError from another while inside.
    template<class Rep, class Period>
    void setTimeout(std::chrono::duration<Rep, Period> timeout)
    {
        applyTimeout(detail::checkedDuration(timeout, "CancelScope::setTimeout()"));
    }
    /// A shield keeps cancellation from outside away; the scope's own cancel() and deadline still count.
    /// Switched off inside a cancelled outer scope, a wait in here ends at once. Thread: the task's. Fails: LogicError from
    /// another while inside.
    void setShielded(bool shielded);
    /// Thread: the task's.
    bool isShielded() const;

    /// Runs `body` inside the scope: body() or body(CancelScope &), returning a Task.
    ///
    /// Gives the body's result, or nullopt (void: false) when the region was cancelled by this scope. Another error
    /// passes unchanged; out of an ExceptionGroup only the Cancelled are taken.
    /// Thread: the task's. Suspends, Cancel point: where the body waits. Lifetime: the body is kept until its coroutine has
    /// ended. Fails: LogicError for a second run. Cost: one frame.
    template<class F>
    Task<detail::ScopeResult<typename detail::BodyOf<F>::Result>> run(F body)
    {
        return detail::runInScope(m_state, std::move(body));
    }

private:
    friend class detail::GroupState;
    friend class detail::ScopeGroupMember;
    explicit CancelScope(detail::ScopeRef state);
    void applyTimeout(std::chrono::steady_clock::duration timeout);
    void entering();
    template<class F>
    friend Task<detail::ScopeResult<typename detail::BodyOf<F>::Result>> detail::runInScope(detail::ScopeRef, F);

    detail::ScopeRef m_state;
    std::optional<std::chrono::steady_clock::duration> m_timeout;
};

namespace detail {

[[noreturn]] QMICROIO_EXPORT void throwScopeIsGone();

template<class F>
Task<ScopeResult<typename BodyOf<F>::Result>> runInScope(ScopeRef state, F body)
{
    using Result = typename BodyOf<F>::Result;
    TaskContext &task = co_await CurrentTask();
    if (!state->face)
        throwScopeIsGone();
    CancelScope &scope = *state->face;
    if (!state->wasEntered())
        scope.entering();
    ScopeRegion region(task, state, "CancelScope::run()");
    ScopeResult<Result> result{};
    std::exception_ptr error;
    try {
        const auto call = [&] {
            if constexpr (std::is_invocable_v<F &, CancelScope &>)
                return std::invoke(body, scope);
            else
                return std::invoke(body);
        };
        if constexpr (std::is_void_v<Result>) {
            co_await call();
            result = true;
        } else {
            result.emplace(co_await call());
        }
    } catch (...) {
        error = std::current_exception();
    }
    const bool failed = bool(error);
    error = region.leave(error);
    if (error)
        std::rethrow_exception(error);
    if (failed)
        result = {};
    co_return result;
}

[[noreturn]] QMICROIO_EXPORT void throwTimedOut(Clock::duration timeout);
[[noreturn]] QMICROIO_EXPORT void throwClosedByCancel(const CancelScope &scope);

template<class F>
Task<ScopeResult<typename BodyOf<F>::Result>> moveOnAfterChecked(Clock::duration timeout, F body)
{
    CancelScope scope;
    scope.setTimeout(timeout);
    co_return co_await scope.run(std::move(body));
}

template<class F>
Task<typename BodyOf<F>::Result> failAfterChecked(Clock::duration timeout, F body)
{
    using Result = typename BodyOf<F>::Result;
    CancelScope scope;
    scope.setTimeout(timeout);
    auto result = co_await scope.run(std::move(body));
    if (!result && scope.isTimedOut())
        throwTimedOut(timeout);
    if constexpr (!std::is_void_v<Result>) {
        if (!result)
            throwClosedByCancel(scope);
        co_return std::move(*result);
    }
}

class CheckpointWait : public AmbientBase
{
public:
    enum class Kind { Yield, OnlyIfCancelled, Shielded };
    explicit CheckpointWait(Kind kind)
        : m_kind(kind)
    {
    }
    class QMICROIO_EXPORT Awaiter
    {
    public:
        Awaiter(TaskContext &task, Kind kind)
            : m_task(task)
            , m_kind(kind)
        {
        }
        bool await_ready() const
        {
            if (m_kind != Kind::Shielded)
                throwIfCancelled();
            return m_kind == Kind::OnlyIfCancelled;
        }
        void await_suspend(std::coroutine_handle<> leaf) const
        {
            m_task.suspendAt(leaf);
            m_task.loop().makeReady(m_task);
        }
        void await_resume() const
        {
            if (m_kind == Kind::Yield)
                throwIfCancelled();
        }

    private:
        // Looks at the clock as well: a deadline may have passed in the code since the last turn.
        void throwIfCancelled() const
        {
            m_task.loop().fireDueTimers();
            if (m_task.isCancelled())
                m_task.throwCancelled();
        }
        TaskContext &m_task;
        Kind m_kind;
    };
    Awaiter awaiter(TaskContext &task) const { return {task, m_kind}; }

private:
    Kind m_kind;
};

class QMICROIO_EXPORT SleepAwaiter : public Waiter, private TimerNode
{
public:
    SleepAwaiter(TaskContext &task, TimePoint until)
        : Waiter(task)
        , TimerNode(until)
    {
    }
    ~SleepAwaiter();
    bool await_ready() const;
    void await_suspend(std::coroutine_handle<> leaf);
    void await_resume() const;
    QString describe() const override;

private:
    bool abort() noexcept override;
    void timerFired() override;
    bool m_onlyYields = false;
};

template<class V>
class SleepValueAwaiter : public SleepAwaiter
{
public:
    SleepValueAwaiter(TaskContext &task, TimePoint until, V value)
        : SleepAwaiter(task, until)
        , m_value(std::move(value))
    {
    }
    V await_resume()
    {
        SleepAwaiter::await_resume();
        return std::move(m_value);
    }

private:
    V m_value;
};

// Both kinds of sleep are as small as can be: the description stays in the frame as long as the task sleeps.
class SleepWait : public AmbientBase
{
public:
    explicit SleepWait(Clock::duration span)
        : m_span(span)
    {
    }
    // A span counts from the co_await, not from the call that described it.
    SleepAwaiter awaiter(TaskContext &task) const { return {task, until()}; }

protected:
    TimePoint until() const { return after(now(), m_span); }

private:
    Clock::duration m_span;
};

class SleepUntilWait : public AmbientBase
{
public:
    explicit SleepUntilWait(TimePoint until)
        : m_until(until)
    {
    }
    SleepAwaiter awaiter(TaskContext &task) const { return {task, m_until}; }

private:
    TimePoint m_until;
};

template<class V>
class SleepValueWait : public SleepWait
{
public:
    SleepValueWait(Clock::duration span, V value)
        : SleepWait(span)
        , m_value(std::move(value))
    {
    }
    SleepValueAwaiter<V> awaiter(TaskContext &task) { return {task, until(), std::move(m_value)}; }

private:
    V m_value;
};

// What a task can ask about where it stands, answered at once.
template<class R, R (*Ask)(const TaskContext &)>
class ScopeQuery : public AmbientBase
{
public:
    ScopeQuery() { } // no aggregate: GCC 12 destroys aggregates inside co_await expressions twice
    struct Awaiter
    {
        R answer;
        bool await_ready() const noexcept { return true; }
        void await_suspend(std::coroutine_handle<>) const noexcept { }
        R await_resume() const noexcept { return answer; }
    };
    Awaiter awaiter(TaskContext &task) const { return {Ask(task)}; }
};

QMICROIO_EXPORT TimePoint effectiveDeadlineOf(const TaskContext &task);
QMICROIO_EXPORT bool isCancelPendingIn(const TaskContext &task);
QMICROIO_EXPORT CancelScope *innermostCancelledOf(const TaskContext &task);

class CurrentScopeQuery : public AmbientBase
{
public:
    CurrentScopeQuery() { }
    struct Awaiter
    {
        CancelScope *scope;
        bool await_ready() const noexcept { return true; }
        void await_suspend(std::coroutine_handle<>) const noexcept { }
        CancelScope *await_resume() const noexcept { return scope; }
    };
    QMICROIO_EXPORT Awaiter awaiter(TaskContext &task) const;
};

} // namespace detail

/// Runs `body` and gives up on it after `timeout`: nullopt (void: false) then. Counts from the co_await.
///
/// Thread: the task's. Suspends, Cancel point: where the body waits. Fails: std::invalid_argument for a negative time or NaN; what
/// the body throws. Units: any duration, of the monotonic clock. Cost: a scope with a timer, and two frames.
template<class Rep, class Period, class F>
Task<detail::ScopeResult<typename detail::BodyOf<F>::Result>> moveOnAfter(std::chrono::duration<Rep, Period> timeout,
                                                                          F body)
{
    return detail::moveOnAfterChecked(detail::checkedDuration(timeout, "moveOnAfter()"), std::move(body));
}

/// Runs `body`, which must end within `timeout`. Counts from the co_await.
///
/// Thread: the task's. Suspends, Cancel point: where the body waits. Units, Cost: as moveOnAfter(). Fails: TimeoutError when the
/// deadline cancelled it; ClosedResourceError with the reason when it was cancelled by hand and there is a result to give;
/// std::invalid_argument for a negative time or NaN; what the body throws.
template<class Rep, class Period, class F>
Task<typename detail::BodyOf<F>::Result> failAfter(std::chrono::duration<Rep, Period> timeout, F body)
{
    return detail::failAfterChecked(detail::checkedDuration(timeout, "failAfter()"), std::move(body));
}

/// Runs `body` out of reach of cancellation from outside: for clean-up that must finish.
///
/// Thread: the task's. Suspends: where the body waits. Cancel point: no; the first wait after it throws if a scope around is
/// cancelled. Give the body a deadline of its own (failAfter inside) where it may hang.
/// Fails: what the body throws; ClosedResourceError with the reason when the body has cancelled this very scope, which
/// currentCancelScope() gives it, and there is a result to give. Cost: a scope and two frames.
template<class F>
Task<typename detail::BodyOf<F>::Result> shielded(F body)
{
    using Result = typename detail::BodyOf<F>::Result;
    CancelScope scope;
    scope.setShielded(true);
    auto result = co_await scope.run(std::move(body));
    if constexpr (!std::is_void_v<Result>) {
        if (!result)
            detail::throwClosedByCancel(scope);
        co_return std::move(*result);
    }
}

/// co_await checkpoint(): lets other ready tasks and Qt's events run. Cancel point: yes. Cost: one turn of the loop.
/// Thread: the task's. Suspends: always. Resumes: on its own thread, from its loop.
inline detail::CheckpointWait checkpoint()
{
    return detail::CheckpointWait(detail::CheckpointWait::Kind::Yield);
}

/// co_await checkpointIfCancelled(): throws when cancelled, otherwise goes on at once without a turn.
/// Thread: the task's. Suspends: never. Cancel point: yes. Cost: a look at the clock and at what timers are due; nothing is
/// posted.
inline detail::CheckpointWait checkpointIfCancelled()
{
    return detail::CheckpointWait(detail::CheckpointWait::Kind::OnlyIfCancelled);
}

/// co_await cancelShieldedCheckpoint(): lets others run and never throws. Cancel point: no.
/// Thread: the task's. Suspends: always. Resumes: on its own thread, from its loop. Cost: one turn of the loop.
inline detail::CheckpointWait cancelShieldedCheckpoint()
{
    return detail::CheckpointWait(detail::CheckpointWait::Kind::Shielded);
}

/// co_await sleep(d): suspends for at least `span`, counted from the co_await; zero is a checkpoint.
///
/// Suspends: always. Cancel point: yes. Units: any duration; the loop's timer counts in ms, rounded up.
/// Fails: std::invalid_argument for a negative time or NaN. Cost: O(log sleeping tasks), no allocation.
/// Thread: the task's. Resumes: on its own thread, from its loop.
template<class Rep, class Period>
detail::SleepWait sleep(std::chrono::duration<Rep, Period> span)
{
    return detail::SleepWait(detail::checkedDuration(span, "sleep()"));
}

/// The same, and gives `value` afterwards.
/// Thread: the task's. Lifetime: the value is kept in the wait.
template<class Rep, class Period, class V>
detail::SleepValueWait<std::decay_t<V>> sleep(std::chrono::duration<Rep, Period> span, V &&value)
{
    return {detail::checkedDuration(span, "sleep()"), std::forward<V>(value)};
}

/// co_await sleepUntil(t): until an instant of the monotonic clock; one in the past is a checkpoint.
/// Thread: the task's. Suspends: always. Resumes: on its own thread, from its loop. Cancel point: yes.
/// Units: std::chrono::steady_clock. Cost: as sleep().
inline detail::SleepUntilWait sleepUntil(std::chrono::steady_clock::time_point until)
{
    return detail::SleepUntilWait(until);
}

/// co_await sleepForever(): until cancelled.
/// Thread: the task's. Suspends: always. Cancel point: yes; there is no other end. Resumes: on its own thread, from its loop.
/// Cost: no allocation and no timer.
inline detail::SleepUntilWait sleepForever()
{
    return detail::SleepUntilWait(detail::TimePoint::max());
}

/// co_await currentCancelScope(): the innermost scope around, null outside any. Suspends: never.
///
/// Lifetime: the pointer is good while that scope's region lasts. Inside a group it is the group's scope.
/// Thread: the task's. Cost: one look at the task; nothing is allocated.
inline detail::CurrentScopeQuery currentCancelScope()
{
    return detail::CurrentScopeQuery();
}

/// co_await currentEffectiveDeadline(): the earliest deadline that can end a wait here: of the scopes around, up to a shield.
///
/// time_point::max(): none; time_point::min(): a wait would throw now. Suspends: never.
/// Thread: the task's. Units: std::chrono::steady_clock. Cost: O(scopes around); nothing is allocated.
inline detail::ScopeQuery<std::chrono::steady_clock::time_point, detail::effectiveDeadlineOf> currentEffectiveDeadline()
{
    return {};
}

/// co_await isCancelPending(): whether a wait here would throw Cancelled, shields considered. Suspends: never.
/// Thread: the task's. Cost: O(scopes around); nothing is allocated.
inline detail::ScopeQuery<bool, detail::isCancelPendingIn> isCancelPending()
{
    return {};
}

/// co_await currentCancelledScope(): the innermost cancelled scope that makes waits here throw; null when there is none.
///
/// Suspends: never. Lifetime: as currentCancelScope(). Null also for a scope that has no CancelScope, such as that of start().
/// Thread: the task's. Cost: O(scopes around); nothing is allocated.
inline detail::ScopeQuery<CancelScope *, detail::innermostCancelledOf> currentCancelledScope()
{
    return {};
}

} // namespace QMicroIO
