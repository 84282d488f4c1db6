// floor 4: the tree of cancel scopes, and the tasks that stand in it
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/frame.h>
#include <qmicroio/detail/locals.h>
#include <qmicroio/detail/loop.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <source_location>

namespace QMicroIO {
class CancelScope;
}

namespace QMicroIO::detail {

class GroupState;
class TaskAccess;
class ScopeState;
class TaskContext;
class Waiter;

// What a task knows of each of its frames.
class FrameInfo
{
public:
    FrameInfo *parent() const { return m_parent; }
    std::source_location site() const { return m_site; }
    // Resumed for the first time, or about to be.
    bool hasBegun() const { return m_begun; }
    bool isNested() const { return m_isNested; }
    // For the first frame of a child that this library starts on behalf of a call: its place is that of the call.
    void standsFor(FrameInfo *call) { m_parent = call; }

protected:
    friend class TaskContext;
    FrameInfo *m_parent = nullptr; // the frame that awaits this one
    std::source_location m_site; // its current or last co_await
    // Written together and read at once: processors forward the first byte of such a store sooner than the second.
    bool m_isNested = false; // its parent's code is below it on the stack, in the middle of its co_await
    bool m_begun = false;
};

// "file:line", for people.
QMICROIO_EXPORT QString placeOf(const std::source_location &site);
// Frames of this library's own coroutines, such as start(): they say nothing to the reader of a task list.
QMICROIO_EXPORT bool isOwnFrame(const std::source_location &site) noexcept;

struct CancelInfo
{
    QString reason;
    Cancelled::Cause cause = Cancelled::Cause::Request;
    QString origin;
    TimePoint when{}; // filled in when it takes effect
};

// Who cancels now, for people: the running task, or else the thread.
QMICROIO_EXPORT QString currentOrigin();

// State of one cancel scope, shared between its public face and cancellations that are under way.
//
// Whether anybody asked for cancellation is set once, from any thread. Whether it is in effect here (`effective`) is a
// property of the tree and belongs to the loop's thread; it is pushed down the tree when something changes, so that
// asking at a wait costs one load however deep the tree is.
class QMICROIO_EXPORT ScopeState final : public TimerNode, public Recheckable, public RecycledNode
{
public:
    ScopeState() = default;

    void ref() noexcept override { m_refs.fetch_add(1, std::memory_order_relaxed); }
    void deref() noexcept override
    {
        if (m_refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    // Any thread. True for the first caller.
    bool cancel(CancelInfo info);
    bool isCancelCalled() const noexcept { return m_info.load(std::memory_order_acquire) != nullptr; }
    const CancelInfo *info() const noexcept { return m_info.load(std::memory_order_acquire); }

    // Loop thread. A scope is entered once in its life.
    void enter(Loop &loop, ScopeState *parent);
    void leave() noexcept;
    bool wasEntered() const { return m_entered; }
    bool isInside() const { return m_loop != nullptr; }
    // Any thread. LogicError, which names the call, when the scope is inside a loop of another thread.
    void requireOwnThread(const char *call) const;
    Loop *loop() const { return m_loop; }
    ScopeState *parent() const { return m_parent; }
    bool isEffective() const { return m_effective; }
    bool parentIsEffective() const { return m_parent && m_parent->m_effective && (!m_shielded || m_parent->m_forced); }
    // The cancellation that ends here is the one that nobody further out asked for as well.
    bool absorbs() const { return isCancelCalled() && !parentIsEffective(); }
    // Why a wait in this scope is cancelled: the outermost cancelled scope that is visible from here.
    const CancelInfo *effectiveInfo() const
    {
        const ScopeState *scope = effectiveScope();
        return scope ? scope->info() : nullptr;
    }
    const ScopeState *effectiveScope() const;
    const ScopeState &outermost() const noexcept;
    // The scopes from here out to `outermost`, as a Cancelled keeps them.
    quint64 pathTo(const ScopeState &outermost) const noexcept;

    void setDeadline(TimePoint deadline);
    TimePoint deadline() const { return m_deadline.load(std::memory_order_relaxed); }
    void setShielded(bool shielded);
    bool isShielded() const { return m_shielded; }
    // Cancels whatever is inside, shields or not, now and later: what the tasks work for is about to be gone.
    void force(CancelInfo info);
    bool isForced() const { return m_forced; }
    // The first task in here and in the scopes inside, from the outside in, for which fn(task) is true.
    template<class F>
    TaskContext *findTask(F fn);
    // When the next wait in here would throw for a deadline; min(): it would throw now, max(): never.
    TimePoint effectiveDeadline() const;
    // The innermost scope that makes a wait in here throw; null when none does.
    const ScopeState *innermostCancelled() const;
    // A deadline that has passed counts as a cancellation even before its timer ran.
    void checkDeadline(); // any thread
    // Pushes what changed here down to the scopes and tasks inside.
    void recheck() override;

    bool caught = false;
    ScopeKind kind = ScopeKind::Region;
    CancelScope *face = nullptr; // the public object, while there is one

private:
    friend class TaskContext;
    ~ScopeState();
    void timerFired() override;
    void cancelByDeadline();
    ScopeState *nextInTree(ScopeState *top, bool descend) const;
    void tellTasks();

    std::atomic<int> m_refs{1};
    bool m_entered = false;
    bool m_effective = false;
    bool m_shielded = false;
    bool m_forced = false;
    std::atomic<CancelInfo *> m_info{nullptr};
    mutable std::mutex m_seamMutex; // a canceller in another thread against enter() and leave()
    std::shared_ptr<Seam> m_seam;
    Loop *m_loop = nullptr;
    ScopeState *m_parent = nullptr;
    ScopeState *m_firstChild = nullptr;
    ScopeState *m_previousSibling = nullptr;
    ScopeState *m_nextSibling = nullptr;
    TaskContext *m_firstTask = nullptr;
    std::atomic<TimePoint> m_deadline{TimePoint::max()};
    std::atomic<bool> m_left{false};
};

class ScopeRef
{
public:
    ScopeRef() = default;
    static ScopeRef create()
    {
        ScopeRef ref;
        ref.m_state = new ScopeState;
        return ref;
    }
    ScopeRef(const ScopeRef &other) noexcept
        : m_state(other.m_state)
    {
        if (m_state)
            m_state->ref();
    }
    ScopeRef(ScopeRef &&other) noexcept
        : m_state(std::exchange(other.m_state, nullptr))
    {
    }
    ScopeRef &operator=(ScopeRef other) noexcept
    {
        std::swap(m_state, other.m_state);
        return *this;
    }
    ~ScopeRef()
    {
        if (m_state)
            m_state->deref();
    }
    ScopeState *operator->() const { return m_state; }
    ScopeState &operator*() const { return *m_state; }
    ScopeState *get() const { return m_state; }
    explicit operator bool() const { return m_state != nullptr; }

private:
    ScopeState *m_state = nullptr;
};

// One logical task: a stack of awaiting frames that is resumed as a whole.
//
// A frame runs on top of its parent's as long as the nesting is small. Beyond that no frame resumes another:
// each step returns to the context, which resumes the next one, so that the stack stays flat on every compiler and at
// every optimisation level (GCC 12 makes no tail call for symmetric transfer in debug and sanitizer builds).
class QMICROIO_EXPORT TaskContext : public LoopTask
{
public:
    explicit TaskContext(Loop &loop, ScopeState *scope);
    virtual ~TaskContext();

    Loop &loop() const { return *m_loop; }
    ScopeState *scope() const { return m_scope; }
    void setScope(ScopeState *scope) noexcept; // the innermost scope from now on
    Waiter *parked() const { return m_parked; }
    QString name() const final;
    void setName(const QString &name) noexcept; // without memory for it the task goes without
    // The task-local values that it sees; at first those of whoever made it.
    LocalsRef locals() const noexcept { return m_rare ? m_rare->locals : LocalsRef(); }
    void setLocals(LocalsRef locals); // std::bad_alloc; never where it had some before, and never for none
    virtual GroupState *group() const { return nullptr; }

    bool isCancelled() const
    {
        m_askedCancel = true;
        m_loop->applyRechecks();
        return (m_scope && m_scope->isEffective()) || m_loop->isEnding();
    }
    [[noreturn]] void throwCancelled() const;
    // Ends the current wait if it can be ended; otherwise the next one throws.
    void deliverCancel() final;

    // For awaiters, while the task runs: what drive() does next.
    void suspendAt(std::coroutine_handle<> leaf) noexcept { m_next = leaf; }
    void transferTo(std::coroutine_handle<> next, FrameInfo *leaf) noexcept
    {
        m_next = next;
        m_leaf = leaf;
        m_hasNext = true;
    }
    void nestedFrameEnded(const FrameInfo &frame) noexcept { m_leaf = frame.m_parent; }
    void frameEnded(std::coroutine_handle<> continuation, const FrameInfo *frame) noexcept
    {
        if (continuation)
            transferTo(continuation, frame->m_parent);
        else
            m_done = true;
    }
    // Runs a frame on top of its parent's. True: it has ended. False: it waits, or the stack is deep enough; its parent has
    // to be suspended.
    bool runNested(std::coroutine_handle<> frame, FrameInfo &info)
    {
        constexpr quint8 Deepest = 32;
        if (Q_UNLIKELY(m_nesting >= Deepest))
            return false;
        ++m_nesting;
        info.m_begun = true;
        info.m_isNested = true;
        m_leaf = &info;
        frame.resume();
        while (Q_UNLIKELY(m_hasNext)) {
            m_hasNext = false;
            m_next.resume();
        }
        info.m_isNested = false;
        --m_nesting;
        return m_leaf == info.m_parent;
    }
    FrameInfo *leaf() const { return m_leaf; }
    bool hasBegun() const { return m_begun; }
    bool isDone() const { return m_done; }
    TimePoint since() const { return m_since; } // the turn in which it was made
    quint32 polls() const { return m_polls; } // how often it went on
    // While an Observation lived.
    std::chrono::nanoseconds busy() const { return m_rare ? m_rare->busy : std::chrono::nanoseconds(); }
    // Its code stands on the thread's stack right now, maybe below a nested event loop.
    bool isOnStack() const { return m_onStack; }
    // When it goes on, its wait throws Cancelled.
    bool throwsNext() const { return m_throwsNext; }
    void setThrowsNext() { m_throwsNext = true; }
    std::source_location site() const final;
    QString describe() const final;

    // What it did since somebody last looked: let others run, and asked whether it is cancelled.
    struct Doings
    {
        bool yielded = false;
        bool askedCancel = false;
    };
    Doings exchangeDoings(Doings doings) noexcept
    {
        const Doings before{m_yielded, m_askedCancel};
        m_yielded = doings.yielded;
        m_askedCancel = doings.askedCancel;
        return before;
    }
    // Reports every suspension to stepWatcher.
    void setWatched(bool watched) noexcept { m_isWatched = watched; }

protected:
    // Runs the first frame; the default expects transferTo() to have been called before.
    virtual void begin() { }
    // After the first step, when it left the task suspended.
    virtual void suspendedFirst() { }
    // The last frame has ended, or begin() left nothing to run. May delete the task.
    virtual void finished() noexcept = 0;
    void endWithoutFrame() noexcept { m_done = true; }
    // For a first frame that could not be made.
    void couldNotBegin(std::exception_ptr error) noexcept;
    std::exception_ptr beginError() const noexcept;

private:
    friend class Loop;
    friend class ScopeState;
    friend class Waiter;
    void resumeFromLoop() final;

    Loop *m_loop;
    ScopeState *m_scope = nullptr;
    TaskContext *m_previousInScope = nullptr;
    TaskContext *m_nextInScope = nullptr;
    Waiter *m_parked = nullptr;
    FrameInfo *m_leaf = nullptr;
    std::coroutine_handle<> m_next;
    // What few tasks need; a sleeping task is to be small.
    struct Rare
    {
        QString name;
        std::exception_ptr beginError;
        LocalsRef locals;
        std::chrono::nanoseconds busy{};
    };
    Rare *rare() noexcept; // null without memory
    std::unique_ptr<Rare> m_rare;
    TimePoint m_since;
    quint32 m_polls = 0;
    quint8 m_nesting = 0;
    bool m_hasNext = false;
    // One byte: what is left of these eight is for the kinds of tasks, which then are no larger for their own flags.
    bool m_done : 1 = false;
    bool m_begun : 1 = false;
    bool m_onStack : 1 = false;
    bool m_throwsNext : 1 = false;
    bool m_beginErrorLost : 1 = false; // there was no memory to keep it
    bool m_isWatched : 1 = false;
    bool m_yielded : 1 = false;
    mutable bool m_askedCancel : 1 = false;
};

// The task-local values of the task that runs here, or of the one that called the function that runs here.
QMICROIO_EXPORT LocalsRef currentLocals() noexcept;
// LogicError where neither is.
QMICROIO_EXPORT void setLocal(quint64 key, std::shared_ptr<const void> value);

// While it lives, a function that is no task sees these values.
class QMICROIO_EXPORT CallLocals
{
public:
    explicit CallLocals(LocalsRef locals) noexcept;
    ~CallLocals();
    CallLocals(const CallLocals &) = delete;
    CallLocals &operator=(const CallLocals &) = delete;

private:
    LocalsRef m_locals;
    LocalsRef *m_outer;
};

// Puts the values back that were there before, for a function that runs inside its caller.
class QMICROIO_EXPORT KeptLocals
{
public:
    KeptLocals() noexcept;
    ~KeptLocals();
    KeptLocals(const KeptLocals &) = delete;
    KeptLocals &operator=(const KeptLocals &) = delete;

private:
    LocalsRef m_before;
};
// Told of each suspension of the tasks that setWatched() was called for, on their thread.
class StepWatcher
{
public:
    virtual void suspended(TaskContext &task) = 0;

protected:
    ~StepWatcher() = default;
};
QMICROIO_EXPORT extern std::atomic<StepWatcher *> stepWatcher;

template<class F>
TaskContext *ScopeState::findTask(F fn)
{
    for (ScopeState *scope = this; scope; scope = scope->nextInTree(this, true)) {
        for (TaskContext *task = scope->m_firstTask; task; task = task->m_nextInScope) {
            if (fn(*task))
                return task;
        }
    }
    return nullptr;
}

// Base of every awaiter that parks its task. It is linked into wait lists, so it never moves.
//
// Resumes: on the task's own thread, from its loop, never inside the call that ended the wait.
class QMICROIO_EXPORT Waiter
{
public:
    Waiter(const Waiter &) = delete;
    Waiter &operator=(const Waiter &) = delete;

    TaskContext &task() const { return m_task; }
    // What the task waits for, for people: "sleep", "receive on channel 'lines'".
    virtual QString describe() const = 0;
    // True for a wait for other tasks that throws Cancelled once those have ended.
    virtual bool passesCancelOn() const noexcept { return false; }

protected:
    explicit Waiter(TaskContext &task)
        : m_task(task)
    {
    }
    ~Waiter()
    {
        if (m_task.m_parked == this)
            m_task.m_parked = nullptr;
    }
    // Loop thread: lets go of what is waited for. True: the wait is over and throws Cancelled. False: it goes on until
    // what it waits for happens; it is not asked again.
    virtual bool abort() noexcept = 0;

    void park(std::coroutine_handle<> leaf) noexcept
    {
        m_task.suspendAt(leaf);
        m_task.m_parked = this;
    }
    // Nothing to wait for, but the task has kept its turn for long: it goes on in the next one.
    void letOthersGoOn(std::coroutine_handle<> leaf)
    {
        m_task.suspendAt(leaf);
        m_task.loop().makeReady(m_task);
    }
    // Loop thread: the wait is over; the task goes on in the next turn.
    void wake()
    {
        m_task.m_parked = nullptr;
        m_task.loop().makeReady(m_task);
    }
    // From the waiter's own place in the ready queue: the wait is over, the task goes on now.
    void goOn()
    {
        m_task.m_parked = nullptr;
        m_task.resumeFromLoop();
    }
    bool isAborted() const { return m_aborted; }
    bool abortWasAsked() const { return m_asked; }
    // To be called where a wait begins: inside a cancelled scope no wait begins.
    void throwIfCancelled() const
    {
        if (m_task.isCancelled())
            m_task.throwCancelled();
    }
    void throwIfAborted() const
    {
        if (m_aborted)
            m_task.throwCancelled();
    }

private:
    friend class TaskContext;
    TaskContext &m_task;
    bool m_aborted = false;
    bool m_asked = false;
};

} // namespace QMicroIO::detail
