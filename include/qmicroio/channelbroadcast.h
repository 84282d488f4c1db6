// floor 10: every item to every subscriber; one that is slow is told how many it missed
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/channel.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace QMicroIO {

/// How a broadcast channel behaves. Thread: any.
struct BroadcastOptions
{
    QString name = {}; ///< for diagnostics
    LateSend lateSend = LateSend::Throw; ///< what sending does after the end
    /// How many items one subscriber may be behind before it misses some. At least 1.
    qsizetype backlog = 1024;
};

/// A snapshot.
struct BroadcastStats
{
    quint64 sent = 0; ///< items, however many subscribers there were
    qsizetype subscribers = 0; ///< open ones
    bool closed = false; ///< nothing can be sent any more
};

/// What a subscriber receives.
template<class T>
struct Broadcasted
{
    T value; ///< the item
    quint64 missed =
        0; ///< items that were sent to this subscriber right before this one and dropped, since it was too slow
};

template<class T>
class BroadcastReceiver;

namespace detail {

// Small plain values are copied for each subscriber; of all others there is one, which they share.
template<class T>
inline constexpr bool IsCopiedWhole = std::is_trivially_copyable_v<T> && sizeof(T) <= 64;

template<class T>
struct Envelope
{
    std::conditional_t<IsCopiedWhole<T>, T, std::shared_ptr<const T>> content;
    quint64 number;
};

template<class T>
class Subscription
{
public:
    using Core = ChannelCore<Envelope<T>>;
    Subscription(std::shared_ptr<Core> channel, quint64 first)
        : core(std::move(channel))
        , m_expected(first)
    {
    }
    Subscription(const Subscription &) = delete;
    Subscription &operator=(const Subscription &) = delete;
    void leave() noexcept
    {
        core->close(ChannelBase::Side::Receiver); // which is no mistake: nothing is logged
        core->abandonedByReceiver();
    }
    Broadcasted<T> open(const Envelope<T> &envelope)
    {
        const quint64 missed = envelope.number - std::exchange(m_expected, envelope.number + 1);
        if constexpr (IsCopiedWhole<T>)
            return {envelope.content, missed};
        else
            return {*envelope.content, missed};
    }
    const std::shared_ptr<Core> core;

private:
    quint64 m_expected; // receiver's thread
};

template<class T, ReceiveKind Kind>
class BroadcastAwaiter final : public ReceiveAwaiter<Envelope<T>, Kind>
{
public:
    BroadcastAwaiter(TaskContext &task, std::shared_ptr<Subscription<T>> subscription)
        : ReceiveAwaiter<Envelope<T>, Kind>(task, *subscription->core)
        , m_subscription(std::move(subscription))
    {
    }
    auto await_resume()
    {
        auto received = ReceiveAwaiter<Envelope<T>, Kind>::await_resume();
        if constexpr (Kind == ReceiveKind::Item) {
            return m_subscription->open(received);
        } else {
            std::optional<Broadcasted<T>> item;
            if (received)
                item.emplace(m_subscription->open(*received));
            return item;
        }
    }

private:
    std::shared_ptr<Subscription<T>> m_subscription;
};

template<class T, ReceiveKind Kind>
class BroadcastWait : public AmbientBase
{
public:
    explicit BroadcastWait(std::shared_ptr<Subscription<T>> subscription)
        : m_subscription(std::move(subscription))
    {
    }
    BroadcastAwaiter<T, Kind> awaiter(TaskContext &task) { return {task, std::move(m_subscription)}; }

private:
    std::shared_ptr<Subscription<T>> m_subscription;
};

[[noreturn]] QMICROIO_EXPORT void throwLateBroadcast(const QString &name);
QMICROIO_EXPORT void warnOfUnclosedBroadcast(const QString &name);

// All subscribers see the items in one order, that of this lock. What runs under it moves envelopes, never items.
template<class T>
class BroadcastCore
{
public:
    explicit BroadcastCore(const BroadcastOptions &options)
        : m_options(options)
    {
        static_assert(std::is_object_v<T> && std::is_copy_constructible_v<T> && std::is_move_constructible_v<T>,
                      "QMicroIO: every subscriber gets a copy of the item, so its type has to be copyable.");
        if (options.backlog < 1)
            throw std::invalid_argument("createBroadcast(): the backlog has to be 1 or more");
        makeCore(); // checks the rest
    }
    BroadcastCore(const BroadcastCore &) = delete;
    BroadcastCore &operator=(const BroadcastCore &) = delete;
    ~BroadcastCore()
    {
        if (close(nullptr))
            warnOfUnclosedBroadcast(m_options.name);
    }

    bool send(T &&item)
    {
        const auto content = wrap(std::move(item));
        std::vector<Envelope<T>> displaced; // destroyed without the lock
        {
            const std::lock_guard lock(m_mutex);
            if (m_open) {
                const quint64 number = m_sent++;
                std::size_t kept = 0;
                for (std::shared_ptr<Core> &target : m_targets) {
                    if (target->sendDisplacing({content, number}, displaced))
                        std::swap(m_targets[kept++], target);
                }
                m_targets.resize(kept);
                return true;
            }
            if (m_options.lateSend == LateSend::Drop)
                return false;
        }
        throwLateBroadcast(m_options.name);
    }
    std::shared_ptr<Subscription<T>> subscribe()
    {
        auto core = makeCore();
        const std::lock_guard lock(m_mutex);
        if (m_open)
            m_targets.push_back(core);
        else
            end(*core);
        return std::make_shared<Subscription<T>>(std::move(core), m_sent);
    }
    bool close(const std::exception_ptr &error)
    {
        std::vector<std::shared_ptr<Core>> targets;
        {
            const std::lock_guard lock(m_mutex);
            if (!m_open)
                return false;
            m_open = false;
            m_error = error;
            targets.swap(m_targets);
        }
        for (const std::shared_ptr<Core> &target : targets)
            end(*target);
        return true;
    }
    BroadcastStats stats() const
    {
        const std::lock_guard lock(m_mutex);
        const auto open = std::count_if(m_targets.begin(), m_targets.end(),
                                        [](const std::shared_ptr<Core> &target) { return !target->isClosed(); });
        return {m_sent, qsizetype(open), !m_open};
    }

private:
    using Core = ChannelCore<Envelope<T>>;
    static auto wrap(T &&item)
    {
        if constexpr (IsCopiedWhole<T>)
            return T(std::move(item));
        else
            return std::shared_ptr<const T>(std::make_shared<T>(std::move(item)));
    }
    std::shared_ptr<Core> makeCore() const
    {
        const ChannelOptions options{m_options.name, m_options.lateSend, m_options.backlog, Overflow::DropOldest};
        return ChannelMaker::core<Envelope<T>>(options, ChannelBase::Receivers::One, "createBroadcast()");
    }
    void end(Core &core) const
    {
        if (m_error)
            core.fail(ChannelBase::Side::Sender, m_error);
        else
            core.close(ChannelBase::Side::Sender);
    }

    const BroadcastOptions m_options;
    mutable std::mutex m_mutex;
    std::vector<std::shared_ptr<Core>> m_targets;
    quint64 m_sent = 0;
    bool m_open = true;
    std::exception_ptr m_error; // written once, before m_open is cleared
};

} // namespace detail

/// The sending end of a broadcast channel. Copies are handles to the same; the last one to go closes it and logs a warning.
///
/// Thread: any, beside any other. Fails: LogicError, every method, of an end that was moved from.
template<class T>
class BroadcastSender
{
public:
    /// Gives the item to every subscriber of this moment; never waits. A subscriber whose backlog is full misses its oldest item.
    ///
    /// Thread: any. Suspends: never. Blocks: for a short lock, under which no copy is made and nothing of T runs.
    /// Order: all subscribers see the same. False: it was dropped, as it is closed and LateSend::Drop was chosen.
    /// Fails: ClosedResourceError after close() or fail().
    /// Cost: O(subscribers); one allocation for an item that is larger than 64 bytes or not trivially copyable.
    bool sendNowait(T item) { return core().send(std::move(item)); }
    /// A receiver of what is sent from now on. Thread: any. After the end: a receiver that is at its end.
    [[nodiscard("a receiver that is destroyed leaves the channel")]] BroadcastReceiver<T> subscribe() const
    {
        return BroadcastReceiver<T>(core().subscribe());
    }
    /// No more items: subscribers get what they have not received yet, then EndOfStream. Thread: any. Repeat: true for the first end.
    bool close() { return core().close(nullptr); }
    /// The same, and subscribers then get `error`, with its own type. Fails: std::invalid_argument for null.
    bool fail(std::exception_ptr error)
    {
        if (!error)
            throw std::invalid_argument("BroadcastSender::fail(): the error is null; use close() for a clean end");
        return core().close(error);
    }
    /// Thread: any.
    bool isClosed() const { return core().stats().closed; }
    /// Thread: any.
    BroadcastStats stats() const { return core().stats(); }

private:
    template<class U>
    friend BroadcastSender<U> createBroadcast(BroadcastOptions options);
    explicit BroadcastSender(std::shared_ptr<detail::BroadcastCore<T>> core)
        : m_core(std::move(core))
    {
    }
    detail::BroadcastCore<T> &core() const
    {
        if (Q_UNLIKELY(!m_core))
            detail::throwMovedFrom("BroadcastSender");
        return *m_core;
    }
    std::shared_ptr<detail::BroadcastCore<T>> m_core;
};

/// A subscriber of a broadcast channel. Destroying it ends the subscription; a receive that waits gets EndOfStream then.
///
/// Thread: until it is bound, one at a time; then the thread of its loop. close(), isClosed(), stats(): any. Lifetime: move-only.
/// Fails: LogicError, every method, of an end that was moved from. Cost: as a ChannelReceiver, and a copy of each
/// item out of the one that all subscribers share.
template<class T>
class BroadcastReceiver
{
public:
    BroadcastReceiver(BroadcastReceiver &&) noexcept = default;
    BroadcastReceiver &operator=(BroadcastReceiver &&other) noexcept
    {
        if (this != &other) {
            leave();
            m_subscription = std::move(other.m_subscription);
        }
        return *this;
    }
    ~BroadcastReceiver() { leave(); }

    /// Binds it to this thread's loop; the first receive does so too. Fails: LogicError as ChannelReceiver::bind().
    void bind() { core().bind(); }
    /// co_await receive(): the next item, and how many were missed right before it.
    ///
    /// Suspends, Cancel point, Resumes, Fails: as ChannelReceiver::receive().
    detail::BroadcastWait<T, detail::ReceiveKind::Item> receive()
    {
        return detail::BroadcastWait<T, detail::ReceiveKind::Item>(subscription());
    }
    /// co_await next(): as receive(), but nullopt at the end.
    detail::BroadcastWait<T, detail::ReceiveKind::Next> next()
    {
        return detail::BroadcastWait<T, detail::ReceiveKind::Next>(subscription());
    }
    /// The next item, without a wait. Fails: as ChannelReceiver::receiveNowait().
    Broadcasted<T> receiveNowait() { return subscription()->open(core().takeNowait()); }
    /// What is queued now, at most maxItems (negative: all). Suspends: never.
    std::vector<Broadcasted<T>> drainNowait(qsizetype maxItems = -1)
    {
        std::vector<Broadcasted<T>> items;
        for (const detail::Envelope<T> &envelope : core().drain(maxItems))
            items.push_back(subscription()->open(envelope));
        return items;
    }
    /// Ends the subscription; what was sent before can still be received. Thread: any. Repeat: true for the first end.
    bool close() { return core().close(detail::ChannelBase::Side::Receiver); }
    /// Thread: any. True also once the sender is.
    bool isClosed() const { return core().isClosed(); }
    /// Of this subscription; the missed items count as dropped. Thread: any.
    ChannelStats stats() const { return core().stats(); }

private:
    friend class BroadcastSender<T>;
    explicit BroadcastReceiver(std::shared_ptr<detail::Subscription<T>> subscription)
        : m_subscription(std::move(subscription))
    {
    }
    void leave() noexcept
    {
        if (m_subscription)
            m_subscription->leave();
    }
    const std::shared_ptr<detail::Subscription<T>> &subscription() const
    {
        if (Q_UNLIKELY(!m_subscription))
            detail::throwMovedFrom("BroadcastReceiver");
        return m_subscription;
    }
    detail::ChannelCore<detail::Envelope<T>> &core() const { return *subscription()->core; }
    std::shared_ptr<detail::Subscription<T>> m_subscription;
};

/// Makes a channel whose items go to everyone who has subscribed.
///
/// Thread: any. Fails: std::invalid_argument for a backlog below 1 and for an unknown LateSend. Cost: two allocations,
/// and two for each subscriber.
template<class T>
BroadcastSender<T> createBroadcast(BroadcastOptions options = {})
{
    return BroadcastSender<T>(std::make_shared<detail::BroadcastCore<T>>(options));
}

} // namespace QMicroIO
