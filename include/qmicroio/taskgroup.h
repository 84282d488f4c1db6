// floor 9: children that never outlive their parent; the first failure cancels the rest
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/detail/scope.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>
#include <qmicroio/task.h>

#include <QtCore/QString>

#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

namespace QMicroIO {

/// The name of a child, shown in diagnostics and in what a cancellation says about its origin.
struct TaskName
{
    explicit TaskName(const QString &name)
        : text(name)
    {
    }
    QString text;
};

class TaskGroup;
template<class T = void>
class TaskStatus;

namespace detail {

class ChildBase;

// What a group shares with its handles, its children and its host. Loop thread only, but for cancel().
class QMICROIO_EXPORT GroupState : public LoopGroup, public std::enable_shared_from_this<GroupState>
{
public:
    explicit GroupState(ScopeRef scope);
    ~GroupState();
    GroupState(const GroupState &) = delete;
    GroupState &operator=(const GroupState &) = delete;

    void open(Loop &loop, ScopeState *parent, const TaskContext *host);
    // Destroys what still runs; only for a frame that is destroyed in the middle of its group.
    void abandon() noexcept;
    void adopt(ChildBase &child); // the child begins in a later turn
    void adoptAndBegin(ChildBase &child); // for callers that the loop itself runs
    void requireOpen(const char *call) const;
    qsizetype size() const { return m_size; }
    bool isOpen() const { return m_open; }
    Loop &loop() const { return *m_loop; }
    const ScopeRef &scope() const { return m_scope; }
    CancelScope &face() { return m_face; }
    const TaskContext *host() const { return m_host; } // null: a service
    bool isEnding() const { return m_ending; }
    void ending() { m_ending = true; } // the body has ended

    void fail(std::exception_ptr error, const QString &who);
    void sawCancelled() { m_sawCancelled = true; }
    // Takes the errors; empty afterwards.
    std::vector<std::exception_ptr> takeErrors() { return std::exchange(m_errors, {}); }
    bool hasSeenCancelled() const { return m_sawCancelled; }
    // After the last child: takes no more children and leaves the scope. What is not absorbed is thrown on by the host.
    void close(bool absorbs);

    class EmptyListener
    {
    public:
        virtual void groupIsEmpty() = 0;

    protected:
        ~EmptyListener() = default;

    private:
        friend class GroupState;
        EmptyListener *m_next = nullptr;
    };
    void addListener(EmptyListener &listener);
    void removeListener(EmptyListener &listener) noexcept;

private:
    friend class ChildBase;
    void link(ChildBase &child) noexcept;
    void childEnded() noexcept;

    ScopeRef m_scope;
    CancelScope m_face;
    Loop *m_loop = nullptr;
    const TaskContext *m_host = nullptr;
    ChildBase *m_firstChild = nullptr;
    qsizetype m_size = 0;
    EmptyListener *m_listeners = nullptr;
    std::vector<std::exception_ptr> m_errors;
    bool m_open = false;
    bool m_sawCancelled = false;
    bool m_ending = false;
};

// One child. Deletes itself when its coroutine has ended.
class QMICROIO_EXPORT ChildBase : public TaskContext, public RecycledNode
{
public:
    GroupState *group() const override { return m_group.get(); }

protected:
    ChildBase(std::shared_ptr<GroupState> group, ScopeState *scope);
    ~ChildBase() override;

    // The default gives errors to the group. Called once, before the child is destroyed.
    virtual void report(std::exception_ptr error);

private:
    friend class GroupState;
    void finished() noexcept final;
    virtual std::exception_ptr outcome() noexcept = 0;
    virtual void destroyFrames() noexcept = 0;

    std::shared_ptr<GroupState> m_group;
    ChildBase *m_previousChild = nullptr;
    ChildBase *m_nextChild = nullptr;
    bool m_adopted = false;
};

template<class F, class... A>
using Invoked = std::invoke_result_t<F, A...>;

template<class R>
inline constexpr bool ChildMayReturn = std::is_void_v<R> || IsAnyTask<R>;

// Keeps a callable with its arguments and runs it: a coroutine of either kind, or a plain function.
template<class F, class... A>
class Child : public ChildBase
{
    using Returned = Invoked<F, A...>;

public:
    Child(std::shared_ptr<GroupState> group, ScopeState *scope, F &&fn, A &&...args)
        : ChildBase(std::move(group), scope)
        , m_call(std::move(fn), std::move(args)...)
    {
    }

private:
    struct Nothing
    {
    };
    template<class R>
    struct Running
    {
        using Type = Task<TaskResult<R>>;
    };
    template<class R>
        requires std::is_void_v<R>
    struct Running<R>
    {
        using Type = Nothing;
    };

    void begin() override
    {
        try {
            if constexpr (std::is_void_v<Returned>) {
                std::apply([](F &fn, A &...args) { std::invoke(std::move(fn), std::move(args)...); }, m_call);
                endWithoutFrame();
            } else {
                m_task = asTask(std::apply(
                    [](F &fn, A &...args) { return std::invoke(std::move(fn), std::move(args)...); }, m_call));
                if (!m_task.isValid())
                    throw LogicError(QStringLiteral("the function of a child gave back an empty Task"));
                TaskAccess::begin(*this, m_task);
            }
        } catch (...) {
            m_error = std::current_exception();
            endWithoutFrame();
        }
    }
    std::exception_ptr outcome() noexcept override
    {
        if constexpr (!std::is_void_v<Returned>) {
            if (m_task.isValid() && !m_error)
                return TaskAccess::error(m_task);
        }
        return m_error;
    }
    void destroyFrames() noexcept override
    {
        if constexpr (!std::is_void_v<Returned>)
            TaskAccess::destroy(m_task);
    }

    std::tuple<F, A...> m_call;
    [[no_unique_address]] typename Running<Returned>::Type m_task;
    std::exception_ptr m_error;
};

class StartAwaiter;

// Between start(), the child and its TaskStatus.
class QMICROIO_EXPORT StartBase
{
public:
    StartBase() = default;
    StartBase(const StartBase &) = delete;
    StartBase &operator=(const StartBase &) = delete;

    // False: nobody listens any more. Throws LogicError the second time and from another thread.
    bool mayStart(Loop &loop) const;
    void start();
    void childEnded(std::exception_ptr error) noexcept;
    // The child is destroyed; without having ended when its group's host is destroyed in the middle of its group.
    void childIsGone() noexcept;
    // The caller was cancelled before the child had its first step: its started() still counts, if it ends by itself.
    void callerIsCancelled() { m_abandoned = true; }
    // Whose the child's failure is: the caller's, or the group's.
    bool takesErrors() const { return (!m_started || m_abandoned) && !m_orphaned; }

protected:
    ~StartBase() = default;

private:
    friend class StartAwaiter;
    StartAwaiter *m_waiter = nullptr;
    std::exception_ptr m_error;
    bool m_started = false;
    bool m_over = false;
    bool m_abandoned = false;
    bool m_deaf = false; // the caller was cancelled while it waited: a late started() is ignored
    bool m_orphaned = false; // the caller's frame is gone
};

template<class T>
class StartState final : public StartBase
{
public:
    std::optional<T> value;
};
template<>
class StartState<void> final : public StartBase
{
};

class QMICROIO_EXPORT StartAwaiter : public Waiter
{
public:
    StartAwaiter(TaskContext &task, StartBase &start, ScopeState &child, GroupState &group)
        : Waiter(task)
        , m_start(start)
        , m_child(child)
        , m_group(group)
    {
    }
    ~StartAwaiter();
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> leaf);
    void await_resume() const;
    QString describe() const override;

private:
    friend class StartBase;
    bool abort() noexcept override;
    StartBase &m_start;
    ScopeState &m_child;
    GroupState &m_group;
};

class StartWait : public AmbientBase
{
public:
    StartWait(StartBase &start, ScopeState &child, GroupState &group)
        : m_start(start)
        , m_child(child)
        , m_group(group)
    {
    }
    StartAwaiter awaiter(TaskContext &task) const { return {task, m_start, m_child, m_group}; }

private:
    StartBase &m_start;
    ScopeState &m_child;
    GroupState &m_group;
};

// Complains when a cancelled group does not end.
class SlowExit;
struct QMICROIO_EXPORT DeleteSlowExit
{
    void operator()(SlowExit *watch) const noexcept;
};

class QMICROIO_EXPORT EmptyAwaiter : public Waiter, private GroupState::EmptyListener
{
public:
    enum class Kind { Cancellable, Exit };
    EmptyAwaiter(TaskContext &task, std::shared_ptr<GroupState> group, Kind kind)
        : Waiter(task)
        , m_group(std::move(group))
        , m_kind(kind)
    {
    }
    ~EmptyAwaiter();
    bool await_ready() const;
    void await_suspend(std::coroutine_handle<> leaf);
    void await_resume() const;
    QString describe() const override;

private:
    bool abort() noexcept override;
    void groupIsEmpty() override;
    void watchExit() noexcept;
    std::shared_ptr<GroupState> m_group;
    std::unique_ptr<SlowExit, DeleteSlowExit> m_slowExit;
    Kind m_kind;
    bool m_listening = false;
};

class EmptyWait : public AmbientBase
{
public:
    EmptyWait(std::shared_ptr<GroupState> group, EmptyAwaiter::Kind kind)
        : m_group(std::move(group))
        , m_kind(kind)
    {
    }
    EmptyAwaiter awaiter(TaskContext &task) const { return {task, m_group, m_kind}; }

private:
    std::shared_ptr<GroupState> m_group;
    EmptyAwaiter::Kind m_kind;
};

// Opens a group for a host, and puts the host into the group's scope; undoes both whatever happens to the frame.
class QMICROIO_EXPORT GroupRegion
{
public:
    explicit GroupRegion(TaskContext &host);
    ~GroupRegion();
    GroupRegion(const GroupRegion &) = delete;
    GroupRegion &operator=(const GroupRegion &) = delete;
    const std::shared_ptr<GroupState> &group() const { return m_group; }
    void bodyFailed(std::exception_ptr error);
    // True: it ended well. False: it was cancelled by its own scope. Throws everything else.
    bool close();

private:
    TaskContext &m_host;
    ScopeState *m_outer;
    std::shared_ptr<GroupState> m_group;
    std::exception_ptr m_bodyCancelled;
    bool m_foreignCancelled = false;
    bool m_closed = false;
};

template<class R>
using GroupResult = std::conditional_t<std::is_void_v<R>, void, std::optional<R>>;

} // namespace detail

/// Children that never outlive the region that opened the group.
///
/// A child's failure cancels the rest; when all have ended, the failures leave together as one ExceptionGroup. To be
/// cancelled is a normal way to end. Children are ended in cancellation by what they wait for, never killed.
///
/// Thread:   the loop's, but for cancel(), which any thread may call.
/// Lifetime: a handle: copies refer to the same group and stay safe after it has ended (calls then throw NotRunningError).
/// Source:   Trio's nursery, AnyIO's task group.
class QMICROIO_EXPORT TaskGroup
{
public:
    /// Starts fn(args...), a function that returns Task<>, QCoro::Task<> or void, as a child.
    ///
    /// Thread:   the loop's. Suspends: never; the child begins in a later turn, also when its type starts eagerly.
    /// Lifetime: fn and args are stored decayed, handed to std::invoke as rvalues and kept until the child has ended.
    /// Fails:    NotRunningError once the group has ended: fn is then destroyed unrun; LogicError from another thread.
    ///           In a cancelled group the child still runs to its first wait.
    /// Cost:     one recycled block beside the coroutine's frame.
    template<class F, class... A>
        requires(!std::is_same_v<std::decay_t<F>, TaskName>)
    void startSoon(F fn, A... args)
    {
        spawn(QString(), std::move(fn), std::move(args)...);
    }
    /// The same under a name.
    template<class F, class... A>
    void startSoon(TaskName name, F fn, A... args)
    {
        spawn(name.text, std::move(fn), std::move(args)...);
    }

    /// co_await start<T>(fn, args...): starts fn(TaskStatus<T> &, args...) and goes on when it calls started(value).
    ///
    /// Cancel point: yes. Cancelling the wait cancels the child and waits for its clean-up; the group lives on.
    /// Fails: the child's own error, unwrapped, when it fails before started(); StartupError when it returns without;
    ///        ClosedResourceError when the group was cancelled; NotRunningError once the group has ended. A failure
    ///        after started() belongs to the group.
    template<class T, class F, class... A>
    Task<T> start(F fn, A... args)
    {
        return startIn<T>(m_state, std::move(fn), std::move(args)...);
    }

    /// Cancels every child and the body. Thread: any. Repeat: true for the first call.
    bool cancel(const QString &reason = {});
    /// The scope of the body and of all children. Thread: the loop's; the scope's cancel(): any.
    CancelScope &cancelScope();
    /// Children that have not ended. Thread: the loop's.
    qsizetype size() const;
    /// co_await untilEmpty(): goes on once no child is left. Cancel point: yes.
    /// Fails: LogicError in a child of this group, which would wait for itself, and on another loop.
    detail::EmptyWait untilEmpty() const;

private:
    friend class LoopServiceThread;
    template<class F>
    friend auto withTaskGroup(F body)
        -> Task<detail::GroupResult<detail::TaskResult<std::invoke_result_t<F &, TaskGroup &>>>>;

    explicit TaskGroup(std::shared_ptr<detail::GroupState> state)
        : m_state(std::move(state))
    {
    }

    template<class F, class... A>
    void spawn(const QString &name, F &&fn, A &&...args)
    {
        static_assert(
            std::is_invocable_v<F, A...>,
            "QMicroIO: this function cannot be called with these arguments. They are stored decayed and handed over "
            "as rvalues: take them by value, by && or by const &.");
        if constexpr (std::is_invocable_v<F, A...>) {
            static_assert(detail::ChildMayReturn<std::invoke_result_t<F, A...>>,
                          "QMicroIO: a child is a function that returns Task<>, QCoro::Task<> or void.");
            m_state->requireOpen("startSoon()");
            auto *child = new detail::Child<F, A...>(m_state, m_state->scope().get(), std::forward<F>(fn),
                                                     std::forward<A>(args)...);
            child->setName(name);
            m_state->adopt(*child);
        }
    }
    template<class T, class F, class... A>
    static Task<T> startIn(std::shared_ptr<detail::GroupState> group, F fn, A... args);

    std::shared_ptr<detail::GroupState> m_state;
};

/// How a child that was started with start() says that it is ready.
///
/// Thread: the loop's. Lifetime: as long as the child.
template<class T>
class TaskStatus
{
public:
    TaskStatus(const TaskStatus &) = delete;
    TaskStatus &operator=(const TaskStatus &) = delete;
    /// Lets start() go on with `value`. Fails: LogicError the second time. Without effect once start() was cancelled.
    void started(T value)
    {
        if (!m_state->mayStart(m_loop))
            return;
        m_state->value.emplace(std::move(value));
        m_state->start();
    }

private:
    friend class TaskGroup;
    TaskStatus(detail::Loop &loop, std::shared_ptr<detail::StartState<T>> state)
        : m_loop(loop)
        , m_state(std::move(state))
    {
    }
    detail::Loop &m_loop;
    std::shared_ptr<detail::StartState<T>> m_state;
};

template<>
class TaskStatus<void>
{
public:
    TaskStatus(const TaskStatus &) = delete;
    TaskStatus &operator=(const TaskStatus &) = delete;
    /// Lets start() go on. Fails: LogicError the second time. Without effect once start() was cancelled.
    void started()
    {
        if (m_state->mayStart(m_loop))
            m_state->start();
    }

private:
    friend class TaskGroup;
    TaskStatus(detail::Loop &loop, std::shared_ptr<detail::StartState<void>> state)
        : m_loop(loop)
        , m_state(std::move(state))
    {
    }
    detail::Loop &m_loop;
    std::shared_ptr<detail::StartState<void>> m_state;
};

/// Opens a group, runs body(TaskGroup &) in it, and returns when the body and every child have ended.
///
/// Gives Task<> for a body without a result, else Task<std::optional<R>>: nullopt when the body was cancelled with its group.
/// Thread: the task's. Suspends: always, at least for one turn. Cancel point: the body is; waiting for the children never
/// throws, it waits them out.
/// Lifetime: the body's locals die before its children do; state that children refer to lives outside the body, or the
///           body ends with co_await group.untilEmpty().
/// Fails: ExceptionGroup of everything that failed in the body and the children, also for one failure; a single Cancelled
///        when the cancellation came from outside.
template<class F>
auto withTaskGroup(F body) -> Task<detail::GroupResult<detail::TaskResult<std::invoke_result_t<F &, TaskGroup &>>>>
{
    using Result = detail::TaskResult<std::invoke_result_t<F &, TaskGroup &>>;
    detail::GroupRegion region(co_await detail::CurrentTask());
    TaskGroup group(region.group());
    std::conditional_t<std::is_void_v<Result>, std::monostate, std::optional<Result>> result;
    try {
        if constexpr (std::is_void_v<Result>)
            co_await std::invoke(body, group);
        else
            result.emplace(co_await std::invoke(body, group));
    } catch (...) {
        region.bodyFailed(std::current_exception());
    }
    do {
        co_await detail::EmptyWait(region.group(), detail::EmptyAwaiter::Kind::Exit);
    } while (region.group()->size() > 0); // a child may have come in before this task was resumed
    [[maybe_unused]] const bool completed = region.close();
    if constexpr (!std::is_void_v<Result>) {
        if (!completed)
            result.reset();
        co_return std::move(result);
    }
}

namespace detail {

// A child whose first outcome belongs to the one who waits in start().
template<class T, class F, class... A>
class StartingChild final : public Child<F, A...>
{
public:
    StartingChild(std::shared_ptr<GroupState> group, ScopeRef scope, std::shared_ptr<StartState<T>> state, F &&fn,
                  A &&...args)
        : Child<F, A...>(group, scope.get(), std::move(fn), std::move(args)...)
        , m_scope(std::move(scope))
        , m_state(std::move(state))
    {
    }
    ~StartingChild() override
    {
        this->setScope(nullptr);
        m_scope->leave();
        m_state->childIsGone();
    }

private:
    void report(std::exception_ptr error) override
    {
        const bool absorbed = isCancellation(error) && m_scope->absorbs();
        if (!m_state->takesErrors() && !absorbed)
            Child<F, A...>::report(error);
        m_state->childEnded(std::move(error));
    }
    ScopeRef m_scope;
    std::shared_ptr<StartState<T>> m_state;
};

} // namespace detail

template<class T, class F, class... A>
Task<T> TaskGroup::startIn(std::shared_ptr<detail::GroupState> group, F fn, A... args)
{
    static_assert(std::is_invocable_v<F, TaskStatus<T> &, A...>,
                  "QMicroIO: start<T>(fn, args...) calls fn(TaskStatus<T> &, args...) with the arguments as rvalues.");
    static_assert(detail::ChildMayReturn<std::invoke_result_t<F, TaskStatus<T> &, A...>>,
                  "QMicroIO: a child is a function that returns Task<>, QCoro::Task<> or void.");
    detail::TaskContext &caller = co_await detail::CurrentTask();
    if (!group)
        throw NotRunningError(QStringLiteral("start(): this group was never opened"));
    group->requireOpen("start()");
    auto state = std::make_shared<detail::StartState<T>>();
    auto scope = detail::ScopeRef::create();
    scope->kind = detail::ScopeKind::Task;
    // The status lives with the callable, as long as the child.
    auto call = [status = std::unique_ptr<TaskStatus<T>>(new TaskStatus<T>(group->loop(), state)), fn = std::move(fn)](
                    A &&...arguments) mutable { return std::invoke(std::move(fn), *status, std::move(arguments)...); };
    using Call = decltype(call);
    scope->enter(group->loop(), group->scope().get());
    auto *child = new detail::StartingChild<T, Call, A...>(group, scope, state, std::move(call), std::move(args)...);
    group->adopt(*child);
    if (caller.isCancelled()) {
        state->callerIsCancelled();
        scope->cancel({QStringLiteral("the caller of start() is cancelled"), Cancelled::Cause::Request, caller.name()});
    }
    co_await detail::StartWait(*state, *scope, *group);
    if constexpr (!std::is_void_v<T>)
        co_return std::move(*state->value);
}

} // namespace QMicroIO
