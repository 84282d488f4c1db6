// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>

#include "logging_p.h"

namespace QMicroIO {

CancelScope::CancelScope()
    : CancelScope(detail::ScopeRef::create())
{
}

CancelScope::CancelScope(detail::ScopeRef state)
    : m_state(std::move(state))
{
    m_state->face = this;
}

CancelScope::~CancelScope()
{
    if (m_state->isInside() && m_state->kind == detail::ScopeKind::Region) {
        qCCritical(detail::lcTask)
            << "a CancelScope was destroyed in the middle of its run(); nobody can cancel the region any "
               "more. Keep the scope where it outlives run(), best in the function that awaits it";
    }
    m_state->face = nullptr;
}

bool CancelScope::cancel(const QString &reason)
{
    m_state->checkDeadline(); // one that has passed came first, even before its timer ran
    return m_state->cancel({reason, Cancelled::Cause::Request, {}});
}

bool CancelScope::isCancelCalled() const
{
    m_state->checkDeadline();
    return m_state->isCancelCalled();
}

bool CancelScope::isCancelledCaught() const
{
    return m_state->caught;
}

bool CancelScope::isTimedOut() const
{
    m_state->checkDeadline();
    const detail::CancelInfo *info = m_state->info();
    return info && info->cause == Cancelled::Cause::Deadline;
}

QString CancelScope::reason() const
{
    const detail::CancelInfo *info = m_state->info();
    return info ? info->reason : QString();
}

void CancelScope::setDeadline(std::chrono::steady_clock::time_point deadline)
{
    m_state->requireOwnThread("CancelScope::setDeadline()");
    m_timeout.reset();
    m_state->setDeadline(deadline);
}

std::chrono::steady_clock::time_point CancelScope::deadline() const
{
    return m_state->deadline();
}

void CancelScope::applyTimeout(std::chrono::steady_clock::duration timeout)
{
    m_state->requireOwnThread("CancelScope::setTimeout()");
    if (m_state->isInside())
        m_state->setDeadline(detail::after(detail::now(), timeout));
    else
        m_timeout = timeout;
}

void CancelScope::entering()
{
    if (m_timeout)
        m_state->setDeadline(detail::after(detail::now(), *m_timeout));
}

void CancelScope::setShielded(bool shielded)
{
    m_state->requireOwnThread("CancelScope::setShielded()");
    m_state->setShielded(shielded);
}

bool CancelScope::isShielded() const
{
    return m_state->isShielded();
}

namespace detail {

ScopeRegion::ScopeRegion(TaskContext &task, ScopeRef scope, const char *misuse)
    : m_task(task)
    , m_scope(std::move(scope))
    , m_outer(task.scope())
{
    if (m_scope->wasEntered()) {
        m_left = true;
        throw LogicError(QStringLiteral("%1: this scope was entered before; a scope is for one run, make a new one")
                             .arg(QString::fromUtf8(misuse)));
    }
    m_scope->enter(task.loop(), m_outer);
    task.setScope(m_scope.get());
}

ScopeRegion::~ScopeRegion()
{
    if (!m_left)
        leave(nullptr);
}

std::exception_ptr ScopeRegion::leave(const std::exception_ptr &error)
{
    m_left = true;
    std::exception_ptr rest = error;
    if (error) {
        m_task.loop().applyRechecks();
        if (m_scope->absorbs()) {
            Split split = splitCancelled(error);
            m_scope->caught = split.hadCancelled;
            rest = std::move(split.rest);
        }
    }
    m_task.setScope(m_outer);
    m_scope->leave();
    return rest;
}

void throwScopeIsGone()
{
    throw LogicError(QStringLiteral(
        "CancelScope::run(): the scope was destroyed before its run began; keep it where it outlives run(), "
        "best in the function that awaits it"));
}

void throwTimedOut(Clock::duration timeout)
{
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count();
    throw TimeoutError(QStringLiteral("not finished within %1 ms").arg(ms));
}

void throwClosedByCancel(const CancelScope &scope)
{
    const QString reason = scope.reason();
    throw ClosedResourceError(reason.isEmpty() ? QStringLiteral("the scope was cancelled") : reason);
}

SleepAwaiter::~SleepAwaiter()
{
    task().loop().removeTimer(*this);
}

bool SleepAwaiter::await_ready() const
{
    throwIfCancelled();
    return false;
}

void SleepAwaiter::await_suspend(std::coroutine_handle<> leaf)
{
    if (when() == TimePoint::max()) {
        park(leaf);
    } else if (when() > now()) {
        park(leaf);
        task().loop().addTimer(*this, when());
    } else {
        m_onlyYields = true;
        task().suspendAt(leaf);
        task().loop().makeReady(task());
    }
}

void SleepAwaiter::await_resume() const
{
    throwIfAborted();
    if (m_onlyYields)
        throwIfCancelled();
}

QString SleepAwaiter::describe() const
{
    return when() == TimePoint::max() ? QStringLiteral("nothing but cancellation") : QStringLiteral("sleep");
}

bool SleepAwaiter::abort() noexcept
{
    task().loop().removeTimer(*this);
    return true;
}

void SleepAwaiter::timerFired()
{
    wake();
}

CurrentScopeQuery::Awaiter CurrentScopeQuery::awaiter(TaskContext &task) const
{
    const ScopeState *scope = task.scope();
    while (scope && !scope->face)
        scope = scope->parent();
    return {scope ? scope->face : nullptr};
}

bool isCancelPendingIn(const TaskContext &task)
{
    task.loop().fireDueTimers();
    return task.isCancelled();
}

TimePoint effectiveDeadlineOf(const TaskContext &task)
{
    if (isCancelPendingIn(task))
        return TimePoint::min();
    return task.scope() ? task.scope()->effectiveDeadline() : TimePoint::max();
}

CancelScope *innermostCancelledOf(const TaskContext &task)
{
    task.loop().fireDueTimers();
    task.loop().applyRechecks();
    const ScopeState *scope = task.scope() ? task.scope()->innermostCancelled() : nullptr;
    return scope ? scope->face : nullptr;
}

} // namespace detail
} // namespace QMicroIO
