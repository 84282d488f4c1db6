// floor 6: that something has ended: once for all, with a reason, and everyone waiting is told
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/promise.h>
#include <qmicroio/detail/waiterlink.h>
#include <qmicroio/export.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QObject>
#include <QtCore/QString>

#include <exception>
#include <memory>

namespace QMicroIO {

class CloseScope;

namespace detail {

class QMICROIO_EXPORT UntilClosedAwaiter : public Waiter
{
public:
    UntilClosedAwaiter(TaskContext &task, const CloseScope &scope)
        : Waiter(task)
        , m_scope(&scope)
    {
    }
    ~UntilClosedAwaiter();
    bool await_ready() const;
    bool await_suspend(std::coroutine_handle<> leaf);
    void await_resume() const;
    QString describe() const override;

private:
    friend class WaiterLink<UntilClosedAwaiter>;
    bool abort() noexcept override;
    void letGo() noexcept;
    const CloseScope *m_scope;
    std::shared_ptr<WaiterLink<UntilClosedAwaiter>> m_waiter;
};

class UntilClosed : public AmbientBase
{
public:
    explicit UntilClosed(const CloseScope &scope)
        : m_scope(scope)
    {
    }
    UntilClosedAwaiter awaiter(TaskContext &task) const { return {task, m_scope}; }

private:
    const CloseScope &m_scope;
};

} // namespace detail

/// A latch: open until the first close() or fail(), then closed for ever, with a reason and perhaps an error.
///
/// It interrupts nobody: it is state that a check made much later still sees.
/// Thread:   every method: any, beside any other. Lifetime: must outlive the threads that wait in it; coroutines that wait in
///           untilClosed() while it is destroyed get BrokenResourceError.
/// Cost:     one short lock a call; close() also tells each waiter once, a task by one posted event.
/// Signals:  closedChanged() once, from the closing thread, with no lock held; a slot may call any method.
class QMICROIO_EXPORT CloseScope : public QObject
{
    Q_OBJECT
    Q_PROPERTY(bool closed READ isClosed NOTIFY closedChanged)
    Q_PROPERTY(bool failed READ isFailed NOTIFY closedChanged)
    Q_PROPERTY(QString reason READ reason NOTIFY closedChanged)
public:
    /// Open. Thread: any.
    explicit CloseScope(QObject *parent = nullptr);
    ~CloseScope() override;

    /// Closes it; with an error it is the same as fail(). Thread: any. Repeat: true for the first caller only, the
    /// winner's reason and error stay.
    bool close(const QString &reason = {}, std::exception_ptr error = nullptr);
    /// Closes it as failed; the reason defaults to the error's text.
    ///
    /// Thread: any. Fails: std::invalid_argument for a null error. Repeat: as close().
    bool fail(std::exception_ptr error, const QString &reason = {});

    /// Thread: any. Who has seen true also sees reason and error complete.
    bool isClosed() const;
    /// Thread: any.
    bool isFailed() const;
    /// Empty while open. Thread: any.
    QString reason() const;
    /// Null unless failed. Thread: any.
    std::exception_ptr error() const;

    /// Waits until closed. Thread: any. Blocks: until then or the deadline; false on timeout.
    bool wait(QDeadlineTimer deadline = QDeadlineTimer::Forever) const;
    /// Thread: any. Fails: ClosedResourceError after close(), BrokenResourceError with the cause after fail(); each time.
    void throwIfClosed() const;

Q_SIGNALS:
    /// Emitted: exactly once, from the closing thread.
    void closedChanged();

private:
    friend class detail::UntilClosedAwaiter;
    struct Private;
    std::unique_ptr<Private> d;
};

/// co_await untilClosed(scope): goes on once it is closed; at once when it is closed already.
///
/// Suspends: unless it is closed. Resumes: on the task's own thread, from its loop. Cancel point: yes.
/// Fails: BrokenResourceError when the CloseScope is destroyed. Lifetime: the scope must be there when the wait begins.
/// Thread: the task's. Cost: one allocation when it has to wait, and one posted event.
inline detail::UntilClosed untilClosed(const CloseScope &scope)
{
    return detail::UntilClosed(scope);
}

} // namespace QMicroIO
