// floor 9: children that never outlive their parent; the first failure cancels the rest
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/detail/scope.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>
#include <qmicroio/task.h>

#include <QtCore/QObject>
#include <QtCore/QPointer>
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
    /// Thread: any.
    explicit TaskName(const QString &name)
        : text(name)
    {
    }
    QString text; ///< as given
};

class TaskGroup;
template<class T = void>
class TaskStatus;
template<class T = void>
class TaskHandle;

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

    void open(Loop &loop, ScopeState *parent, TaskContext *host);
    // Destroys what still runs; only for a frame that is destroyed in the middle of its group.
    void abandon() noexcept;
    // Ends the children before it returns, whatever shields say: each wait throws Cancelled, and a child that waits for
    // what cannot be interrupted, or whose wait is over already, is destroyed where it stands. Children whose code is on
    // the stack right now end at their next wait.
    void unwind(CancelInfo info) noexcept;
    // The task that opened the group with withTaskGroup(); null for a service and for an ObjectTaskGroup.
    TaskContext *host() const { return m_host; }
    void adopt(ChildBase &child); // the child begins in a later turn
    void adoptAndBegin(ChildBase &child); // for callers that the loop itself runs
    void requireOpen(const char *call) const;
    qsizetype size() const { return m_size; }
    bool isOpen() const { return m_open; }
    Loop &loop() const { return *m_loop; }
    const ScopeRef &scope() const { return m_scope; }
    CancelScope &face() { return m_face; }
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
    static void destroy(ChildBase &child) noexcept;

    ScopeRef m_scope;
    CancelScope m_face;
    Loop *m_loop = nullptr;
    TaskContext *m_host = nullptr;
    std::shared_ptr<GroupState> m_self; // while there are children
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
    GroupState *group() const override { return m_group; }

protected:
    ChildBase(const std::shared_ptr<GroupState> &group, ScopeState *scope);
    ~ChildBase() override;

    // The default gives errors to the group. Called once, before the child is destroyed.
    virtual void report(std::exception_ptr error);

private:
    friend class GroupState;
    void finished() noexcept final;
    virtual std::exception_ptr outcome() noexcept = 0;
    virtual void destroyFrames() noexcept = 0;
    void unlink() noexcept;

    // First, and in one byte: there is room behind the flags of TaskContext.
    bool m_adopted : 1 = false;
    bool m_sheltered : 1 = false; // its own code, or that of a task inside it, is on the stack
    GroupState *m_group; // which keeps itself as long as it has children
    ChildBase *m_previousChild = nullptr;
    ChildBase *m_nextChild = nullptr;
};

template<class F, class... A>
using Invoked = std::invoke_result_t<F, A...>;

template<class R>
inline constexpr bool ChildMayReturn = std::is_void_v<R> || IsAnyTask<R>;

// A QCoro coroutine goes on when the child that runs it is destroyed: it keeps what it was called with.
template<class F, class... A>
Invoked<F, A...> callKept(std::shared_ptr<std::tuple<F, A...>> call)
{
    auto task = std::apply([](F &fn, A &...args) { return std::invoke(std::move(fn), std::move(args)...); }, *call);
    co_return co_await std::move(task);
}

// Keeps a callable with its arguments and runs it: a coroutine of either kind, or a plain function.
template<class F, class... A>
class Child : public ChildBase
{
    using Returned = Invoked<F, A...>;
    using Call = std::tuple<F, A...>;
    static constexpr bool IsQCoro = IsQCoroTask<std::remove_cvref_t<Returned>>::value;

public:
    Child(const std::shared_ptr<GroupState> &group, ScopeState *scope, F &&fn, A &&...args)
        : ChildBase(group, scope)
        , m_call(keep(std::move(fn), std::move(args)...))
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
            } else if constexpr (IsQCoro) {
                m_task = asTask(callKept(m_call));
                TaskAccess::begin(*this, m_task);
            } else {
                m_task = asTask(std::apply(
                    [](F &fn, A &...args) { return std::invoke(std::move(fn), std::move(args)...); }, m_call));
                if (!m_task.isValid())
                    throw LogicError(QStringLiteral("the function of a child gave back an empty Task"));
                TaskAccess::begin(*this, m_task);
            }
        } catch (...) {
            couldNotBegin(std::current_exception());
        }
    }
    std::exception_ptr outcome() noexcept override
    {
        std::exception_ptr error = beginError();
        if constexpr (!std::is_void_v<Returned>) {
            if (m_task.isValid() && !error)
                return TaskAccess::error(m_task);
        }
        return error;
    }
    void destroyFrames() noexcept override
    {
        if constexpr (!std::is_void_v<Returned>)
            TaskAccess::destroy(m_task);
    }

    static auto keep(F &&fn, A &&...args)
    {
        if constexpr (IsQCoro)
            return std::make_shared<Call>(std::move(fn), std::move(args)...);
        else
            return Call(std::move(fn), std::move(args)...);
    }

    std::conditional_t<IsQCoro, std::shared_ptr<Call>, Call> m_call;
    [[no_unique_address]] typename Running<Returned>::Type m_task;
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
    bool passesCancelOn() const noexcept override { return true; }

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
    bool passesCancelOn() const noexcept override { return m_kind == Kind::Exit; }

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
struct ChildResultOf : TaskResultOf<R>
{
};
template<class R>
    requires std::is_void_v<R>
struct ChildResultOf<R>
{
    using Type = void;
};

struct NoChildResult
{
    using Type = void;
};

// What a handle gives of what a child's function returns; void where spawn() is about to refuse the function.
template<class F, class... A>
struct HandleResult
{
    using Type = void;
};
template<class F, class... A>
    requires std::is_invocable_v<F, A...>
struct HandleResult<F, A...>
{
    using Returned = std::remove_cvref_t<Invoked<F, A...>>;
    using Type = typename std::conditional_t<ChildMayReturn<Returned>, ChildResultOf<Returned>, NoChildResult>::Type;
};

class HandleAwaiter;

// Between a child and its handle. Loop thread only, but for the scope's cancel().
class QMICROIO_EXPORT HandleBase
{
public:
    HandleBase(Loop &loop, ScopeRef scope);
    HandleBase(const HandleBase &) = delete;
    HandleBase &operator=(const HandleBase &) = delete;

    const ScopeRef &scope() const { return m_scope; }
    void setChild(const ChildBase &child);
    void ended(std::exception_ptr error, bool cancelled);
    // The child is destroyed, maybe in the middle of a wait.
    void childIsGone();
    bool isDone() const { return m_done; }
    bool isCancelled() const { return m_cancelled; }

protected:
    ~HandleBase();

private:
    friend class HandleAwaiter;
    std::shared_ptr<Seam> m_seam;
    ScopeRef m_scope;
    const ChildBase *m_child = nullptr;
    QString m_name;
    HandleAwaiter *m_waiter = nullptr;
    std::exception_ptr m_error;
    bool m_done = false;
    bool m_cancelled = false;
    bool m_taken = false;
};

template<class T>
class HandleState final : public HandleBase
{
public:
    using HandleBase::HandleBase;
    std::optional<T> value;
};
template<>
class HandleState<void> final : public HandleBase
{
public:
    using HandleBase::HandleBase;
};

class QMICROIO_EXPORT HandleAwaiter : public Waiter
{
public:
    HandleAwaiter(TaskContext &task, std::shared_ptr<HandleBase> state)
        : Waiter(task)
        , m_state(std::move(state))
    {
    }
    ~HandleAwaiter();
    bool await_ready() const;
    void await_suspend(std::coroutine_handle<> leaf);
    void await_resume() const;
    QString describe() const override;

protected:
    HandleBase &state() const { return *m_state; }

private:
    friend class HandleBase;
    bool abort() noexcept override;
    std::shared_ptr<HandleBase> m_state;
};

template<class T>
class HandleValueAwaiter final : public HandleAwaiter
{
public:
    HandleValueAwaiter(TaskContext &task, std::shared_ptr<HandleState<T>> state)
        : HandleAwaiter(task, std::move(state))
    {
    }
    T await_resume()
    {
        HandleAwaiter::await_resume();
        if constexpr (!std::is_void_v<T>)
            return std::move(*static_cast<HandleState<T> &>(state()).value);
    }
};

template<class T>
class HandleWait : public AmbientBase
{
public:
    explicit HandleWait(std::shared_ptr<HandleState<T>> state)
        : m_state(std::move(state))
    {
    }
    HandleValueAwaiter<T> awaiter(TaskContext &task) const { return {task, m_state}; }

private:
    std::shared_ptr<HandleState<T>> m_state;
};

template<class T>
Task<> storeResult(Task<T> task, std::shared_ptr<HandleState<T>> state)
{
    state->value.emplace(co_await std::move(task));
}

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
        add(QString(), std::move(fn), std::move(args)...);
    }
    /// The same under a name.
    template<class F, class... A>
    void startSoon(TaskName name, F fn, A... args)
    {
        add(name.text, std::move(fn), std::move(args)...);
    }

    /// co_await start<T>(fn, args...): starts fn(TaskStatus<T> &, args...) and goes on when it calls started(value).
    ///
    /// Thread: the loop's. Suspends: until the child is ready. Cancel point: yes. Cancelling the wait cancels the child and waits
    /// for its clean-up; the group lives on.
    /// Fails: the child's own error, unwrapped, when it fails before started(); StartupError when it returns without;
    ///        ClosedResourceError when the group was cancelled; NotRunningError once the group has ended; LogicError from another
    ///        thread. A failure
    ///        after started() belongs to the group.
    template<class T, class F, class... A>
    Task<T> start(F fn, A... args)
    {
        return startIn<T>(m_state, std::move(fn), std::move(args)...);
    }

    /// Starts a child as startSoon() does, and gives a handle to it: to cancel it alone, and to await its result.
    ///
    /// Thread: the loop's. Lifetime and Fails: as startSoon(). Cost: one more block, and one scope.
    template<class F, class... A>
        requires(!std::is_same_v<std::decay_t<F>, TaskName>)
    TaskHandle<typename detail::HandleResult<F, A...>::Type> spawn(F fn, A... args)
    {
        return addWithHandle(QString(), std::move(fn), std::move(args)...);
    }
    /// The same under a name.
    template<class F, class... A>
    TaskHandle<typename detail::HandleResult<F, A...>::Type> spawn(TaskName name, F fn, A... args)
    {
        return addWithHandle(name.text, std::move(fn), std::move(args)...);
    }

    /// Cancels every child and the body. Thread: any. Repeat: true for the first call.
    bool cancel(const QString &reason = {});
    /// The scope of the body and of all children. Thread: the loop's; the scope's cancel(): any.
    CancelScope &cancelScope();
    /// Children that have not ended. Thread: the loop's.
    qsizetype size() const;
    /// co_await untilEmpty(): goes on once no child is left. Suspends: while there is one. Cancel point: yes. Resumes: from its
    /// loop.
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
    void add(const QString &name, F &&fn, A &&...args)
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
    template<class F, class... A>
    TaskHandle<typename detail::HandleResult<F, A...>::Type> addWithHandle(const QString &name, F &&fn, A &&...args);
    template<class T, class F, class... A>
    static Task<T> startIn(std::shared_ptr<detail::GroupState> group, F fn, A... args);

    std::shared_ptr<detail::GroupState> m_state;
};

/// How a child that was started with start() says that it is ready.
///
/// Thread: the loop's. Lifetime: as long as the child. Cost: one allocation with that of start().
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

/// The same for a child that has no value to give: started(). Thread: the loop's. Lifetime: as long as the child. Cost: as above,
/// one allocation.
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

/// One child of a group, from TaskGroup::spawn().
///
/// Thread:   cancel(): any; everything else: the loop's. Lifetime: any; without a handle the child goes on all the same.
/// Cost:     one block and one scope beside the child; nothing to ask it.
/// Source:   the task handles of AnyIO and the join handles of Rust's Tokio.
template<class T>
class TaskHandle
{
public:
    TaskHandle(TaskHandle &&) noexcept = default;
    TaskHandle &operator=(TaskHandle &&) noexcept = default;

    /// Cancels this child and what it started in groups of its own; siblings, group and host go on.
    /// Thread: any. Repeat: true for the first call.
    bool cancel(const QString &reason = {}) const
    {
        return m_state->scope()->cancel({reason, Cancelled::Cause::Request, {}});
    }
    /// True once the child has ended, however.
    bool isDone() const { return m_state->isDone(); }
    /// True once the child has ended by a cancellation.
    bool isCancelled() const { return m_state->isCancelled(); }
    /// co_await result(): waits for the end of the child and gives its result, moved out.
    ///
    /// Suspends: until the child has ended. Resumes: on the task's own thread, from its loop. Cancel point: yes; the child goes
    /// on then.
    /// Fails: the child's own error, which fails the group all the same: it comes out here when somebody waits as it happens,
    ///        and otherwise where the group is not cancelled by it; ClosedResourceError when the child was cancelled, which is
    ///        thrown as an error because Cancelled always means the waiting task itself; BusyResourceError while another task
    ///        waits; LogicError for a second result, in the child itself and on another loop.
    detail::HandleWait<T> result() const { return detail::HandleWait<T>(m_state); }

private:
    friend class TaskGroup;
    explicit TaskHandle(std::shared_ptr<detail::HandleState<T>> state)
        : m_state(std::move(state))
    {
    }
    std::shared_ptr<detail::HandleState<T>> m_state;
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
/// Cost:  one block for the group and one frame; a turn of the loop at its end.
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
    StartingChild(const std::shared_ptr<GroupState> &group, ScopeRef scope, std::shared_ptr<StartState<T>> state,
                  F &&fn, A &&...args)
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

template<class T, class F, class... A>
class HandleChild final : public Child<F, A...>
{
public:
    HandleChild(const std::shared_ptr<GroupState> &group, std::shared_ptr<HandleState<T>> state, F &&fn, A &&...args)
        : Child<F, A...>(group, state->scope().get(), std::move(fn), std::move(args)...)
        , m_state(std::move(state))
    {
    }
    ~HandleChild() override
    {
        this->setScope(nullptr);
        m_state->scope()->leave();
        m_state->childIsGone();
    }

private:
    void report(std::exception_ptr error) override
    {
        this->loop().applyRechecks();
        const bool absorbed = m_state->scope()->absorbs();
        Split split = error ? splitCancelled(error) : Split{};
        // Before the group hears of it and cancels the one who waits.
        m_state->ended(split.rest, split.hadCancelled && !split.rest);
        Child<F, A...>::report(absorbed ? std::move(split.rest) : std::move(error));
    }
    std::shared_ptr<HandleState<T>> m_state;
};

} // namespace detail

template<class F, class... A>
TaskHandle<typename detail::HandleResult<F, A...>::Type> TaskGroup::addWithHandle(const QString &name, F &&fn,
                                                                                  A &&...args)
{
    using Result = typename detail::HandleResult<F, A...>::Type;
    static_assert(
        std::is_invocable_v<F, A...>,
        "QMicroIO: this function cannot be called with these arguments. They are stored decayed and handed over "
        "as rvalues: take them by value, by && or by const &.");
    if constexpr (std::is_invocable_v<F, A...>) {
        static_assert(detail::ChildMayReturn<std::invoke_result_t<F, A...>>,
                      "QMicroIO: a child is a function that returns Task<>, QCoro::Task<> or void.");
        m_state->requireOpen("spawn()");
        auto state = std::make_shared<detail::HandleState<Result>>(m_state->loop(), detail::ScopeRef::create());
        auto call = [state, fn = std::forward<F>(fn)](A &&...arguments) mutable {
            if constexpr (std::is_void_v<Result>)
                return std::invoke(std::move(fn), std::move(arguments)...);
            else if constexpr (detail::IsQCoroTask<std::invoke_result_t<F, A...>>::value)
                return detail::storeResult<Result>(
                    detail::asTask(detail::callKept(
                        std::make_shared<std::tuple<F, A...>>(std::move(fn), std::move(arguments)...))),
                    state);
            else
                return detail::storeResult<Result>(detail::asTask(std::invoke(std::move(fn), std::move(arguments)...)),
                                                   state);
        };
        using Call = decltype(call);
        state->scope()->enter(m_state->loop(), m_state->scope().get());
        detail::HandleChild<Result, Call, A...> *child = nullptr;
        try {
            child = new detail::HandleChild<Result, Call, A...>(m_state, state, std::move(call), std::move(args)...);
        } catch (...) { // an argument whose move throws, or no memory
            state->scope()->leave();
            throw;
        }
        child->setName(name);
        state->setChild(*child);
        m_state->adopt(*child);
        return TaskHandle<Result>(std::move(state));
    }
}

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
    detail::StartingChild<T, Call, A...> *child = nullptr;
    try {
        child = new detail::StartingChild<T, Call, A...>(group, scope, state, std::move(call), std::move(args)...);
    } catch (...) { // an argument whose move throws, or no memory
        scope->leave();
        throw;
    }
    group->adopt(*child);
    if (caller.isCancelled()) {
        state->callerIsCancelled();
        scope->cancel({QStringLiteral("the caller of start() is cancelled"), Cancelled::Cause::Request, caller.name()});
    }
    co_await detail::StartWait(*state, *scope, *group);
    if constexpr (!std::is_void_v<T>)
        co_return std::move(*state->value);
}

class ObjectTaskGroup;

namespace detail {

// The children of an ObjectTaskGroup from one moment without any to the next. Keeps itself until the last has ended, which
// may be after the ObjectTaskGroup.
class QMICROIO_EXPORT ObjectChildren final : private GroupState::EmptyListener,
                                             public std::enable_shared_from_this<ObjectChildren>
{
public:
    static std::shared_ptr<ObjectChildren> open(ObjectTaskGroup &face, Loop &loop, const QString &owner);
    const std::shared_ptr<GroupState> &group() const { return m_group; }
    void report(const std::exception_ptr &error, const QString &who);
    void unwind(const QString &reason);

private:
    friend class QMicroIO::ObjectTaskGroup;
    ObjectChildren() = default;
    void groupIsEmpty() override;

    std::shared_ptr<GroupState> m_group;
    std::shared_ptr<ObjectChildren> m_self;
    ObjectTaskGroup *m_face = nullptr; // null once nobody is there to be told
    QString m_owner;
};

// What fails concerns nobody but itself.
template<class F, class... A>
class ObjectChild final : public Child<F, A...>
{
public:
    ObjectChild(std::shared_ptr<ObjectChildren> all, F &&fn, A &&...args)
        : Child<F, A...>(all->group(), all->group()->scope().get(), std::move(fn), std::move(args)...)
        , m_all(std::move(all))
    {
    }

private:
    void report(std::exception_ptr error) override
    {
        if (error)
            m_all->report(error, this->name());
    }
    std::shared_ptr<ObjectChildren> m_all;
};

} // namespace detail

/// Tasks that belong to a QObject, for classes that are no coroutines themselves: a window, a model, a controller.
///
/// The children do not depend on each other: one that fails is logged and announced by failed(), the others go on. Make the
/// group the last member of its class. When it is destroyed, or its owner is, every child is cancelled and unwound before
/// the destructor returns:
///
/// - each wait throws Cancelled, shields or not, so clean-up code runs; what it uses must still be there, which for a last
///   member is the whole object. When the group outlives its owner, the owner is nothing but a QObject by then.
/// - a child that has not begun never runs. One whose wait is over already, or cannot be interrupted (a QCoro::Task, offload()
///   while its function runs, cancelShieldedCheckpoint()), is destroyed where it stands: its locals' destructors run, nothing
///   else. What it waited for goes on by itself and its result is ignored: it must not refer to the child or the owner.
/// - a child whose own code destroys the group, or runs the event loop in which that happens, gets Cancelled at its next wait.
///
/// Thread:   that of the owner, whose event loop runs the children. Fails: LogicError, every method, from others.
/// Cost:     one connection to the owner; a child as in a TaskGroup.
/// Lifetime: no child of its owner, so it can be a member or a local. It ends before the event loop of its thread does.
/// Source:   the coroutine scopes that Android binds to a screen or a view model.
class QMICROIO_EXPORT ObjectTaskGroup : public QObject
{
    Q_OBJECT
public:
    /// Fails: std::invalid_argument without an owner; LogicError when the owner lives in another thread.
    explicit ObjectTaskGroup(QObject *owner);
    ~ObjectTaskGroup() override;

    /// Starts fn(args...), a function that returns Task<>, QCoro::Task<> or void, as a child; see TaskGroup::startSoon().
    ///
    /// Suspends: never; the child begins in a later turn of the event loop. Lifetime: fn and args are kept until the child has ended.
    /// Fails: NotRunningError once the owner is gone; LogicError from another thread.
    template<class F, class... A>
        requires(!std::is_same_v<std::decay_t<F>, TaskName>)
    void startSoon(F fn, A... args)
    {
        add(QString(), std::move(fn), std::move(args)...);
    }
    /// The same under a name.
    template<class F, class... A>
    void startSoon(TaskName name, F fn, A... args)
    {
        add(name.text, std::move(fn), std::move(args)...);
    }
    /// Cancels the children of this moment, which end at their waits, shields honoured. The group stays usable: what is started
    /// afterwards is not concerned. Repeat: true when there was a child that was not cancelled yet.
    bool cancel(const QString &reason = {});
    /// Children that have not ended.
    qsizetype size() const;

Q_SIGNALS:
    /// Emitted: in the loop's thread, once for each child that fails, with its text. Nobody else takes the error; it is
    /// logged as well (qmicroio.task). The slot may destroy group and owner.
    void failed(const QString &message);

private:
    friend class detail::ObjectChildren;
    template<class F, class... A>
    void add(const QString &name, F &&fn, A &&...args)
    {
        static_assert(
            std::is_invocable_v<F, A...>,
            "QMicroIO: this function cannot be called with these arguments. They are stored decayed and handed over "
            "as rvalues: take them by value, by && or by const &.");
        if constexpr (std::is_invocable_v<F, A...>) {
            static_assert(detail::ChildMayReturn<std::invoke_result_t<F, A...>>,
                          "QMicroIO: a child is a function that returns Task<>, QCoro::Task<> or void.");
            const std::shared_ptr<detail::ObjectChildren> all = takesChildren();
            adopt(name, *new detail::ObjectChild<F, A...>(all, std::forward<F>(fn), std::forward<A>(args)...), *all);
        }
    }
    std::shared_ptr<detail::ObjectChildren> takesChildren();
    static void adopt(const QString &name, detail::ChildBase &child, detail::ObjectChildren &all);
    void requireThread(const char *call) const;
    void unwind(const QString &reason);

    QPointer<QObject> m_owner;
    bool m_ownerIsGone = false;
    std::vector<std::shared_ptr<detail::ObjectChildren>>
        m_children; // cancelled ones that still clean up, and the current ones
};

} // namespace QMicroIO
