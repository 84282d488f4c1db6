// floor 10: one thread with a beginning, readiness, an end and a reason, all visible from outside
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/closescope.h>
#include <qmicroio/export.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QObject>
#include <QtCore/QString>

#include <exception>
#include <functional>
#include <memory>

namespace QMicroIO {
namespace detail {
class Seam;
}

namespace detail {
class ThreadNode;
}

/// A thread that serves: its start-up failure is visible to the parent, its stop is a durable state with a reason.
///
/// Thread:   the object lives where it was made; every method: any thread, unless it says otherwise.
/// Lifetime: destroying a running service stops it, joins it and logs a warning. It never terminates the thread. A subclass
///           whose members the service uses calls stop() and join() in its own destructor, while they still exist.
/// Signals:  from the thread that changes the state (connections to objects of other threads queue by themselves), in the order
///           of the changes, with no lock held; a failure emits failed() before stopped(). Of two threads that change it at the
///           same time, one emits for both.
/// Cost:     one thread of the system from start() on; a call that only looks takes one short lock.
/// Source:   the service threads of the Python library microio.
class QMICROIO_EXPORT ServiceThread : public QObject
{
    Q_OBJECT
    Q_PROPERTY(QMicroIO::ServiceThread::State state READ state NOTIFY stateChanged)
    Q_PROPERTY(QString name READ name CONSTANT)
    Q_PROPERTY(QString errorString READ errorString NOTIFY stateChanged)
public:
    /// What state() says; it never goes back.
    enum class State {
        Created, ///< not started
        Starting, ///< the thread runs, started() was not called yet
        Ready, ///< started() was called
        Stopping, ///< stop() or fail() was called, the thread still runs
        Stopped, ///< the thread has ended, nothing failed
        Failed, ///< the thread has ended (or could not begin), error() says why
    };
    Q_ENUM(State)

    /// Receives what leaves a service with setReraise(true). Called on the service's thread.
    using UnhandledErrorHandler = std::function<void(ServiceThread &, std::exception_ptr)>;

    /// For subclasses that override runService(). The name also names the thread. Thread: any with Qt set up.
    explicit ServiceThread(const QString &name = {}, QObject *parent = nullptr);
    /// Runs `target` on the thread.
    ServiceThread(const QString &name, std::function<void(ServiceThread &)> target, QObject *parent = nullptr);
    ~ServiceThread() override;

    /// Starts the thread and returns at once. Thread: any. Fails: LogicError the second time. A thread that the system
    /// refuses makes the service Failed, which waitStarted() reports.
    void start();
    /// Called by the service once its resources are ready. Thread: any. Repeat: harmless. After stop() without effect.
    void started();
    /// Records a failure and asks the service to stop. Thread: any. Repeat: the first error stays.
    /// Fails: std::invalid_argument for a null error.
    void fail(std::exception_ptr error);

    /// Waits until the service is ready.
    ///
    /// Thread: any but the service's own. Blocks: until ready, failed, stopped or the deadline.
    /// Fails: StartupError with the original as cause() when it failed, now or later; with the reason when it was stopped or
    ///        returned before it was ready. TimeoutError; the service keeps running. NotRunningError before start().
    ///        LogicError on the service's own thread. DeadlockError when the service waits for the caller's thread.
    void waitStarted(QDeadlineTimer deadline = QDeadlineTimer::Forever);

    /// Asks the service to end; durable, also before start(). The same as scope().close(reason).
    ///
    /// Thread: any. Suspends: never, it does not wait. Repeat: true for the first caller only.
    virtual bool stop(const QString &reason = QStringLiteral("stop"));
    /// Waits for the thread's end; false on timeout. At once true when it was never started.
    ///
    /// Thread: any but the service's own. Blocks: until then or the deadline. Fails: LogicError on the service's own thread;
    /// DeadlockError with the whole path when the service waits for the caller's thread; while it blocks, the service's blocking
    /// calls to the caller's thread fail so.
    bool join(QDeadlineTimer deadline = QDeadlineTimer::Forever);
    /// The same; a timeout, or a service that waits for the caller, also logs one critical message that names what is still running
    /// and where it waits.
    /// Blocks: on a timeout up to 100 ms longer, to ask the loop.
    bool joinOrLog(QDeadlineTimer deadline = QDeadlineTimer::Forever);

    /// Thread: any.
    State state() const;
    /// Thread: any.
    QString name() const;
    /// The text of error(); empty without. Thread: any.
    QString errorString() const;
    /// Closed from stop() or the end of the service on; failed after a failure. Thread: any.
    CloseScope &scope();
    /// The same. Thread: any.
    const CloseScope &scope() const;
    /// What made it fail; null otherwise. Thread: any.
    std::exception_ptr error() const;

    /// Whether a failure also goes to the unhandled-error handler. Off by default. Thread: any, before start().
    void setReraise(bool on);
    /// Replaces the handler for the whole process, gives back the one before. The default one logs. Thread: any.
    static UnhandledErrorHandler setUnhandledErrorHandler(UnhandledErrorHandler handler);

public Q_SLOTS:
    /// stop(), for connect().
    void requestStop();

Q_SIGNALS:
    /// Emitted: once for each state entered.
    void stateChanged(QMicroIO::ServiceThread::State state);
    /// Emitted: at most once.
    void ready();
    /// Emitted: at most once, before stopped().
    void failed(const QString &message);
    /// Emitted: once, as the service's thread ends.
    void stopped();

protected:
    /// What the thread runs; what leaves it makes the service fail. The default runs the target (LogicError when there is none).
    virtual void runService();
    /// Called by start() before the thread exists.
    virtual void aboutToStart();
    /// Called by start() when the system refuses the thread, before the failure is announced.
    virtual void couldNotStart();
    /// Called once when the scope is closed, from the closing thread.
    virtual void stopRequested(const QString &reason);
    /// One line for each thing that still runs and where it waits; for joinOrLog(). Thread: any.
    virtual QString describeRunning();
    /// The state as people read it: "Ready". Thread: any.
    static QString stateName(State state);
    /// For subclasses with a loop, in their constructors: whom to ask about it.
    void setLoop(const std::shared_ptr<detail::Seam> &seam);
    /// Keeps it out of programStatus() and the models. In the constructor.
    void setUnlisted();
    /// For destructors of subclasses: stops, joins and logs if the service still runs.
    void shutDown() noexcept;
    /// How this service's thread stands in the graph of who waits for whom. Thread: any.
    const std::shared_ptr<detail::ThreadNode> &threadNode() const;

private:
    struct Private;
    void runThread();
    void end(const std::exception_ptr &error);
    std::shared_ptr<Private> d;
};

} // namespace QMicroIO
