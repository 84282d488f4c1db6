// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/servicegroup.h>

#include <qmicroio/detail/clock.h>

#include <algorithm>

namespace QMicroIO {

ServiceGroup::ServiceGroup(std::initializer_list<ServiceThread *> services)
{
    for (ServiceThread *service : services)
        add(service);
}

ServiceGroup &ServiceGroup::add(ServiceThread *service)
{
    if (service)
        m_services.append(service);
    return *this;
}

ServiceGroup &ServiceGroup::supervise(const SupervisorOptions &options)
{
    if (m_supervisor)
        throw LogicError(
            QStringLiteral("ServiceGroup::supervise() after add() of a factory; say how to restart first"));
    m_supervision = options;
    return *this;
}

ServiceGroup &ServiceGroup::add(const QString &name, Supervisor::Factory make, Restart when)
{
    if (m_supervisor) {
        m_supervisor->add(name, std::move(make), when);
        return *this;
    }
    const auto supervisor = std::make_shared<Supervisor>(QStringLiteral("supervisor of %1").arg(name), m_supervision);
    supervisor->add(name, std::move(make), when);
    m_supervisor = supervisor;
    return add(supervisor.get());
}

ServiceGroup &ServiceGroup::start()
{
    for (ServiceThread *service : std::as_const(m_services))
        service->start();
    return *this;
}

ServiceGroup &ServiceGroup::waitStarted(QDeadlineTimer deadline)
{
    constexpr qint64 JoinGraceMs = 5000;
    const detail::SharedDeadline shared(deadline);
    std::exception_ptr failure;
    for (ServiceThread *service : std::as_const(m_services)) {
        try {
            service->waitStarted(shared.left());
        } catch (...) {
            failure = std::current_exception();
            break;
        }
    }
    if (failure) {
        stop(QStringLiteral("another service of its group did not start"));
        const qint64 left = shared.left().remainingTime();
        joinOrLog(deadline.isForever() ? deadline : QDeadlineTimer(std::max(left, JoinGraceMs)));
        std::rethrow_exception(failure);
    }
    return *this;
}

ServiceGroup &ServiceGroup::stop(const QString &reason)
{
    for (auto it = m_services.crbegin(); it != m_services.crend(); ++it)
        (*it)->stop(reason);
    return *this;
}

bool ServiceGroup::joinOrLog(QDeadlineTimer deadline)
{
    const detail::SharedDeadline shared(deadline);
    bool all = true;
    for (auto it = m_services.crbegin(); it != m_services.crend(); ++it)
        all = (*it)->joinOrLog(shared.left()) && all;
    return all;
}

bool ServiceGroup::stopJoin(QDeadlineTimer deadline)
{
    stop();
    return joinOrLog(deadline);
}

} // namespace QMicroIO
