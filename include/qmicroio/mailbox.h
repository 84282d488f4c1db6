// floor 9: messages for one taker: first in first out, or the most urgent first
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/channelcore.h>
#include <qmicroio/detail/listing.h>
#include <qmicroio/detail/promise.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>

#include <QtCore/QObject>
#include <QtCore/QString>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace QMicroIO {

/// A snapshot: sent == received + queued, always.
struct MailboxStats
{
    quint64 sent = 0; ///< accepted
    quint64 received = 0; ///< taken by a get, a drain or an actor, or consumed by the gate
    quint64 consumed = 0; ///< those that the gate kept back
    quint64 dropped = 0; ///< dead letters: submitted after the end, never accepted
    qsizetype queued = 0; ///< accepted and not taken yet
    bool closed = false; ///< nothing is accepted any more
};

class MailboxWatcher;
template<class T>
class ActorCore;

namespace detail {

class GetAwaiterBase;
template<class T, bool EndIsValue>
class GetAwaiter;
class MailboxWatch;

// What does not depend on the items: who takes, who waits, how it ended.
//
// Two locks, so that who takes does not stand in the way of who submits: the taker's is locked before the submitter's, and it
// covers what has been taken over and the waiter. No lock is held while a key, a gate or a signal runs.
class QMICROIO_EXPORT MailboxBase : public std::enable_shared_from_this<MailboxBase>
{
public:
    explicit MailboxBase(const QString &name);
    virtual ~MailboxBase();
    MailboxBase(const MailboxBase &) = delete;
    MailboxBase &operator=(const MailboxBase &) = delete;

    bool close();
    bool fail(std::exception_ptr error);
    bool isClosed() const;
    MailboxStats stats() const;
    QString label() const;

    void addWatch(std::shared_ptr<MailboxWatch> watch);
    void removeWatch(const MailboxWatch &watch) noexcept;
    quint64 deadLetters(MailboxWatch &watch); // the watch is told again of the next one

    void throwFailure() const; // returns when it was closed without one
    [[noreturn]] void throwEnd() const;

protected:
    friend class GetAwaiterBase;
    using Lock = std::unique_lock<std::mutex>;

    // With the taker's lock. Takes over what has arrived; true when there is something to take. May let go of the lock while a
    // gate runs, and throws what that throws.
    virtual bool prepare(Lock &take) = 0;
    // With both locks: something may be there that the last prepare() did not see.
    virtual bool hasMore() const = 0;

    // With the submitter's lock.
    bool isOpen() const { return m_end == End::Open; }
    bool refuse(Lock &lock);
    void accepted(Lock &lock)
    {
        ++m_sent;
        if (m_asleep)
            wake(lock);
    }
    void wake(Lock &lock);
    void wakeTaker(); // to look again: not for an item

    mutable std::mutex m_takeMutex;
    quint64 m_received = 0;
    quint64 m_consumed = 0;
    bool m_reserved = false; // the waiter is on its way to the first item
    GetAwaiterBase *m_waiter = nullptr; // from its suspension to its resumption

    alignas(CacheLine) mutable std::mutex m_mutex; // the submitter's

private:
    enum class End { Open, Closed, Failed };
    bool finish(End end, std::exception_ptr error);
    void arrive(quint64 ticket);
    void look(quint64 ticket);

    quint64 m_ticket = 0; // of the waiter
    unsigned m_sinceLook = 0;

    End m_end = End::Open;
    std::exception_ptr m_error;
    quint64 m_sent = 0;
    quint64 m_dropped = 0;
    std::shared_ptr<Seam> m_asleep; // the loop of a waiter that must be woken
    std::vector<std::shared_ptr<MailboxWatch>> m_watches;
    const QString m_name;

    static void report(const void *object, ListedState &into);
    const Listing m_listing{Listing::Kind::Mailbox, this, &report};
};

template<class T>
class MailboxCore : public MailboxBase
{
public:
    using MailboxBase::MailboxBase;

    virtual bool submit(T &&item) = 0;
    std::vector<T> drain(qsizetype maxItems)
    {
        std::vector<T> items;
        Lock take(m_takeMutex);
        const bool found = prepare(take);
        // A get that waits is on its way to the first item, and what follows comes after it.
        if (m_reserved || (m_waiter && found))
            return items;
        const std::size_t most = std::min(left(), maxItems < 0 ? std::size_t(-1) : std::size_t(maxItems));
        items.reserve(most);
        while (items.size() < most) {
            try {
                items.push_back(std::move(first()));
            } catch (...) {
                if (items.empty())
                    throw;
                break; // what could be moved is given; the next call throws
            }
            popFirst();
        }
        return items;
    }

protected:
    template<class, bool>
    friend class detail::GetAwaiter;
    // With the taker's lock, after prepare().
    virtual T &
    first() = 0; // whatever the floor; to be moved from, then popped, so that a move that throws loses nothing
    virtual void popFirst() = 0;
    virtual std::size_t left() const = 0;
};

template<class T>
class FifoCore final : public MailboxCore<T>
{
    using Lock = typename MailboxBase::Lock;

public:
    using MailboxCore<T>::MailboxCore;

    bool submit(T &&item) override
    {
        Lock lock(this->m_mutex);
        if (!this->isOpen())
            return this->refuse(lock);
        m_incoming.push(std::move(item));
        this->accepted(lock);
        return true;
    }

private:
    bool prepare(Lock &) override
    {
        if (!m_taken.isEmpty())
            return true;
        const std::lock_guard lock(this->m_mutex);
        m_taken.swap(m_incoming);
        return !m_taken.isEmpty();
    }
    bool hasMore() const override { return !m_taken.isEmpty() || !m_incoming.isEmpty(); }
    T &first() override
    {
        if (m_taken.isEmpty()) {
            const std::lock_guard lock(this->m_mutex);
            m_taken.swap(m_incoming);
        }
        return m_taken.front();
    }
    void popFirst() override
    {
        m_taken.pop();
        ++this->m_received;
    }
    std::size_t left() const override
    {
        const std::lock_guard lock(this->m_mutex);
        return m_taken.size() + m_incoming.size();
    }

    ItemQueue<T> m_taken; // the taker's
    alignas(CacheLine) ItemQueue<T> m_incoming; // the submitter's
};

} // namespace detail

/// A gate that lets every item through.
struct AcceptAll
{
    /// True. Thread: any.
    template<class T>
    bool operator()(const T &) const noexcept
    {
        return true;
    }
};

namespace detail {

[[noreturn]] QMICROIO_EXPORT void throwLevelIsNan(const char *what);
[[noreturn]] QMICROIO_EXPORT void throwGateTakes(const QString &label);

// A heap by level, then by arrival. Items that cannot be moved about without a risk stay where they are, on the heap.
template<class Level, class T>
class LevelQueue
{
    struct Entry
    {
        Level level;
        quint64 order;
        T item;
    };
    static constexpr bool InPlace =
        std::is_nothrow_move_constructible_v<Entry> && std::is_nothrow_move_assignable_v<Entry> && sizeof(Entry) <= 128;
    using Stored = std::conditional_t<InPlace, Entry, std::unique_ptr<Entry>>;
    static constexpr std::size_t KeptBytes = 1024 * 1024;

public:
    bool isEmpty() const { return m_heap.empty(); }
    std::size_t size() const { return m_heap.size(); }
    const Level &firstLevel() const { return entry(&m_heap.front()).level; }
    // Strong guarantee: when it throws, nothing was added and nothing was moved from.
    void push(Level &&level, T &&item)
    {
        if (m_heap.size() == m_heap.capacity())
            m_heap.reserve(std::max<std::size_t>(16, 2 * m_heap.size()));
        if constexpr (InPlace)
            m_heap.push_back(Entry{std::move(level), m_order, std::move(item)});
        else
            m_heap.push_back(std::make_unique<Entry>(level, m_order, std::move(item)));
        ++m_order;
        std::push_heap(m_heap.begin(), m_heap.end(), &LevelQueue::isLess);
    }
    T &first()
    {
        if constexpr (InPlace)
            return m_heap.front().item;
        else
            return m_heap.front()->item;
    }
    void popFirst()
    {
        std::pop_heap(m_heap.begin(), m_heap.end(), &LevelQueue::isLess);
        removeLast();
    }

private:
    static const Entry &entry(const Stored *stored)
    {
        if constexpr (InPlace)
            return *stored;
        else
            return **stored;
    }
    static bool isLess(const Stored &left, const Stored &right)
    {
        const Entry &a = entry(&left);
        const Entry &b = entry(&right);
        return a.level < b.level || (!(b.level < a.level) && a.order > b.order);
    }
    void removeLast() noexcept
    {
        m_heap.pop_back();
        if (m_heap.empty() && m_heap.capacity() > KeptBytes / sizeof(Stored))
            std::vector<Stored>().swap(m_heap);
    }
    std::vector<Stored> m_heap;
    quint64 m_order = 0;
};

template<class T, class Key, class Gate>
class PriorityCore final : public MailboxCore<T>
{
    using Lock = typename MailboxBase::Lock;

public:
    using Level = std::decay_t<std::invoke_result_t<const Key &, const T &>>;

    PriorityCore(const QString &name, Key key, Gate gate)
        : MailboxCore<T>(name)
        , m_key(std::move(key))
        , m_gate(std::move(gate))
    {
    }

    bool submit(T &&item) override
    {
        Level level = std::invoke(m_key, std::as_const(item));
        requireOrdered(level, "PriorityMailbox::submit(): the key");
        Lock lock(this->m_mutex);
        if (!this->isOpen())
            return this->refuse(lock);
        m_incoming.push(Arrival{std::move(level), std::move(item)});
        this->accepted(lock);
        return true;
    }
    void setFloor(std::optional<Level> floor)
    {
        if (floor)
            requireOrdered(*floor, "PriorityMailbox::setFloor(): the level");
        {
            const std::lock_guard take(this->m_takeMutex);
            m_floor.swap(floor);
        }
        this->wakeTaker();
    }
    std::optional<Level> floor() const
    {
        const std::lock_guard take(this->m_takeMutex);
        return m_floor;
    }

private:
    static constexpr bool IsGated = !std::is_same_v<Gate, AcceptAll>;
    struct Arrival
    {
        Level level;
        T item;
    };

    static void requireOrdered(const Level &level, const char *what)
    {
        if constexpr (std::is_floating_point_v<Level>) {
            if (std::isnan(level))
                throwLevelIsNan(what);
        }
    }
    bool isTakeable() const { return !m_sorted.isEmpty() && (!m_floor || *m_floor < m_sorted.firstLevel()); }
    bool prepare(Lock &take) override
    {
        bool hasLooked = false;
        for (;;) {
            while (m_gating != std::thread::id()) {
                if (m_gating == std::this_thread::get_id())
                    throwGateTakes(this->label());
                m_gateReturned.wait(take);
            }
            if (m_arrived.isEmpty()) {
                // Once a call: with submitters that are fast enough it would never end.
                if (std::exchange(hasLooked, true))
                    return isTakeable();
                const std::lock_guard lock(this->m_mutex);
                m_arrived.swap(m_incoming);
                if (m_arrived.isEmpty())
                    return isTakeable();
            }
            if (IsGated && !m_firstIsAccepted && !passesGate(take))
                continue;
            m_firstIsAccepted = true;
            m_sorted.push(std::move(m_arrived.front().level), std::move(m_arrived.front().item));
            m_firstIsAccepted = false;
            m_arrived.pop();
        }
    }
    // Shows the first arrival to the gate; false: it is consumed.
    bool passesGate(Lock &take)
    {
        m_gating = std::this_thread::get_id(); // from here on nobody else touches the arrivals
        take.unlock();
        struct Finish
        {
            PriorityCore *core;
            Lock &take;
            bool passed = false;
            ~Finish()
            {
                if (!passed)
                    core->m_arrived.pop();
                take.lock();
                if (!passed) {
                    ++core->m_received;
                    ++core->m_consumed;
                }
                core->m_gating = std::thread::id();
                core->m_gateReturned.notify_all();
            }
        } finish{this, take};
        finish.passed = bool(std::invoke(m_gate, std::as_const(m_arrived.front().item)));
        return finish.passed;
    }
    bool hasMore() const override
    {
        return m_gating != std::thread::id() || !m_arrived.isEmpty() || !m_incoming.isEmpty() || isTakeable();
    }
    T &first() override { return m_sorted.first(); }
    void popFirst() override
    {
        m_sorted.popFirst();
        ++this->m_received;
    }
    std::size_t left() const override { return m_sorted.size(); }

    const Key m_key;
    Gate m_gate;
    // The taker's:
    ItemQueue<Arrival> m_arrived;
    LevelQueue<Level, T> m_sorted;
    std::optional<Level> m_floor;
    std::thread::id m_gating; // who is inside the gate
    std::condition_variable m_gateReturned;
    bool m_firstIsAccepted = false;
    // The submitter's:
    alignas(CacheLine) ItemQueue<Arrival> m_incoming;
};

class QMICROIO_EXPORT GetAwaiterBase : public Waiter, private ReadyNode
{
public:
    QString describe() const override;

protected:
    GetAwaiterBase(TaskContext &task, MailboxBase &box)
        : Waiter(task)
        , m_box(&box)
    {
    }
    ~GetAwaiterBase()
    {
        if (Q_UNLIKELY(m_isWaiting))
            letGo();
    }
    // Before anything is taken, with the taker's lock held: false when this get has to let others have a turn first.
    bool begin();
    bool prepare(std::unique_lock<std::mutex> &take) { return m_box->prepare(take); }
    std::mutex &takeMutex() const { return m_box->m_takeMutex; }
    void suspend(std::coroutine_handle<> leaf);
    // With the taker's lock held, after a suspension: true when an item is reserved. Throws when it was cancelled or a gate threw.
    bool resumed();
    bool wasSuspended() const { return m_kept != nullptr; }
    MailboxBase *m_box;

private:
    friend class MailboxBase;
    bool abort() noexcept override;
    void resumeFromLoop() override;
    void letGo() noexcept;
    void lookLater();
    void requireAlone() const;
    bool isParked() const { return task().parked() == this; }
    std::shared_ptr<MailboxBase> m_kept; // once suspended: the mailbox's handles may be destroyed meanwhile
    std::exception_ptr m_gateError;
    bool m_isWaiting = false;
};

template<class T, bool EndIsValue>
class GetAwaiter final : public GetAwaiterBase
{
public:
    GetAwaiter(TaskContext &task, MailboxCore<T> &core)
        : GetAwaiterBase(task, core)
    {
    }
    bool await_ready()
    {
        throwIfCancelled();
        std::unique_lock take(takeMutex());
        if (!begin())
            return false;
        if (prepare(take))
            takeFirst();
        return m_item.has_value();
    }
    void await_suspend(std::coroutine_handle<> leaf) { suspend(leaf); }
    auto await_resume()
    {
        if (Q_UNLIKELY(wasSuspended())) {
            const std::lock_guard take(takeMutex());
            if (resumed())
                takeFirst();
        }
        if constexpr (EndIsValue) {
            if (!m_item)
                m_box->throwFailure();
            return std::move(m_item);
        } else {
            if (!m_item)
                m_box->throwEnd();
            return T(std::move(*m_item));
        }
    }

private:
    void takeFirst()
    {
        m_item.emplace(std::move(core().first()));
        core().popFirst();
    }
    MailboxCore<T> &core() const { return static_cast<MailboxCore<T> &>(*m_box); }
    std::optional<T> m_item;
};

template<class T, bool EndIsValue>
class GetWait : public AmbientBase
{
public:
    explicit GetWait(MailboxCore<T> &core)
        : m_core(core)
    {
    }
    GetAwaiter<T, EndIsValue> awaiter(TaskContext &task) const { return {task, m_core}; }

private:
    MailboxCore<T> &m_core;
};

// Shared by all copies of a handle, and by the actors that were given one. The last one to go closes the mailbox.
template<class T>
struct MailboxEnd
{
    explicit MailboxEnd(std::shared_ptr<MailboxCore<T>> mailbox)
        : core(std::move(mailbox))
    {
    }
    MailboxEnd(const MailboxEnd &) = delete;
    MailboxEnd &operator=(const MailboxEnd &) = delete;
    ~MailboxEnd() { core->close(); }
    const std::shared_ptr<MailboxCore<T>> core;
};

} // namespace detail

/// What Mailbox and PriorityMailbox have in common, and what an actor needs of them: a handle.
///
/// Copies are handles to the same mailbox; when the last one is destroyed, the mailbox is closed. Items that nobody has taken by
/// the time that nobody can any more are reported by a warning.
/// Thread:   any, beside any other; one get at a time, on any loop. Unlike a channel's receiver it is bound to no loop, so that
///           an actor can be started again on another one.
/// Lifetime: a get keeps its mailbox alive. Fails: LogicError, every method, of a handle that was moved from, and of get(),
///           next() and drainNowait() inside a gate of the same mailbox.
template<class T>
class MailboxHandle
{
    static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>, "QMicroIO: messages are movable values.");

public:
    /// Puts an item in; never waits. False: it came after the end, and is counted as a dead letter.
    ///
    /// Thread: any. Suspends: never. Blocks: for one short lock, under which the item is moved: T's move constructor must not use
    /// this mailbox. Order: items of one thread keep theirs. Fails: what the key throws, and what T's move throws: the item was then
    /// not accepted. Cost: no allocation in a steady state; one posted event when the taker sleeps.
    bool submit(T item) const { return core().submit(std::move(item)); }
    /// The same.
    bool put(T item) const { return submit(std::move(item)); }
    /// co_await get(): the next item.
    ///
    /// Suspends: while nothing is to be had, and after about 5 ms without a turn. Cancel point: always; a cancelled get takes
    /// nothing. Resumes: on its own thread, from its loop, never inside a submit.
    /// Fails: EndOfStream once closed, the failure once failed, both after what is queued, every time; BusyResourceError while
    ///        another get waits; what a gate throws.
    detail::GetWait<T, false> get() const { return detail::GetWait<T, false>(core()); }
    /// co_await next(): as get(), but nullopt at the end: while (auto item = co_await mailbox.next()) { ... }
    detail::GetWait<T, true> next() const { return detail::GetWait<T, true>(core()); }
    /// What is queued now, at most maxItems (negative: all), in the order in which get() would give it, whatever the floor.
    ///
    /// Suspends: never. While a get is on its way to the first item, nothing is drained. Fails: what a gate throws, and what
    /// T's move throws; nothing was taken then.
    std::vector<T> drainNowait(qsizetype maxItems = -1) const { return core().drain(maxItems); }
    /// No more items; those that are queued can still be taken. Repeat: true for the first end only.
    bool close() const { return core().close(); }
    /// The same, and who takes gets `error` after what is queued, with its own type. Fails: std::invalid_argument for null.
    bool fail(std::exception_ptr error) const { return core().fail(std::move(error)); }
    /// Thread: any.
    bool isClosed() const { return core().isClosed(); }
    /// Thread: any.
    MailboxStats stats() const { return core().stats(); }

protected:
    /// For the kinds of mailboxes.
    explicit MailboxHandle(std::shared_ptr<detail::MailboxCore<T>> core)
        : m_end(std::make_shared<detail::MailboxEnd<T>>(std::move(core)))
    {
    }
    MailboxHandle(const MailboxHandle &) = default;
    MailboxHandle(MailboxHandle &&) noexcept = default;
    MailboxHandle &operator=(const MailboxHandle &) = default;
    MailboxHandle &operator=(MailboxHandle &&) noexcept = default;
    ~MailboxHandle() = default;

    /// For the kinds of mailboxes.
    detail::MailboxCore<T> &core() const { return *state(); }

private:
    friend class MailboxWatcher;
    friend class ActorCore<T>;
    const std::shared_ptr<detail::MailboxCore<T>> &state() const
    {
        if (Q_UNLIKELY(!m_end))
            detail::throwMovedFrom("mailbox handle");
        return m_end->core;
    }
    std::shared_ptr<detail::MailboxEnd<T>> m_end;
};

/// Messages in the order of their arrival. See MailboxHandle for its methods.
///
/// Cost: two allocations to make it; then as the methods say.
/// Source: the mailbox of microio.
template<class T>
class Mailbox : public MailboxHandle<T>
{
public:
    /// `name` is for diagnostics.
    /// Thread: any.
    explicit Mailbox(const QString &name = {})
        : MailboxHandle<T>(std::make_shared<detail::FifoCore<T>>(name))
    {
    }
};

/// The most urgent message first, first in first out within a level. See MailboxHandle for its methods.
///
///     PriorityMailbox<Job, decltype(urgency)> jobs(urgency);     // auto urgency = [](const Job &job) { return job.urgency; };
///     jobs.setFloor(0);                                          // from now on nothing that is not above 0
///
/// key(item) gives the level of an item, a value that can be compared by < (no NaN). It is called in submit(), so on several
/// threads at once. gate(item) sees each item once, in the order of arrival, on the thread that takes, one at a time; an item for
/// which it answers false, or throws, is consumed: received, but delivered to nobody. What it throws comes out of the get or drain.
/// A gate must not take from its own mailbox (LogicError); a drain from another thread waits while it runs.
/// Cost: O(log queued) for what comes in and goes out; the key is asked once for each item.
/// Source: the priority mailbox of microio.
template<class T, class Key, class Gate = AcceptAll>
class PriorityMailbox : public MailboxHandle<T>
{
    static_assert(std::is_invocable_v<const Key &, const T &>,
                  "QMicroIO: the key of a PriorityMailbox<T> is called as key(const T &) on a const object, on several "
                  "threads at once; it gives the level.");
    static_assert(std::is_invocable_r_v<bool, Gate &, const T &>,
                  "QMicroIO: the gate of a PriorityMailbox<T> is called as gate(const T &); it gives a bool.");
    using Core = detail::PriorityCore<T, Key, Gate>;

public:
    /// What key(item) gives.
    using Level = typename Core::Level;

    /// `name` is for diagnostics.
    /// Thread: any.
    explicit PriorityMailbox(Key key, Gate gate = {}, const QString &name = {})
        : PriorityMailbox(std::make_shared<Core>(name, std::move(key), std::move(gate)))
    {
    }
    /// Items at or below this level stay until the floor is lowered or taken away (nullopt); drainNowait() and the end of the
    /// mailbox do not wait for that. Thread: any. Fails: std::invalid_argument for NaN; never because the mailbox is closed.
    void setFloor(std::optional<Level> level) const
    {
        static_cast<void>(this->core()); // throws when this handle was moved from
        m_levels->setFloor(std::move(level));
    }
    /// Thread: any.
    std::optional<Level> floor() const
    {
        static_cast<void>(this->core());
        return m_levels->floor();
    }

private:
    explicit PriorityMailbox(const std::shared_ptr<Core> &core)
        : MailboxHandle<T>(core)
        , m_levels(core.get())
    {
    }
    Core *m_levels; // kept by the base
};

/// Tells of the dead letters of a mailbox: items that were submitted after its end and so reach nobody.
///
/// Thread:   it lives on the thread that made it, which needs an event loop.
/// Lifetime: it keeps the mailbox's state, not the mailbox: that closes with its last handle.
/// Cost:     nothing for an item that arrives; one posted event a turn for those that do not.
/// Signals:  deadLettersChanged(), from its own thread's loop, never inside a submit.
class QMICROIO_EXPORT MailboxWatcher : public QObject
{
    Q_OBJECT
    Q_PROPERTY(quint64 deadLetters READ deadLetters NOTIFY deadLettersChanged)
public:
    /// Of this mailbox, from now on. Thread: one with an event loop, in which the object then lives.
    template<class T>
    explicit MailboxWatcher(const MailboxHandle<T> &mailbox, QObject *parent = nullptr)
        : MailboxWatcher(std::shared_ptr<detail::MailboxBase>(mailbox.state()), parent)
    {
    }
    /// The same for the mailbox of an actor.
    /// Thread: as above.
    template<class T>
    explicit MailboxWatcher(const ActorCore<T> &actor, QObject *parent = nullptr)
        : MailboxWatcher(actor.m_mailbox, parent)
    {
    }
    ~MailboxWatcher() override;

    /// All so far. Thread: any.
    quint64 deadLetters() const;

Q_SIGNALS:
    /// Emitted: at most once a turn of the loop, however many there were; the last one tells the final number.
    void deadLettersChanged(quint64 total);

private:
    friend class detail::MailboxWatch;
    explicit MailboxWatcher(std::shared_ptr<detail::MailboxBase> mailbox, QObject *parent);
    std::shared_ptr<detail::MailboxBase> m_mailbox;
    std::shared_ptr<detail::MailboxWatch> m_watch;
};

} // namespace QMicroIO
