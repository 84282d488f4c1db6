// SPDX-License-Identifier: Apache-2.0
#include "heartbeat.h"

#include <algorithm>
#include <utility>

using namespace std::chrono_literals;

namespace Demo {

Heartbeat::Heartbeat()
    : m_schedule(QStringLiteral("/proc/thread-self/schedstat"))
    , m_last(std::chrono::steady_clock::now())
{
    static_cast<void>(m_schedule.open(QIODevice::ReadOnly | QIODevice::Unbuffered)); // elsewhere there is none
    m_lastStarved = starved();
    m_timer.setTimerType(Qt::PreciseTimer);
    connect(&m_timer, &QTimer::timeout, this, &Heartbeat::beat);
    m_timer.start(5ms);
}

void Heartbeat::beat()
{
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::nanoseconds allStarved = starved();
    Pause pause;
    pause.starved = allStarved - std::exchange(m_lastStarved, allStarved);
    pause.own = std::max<std::chrono::nanoseconds>(now - std::exchange(m_last, now) - pause.starved, 0ns);
    if (pause.own > m_longest.own)
        m_longest = pause;
    ++m_beats;
}

std::chrono::nanoseconds Heartbeat::starved()
{
    // Three numbers: how long the thread ran, how long it waited for a core, how often it got one.
    if (!m_schedule.seek(0))
        return 0ns;
    return std::chrono::nanoseconds(m_schedule.read(100).split(' ').value(1).toLongLong());
}

} // namespace Demo
