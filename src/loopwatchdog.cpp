// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/loopwatchdog.h>

#include "logging_p.h"

#include <qmicroio/detail/loop.h>
#include <qmicroio/detail/scope.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <vector>

namespace QMicroIO {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

struct Ping
{
    const detail::TimePoint sent = detail::Clock::now();
    std::atomic<bool> answered{false};
};

struct Watched
{
    detail::KnownLoop loop;
    std::shared_ptr<Ping> ping;
    bool isAnnounced = false; // that its running task will be looked at
    bool isReported = false;
    StuckLoop report;

    void announce(detail::Seam &seam, bool on)
    {
        if (std::exchange(isAnnounced, on) != on)
            seam.onlookers.fetch_add(on ? 1 : -1);
    }
};

milliseconds since(detail::TimePoint time)
{
    return std::chrono::duration_cast<milliseconds>(detail::Clock::now() - time);
}

} // namespace

struct LoopWatchdog::Private
{
    std::mutex connecting;
    milliseconds limit{};
    std::vector<Watched> watched;
    std::unique_ptr<ServiceThread> thread;
};

QString StuckLoop::toString() const
{
    QString text = isService ? QStringLiteral("service %1").arg(thread) : QStringLiteral("the loop of %1").arg(thread);
    text += QStringLiteral(" has not turned for %1 ms: ").arg(duration.count());
    text += task.isEmpty() ? QStringLiteral("a call or an event handler runs") : QStringLiteral("%1 runs").arg(task);
    if (lastWait.line != 0)
        text += QStringLiteral(", last waited at %1").arg(lastWait.toString());
    if (!blocksFor.isEmpty())
        text += QStringLiteral(", blocked in a call to %1").arg(blocksFor);
    return text;
}

LoopWatchdog::LoopWatchdog(milliseconds limit, QObject *parent)
    : QObject(parent)
    , d(std::make_unique<Private>())
{
    if (limit <= 0ms)
        throw std::invalid_argument("LoopWatchdog: the time is not positive; destroy the object to stop watching");
    d->limit = limit;
    d->thread = std::make_unique<ServiceThread>(QStringLiteral("loop watchdog"), [this](ServiceThread &self) {
        check();
        self.started();
        while (!self.scope().wait(QDeadlineTimer(std::max<milliseconds>(d->limit / 4, 1ms), Qt::PreciseTimer)))
            check();
    });
    d->thread->start();
    d->thread->waitStarted();
}

LoopWatchdog::~LoopWatchdog()
{
    d->thread->stop();
    d->thread->join();
    for (Watched &one : d->watched) {
        if (const std::shared_ptr<detail::Seam> seam = one.loop.seam.lock())
            one.announce(*seam, false);
    }
}

// Its thread emits from the constructor on, and Qt reads who is connected without a lock: this orders that after the connecting.
void LoopWatchdog::connectNotify(const QMetaMethod &)
{
    const std::lock_guard lock(d->connecting);
}

void LoopWatchdog::check()
{
    for (detail::KnownLoop &loop : detail::knownLoops()) {
        const bool known = std::any_of(d->watched.begin(), d->watched.end(), [&loop](const Watched &one) {
            return !one.loop.seam.owner_before(loop.seam) && !loop.seam.owner_before(one.loop.seam);
        });
        if (!known)
            d->watched.push_back({std::move(loop), nullptr, false, false, {}});
    }
    std::vector<StuckLoop> stuckNow;
    std::vector<StuckLoop> turningAgain;
    const auto isGone = [&](Watched &one) {
        const std::shared_ptr<detail::Seam> seam = one.loop.seam.lock();
        if (!seam)
            return true;
        if (!one.ping || one.ping->answered.load(std::memory_order_acquire)) {
            one.announce(*seam, false);
            if (std::exchange(one.isReported, false)) {
                one.report.duration = since(one.ping->sent);
                turningAgain.push_back(one.report);
            }
            one.ping = std::make_shared<Ping>();
            return !seam->post([ping = one.ping](detail::Fate) noexcept { ping->answered = true; },
                               detail::Seam::From::Inside); // refused: it has ended
        }
        const milliseconds silent = since(one.ping->sent);
        if (!one.isAnnounced && silent >= d->limit / 2) {
            one.announce(*seam, true); // looked at in a later round: by then its thread has seen it
            return false;
        }
        if (one.isReported || silent < d->limit)
            return false;
        one.isReported = true;
        one.report = {one.loop.name, one.loop.isService, {}, {}, seam->blocksFor(), silent};
        seam->lookAtRunning([&one](const detail::LoopTask &task) {
            // Not by way of the virtual functions: it may be on its way out.
            one.report.task = static_cast<const detail::TaskContext &>(task).TaskContext::name();
        });
        const std::source_location site = seam->lastWait.load(std::memory_order_relaxed);
        if (seam->running.load(std::memory_order_relaxed) && site.line() != 0)
            one.report.lastWait = {QString::fromUtf8(site.file_name()), int(site.line()),
                                   QString::fromUtf8(site.function_name())};
        stuckNow.push_back(one.report);
        return false;
    };
    std::erase_if(d->watched, isGone);
    {
        const std::lock_guard lock(d->connecting);
    }
    for (const StuckLoop &loop : stuckNow) {
        qCWarning(detail::lcService).noquote() << loop.toString();
        Q_EMIT stuck(loop);
    }
    for (const StuckLoop &loop : turningAgain) {
        qCInfo(detail::lcService).noquote() << loop.thread << "turns again after" << loop.duration.count() << "ms";
        Q_EMIT recovered(loop);
    }
}

} // namespace QMicroIO
