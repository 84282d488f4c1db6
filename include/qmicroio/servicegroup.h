// floor 11: several services that start, stop and end as one, under one deadline
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>
#include <qmicroio/servicethread.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QList>
#include <QtCore/QString>

#include <initializer_list>

namespace QMicroIO {

/// Services in the order in which they depend on each other.
///
/// Thread: one at a time. Lifetime: owns none of them; they must outlive it. Null pointers are skipped.
class QMICROIO_EXPORT ServiceGroup
{
public:
    ServiceGroup() = default;
    ServiceGroup(std::initializer_list<ServiceThread *> services);

    /// Adds one at the end. Thread: one at a time.
    ServiceGroup &add(ServiceThread *service);
    /// Starts all in order, without waiting. Fails: as ServiceThread::start(); those started before go on.
    ServiceGroup &start();
    /// Waits until all are ready. Units: one deadline for all. Blocks: until then or the deadline.
    ///
    /// Fails: what the first failing waitStarted() throws, after all services were stopped and joined (a stuck one is waited for
    /// up to 5 s beyond the deadline and logged).
    ServiceGroup &waitStarted(QDeadlineTimer deadline = QDeadlineTimer::Forever);
    /// Stops all, the last one first, without waiting.
    ServiceGroup &stop(const QString &reason = QStringLiteral("stop"));
    /// Joins all, the last one first; false when one did not end in time, which is logged. One deadline for all.
    bool joinOrLog(QDeadlineTimer deadline = QDeadlineTimer::Forever);
    /// stop(), then joinOrLog(): every service is told before any is waited for.
    bool stopJoin(QDeadlineTimer deadline = QDeadlineTimer::Forever);
    /// Thread: one at a time.
    const QList<ServiceThread *> &services() const { return m_services; }

private:
    QList<ServiceThread *> m_services;
};

} // namespace QMicroIO
