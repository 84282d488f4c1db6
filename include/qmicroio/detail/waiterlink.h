// floor 5: what another thread may touch of a wait that it ends
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/seam.h>

#include <memory>
#include <utility>

namespace QMicroIO::detail {

// Between an awaiter on its loop and an object that any thread may change or destroy; it outlives both.
//
// Awaiter: a Waiter that lets this class call wake().
template<class Awaiter>
class WaiterLink : public std::enable_shared_from_this<WaiterLink<Awaiter>>
{
public:
    WaiterLink(std::shared_ptr<Seam> seam, Awaiter *awaiter)
        : m_seam(std::move(seam))
        , m_awaiter(awaiter)
    {
    }
    // Any thread, once: what was waited for has happened, or will never, since the object is being destroyed.
    void tell(bool destroyed)
    {
        m_destroyed = destroyed;
        if (m_seam->isOwnThread())
            arrive();
        else
            m_seam->post([self = this->shared_from_this()](Fate) { self->arrive(); }, Seam::From::Inside);
    }
    void forget() { m_awaiter = nullptr; } // loop thread
    bool wasDestroyed() const { return m_destroyed; } // loop thread, once awake

private:
    void arrive()
    {
        if (Awaiter *awaiter = std::exchange(m_awaiter, nullptr))
            awaiter->wake();
    }
    const std::shared_ptr<Seam> m_seam;
    Awaiter *m_awaiter; // loop thread
    bool m_destroyed = false; // written before the hand-over, read after it
};

} // namespace QMicroIO::detail
