// floor 6: what all channels are made of: items under a lock, who waits on either side, and how it ended
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/channeloptions.h>
#include <qmicroio/channelstatus.h>
#include <qmicroio/detail/listing.h>
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

namespace QMicroIO::detail {

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

// A send or a receive that waits, as its channel knows it. All of it is under the channel's lock, except that arrive() is
// called on the waiter's own thread.
class Parked
{
public:
    Parked(const Parked &) = delete;
    Parked &operator=(const Parked &) = delete;

protected:
    Parked() = default;
    ~Parked() = default;
    std::shared_ptr<Seam> m_seam; // of the task that waits
    Gate *m_gate = nullptr; // or that of a plain thread

private:
    friend class ChannelBase;
    friend class ParkedList;
    virtual void arrive() = 0;
    Parked *m_previous = nullptr;
    Parked *m_next = nullptr;
    class ParkedList *m_list = nullptr;
};

class ParkedList
{
public:
    Parked *first() const { return m_first; }
    Parked *after(const Parked &node) const { return node.m_next; }
    qsizetype size() const { return m_size; }
    bool holds(const Parked &node) const { return node.m_list == this; }
    void append(Parked &node) noexcept
    {
        node.m_list = this;
        node.m_next = nullptr;
        node.m_previous = m_last;
        (m_last ? m_last->m_next : m_first) = &node;
        m_last = &node;
        ++m_size;
    }
    static void remove(Parked &node) noexcept
    {
        ParkedList *list = std::exchange(node.m_list, nullptr);
        if (!list)
            return;
        (node.m_previous ? node.m_previous->m_next : list->m_first) = node.m_next;
        (node.m_next ? node.m_next->m_previous : list->m_last) = node.m_previous;
        --list->m_size;
    }

private:
    Parked *m_first = nullptr;
    Parked *m_last = nullptr;
    qsizetype m_size = 0;
};

// One sending end: shared by the copies of a ChannelSender.
struct SendEnd
{
    // Under the channel's lock.
    bool closed = false;
    bool counted = true; // among the open ones
};

class ParkedSend : public Parked
{
public:
    enum class Result { Pending, Accepted, Refused, Threw };

protected:
    friend class ChannelBase;
    friend class SendAwaiterBase;
    explicit ParkedSend(const SendEnd &end)
        : m_end(end)
    {
    }
    ~ParkedSend() = default;
    const SendEnd &m_end;
    Result m_result = Result::Pending;
    std::exception_ptr m_error; // what moving the item threw
};

class ChannelBase;

// One receiving end of a work channel.
class QMICROIO_EXPORT WorkEnd final : public LoopObserver, public std::enable_shared_from_this<WorkEnd>
{
public:
    explicit WorkEnd(std::shared_ptr<ChannelBase> channel);
    ~WorkEnd();
    WorkEnd(const WorkEnd &) = delete;
    WorkEnd &operator=(const WorkEnd &) = delete;
    bool isBoundTo(const Loop &loop) const { return m_loop == &loop; }
    bool mustYield(Loop &loop) { return (++m_sinceLook & 63) == 0 && loop.sliceIsOver(); }

private:
    friend class ChannelBase;
    void loopEnded() override;
    const std::shared_ptr<ChannelBase> m_channel;
    Loop *m_loop = nullptr; // its own thread's
    unsigned m_sinceLook = 0; // its own thread's
    // Under the channel's lock.
    bool m_closed = false;
    std::shared_ptr<Seam> m_seam; // set once
};

class ParkedReceive : public Parked
{
protected:
    friend class ChannelBase;
    explicit ParkedReceive(WorkEnd &end)
        : m_end(end)
    {
    }
    ~ParkedReceive() = default;
    WorkEnd &m_end;
    bool m_owns = false; // one of the queued items is reserved for it
};

class ReceiveAwaiterBase;
class SendAwaiterBase;
class WorkReceiveAwaiterBase;

// What does not depend on the items: who is there, who waits, how it ended.
class QMICROIO_EXPORT ChannelBase : public LoopObserver, public std::enable_shared_from_this<ChannelBase>
{
public:
    enum class Receivers { One, Many };
    ChannelBase(const ChannelOptions &options, Receivers receivers, const char *maker);
    virtual ~ChannelBase();
    ChannelBase(const ChannelBase &) = delete;
    ChannelBase &operator=(const ChannelBase &) = delete;

    enum class Side { Sender, Receiver };
    bool close(Side side);
    bool fail(Side side, std::exception_ptr error);
    bool isClosed() const;
    ChannelStats stats() const;
    QString label() const;
    QString name() const { return m_options.name; }
    ChannelStatus *status();
    void setHighWaterMark(qsizetype items);

    bool closeSender(SendEnd &end);
    bool isClosed(const SendEnd &end) const;
    void addSender(const SendEnd &beside);
    // The last handle of an end is gone.
    void abandonedBy(SendEnd &end) noexcept;
    void abandonedByReceiver() noexcept;

    // Receiver's thread, of a channel with one.
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

    // Any receiver's thread.
    void throwFailure() const; // returns when it was closed without one
    [[noreturn]] void throwEnd() const;
    void countReceived(std::size_t items = 1) noexcept
    {
        m_received.store(m_received.load(std::memory_order_relaxed) + items, std::memory_order_release);
    }
    bool takesUnderLock() const { return m_takesUnderLock; }
    // With the lock held: one of the queued items that belong to nobody is now this one's.
    void own(ParkedReceive &receive)
    {
        receive.m_owns = true;
        ++m_reserved;
    }
    void lookWhetherDrained()
    {
        if (Q_UNLIKELY(m_watched.load(std::memory_order_relaxed)))
            checkDrained();
    }

    // The receivers of a work channel.
    void addReceiver(WorkEnd &end, const WorkEnd *beside);
    void bind(WorkEnd &end, Loop &loop);
    bool closeReceiver(WorkEnd &end);
    bool isClosed(const WorkEnd &end) const;
    bool isEndClosed(const WorkEnd &end) const; // this end alone
    void abandonedBy(WorkEnd &end) noexcept;
    void loopEndedOf(WorkEnd &end);

    // The lock. What was found out to be done under it is done when it is released: waking, and signals.
    class Hold
    {
    public:
        explicit Hold(ChannelBase &channel)
            : m_channel(channel)
            , m_lock(channel.m_mutex)
        {
        }
        ~Hold()
        {
            if (m_lock.owns_lock())
                release();
        }
        Hold(const Hold &) = delete;
        Hold &operator=(const Hold &) = delete;
        void release()
        {
            if (Q_UNLIKELY(m_channel.m_hasToDo))
                m_channel.doAfterwards(m_lock);
            else
                m_lock.unlock();
        }

    private:
        ChannelBase &m_channel;
        std::unique_lock<std::mutex> m_lock;
    };

protected:
    friend class ReceiveAwaiterBase;
    friend class SendAwaiterBase;
    friend class WorkReceiveAwaiterBase;
    friend class ChannelStatus;
    enum class End { Open, Closed, Failed };

    // All of these with the lock held.
    bool isOpen() const { return m_end == End::Open && !m_lost; }
    bool isOpenFor(const SendEnd &end) const { return isOpen() && !end.closed; }
    // Nothing about the next send needs a closer look.
    bool isPlain() const { return m_plain; }
    bool isFull(std::size_t queued) const
    {
        if (m_options.capacity < 0)
            return false;
        return m_options.capacity == 0 ? !m_parked : queued >= std::size_t(m_options.capacity);
    }
    [[nodiscard]] bool refuse(Hold &hold, const SendEnd &end);
    void accepted()
    {
        ++m_sent;
        if (Q_UNLIKELY(m_sent - m_receivedSeen > m_peak))
            notePeak();
        if (m_parked)
            wakeOne();
    }
    void wakeOne();
    [[noreturn]] void throwFull(Hold &hold) const;
    [[noreturn]] void throwNothing(Hold &hold, bool endIsClosed) const; // for a receive that does not wait
    // Enters a send into the queue of those that wait. Throws when its thread would wait for itself.
    void park(ParkedSend &send);
    // Of a work channel: what is queued and belongs to nobody may have to be given to one who waits, or all have to learn that
    // nothing more will come.
    void offerOn();
    bool isExhausted() const { return !isOpen() && m_sent == m_received.load(std::memory_order_relaxed); }
    void disown(ParkedReceive &receive)
    {
        receive.m_owns = false;
        --m_reserved;
    }
    static bool isOpenFor(const WorkEnd &end) { return !end.m_closed; }
    ParkedSend *firstParkedSend() const { return static_cast<ParkedSend *>(m_sends.first()); }
    void settle(ParkedSend &send, ParkedSend::Result result, std::exception_ptr error = nullptr);
    bool sends(const ParkedSend &send) const { return m_sends.holds(send); }
    // For a plain thread, without the lock: false when it gave up at the deadline.
    bool waitAtGate(ParkedSend &send, Gate &gate, QDeadlineTimer deadline);
    [[noreturn]] void throwTimedOut() const;

    mutable std::mutex m_mutex;
    End m_end = End::Open;
    Side m_endedBy = Side::Sender;
    bool m_lost = false; // the receiver or its loop is gone
    bool m_parked = false; // a receive is asleep and must be woken
    bool m_plain;
    bool m_hasToDo = false;
    quint64 m_sent = 0;
    quint64 m_receivedSeen = 0; // m_received as it was last looked at: a lower bound
    quint64 m_peak = 0;
    quint64 m_dropped = 0;
    quint64 m_reserved = 0; // queued items that woken receivers of a work channel own
    const ChannelOptions m_options;

private:
    enum Event : unsigned { Bound = 1, Ended = 2, Drained = 4, HighWater = 8 };

    void finish(End end, Side side, std::exception_ptr error);
    void closeUp(Side side);
    bool leave(SendEnd &end); // true: no sender is open any more
    void reconsider();
    void notePeak();
    void emitLater(Event event);
    void doAfterwards(std::unique_lock<std::mutex> &lock);
    void emitNow(unsigned events, quint64 queued);
    void checkDrained();
    bool isDrained() const;
    void tell(Parked &node);
    void arriveTold();
    void bindTo(Loop &loop);
    void loopEnded() override;
    void wakeReceiver();
    void arrive();

    // Under the lock too, but seldom touched.
    std::exception_ptr m_error;
    std::shared_ptr<Seam> m_seam; // of the receiver; set once, by bind()
    ParkedList m_sends; // wait for room, first come, first served
    ParkedList m_receives; // of a work channel: wait for an item
    ParkedList m_toTell; // their wait is over, their threads are about to be told
    ParkedList m_told; // messages to their loops are under way
    qsizetype m_openSenders = 1;
    qsizetype m_openReceivers = 1; // of a channel with one
    std::vector<WorkEnd *> m_workEnds; // the open ones of a work channel
    std::unique_ptr<ChannelStatus> m_status;
    unsigned m_events = 0; // to be emitted once the lock is released
    unsigned m_emitted = 0; // or about to be
    bool m_endTold = false; // the signal of the end has been emitted
    bool m_wakesReceiver = false;
    quint64 m_highWaterAt = 0; // 0: never
    quint64 m_highWater = 0;

    const Receivers m_receivers;
    const bool m_takesUnderLock; // items are taken one by one under the lock, since room or a turn depends on each
    std::atomic<bool> m_watched{false}; // there is a ChannelStatus
    // From here on the receiver's, which writes it for every item: not in a cache line that senders write as well.
    alignas(CacheLine) std::atomic<quint64> m_received{0};
    Loop *m_loop = nullptr; // receiver's thread
    ReceiveAwaiterBase *m_waiter = nullptr; // receiver's thread: suspended, from its co_await to its resumption
    static constexpr std::size_t SmallBatch = 64;
    unsigned m_sinceLook = 0;
    bool m_streaming = false; // two batches without a sleep between them, the first one small
    std::size_t m_lastBatch = 0; // 0: it slept

    static void report(const void *object, ListedState &into);
    const Listing m_listing{Listing::Kind::Channel, this, &report};
};

template<class T>
class ParkedSendOf : public ParkedSend
{
public:
    ParkedSendOf(const SendEnd &end, T &item)
        : ParkedSend(end)
        , m_item(item)
    {
    }

protected:
    template<class>
    friend class ChannelCore;
    ~ParkedSendOf() = default;
    T &m_item;
};

template<class T>
class ChannelCore final : public ChannelBase
{
public:
    using ChannelBase::ChannelBase;

    bool send(T &&item, const SendEnd &end)
    {
        Hold hold(*this);
        if (Q_UNLIKELY(!isPlain())) {
            switch (sendLooking(item, end, hold)) {
            case Sent::Yes:
                return true;
            case Sent::Dropped:
                return false;
            case Sent::Full:
                throwFull(hold);
            }
        }
        m_incoming.push(std::move(item));
        accepted();
        return true;
    }

    // For the sender of several channels, in whose call no item may be destroyed; the oldest one makes room for this one. False:
    // the channel has ended.
    bool sendDisplacing(T &&item, std::vector<T> &displaced)
    {
        Hold hold(*this);
        if (!isOpen())
            return false;
        if (isFull(m_incoming.size())) {
            displaced.push_back(std::move(m_incoming.front()));
            m_incoming.pop();
            --m_sent;
            ++m_dropped;
        }
        m_incoming.push(std::move(item));
        accepted();
        return true;
    }

    enum class Sent { Yes, Dropped, Full };
    // Full: the send is parked.
    Sent sendOrPark(T &item, const SendEnd &end, ParkedSend &send)
    {
        Hold hold(*this);
        const Sent sent = sendLooking(item, end, hold);
        if (sent == Sent::Full)
            park(send);
        return sent;
    }

    bool sendBlocking(T &&item, const SendEnd &end, QDeadlineTimer deadline)
    {
        class Blocked final : public ParkedSendOf<T>
        {
        public:
            Blocked(const SendEnd &sendEnd, T &sent, Gate &gate)
                : ParkedSendOf<T>(sendEnd, sent)
            {
                this->m_gate = &gate;
            }
            ~Blocked() = default;
            ParkedSend::Result result() const { return this->m_result; }
            void rethrow() const { std::rethrow_exception(this->m_error); }

        private:
            void arrive() override { }
        };
        Gate gate;
        Blocked blocked(end, item, gate);
        const Sent sent = sendOrPark(item, end, blocked);
        if (sent != Sent::Full)
            return sent == Sent::Yes;
        if (!waitAtGate(blocked, gate, deadline))
            throwTimedOut();
        if (blocked.result() == ParkedSend::Result::Threw)
            blocked.rethrow();
        return blocked.result() == ParkedSend::Result::Accepted || refuseLate(end);
    }
    // The channel ended while the send waited.
    bool refuseLate(const SendEnd &end)
    {
        Hold hold(*this);
        return refuse(hold, end);
    }

    // Receiver's thread: whether an item can be taken now.
    bool fill()
    {
        if (!m_taken.isEmpty())
            return true;
        Hold hold(*this);
        return fillLocked();
    }
    bool hasTaken() const { return !m_taken.isEmpty(); }
    // With the lock held.
    bool fillLocked()
    {
        if (takesUnderLock()) {
            if (m_incoming.isEmpty())
                admitParked(true);
            return !m_incoming.isEmpty();
        }
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
        if (Q_UNLIKELY(takesUnderLock()))
            return takeUnderLock();
        T item(std::move(m_taken.front()));
        m_taken.pop();
        countReceived();
        if (m_taken.isEmpty())
            lookWhetherDrained();
        return item;
    }
    std::vector<T> drain(qsizetype maxItems)
    {
        std::vector<T> items;
        // A receive that was woken but has not run yet owns the first item, and what follows comes after it.
        if (hasWaiter() && fill())
            return items;
        return drainAll(maxItems);
    }
    // What does not belong to a receive that waits.
    std::vector<T> drainAll(qsizetype maxItems)
    {
        const ChannelStats now = stats();
        const auto there = std::size_t(now.queued + now.parkedSenders);
        const std::size_t most = maxItems < 0 ? there : std::min(std::size_t(maxItems), there);
        std::vector<T> items;
        items.reserve(most);
        while (items.size() < most) {
            try {
                if (!takeInto(items))
                    break;
            } catch (...) {
                if (items.empty())
                    throw;
                break; // the item stays, and so do those that were taken before
            }
        }
        return items;
    }

    // With the lock held: how many items belong to nobody.
    std::size_t available()
    {
        if (m_incoming.size() == m_reserved)
            admitParked(true);
        return m_incoming.size() - std::size_t(m_reserved);
    }
    // For a receive of a work channel that owns an item; when moving it throws, it still does.
    T takeOwned(ParkedReceive &receive)
    {
        const Look look{*this};
        Hold hold(*this);
        T item(std::move(m_incoming.front()));
        m_incoming.pop();
        countReceived();
        disown(receive);
        afterTaking();
        return item;
    }
    // The receive of a work channel that does not wait.
    T takeNowait(const WorkEnd &end)
    {
        const Look look{*this};
        Hold hold(*this);
        if (!isOpenFor(end) || available() == 0)
            throwNothing(hold, !isOpenFor(end));
        T item(std::move(m_incoming.front()));
        m_incoming.pop();
        countReceived();
        afterTaking();
        return item;
    }
    // The same of a channel with one receiver.
    T takeNowait()
    {
        if (hasWaiter() || !fill()) {
            Hold hold(*this);
            throwNothing(hold, false);
        }
        return take();
    }

private:
    struct Look // after the lock is released
    {
        ~Look() { core.lookWhetherDrained(); }
        ChannelCore &core;
    };
    T takeUnderLock()
    {
        const Look look{*this};
        Hold hold(*this);
        T item(std::move(m_incoming.front()));
        m_incoming.pop();
        countReceived();
        afterTaking();
        return item;
    }
    void afterTaking()
    {
        if (m_options.capacity > 0)
            admitParked(false);
        offerOn();
    }
    Q_NEVER_INLINE Sent sendLooking(T &item, const SendEnd &end, Hold &hold)
    {
        if (!isOpenFor(end))
            return refuse(hold, end) ? Sent::Yes : Sent::Dropped;
        if (!isFull(m_incoming.size())) {
            m_incoming.push(std::move(item));
            accepted();
            return Sent::Yes;
        }
        if (m_options.overflow == Overflow::Wait)
            return Sent::Full;
        if (m_options.overflow == Overflow::DropNewest || m_incoming.isEmpty()) {
            ++m_dropped;
            return Sent::Dropped;
        }
        m_incoming.push(std::move(item));
        ++m_dropped; // the oldest, which was sent as this one is now
        std::optional<T> oldest; // destroyed without the lock
        try {
            oldest.emplace(std::move(m_incoming.front()));
        } catch (...) {
            // It is dropped all the same, and destroyed where it is.
        }
        m_incoming.pop();
        hold.release();
        return Sent::Yes;
    }
    // Moves the items of sends that wait into the queue, as far as there is room. A rendezvous has room for the receiver that
    // takes the item now.
    void admitParked(bool isTaking)
    {
        if (m_options.capacity < 0)
            return;
        const std::size_t room =
            m_options.capacity > 0 ? std::size_t(m_options.capacity) : std::size_t(m_reserved) + (isTaking ? 1 : 0);
        while (ParkedSend *send = firstParkedSend()) {
            if (m_incoming.size() >= room)
                return;
            try {
                m_incoming.push(std::move(static_cast<ParkedSendOf<T> *>(send)->m_item));
            } catch (...) {
                settle(*send, ParkedSend::Result::Threw, std::current_exception());
                continue;
            }
            settle(*send, ParkedSend::Result::Accepted);
        }
    }
    bool takeInto(std::vector<T> &items)
    {
        if (!takesUnderLock()) {
            if (!fill())
                return false;
            items.push_back(std::move(m_taken.front()));
            m_taken.pop();
            countReceived();
            if (m_taken.isEmpty())
                lookWhetherDrained();
            return true;
        }
        {
            Hold hold(*this);
            if (available() == 0)
                return false;
            items.push_back(std::move(m_incoming.front()));
            m_incoming.pop();
            countReceived();
            afterTaking();
        }
        lookWhetherDrained();
        return true;
    }

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
    bool ended() const { return !m_channel->isOpen(); }
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
class ReceiveAwaiter : public ReceiveAwaiterBase
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
        if (!m_channel->takesUnderLock() && (m_yields || m_channel->shouldGather())) {
            suspendForATurn(leaf);
            return true;
        }
        {
            ChannelBase::Hold hold(*m_channel);
            if (!canTake() && !ended()) {
                suspendToSleep(leaf); // which lets others run as well
                return true;
            }
        }
        if (m_yields)
            suspendForATurn(leaf);
        return m_yields;
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

// Shared by all copies of a sender; the last one to go closes what nobody closed.
template<class T>
struct SenderEnd : SendEnd
{
    explicit SenderEnd(std::shared_ptr<ChannelCore<T>> channel)
        : core(std::move(channel))
    {
    }
    SenderEnd(const SenderEnd &) = delete;
    SenderEnd &operator=(const SenderEnd &) = delete;
    ~SenderEnd() { core->abandonedBy(*this); }
    const std::shared_ptr<ChannelCore<T>> core;
};

class QMICROIO_EXPORT SendAwaiterBase : public Waiter, private ReadyNode
{
public:
    QString describe() const override;

protected:
    SendAwaiterBase(TaskContext &task, ChannelBase &channel)
        : Waiter(task)
        , m_channel(channel)
    {
    }
    ~SendAwaiterBase() = default;
    void suspendForATurn(std::coroutine_handle<> leaf);
    void suspendToSleep(std::coroutine_handle<> leaf) { park(leaf); }
    void arrived()
    {
        if (task().parked() == this)
            wake();
    }
    // Of the base of its own that the channel knows.
    void leave(ParkedSend &send) noexcept;
    bool abortSend(ParkedSend &send) noexcept;
    ChannelBase &m_channel;

private:
    virtual bool sendNow() noexcept = 0; // false: parked
    void resumeFromLoop() override;
};

template<class T>
class SendAwaiter final : public SendAwaiterBase, private ParkedSendOf<T>
{
public:
    SendAwaiter(TaskContext &task, std::shared_ptr<SenderEnd<T>> end, T &&item)
        : SendAwaiterBase(task, *end->core)
        , ParkedSendOf<T>(*end, m_own)
        , m_end(std::move(end))
        , m_own(std::move(item))
    {
        this->m_seam = task.loop().seam();
    }
    ~SendAwaiter() { leave(*this); }
    bool await_ready()
    {
        throwIfCancelled();
        m_yields = task().loop().sliceIsOver();
        return !m_yields && sendNow();
    }
    void await_suspend(std::coroutine_handle<> leaf)
    {
        if (m_yields)
            suspendForATurn(leaf);
        else
            suspendToSleep(leaf);
    }
    bool await_resume()
    {
        throwIfAborted();
        if (m_failure)
            std::rethrow_exception(m_failure);
        if (m_sent != Sent::Full)
            return m_sent == Sent::Yes;
        switch (this->m_result) {
        case ParkedSend::Result::Accepted:
            return true;
        case ParkedSend::Result::Threw:
            std::rethrow_exception(this->m_error);
        default:
            return m_end->core->refuseLate(*m_end);
        }
    }

private:
    using Sent = typename ChannelCore<T>::Sent;
    bool sendNow() noexcept override
    {
        try {
            m_sent = m_end->core->sendOrPark(m_own, *m_end, *this);
            return m_sent != Sent::Full;
        } catch (...) {
            m_failure = std::current_exception();
            return true;
        }
    }
    void arrive() override { arrived(); }
    bool abort() noexcept override { return abortSend(*this); }

    std::shared_ptr<SenderEnd<T>> m_end;
    T m_own;
    std::exception_ptr m_failure;
    Sent m_sent = Sent::Full;
    bool m_yields = false;
};

template<class T>
class SendWait : public AmbientBase
{
public:
    SendWait(std::shared_ptr<SenderEnd<T>> end, T &&item)
        : m_end(std::move(end))
        , m_item(std::move(item))
    {
    }
    SendAwaiter<T> awaiter(TaskContext &task) { return {task, std::move(m_end), std::move(m_item)}; }

private:
    std::shared_ptr<SenderEnd<T>> m_end;
    T m_item;
};

class QMICROIO_EXPORT WorkReceiveAwaiterBase : public Waiter, protected ParkedReceive
{
public:
    QString describe() const override;

protected:
    WorkReceiveAwaiterBase(TaskContext &task, std::shared_ptr<ChannelBase> channel, std::shared_ptr<WorkEnd> end);
    ~WorkReceiveAwaiterBase();
    void begin();
    // With the channel's lock held, when nothing is there for it: true when something may still come.
    bool sleeps(std::coroutine_handle<> leaf);
    bool letsOthersRun(std::coroutine_handle<> leaf);
    [[noreturn]] void throwWhyNothing() const;
    void throwUnlessAtEnd() const;
    bool isEndClosed() const;
    bool ownsOne() const { return m_owns; }
    ChannelBase &channel() const { return *m_kept; }

private:
    friend class ChannelBase;
    bool abort() noexcept override;
    void arrive() override;
    void leave() noexcept;
    const std::shared_ptr<ChannelBase> m_kept;
    const std::shared_ptr<WorkEnd> m_keptEnd;
    bool m_yields = false;
};

template<class T, ReceiveKind Kind>
class WorkReceiveAwaiter final : public WorkReceiveAwaiterBase
{
public:
    WorkReceiveAwaiter(TaskContext &task, std::shared_ptr<ChannelCore<T>> core, std::shared_ptr<WorkEnd> end)
        : WorkReceiveAwaiterBase(task, std::move(core), std::move(end))
    {
    }
    bool await_ready()
    {
        begin();
        return false;
    }
    bool await_suspend(std::coroutine_handle<> leaf)
    {
        {
            ChannelBase::Hold hold(core());
            if (core().available() > 0)
                core().own(*this);
            else if (sleeps(leaf))
                return true;
        }
        return letsOthersRun(leaf);
    }
    auto await_resume()
    {
        throwIfAborted();
        if constexpr (Kind == ReceiveKind::Item) {
            if (!ownsOne())
                throwWhyNothing();
            return core().takeOwned(*this);
        } else {
            std::optional<T> item;
            if (ownsOne())
                item.emplace(core().takeOwned(*this));
            else
                throwUnlessAtEnd();
            return item;
        }
    }

private:
    ChannelCore<T> &core() const { return static_cast<ChannelCore<T> &>(channel()); }
};

template<class T, ReceiveKind Kind>
class WorkReceiveWait : public AmbientBase
{
public:
    WorkReceiveWait(std::shared_ptr<ChannelCore<T>> core, std::shared_ptr<WorkEnd> end)
        : m_core(std::move(core))
        , m_end(std::move(end))
    {
    }
    WorkReceiveAwaiter<T, Kind> awaiter(TaskContext &task) { return {task, std::move(m_core), std::move(m_end)}; }

private:
    std::shared_ptr<ChannelCore<T>> m_core;
    std::shared_ptr<WorkEnd> m_end;
};

[[noreturn]] QMICROIO_EXPORT void throwMovedFrom(const char *what);

} // namespace QMicroIO::detail
