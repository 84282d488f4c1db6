// floor 6: how much is being worked on, all threads together, and who waits for it to end
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/promise.h>
#include <qmicroio/detail/waiterlink.h>
#include <qmicroio/export.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QObject>

#include <memory>
#include <utility>

namespace QMicroIO {
namespace detail {

class WorkCount;

class QMICROIO_EXPORT UntilIdleAwaiter : public Waiter
{
public:
    UntilIdleAwaiter(TaskContext &task, std::shared_ptr<WorkCount> work);
    ~UntilIdleAwaiter();
    bool await_ready() const;
    bool await_suspend(std::coroutine_handle<> leaf);
    void await_resume() const;
    QString describe() const override;

private:
    friend class WaiterLink<UntilIdleAwaiter>;
    bool abort() noexcept override;
    void letGo() noexcept;
    const std::shared_ptr<WorkCount> m_work;
    std::shared_ptr<WaiterLink<UntilIdleAwaiter>> m_waiter;
};

class UntilIdle : public AmbientBase
{
public:
    explicit UntilIdle(std::shared_ptr<WorkCount> work)
        : m_work(std::move(work))
    {
    }
    UntilIdleAwaiter awaiter(TaskContext &task) const { return {task, m_work}; }

private:
    std::shared_ptr<WorkCount> m_work;
};

} // namespace detail

/// One piece of work of a WorkTracker: counted from track() until this is destroyed or released. Move-only.
///
/// Cost: as WorkTracker::add() and WorkTracker::done(): one short lock each.
/// Thread: any, one at a time; it may be moved to the thread that does the work. Lifetime: may outlive its tracker.
class QMICROIO_EXPORT WorkGuard
{
public:
    WorkGuard() = default;
    ~WorkGuard() { release(); }
    WorkGuard(WorkGuard &&other) noexcept = default;
    WorkGuard &operator=(WorkGuard &&other) noexcept
    {
        WorkGuard taken(std::move(other));
        std::swap(m_work, taken.m_work);
        return *this;
    }
    WorkGuard(const WorkGuard &) = delete;
    WorkGuard &operator=(const WorkGuard &) = delete;

    /// The work is done before the guard ends. Repeat: harmless. Thread: any, one at a time.
    void release() noexcept;
    /// False once released, moved from, or made without a tracker.
    explicit operator bool() const { return m_work != nullptr; }

private:
    friend class WorkTracker;
    explicit WorkGuard(std::shared_ptr<detail::WorkCount> work)
        : m_work(std::move(work))
    {
    }
    std::shared_ptr<detail::WorkCount> m_work;
};

/// Counts pieces of work in all threads and tells when there is some and when there is none.
///
///     const WorkGuard guard = tracker.track(); // in whatever does the work
///     connect(&tracker, &WorkTracker::busyChanged, spinner, &QWidget::setVisible);
///
/// Thread:   every method: any, beside any other.
/// Lifetime: may be destroyed as soon as waitIdle() has returned, also while the thread that ended the work is still inside
///           done(); the destructor waits until that thread's slots have returned. Threads that wait must have gone on by then;
///           tasks that wait get BrokenResourceError.
/// Cost:     one short lock a call; a task that waits is told by one posted event.
/// Signals:  busyChanged(), with no lock held; a slot may call any method.
class QMICROIO_EXPORT WorkTracker : public QObject
{
    Q_OBJECT
    Q_PROPERTY(bool busy READ isBusy NOTIFY busyChanged)
public:
    /// Idle. Thread: any.
    explicit WorkTracker(QObject *parent = nullptr);
    ~WorkTracker() override;

    /// One piece more. Thread: any. The first one makes it busy.
    void add();
    /// One piece less. Thread: any. The last one makes it idle. Fails: LogicError without an add() before; the count stays 0.
    void done();
    /// add() now, done() when the guard ends, however that comes. Thread: any.
    [[nodiscard]] WorkGuard track();

    /// Thread: any.
    bool isBusy() const;
    /// Never negative. Thread: any.
    qsizetype count() const;

    /// Waits until the count reaches 0, if only for a moment.
    ///
    /// Thread: any. Blocks: until then or the deadline, and not at all when idle; false on timeout. A task uses untilIdle().
    bool waitIdle(QDeadlineTimer deadline = QDeadlineTimer::Forever) const;
    /// Waits until there is work, if only for a moment.
    ///
    /// Thread: any. Blocks: until the first add() or the deadline, and not at all when busy; false on timeout.
    bool waitBusy(QDeadlineTimer deadline = QDeadlineTimer::Forever) const;

    /// co_await tracker.untilIdle(): goes on once the count has reached 0; at once when it is 0 already.
    ///
    /// Suspends: while the count is above 0. Resumes: on the task's own thread, from its loop. Cancel point: yes.
    /// Fails: BrokenResourceError when the tracker is
    /// destroyed.
    detail::UntilIdle untilIdle() const { return detail::UntilIdle(m_work); }

Q_SIGNALS:
    /// Emitted: from a thread that changed the state, one at a time: true and false in turn, beginning with true.
    ///
    /// The last one always tells how things stand. A change that is undone while another thread, or a slot further up, is
    /// inside this signal falls out together with its undoing.
    void busyChanged(bool busy);

private:
    const std::shared_ptr<detail::WorkCount> m_work;
};

} // namespace QMicroIO
