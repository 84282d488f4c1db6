// floor 9: items from any thread to one receiver, in order, none lost
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/channeloptions.h>
#include <qmicroio/channelstatus.h>
#include <qmicroio/detail/channelcore.h>

#include <QtCore/QDeadlineTimer>

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace QMicroIO {

namespace detail {
struct ChannelMaker;
}

/// The sending end. Copies are handles to the same end; when the last one dies unclosed it closes its end and logs a warning.
///
/// Thread: any, beside any other. Fails: LogicError, every method, of an end that was moved from.
template<class T>
class ChannelSender
{
public:
    /// Hands an item over; never waits. False: dropped, since the channel is closed and LateSend::Drop was chosen, or since it is
    /// full and Overflow::DropNewest was.
    ///
    /// Thread: any. Suspends: never. Blocks: for one short lock, under which the item is moved: T's move constructor must not use
    /// this channel. Order: items of one thread arrive in the order sent.
    /// Fails: ClosedResourceError after close() or fail() on this side; BrokenResourceError once the receiver closed, failed,
    ///        was destroyed or lost its loop; WouldBlock when it is full and Overflow::Wait was chosen. What T's move throws: the
    ///        item was then not accepted.
    /// Cost: no allocation in a steady state; one posted event when the receiver sleeps.
    bool sendNowait(T item) { return core().send(std::move(item), end()); }
    /// co_await send(item): waits for room, and lets others run after about 5 ms without a turn. False: dropped, as above.
    ///
    /// Thread: a task's. Suspends: while there is no room. Cancel point: always; when it throws Cancelled nothing was sent.
    /// Resumes: on its own thread, from its loop, never inside a receive. Order: sends that wait are accepted first come, first
    /// served, before later ones.
    /// Fails: as sendNowait(), also while it waits; never WouldBlock.
    detail::SendWait<T> send(T item)
    {
        static_cast<void>(end());
        return {m_end, std::move(item)};
    }
    /// The same for threads without tasks: blocks until there is room.
    ///
    /// Thread: any but the receiver's. Blocks: until there is room, the channel ends, or the deadline.
    /// Fails: TimeoutError at the deadline: nothing was sent; as sendNowait() otherwise, never WouldBlock. Where it would have to
    ///        wait: LogicError on the thread of the receiver, DeadlockError when that thread waits for this one.
    bool sendBlocking(T item, QDeadlineTimer deadline = QDeadlineTimer::Forever)
    {
        return core().sendBlocking(std::move(item), end(), deadline);
    }
    /// No more items from this end. Once every end is closed, the receiver gets what is queued, then EndOfStream.
    ///
    /// Thread: any. Repeat: true for the first call, false once the channel has ended, from whichever side.
    bool close() { return core().closeSender(end()); }
    /// Ends the channel for all senders; the receiver gets what is queued, then `error`, with its own type.
    ///
    /// Thread: any. Repeat: true for the first end of the channel. Fails: std::invalid_argument for null.
    bool fail(std::exception_ptr error) { return core().fail(detail::ChannelBase::Side::Sender, std::move(error)); }
    /// Another sending end, to be closed on its own: the channel ends when all are. Thread: any.
    /// Fails: ClosedResourceError when this one is closed.
    [[nodiscard("an end that is destroyed unclosed logs a warning")]] ChannelSender clone() const
    {
        core().addSender(end());
        return ChannelSender(std::make_shared<detail::SenderEnd<T>>(m_end->core));
    }
    /// Thread: any. True also once the receiver is gone.
    bool isClosed() const { return core().isClosed(end()); }
    /// Thread: any. Of the whole channel.
    ChannelStats stats() const { return core().stats(); }
    /// Signals of the whole channel. Thread: any; the object is the same at either end and lives as long as one of them.
    ChannelStatus *channelStatus() const { return core().status(); }

private:
    friend struct detail::ChannelMaker;
    explicit ChannelSender(std::shared_ptr<detail::SenderEnd<T>> end)
        : m_end(std::move(end))
    {
    }
    detail::SenderEnd<T> &end() const
    {
        if (Q_UNLIKELY(!m_end))
            detail::throwMovedFrom("ChannelSender");
        return *m_end;
    }
    detail::ChannelCore<T> &core() const { return *end().core; }
    std::shared_ptr<detail::SenderEnd<T>> m_end;
};

/// The receiving end: one receiver, on one loop thread. Destroyed unclosed it closes the channel and logs a warning.
///
/// Thread: until it is bound, one at a time; then the thread of its loop. close(), fail(), isClosed(), stats(): any.
/// Lifetime: move-only. Destroyed while a receive waits, that receive ends with EndOfStream.
/// Fails: LogicError, every method, of an end that was moved from.
/// Cost: no allocation in a steady state. An unbounded channel hands over all that was sent since the last look under one short
/// lock, a bounded one takes it for each item.
template<class T>
class ChannelReceiver
{
public:
    ChannelReceiver(ChannelReceiver &&) noexcept = default;
    ChannelReceiver &operator=(ChannelReceiver &&other) noexcept
    {
        if (this != &other) {
            abandon();
            m_core = std::move(other.m_core);
        }
        return *this;
    }
    ~ChannelReceiver() { abandon(); }

    /// Binds it to this thread's loop; the first receive does so too. Repeat: harmless on the same loop.
    /// Fails: LogicError when it is bound to another loop or this thread has none.
    void bind() { core().bind(); }
    /// co_await receive(): the next item.
    ///
    /// Suspends: while nothing is there, and after about 5 ms without a turn. Cancel point: always; a cancelled receive takes
    /// nothing. Resumes: on its own thread, from its loop, never inside a send.
    /// Fails: EndOfStream once closed, the failure once failed, both after what is queued, every time; BusyResourceError while
    ///        another receive waits; LogicError on another loop.
    detail::ReceiveWait<T, detail::ReceiveKind::Item> receive()
    {
        return detail::ReceiveWait<T, detail::ReceiveKind::Item>(core());
    }
    /// co_await next(): as receive(), but nullopt at the end: while (auto item = co_await receiver.next()) { ... }
    detail::ReceiveWait<T, detail::ReceiveKind::Next> next()
    {
        return detail::ReceiveWait<T, detail::ReceiveKind::Next>(core());
    }
    /// The next item, without a wait. Suspends: never.
    ///
    /// Fails: WouldBlock when nothing is there or a receive that waits comes first; EndOfStream or the failure at the end;
    ///        ClosedResourceError when this end was closed and nothing is left.
    T receiveNowait() { return core().takeNowait(); }
    /// What is queued now, at most maxItems (negative: all), and what senders that wait would add; also before it is bound.
    ///
    /// Suspends: never. The end is not taken: the next receive reports it. While a woken receive is about to take the first item,
    /// nothing is drained. Fails: with what T's move throws, when it does so for the first item; it stays queued.
    std::vector<T> drainNowait(qsizetype maxItems = -1) { return core().drain(maxItems); }
    /// As ChannelSender::close(). What was accepted can still be received.
    bool close() { return core().close(detail::ChannelBase::Side::Receiver); }
    /// As ChannelSender::fail(); senders get BrokenResourceError with the error as its cause.
    bool fail(std::exception_ptr error) { return core().fail(detail::ChannelBase::Side::Receiver, std::move(error)); }
    /// Thread: any.
    bool isClosed() const { return core().isClosed(); }
    /// Thread: any.
    ChannelStats stats() const { return core().stats(); }
    /// As ChannelSender::channelStatus().
    ChannelStatus *channelStatus() const { return core().status(); }

private:
    friend struct detail::ChannelMaker;
    explicit ChannelReceiver(std::shared_ptr<detail::ChannelCore<T>> core)
        : m_core(std::move(core))
    {
    }
    void abandon() noexcept
    {
        if (m_core)
            m_core->abandonedByReceiver();
    }
    detail::ChannelCore<T> &core() const
    {
        if (Q_UNLIKELY(!m_core))
            detail::throwMovedFrom("ChannelReceiver");
        return *m_core;
    }
    std::shared_ptr<detail::ChannelCore<T>> m_core;
};

/// Both ends of a new channel.
template<class T>
struct Channel
{
    ChannelSender<T> sender; ///< may be copied and used in any thread
    ChannelReceiver<T> receiver; ///< for one loop
};

namespace detail {

struct ChannelMaker
{
    template<class T>
    static std::shared_ptr<ChannelCore<T>> core(const ChannelOptions &options, ChannelBase::Receivers receivers,
                                                const char *maker)
    {
        static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>,
                      "QMicroIO: channel items are movable values.");
        return std::make_shared<ChannelCore<T>>(options, receivers, maker);
    }
    template<class T>
    static ChannelSender<T> sender(const std::shared_ptr<ChannelCore<T>> &core)
    {
        return ChannelSender<T>(std::make_shared<SenderEnd<T>>(core));
    }
    template<class T>
    static Channel<T> channel(std::shared_ptr<ChannelCore<T>> core)
    {
        auto sending = sender(core);
        return {std::move(sending), ChannelReceiver<T>(std::move(core))};
    }
};

} // namespace detail

/// Makes a channel for items of any movable type; unbounded unless the options name a capacity.
///
/// Thread: any. Fails: std::invalid_argument for a negative capacity other than Unbounded, and for unknown enumerators.
/// Units: the capacity counts items. Cost: two allocations, and two short locks in its life for being listed.
template<class T>
Channel<T> createChannel(ChannelOptions options = {})
{
    return detail::ChannelMaker::channel(
        detail::ChannelMaker::core<T>(options, detail::ChannelBase::Receivers::One, "createChannel()"));
}

/// Makes a channel that keeps the newest value only: a send never waits and replaces a value that was not received yet. The
/// first receive gives `initial`, or what has replaced it.
///
/// Thread: any. stats(): a replaced value counts as dropped, the initial one as sent. Fails: what moving `initial` throws.
/// Cost: as createChannel().
template<class T>
Channel<T> createLatest(T initial)
{
    const ChannelOptions options{QString(), LateSend::Throw, 1, Overflow::DropOldest};
    auto core = detail::ChannelMaker::core<T>(options, detail::ChannelBase::Receivers::One, "createLatest()");
    core->setHighWaterMark(0);
    auto channel = detail::ChannelMaker::channel(std::move(core));
    channel.sender.sendNowait(std::move(initial));
    return channel;
}

} // namespace QMicroIO
