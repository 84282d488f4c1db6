// SPDX-License-Identifier: Apache-2.0
#include "harness.h"

#include <benchmark/benchmark.h>

#include <QtCore/QCoreApplication>

#include <algorithm>

#include <pthread.h>
#include <sched.h>

namespace Bench {

namespace {

constexpr double RepetitionSeconds = 0.04;

struct LiveSide
{
    Side side;
    std::unique_ptr<Probe> probe;
};

void repetition(benchmark::State &state, LiveSide &live, bool last)
{
    for (auto unused : state) {
        static_cast<void>(unused);
        try {
            if (!live.probe) {
                live.probe = live.side.make();
                live.probe->warmUp();
            }
            const auto begin = Clock::now();
            state.counters["value"] = live.probe->measure();
            state.SetIterationTime(secondsSince(begin));
        } catch (const std::exception &error) {
            state.SkipWithError(error.what());
        }
    }
    if (last)
        live.probe.reset();
}

} // namespace

void ThroughputProbe::warmUp()
{
    quint64 count = 256;
    double seconds = run(count);
    while (seconds < RepetitionSeconds / 8) {
        count *= 4;
        seconds = run(count);
    }
    // A first run is slower than those that follow, so its time is taken from a second one of the same length.
    seconds = run(count);
    m_count = std::max<quint64>(256, quint64(double(count) * RepetitionSeconds / seconds));
    static_cast<void>(run(m_count));
}

double ThroughputProbe::measure()
{
    return run(m_count) * 1e9 / double(m_count);
}

double LatencyProbe::measure()
{
    constexpr int Unmeasured = 20;
    std::vector<double> times;
    times.reserve(std::size_t(m_calls));
    for (int i = -Unmeasured; i < m_calls; ++i) {
        // Not a sleep: only the other thread is to be asleep.
        for (const auto begin = Clock::now(); Clock::now() - begin < m_pause;) { }
        const auto begin = Clock::now();
        call();
        const double seconds = secondsSince(begin);
        if (i >= 0)
            times.push_back(seconds * 1e9);
    }
    const auto middle = times.begin() + m_calls / 2;
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

void bindToCore(int which)
{
    // Read once, from a thread that is not bound yet: what a bound one may use is a single core.
    static const std::vector<int> allowed = [] {
        cpu_set_t set;
        CPU_ZERO(&set);
        std::vector<int> cores;
        if (sched_getaffinity(0, sizeof(set), &set) == 0) {
            for (int core = 0; core < CPU_SETSIZE; ++core) {
                if (CPU_ISSET(core, &set))
                    cores.push_back(core);
            }
        }
        return cores;
    }();
    if (allowed.empty())
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(allowed[std::min(std::size_t(which), allowed.size() - 1)], &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

void addGroup(const std::string &name, std::vector<Side> sides)
{
    std::vector<std::shared_ptr<LiveSide>> all;
    int rounds = 0;
    for (Side &side : sides) {
        rounds = std::max(rounds, side.rounds);
        all.push_back(std::make_shared<LiveSide>(LiveSide{std::move(side), nullptr}));
    }
    for (int round = 0; round < rounds; ++round) {
        for (const auto &live : all) {
            if (round >= live->side.rounds)
                continue;
            const std::string full = name + '/' + live->side.name + '/' + std::to_string(round);
            const bool last = round + 1 == live->side.rounds;
            benchmark::RegisterBenchmark(full.c_str(),
                                         [live, last](benchmark::State &state) { repetition(state, *live, last); })
                ->Iterations(1)
                ->UseManualTime();
        }
        std::reverse(all.begin(), all.end());
    }
}

int runGroups(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

} // namespace Bench
