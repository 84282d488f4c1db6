// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/actor.h>

namespace QMicroIO::detail {

Baton::Baton(Loop &loop)
    : m_seam(loop.seam())
{
}

void Baton::release(quint64 holder)
{
    if (m_seam->isOwnThread())
        pass(holder);
    else
        m_seam->post([self = shared_from_this(), holder](Fate) { self->pass(holder); }, Seam::From::Inside);
}

void Baton::pass(quint64 holder)
{
    if (!m_isHeld || holder != m_holder)
        return;
    m_isHeld = false;
    if (BatonAwaiter *waiter = std::exchange(m_waiter, nullptr))
        waiter->wake();
}

BatonAwaiter::~BatonAwaiter()
{
    if (m_baton.m_waiter == this)
        m_baton.m_waiter = nullptr;
}

QString BatonAwaiter::describe() const
{
    return QStringLiteral("the release of an actor's handler");
}

bool BatonAwaiter::abort() noexcept
{
    m_baton.m_waiter = nullptr;
    return true;
}

void throwActorRuns()
{
    throw BusyResourceError(
        QStringLiteral("ActorCore::run(): this actor runs already; wait for that run to end, or make another actor"));
}

} // namespace QMicroIO::detail
