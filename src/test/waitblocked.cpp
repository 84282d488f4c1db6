// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/waitblocked.h>

#include "engine_p.h"

namespace QMicroIO::Test::detail {

struct BlockedWaitLink
{
    BlockedAwaiter *awaiter; // loop thread
    quint64 id = 0;
    void release() const
    {
        if (awaiter)
            awaiter->release();
    }
};

BlockedAwaiter::BlockedAwaiter(QMicroIO::detail::TaskContext &task, std::chrono::nanoseconds cushion)
    : Waiter(task)
    , m_cushion(cushion)
{
}

BlockedAwaiter::~BlockedAwaiter()
{
    forget();
}

bool BlockedAwaiter::await_ready() const
{
    throwIfCancelled();
    return false;
}

void BlockedAwaiter::await_suspend(std::coroutine_handle<> leaf)
{
    m_link = std::make_shared<BlockedWaitLink>(BlockedWaitLink{this});
    m_link->id = Engine::instance().waitBlocked(m_cushion, task().loop().seam(), [link = m_link] { link->release(); });
    park(leaf);
}

void BlockedAwaiter::await_resume() const
{
    throwIfAborted();
}

QString BlockedAwaiter::describe() const
{
    return QStringLiteral("all tasks to be blocked");
}

bool BlockedAwaiter::abort() noexcept
{
    forget();
    return true;
}

void BlockedAwaiter::release()
{
    forget();
    wake();
}

void BlockedAwaiter::forget()
{
    if (!m_link)
        return;
    m_link->awaiter = nullptr;
    const std::shared_ptr<BlockedWaitLink> link = std::move(m_link);
    Engine::instance().forgetWait(link->id);
}

} // namespace QMicroIO::Test::detail
