// floor 12: a service that keeps other services running: restarts, back-off, budget, escalation
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/errors.h>
#include <qmicroio/export.h>
#include <qmicroio/loopservicethread.h>

#include <QtCore/QList>
#include <QtCore/QMetaType>
#include <QtCore/QString>

#include <chrono>
#include <functional>
#include <memory>

namespace QMicroIO {

/// Which services are restarted when one has ended. Thread: any.
enum class RestartStrategy {
    OneForOne, ///< that one
    OneForAll, ///< all of them
    RestForOne, ///< that one and those added after it, which may depend on it
};

/// When a service is restarted. Thread: any.
enum class Restart {
    Always, ///< however it ended
    OnFailure, ///< when it failed; a clean end is its own decision
    Never,
};

/// How a Supervisor deals with services that end. Thread: any.
struct QMICROIO_EXPORT SupervisorOptions
{
    RestartStrategy strategy = RestartStrategy::OneForOne; ///< which services are replaced
    /// One restart more than this many within `window`: the supervisor stops everything and fails (escalation).
    int maxRestarts = 5;
    /// Within which restarts are counted.
    std::chrono::milliseconds window{10'000};
    /// Before the first restart of a service; zero: at once. Each further failure in a row multiplies it, up to the longest. A
    /// service that was ready for `window` starts anew with the first.
    std::chrono::milliseconds backOff{100};
    /// At least 1.
    double backOffFactor = 2;
    /// No wait is longer.
    std::chrono::milliseconds longestBackOff{30'000};
    /// One that is not ready by then has failed with a TimeoutError. Zero: never.
    std::chrono::milliseconds startTimeout{30'000};
    /// One that was told to stop and has not ended by then is logged and left behind; the supervisor goes on without it and its
    /// destructor waits for it. Zero: never.
    std::chrono::milliseconds stopTimeout{10'000};

    /// How long a restart waits after that many failures in a row.
    std::chrono::milliseconds delayAfter(int failures) const;
};

/// One service under supervision as it was when asked. Thread: any. Lifetime: a copy that refers to nothing.
struct SupervisedService
{
    /// How it stands.
    enum class Health {
        Down, ///< not started yet, or stopped with the supervisor
        Starting, ///< its thread runs, it is not ready
        Ready,
        Stopping, ///< told to stop, to be restarted with another one or for good
        Waiting, ///< has ended; its restart is due, or waits for another service
        Ended, ///< has ended by its own decision, and is not restarted
        Failed, ///< has failed, and is not restarted
    };
    QString name; ///< as given to add()
    Health health = Health::Down; ///< how it stands
    int restarts = 0; ///< so far
    QString lastError; ///< of its last failure; empty: none
};

/// Starts services that are given as factories, watches them, and replaces those that end by new ones.
///
/// A restarted service is a new object with its own thread and loop. What the old one had accepted fails with the reason: calls by
/// the service itself, requests by RequestRegistry::closeWith(). A supervisor is a service itself, so supervisors nest: one
/// that gives up fails, and the one above it restarts it with all that is below.
/// Thread:   the object lives where it was made; services live on the supervisor's thread. Every method: any thread, unless it says
///           otherwise.
/// Lifetime: destroying it stops and joins every service.
/// Signals:  from the supervisor's thread, with no lock held.
/// Fails:    the service fails with a BrokenResourceError, whose cause() is the last failure, when the budget of restarts is spent.
/// Cost:     a thread with a loop; nothing while no service ends.
/// Source:   the supervisors of Erlang/OTP.
class QMICROIO_EXPORT Supervisor : public LoopServiceThread
{
    Q_OBJECT
    Q_PROPERTY(bool healthy READ isHealthy NOTIFY healthyChanged)
    Q_PROPERTY(int restarts READ restarts NOTIFY restarted)
public:
    /// Makes a service that was not started. Called on the supervisor's thread, once for each start; what it throws counts as a
    /// failure of the service.
    using Factory = std::function<std::unique_ptr<ServiceThread>()>;

    /// Without services yet: add() them, then start(). Thread: any with Qt set up.
    explicit Supervisor(const QString &name = {}, const SupervisorOptions &options = {}, QObject *parent = nullptr);
    ~Supervisor() override;

    /// Adds a service at the end; each starts once the one before it is ready. Thread: one at a time, before start().
    /// Fails: LogicError after start(), and for a name that is taken; std::invalid_argument for an empty factory.
    Supervisor &add(const QString &name, Factory make, Restart when = Restart::OnFailure);

    /// The service that runs under this name now. It may be kept; once it is replaced, calls to it fail with NotRunningError.
    ///
    /// Fails: NotRunningError with the last failure while there is none; LogicError for a name that was never added.
    std::shared_ptr<ServiceThread> service(const QString &name) const;
    /// The same, as what it is. Fails: LogicError also when it is something else.
    template<class Service>
    std::shared_ptr<Service> service(const QString &name) const
    {
        auto found = std::dynamic_pointer_cast<Service>(service(name));
        if (!found)
            throwWrongType(name);
        return found;
    }

    /// Whether every service is ready or has ended by its own decision. Thread: any.
    bool isHealthy() const;
    /// Of all services together. Thread: any.
    int restarts() const;
    /// In the order of add(). Thread: any.
    QList<SupervisedService> services() const;

Q_SIGNALS:
    /// Emitted: at each change.
    void healthyChanged(bool healthy);
    /// Emitted: for each state that a service enters.
    void healthChanged(const QString &name, QMicroIO::SupervisedService::Health health);
    /// Emitted: for each failure of a service, whatever follows.
    void serviceFailed(const QString &name, const QString &message);
    /// Emitted: once the new service was started; `count` is that of this service.
    void restarted(const QString &name, int count);
    /// Emitted: once, when the budget is spent and before the services are stopped.
    void escalated(const QString &message);

protected:
    Task<> runAsync() override;

private:
    struct Private;
    struct Run;
    [[noreturn]] void throwWrongType(const QString &name) const;
    std::unique_ptr<Private> d;
};

} // namespace QMicroIO

Q_DECLARE_METATYPE(QMicroIO::SupervisedService::Health)
