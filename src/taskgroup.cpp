// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/diagnostics.h>
#include <qmicroio/taskgroup.h>

#include "diagnostics_p.h"
#include "logging_p.h"

#include <algorithm>

namespace QMicroIO {
namespace detail {

namespace {

// Whether fn(child, its group) holds for the task, or for one of those whose groups it is in: none of them ends before it.
template<class F>
bool isInside(const TaskContext &task, F fn)
{
    for (const TaskContext *child = &task; child && child->group(); child = child->group()->host()) {
        if (fn(*child, *child->group()))
            return true;
    }
    return false;
}

} // namespace

GroupState::GroupState(ScopeRef scope)
    : m_scope(std::move(scope))
    , m_face(m_scope)
{
    m_scope->kind = ScopeKind::Group;
}

GroupState::~GroupState() = default;

void GroupState::open(Loop &loop, ScopeState *parent, TaskContext *host)
{
    m_scope->enter(loop, parent);
    m_loop = &loop;
    m_host = host;
    m_open = true;
    loop.linkGroup(*this);
}

void GroupState::abandon() noexcept
{
    const std::shared_ptr<GroupState> self = std::exchange(m_self, nullptr);
    m_open = false;
    while (ChildBase *child = m_firstChild) {
        m_firstChild = child->m_nextChild;
        if (m_firstChild)
            m_firstChild->m_previousChild = nullptr;
        child->m_adopted = false;
        --m_size;
        child->destroyFrames();
        delete child;
    }
    m_scope->leave();
    m_loop->unlinkGroup(*this);
    childEnded(); // tasks of other groups may wait for this one to be empty
}

void GroupState::destroy(ChildBase &child) noexcept
{
    GroupState *group = child.m_group;
    const std::shared_ptr<GroupState> kept = group->m_self;
    child.unlink();
    child.destroyFrames();
    delete &child;
    group->childEnded();
}

void GroupState::unwind(CancelInfo info) noexcept
{
    const std::shared_ptr<GroupState> self = shared_from_this();
    m_open = false;
    m_loop->applyRechecks();
    m_scope->force(std::move(info));
    m_scope->findTask([](TaskContext &task) {
        if (task.parked() && task.parked()->passesCancelOn())
            task.setThrowsNext();
        return false;
    });
    const auto canGoOn = [](const TaskContext &task) {
        return task.isReady() && task.throwsNext() && !task.isOnStack();
    };
    // The bound is for clean-up that never ends: it must not keep a destructor for ever.
    constexpr int MostSteps = 1'000'000;
    for (int steps = 0; steps < MostSteps; ++steps) {
        TaskContext *task = m_scope->findTask(canGoOn);
        if (!task)
            break;
        m_loop->forget(*task);
        m_loop->resumeNow(*task);
    }
    m_scope->findTask([](TaskContext &task) {
        for (TaskContext *inside = task.isOnStack() ? &task : nullptr; inside && inside->group();) {
            static_cast<ChildBase *>(inside)->m_sheltered = true;
            inside = inside->group()->host();
        }
        return false;
    });
    const auto canBeDestroyed = [](const TaskContext &task) {
        return task.group() && !static_cast<const ChildBase &>(task).m_sheltered;
    };
    while (TaskContext *task = m_scope->findTask(canBeDestroyed))
        destroy(static_cast<ChildBase &>(*task));
}

void GroupState::requireOpen(const char *call) const
{
    if (m_loop && Loop::current() != m_loop && m_scope->isInside()) {
        throw LogicError(QStringLiteral("%1 from %2, but the group belongs to the loop of %3; use "
                                        "LoopServiceThread::callSoon() or submit() from other threads")
                             .arg(QString::fromUtf8(call), currentThreadName(), m_loop->name()));
    }
    if (!m_open)
        throw NotRunningError(
            QStringLiteral("%1: the group has ended (or was not opened yet) and takes no children; start "
                           "them from its body, or from a child that still runs")
                .arg(QString::fromUtf8(call)));
}

void GroupState::link(ChildBase &child) noexcept
{
    child.m_adopted = true;
    child.m_nextChild = m_firstChild;
    if (m_firstChild)
        m_firstChild->m_previousChild = &child;
    m_firstChild = &child;
    if (m_size++ == 0)
        m_self = shared_from_this();
}

void GroupState::adopt(ChildBase &child)
{
    link(child);
    m_loop->makeReady(child);
}

void GroupState::adoptAndBegin(ChildBase &child)
{
    link(child);
    m_loop->resumeNow(child);
}

void GroupState::fail(std::exception_ptr error, const QString &who)
{
    // A body that awaited the child's handle throws on what the child threw.
    if (std::find(m_errors.begin(), m_errors.end(), error) != m_errors.end())
        return;
    const QString reason = QStringLiteral("%1 failed: %2").arg(who, errorText(error));
    m_errors.push_back(std::move(error));
    m_scope->cancel({reason, Cancelled::Cause::Failure, who});
}

void GroupState::childEnded() noexcept
{
    if (m_size > 0)
        return;
    while (EmptyListener *listener = m_listeners) {
        m_listeners = listener->m_next;
        listener->m_next = nullptr;
        listener->groupIsEmpty();
    }
}

void GroupState::close(bool absorbs)
{
    m_open = false;
    m_scope->caught = m_sawCancelled && absorbs;
    m_scope->leave();
    m_loop->unlinkGroup(*this);
}

void GroupState::addListener(EmptyListener &listener)
{
    EmptyListener **end = &m_listeners;
    while (*end)
        end = &(*end)->m_next;
    *end = &listener;
}

void GroupState::removeListener(EmptyListener &listener) noexcept
{
    for (EmptyListener **at = &m_listeners; *at; at = &(*at)->m_next) {
        if (*at == &listener) {
            *at = listener.m_next;
            listener.m_next = nullptr;
            return;
        }
    }
}

ChildBase::ChildBase(const std::shared_ptr<GroupState> &group, ScopeState *scope)
    : TaskContext(group->loop(), scope)
    , m_group(group.get())
{
}

ChildBase::~ChildBase()
{
    unlink();
}

void ChildBase::unlink() noexcept
{
    if (!m_adopted)
        return;
    m_adopted = false;
    (m_previousChild ? m_previousChild->m_nextChild : m_group->m_firstChild) = m_nextChild;
    if (m_nextChild)
        m_nextChild->m_previousChild = m_previousChild;
    if (--m_group->m_size == 0)
        m_group->m_self.reset(); // whoever ends a child holds the group meanwhile
}

void ChildBase::report(std::exception_ptr error)
{
    if (!error)
        return;
    Split split = splitCancelled(error); // also out of an ExceptionGroup that the child made itself
    if (split.hadCancelled)
        m_group->sawCancelled();
    if (split.rest)
        m_group->fail(std::move(split.rest), name());
}

void ChildBase::finished() noexcept
{
    GroupState *group = m_group;
    const std::shared_ptr<GroupState> kept = group->m_self;
    std::exception_ptr error = outcome();
    destroyFrames();
    report(std::move(error));
    delete this;
    group->childEnded();
}

bool StartBase::mayStart(Loop &loop) const
{
    if (!loop.seam()->isOwnThread())
        throw LogicError(QStringLiteral("TaskStatus::started() from %1, but the child belongs to the loop of %2")
                             .arg(currentThreadName(), loop.name()));
    if (m_deaf || m_orphaned)
        return false;
    if (m_started)
        throw LogicError(
            QStringLiteral("TaskStatus::started() was called twice; call it once, when the child is ready"));
    return true;
}

void StartBase::start()
{
    m_started = true;
    if (m_waiter && !m_abandoned)
        std::exchange(m_waiter, nullptr)->wake();
}

void StartBase::childEnded(std::exception_ptr error) noexcept
{
    m_over = true;
    if (takesErrors())
        m_error = std::move(error);
    if (m_waiter)
        std::exchange(m_waiter, nullptr)->wake();
}

void StartBase::childIsGone() noexcept
{
    if (m_over)
        return;
    childEnded(std::make_exception_ptr(
        ClosedResourceError(QStringLiteral("start(): the group was destroyed before the child was ready"))));
}

StartAwaiter::~StartAwaiter()
{
    m_start.m_waiter = nullptr;
    if (!m_start.m_over && !m_start.m_started)
        m_start.m_orphaned = true;
}

void StartAwaiter::await_suspend(std::coroutine_handle<> leaf)
{
    park(leaf);
    m_start.m_waiter = this;
}

void StartAwaiter::await_resume() const
{
    if (m_start.m_error) {
        const std::exception_ptr error = std::exchange(m_start.m_error, nullptr);
        if (!isCancellation(error))
            std::rethrow_exception(error);
        if (task().isCancelled())
            task().throwCancelled();
        if (const CancelInfo *info = m_group.scope()->effectiveInfo()) {
            throw ClosedResourceError(
                QStringLiteral("start(): the group was cancelled before the child was ready%1")
                    .arg(info->reason.isEmpty() ? QString() : QStringLiteral(": ") + info->reason));
        }
        throw StartupError(QStringLiteral("start(): the child was cancelled before it was ready"));
    }
    if (m_start.m_started)
        return;
    if (m_start.m_deaf)
        task().throwCancelled();
    throw StartupError(
        QStringLiteral("start(): the child returned without calling started(); call it once the child is "
                       "ready, or use startSoon() for one that has nothing to tell"));
}

QString StartAwaiter::describe() const
{
    return QStringLiteral("a child to become ready");
}

bool StartAwaiter::abort() noexcept
{
    m_start.m_abandoned = true;
    m_start.m_deaf = true;
    m_child.cancel({QStringLiteral("the caller of start() was cancelled"), Cancelled::Cause::Request, task().name()});
    return false;
}

class SlowExit final : public TimerNode
{
public:
    SlowExit(const TaskContext &host, const GroupState &group, std::chrono::milliseconds time)
        : m_host(host)
        , m_group(group)
        , m_time(time)
    {
        m_host.loop().addTimer(*this, after(now(), time));
    }
    ~SlowExit() { m_host.loop().removeTimer(*this); }

private:
    void timerFired() override
    {
        logIfPossible([this] {
            const CancelInfo *info = m_group.scope()->effectiveInfo();
            qCWarning(lcTask).noquote() << "a group of" << m_host.name() << "was cancelled"
                                        << (info && !info->reason.isEmpty() ? QStringLiteral("(%1)").arg(info->reason)
                                                                            : QStringLiteral("(no reason given)"))
                                        << "and has waited for its children to end for" << m_time.count() << "ms:\n"
                                        << textOfTask(m_host);
        });
    }
    const TaskContext &m_host;
    const GroupState &m_group;
    std::chrono::milliseconds m_time;
};

void DeleteSlowExit::operator()(SlowExit *watch) const noexcept
{
    delete watch;
}

void EmptyAwaiter::watchExit() noexcept
{
    const std::chrono::milliseconds time = slowExitWarning();
    if (m_slowExit || time <= time.zero())
        return;
    try {
        m_slowExit.reset(new SlowExit(task(), *m_group, time));
    } catch (const std::bad_alloc &) {
        return; // a warning less, nothing more
    }
}

EmptyAwaiter::~EmptyAwaiter()
{
    if (m_listening)
        m_group->removeListener(*this);
}

bool EmptyAwaiter::await_ready() const
{
    if (m_kind == Kind::Exit)
        return false;
    if (m_group->isOpen() && &m_group->loop() != &task().loop())
        throw LogicError(QStringLiteral("untilEmpty() on %1, but the group belongs to the loop of %2; use "
                                        "LoopServiceThread::submit() to wait there")
                             .arg(currentThreadName(), m_group->loop().name()));
    if (isInside(task(), [this](const TaskContext &, const GroupState &group) { return &group == m_group.get(); }))
        throw LogicError(QStringLiteral("untilEmpty() in a child of its own group would wait for itself; wait in the "
                                        "body, or give the other children a group of their own"));
    throwIfCancelled();
    return m_group->size() == 0;
}

void EmptyAwaiter::await_suspend(std::coroutine_handle<> leaf)
{
    if (m_group->size() == 0) {
        task().suspendAt(leaf);
        task().loop().makeReady(task());
        return;
    }
    park(leaf);
    m_listening = true;
    m_group->addListener(*this);
    if (m_kind == Kind::Exit) {
        m_group->ending();
        if (m_group->scope()->isEffective())
            watchExit();
    }
}

void EmptyAwaiter::await_resume() const
{
    if (m_kind == Kind::Cancellable)
        throwIfAborted();
}

QString EmptyAwaiter::describe() const
{
    return QStringLiteral("%1 children of its group to end").arg(m_group->size());
}

bool EmptyAwaiter::abort() noexcept
{
    // Children are never left behind: they have been told as well, and the exit waits for them.
    if (m_kind == Kind::Exit) {
        watchExit();
        return false;
    }
    m_listening = false;
    m_group->removeListener(*this);
    return true;
}

void EmptyAwaiter::groupIsEmpty()
{
    m_listening = false;
    wake();
}

GroupRegion::GroupRegion(TaskContext &host)
    : m_host(host)
    , m_outer(host.scope())
    , m_group(std::make_shared<GroupState>(ScopeRef::create()))
{
    m_group->open(host.loop(), m_outer, &host);
    host.setScope(m_group->scope().get());
}

GroupRegion::~GroupRegion()
{
    if (m_closed)
        return;
    m_host.setScope(m_outer);
    m_group->abandon();
}

void GroupRegion::bodyFailed(std::exception_ptr error)
{
    Split split = splitCancelled(error);
    if (split.rest)
        m_group->fail(std::move(split.rest), QStringLiteral("the body of the group"));
    if (!split.hadCancelled)
        return;
    m_bodyCancelled = std::move(error);
    m_group->sawCancelled();
    if (!m_group->scope()->isEffective()) {
        m_foreignCancelled = true;
        m_group->scope()->cancel(
            {QStringLiteral("the body of the group was cancelled"), Cancelled::Cause::Request, {}});
    }
}

bool GroupRegion::close()
{
    m_closed = true;
    m_group->loop().applyRechecks();
    const ScopeRef &scope = m_group->scope();
    const bool absorbs = scope->absorbs() && !m_foreignCancelled;
    const bool fromOutside = scope->parentIsEffective() || m_group->loop().isEnding();
    const bool forced = scope->isForced();
    m_host.setScope(m_outer);
    m_group->close(absorbs);
    if (std::vector<std::exception_ptr> errors = m_group->takeErrors(); !errors.empty())
        throw ExceptionGroup(std::move(errors));
    if (m_bodyCancelled && !absorbs)
        std::rethrow_exception(m_bodyCancelled);
    if (forced || (m_group->hasSeenCancelled() && !absorbs && fromOutside))
        m_host.throwCancelled();
    return !m_bodyCancelled;
}

HandleBase::HandleBase(Loop &loop, ScopeRef scope)
    : m_seam(loop.seam())
    , m_scope(std::move(scope))
{
}

HandleBase::~HandleBase() = default;

void HandleBase::setChild(const ChildBase &child)
{
    m_child = &child;
    m_name = child.name();
}

void HandleBase::ended(std::exception_ptr error, bool cancelled)
{
    m_child = nullptr;
    m_done = true;
    m_error = std::move(error);
    m_cancelled = cancelled;
    if (m_waiter)
        std::exchange(m_waiter, nullptr)->wake();
}

void HandleBase::childIsGone()
{
    if (!m_done)
        ended(nullptr, true);
}

HandleAwaiter::~HandleAwaiter()
{
    if (m_state->m_waiter == this)
        m_state->m_waiter = nullptr;
}

bool HandleAwaiter::await_ready() const
{
    if (task().loop().seam() != m_state->m_seam)
        throw LogicError(QStringLiteral("TaskHandle::result() on %1, but %2 belongs to another loop; use "
                                        "LoopServiceThread::submit() to wait there")
                             .arg(currentThreadName(), m_state->m_name));
    if (isInside(task(), [this](const TaskContext &child, const GroupState &) { return &child == m_state->m_child; }))
        throw LogicError(QStringLiteral("TaskHandle::result() in %1 would wait for itself; await it in another task")
                             .arg(m_state->m_name));
    if (m_state->m_taken)
        throw LogicError(
            QStringLiteral("the result of %1 was taken before; keep it where it is needed again").arg(m_state->m_name));
    throwIfCancelled();
    if (m_state->m_waiter)
        throw BusyResourceError(QStringLiteral("another task waits for the result of %1").arg(m_state->m_name));
    return m_state->m_done;
}

void HandleAwaiter::await_suspend(std::coroutine_handle<> leaf)
{
    park(leaf);
    m_state->m_waiter = this;
}

void HandleAwaiter::await_resume() const
{
    throwIfAborted();
    if (m_state->m_error)
        std::rethrow_exception(m_state->m_error);
    if (m_state->m_cancelled) {
        const CancelInfo *info = m_state->m_scope->info();
        throw ClosedResourceError(
            QStringLiteral("%1 was cancelled%2")
                .arg(m_state->m_name,
                     info && !info->reason.isEmpty() ? QStringLiteral(": ") + info->reason : QString()));
    }
    m_state->m_taken = true;
}

QString HandleAwaiter::describe() const
{
    return QStringLiteral("the result of %1").arg(m_state->m_name);
}

bool HandleAwaiter::abort() noexcept
{
    m_state->m_waiter = nullptr;
    return true;
}

} // namespace detail

bool TaskGroup::cancel(const QString &reason)
{
    return m_state->face().cancel(reason);
}

CancelScope &TaskGroup::cancelScope()
{
    return m_state->face();
}

qsizetype TaskGroup::size() const
{
    return m_state->size();
}

detail::EmptyWait TaskGroup::untilEmpty() const
{
    return {m_state, detail::EmptyAwaiter::Kind::Cancellable};
}

} // namespace QMicroIO
