// floor 3: one thread's turn: handed-over work, due timers, tasks that are ready
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/seam.h>
#include <qmicroio/export.h>

#include <QtCore/QBasicTimer>
#include <QtCore/QObject>
#include <QtCore/QPointer>
#include <QtCore/QString>

#include <functional>
#include <memory>
#include <source_location>
#include <vector>

QT_BEGIN_NAMESPACE
class QAbstractEventDispatcher;
QT_END_NAMESPACE

namespace QMicroIO::detail {

class Loop;

// Something that the loop resumes once, in a later turn.
class ReadyNode
{
public:
    ReadyNode(const ReadyNode &) = delete;
    ReadyNode &operator=(const ReadyNode &) = delete;
    bool isReady() const { return m_previousReady != this; }

protected:
    ReadyNode() = default;
    ~ReadyNode() = default;

private:
    friend class Loop;
    virtual void resumeFromLoop() = 0;
    ReadyNode *m_previousReady = this; // itself: not in the queue
    ReadyNode *m_nextReady = nullptr;
};

// A task, as far as its loop needs to know it.
class LoopTask : public ReadyNode
{
public:
    virtual QString name() const = 0;
    // One line for people: name, state, where it waits and for what.
    virtual QString describe() const = 0;
    virtual std::source_location site() const = 0;
    // Ends the current wait if it can be ended; otherwise the next one throws.
    virtual void deliverCancel() = 0;

protected:
    LoopTask() = default;
    ~LoopTask() = default;

private:
    friend class Loop;
    LoopTask *m_previousInLoop = nullptr;
    LoopTask *m_nextInLoop = nullptr;
};

// A group of tasks, as far as its loop needs to know it.
class LoopGroup
{
public:
    LoopGroup(const LoopGroup &) = delete;
    LoopGroup &operator=(const LoopGroup &) = delete;

protected:
    LoopGroup() = default;
    ~LoopGroup() = default;

private:
    friend class Loop;
    LoopGroup *m_previousInLoop = nullptr;
    LoopGroup *m_nextInLoop = nullptr;
};

class TimerNode
{
public:
    TimerNode(const TimerNode &) = delete;
    TimerNode &operator=(const TimerNode &) = delete;
    TimePoint when() const { return m_when; }
    bool isArmed() const { return m_index != Unarmed; }

protected:
    TimerNode() = default;
    explicit TimerNode(TimePoint when)
        : m_when(when)
    {
    }
    ~TimerNode() = default;

private:
    friend class TimerQueue;
    virtual void timerFired() = 0; // already disarmed
    static constexpr quint32 Unarmed = quint32(-1);
    TimePoint m_when = TimePoint::max();
    quint32 m_index = Unarmed; // 32 bits, so that a derived class finds room beside it
};

// A 4-ary heap ordered by time, then by order of arming. Add and remove: O(log n), no allocation beyond the array.
class QMICROIO_EXPORT TimerQueue
{
public:
    void add(TimerNode &node, TimePoint when);
    void remove(TimerNode &node) noexcept;
    bool isEmpty() const { return m_heap.empty(); }
    std::size_t size() const { return m_heap.size(); }
    TimePoint next() const { return m_heap.empty() ? TimePoint::max() : m_heap.front().when; }
    // Disarms the first node that is due and calls it; false when none is.
    bool fireOne(TimePoint now);

private:
    struct Entry
    {
        TimePoint when;
        quint64 order;
        TimerNode *node;
        bool before(const Entry &other) const { return when != other.when ? when < other.when : order < other.order; }
    };
    void place(std::size_t index, const Entry &entry);
    void siftUp(std::size_t index, const Entry &entry);
    void siftDown(std::size_t index, const Entry &entry);
    std::vector<Entry> m_heap;
    quint64 m_order = 0;
};

// Told when the loop has ended, on the loop's thread, so that nobody waits for it any more.
class LoopObserver
{
public:
    virtual void loopEnded() = 0;

protected:
    LoopObserver() = default;
    ~LoopObserver() = default;
    LoopObserver(const LoopObserver &) = default;
    LoopObserver &operator=(const LoopObserver &) = default;
};

// Everything that tasks need of their thread. One for each thread that runs tasks, made on first use or by a service.
class QMICROIO_EXPORT Loop
{
public:
    enum class Owner { Thread, Service };

    // A service passes its seam, which callers have known since before the thread ran.
    explicit Loop(std::shared_ptr<Seam> seam, Owner owner);
    ~Loop();
    Loop(const Loop &) = delete;
    Loop &operator=(const Loop &) = delete;

    static Loop *current() noexcept;
    // The current thread's loop, made if need be. LogicError in a thread without an event dispatcher.
    static Loop &ensure();

    const std::shared_ptr<Seam> &seam() const { return m_seam; }
    QObject *context() const;
    QString name() const { return m_name; }
    bool isService() const { return m_owner == Owner::Service; }

    void makeReady(ReadyNode &node);
    void forget(ReadyNode &node) noexcept;
    void resumeNow(ReadyNode &node) { node.resumeFromLoop(); } // for code that a turn runs
    void addTimer(TimerNode &node, TimePoint when);
    void removeTimer(TimerNode &node) noexcept { m_timers.remove(node); }
    // For code that looks at the clock between two turns, in a task that computes for long.
    void fireDueTimers()
    {
        if (!m_timers.isEmpty() && m_timers.next() <= now())
            fireTimers(now());
    }
    std::size_t timerCount() const { return m_timers.size(); }

    // Runs `prepare` and then the first turn, without a way through the event dispatcher.
    template<class Prepare>
    void startWith(Prepare prepare)
    {
        ++m_depth; // what becomes ready needs no wake-up
        prepare();
        --m_depth;
        turn();
    }

    // True once in about 5 ms of work without a turn: time for a long-running receiver to let others go on.
    bool sliceIsOver();
    // Applies cancellations that other threads have asked for; cheap when there are none.
    void applyRechecks()
    {
        if (Q_UNLIKELY(m_seam->hasRechecks()))
            applyPendingRechecks();
    }

    // Once ending, every wait on this loop throws Cancelled, whatever shields say.
    bool isEnding() const { return m_ending; }
    TimePoint endingSince() const { return m_endingSince; } // once it is ending
    // For a service: how to stop it when the QCoreApplication goes, without which no loop turns.
    void setStop(std::function<void()> stop);
    void stopOwner()
    {
        if (m_stop)
            m_stop();
    }
    // Refuses new work, runs what was accepted, cancels the tasks that are left and tells the observers. Idempotent.
    void close();

    void addObserver(std::weak_ptr<LoopObserver> observer);

    void linkTask(LoopTask &task) noexcept;
    void unlinkTask(LoopTask &task) noexcept;
    LoopTask *running() const { return m_running; }
    LoopTask *setRunning(LoopTask *task, std::source_location site) noexcept;
    void linkGroup(LoopGroup &group) noexcept;
    void unlinkGroup(LoopGroup &group) noexcept;
    // Newest first. On the loop's thread.
    template<class Visit>
    void forEachTask(Visit visit) const
    {
        for (const LoopTask *task = m_firstTask; task; task = task->m_nextInLoop)
            visit(*task);
    }
    template<class Visit>
    void forEachGroup(Visit visit) const
    {
        for (const LoopGroup *group = m_firstGroup; group; group = group->m_nextInLoop)
            visit(*group);
    }
    // For whoever told the event loop to quit: busy-poll mode is not to keep it.
    void endWatch() noexcept { m_watchEnds = true; }
    // How many resumptions the time of the next one stands for; zero: it is not measured. With many short ones in a turn
    // one of sixteen is looked at, since two looks at the clock cost as much as a short one.
    int pollWeight() noexcept
    {
        if (Q_LIKELY(m_pollWeight == 0))
            return 0;
        return (m_polls++ % unsigned(m_pollWeight)) == 0 ? m_pollWeight : 0;
    }
    // When this turn began; outside a turn, now. For time stamps that may cost nothing.
    TimePoint turnTime() const noexcept;
    // One line for each task: name, state, where it waits and for what. On the loop's thread.
    QStringList describeTasks() const;

private:
    class Receiver;
    friend class Receiver;
    void turn();
    void applyPendingRechecks();
    void endTiming(TimePoint begin, std::size_t polls);
    void fireTimers(TimePoint now);
    void arm();
    void aboutToBlock();
    void watch(std::chrono::nanoseconds duration);
    bool hasWork() const { return m_firstReady || !m_work.isEmpty(); }

    std::shared_ptr<Seam> m_seam;
    std::unique_ptr<Receiver> m_receiver;
    QMetaObject::Connection m_blockConnection;
    QMetaObject::Connection m_awakeConnection;
    QString m_name;
    WorkBatch m_work;
    std::vector<Recheckable *> m_rechecks;
    ReadyNode *m_firstReady = nullptr;
    ReadyNode *m_lastReady = nullptr;
    std::size_t m_readyCount = 0;
    TimerQueue m_timers;
    TimePoint m_armedFor = TimePoint::max();
    TimePoint m_sliceEnd{};
    int m_depth = 0;
    int m_pollWeight = 0;
    unsigned m_polls = 0;
    bool m_pollsAreLong = true; // in the last turn
    Owner m_owner;
    bool m_isNew; // has not waited yet
    bool m_watching = false;
    bool m_watchEnds = false;
    bool m_closing = false;
    bool m_ending = false;
    TimePoint m_endingSince{};
    bool m_closed = false;
    LoopTask *m_firstTask = nullptr;
    LoopTask *m_running = nullptr;
    LoopGroup *m_firstGroup = nullptr;
    std::vector<std::weak_ptr<LoopObserver>> m_observers;
    std::function<void()> m_stop;
};

// For those who wait in QEventLoop::processEvents() for something that a posted event may bring: without GLib, Qt's dispatcher
// sends posted events first and then sleeps, until it is woken, although there was something to do.
QMICROIO_EXPORT void wakeDispatcher();

// A loop as others may know it: its seam may be asked as long as it is there.
struct KnownLoop
{
    QString name;
    bool isService = false;
    std::weak_ptr<Seam> seam;
};
// Those that exist now, oldest first. Any thread.
QMICROIO_EXPORT std::vector<KnownLoop> knownLoops();

} // namespace QMicroIO::detail
