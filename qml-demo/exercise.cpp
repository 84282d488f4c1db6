// SPDX-License-Identifier: Apache-2.0
#include "exercise.h"

#include "heartbeat.h"

#include <QtQuick/QQuickWindow>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace Demo {
namespace {

constexpr std::chrono::seconds Standstill = 4s;
constexpr std::chrono::milliseconds LongestPause = 1s; // far more than is needed, and far less than a standstill
constexpr std::chrono::milliseconds Breath = 50ms; // between two actions: some frames
constexpr std::array Faults{"flood", "ignore", "stall", "fail"};
constexpr std::array Languages{"ar", "de", "en"};

Task<> untilSettled(const Director &director)
{
    while (!director.isSettled())
        co_await sleep(10ms);
}

// All services that run, at the same time.
Task<> beginStandstill(const Director &director)
{
    const std::vector<LoopServiceThread *> services = director.services();
    const auto standing = std::make_shared<std::atomic<std::ptrdiff_t>>(0);
    for (LoopServiceThread *service : services) {
        try {
            service->callSoon([standing] {
                ++*standing;
                std::this_thread::sleep_for(Standstill);
            });
        } catch (const NotRunningError &) {
            // It has nothing left to do.
        }
    }
    const auto isReady = [](const LoopServiceThread *service) {
        return service->state() == ServiceThread::State::Ready;
    };
    while (*standing < std::ranges::count_if(services, isReady))
        co_await sleep(10ms);
}

Task<> useEverything(Director &director, QQuickWindow &window)
{
    QStringList names;
    for (const LoopServiceThread *service : director.services())
        names += service->name();
    window.setProperty("onlyChosen", true);
    for (const char *fault : Faults) {
        director.inject(QLatin1String(fault));
        co_await sleep(Breath);
    }
    for (const QString &name : names)
        director.cancelTasks(name);
    for (const char *language : Languages) {
        director.setLanguage(QLatin1String(language));
        window.setProperty("dark", !window.property("dark").toBool());
        co_await sleep(Breath);
    }
    for (const QString &name : names)
        director.stop(name);
    co_await sleep(Breath);
    for (const QString &name : names) {
        director.start(name);
        director.restart(name);
        co_await sleep(Breath);
    }
    window.setProperty("onlyChosen", false);
}

} // namespace

Task<> exercise(Director &director, QQuickWindow &window, Planted planted, bool &isGood)
{
    co_await untilSettled(director);
    const Heartbeat heartbeat;
    LoopWatchdog watchdog(LongestPause / 2); // which names what it was
    std::vector<StuckLoop> stuck;
    QObject::connect(&watchdog, &LoopWatchdog::stuck, &heartbeat, [&](const StuckLoop &loop) {
        if (!loop.isService)
            stuck.push_back(loop);
    });

    co_await useEverything(director, window);
    co_await untilSettled(director);
    co_await beginStandstill(director);
    if (planted == Planted::BlockingCall)
        director.services().back()->callSync([] { });
    co_await useEverything(director, window);
    co_await untilSettled(director);
    co_await sleep(LongestPause / 2); // until the watchdog has told what it saw

    const auto inMilliseconds = [](std::chrono::nanoseconds time) {
        return static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
    };
    const Heartbeat::Pause longest = heartbeat.longest();
    std::printf("%llu turns of the GUI's thread, the longest pause: %lld ms, and %lld ms without a core\n",
                static_cast<unsigned long long>(heartbeat.beats()), inMilliseconds(longest.own),
                inMilliseconds(longest.starved));
    for (const StuckLoop &loop : stuck)
        std::printf("%s\n", qPrintable(loop.toString()));
    const bool hasWaited = std::ranges::any_of(stuck, [](const StuckLoop &loop) { return !loop.blocksFor.isEmpty(); });
    isGood = longest.own <= LongestPause && !hasWaited;
}

} // namespace Demo
