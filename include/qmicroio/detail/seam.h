// floor 2: the only crossing between threads: work handed to a loop, and who waits for whom
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/clock.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>

#include <QtCore/QObject>
#include <QtCore/QSemaphore>
#include <QtCore/QString>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

namespace QMicroIO::detail {

// What two threads write all the time stays this far apart. Of the processors in use; a wrong value costs speed only.
inline constexpr std::size_t CacheLine = 64;

// Something that a loop is asked to look at again: the message carries nothing but that.
class Recheckable
{
public:
    virtual void ref() noexcept = 0;
    virtual void deref() noexcept = 0;
    virtual void recheck() = 0; // loop thread

protected:
    Recheckable() = default;
    ~Recheckable() = default;
    Recheckable(const Recheckable &) = default;
    Recheckable &operator=(const Recheckable &) = default;
};

// Refused: the loop ended without a turn in which the work could run. Whoever waits for it must be told.
enum class Fate { Run, Refused };

// Work of one swap of the seam. Records are built in place and run in place, so that handing over costs no
// allocation once the chunks exist; a batch is only ever touched by one thread or under the seam's lock.
class QMICROIO_EXPORT WorkBatch
{
public:
    WorkBatch() = default;
    WorkBatch(WorkBatch &&other) noexcept { swap(other); }
    WorkBatch &operator=(WorkBatch &&other) noexcept
    {
        swap(other);
        return *this;
    }
    ~WorkBatch();

    bool isEmpty() const { return m_count == 0; }
    void swap(WorkBatch &other) noexcept;

    template<class Work>
    void push(Work &&work)
    {
        using Stored = std::decay_t<Work>;
        static_assert(alignof(Stored) <= alignof(std::max_align_t));
        void *place = reserve(sizeof(Stored));
        ::new (place) Stored(std::forward<Work>(work));
        commit(&runRecord<Stored>);
    }

    // Runs the oldest record; false when there was none. The record is gone from the batch before it runs, so it may
    // run the next one itself (a nested event loop does).
    bool runNext(Fate fate);
    // Makes the memory of records that have run usable again. Not while one of them is still running.
    void recycle() noexcept;

private:
    using Run = void (*)(void *stored, Fate fate);
    struct Record
    {
        Run run;
        std::size_t size;
    };
    struct Chunk
    {
        Chunk *next;
        std::size_t used;
        std::size_t capacity;
    };
    static constexpr std::size_t align(std::size_t size)
    {
        return (size + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    }
    static constexpr std::size_t ChunkHead =
        (sizeof(Chunk) + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    static std::byte *data(Chunk *chunk) { return reinterpret_cast<std::byte *>(chunk) + ChunkHead; }

    template<class Stored>
    static void runRecord(void *stored, Fate fate)
    {
        auto *work = static_cast<Stored *>(stored);
        struct Destroy
        {
            Stored *work;
            ~Destroy() { work->~Stored(); }
        } destroy{work};
        (*work)(fate);
    }

    void *reserve(std::size_t size)
    {
        const std::size_t need = align(sizeof(Record)) + align(size);
        if (!m_tail || m_tail->capacity - m_tail->used < need)
            addChunk(need);
        m_reserved = align(size);
        return data(m_tail) + m_tail->used + align(sizeof(Record));
    }
    void commit(Run run)
    {
        ::new (data(m_tail) + m_tail->used) Record{run, m_reserved};
        m_tail->used += align(sizeof(Record)) + m_reserved;
        ++m_count;
    }
    void addChunk(std::size_t need);

    Chunk *m_head = nullptr; // first chunk with unrun records
    Chunk *m_tail = nullptr;
    Chunk *m_spent = nullptr; // chunks whose records have all been taken
    Chunk *m_free = nullptr;
    std::size_t m_freeCount = 0;
    std::size_t m_readPos = 0; // in m_head
    std::size_t m_reserved = 0;
    std::size_t m_count = 0;
};

class Gate;
class LoopTask;

// One thread in the graph of blocking calls. What it waits for is guarded by the graph's mutex.
class ThreadNode
{
public:
    // Whether what it waits for has come, although it may still be asleep: from then on nobody is kept waiting by it.
    using IsOver = bool (*)(const void *what) noexcept;
    struct Wait
    {
        ThreadNode *target = nullptr;
        const char *call = nullptr;
        IsOver isOver = nullptr;
        const void *what = nullptr;
    };
    QString name; // written by its own thread, or before that begins
    Wait wait;
};

// While it lives, this thread is known to wait for `target`. Throws DeadlockError when that would close a cycle.
//
// The wait counts until what is given with it is open (set): the thread that answers may go on and call the waiter before that
// has woken up. Without it the wait counts until the edge dies. What is given outlives the edge.
class QMICROIO_EXPORT WaitEdge
{
public:
    WaitEdge(const std::shared_ptr<ThreadNode> &target, const char *call);
    WaitEdge(const std::shared_ptr<ThreadNode> &target, const char *call, const Gate &gate);
    WaitEdge(const std::shared_ptr<ThreadNode> &target, const char *call, const std::atomic<bool> &over);
    ~WaitEdge();
    WaitEdge(const WaitEdge &) = delete;
    WaitEdge &operator=(const WaitEdge &) = delete;

private:
    WaitEdge(const std::shared_ptr<ThreadNode> &target, const char *call, ThreadNode::IsOver isOver, const void *what);
    ThreadNode *m_self;
    std::shared_ptr<ThreadNode> m_target;
    ThreadNode::Wait m_outer; // of a call around this one, below a nested event loop
};

QMICROIO_EXPORT QString currentThreadName();
// By which others know that this thread waits.
QMICROIO_EXPORT std::shared_ptr<ThreadNode> currentThreadNode();
// For a thread whose node was known before it began.
QMICROIO_EXPORT void adoptThreadNode(const std::shared_ptr<ThreadNode> &node);

// The entrance to one loop, usable before the loop exists and after it has ended.
//
// Accepting and closing happen under one lock: accepted work is run or refused, never dropped. What the lock covers
// is the move of the work into the batch; work whose move may throw or is large is boxed before, so no foreign code
// that can fail runs under it. Model: tests/models/seam.pml; tools/verify looks at every order of its steps.
class QMICROIO_EXPORT Seam : public std::enable_shared_from_this<Seam>
{
public:
    enum class Admit { Everyone, OwnThread, Nobody };
    enum class From { Anyone, Inside }; // Inside: wake-ups that must reach the loop until its very end

    explicit Seam(std::shared_ptr<ThreadNode> thread = std::make_shared<ThreadNode>());
    ~Seam();
    Seam(const Seam &) = delete;
    Seam &operator=(const Seam &) = delete;

    // False: the loop takes no more work, and `work` never runs. Work of 256 bytes or less whose move cannot throw
    // was then not moved from.
    template<class Work>
    bool post(Work &&work, From from = From::Anyone)
    {
        using Stored = std::decay_t<Work>;
        if constexpr (std::is_nothrow_constructible_v<Stored, Work &&> && sizeof(Stored) <= 256
                      && alignof(Stored) <= alignof(std::max_align_t)) {
            for (;;) {
                std::unique_lock lock(m_mutex);
                if (!admits(from))
                    return false;
                try {
                    m_incoming.push(std::forward<Work>(work)); // throws before it moves
                } catch (const std::bad_alloc &) {
                    if (from == From::Anyone)
                        throw;
                    lock.unlock();
                    waitForMemory(); // without this wake-up somebody would wait for ever
                    continue;
                }
                m_calls += from == From::Anyone ? 1 : 0;
                arrived(lock);
                return true;
            }
        } else {
            if (!isOpen(from))
                return false;
            auto boxed = std::make_unique<Stored>(std::forward<Work>(work));
            return post(
                [owned = std::move(boxed)](Fate fate) mutable {
                    // Moved out first: the work may post to this very loop or end it.
                    const std::unique_ptr<Stored> taken = std::move(owned);
                    (*taken)(fate);
                },
                from);
        }
    }
    // Asks the loop to look at a cancelled scope again. It never carries the exception itself.
    void postRecheck(Recheckable &scope);

    bool isOpen(From from = From::Anyone);
    bool hasIncoming(); // work that the loop has not taken yet
    void open(); // to everyone
    void narrow(Admit whom); // never widens: a late stop() cannot open a loop that has ended

    static int wakeEventType();

    // What the loop calls, on its own thread.
    void attach(QObject *receiver);
    void detach(); // afterwards no wake-up is posted any more
    // The caller owns one reference of each scope. True: `work` was not empty, so newer work stays here; it was announced by
    // a wake-up that is now used up, so the loop has to come again.
    [[nodiscard]] bool take(WorkBatch &work, std::vector<Recheckable *> &rechecks);
    void wakeSelf();
    bool hasRechecks() const noexcept { return m_hasRechecks.load(std::memory_order_acquire); }
    void takeRechecks(std::vector<Recheckable *> &rechecks);
    // True: there was no memory for a wake-up, so that the loop was only stirred. It has to come at once.
    bool takeMissedWake() noexcept
    {
        return Q_UNLIKELY(m_missedWake.load(std::memory_order_relaxed)) && m_missedWake.exchange(false);
    }
    bool isOwnThread() const noexcept { return m_owner.load(std::memory_order_relaxed) == ownerToken(); }

    // Where the loop runs, and one who waits for it right now; -1 if unknown or nobody. On the same core neither may stay awake
    // for the other.
    std::atomic<int> loopCore{-1};
    std::atomic<int> callerCore{-1};
    // Busy-poll mode: while the loop watches, senders only raise a flag.
    std::atomic<qint64> busyPollNs{0};
    bool startWatching(); // false: work has arrived
    bool stopWatching(); // true: work has arrived
    bool seesArrival() const noexcept { return m_arrived.load(std::memory_order_acquire); }

    const std::shared_ptr<ThreadNode> &thread() const { return m_thread; }
    // The thread that this loop's thread blocks for in a call; empty when it blocks for none.
    QString blocksFor() const;

    // For those who ask why a loop does not answer: whether a task runs there, and where it last waited.
    std::atomic<const LoopTask *> running{nullptr};
    std::atomic<std::source_location> lastWait{std::source_location()};
    // How many calls were accepted; what comes from the inside is none.
    quint64 calls();
    // Written by the loop only: how long its turns took while an Observation lives.
    std::atomic<qint64> busyNs{0};
    std::atomic<qint64> busySinceNs{0}; // since the clock's epoch; zero between two turns

    // A loop that seems to be stuck may be looked at from another thread: who does so announces it, looks a while later, and
    // takes it back. In between no task is destroyed that `running` was just read to be.
    std::atomic<int> onlookers{0};
    void letOthersLook()
    {
        if (Q_UNLIKELY(onlookers.load(std::memory_order_acquire) > 0))
            const std::lock_guard lock(m_lookMutex);
    }
    template<class Look>
    void lookAtRunning(Look look)
    {
        const std::lock_guard lock(m_lookMutex);
        if (const LoopTask *task = running.load(std::memory_order_acquire))
            look(*task);
    }

private:
    static quint64 ownerToken() noexcept;
    static void waitForMemory();
    bool admits(From from) const
    {
        if (m_admit == Admit::Everyone)
            return true;
        return m_admit == Admit::OwnThread && (from == From::Inside || isOwnThread());
    }
    void arrived(std::unique_lock<std::mutex> &lock)
    {
        m_arrived.store(true, std::memory_order_release);
        const bool wake = !m_wakePosted && !m_watching;
        m_wakePosted = m_wakePosted || wake;
        lock.unlock();
        if (wake)
            postWake();
    }
    void postWake() noexcept; // what was accepted must reach the loop, with memory or without

    std::mutex m_mutex;
    WorkBatch m_incoming;
    std::vector<Recheckable *> m_rechecks;
    Admit m_admit = Admit::Nobody;
    bool m_wakePosted = false;
    bool m_watching = false;
    quint64 m_calls = 0;
    std::atomic<bool> m_arrived{false};
    std::atomic<bool> m_missedWake{false};
    alignas(CacheLine) std::atomic<bool> m_hasRechecks{false}; // read at every wait
    std::atomic<quint64> m_owner{0};

    std::mutex m_receiverMutex; // keeps the receiver alive while a sender posts to it
    QObject *m_receiver = nullptr;
    std::mutex m_lookMutex;

    const std::shared_ptr<ThreadNode> m_thread;
};

// The processor core that this thread runs on right now; -1 where the system does not say.
QMICROIO_EXPORT int currentCore() noexcept;

// About the time that waking a sleeping thread takes; zero on a machine with one core. Who stays awake that long before a
// wait often saves the whole wake-up, and never loses more than once its price.
QMICROIO_EXPORT std::chrono::nanoseconds wakeUpTime();

// Stands for a caller that waits for a loop, while it waits.
class QMICROIO_EXPORT LoopCaller
{
public:
    explicit LoopCaller(Seam &seam) noexcept;
    ~LoopCaller() { m_seam.callerCore.store(-1, std::memory_order_relaxed); }
    LoopCaller(const LoopCaller &) = delete;
    LoopCaller &operator=(const LoopCaller &) = delete;
    // How long it may stay awake before it sleeps.
    std::chrono::nanoseconds spin() const { return m_spin; }

private:
    Seam &m_seam;
    std::chrono::nanoseconds m_spin{};
};

// Stays awake until `done` holds, at most that long; what it says last.
template<class Predicate>
bool spinUntil(Predicate done, std::chrono::nanoseconds longest)
{
    if (done())
        return true;
    if (longest <= longest.zero())
        return false;
    const TimePoint end = Clock::now() + longest;
    do {
        for (int i = 0; i < 32; ++i) {
            if (done())
                return true;
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#endif
        }
    } while (Clock::now() < end);
    return false;
}

// The same where the thread that is waited for may stand in the queue of this very core: the core is given away at each look.
// Ends early once that takes long, for then others than that thread want the core, and a sleep is cheaper.
template<class Predicate>
bool yieldUntil(Predicate done, std::chrono::nanoseconds longest)
{
    TimePoint time = Clock::now();
    const TimePoint end = time + longest;
    while (!done()) {
        if (time >= end)
            return false;
        std::this_thread::yield();
        const TimePoint before = std::exchange(time, Clock::now());
        if (time - before > 2 * wakeUpTime())
            return done();
    }
    return true;
}

// One thread waits once for another. Opening never touches the gate after the waiter may have gone on, so it can
// live on the waiter's stack.
class QMICROIO_EXPORT Gate
{
public:
    void open() noexcept;
    enum class Counts { AsNow, AsSystem };
    // Spins for `spin`, then sleeps; false when the deadline passed first. It counts by the clock of now() or, whatever
    // a test does to that, by the system's.
    bool wait(QDeadlineTimer deadline, std::chrono::nanoseconds spin = {}, Counts counts = Counts::AsNow);
    bool isOpen() const noexcept { return m_state.load(std::memory_order_acquire) == Open; }

private:
    enum State { Shut, Sleeping, Open };
    bool sleepByHook(ClockHook &clock, TimePoint until, bool &clockIsGone);
    std::atomic<int> m_state{Shut};
    QSemaphore m_opened;
};

} // namespace QMicroIO::detail
