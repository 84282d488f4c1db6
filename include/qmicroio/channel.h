// floor 9: items from any thread to one receiver, in order, none lost
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/promise.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QString>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace QMicroIO {

/// What sending does once the channel is closed.
enum class LateSend {
    Throw, ///< ClosedResourceError or BrokenResourceError
    Drop, ///< returns false; the item is counted as dropped
};

struct ChannelOptions
{
    QString name = {}; ///< for diagnostics
    LateSend lateSend = LateSend::Throw;
};

/// A snapshot: sent == received + queued, always; dropped items were never accepted.
struct ChannelStats
{
    quint64 sent = 0;
    quint64 received = 0; ///< drained items included
    quint64 dropped = 0;
    qsizetype queued = 0;
    bool closed = false;
};

template<class T>
class ChannelSender;
template<class T>
class ChannelReceiver;

namespace detail {

// A first-in-first-out queue in blocks: growing moves no item, and emptied blocks serve again.
template<class T>
class ItemQueue
{
    static constexpr std::size_t BlockItems = std::clamp<std::size_t>(4096 / sizeof(T), 8, 512);
    static constexpr std::size_t SpareBlocks = 16;
    struct Block
    {
        Block *next = nullptr;
        std::size_t begin = 0;
        std::size_t end = 0;
        alignas(T) std::byte storage[BlockItems * sizeof(T)];
        T *at(std::size_t index) { return std::launder(reinterpret_cast<T *>(storage) + index); }
    };

public:
    ItemQueue() = default;
    ItemQueue(const ItemQueue &) = delete;
    ItemQueue &operator=(const ItemQueue &) = delete;
    ~ItemQueue()
    {
        while (!isEmpty())
            pop();
        for (Block *list : {m_head, m_spare}) {
            while (list)
                delete std::exchange(list, list->next);
        }
    }

    bool isEmpty() const { return m_size == 0; }
    std::size_t size() const { return m_size; }
    void swap(ItemQueue &other) noexcept
    {
        std::swap(m_head, other.m_head);
        std::swap(m_tail, other.m_tail);
        std::swap(m_spare, other.m_spare);
        std::swap(m_spareCount, other.m_spareCount);
        std::swap(m_size, other.m_size);
    }
    // Strong guarantee: when it throws, nothing was added.
    void push(T &&item)
    {
        if (!m_tail || m_tail->end == BlockItems)
            addBlock();
        ::new (static_cast<void *>(m_tail->storage + m_tail->end * sizeof(T))) T(std::move(item));
        ++m_tail->end;
        ++m_size;
    }
    T &front() { return *m_head->at(m_head->begin); }
    void pop() noexcept
    {
        Block *block = m_head;
        block->at(block->begin)->~T();
        ++block->begin;
        --m_size;
        if (block->begin < block->end)
            return;
        if (block == m_tail) { // the last one: used again from its start
            block->begin = block->end = 0;
            return;
        }
        m_head = block->next;
        if (m_spareCount < SpareBlocks) {
            block->next = m_spare;
            m_spare = block;
            ++m_spareCount;
        } else {
            delete block;
        }
    }

private:
    void addBlock()
    {
        Block *block = m_spare;
        if (block) {
            m_spare = block->next;
            --m_spareCount;
            block->next = nullptr;
            block->begin = block->end = 0;
        } else {
            block = new Block;
        }
        (m_tail ? m_tail->next : m_head) = block;
        m_tail = block;
    }
    Block *m_head = nullptr;
    Block *m_tail = nullptr;
    Block *m_spare = nullptr;
    std::size_t m_spareCount = 0;
    std::size_t m_size = 0;
};

class ReceiveAwaiterBase;

// What does not depend on the items: who is there, who waits, how it ended.
class QMICROIO_EXPORT ChannelBase : public LoopObserver, public std::enable_shared_from_this<ChannelBase>
{
public:
    explicit ChannelBase(const ChannelOptions &options);
    virtual ~ChannelBase();
    ChannelBase(const ChannelBase &) = delete;
    ChannelBase &operator=(const ChannelBase &) = delete;

    enum class Side { Sender, Receiver };
    bool close(Side side);
    bool fail(Side side, std::exception_ptr error);
    bool isClosed() const;
    ChannelStats stats() const;
    QString label() const;

    // The last handle of one side is gone.
    void abandonedBy(Side side);

    // Receiver's thread.
    void bind();
    void requireBound(Loop &loop)
    {
        if (Q_UNLIKELY(m_loop != &loop))
            bindTo(loop);
    }
    bool hasWaiter() const { return m_waiter != nullptr; }
    bool mustYield(Loop &loop) { return (++m_sinceLook & 63) == 0 && loop.sliceIsOver(); }
    // A receiver that is faster than its senders would take their lock for every item, and all of them would wait for the
    // cache line that it travels in. Once that shows, it takes one turn of its loop between two looks, and finds a batch.
    bool shouldGather() const { return m_streaming && m_lastBatch < SmallBatch; }
    void tookBatch(std::size_t items) noexcept
    {
        m_streaming = m_streaming || (m_lastBatch > 0 && m_lastBatch < SmallBatch);
        m_lastBatch = items;
    }
    void foundNothing() noexcept
    {
        m_streaming = false;
        m_lastBatch = 0;
    }
    void throwFailure() const; // returns when it was closed without one
    [[noreturn]] void throwEnd() const;
    void countReceived(std::size_t items = 1) noexcept
    {
        m_received.store(m_received.load(std::memory_order_relaxed) + items, std::memory_order_release);
    }

protected:
    friend class ReceiveAwaiterBase;
    enum class End { Open, Closed, Failed };

    // Sender, with the lock held.
    bool isOpen() const { return m_end == End::Open && !m_lost; }
    [[nodiscard]] bool refuse(std::unique_lock<std::mutex> &lock);
    void accepted(std::unique_lock<std::mutex> &lock)
    {
        ++m_sent;
        if (m_parked)
            wakeReceiver(lock);
    }
    void wakeReceiver(std::unique_lock<std::mutex> &lock);

    mutable std::mutex m_mutex;
    End m_end = End::Open;
    Side m_endedBy = Side::Sender;
    bool m_lost = false; // the receiver or its loop is gone
    bool m_parked = false; // a receive is asleep and must be woken
    std::exception_ptr m_error;
    quint64 m_sent = 0;
    quint64 m_dropped = 0;
    std::shared_ptr<Seam> m_seam; // set once, by bind()

private:
    bool finish(End end, Side side, std::exception_ptr error);
    void bindTo(Loop &loop);
    void loopEnded() override;
    void arrive();

    const ChannelOptions m_options;
    // From here on the receiver's, which writes it for every item: not in a cache line that senders write as well.
    alignas(CacheLine) std::atomic<quint64> m_received{0};
    Loop *m_loop = nullptr; // receiver's thread
    ReceiveAwaiterBase *m_waiter = nullptr; // receiver's thread: suspended, from its co_await to its resumption
    static constexpr std::size_t SmallBatch = 64;
    unsigned m_sinceLook = 0;
    bool m_streaming = false; // two batches without a sleep between them, the first one small
    std::size_t m_lastBatch = 0; // 0: it slept
};

template<class T>
class ChannelCore final : public ChannelBase
{
public:
    using ChannelBase::ChannelBase;

    bool send(T &&item)
    {
        std::unique_lock lock(m_mutex);
        if (!isOpen())
            return refuse(lock);
        m_incoming.push(std::move(item));
        accepted(lock);
        return true;
    }
    // Receiver's thread: whether an item can be taken now.
    bool fill()
    {
        if (!m_taken.isEmpty())
            return true;
        const std::lock_guard lock(m_mutex);
        return fillLocked();
    }
    bool hasTaken() const { return !m_taken.isEmpty(); }
    // With the lock held.
    bool fillLocked()
    {
        if (!m_taken.isEmpty())
            return true;
        m_taken.swap(m_incoming);
        if (m_taken.isEmpty())
            return false;
        tookBatch(m_taken.size());
        return true;
    }
    T take()
    {
        T item(std::move(m_taken.front()));
        m_taken.pop();
        countReceived();
        return item;
    }
    std::vector<T> drain(qsizetype maxItems)
    {
        std::vector<T> items;
        // A receive that was woken but has not run yet owns the first item, and what follows comes after it.
        if (hasWaiter() && fill())
            return items;
        const std::size_t most = maxItems < 0 ? std::size_t(-1) : std::size_t(maxItems);
        for (int round = 0; round < 2 && items.size() < most && fill(); ++round) {
            const std::size_t count = std::min(most - items.size(), m_taken.size());
            items.reserve(items.size() + count);
            for (std::size_t i = 0; i < count; ++i) {
                items.push_back(std::move(m_taken.front()));
                m_taken.pop();
                countReceived();
            }
        }
        return items;
    }

private:
    alignas(CacheLine) ItemQueue<T> m_incoming; // under the lock
    alignas(CacheLine) ItemQueue<T> m_taken; // receiver's thread
};

class QMICROIO_EXPORT ReceiveAwaiterBase : public Waiter, private ReadyNode
{
public:
    QString describe() const override;

protected:
    ReceiveAwaiterBase(TaskContext &task, ChannelBase &channel)
        : Waiter(task)
        , m_channel(&channel)
    {
    }
    ~ReceiveAwaiterBase()
    {
        if (Q_UNLIKELY(m_kept != nullptr))
            letGo();
    }
    void begin() const
    {
        throwIfCancelled();
        m_channel->requireBound(task().loop());
        if (Q_UNLIKELY(m_channel->m_waiter))
            throwBusy();
    }
    // For a turn of the loop; then it goes on if there is something to tell, or else sleeps.
    void suspendForATurn(std::coroutine_handle<> leaf);
    // With the channel's lock held.
    void suspendToSleep(std::coroutine_handle<> leaf);
    std::mutex &mutex() const { return m_channel->m_mutex; }
    bool ended() const { return m_channel->m_end != ChannelBase::End::Open || m_channel->m_lost; }
    // After a suspension: no longer in the way of others. Throws when it was cancelled and nothing was taken.
    void resumed()
    {
        if (Q_LIKELY(!m_kept))
            return;
        letGo();
        throwIfAborted();
    }
    ChannelBase *m_channel;

private:
    friend class ChannelBase;
    virtual bool canTake() = 0; // with the channel's lock held
    bool abort() noexcept override;
    void resumeFromLoop() override;
    bool isAsleep() const { return task().parked() == this && !m_inTurn; }
    [[noreturn]] void throwBusy() const;
    void letGo() noexcept;
    std::shared_ptr<ChannelBase> m_kept; // once suspended: the receiver may be destroyed meanwhile
    bool m_inTurn = false; // stands in the loop's ready queue itself
};

enum class ReceiveKind { Item, Next };

template<class T, ReceiveKind Kind>
class ReceiveAwaiter final : public ReceiveAwaiterBase
{
public:
    ReceiveAwaiter(TaskContext &task, ChannelCore<T> &core)
        : ReceiveAwaiterBase(task, core)
    {
    }
    bool await_ready()
    {
        begin();
        m_yields = m_channel->mustYield(task().loop());
        return Q_LIKELY(!m_yields) && core().hasTaken();
    }
    bool await_suspend(std::coroutine_handle<> leaf)
    {
        if (m_yields || m_channel->shouldGather()) {
            suspendForATurn(leaf);
            return true;
        }
        const std::lock_guard lock(mutex());
        if (canTake() || ended())
            return false;
        suspendToSleep(leaf);
        return true;
    }
    auto await_resume()
    {
        resumed();
        if constexpr (Kind == ReceiveKind::Item) {
            if (!core().fill())
                m_channel->throwEnd();
            return core().take();
        } else {
            std::optional<T> item;
            if (core().fill())
                item.emplace(core().take());
            else
                m_channel->throwFailure();
            return item;
        }
    }

private:
    bool canTake() override { return core().fillLocked(); }
    ChannelCore<T> &core() const { return static_cast<ChannelCore<T> &>(*m_channel); }
    bool m_yields = false;
};

template<class T, ReceiveKind Kind>
class ReceiveWait : public AmbientBase
{
public:
    explicit ReceiveWait(ChannelCore<T> &core)
        : m_core(core)
    {
    }
    ReceiveAwaiter<T, Kind> awaiter(TaskContext &task) const { return {task, m_core}; }

private:
    ChannelCore<T> &m_core;
};

template<class T>
class SendWait : public AmbientBase
{
public:
    SendWait(std::shared_ptr<ChannelCore<T>> core, T &&item)
        : m_core(std::move(core))
        , m_item(std::move(item))
    {
    }
    class Awaiter
    {
    public:
        Awaiter(TaskContext &task, std::shared_ptr<ChannelCore<T>> core, T &&item)
            : m_task(task)
            , m_core(std::move(core))
            , m_item(std::move(item))
        {
        }
        bool await_ready() const
        {
            if (m_task.isCancelled())
                m_task.throwCancelled();
            return !m_task.loop().sliceIsOver();
        }
        void await_suspend(std::coroutine_handle<> leaf) const
        {
            m_task.suspendAt(leaf);
            m_task.loop().makeReady(m_task);
        }
        bool await_resume()
        {
            if (m_task.isCancelled())
                m_task.throwCancelled();
            return m_core->send(std::move(m_item));
        }

    private:
        TaskContext &m_task;
        std::shared_ptr<ChannelCore<T>> m_core;
        T m_item;
    };
    Awaiter awaiter(TaskContext &task) { return {task, std::move(m_core), std::move(m_item)}; }

private:
    std::shared_ptr<ChannelCore<T>> m_core;
    T m_item;
};

// Shared by all copies of a sender; the last one to go closes what nobody closed.
template<class T>
struct SenderEnd
{
    explicit SenderEnd(std::shared_ptr<ChannelCore<T>> channel)
        : core(std::move(channel))
    {
    }
    SenderEnd(const SenderEnd &) = delete;
    SenderEnd &operator=(const SenderEnd &) = delete;
    ~SenderEnd() { core->abandonedBy(ChannelBase::Side::Sender); }
    const std::shared_ptr<ChannelCore<T>> core;
};

[[noreturn]] QMICROIO_EXPORT void throwMovedFrom(const char *what);

} // namespace detail

template<class T>
struct Channel;
template<class T>
Channel<T> createChannel(ChannelOptions options = {});

/// The sending end. Copies are handles to the same end; when the last one dies unclosed it closes the channel and logs a warning.
///
/// Thread: any, beside any other. Lifetime: a moved-from sender throws LogicError.
template<class T>
class ChannelSender
{
public:
    /// Hands an item over; never waits. False: dropped, since the channel is closed and LateSend::Drop was chosen.
    ///
    /// Thread: any. Suspends: never. Blocks: for one short lock, under which the item is moved: T's move constructor must not use
    /// this channel. Order: items of one thread arrive in the order sent.
    /// Fails: ClosedResourceError after close() or fail() on this side; BrokenResourceError once the receiver closed, failed,
    ///        was destroyed or lost its loop. What T's move throws: the item was then not accepted.
    /// Cost: no allocation in a steady state; one posted event when the receiver sleeps.
    bool sendNowait(T item) { return core().send(std::move(item)); }
    /// co_await send(item): the same as a wait. An unbounded channel always has room, so it only lets others run from time to time.
    ///
    /// Thread: a task's. Cancel point: yes; when it throws Cancelled nothing was sent.
    detail::SendWait<T> send(T item) { return {end().core, std::move(item)}; }
    /// The same for plain threads. An unbounded channel always has room.
    bool sendBlocking(T item, QDeadlineTimer deadline = QDeadlineTimer::Forever)
    {
        Q_UNUSED(deadline);
        return sendNowait(std::move(item));
    }
    /// No more items: the receiver gets what is queued, then EndOfStream. Thread: any. Repeat: true for the first end of the
    /// channel, from whichever side.
    bool close() { return core().close(detail::ChannelBase::Side::Sender); }
    /// The same, and the receiver then gets `error` instead, with its own type. Fails: std::invalid_argument for null.
    bool fail(std::exception_ptr error) { return core().fail(detail::ChannelBase::Side::Sender, std::move(error)); }
    /// Thread: any. True also once the receiver is gone.
    bool isClosed() const { return core().isClosed(); }
    /// Thread: any.
    ChannelStats stats() const { return core().stats(); }

private:
    friend Channel<T> createChannel<T>(ChannelOptions options);
    explicit ChannelSender(std::shared_ptr<detail::SenderEnd<T>> end)
        : m_end(std::move(end))
    {
    }
    const detail::SenderEnd<T> &end() const
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
    /// co_await next(): the next item, or nullopt at the end: while (auto item = co_await receiver.next()) { ... }
    detail::ReceiveWait<T, detail::ReceiveKind::Next> next()
    {
        return detail::ReceiveWait<T, detail::ReceiveKind::Next>(core());
    }
    /// What is queued now, at most maxItems (negative: all); also before it is bound. Suspends: never. The end is not taken: the
    /// next receive reports it. While a woken receive is about to take the first item, nothing is drained.
    std::vector<T> drainNowait(qsizetype maxItems = -1) { return core().drain(maxItems); }
    /// As ChannelSender::close(). What was accepted can still be received.
    bool close() { return core().close(detail::ChannelBase::Side::Receiver); }
    /// As ChannelSender::fail(); senders get BrokenResourceError with the error as its cause.
    bool fail(std::exception_ptr error) { return core().fail(detail::ChannelBase::Side::Receiver, std::move(error)); }
    /// Thread: any.
    bool isClosed() const { return core().isClosed(); }
    /// Thread: any.
    ChannelStats stats() const { return core().stats(); }

private:
    friend Channel<T> createChannel<T>(ChannelOptions options);
    explicit ChannelReceiver(std::shared_ptr<detail::ChannelCore<T>> core)
        : m_core(std::move(core))
    {
    }
    void abandon() noexcept
    {
        if (m_core)
            m_core->abandonedBy(detail::ChannelBase::Side::Receiver);
    }
    detail::ChannelCore<T> &core() const
    {
        if (Q_UNLIKELY(!m_core))
            detail::throwMovedFrom("ChannelReceiver");
        return *m_core;
    }
    std::shared_ptr<detail::ChannelCore<T>> m_core;
};

template<class T>
struct Channel
{
    ChannelSender<T> sender;
    ChannelReceiver<T> receiver;
};

/// Makes an unbounded channel for items of any movable type.
///
/// Thread: any. Fails: std::invalid_argument for an unknown LateSend.
template<class T>
Channel<T> createChannel(ChannelOptions options)
{
    static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>,
                  "QMicroIO: channel items are movable values.");
    auto core = std::make_shared<detail::ChannelCore<T>>(options);
    auto end = std::make_shared<detail::SenderEnd<T>>(core);
    return {ChannelSender<T>(std::move(end)), ChannelReceiver<T>(std::move(core))};
}

} // namespace QMicroIO
