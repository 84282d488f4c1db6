// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/listing.h>
#include <qmicroio/detail/loop.h>

#include "logging_p.h"

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QStringList>
#include <QtCore/QThread>

#include <algorithm>
#include <condition_variable>

namespace QMicroIO::detail {

namespace {

using namespace std::chrono_literals;

// How long tasks may keep a turn before Qt's own events get theirs.
constexpr auto Slice = 5ms;
// How long busy-poll mode may keep the loop from looking at sockets and timers of others while calls keep coming.
constexpr auto LongestWatch = 2ms;
// How long the end of a QCoreApplication waits for services.
constexpr auto LongestStop = 5s;

constinit thread_local Loop *t_loop = nullptr;

struct ThreadLoop
{
    ThreadLoop() = default;
    ThreadLoop(const ThreadLoop &) = delete;
    ThreadLoop &operator=(const ThreadLoop &) = delete;
    ~ThreadLoop() { reset(); }
    void reset()
    {
        if (!loop)
            return;
        loop->close();
        if (loop->describeTasks().isEmpty())
            loop.reset();
        else
            static_cast<void>(loop.release()); // frames that nobody can resume still refer to it
    }
    std::unique_ptr<Loop> loop;
    QMetaObject::Connection finished; // of the QThread
};
thread_local ThreadLoop t_threadLoop;

struct Registry
{
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<KnownLoop> loops;
    const QCoreApplication *application = nullptr; // whose end stops the services
};

// Leaked on purpose: loops may still end while static objects are being destroyed.
Registry &registry()
{
    static auto *instance = new Registry;
    return *instance;
}

void addToRegistry(KnownLoop loop)
{
    const std::lock_guard lock(registry().mutex);
    registry().loops.push_back(std::move(loop));
}

void removeFromRegistry(const std::shared_ptr<Seam> &seam)
{
    const std::lock_guard lock(registry().mutex);
    std::erase_if(registry().loops, [&](const KnownLoop &loop) {
        return !loop.seam.owner_before(seam) && !seam.owner_before(loop.seam);
    });
    registry().changed.notify_all();
}

// Qt delivers no event to any thread once the QCoreApplication is gone: a service that still runs would never hear of its
// stop. This runs while it is still there.
void stopServiceLoops()
{
    std::vector<std::weak_ptr<Seam>> asked;
    QStringList names;
    for (const KnownLoop &loop : knownLoops()) {
        const std::shared_ptr<Seam> seam = loop.isService ? loop.seam.lock() : nullptr;
        const auto stop = [](Fate fate) {
            if (fate == Fate::Run)
                Loop::current()->stopOwner();
        };
        if (seam && seam->post(stop, Seam::From::Inside)) {
            asked.push_back(seam);
            names += loop.name;
        }
    }
    if (!asked.empty()) {
        qCWarning(lcService).noquote() << "the QCoreApplication is destroyed while services run; they are stopped:"
                                       << names.join(QStringLiteral(", "));
    }
    std::unique_lock lock(registry().mutex);
    registry().application = nullptr;
    const auto isOver = [&asked] {
        return std::none_of(asked.begin(), asked.end(), [](const std::weak_ptr<Seam> &seam) {
            return std::any_of(registry().loops.begin(), registry().loops.end(), [&seam](const KnownLoop &loop) {
                return !loop.seam.owner_before(seam) && !seam.owner_before(loop.seam);
            });
        });
    };
    if (!registry().changed.wait_for(lock, LongestStop, isOver))
        qCCritical(lcService) << "not all of them have ended; what they wait for will not come any more";
}

void stopServicesWithApplication()
{
    const std::lock_guard lock(registry().mutex);
    if (std::exchange(registry().application, QCoreApplication::instance()) != QCoreApplication::instance())
        qAddPostRoutine(&stopServiceLoops);
}

void closeThreadLoop()
{
    if (t_threadLoop.loop)
        t_threadLoop.loop->close();
    // The rest goes with the thread's own variables, after QThread::wait() has returned elsewhere: the QThread may be gone then.
    QObject::disconnect(t_threadLoop.finished);
}

} // namespace

void TimerQueue::place(std::size_t index, const Entry &entry)
{
    m_heap[index] = entry;
    entry.node->m_index = quint32(index);
}

void TimerQueue::siftUp(std::size_t index, const Entry &entry)
{
    while (index > 0) {
        const std::size_t parent = (index - 1) / 4;
        if (!entry.before(m_heap[parent]))
            break;
        place(index, m_heap[parent]);
        index = parent;
    }
    place(index, entry);
}

void TimerQueue::siftDown(std::size_t index, const Entry &entry)
{
    for (;;) {
        const std::size_t first = index * 4 + 1;
        if (first >= m_heap.size())
            break;
        const std::size_t end = std::min(first + 4, m_heap.size());
        std::size_t least = first;
        for (std::size_t i = first + 1; i < end; ++i) {
            if (m_heap[i].before(m_heap[least]))
                least = i;
        }
        if (!m_heap[least].before(entry))
            break;
        place(index, m_heap[least]);
        index = least;
    }
    place(index, entry);
}

void TimerQueue::add(TimerNode &node, TimePoint when)
{
    const Entry entry{when, m_order++, &node};
    m_heap.push_back(entry);
    node.m_when = when;
    siftUp(m_heap.size() - 1, entry);
}

void TimerQueue::remove(TimerNode &node) noexcept
{
    if (!node.isArmed())
        return;
    const std::size_t index = node.m_index;
    node.m_index = TimerNode::Unarmed;
    const Entry last = m_heap.back();
    m_heap.pop_back();
    if (index == m_heap.size())
        return;
    if (index > 0 && last.before(m_heap[(index - 1) / 4]))
        siftUp(index, last);
    else
        siftDown(index, last);
}

bool TimerQueue::fireOne(TimePoint now)
{
    if (m_heap.empty() || m_heap.front().when > now)
        return false;
    TimerNode *node = m_heap.front().node;
    remove(*node);
    node->timerFired();
    return true;
}

class Loop::Receiver final : public QObject
{
public:
    explicit Receiver(Loop &loop)
        : m_loop(loop)
    {
    }

    bool event(QEvent *event) override
    {
        if (event->type() == Seam::wakeEventType()) {
            m_loop.turn();
            return true;
        }
        if (event->type() == QEvent::Timer && static_cast<QTimerEvent *>(event)->timerId() == timer.timerId()) {
            timer.stop();
            m_loop.m_armedFor = TimePoint::max();
            m_loop.turn();
            return true;
        }
        return QObject::event(event);
    }

    QBasicTimer timer;

private:
    Loop &m_loop;
};

Loop::Loop(std::shared_ptr<Seam> seam, Owner owner)
    : m_seam(std::move(seam))
    , m_receiver(std::make_unique<Receiver>(*this))
    , m_name(currentThreadName())
    , m_sliceEnd(Clock::now() + Slice)
    , m_owner(owner)
    , m_isNew(isService())
{
    // A nested event loop inside a task must still see what the outer turn has not run yet; busy-poll watches here.
    m_blockConnection = QObject::connect(QAbstractEventDispatcher::instance(), &QAbstractEventDispatcher::aboutToBlock,
                                         m_receiver.get(), [this] { aboutToBlock(); });
    // A program that only polls never blocks.
    m_awakeConnection = QObject::connect(QAbstractEventDispatcher::instance(), &QAbstractEventDispatcher::awake,
                                         m_receiver.get(), [this] {
                                             if (m_seam->takeMissedWake())
                                                 turn();
                                         });
    t_loop = this;
    m_seam->attach(m_receiver.get());
    addToRegistry({m_name, isService(), m_seam});
    if (isService())
        stopServicesWithApplication();
}

Loop::~Loop()
{
    close();
    if (t_loop == this)
        t_loop = nullptr;
}

Loop *Loop::current() noexcept
{
    return t_loop;
}

Loop &Loop::ensure()
{
    if (t_loop && !t_loop->m_closed)
        return *t_loop;
    if (t_loop && t_loop->isService())
        throw NotRunningError(QStringLiteral("the event loop of %1 has ended; tasks can no longer run in this thread")
                                  .arg(t_loop->name()));
    if (!QAbstractEventDispatcher::instance())
        throw LogicError(
            QStringLiteral("%1 has no event loop to run tasks on; create the QCoreApplication first, or run "
                           "the task in a LoopServiceThread")
                .arg(currentThreadName()));
    t_threadLoop.reset();
    auto seam = std::make_shared<Seam>(currentThreadNode());
    seam->open();
    t_threadLoop.loop = std::make_unique<Loop>(std::move(seam), Owner::Thread);
    if (QCoreApplication::instance() && QThread::currentThread() == QCoreApplication::instance()->thread())
        qAddPostRoutine(&closeThreadLoop);
    else
        t_threadLoop.finished = QObject::connect(QThread::currentThread(), &QThread::finished,
                                                 t_threadLoop.loop->context(), &closeThreadLoop, Qt::DirectConnection);
    return *t_threadLoop.loop;
}

QObject *Loop::context() const
{
    return m_receiver.get();
}

void Loop::makeReady(ReadyNode &node)
{
    if (node.isReady())
        return;
    const bool sleeping = m_depth == 0 && !hasWork();
    node.m_nextReady = nullptr;
    node.m_previousReady = m_lastReady;
    (m_lastReady ? m_lastReady->m_nextReady : m_firstReady) = &node;
    m_lastReady = &node;
    ++m_readyCount;
    if (sleeping)
        m_seam->wakeSelf();
}

void Loop::forget(ReadyNode &node) noexcept
{
    if (!node.isReady())
        return;
    (node.m_previousReady ? node.m_previousReady->m_nextReady : m_firstReady) = node.m_nextReady;
    (node.m_nextReady ? node.m_nextReady->m_previousReady : m_lastReady) = node.m_previousReady;
    node.m_nextReady = nullptr;
    node.m_previousReady = &node;
    --m_readyCount;
}

void Loop::addTimer(TimerNode &node, TimePoint when)
{
    m_timers.add(node, when);
    if (m_depth == 0)
        arm();
}

bool Loop::sliceIsOver()
{
    return Clock::now() >= m_sliceEnd;
}

void Loop::arm()
{
    if (m_closed)
        return;
    const TimePoint next = m_timers.next();
    if (ClockHook *clock = clockHook(); Q_UNLIKELY(clock != nullptr)) {
        m_receiver->timer.stop();
        m_armedFor = TimePoint::max();
        clock->loopArms(m_seam, next);
        return;
    }
    if (next == TimePoint::max()) {
        m_receiver->timer.stop();
        m_armedFor = TimePoint::max();
        return;
    }
    if (next >= m_armedFor)
        return; // it rings earlier, finds nothing due and is set again
    m_armedFor = next;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now());
    const auto clamped = std::clamp<std::chrono::milliseconds>(left, 0ms, 24h);
    m_receiver->timer.start(int(clamped.count()), Qt::PreciseTimer, m_receiver.get());
}

void Loop::fireTimers(TimePoint now)
{
    while (m_timers.fireOne(now)) { }
}

void Loop::applyPendingRechecks()
{
    std::vector<Recheckable *> scopes;
    m_seam->takeRechecks(scopes);
    for (Recheckable *scope : scopes) {
        scope->recheck();
        scope->deref();
    }
}

void Loop::turn()
{
    if (m_closed)
        return;
    ++m_depth;
    const TimePoint begin = Clock::now();
    m_sliceEnd = begin + Slice;
    const bool isTimed = m_depth == 1 && Observation::isOn();
    if (isTimed)
        m_seam->busySinceNs.store(begin.time_since_epoch().count(), std::memory_order_relaxed);
    if (ClockHook *clock = clockHook(); Q_UNLIKELY(clock != nullptr))
        clock->loopTurns(m_seam);
    m_seam->loopCore.store(currentCore(), std::memory_order_relaxed);
    const bool moreWaits = m_seam->take(m_work, m_rechecks);
    while (!m_rechecks.empty()) {
        Recheckable *scope = m_rechecks.back();
        m_rechecks.pop_back();
        scope->recheck();
        scope->deref();
    }
    constexpr unsigned LookAtClock = 16;
    LoopTask *const outer = m_running; // below a nested event loop: what was handed over does not belong to that task
    m_running = nullptr;
    for (unsigned done = 0; !m_work.isEmpty();) {
        try {
            m_work.runNext(Fate::Run);
        } catch (...) {
            logIfPossible([&] {
                qCCritical(lcService).noquote()
                    << "an exception left a call on" << m_name << ":" << errorText(std::current_exception());
            });
        }
        if (++done % LookAtClock == 0 && Clock::now() > m_sliceEnd)
            break;
    }
    m_running = outer;
    if (!m_timers.isEmpty())
        fireTimers(now());
    // What becomes ready from here on waits for the next turn, so that Qt's events get theirs in between.
    const std::size_t count = m_readyCount;
    constexpr std::size_t Few = 4;
    m_pollWeight = !isTimed ? 0 : count <= Few || m_pollsAreLong ? 1 : int(LookAtClock);
    for (std::size_t done = 0; done < count && m_firstReady;) {
        ReadyNode *node = m_firstReady;
        forget(*node);
        node->resumeFromLoop();
        if (++done % LookAtClock == 0 && Clock::now() > m_sliceEnd)
            break;
    }
    if (isTimed)
        endTiming(begin, count);
    --m_depth;
    if (m_depth == 0)
        m_work.recycle();
    arm();
    if (moreWaits || hasWork())
        m_seam->wakeSelf();
}

void Loop::endTiming(TimePoint begin, std::size_t polls)
{
    constexpr auto Long = 5us;
    const Clock::duration time = Clock::now() - begin;
    m_pollsAreLong = time > Long * Clock::rep(polls);
    m_pollWeight = 0;
    m_seam->busySinceNs.store(0, std::memory_order_relaxed);
    m_seam->busyNs.store(m_seam->busyNs.load(std::memory_order_relaxed) + std::chrono::nanoseconds(time).count(),
                         std::memory_order_relaxed);
}

void Loop::aboutToBlock()
{
    if (m_closed)
        return;
    if (m_watching) {
        // A nested event loop below a watch: from here on senders must wake it the usual way.
        m_watching = false;
        if (m_seam->stopWatching())
            m_seam->wakeSelf();
    }
    if (m_seam->takeMissedWake())
        turn();
    if (m_closed)
        return;
    if (m_depth > 0) {
        arm();
        if (hasWork())
            m_seam->wakeSelf();
    } else {
        // Work, or a stop, tends to follow the start of a service at once: no sleep before the first look costs a wake-up.
        const std::chrono::nanoseconds first = m_isNew ? wakeUpTime() : 0ns;
        const std::chrono::nanoseconds duration(m_seam->busyPollNs.load(std::memory_order_relaxed));
        if (const auto longest = std::max(first, duration); longest > 0ns)
            watch(longest);
    }
    if (ClockHook *clock = clockHook(); Q_UNLIKELY(clock != nullptr) && !m_closed && !hasWork())
        clock->loopBlocks(m_seam, m_timers.next());
}

void Loop::watch(std::chrono::nanoseconds duration)
{
    const int core = currentCore();
    m_seam->loopCore.store(core, std::memory_order_relaxed);
    if (hasWork())
        return;
    const bool isFirst = std::exchange(m_isNew, false);
    const int caller = isFirst ? m_seam->callerCore.exchange(-1, std::memory_order_relaxed)
                               : m_seam->callerCore.load(std::memory_order_relaxed);
    if (core >= 0 && core == caller)
        return; // the caller needs this core to go on: watching would only keep it waiting
    if (!m_seam->startWatching())
        return;
    m_watching = true;
    m_watchEnds = false;
    const bool onlyOnce = isFirst && m_seam->busyPollNs.load(std::memory_order_relaxed) == 0;
    const TimePoint begin = Clock::now();
    const TimePoint last = begin + std::max<Clock::duration>(LongestWatch, duration);
    TimePoint end = begin + duration;
    bool sawTraffic = false;
    while (m_watching) {
        bool arrived = false;
        for (int i = 0; i < 64 && !arrived; ++i) {
            arrived = m_seam->seesArrival();
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#endif
        }
        TimePoint time = Clock::now();
        if (arrived) {
            turn();
            if (m_closed)
                return;
            sawTraffic = true;
            time = Clock::now();
            end = time + duration;
        }
        if (m_watchEnds || (onlyOnce && sawTraffic) || hasWork() || time >= std::min(end, last)
            || m_timers.next() <= now())
            break;
    }
    if (!m_watching)
        return;
    m_watching = false;
    const bool arrived = m_seam->stopWatching();
    // After traffic the watch goes on once Qt's own sources have had their turn.
    if (arrived || (sawTraffic && Clock::now() >= last))
        m_seam->wakeSelf();
}

void Loop::close()
{
    if (m_closed || m_closing)
        return;
    m_closing = true;
    m_seam->narrow(Seam::Admit::Nobody);
    ++m_depth; // wake-ups have no meaning any more
    for (bool more = true; more;) {
        more = m_seam->take(m_work, m_rechecks) || !m_work.isEmpty();
        for (Recheckable *scope : std::exchange(m_rechecks, {})) {
            scope->recheck();
            scope->deref();
        }
        while (m_work.runNext(Fate::Run)) { }
    }
    m_endingSince = now();
    m_ending = true;
    for (LoopTask *task = m_firstTask; task; task = task->m_nextInLoop)
        task->deliverCancel();
    while (ReadyNode *node = m_firstReady) {
        forget(*node);
        node->resumeFromLoop();
    }
    if (m_firstTask) {
        logIfPossible([this] {
            qCWarning(lcTask).noquote() << "the event loop of" << m_name << "ended while tasks were still waiting:\n  "
                                        << describeTasks().join(QStringLiteral("\n  "));
        });
    }
    --m_depth;
    m_closed = true;
    for (const std::weak_ptr<LoopObserver> &observer : std::exchange(m_observers, {})) {
        if (const std::shared_ptr<LoopObserver> alive = observer.lock())
            alive->loopEnded();
    }
    QObject::disconnect(m_blockConnection);
    QObject::disconnect(m_awakeConnection);
    m_receiver->timer.stop();
    if (ClockHook *clock = clockHook(); Q_UNLIKELY(clock != nullptr))
        clock->loopCloses(m_seam);
    removeFromRegistry(m_seam);
    m_seam->detach();
}

void Loop::setStop(std::function<void()> stop)
{
    m_stop = std::move(stop);
}

void Loop::addObserver(std::weak_ptr<LoopObserver> observer)
{
    if (m_observers.size() == m_observers.capacity())
        std::erase_if(m_observers, [](const std::weak_ptr<LoopObserver> &known) { return known.expired(); });
    m_observers.push_back(std::move(observer));
}

void Loop::linkTask(LoopTask &task) noexcept
{
    task.m_nextInLoop = m_firstTask;
    if (m_firstTask)
        m_firstTask->m_previousInLoop = &task;
    m_firstTask = &task;
}

void Loop::unlinkTask(LoopTask &task) noexcept
{
    m_seam->letOthersLook();
    (task.m_previousInLoop ? task.m_previousInLoop->m_nextInLoop : m_firstTask) = task.m_nextInLoop;
    if (task.m_nextInLoop)
        task.m_nextInLoop->m_previousInLoop = task.m_previousInLoop;
}

void Loop::linkGroup(LoopGroup &group) noexcept
{
    group.m_nextInLoop = m_firstGroup;
    if (m_firstGroup)
        m_firstGroup->m_previousInLoop = &group;
    m_firstGroup = &group;
}

void Loop::unlinkGroup(LoopGroup &group) noexcept
{
    (group.m_previousInLoop ? group.m_previousInLoop->m_nextInLoop : m_firstGroup) = group.m_nextInLoop;
    if (group.m_nextInLoop)
        group.m_nextInLoop->m_previousInLoop = group.m_previousInLoop;
    group.m_previousInLoop = group.m_nextInLoop = nullptr;
}

TimePoint Loop::turnTime() const noexcept
{
    return m_depth > 0 ? m_sliceEnd - Slice : Clock::now();
}

LoopTask *Loop::setRunning(LoopTask *task, std::source_location site) noexcept
{
    m_seam->lastWait.store(site, std::memory_order_relaxed);
    m_seam->running.store(task, std::memory_order_release);
    return std::exchange(m_running, task);
}

QStringList Loop::describeTasks() const
{
    QStringList lines;
    for (LoopTask *task = m_firstTask; task; task = task->m_nextInLoop)
        lines.prepend(task->describe());
    return lines;
}

void wakeDispatcher()
{
    if (QAbstractEventDispatcher *dispatcher = QAbstractEventDispatcher::instance())
        dispatcher->wakeUp();
}

std::vector<KnownLoop> knownLoops()
{
    const std::lock_guard lock(registry().mutex);
    return registry().loops;
}

} // namespace QMicroIO::detail
