// SPDX-License-Identifier: Apache-2.0
#include "engine_p.h"
#include "threadstate_p.h"

#include <qmicroio/detail/loop.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QThread>

#include <algorithm>
#include <array>

namespace QMicroIO::Test::detail {

using namespace std::chrono_literals;

namespace {

// A thread that sleeps in a call of others, such as QFuture::result(), counts as blocked after this real time.
constexpr auto ForeignSleep = 5ms;

} // namespace

// A thread whose doings keep the clock from moving by itself.
struct Participant
{
    enum class State { Promised, Acts, InEventLoop, Sleeps };
    State state = State::Acts;
    const void *service = nullptr;
    std::shared_ptr<Seam> loop;
    TimePoint next = TimePoint::max(); // of the loop's timers
    std::shared_ptr<ThreadState> thread; // null until it runs
    QString name;
    bool staysWithoutLoop = false;
    // While it acts, but sleeps in a call of others.
    QByteArray schedule;
    TimePoint asleepSince{};

    bool isBusy() const { return state == State::Promised || state == State::Acts; }
};

namespace {

struct Own
{
    Participant *participant = nullptr;
    quint64 generation = 0;
};
thread_local Own t_own;

struct ReleaseOnLoop
{
    std::function<void()> fn;
    void operator()(QMicroIO::detail::Fate fate) const
    {
        if (fate == QMicroIO::detail::Fate::Run)
            fn();
    }
};

} // namespace

Engine::Engine() = default;

Engine &Engine::instance()
{
    static auto *engine = new Engine;
    return *engine;
}

TimePoint Engine::now() noexcept
{
    const std::lock_guard lock(m_timeMutex);
    if (m_isReal)
        return Clock::now();
    if (m_rate == 0)
        return m_zero + m_offset;
    return m_zero + m_offset
        + std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::duration<double, std::nano>(Clock::now() - m_anchor) * m_rate);
}

std::chrono::nanoseconds Engine::elapsed()
{
    const TimePoint time = now();
    const std::lock_guard lock(m_timeMutex);
    return time - m_zero;
}

void Engine::setTime(TimePoint time)
{
    const std::lock_guard lock(m_timeMutex);
    m_offset = time - m_zero;
    m_anchor = Clock::now();
}

bool Engine::isVirtual() const
{
    const std::lock_guard lock(m_timeMutex);
    return !m_isReal;
}

void Engine::start(Mode mode, const Settings &settings)
{
    // A loop that a thread has already is made known; making one now lets it take part with its events.
    if (QCoreApplication::instance() && QThread::currentThread() == QCoreApplication::instance()->thread())
        QMicroIO::detail::Loop::ensure();
    Lock lock(m_mutex);
    if (m_running) {
        throw LogicError(m_autoObserving
                             ? QStringLiteral("a clock is installed while tasks wait for all others to be blocked; "
                                              "install it before they do")
                             : QStringLiteral("another clock is installed; a program has one at a time"));
    }
    startLocked(mode, settings);
    auto own = std::make_unique<Participant>();
    own->thread = std::make_shared<ThreadState>();
    own->name = QMicroIO::detail::currentThreadName();
    own->staysWithoutLoop = true;
    t_own = {own.get(), m_generation};
    m_participants.push_back(std::move(own));
    const std::vector<QMicroIO::detail::KnownLoop> known = QMicroIO::detail::knownLoops();
    std::vector<std::shared_ptr<Seam>> seams;
    for (const QMicroIO::detail::KnownLoop &loop : known) {
        std::shared_ptr<Seam> seam = loop.seam.lock();
        if (!seam)
            continue;
        if (seam->isOwnThread()) {
            t_own.participant->loop = seam;
        } else {
            auto other = std::make_unique<Participant>();
            other->state = Participant::State::Promised; // until it has shown up
            other->loop = seam;
            other->name = loop.name;
            m_participants.push_back(std::move(other));
        }
        seams.push_back(std::move(seam));
    }
    lock.unlock();
    for (const std::shared_ptr<Seam> &seam : seams)
        seam->wakeSelf(); // its timers now wait for this clock
}

void Engine::startLocked(Mode mode, const Settings &settings)
{
    m_running = true;
    m_quit = false;
    m_mode = mode;
    m_settings = settings;
    m_jumps = 0;
    ++m_generation;
    m_lastAct = Clock::now();
    {
        const std::lock_guard lock(m_timeMutex);
        m_zero = m_anchor = Clock::now();
        m_offset = {};
        m_rate = settings.rate;
        m_isReal = mode == Mode::Observing;
    }
    m_thread = std::thread([this] { run(); });
    QMicroIO::detail::installedClock.store(this, std::memory_order_release);
}

void Engine::end()
{
    Lock lock(m_mutex);
    if (m_running)
        endLocked(lock);
}

void Engine::endLocked(Lock &lock)
{
    QMicroIO::detail::installedClock.store(nullptr, std::memory_order_release);
    m_quit = true;
    m_running = false;
    m_autoObserving = false;
    m_watcher.notify_all();
    std::thread watcher = std::move(m_thread);
    lock.unlock();
    watcher.join();
    lock.lock();
    std::vector<std::shared_ptr<Seam>> loops;
    for (const std::unique_ptr<Participant> &participant : m_participants) {
        if (participant->loop)
            loops.push_back(participant->loop);
    }
    m_participants.clear();
    m_waits.clear();
    ++m_generation;
    for (Sleep *sleep : m_sleeps) {
        sleep->thread = nullptr;
        sleep->sleeper->setClockIsGone();
        sleep->isPoked = true;
    }
    const std::vector<Sleep *> sleeps = m_sleeps;
    {
        const std::lock_guard time(m_timeMutex);
        m_isReal = true;
    }
    lock.unlock();
    for (Sleep *sleep : sleeps)
        sleep->sleeper->poke();
    for (const std::shared_ptr<Seam> &loop : loops)
        loop->wakeSelf(); // sets a timer of the system again
    lock.lock();
    for (Sleep *sleep : sleeps)
        sleep->isPoked = false;
    m_poked.notify_all();
}

void Engine::advance(std::chrono::nanoseconds span)
{
    Lock lock(m_mutex);
    const TimePoint time = QMicroIO::detail::after(now(), span);
    setTime(time);
    fireDue(lock, time);
}

void Engine::change(const Settings &settings)
{
    const Lock lock(m_mutex);
    setTime(now()); // no step
    {
        const std::lock_guard time(m_timeMutex);
        m_rate = settings.rate;
    }
    m_settings = settings;
    m_watcher.notify_all();
}

bool Engine::movesByItself()
{
    const Lock lock(m_mutex);
    return !m_running || m_mode == Mode::Observing || m_settings.rate > 0 || m_settings.autojump;
}

quint64 Engine::jumps()
{
    const Lock lock(m_mutex);
    return m_jumps;
}

quint64 Engine::waitBlocked(std::chrono::nanoseconds cushion, std::shared_ptr<Seam> loop, std::function<void()> release)
{
    bool observe = false;
    {
        const Lock lock(m_mutex);
        observe = !m_running;
    }
    if (observe)
        start(Mode::Observing, {});
    const Lock lock(m_mutex);
    m_autoObserving = m_autoObserving || observe;
    const auto place =
        std::find_if(m_waits.begin(), m_waits.end(), [&](const BlockedWait &other) { return other.cushion > cushion; });
    m_waits.insert(place, BlockedWait{++m_lastWait, cushion, std::move(loop), std::move(release)});
    m_watcher.notify_all();
    return m_lastWait;
}

void Engine::forgetWait(quint64 id)
{
    Lock lock(m_mutex);
    std::erase_if(m_waits, [&](const BlockedWait &wait) { return wait.id == id; });
    if (m_autoObserving && m_waits.empty())
        endLocked(lock);
}

Participant *Engine::self() const
{
    return t_own.generation == m_generation ? t_own.participant : nullptr;
}

// The participant of this thread, on which `loop` runs.
Participant *Engine::adopt(const std::shared_ptr<Seam> &loop)
{
    if (Participant *known = self()) {
        known->loop = loop;
        return known;
    }
    const auto promised =
        std::find_if(m_participants.begin(), m_participants.end(),
                     [&](const std::unique_ptr<Participant> &other) { return other->loop == loop && !other->thread; });
    Participant *own = nullptr;
    if (promised != m_participants.end()) {
        own = promised->get();
    } else {
        m_participants.push_back(std::make_unique<Participant>());
        own = m_participants.back().get();
    }
    own->loop = loop;
    own->thread = std::make_shared<ThreadState>();
    own->name = QMicroIO::detail::currentThreadName();
    t_own = {own, m_generation};
    return own;
}

void Engine::drop(Participant *thread)
{
    for (Sleep *sleep : m_sleeps) {
        if (sleep->thread == thread)
            sleep->thread = nullptr;
    }
    if (t_own.participant == thread)
        t_own = {};
    std::erase_if(m_participants,
                  [&](const std::unique_ptr<Participant> &participant) { return participant.get() == thread; });
    wakeWatcher();
}

void Engine::acts(Participant *thread)
{
    ++m_epoch;
    m_lastAct = Clock::now();
    thread->state = Participant::State::Acts;
    thread->asleepSince = {};
}

bool Engine::nobodyRuns() const
{
    return m_holds == 0
        && std::none_of(m_participants.begin(), m_participants.end(),
                        [](const std::unique_ptr<Participant> &thread) { return thread->isBusy(); });
}

void Engine::wakeWatcher()
{
    if ((m_settings.autojump || !m_waits.empty()) && nobodyRuns())
        m_watcher.notify_all();
}

void Engine::loopTurns(const std::shared_ptr<Seam> &loop)
{
    const Lock lock(m_mutex);
    if (m_running)
        acts(adopt(loop));
}

void Engine::loopArms(const std::shared_ptr<Seam> &loop, TimePoint next)
{
    const Lock lock(m_mutex);
    if (!m_running)
        return;
    adopt(loop)->next = next;
    if (m_settings.rate > 0 || m_mode == Mode::Observing)
        m_watcher.notify_all();
}

void Engine::loopBlocks(const std::shared_ptr<Seam> &loop, TimePoint next)
{
    bool isDue = false;
    {
        const Lock lock(m_mutex);
        if (!m_running)
            return;
        Participant *thread = adopt(loop);
        thread->next = next;
        isDue = next <= now();
        if (!isDue) {
            thread->state = Participant::State::InEventLoop;
            if (m_settings.rate > 0 || m_mode == Mode::Observing)
                m_watcher.notify_all();
            else
                wakeWatcher();
        }
    }
    if (isDue)
        loop->wakeSelf();
}

void Engine::loopCloses(const std::shared_ptr<Seam> &loop)
{
    const Lock lock(m_mutex);
    if (!m_running)
        return;
    Participant *thread = self();
    if (!thread || thread->loop != loop)
        return;
    thread->loop.reset();
    thread->next = TimePoint::max();
    acts(thread);
    if (!thread->service && !thread->staysWithoutLoop)
        drop(thread);
}

void Engine::threadPromised(const void *key)
{
    const Lock lock(m_mutex);
    if (!m_running)
        return;
    m_participants.push_back(std::make_unique<Participant>());
    m_participants.back()->state = Participant::State::Promised;
    m_participants.back()->service = key;
    m_participants.back()->name = QStringLiteral("a service that starts");
    ++m_epoch;
}

void Engine::threadBegins(const void *key)
{
    const Lock lock(m_mutex);
    for (const std::unique_ptr<Participant> &participant : m_participants) {
        if (participant->service != key)
            continue;
        participant->thread = std::make_shared<ThreadState>();
        participant->name = QMicroIO::detail::currentThreadName();
        t_own = {participant.get(), m_generation};
        acts(participant.get());
    }
}

void Engine::threadEnds(const void *key)
{
    const Lock lock(m_mutex);
    for (const std::unique_ptr<Participant> &participant : m_participants) {
        if (participant->service == key) {
            ++m_epoch;
            m_lastAct = Clock::now();
            drop(participant.get());
            return;
        }
    }
}

void Engine::sleeps(Sleeper &sleeper)
{
    const Lock lock(m_mutex);
    if (!m_running) {
        sleeper.setClockIsGone();
        return;
    }
    if (sleeper.until() <= now()) {
        sleeper.setTimeIsUp();
        return;
    }
    Participant *thread = self();
    m_sleeps.push_back(new Sleep{&sleeper, thread});
    if (thread)
        thread->state = Participant::State::Sleeps;
    if (m_settings.rate > 0 || m_mode == Mode::Observing)
        m_watcher.notify_all();
    else
        wakeWatcher();
}

void Engine::awake(Sleeper &sleeper)
{
    Lock lock(m_mutex);
    const auto found =
        std::find_if(m_sleeps.begin(), m_sleeps.end(), [&](const Sleep *sleep) { return sleep->sleeper == &sleeper; });
    if (found == m_sleeps.end())
        return;
    Sleep *sleep = *found;
    m_poked.wait(lock, [&] { return !sleep->isPoked; });
    if (sleep->thread)
        acts(sleep->thread);
    std::erase(m_sleeps, sleep);
    delete sleep;
}

void Engine::hold() noexcept
{
    const Lock lock(m_mutex);
    ++m_holds;
    ++m_epoch;
}

void Engine::release() noexcept
{
    const Lock lock(m_mutex);
    --m_holds;
    m_lastAct = Clock::now();
    ++m_epoch;
    wakeWatcher();
}

TimePoint Engine::nextDue() const
{
    TimePoint next = TimePoint::max();
    for (const std::unique_ptr<Participant> &thread : m_participants) {
        if (thread->state == Participant::State::InEventLoop)
            next = std::min(next, thread->next);
    }
    for (const Sleep *sleep : m_sleeps) {
        if (!sleep->sleeper->isOver())
            next = std::min(next, sleep->sleeper->until());
    }
    return next;
}

void Engine::fireDue(Lock &lock, TimePoint time)
{
    std::vector<std::shared_ptr<Seam>> loops;
    std::vector<Sleep *> sleeps;
    for (const std::unique_ptr<Participant> &thread : m_participants) {
        if (thread->state == Participant::State::InEventLoop && thread->next <= time) {
            acts(thread.get());
            loops.push_back(thread->loop);
        }
    }
    for (Sleep *sleep : m_sleeps) {
        if (sleep->sleeper->until() > time || sleep->sleeper->isOver())
            continue;
        if (sleep->thread)
            acts(sleep->thread);
        sleep->isPoked = true;
        sleep->sleeper->setTimeIsUp();
        sleeps.push_back(sleep);
    }
    if (loops.empty() && sleeps.empty())
        return;
    lock.unlock();
    for (const std::shared_ptr<Seam> &loop : loops)
        loop->wakeSelf();
    for (Sleep *sleep : sleeps)
        sleep->sleeper->poke();
    lock.lock();
    for (Sleep *sleep : sleeps)
        sleep->isPoked = false;
    m_poked.notify_all();
}

// Whether every thread that counts has nothing to do. What the kernel says is read without the lock, so that no thread
// looks asleep only because it waits for the lock.
Engine::Verdict Engine::look(Lock &lock)
{
    struct Look
    {
        Participant *participant;
        std::shared_ptr<ThreadState> thread;
        bool acts;
        bool isAsleep = false;
        QByteArray schedule;
    };
    if (m_holds > 0)
        return Verdict::LookLater;
    std::vector<Look> looks;
    looks.reserve(m_participants.size());
    for (const std::unique_ptr<Participant> &participant : m_participants) {
        if (participant->state == Participant::State::Promised)
            return Verdict::LookLater;
        const Look one{participant.get(), participant->thread, participant->isBusy(), false, {}};
        if (one.acts)
            looks.insert(looks.begin(), one); // most likely awake
        else
            looks.push_back(one);
    }
    const quint64 epoch = m_epoch;
    lock.unlock();
    Verdict verdict = Verdict::Blocked;
    for (Look &one : looks) {
        one.isAsleep = one.thread->isAsleep();
        if (!one.isAsleep) {
            verdict = one.acts ? Verdict::LookLater : Verdict::LookAgain;
            break;
        }
        if (one.acts)
            one.schedule = one.thread->schedule();
    }
    lock.lock();
    if (m_epoch != epoch)
        return Verdict::LookAgain;
    const TimePoint time = Clock::now();
    for (const Look &one : looks) {
        if (!one.acts)
            continue;
        if (!one.isAsleep) {
            one.participant->asleepSince = {};
            break;
        }
        if (one.participant->asleepSince == TimePoint() || one.participant->schedule != one.schedule) {
            one.participant->asleepSince = time;
            one.participant->schedule = one.schedule;
        }
        if (time - one.participant->asleepSince < ForeignSleep && verdict == Verdict::Blocked)
            verdict = Verdict::LookLater;
    }
    return verdict;
}

void Engine::run()
{
    Lock lock(m_mutex);
    constexpr std::chrono::nanoseconds ShortestPause = 20us;
    constexpr std::chrono::nanoseconds LongestPause = 1ms;
    std::chrono::nanoseconds pause = ShortestPause;
    while (!m_quit) {
        TimePoint wakeAt = TimePoint::max(); // real
        const bool flows = m_mode == Mode::Observing || m_settings.rate > 0;
        if (flows) {
            fireDue(lock, now());
            const TimePoint due = nextDue();
            if (due != TimePoint::max()) {
                const double rate = m_mode == Mode::Observing ? 1 : m_settings.rate;
                const std::chrono::duration<double, std::nano> left = (due - now()) / rate;
                wakeAt = Clock::now() + std::chrono::nanoseconds(qint64(std::clamp(left.count(), 0.0, 3.6e12)) + 1000);
            }
        }
        // On a tie those who wait go before the clock.
        const bool waiterIsFirst =
            !m_waits.empty() && (!m_settings.autojump || m_waits.front().cushion <= *m_settings.autojump);
        if (!m_quit && (waiterIsFirst || m_settings.autojump)) {
            const Verdict verdict = look(lock);
            if (m_quit)
                break;
            if (verdict == Verdict::LookAgain) {
                wakeAt = std::min(wakeAt, Clock::now() + pause);
                pause = std::min(pause * 2, LongestPause);
            } else if (verdict == Verdict::LookLater) {
                wakeAt = std::min(wakeAt, Clock::now() + LongestPause);
            } else {
                pause = ShortestPause;
                const std::chrono::nanoseconds idle = Clock::now() - m_lastAct;
                const bool stillFirst =
                    !m_waits.empty() && (!m_settings.autojump || m_waits.front().cushion <= *m_settings.autojump);
                if (stillFirst) {
                    const std::chrono::nanoseconds cushion = m_waits.front().cushion;
                    if (idle >= cushion) {
                        while (!m_waits.empty() && m_waits.front().cushion == cushion) {
                            BlockedWait wait = std::move(m_waits.front());
                            m_waits.erase(m_waits.begin());
                            ++m_epoch;
                            m_lastAct = Clock::now();
                            wait.loop->post(ReleaseOnLoop{std::move(wait.release)}, Seam::From::Inside);
                        }
                        continue;
                    }
                    wakeAt = std::min(wakeAt, m_lastAct + cushion);
                } else if (m_settings.autojump) {
                    const TimePoint due = nextDue();
                    if (due == TimePoint::max()) {
                        // Nothing will happen by itself; whoever changes that tells us.
                    } else if (idle >= *m_settings.autojump) {
                        ++m_jumps;
                        setTime(std::max(due, now()));
                        fireDue(lock, now());
                        continue;
                    } else {
                        wakeAt = std::min(wakeAt, m_lastAct + *m_settings.autojump);
                    }
                }
            }
        }
        if (m_quit)
            break;
        if (wakeAt == TimePoint::max())
            m_watcher.wait(lock);
        else
            m_watcher.wait_until(lock, wakeAt);
    }
}

QString Engine::describe()
{
    const Lock lock(m_mutex);
    if (!m_running)
        return QStringLiteral("no clock is installed");
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now() - m_zero);
    QStringList lines(QStringLiteral("the clock stands at %1 ms%2")
                          .arg(ms.count())
                          .arg(m_settings.autojump ? QString() : QStringLiteral(" and does not jump by itself")));
    if (m_holds > 0)
        lines += QStringLiteral("  held by %1 functions on thread pools or ClockHolds").arg(m_holds);
    for (const std::unique_ptr<Participant> &participant : m_participants) {
        QString what;
        switch (participant->state) {
        case Participant::State::Promised:
            what = participant->service ? QStringLiteral("has not begun")
                                        : QStringLiteral("has not turned its event loop since the clock was installed");
            break;
        case Participant::State::Acts:
            what = QStringLiteral("runs, or waits in a call that the clock does not know");
            break;
        case Participant::State::InEventLoop:
            what = QStringLiteral("has nothing to do");
            break;
        case Participant::State::Sleeps:
            what = QStringLiteral("blocks in a call of this library");
            break;
        }
        lines += QStringLiteral("  %1: %2").arg(participant->name, what);
    }
    return lines.join(u'\n');
}

} // namespace QMicroIO::Test::detail
