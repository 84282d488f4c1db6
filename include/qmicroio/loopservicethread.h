// floor 11: a service whose thread runs an event loop and tasks, called safely from every other thread
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/seam.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>
#include <qmicroio/servicethread.h>
#include <qmicroio/task.h>
#include <qmicroio/taskgroup.h>

#include <QtCore/QFuture>
#include <QtCore/QFutureInterface>
#include <QtCore/QMutex>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>

namespace QMicroIO {

struct LoopInfo;

namespace detail {

QMICROIO_EXPORT void logEscaped(const std::exception_ptr &error);
QMICROIO_EXPORT void logRefusedCall();

template<class F>
struct SoonCall
{
    F fn;
    LocalsRef locals;
    void operator()(Fate fate) noexcept
    {
        if (fate == Fate::Refused) {
            logRefusedCall();
            return;
        }
        const CallLocals visible(std::move(locals));
        try {
            std::invoke(std::move(fn));
        } catch (...) {
            logEscaped(std::current_exception());
        }
    }
};

// One callSync(): lives on the caller's stack when the caller waits for ever, else shared with the loop.
template<class F, class R>
class SyncCall
{
public:
    explicit SyncCall(F &&fn)
        : m_fn(std::move(fn))
    {
    }
    void run(Fate fate) noexcept
    {
        int expected = Waiting;
        if (!m_phase.compare_exchange_strong(expected, Begun, std::memory_order_acq_rel))
            return; // the caller gave up before it began
        if (fate == Fate::Refused) {
            m_refused = true;
        } else {
            const CallLocals visible(std::move(m_locals));
            try {
                if constexpr (std::is_void_v<R>)
                    std::invoke(*m_fn);
                else
                    m_outcome.value.emplace(std::invoke(*m_fn));
            } catch (...) {
                m_outcome.error = std::current_exception();
            }
        }
        m_fn.reset();
        m_gate.open();
    }
    bool wait(QDeadlineTimer deadline, std::chrono::nanoseconds spin) { return m_gate.wait(deadline, spin); }
    // True: it never begins. False: it runs now, or has run.
    bool giveUp()
    {
        int expected = Waiting;
        return m_phase.compare_exchange_strong(expected, GivenUp, std::memory_order_acq_rel);
    }
    const Gate &gate() const { return m_gate; }
    bool wasRefused() const { return m_refused; }
    R take() { return m_outcome.take(); }

private:
    enum Phase { Waiting, Begun, GivenUp };
    std::optional<F> m_fn;
    LocalsRef m_locals = currentLocals(); // of the caller
    Outcome<R> m_outcome;
    Gate m_gate;
    std::atomic<int> m_phase{Waiting};
    bool m_refused = false;
};

// Memory for the one result of a future, allocated by the caller: blocks that the loop allocates and the caller frees
// cost most of a submit(). Qt's store takes it over and frees it with `delete`.
template<class R>
class ResultSlot
{
public:
    // Types that bring their own operator delete, or need more alignment, are left to Qt.
    static constexpr bool Fits = alignof(R) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__ && !requires(void *memory) {
        R::operator delete(memory);
    } && !requires(void *memory) { R::operator delete(memory, sizeof(R)); };

    ResultSlot()
    {
        if constexpr (Fits)
            m_memory = ::operator new(sizeof(R));
    }
    ResultSlot(ResultSlot &&other) noexcept
        : m_memory(std::exchange(other.m_memory, nullptr))
    {
    }
    ResultSlot &operator=(ResultSlot &&) = delete;
    ~ResultSlot() { ::operator delete(m_memory); }

    void report(QFutureInterface<R> &to, R &&result)
    {
        if constexpr (!Fits) {
            to.reportAndMoveResult(std::move(result));
        } else {
            const QMutexLocker<QMutex> lock(&to.mutex());
            if (to.queryState(QFutureInterfaceBase::Canceled) || to.queryState(QFutureInterfaceBase::Finished))
                return;
            ::new (m_memory) R(std::move(result));
            const void *made = std::exchange(m_memory, nullptr);
            to.resultStoreBase().addResult(0, made);
            to.reportResultsReady(0, 1);
        }
    }

private:
    void *m_memory = nullptr;
};
template<>
class ResultSlot<void>
{
};

// The answering end of a future: QPromise without the look at its state whenever it moves or dies.
template<class R>
class Reply
{
public:
    Reply() { m_shared.reportStarted(); }
    // The caller's future is not told: the answer is the new one's to give.
    Reply(Reply &&other) noexcept
        : m_shared(std::move(other.m_shared))
        , m_slot(std::move(other.m_slot))
        , m_finished(std::exchange(other.m_finished, true))
    {
    }
    Reply &operator=(Reply &&) = delete;
    ~Reply()
    {
        if (!m_finished)
            cancel();
    }
    QFuture<R> future() { return m_shared.future(); }
    bool isCanceled() const { return m_shared.isCanceled(); }
    void cancel()
    {
        m_shared.cancel();
        finish();
    }
    void give(Outcome<R> &outcome)
    {
        if (outcome.error) {
            if (isCancellation(outcome.error))
                m_shared.cancel();
            else
                m_shared.reportException(std::exchange(outcome.error, nullptr));
        } else if constexpr (!std::is_void_v<R>) {
            m_slot.report(m_shared, std::move(*outcome.value));
        }
        finish();
    }

private:
    void finish()
    {
        m_finished = true;
        m_shared.reportFinished();
    }
    QFutureInterface<R> m_shared;
    [[no_unique_address]] ResultSlot<R> m_slot;
    bool m_finished = false;
};

// What a submitted function gives: the T of Task<T> or QCoro::Task<T>, or a plain value.
template<class X>
struct SubmitResultOf
{
    using Type = std::remove_cvref_t<X>;
};
template<class X>
    requires IsAnyTask<X>
struct SubmitResultOf<X>
{
    using Type = TaskResult<X>;
};
template<class F>
using SubmitResult = typename SubmitResultOf<std::invoke_result_t<F>>::Type;

// A submitted function on its way: made by the caller, run or refused by the loop.
template<class F, class R>
struct Submission
{
    F fn;
    Reply<R> reply;
    LocalsRef locals = currentLocals(); // of the caller
};

// A submitted coroutine: a child of the service's group whose outcome goes to its future.
template<class F, class R>
class SubmittedChild final : public ChildBase
{
public:
    SubmittedChild(const std::shared_ptr<GroupState> &group, ScopeRef scope, Submission<F, R> &&submission)
        : ChildBase(group, scope.get())
        , m_scope(std::move(scope))
        , m_submission(std::move(submission))
    {
        setLocals(std::move(m_submission.locals));
    }
    ~SubmittedChild() override
    {
        setScope(nullptr);
        m_scope->leave();
    }

private:
    void begin() override
    {
        try {
            if (m_submission.reply.isCanceled())
                throw Cancelled(QStringLiteral("the future was cancelled"));
            m_task = asTask(std::invoke(std::move(m_submission.fn)));
            if (!m_task.isValid())
                throw LogicError(QStringLiteral("the function given to submit() gave back an empty Task"));
            TaskAccess::begin(*this, m_task);
        } catch (...) {
            m_outcome.error = std::current_exception();
            endWithoutFrame();
        }
    }
    // Only what outlives its first step needs to hear of a cancelled future: most submissions never pay for a watcher.
    void suspendedFirst() override
    {
        m_watcher.reset(new QFutureWatcher<R>);
        QObject::connect(m_watcher.get(), &QFutureWatcherBase::canceled, m_watcher.get(), [scope = m_scope] {
            scope->cancel({QStringLiteral("the future was cancelled"), Cancelled::Cause::Request, {}});
        });
        m_watcher->setFuture(m_submission.reply.future());
    }
    std::exception_ptr outcome() noexcept override
    {
        if (m_outcome.error)
            return nullptr;
        try {
            if constexpr (std::is_void_v<R>)
                TaskAccess::take(m_task);
            else
                m_outcome.value.emplace(TaskAccess::take(m_task));
        } catch (...) {
            m_outcome.error = std::current_exception();
        }
        return nullptr;
    }
    void destroyFrames() noexcept override { TaskAccess::destroy(m_task); }
    void report(std::exception_ptr) override
    {
        m_watcher.reset();
        m_submission.reply.give(m_outcome);
    }

    ScopeRef m_scope;
    Submission<F, R> m_submission;
    Task<R> m_task;
    Outcome<R> m_outcome;
    WatcherPtr<R> m_watcher;
};

} // namespace detail

namespace detail {

// What startSync() waits for.
template<class T>
struct Readiness
{
    Outcome<T> outcome;
    Gate gate;
};

// The answering end: whatever becomes of it, the gate is opened once.
template<class T>
class ReadinessEnd
{
public:
    explicit ReadinessEnd(std::shared_ptr<Readiness<T>> readiness)
        : m_readiness(std::move(readiness))
    {
    }
    ReadinessEnd(ReadinessEnd &&) noexcept = default;
    ReadinessEnd &operator=(ReadinessEnd &&) = delete;
    ~ReadinessEnd() { fail(std::make_exception_ptr(Cancelled(QStringLiteral("the service ended first")))); }
    template<class... V>
    void give(V &&...value)
    {
        if constexpr (sizeof...(V) > 0)
            m_readiness->outcome.value.emplace(std::forward<V>(value)...);
        std::exchange(m_readiness, nullptr)->gate.open();
    }
    void fail(std::exception_ptr error) noexcept
    {
        if (!m_readiness)
            return;
        m_readiness->outcome.error = std::move(error);
        std::exchange(m_readiness, nullptr)->gate.open();
    }

private:
    std::shared_ptr<Readiness<T>> m_readiness;
};

// Runs fn as the one child of a group, so that start() tells when it is ready; its own result and failure come out unwrapped.
template<class T, class R, class F>
Task<R> startSubmitted(F fn, ReadinessEnd<T> tell)
{
    bool isReady = false;
    Outcome<R> outcome;
    auto child = [&](TaskStatus<T> &status) -> Task<> {
        try {
            if constexpr (std::is_void_v<R>)
                co_await std::invoke(std::move(fn), status);
            else
                outcome.value.emplace(co_await std::invoke(std::move(fn), status));
        } catch (...) {
            outcome.error = std::current_exception();
        }
        if (outcome.error && !isReady)
            std::rethrow_exception(outcome.error);
    };
    auto body = [&](TaskGroup &group) -> Task<> {
        try {
            auto started = group.template start<T>(child);
            if constexpr (std::is_void_v<T>) {
                co_await std::move(started);
                isReady = true;
                tell.give();
            } else {
                T value = co_await std::move(started);
                isReady = true;
                tell.give(std::move(value));
            }
        } catch (...) {
            tell.fail(std::current_exception());
        }
    };
    try {
        co_await withTaskGroup(body);
    } catch (const ExceptionGroup &) { // it failed between started() and the turn in which the body hears of that
        if (!outcome.error)
            throw;
    }
    co_return outcome.take();
}

template<class T, class F>
struct StartSyncResultOf
{
    using Future = QFuture<TaskResult<std::invoke_result_t<F, TaskStatus<T> &>>>;
    using Type =
        std::conditional_t<std::is_void_v<T>, Future, std::pair<std::conditional_t<std::is_void_v<T>, int, T>, Future>>;
};
template<class T, class F>
using StartSyncResult = typename StartSyncResultOf<T, F>::Type;

} // namespace detail

/// A service whose thread runs an event loop: functions and coroutines reach it from any thread, QObjects made in it live there.
///
/// Calls are accepted from start() on and run once the loop turns. Accepted means run or failed, never dropped.
///
/// Thread:   as ServiceThread. Lifetime: as ServiceThread; a subclass whose runAsync() uses its members calls stop() and join()
///           in its own destructor.
class QMICROIO_EXPORT LoopServiceThread : public ServiceThread
{
    Q_OBJECT
public:
    /// Not started yet. The name also names the thread. Thread: any with Qt set up.
    explicit LoopServiceThread(const QString &name = {}, QObject *parent = nullptr);
    ~LoopServiceThread() override;

    /// Runs fn() on the loop, soon. What leaves fn is logged as critical; the loop goes on.
    ///
    /// Thread: any. Suspends: never. Order: calls of one thread run in the order of the calls.
    /// Fails: NotRunningError before start(), after the end and, from other threads, once stop() was called. Strong: whatever it
    ///        throws, fn is not called.
    /// Cost: no allocation in a steady state for functions of up to 256 bytes whose move cannot throw; one posted event a batch.
    template<class F>
    void callSoon(F fn)
    {
        static_assert(std::is_invocable_v<F>, "QMicroIO: callSoon() calls fn(); bind arguments in a lambda.");
        static_assert(!detail::IsAnyTask<std::invoke_result_t<F>>,
                      "QMicroIO: callSoon() would drop the coroutine that this function returns; use submit().");
        if (!seam().post(detail::SoonCall<F>{std::move(fn), detail::currentLocals()}))
            throwNotRunning("callSoon()");
    }

    /// Runs fn() on the loop and gives its result, by value, or its exception.
    ///
    /// Thread: any; on the loop's own thread fn runs inline. Blocks: until fn has run, or the deadline.
    /// Lifetime: with a deadline fn may still run after the call has ended (only if it had begun by then): what it refers to must
    ///           live as long.
    /// Fails: TimeoutError; NotRunningError as callSoon(), and when the loop ends first; DeadlockError when the wait
    ///        would close a cycle of threads that wait for each other. Strong for std::bad_alloc and what moving fn throws.
    /// Cost: no allocation without a deadline. The caller stays awake for up to 30 µs before it sleeps, unless the loop last ran on its
    /// own core: that saves a wake-up. See setBusyPoll() for more.
    template<class F>
    auto callSync(F fn, QDeadlineTimer deadline = QDeadlineTimer::Forever)
        -> std::remove_cvref_t<std::invoke_result_t<F &>>
    {
        using Result = std::remove_cvref_t<std::invoke_result_t<F &>>;
        static_assert(!detail::IsAnyTask<Result>,
                      "QMicroIO: callSync() cannot wait for a coroutine; use submit(fn) and wait for its QFuture from "
                      "another thread.");
        if (seam().isOwnThread()) {
            const detail::KeptLocals kept;
            return std::invoke(fn);
        }
        using Call = detail::SyncCall<F, Result>;
        if (deadline.isForever()) {
            Call call(std::move(fn));
            const detail::WaitEdge edge(seam().thread(), "callSync()", call.gate());
            const detail::LoopCaller caller(seam());
            if (!seam().post([&call](detail::Fate fate) noexcept { call.run(fate); }))
                throwNotRunning("callSync()");
            call.wait(deadline, caller.spin());
            if (call.wasRefused())
                throwNotRunning("callSync()");
            return call.take();
        }
        const detail::SharedDeadline limit(deadline);
        const auto call = std::make_shared<Call>(std::move(fn));
        const detail::WaitEdge edge(seam().thread(), "callSync()", call->gate());
        const detail::LoopCaller caller(seam());
        if (!seam().post([call](detail::Fate fate) noexcept { call->run(fate); }))
            throwNotRunning("callSync()");
        if (!call->wait(limit.left(), caller.spin()))
            throwTimedOut(call->giveUp());
        if (call->wasRefused())
            throwNotRunning("callSync()");
        return call->take();
    }

    /// Runs fn() on the loop; it gives a Task<R>, a QCoro::Task<R> or a plain R, and the future gives the R or the exception.
    ///
    /// Thread: any. Suspends: never. Cancel: cancelling the future cancels the coroutine at its wait, on the loop's thread, or
    /// keeps it from beginning; the loop's end cancels the future. The future finishes when the coroutine has ended.
    /// Fails: NotRunningError as callSoon(); strong: whatever it throws, fn is destroyed unrun.
    /// Cost: a shared state and one node; a coroutine that suspends also gets a scope and a watcher.
    template<class F>
    auto submit(F fn) -> QFuture<detail::SubmitResult<F>>
    {
        using Result = detail::SubmitResult<F>;
        static_assert(!std::is_reference_v<Result>);
        detail::Submission<F, Result> submission{std::move(fn), {}};
        QFuture<Result> future = submission.reply.future();
        const bool accepted = seam().post(
            [this, pending = std::move(submission)](detail::Fate fate) mutable { beginSubmission(fate, pending); });
        if (!accepted)
            throwNotRunning("submit()");
        return future;
    }

    /// Starts fn(TaskStatus<T> &), a function that gives a Task<R> or a QCoro::Task<R>, and waits until it calls started(value).
    ///
    /// Gives the value and the future of the coroutine, which goes on: `auto [port, served] = service.startSync<int>(serve);`. For
    /// T = void only the future.
    /// Thread: any but the loop's own. Blocks: until then or the deadline. Cancel: as submit().
    /// Fails: what the coroutine throws before started(); StartupError when it returns without; TimeoutError, and the
    ///        coroutine is cancelled; NotRunningError as callSoon(), and when the service ends first; DeadlockError as callSync();
    ///        LogicError on the loop's own thread, where a task uses taskGroup().start<T>(). Later failures are the future's.
    template<class T = void, class F>
    auto startSync(F fn, QDeadlineTimer deadline = QDeadlineTimer::Forever) -> detail::StartSyncResult<T, F>
    {
        using Result = detail::TaskResult<std::invoke_result_t<F, TaskStatus<T> &>>;
        if (seam().isOwnThread())
            throwWouldWaitForItself();
        const detail::SharedDeadline limit(deadline);
        const auto readiness = std::make_shared<detail::Readiness<T>>();
        const detail::WaitEdge edge(seam().thread(), "startSync()", readiness->gate);
        QFuture<Result> future = submit([fn = std::move(fn), tell = detail::ReadinessEnd<T>(readiness)]() mutable {
            return detail::startSubmitted<T, Result>(std::move(fn), std::move(tell));
        });
        const detail::LoopCaller caller(seam());
        if (!readiness->gate.wait(limit.left(), caller.spin())) {
            future.cancel();
            throw TimeoutError(QStringLiteral("startSync(): the task was not ready in time and is cancelled"));
        }
        if (detail::isCancellation(readiness->outcome.error))
            throwNotRunning("startSync()"); // nobody but the service could cancel it: the caller has no future yet
        if constexpr (std::is_void_v<T>) {
            readiness->outcome.take();
            return future;
        } else {
            return {readiness->outcome.take(), std::move(future)};
        }
    }

    /// Ends the service once it has nothing left to do: no more calls are taken, the main coroutine is cancelled, and what was
    /// submitted or started before runs to its end. stop() still ends the rest at once.
    ///
    /// Thread: any. Suspends: never, it does not wait; use join(). Repeat: harmless. Before start() it is stop().
    void finish(const QString &reason = QStringLiteral("finish"));

    /// Busy-poll mode: before the loop sleeps it watches for calls that long, so that callers need not wake a thread. Zero: off, but
    /// for some 30 µs before the service's first sleep.
    ///
    /// Trades one core's idle time for latency; callSync() callers spin as well. Sockets and timers of others on this loop wait
    /// up to 2 ms while calls keep coming. Thread: any. Units: microseconds. Fails: std::invalid_argument when negative.
    void setBusyPoll(std::chrono::microseconds duration);

    /// The root group: its children keep the service alive, stop() cancels them. Thread: the loop's. Fails: LogicError elsewhere.
    TaskGroup &taskGroup();
    /// An object that lives on the loop's thread: a receiver for connect() and timers.
    ///
    /// Thread: any. Lifetime: from readiness to the end of the loop. Fails: NotRunningError outside of that.
    QObject *context() const;

    /// What runs on this service's loop, and where it waits; include diagnostics.h for the result.
    ///
    /// Thread: any. Blocks: until the loop has answered, or the deadline. Fails: never; a loop that does not answer says so in
    /// the result.
    LoopInfo taskTree(QDeadlineTimer deadline = QDeadlineTimer(100)) const;

protected:
    /// The service's main coroutine: prepares, calls started(), serves. stop() cancels it. The service ends when it and every
    /// child of taskGroup() have ended. The default calls started() and waits until stopped.
    virtual Task<> runAsync();
    void runService() override;
    void aboutToStart() override;
    void couldNotStart() override;
    void stopRequested(const QString &reason) override;
    QString describeRunning() override;

private:
    detail::Seam &seam() const { return *m_seam; }
    [[noreturn]] void throwNotRunning(const char *call) const;
    [[noreturn]] void throwTimedOut(bool neverBegins) const;
    [[noreturn]] static void throwWouldWaitForItself();

    template<class F, class R>
    void beginSubmission(detail::Fate fate, detail::Submission<F, R> &submission)
    {
        if (fate == detail::Fate::Refused || !m_group->isOpen() || submission.reply.isCanceled()) {
            submission.reply.cancel();
            return;
        }
        if constexpr (detail::IsAnyTask<std::invoke_result_t<F>>) {
            auto scope = detail::ScopeRef::create();
            scope->kind = detail::ScopeKind::Task;
            scope->enter(m_group->loop(), m_group->scope().get());
            m_group->adoptAndBegin(*new detail::SubmittedChild<F, R>(m_group, std::move(scope), std::move(submission)));
        } else {
            detail::Outcome<R> outcome;
            const detail::CallLocals visible(std::move(submission.locals));
            try {
                if constexpr (std::is_void_v<R>)
                    std::invoke(std::move(submission.fn));
                else
                    outcome.value.emplace(std::invoke(std::move(submission.fn)));
            } catch (...) {
                outcome.error = std::current_exception();
            }
            submission.reply.give(outcome);
        }
    }

    std::shared_ptr<detail::Seam> m_seam;
    std::shared_ptr<detail::GroupState> m_group;
    detail::ScopeRef m_mainScope; // of the main coroutine alone
    TaskGroup m_groupHandle;
    std::atomic<QObject *> m_context{nullptr};
};

} // namespace QMicroIO
