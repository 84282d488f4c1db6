// SPDX-License-Identifier: Apache-2.0
//
// What it costs to be looked at, and what the GUI has of it. The main thread is the GUI's.
#include "rigs.h"

#include <qmicroio/models.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/wait.h>

#include <QtCore/QEventLoop>
#include <QtCore/QTimer>

#include <algorithm>
#include <array>
#include <ctime>
#include <malloc.h>

using namespace Bench;
using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// A million changes of state a second

constexpr int Tasks = 10'000;
constexpr auto Watched = 3s;

// A GUI that does nothing but beat every 5 ms, with whatever else its thread has to do.
struct Heartbeat
{
    double p99 = 0; // ns between two beats
    double worst = 0;
    double cpu = 0; // share of a core that the thread took
    double growth = 0; // bytes that the heap gained at most

    static Heartbeat during(std::chrono::nanoseconds span)
    {
        std::vector<double> gaps;
        Clock::time_point last = Clock::now();
        const Clock::time_point begin = last;
        const double heapBefore = heap();
        double heapMost = heapBefore;
        const double cpuBefore = cpuSeconds();
        QEventLoop loop;
        QTimer beat;
        beat.setTimerType(Qt::PreciseTimer);
        QObject::connect(&beat, &QTimer::timeout, &loop, [&] {
            const Clock::time_point now = Clock::now();
            gaps.push_back(std::chrono::duration<double, std::nano>(now - last).count());
            last = now;
            if (gaps.size() % 20 == 0)
                heapMost = std::max(heapMost, heap());
            if (now - begin > span)
                loop.quit();
        });
        beat.start(5ms);
        loop.exec();
        Heartbeat all;
        all.cpu = (cpuSeconds() - cpuBefore) / secondsSince(begin);
        all.growth = heapMost - heapBefore;
        std::sort(gaps.begin(), gaps.end());
        all.p99 = gaps[gaps.size() * 99 / 100];
        all.worst = gaps.back();
        return all;
    }

private:
    static double heap()
    {
        const auto info = mallinfo2();
        return double(info.uordblks + info.hblkhd);
    }
    static double cpuSeconds()
    {
        timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
    }
};

// Each task goes on ten times every 100 ms, which makes a million changes of their states a second.
class Crowd
{
public:
    explicit Crowd(QObject *told)
        : m_told(told)
    {
        m_service->callSync([this] {
            for (int i = 0; i < Tasks; ++i)
                m_service->taskGroup().startSoon(&Crowd::member, this, i);
        });
    }
    quint64 changes() const { return m_changes.load(std::memory_order_relaxed); }

private:
    static Task<> member(Crowd *crowd, int number)
    {
        constexpr int Changes = 10;
        co_await sleep(std::chrono::microseconds(number * 10));
        for (;;) {
            for (int i = 0; i < Changes; ++i) {
                crowd->m_changes.store(crowd->changes() + 1, std::memory_order_relaxed);
                if (crowd->m_told)
                    QMetaObject::invokeMethod(crowd->m_told, [] { }, Qt::QueuedConnection);
                if (i + 1 < Changes)
                    co_await checkpoint();
            }
            co_await sleep(100ms);
        }
    }

    QObject *const m_told;
    std::atomic<quint64> m_changes{0};
    RunningService m_service; // its tasks end before the rest
};

enum class Shown { ByModels, ByQueuedSignals };
enum class Figure { P99, Worst, Cpu, Growth, Updates, Changes };

// All figures of a kind come from the same runs, of which there is one for each round.
template<Shown How>
class CrowdProbe : public Probe
{
public:
    explicit CrowdProbe(Figure figure)
        : m_figure(figure)
    {
    }
    void warmUp() override { }
    double measure() override
    {
        static std::vector<std::array<double, 6>> runs;
        if (m_round == runs.size())
            runs.push_back(watch());
        return runs[m_round++][std::size_t(m_figure)];
    }

private:
    static std::array<double, 6> watch()
    {
        QObject gui;
        qulonglong updates = 0;
        std::vector<std::unique_ptr<QAbstractItemModel>> models;
        if (How == Shown::ByModels) {
            models.push_back(std::make_unique<ServiceModel>());
            QObject::connect(models.front().get(), &QAbstractItemModel::dataChanged, &gui, [&] { ++updates; });
            models.push_back(std::make_unique<ChannelModel>());
            models.push_back(std::make_unique<RequestModel>());
            models.push_back(std::make_unique<TaskModel>());
            models.push_back(std::make_unique<TaskListModel>());
        }
        const Crowd crowd(How == Shown::ByModels ? nullptr : &gui);
        // Until all is there and moves; what is queued meanwhile is a part of the baseline.
        if (How == Shown::ByModels)
            static_cast<void>(Heartbeat::during(1s));
        updates = 0;
        const quint64 before = crowd.changes();
        const auto begin = Clock::now();
        const Heartbeat beat = Heartbeat::during(Watched);
        const double seconds = secondsSince(begin);
        // What is shown in the end is the truth: all of them, and the one that started them.
        if (How == Shown::ByModels && models.front()->index(0, 0).data(ServiceModel::TasksRole).toInt() != Tasks + 1)
            throw std::runtime_error("the model does not show all tasks");
        return {beat.p99,
                beat.worst,
                beat.cpu,
                beat.growth,
                double(updates) / seconds,
                seconds * 1e9 / double(crowd.changes() - before)};
    }

    Figure m_figure;
    std::size_t m_round = 0;
};

// ---------------------------------------------------------------------------------------------------------------------
// What the watched pay

template<bool IsWatched>
class SpawnUnderModels : public ThroughputProbe
{
public:
    SpawnUnderModels()
    {
        if (IsWatched)
            m_model = std::make_unique<ServiceModel>();
    }
    double run(quint64 count) override
    {
        quint64 ended = 0;
        double seconds = 0;
        auto one = [&]() -> Task<> {
            ++ended;
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            const auto begin = Clock::now();
            for (quint64 spawned = 0; spawned < count;) {
                for (const quint64 end = std::min<quint64>(count, spawned + 1000); spawned < end; ++spawned)
                    group.startSoon(std::ref(one));
                co_await group.untilEmpty();
            }
            seconds = secondsSince(begin);
        };
        QMicroIO::run(withTaskGroup(body));
        if (ended != count)
            throw std::runtime_error("a child did not run");
        return seconds;
    }

private:
    std::unique_ptr<ServiceModel> m_model;
};

template<bool IsWatched>
class ChannelUnderModels : public ThroughputProbe
{
public:
    ChannelUnderModels()
    {
        if (IsWatched)
            m_model = std::make_unique<ChannelModel>();
    }
    double run(quint64 count) override
    {
        const double seconds = m_rig.run(count);
        QCoreApplication::processEvents(); // what the GUI would do between two items
        return seconds;
    }

private:
    ChannelRig<Receiving::Item> m_rig;
    std::unique_ptr<ChannelModel> m_model;
};

} // namespace

int main(int argc, char **argv)
{
    constexpr int Rounds = 15;
    constexpr int Crowds = 3;
    const auto both = [](const char *name, Figure figure) {
        addGroup(name,
                 {side<CrowdProbe<Shown::ByModels>>("models", Crowds, figure),
                  side<CrowdProbe<Shown::ByQueuedSignals>>("queued", Crowds, figure)});
    };
    both("crowdP99", Figure::P99);
    both("crowdWorst", Figure::Worst);
    both("crowdCpu", Figure::Cpu);
    both("crowdChange", Figure::Changes);
    addGroup("crowdGrowth", {side<CrowdProbe<Shown::ByModels>>("models", Crowds, Figure::Growth)});
    addGroup("crowdUpdates", {side<CrowdProbe<Shown::ByModels>>("models", Crowds, Figure::Updates)});
    addGroup("spawnWatched",
             {side<SpawnUnderModels<true>>("on", Rounds), side<SpawnUnderModels<false>>("off", Rounds)});
    addGroup("channelWatched",
             {side<ChannelUnderModels<true>>("on", Rounds), side<ChannelUnderModels<false>>("off", Rounds)});
    return runGroups(argc, argv);
}
