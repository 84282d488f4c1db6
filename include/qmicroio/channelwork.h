// floor 10: items from any thread to several receivers, each item to one of them
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/channel.h>

#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace QMicroIO {

namespace detail {
struct WorkMaker;
}

/// A receiving end of a work channel. clone() makes further ones, for other loops; each is closed on its own.
///
/// Several tasks may receive at once, from one end or from many: those that wait are served first come, first served. What one
/// was woken for nobody else takes; when it is cancelled before it goes on, the next one gets it.
///
/// Thread: until it is bound, one at a time; then the thread of its loop. clone(), close(), fail(), isClosed(), stats(): any.
/// Lifetime: move-only. Destroyed unclosed it closes itself and logs a warning; a receive that waits on it then gets
/// ClosedResourceError. When the last end has gone, what is queued is never received and senders get BrokenResourceError.
/// Fails: LogicError, every method, of an end that was moved from.
/// Cost: no allocation in a steady state; each receive takes one short lock that all receivers share, and posts one event when it
/// has to wake another loop.
template<class T>
class WorkReceiver
{
public:
    WorkReceiver(WorkReceiver &&) noexcept = default;
    WorkReceiver &operator=(WorkReceiver &&other) noexcept
    {
        if (this != &other) {
            abandon();
            m_core = std::move(other.m_core);
            m_end = std::move(other.m_end);
        }
        return *this;
    }
    ~WorkReceiver() { abandon(); }

    /// Another receiving end of the same channel. Thread: any. Fails: ClosedResourceError when this end is closed, or the channel.
    [[nodiscard("an end that is destroyed unclosed logs a warning")]] WorkReceiver clone() const
    {
        return WorkReceiver(core(), m_end.get());
    }
    /// Binds it to this thread's loop; the first receive does so too. Repeat: harmless on the same loop.
    /// Fails: LogicError when it is bound to another loop or this thread has none; NotRunningError when this thread's has ended.
    void bind() { core()->bind(*m_end, detail::Loop::ensure()); }
    /// co_await receive(): the next item that belongs to nobody.
    ///
    /// Suspends: while nothing is there, and after about 5 ms without a turn. Cancel point: always; a cancelled receive takes
    /// nothing. Resumes: on its own thread, from its loop, never inside a send.
    /// Fails: EndOfStream once closed, the failure once failed, both after what is queued, every time; ClosedResourceError once
    ///        this end is closed; LogicError on another loop.
    detail::WorkReceiveWait<T, detail::ReceiveKind::Item> receive() { return {core(), m_end}; }
    /// co_await next(): as receive(), but nullopt at the end of the channel.
    detail::WorkReceiveWait<T, detail::ReceiveKind::Next> next() { return {core(), m_end}; }
    /// The next item that belongs to nobody, without a wait. Thread: any. Suspends: never.
    ///
    /// Fails: WouldBlock when there is none; EndOfStream, the failure or ClosedResourceError as receive().
    T receiveNowait() { return core()->takeNowait(*m_end); }
    /// What is queued now and belongs to nobody, at most maxItems (negative: all). Thread: any. Suspends: never.
    ///
    /// Empty when this end is closed. Fails: with what T's move throws, when it does so for the first item; it stays queued.
    std::vector<T> drainNowait(qsizetype maxItems = -1)
    {
        return core()->isEndClosed(*m_end) ? std::vector<T>() : core()->drainAll(maxItems);
    }
    /// Closes this end; with the last one, the channel. Receives that wait on it get ClosedResourceError.
    ///
    /// Thread: any. Repeat: true for the first call, false once the channel has ended.
    bool close() { return core()->closeReceiver(*m_end); }
    /// Ends the channel for all; senders get BrokenResourceError with the error as its cause, receivers what is queued and then
    /// the error. Thread: any. Repeat: true for the first end of the channel. Fails: std::invalid_argument for null.
    bool fail(std::exception_ptr error) { return core()->fail(detail::ChannelBase::Side::Receiver, std::move(error)); }
    /// Thread: any. True also once the channel is.
    bool isClosed() const { return core()->isClosed(*m_end); }
    /// Thread: any. Of the whole channel.
    ChannelStats stats() const { return core()->stats(); }
    /// As ChannelSender::channelStatus().
    ChannelStatus *channelStatus() const { return core()->status(); }

private:
    friend struct detail::WorkMaker;
    WorkReceiver(std::shared_ptr<detail::ChannelCore<T>> core, const detail::WorkEnd *beside)
        : m_core(std::move(core))
        , m_end(std::make_shared<detail::WorkEnd>(m_core))
    {
        m_core->addReceiver(*m_end, beside);
    }
    void abandon() noexcept
    {
        if (m_core)
            m_core->abandonedBy(*m_end);
    }
    const std::shared_ptr<detail::ChannelCore<T>> &core() const
    {
        if (Q_UNLIKELY(!m_core))
            detail::throwMovedFrom("WorkReceiver");
        return m_core;
    }
    std::shared_ptr<detail::ChannelCore<T>> m_core;
    std::shared_ptr<detail::WorkEnd> m_end;
};

/// Both ends of a new work channel; clone() the receiver for each loop.
template<class T>
struct WorkChannel
{
    ChannelSender<T> sender; ///< may be copied and used in any thread
    WorkReceiver<T> receiver; ///< the first of its kind
};

namespace detail {

struct WorkMaker
{
    template<class T>
    static WorkChannel<T> channel(const ChannelOptions &options)
    {
        auto core = ChannelMaker::core<T>(options, ChannelBase::Receivers::Many, "createWorkChannel()");
        auto sender = ChannelMaker::sender(core);
        return {std::move(sender), WorkReceiver<T>(std::move(core), nullptr)};
    }
};

} // namespace detail

/// Makes a channel whose receiver can be cloned: each item goes to exactly one of those who receive.
///
/// Thread: any. Order: items are handed out in the order sent; how far each receiver then is, is its own affair.
/// Fails: std::invalid_argument as createChannel(). Cost: as createChannel().
template<class T>
WorkChannel<T> createWorkChannel(ChannelOptions options = {})
{
    return detail::WorkMaker::channel<T>(options);
}

} // namespace QMicroIO
