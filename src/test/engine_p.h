// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/seam.h>
#include <qmicroio/errors.h>

#include <QtCore/QString>
#include <QtCore/QStringList>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace QMicroIO::Test::detail {

using QMicroIO::detail::Clock;
using QMicroIO::detail::Seam;
using QMicroIO::detail::Sleeper;
using QMicroIO::detail::TimePoint;

struct Participant;

// The clock in place of the system's, and the one who knows whether every loop and thread is blocked. Exists from its
// first use to the end of the process; in effect between start() and end().
class Engine final : public QMicroIO::detail::ClockHook
{
public:
    static Engine &instance();

    enum class Mode {
        Virtual, // time stands still unless it is moved
        Observing, // the system's time; for waits until all is blocked without a virtual clock
    };
    struct Settings
    {
        double rate = 0;
        std::optional<std::chrono::nanoseconds> autojump;
    };

    // The calling thread counts as one that acts until end().
    void start(Mode mode, const Settings &settings);
    void end();
    bool isVirtual() const;
    std::chrono::nanoseconds elapsed();
    void advance(std::chrono::nanoseconds span);
    void change(const Settings &settings);
    // Whether time can go on without advance().
    bool movesByItself();

    // Calls `release` on the loop of `loop` once everything has been blocked for `cushion` of real time. The number
    // names the wait; 0: nothing is started. Starts observing if no clock is installed.
    quint64 waitBlocked(std::chrono::nanoseconds cushion, std::shared_ptr<Seam> loop, std::function<void()> release);
    void forgetWait(quint64 id);

    ~Engine() = delete; // leaked on purpose

    // For people: who keeps the clock from moving.
    QString describe();
    quint64 jumps();

    TimePoint now() noexcept override;
    void loopTurns(const std::shared_ptr<Seam> &loop) override;
    void loopArms(const std::shared_ptr<Seam> &loop, TimePoint next) override;
    void loopBlocks(const std::shared_ptr<Seam> &loop, TimePoint next) override;
    void loopCloses(const std::shared_ptr<Seam> &loop) override;
    void threadPromised(const void *key) override;
    void threadBegins(const void *key) override;
    void threadEnds(const void *key) override;
    void sleeps(Sleeper &sleeper) override;
    void awake(Sleeper &sleeper) override;
    void hold() noexcept override;
    void release() noexcept override;

private:
    Engine();

    struct Sleep
    {
        Sleeper *sleeper;
        Participant *thread; // null: a thread that does not count
        bool isPoked = false; // outside the lock; must not go meanwhile
    };
    struct BlockedWait
    {
        quint64 id;
        std::chrono::nanoseconds cushion;
        std::shared_ptr<Seam> loop;
        std::function<void()> release;
    };
    using Lock = std::unique_lock<std::mutex>;

    void startLocked(Mode mode, const Settings &settings);
    void endLocked(Lock &lock);
    void run();
    Participant *self() const; // of this thread, null if it does not count
    Participant *adopt(const std::shared_ptr<Seam> &loop);
    void drop(Participant *thread);
    void acts(Participant *thread);
    bool nobodyRuns() const;
    void wakeWatcher();
    enum class Verdict { Blocked, LookAgain, LookLater };
    Verdict look(Lock &lock);
    TimePoint nextDue() const;
    void setTime(TimePoint time);
    void fireDue(Lock &lock, TimePoint time);
    bool isDueSoon() const;

    std::mutex m_mutex;
    std::condition_variable m_watcher; // the thread that looks whether all is blocked
    std::condition_variable m_poked;
    std::thread m_thread;
    bool m_running = false;
    bool m_quit = false;
    Mode m_mode = Mode::Observing;
    Settings m_settings;
    quint64 m_generation = 0;
    quint64 m_epoch = 0; // grows whenever somebody acts
    TimePoint m_lastAct{}; // real time
    quint64 m_jumps = 0;
    int m_holds = 0;
    quint64 m_lastWait = 0;
    bool m_autoObserving = false;
    std::vector<std::unique_ptr<Participant>> m_participants;
    std::vector<Sleep *> m_sleeps;
    std::vector<BlockedWait> m_waits;

    mutable std::mutex m_timeMutex; // taken last
    TimePoint m_zero{};
    std::chrono::nanoseconds m_offset{}; // of virtual time, at m_anchor
    TimePoint m_anchor{};
    double m_rate = 0;
    bool m_isReal = true;
};

} // namespace QMicroIO::Test::detail
