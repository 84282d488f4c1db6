// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/worktracker.h>

#include "logging_p.h"

#include <qmicroio/errors.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace QMicroIO {
namespace detail {

using IdleWaiter = WaiterLink<UntilIdleAwaiter>;
using IdleWaiters = std::vector<std::shared_ptr<IdleWaiter>>;

// Shared with guards and waiting tasks, so that they may outlive the tracker.
class WorkCount
{
public:
    explicit WorkCount(WorkTracker *face)
        : m_face(face)
    {
    }

    void add()
    {
        std::unique_lock lock(m_mutex);
        if (m_count++ > 0)
            return;
        ++m_changes;
        m_condition.notify_all();
        tellFace(lock);
    }
    // False: there was nothing that could be done.
    bool remove()
    {
        IdleWaiters waiting;
        std::unique_lock lock(m_mutex);
        if (m_count == 0)
            return false;
        if (--m_count > 0)
            return true;
        ++m_changes;
        m_condition.notify_all();
        waiting.swap(m_waiters);
        lock.unlock();
        for (const std::shared_ptr<IdleWaiter> &waiter : waiting)
            waiter->tell(false);
        lock.lock();
        tellFace(lock);
        return true;
    }
    qsizetype count() const
    {
        const std::lock_guard lock(m_mutex);
        return m_count;
    }
    // The number of changes makes sure that a state which lasts only a moment is not missed.
    bool wait(bool busy, QDeadlineTimer deadline)
    {
        std::unique_lock lock(m_mutex);
        const quint64 before = m_changes;
        return waitUntil(m_condition, lock, deadline, [&] { return (m_count > 0) == busy || m_changes != before; });
    }

    // False: nothing to wait for.
    bool enlist(const std::shared_ptr<IdleWaiter> &waiter)
    {
        const std::lock_guard lock(m_mutex);
        if (m_count == 0)
            return false;
        m_waiters.push_back(waiter);
        return true;
    }
    void strike(const std::shared_ptr<IdleWaiter> &waiter) noexcept
    {
        const std::lock_guard lock(m_mutex);
        std::erase(m_waiters, waiter);
    }
    bool hasFace() const
    {
        const std::lock_guard lock(m_mutex);
        return m_face != nullptr;
    }
    void faceGoes()
    {
        IdleWaiters waiting;
        {
            std::unique_lock lock(m_mutex);
            m_face = nullptr;
            waiting.swap(m_waiters);
            // Whoever destroys it from inside a slot must not wait for that slot.
            m_condition.wait(
                lock, [this] { return m_teller == std::thread::id() || m_teller == std::this_thread::get_id(); });
        }
        for (const std::shared_ptr<IdleWaiter> &waiter : waiting)
            waiter->tell(true);
    }

private:
    // One thread at a time emits, without the lock, until what it told is how things stand; the others leave it to that one.
    // So the signals come in order, and a slot that changes the count is not called again inside itself.
    void tellFace(std::unique_lock<std::mutex> &lock)
    {
        if (m_teller != std::thread::id())
            return;
        while (m_face && m_told != (m_count > 0)) {
            m_teller = std::this_thread::get_id();
            m_told = !m_told;
            WorkTracker *face = m_face;
            const bool busy = m_told;
            lock.unlock();
            Q_EMIT face->busyChanged(busy);
            lock.lock();
        }
        m_teller = std::thread::id();
        if (!m_face)
            m_condition.notify_all();
    }

    mutable std::mutex m_mutex;
    std::condition_variable m_condition;
    qsizetype m_count = 0;
    quint64 m_changes = 0; // between busy and idle
    IdleWaiters m_waiters;
    WorkTracker *m_face; // the public object, while there is one
    bool m_told = false; // what the last signal said
    std::thread::id m_teller; // who emits now
};

} // namespace detail

WorkTracker::WorkTracker(QObject *parent)
    : QObject(parent)
    , m_work(std::make_shared<detail::WorkCount>(this))
{
}

WorkTracker::~WorkTracker()
{
    m_work->faceGoes();
}

void WorkTracker::add()
{
    const std::shared_ptr<detail::WorkCount> work = m_work; // a slot may destroy this object
    work->add();
}

void WorkTracker::done()
{
    const std::shared_ptr<detail::WorkCount> work = m_work; // whoever waits for this may destroy it
    if (!work->remove())
        throw LogicError(
            QStringLiteral("WorkTracker::done(): nothing is being worked on; call add() before, once for each "
                           "done(), or use track()"));
}

WorkGuard WorkTracker::track()
{
    WorkGuard guard(m_work);
    guard.m_work->add();
    return guard;
}

bool WorkTracker::isBusy() const
{
    return m_work->count() > 0;
}

qsizetype WorkTracker::count() const
{
    return m_work->count();
}

bool WorkTracker::waitIdle(QDeadlineTimer deadline) const
{
    return m_work->wait(false, deadline);
}

bool WorkTracker::waitBusy(QDeadlineTimer deadline) const
{
    return m_work->wait(true, deadline);
}

void WorkGuard::release() noexcept
{
    const std::shared_ptr<detail::WorkCount> work = std::move(m_work);
    if (work && !work->remove()) {
        qCCritical(detail::lcService)
            << "WorkGuard: the work it stands for was already counted as done; call done() only for what add() added";
    }
}

namespace detail {

UntilIdleAwaiter::UntilIdleAwaiter(TaskContext &task, std::shared_ptr<WorkCount> work)
    : Waiter(task)
    , m_work(std::move(work))
{
}

UntilIdleAwaiter::~UntilIdleAwaiter()
{
    letGo();
}

bool UntilIdleAwaiter::await_ready() const
{
    throwIfCancelled();
    if (!m_work->hasFace())
        throw BrokenResourceError(QStringLiteral("untilIdle(): the WorkTracker was destroyed before the wait began"));
    return false;
}

bool UntilIdleAwaiter::await_suspend(std::coroutine_handle<> leaf)
{
    const auto waiter = std::make_shared<IdleWaiter>(task().loop().seam(), this);
    if (!m_work->enlist(waiter))
        return false;
    m_waiter = waiter;
    park(leaf);
    return true;
}

void UntilIdleAwaiter::await_resume() const
{
    throwIfAborted();
    if (m_waiter && m_waiter->wasDestroyed())
        throw BrokenResourceError(QStringLiteral("untilIdle(): the WorkTracker was destroyed"));
}

QString UntilIdleAwaiter::describe() const
{
    return QStringLiteral("a WorkTracker to become idle");
}

bool UntilIdleAwaiter::abort() noexcept
{
    letGo();
    return true;
}

void UntilIdleAwaiter::letGo() noexcept
{
    if (!m_waiter || task().parked() != this)
        return;
    m_waiter->forget();
    m_work->strike(m_waiter);
}

} // namespace detail
} // namespace QMicroIO
