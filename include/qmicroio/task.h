// floor 7: the coroutine type that carries its scope, its place and its name through co_await
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/foreign.h>
#include <qmicroio/detail/promise.h>
#include <qmicroio/detail/signal.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>

#include <QtCore/QEventLoop>
#include <QtCore/QFuture>
#include <QtCore/QTimer>

#include <coroutine>
#include <memory>
#include <source_location>
#include <type_traits>

namespace QMicroIO {

template<class T = void>
class Task;

namespace detail {

template<class T>
class Promise;

template<class T>
class ChildAwaiter
{
public:
    ChildAwaiter(PromiseBase &parent, Task<T> &&child)
        : m_child(std::move(child))
    {
        m_child.promise().awaitedBy(parent);
    }
    ChildAwaiter(const ChildAwaiter &) = delete;
    ChildAwaiter &operator=(const ChildAwaiter &) = delete;

    // A child that never waits costs its parent no suspension.
    bool await_ready()
    {
        Promise<T> &promise = m_child.promise();
        return promise.task().runNested(m_child.handle(), promise);
    }
    void await_suspend(std::coroutine_handle<> parent) noexcept
    {
        Promise<T> &promise = m_child.promise();
        promise.continuesWith(parent);
        if (!promise.hasBegun())
            promise.task().transferTo(m_child.handle(), &promise);
    }
    T await_resume() { return m_child.promise().take(); }

private:
    Task<T> m_child;
};

// How a timer is awaited: like QCoro, an inactive timer is not waited for.
class TimerAwaiter : public SignalAwaiter<QTimer, decltype(&QTimer::timeout), std::tuple<>>
{
public:
    TimerAwaiter(TaskContext &task, QTimer *timer)
        : SignalAwaiter(task, timer, &QTimer::timeout)
        , m_active(timer && timer->isActive())
    {
    }
    bool await_ready() const { return SignalAwaiter::await_ready() || !m_active; }
    void await_resume()
    {
        if (m_active)
            SignalAwaiter::await_resume();
    }

private:
    bool m_active;
};

class TaskPromiseBase : public PromiseBase
{
public:
    using Site = std::source_location;

    template<class T>
    ChildAwaiter<T> await_transform(Task<T> &&child, Site site = Site::current())
    {
        return adopt(std::move(child), site);
    }
    template<class T>
    ChildAwaiter<T> await_transform(Task<T> &child, Site site = Site::current())
    {
        return adopt(std::move(child), site);
    }
    template<Ambient A>
    auto await_transform(A &&awaitable, Site site = Site::current())
    {
        waitsAt(site);
        return std::forward<A>(awaitable).awaiter(task());
    }
    template<class T>
    FutureAwaiter<T> await_transform(QFuture<T> future, Site site = Site::current())
    {
        waitsAt(site);
        return FutureAwaiter<T>(task(), std::move(future));
    }
    TimerAwaiter await_transform(QTimer &timer, Site site = Site::current())
    {
        waitsAt(site);
        return TimerAwaiter(task(), &timer);
    }
    TimerAwaiter await_transform(QTimer *timer, Site site = Site::current())
    {
        waitsAt(site);
        return TimerAwaiter(task(), timer);
    }
    template<class T>
    QCoroAwaiter<T> await_transform(QCoro::Task<T> &&awaited, Site site = Site::current())
    {
        waitsAt(site);
        return QCoroAwaiter<T>(task(), std::move(awaited));
    }
    template<class T>
    QCoroAwaiter<T> await_transform(QCoro::Task<T> &awaited, Site site = Site::current())
    {
        waitsAt(site);
        return QCoroAwaiter<T>(task(), std::move(awaited));
    }
    template<class A>
    auto await_transform(A &&awaitable, Site site = Site::current())
    {
        static_assert(
            QCoroAwaitable<A>,
            "QMicroIO: this type cannot be awaited. A Task can co_await a Task, the waits of QMicroIO, a QFuture, "
            "a QTimer, a QCoro::Task and what QCoro can await (include its header, such as QCoroNetworkReply).");
        waitsAt(site);
        if (task().isCancelled())
            task().throwCancelled(); // before it begins
        if constexpr (QCoroAwaitable<A>) {
            using Result = std::remove_cvref_t<QCoroResult<A>>;
            return QCoroAwaiter<Result>(task(), throughQCoro<A>(std::forward<A>(awaitable)));
        } else {
            return std::suspend_never();
        }
    }

private:
    template<class T>
    ChildAwaiter<T> adopt(Task<T> &&child, Site site)
    {
        if (!child.isValid())
            throw LogicError(
                QStringLiteral("co_await of a Task that was moved from or already awaited; a Task runs once, "
                               "call its function again for another run"));
        waitsAt(site);
        return ChildAwaiter<T>(*this, std::move(child));
    }
};

template<class T>
class Promise final : public TaskPromiseBase
{
    static_assert(!std::is_reference_v<T>,
                  "QMicroIO: a Task gives its result by value; return a pointer for a reference.");

public:
    Task<T> get_return_object() noexcept;
    template<class U = T>
        requires std::is_constructible_v<T, U &&>
    void return_value(U &&value)
    {
        m_value.emplace(std::forward<U>(value));
    }
    T take()
    {
        rethrow();
        return std::move(*m_value);
    }

private:
    std::optional<T> m_value;
};

template<>
class Promise<void> final : public TaskPromiseBase
{
public:
    Task<void> get_return_object() noexcept;
    void return_void() const noexcept { }
    void take() { rethrow(); }
};

} // namespace detail

/// A coroutine that starts when it is awaited, and carries its cancel scope, its name and the place where it waits
/// down through every co_await.
///
/// Thread:   made on any; it runs, from its first line to its last, on the thread of the loop that it began on.
/// Suspends: co_await of a Task runs it to its end. Starts: at co_await, not at the call.
/// Lifetime: move-only, owns its frame. Awaiting it uses it up. Destroyed unawaited, it never ran and its arguments
///           are freed.
/// Fails:    what leaves the coroutine is thrown where it is awaited; LogicError when it was moved from or awaited before.
/// Cost:     one recycled block for the frame; awaiting adds no allocation and no stack depth.
/// Source:   the lazy task of N. Liss and L. Baker's cppcoro; the ambient context follows Trio's current task.
template<class T>
class [[nodiscard("a Task runs only when it is awaited or given to a group; co_await it, or use startSoon(), submit() "
                  "or run()")]] Task
{
public:
    using promise_type = detail::Promise<T>;
    using value_type = T;

    Task() noexcept = default;
    Task(Task &&other) noexcept
        : m_handle(std::exchange(other.m_handle, nullptr))
    {
    }
    Task &operator=(Task &&other) noexcept
    {
        if (this != &other) {
            destroy();
            m_handle = std::exchange(other.m_handle, nullptr);
        }
        return *this;
    }
    ~Task() { destroy(); }

    /// False once it was moved from or awaited. Thread: any.
    bool isValid() const noexcept { return bool(m_handle); }

private:
    friend promise_type;
    template<class>
    friend class detail::ChildAwaiter;
    friend class detail::TaskAccess;

    explicit Task(std::coroutine_handle<promise_type> handle) noexcept
        : m_handle(handle)
    {
    }
    promise_type &promise() const { return m_handle.promise(); }
    std::coroutine_handle<promise_type> handle() const { return m_handle; }
    void destroy() noexcept
    {
        if (m_handle)
            std::exchange(m_handle, nullptr).destroy();
    }

    std::coroutine_handle<promise_type> m_handle;
};

namespace detail {

template<class T>
Task<T> Promise<T>::get_return_object() noexcept
{
    return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}

inline Task<void> Promise<void>::get_return_object() noexcept
{
    return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

// How contexts of this library run a Task that nothing awaits.
class TaskAccess
{
public:
    template<class T>
    static void begin(TaskContext &context, Task<T> &task)
    {
        task.promise().belongsTo(context);
        context.transferTo(task.handle(), &task.promise());
    }
    template<class T>
    static T take(Task<T> &task)
    {
        return task.promise().take();
    }
    template<class T>
    static const std::exception_ptr &error(const Task<T> &task)
    {
        return task.promise().error();
    }
    template<class T>
    static void destroy(Task<T> &task)
    {
        task.destroy();
    }
};

template<class X>
struct IsTask : std::false_type
{
};
template<class T>
struct IsTask<Task<T>> : std::true_type
{
    using Result = T;
};

template<class X>
inline constexpr bool IsAnyTask =
    std::disjunction_v<IsTask<std::remove_cvref_t<X>>, IsQCoroTask<std::remove_cvref_t<X>>>;

template<class X>
struct TaskResultOf
{
};
template<class T>
struct TaskResultOf<Task<T>>
{
    using Type = T;
};
template<class T>
struct TaskResultOf<QCoro::Task<T>>
{
    using Type = T;
};
template<class X>
using TaskResult = typename TaskResultOf<std::remove_cvref_t<X>>::Type;

// Both kinds of coroutine as one.
template<class T>
Task<T> asTask(Task<T> task)
{
    return task;
}
template<class T>
Task<T> asTask(QCoro::Task<T> task)
{
    co_return co_await std::move(task);
}

// A task outside every group: awaited by a QCoro::Task, or run by run().
template<class T>
class RootContext : public TaskContext
{
public:
    RootContext(Loop &loop, ScopeState *scope, Task<T> &&task)
        : TaskContext(loop, scope)
        , m_task(std::move(task))
    {
    }
    T take() { return TaskAccess::take(m_task); }

protected:
    void begin() override { TaskAccess::begin(*this, m_task); }

private:
    Task<T> m_task;
};

template<class T>
class RootAwaiter
{
public:
    explicit RootAwaiter(Task<T> &&task)
        : m_task(std::move(task))
    {
    }
    RootAwaiter(RootAwaiter &&other) noexcept
        : m_task(std::move(other.m_task))
    {
    }
    RootAwaiter &operator=(RootAwaiter &&) = delete;

    bool await_ready() const
    {
        if (!m_task.isValid())
            throw LogicError(
                QStringLiteral("co_await of a Task that was moved from or already awaited; call its function "
                               "again for another run"));
        return false;
    }
    void await_suspend(std::coroutine_handle<> awaiting)
    {
        Loop &loop = Loop::ensure();
        m_context = std::make_unique<Context>(loop, std::move(m_task), awaiting);
        loop.makeReady(*m_context);
    }
    T await_resume() { return m_context->take(); }

private:
    class Context final : public RootContext<T>
    {
    public:
        Context(Loop &loop, Task<T> &&task, std::coroutine_handle<> awaiting)
            : RootContext<T>(loop, nullptr, std::move(task))
            , m_awaiting(awaiting)
        {
        }

    private:
        void finished() noexcept override { m_awaiting.resume(); }
        std::coroutine_handle<> m_awaiting;
    };
    Task<T> m_task;
    std::unique_ptr<Context> m_context;
};

// How run() learns that its task has ended, or that somebody told the event loop to quit before.
struct BlockingRun
{
    bool done = false;
    bool interrupted = false;
    QEventLoop *events = nullptr;
};
QMICROIO_EXPORT void runUntilDone(Loop &loop, TaskContext &context, ScopeState &scope, BlockingRun &run);
QMICROIO_EXPORT void endBlockingRun(BlockingRun &run) noexcept;

template<class T>
class BlockingContext final : public RootContext<T>
{
public:
    using RootContext<T>::RootContext;
    BlockingRun run;

private:
    void finished() noexcept override { endBlockingRun(run); }
};

} // namespace detail

/// Lets a QCoro::Task await a Task: it then runs as a root task, outside any scope, on the current thread's loop.
///
/// Thread: one with an event loop. Suspends: until the task has ended. Resumes: from that loop. Cancel point: no, a QCoro::Task
/// has no scope. Fails: what the task throws; LogicError for a task that was moved from or awaited before, and without an event
/// loop.
/// Cost: one root task, and a posted event.
template<class T>
auto operator co_await(Task<T> &&task)
{
    return detail::RootAwaiter<T>(std::move(task));
}

/// Runs a task to its end on this thread's event loop and gives its result; for main functions and tests.
///
/// Thread:  any thread with an event loop (main thread: after the QCoreApplication was made). Blocks: until the task ends,
///          with the event loop running.
/// Cost:    one root task and a nested event loop.
/// Fails:   what the task throws; LogicError without an event loop, inside a task that runs, and for a task that was moved from;
///          NotRunningError when this thread's loop has ended; ClosedResourceError when the
///          event loop was told to quit and the task, cancelled for that, ended by it.
template<class T>
T run(Task<T> task)
{
    if (!task.isValid())
        throw LogicError(
            QStringLiteral("run() of a Task that was moved from or already awaited; call its function again "
                           "for another run"));
    detail::Loop &loop = detail::Loop::ensure();
    if (loop.running())
        throw LogicError(QStringLiteral("run() inside a task would nest event loops; co_await the task instead"));
    const detail::ScopeRef scope = detail::ScopeRef::create();
    scope->kind = detail::ScopeKind::Task;
    scope->enter(loop, nullptr);
    struct Leave
    {
        const detail::ScopeRef &scope;
        ~Leave() { scope->leave(); }
    } leave{scope};
    detail::BlockingContext<T> context(loop, scope.get(), std::move(task));
    context.setName(QStringLiteral("run"));
    detail::runUntilDone(loop, context, *scope, context.run);
    try {
        return context.take();
    } catch (const Cancelled &) {
        if (!context.run.interrupted)
            throw;
    }
    throw ClosedResourceError(QStringLiteral("run(): the event loop was told to quit before the task had ended"));
}

} // namespace QMicroIO
