// SPDX-License-Identifier: Apache-2.0
#include "measure.h"

#include <QtCore/QFile>
#include <QtCore/QPropertyAnimation>
#include <QtCore/QThread>
#include <QtQuick/QQuickWindow>

#include <algorithm>
#include <cstdio>
#include <pthread.h>
#include <unistd.h>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace Demo {
namespace {

double secondsOf(clockid_t clock)
{
    timespec time{};
    clock_gettime(clock, &time);
    return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

// On the clock that has run since the system began, to a hundredth of a second.
double beginOfProcess()
{
    QFile stat(QStringLiteral("/proc/self/stat"));
    if (!stat.open(QIODevice::ReadOnly))
        return secondsOf(CLOCK_BOOTTIME);
    // Field 22; the second may hold blanks, and ends with the last bracket.
    const QByteArray all = stat.readAll();
    const QList<QByteArray> fields = all.mid(all.lastIndexOf(')') + 2).split(' ');
    return fields.value(19).toDouble() / double(sysconf(_SC_CLK_TCK));
}

void print(const char *what, const FrameWatch::Sums &before, const FrameWatch::Sums &after)
{
    const double wall = after.wall - before.wall;
    const double drawing = after.gui - before.gui + after.render - before.render;
    const double frames = double(std::max<quint64>(after.frames - before.frames, 1));
    std::printf(
        "%s: GUI thread %.1f %% of a core, render thread %.1f %%, all threads %.1f %%; %.1f frames/s, %.2f ms of "
        "CPU time a frame\n",
        what, 100 * (after.gui - before.gui) / wall, 100 * (after.render - before.render) / wall,
        100 * (after.process - before.process) / wall, frames / wall, 1000 * drawing / frames);
    std::fflush(stdout);
}

} // namespace

FrameWatch::FrameWatch(QQuickWindow &window)
{
    const QThread *gui = QThread::currentThread();
    QObject::connect(
        &window, &QQuickWindow::beforeRendering, this,
        [this, gui] {
            if (QThread::currentThread() == gui || m_rendersElsewhere.load(std::memory_order_relaxed))
                return;
            pthread_getcpuclockid(pthread_self(), &m_renderClock);
            m_rendersElsewhere.store(true, std::memory_order_release);
        },
        Qt::DirectConnection);
    QObject::connect(
        &window, &QQuickWindow::frameSwapped, this,
        [this] {
            if (!hasShown()) {
                m_first.wall = secondsOf(CLOCK_BOOTTIME) - beginOfProcess();
                m_first.process = secondsOf(CLOCK_PROCESS_CPUTIME_ID);
            }
            m_frames.fetch_add(1, std::memory_order_release);
        },
        Qt::DirectConnection);
}

FrameWatch::Sums FrameWatch::sums() const
{
    Sums sums;
    sums.wall = secondsOf(CLOCK_BOOTTIME) - beginOfProcess();
    sums.gui = secondsOf(CLOCK_THREAD_CPUTIME_ID);
    sums.render = m_rendersElsewhere.load(std::memory_order_acquire) ? secondsOf(m_renderClock) : 0;
    sums.process = secondsOf(CLOCK_PROCESS_CPUTIME_ID);
    sums.frames = m_frames.load(std::memory_order_acquire);
    return sums;
}

Task<> measure(QQuickWindow &window, const FrameWatch &watch, int tasks, std::chrono::seconds span)
{
    while (!watch.hasShown())
        co_await sleep(1ms);
    std::printf("first frame: %.0f ms after the process began, %.0f ms of CPU time\n", 1000 * watch.firstFrame().wall,
                1000 * watch.firstFrame().process);
    std::fflush(stdout);
    while (window.property("taskCount").toInt() < tasks)
        co_await sleep(20ms);
    co_await sleep(1s); // what the many rows cost at once is over
    std::printf("tasks shown: %d\n", window.property("taskCount").toInt());

    FrameWatch::Sums before = watch.sums();
    co_await sleep(span);
    print("updates only", before, watch.sums());

    constexpr double Speed = 2000; // pixels a second: some seventy rows
    QPropertyAnimation scroll(&window, "taskPosition");
    scroll.setDuration(int(std::chrono::milliseconds(span).count()));
    scroll.setStartValue(0.0);
    scroll.setEndValue(Speed * double(span.count()));
    scroll.start();
    before = watch.sums();
    co_await sleep(span);
    print("scrolling", before, watch.sums());
}

} // namespace Demo
