// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/channel.h>

#include "logging_p.h"

namespace QMicroIO::detail {

ChannelBase::ChannelBase(const ChannelOptions &options)
    : m_options(options)
{
    if (options.lateSend != LateSend::Throw && options.lateSend != LateSend::Drop)
        throw std::invalid_argument("createChannel(): unknown LateSend; use LateSend::Throw or LateSend::Drop");
}

ChannelBase::~ChannelBase() = default;

QString ChannelBase::label() const
{
    return m_options.name.isEmpty() ? QStringLiteral("(unnamed)") : QStringLiteral("'%1'").arg(m_options.name);
}

bool ChannelBase::close(Side side)
{
    return finish(End::Closed, side, nullptr);
}

bool ChannelBase::fail(Side side, std::exception_ptr error)
{
    if (!error)
        throw std::invalid_argument("Channel fail(): the error is null; use close() for a clean end");
    return finish(End::Failed, side, std::move(error));
}

bool ChannelBase::finish(End end, Side side, std::exception_ptr error)
{
    std::unique_lock lock(m_mutex);
    if (m_end != End::Open)
        return false;
    m_end = end;
    m_endedBy = side;
    m_error = std::move(error);
    if (m_parked)
        wakeReceiver(lock);
    return true;
}

bool ChannelBase::isClosed() const
{
    const std::lock_guard lock(m_mutex);
    return !isOpen();
}

ChannelStats ChannelBase::stats() const
{
    ChannelStats stats;
    // Received first: every item counted there was counted as sent before.
    stats.received = m_received.load(std::memory_order_acquire);
    const std::lock_guard lock(m_mutex);
    stats.sent = m_sent;
    stats.dropped = m_dropped;
    stats.queued = qsizetype(m_sent - stats.received);
    stats.closed = !isOpen();
    return stats;
}

bool ChannelBase::refuse(std::unique_lock<std::mutex> &lock)
{
    ++m_dropped;
    if (m_options.lateSend == LateSend::Drop)
        return false;
    const bool byReceiver = m_lost || m_endedBy == Side::Receiver;
    const std::exception_ptr cause = m_error;
    lock.unlock();
    if (!byReceiver)
        throw ClosedResourceError(
            QStringLiteral("channel %1 was closed by its sender; nothing can be sent any more").arg(label()));
    if (cause)
        throw BrokenResourceError(
            QStringLiteral("the receiver of channel %1 failed: %2").arg(label(), errorText(cause)), cause);
    throw BrokenResourceError(QStringLiteral("channel %1 has no receiver any more").arg(label()));
}

void ChannelBase::wakeReceiver(std::unique_lock<std::mutex> &lock)
{
    m_parked = false;
    lock.unlock();
    if (m_seam->isOwnThread())
        arrive();
    else
        m_seam->post([self = shared_from_this()](Fate) { self->arrive(); }, Seam::From::Inside);
}

void ChannelBase::arrive()
{
    {
        // Asleep again: this wake-up was for an item that is gone, taken by a drain before it arrived.
        const std::lock_guard lock(m_mutex);
        if (m_parked)
            return;
    }
    if (m_waiter && m_waiter->isAsleep())
        m_waiter->wake();
}

void ChannelBase::abandonedBy(Side side)
{
    std::unique_lock lock(m_mutex);
    const bool wasOpen = isOpen();
    const quint64 left = m_sent - m_received.load(std::memory_order_relaxed);
    if (side == Side::Receiver)
        m_lost = true;
    if (m_end == End::Open) {
        m_end = End::Closed;
        m_endedBy = side;
    }
    if (m_parked)
        wakeReceiver(lock);
    else
        lock.unlock();
    if (!wasOpen)
        return;
    if (side == Side::Sender) {
        qCWarning(lcChannel).noquote() << "the last sender of channel" << label()
                                       << "was destroyed without close(); the channel is closed now";
    } else {
        qCWarning(lcChannel).noquote() << "the receiver of channel" << label() << "was destroyed without close();"
                                       << left
                                       << "accepted items were never received, senders get BrokenResourceError now";
    }
}

void ChannelBase::bind()
{
    requireBound(Loop::ensure());
}

void ChannelBase::bindTo(Loop &loop)
{
    if (m_loop) {
        throw LogicError(
            QStringLiteral("channel %1 is bound to another loop than that of %2; it has one receiver on one thread")
                .arg(label(), loop.name()));
    }
    loop.addObserver(std::weak_ptr<LoopObserver>(shared_from_this()));
    m_loop = &loop;
    const std::lock_guard lock(m_mutex);
    m_seam = loop.seam();
}

void ChannelBase::loopEnded()
{
    const std::lock_guard lock(m_mutex);
    m_lost = true;
}

void ChannelBase::throwFailure() const
{
    std::exception_ptr error;
    {
        const std::lock_guard lock(m_mutex);
        error = m_error;
    }
    if (error)
        std::rethrow_exception(error);
}

void ChannelBase::throwEnd() const
{
    throwFailure();
    throw EndOfStream(QStringLiteral("channel %1 is closed and everything was received").arg(label()));
}

QString ReceiveAwaiterBase::describe() const
{
    return QStringLiteral("an item of channel %1").arg(m_channel->label());
}

void ReceiveAwaiterBase::suspendForATurn(std::coroutine_handle<> leaf)
{
    m_kept = m_channel->shared_from_this();
    m_channel->m_waiter = this;
    m_inTurn = true;
    park(leaf);
    task().loop().makeReady(*this);
}

void ReceiveAwaiterBase::suspendToSleep(std::coroutine_handle<> leaf)
{
    m_kept = m_channel->shared_from_this();
    m_channel->m_waiter = this;
    m_channel->m_parked = true;
    m_channel->foundNothing();
    park(leaf);
}

void ReceiveAwaiterBase::resumeFromLoop()
{
    m_inTurn = false;
    {
        const std::lock_guard lock(mutex());
        if (!canTake() && !ended()) {
            m_channel->m_parked = true;
            m_channel->foundNothing();
            return;
        }
    }
    goOn();
}

bool ReceiveAwaiterBase::abort() noexcept
{
    task().loop().forget(*this);
    m_inTurn = false;
    const std::lock_guard lock(m_channel->m_mutex);
    m_channel->m_parked = false;
    return true;
}

void ReceiveAwaiterBase::letGo() noexcept
{
    task().loop().forget(*this);
    if (m_channel->m_waiter == this) {
        m_channel->m_waiter = nullptr;
        if (task().parked() == this) { // its frame is destroyed in the middle of the wait
            const std::lock_guard lock(m_channel->m_mutex);
            m_channel->m_parked = false;
        }
    }
}

void ReceiveAwaiterBase::throwBusy() const
{
    throw BusyResourceError(
        QStringLiteral("channel %1: another receive already waits; a channel has one receiver at a time")
            .arg(m_channel->label()));
}

void throwMovedFrom(const char *what)
{
    throw LogicError(
        QStringLiteral("this %1 was moved from; use the object that it was moved to").arg(QString::fromUtf8(what)));
}

} // namespace QMicroIO::detail
