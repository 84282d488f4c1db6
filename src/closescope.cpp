// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/closescope.h>

#include <algorithm>
#include <vector>

namespace QMicroIO {

using CloseWaiter = detail::WaiterLink<detail::UntilClosedAwaiter>;

struct CloseScope::Private
{
    mutable std::mutex mutex;
    mutable std::condition_variable condition;
    bool closed = false;
    QString reason;
    std::exception_ptr error;
    mutable std::vector<std::shared_ptr<CloseWaiter>> waiters;
};

CloseScope::CloseScope(QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>())
{
}

CloseScope::~CloseScope()
{
    std::vector<std::shared_ptr<CloseWaiter>> left;
    {
        const std::lock_guard lock(d->mutex);
        left.swap(d->waiters);
    }
    for (const std::shared_ptr<CloseWaiter> &waiter : left)
        waiter->tell(true);
}

bool CloseScope::close(const QString &reason, std::exception_ptr error)
{
    std::vector<std::shared_ptr<CloseWaiter>> waiting;
    {
        const std::lock_guard lock(d->mutex);
        if (d->closed)
            return false;
        d->reason = reason;
        d->error = std::move(error);
        d->closed = true;
        waiting.swap(d->waiters);
        // Under the lock: a waiter that returns may destroy this object next.
        d->condition.notify_all();
    }
    for (const std::shared_ptr<CloseWaiter> &waiter : waiting)
        waiter->tell(false);
    Q_EMIT closedChanged();
    return true;
}

bool CloseScope::fail(std::exception_ptr error, const QString &reason)
{
    if (!error)
        throw std::invalid_argument("CloseScope::fail(): the error is null; use close() for a clean end");
    const QString text = reason.isEmpty() ? errorText(error) : reason;
    return close(text, std::move(error));
}

bool CloseScope::isClosed() const
{
    const std::lock_guard lock(d->mutex);
    return d->closed;
}

bool CloseScope::isFailed() const
{
    const std::lock_guard lock(d->mutex);
    return d->error != nullptr;
}

QString CloseScope::reason() const
{
    const std::lock_guard lock(d->mutex);
    return d->reason;
}

std::exception_ptr CloseScope::error() const
{
    const std::lock_guard lock(d->mutex);
    return d->error;
}

bool CloseScope::wait(QDeadlineTimer deadline) const
{
    std::unique_lock lock(d->mutex);
    return detail::waitUntil(d->condition, lock, deadline, [this] { return d->closed; });
}

void CloseScope::throwIfClosed() const
{
    const std::lock_guard lock(d->mutex);
    if (!d->closed)
        return;
    const QString text = d->reason.isEmpty() ? QStringLiteral("closed") : d->reason;
    if (d->error)
        throw BrokenResourceError(text, d->error);
    throw ClosedResourceError(text);
}

namespace detail {

UntilClosedAwaiter::~UntilClosedAwaiter()
{
    letGo();
}

bool UntilClosedAwaiter::await_ready() const
{
    throwIfCancelled();
    return false;
}

bool UntilClosedAwaiter::await_suspend(std::coroutine_handle<> leaf)
{
    const std::lock_guard lock(m_scope->d->mutex);
    if (m_scope->d->closed)
        return false;
    m_waiter = std::make_shared<CloseWaiter>(task().loop().seam(), this);
    m_scope->d->waiters.push_back(m_waiter);
    park(leaf);
    return true;
}

void UntilClosedAwaiter::await_resume() const
{
    throwIfAborted();
    if (m_waiter && m_waiter->wasDestroyed())
        throw BrokenResourceError(QStringLiteral("untilClosed(): the CloseScope was destroyed"));
}

QString UntilClosedAwaiter::describe() const
{
    return QStringLiteral("a CloseScope to close");
}

bool UntilClosedAwaiter::abort() noexcept
{
    letGo();
    return true;
}

void UntilClosedAwaiter::letGo() noexcept
{
    if (!m_waiter || task().parked() != this)
        return;
    m_waiter->forget();
    const std::lock_guard lock(m_scope->d->mutex);
    std::erase(m_scope->d->waiters, m_waiter);
}

} // namespace detail
} // namespace QMicroIO
