// floor 13: several services that start, stop and end as one, under one deadline
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>
#include <qmicroio/servicethread.h>
#include <qmicroio/supervisor.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QList>
#include <QtCore/QString>

#include <initializer_list>
#include <memory>

namespace QMicroIO {

/// Services in the order in which they depend on each other.
///
/// Services may also be given as factories: those are supervised, and restarted as supervise() says.
/// Cost: O(services) a call; a thread of its own only for services given as factories.
/// Thread: one at a time. Lifetime: owns those made by factories only; others must outlive it. Null pointers are skipped. Copies
/// share the supervisor.
class QMICROIO_EXPORT ServiceGroup
{
public:
    ServiceGroup() = default;
    /// Of these, in this order. Thread: one at a time.
    ServiceGroup(std::initializer_list<ServiceThread *> services);

    /// Adds one at the end. Thread: one at a time.
    ServiceGroup &add(ServiceThread *service);
    /// How services given as factories are restarted. Without it, as SupervisorOptions are by default.
    ///
    /// Thread: one at a time. Fails: LogicError once one was added.
    ServiceGroup &supervise(const SupervisorOptions &options);
    /// Adds a service that is made anew for each start. All of these stand together, where the first one was added.
    ///
    /// Thread: one at a time. Fails: as Supervisor::add().
    ServiceGroup &add(const QString &name, Supervisor::Factory make, Restart when = Restart::OnFailure);
    /// What watches the services given as factories: their health, signals, and the ones that run now. Null without such.
    /// Thread: one at a time.
    Supervisor *supervisor() const { return m_supervisor.get(); }
    /// Starts all in order, without waiting. Fails: as ServiceThread::start(); those started before go on.
    ServiceGroup &start();
    /// Waits until all are ready. Units: one deadline for all. Blocks: until then or the deadline.
    ///
    /// Fails: what the first failing waitStarted() throws, after all services were stopped and joined (a stuck one is waited for
    /// up to 5 s beyond the deadline and logged).
    ServiceGroup &waitStarted(QDeadlineTimer deadline = QDeadlineTimer::Forever);
    /// Stops all, the last one first, without waiting.
    ServiceGroup &stop(const QString &reason = QStringLiteral("stop"));
    /// Joins all, the last one first; false: one did not end in time, which is logged. Blocks: until then, one deadline for all.
    bool joinOrLog(QDeadlineTimer deadline = QDeadlineTimer::Forever);
    /// stop(), then joinOrLog(): every service is told before any is waited for. Blocks: as joinOrLog().
    bool stopJoin(QDeadlineTimer deadline = QDeadlineTimer::Forever);
    /// Thread: one at a time.
    const QList<ServiceThread *> &services() const { return m_services; }

private:
    QList<ServiceThread *> m_services;
    SupervisorOptions m_supervision;
    std::shared_ptr<Supervisor> m_supervisor;
};

} // namespace QMicroIO
