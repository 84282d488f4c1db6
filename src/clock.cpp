// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/clock.h>

#include <algorithm>

namespace QMicroIO::detail {

constinit std::atomic<ClockHook *> installedClock{nullptr};

TimePoint now() noexcept
{
    if (ClockHook *clock = clockHook(); Q_UNLIKELY(clock != nullptr))
        return clock->now();
    return Clock::now();
}

TimePoint instantOf(QDeadlineTimer deadline)
{
    if (deadline.isForever())
        return TimePoint::max();
    const std::chrono::nanoseconds left(deadline.remainingTimeNSecs());
    return after(now(), std::chrono::ceil<std::chrono::milliseconds>(left));
}

SharedDeadline::SharedDeadline(QDeadlineTimer deadline)
    : m_deadline(deadline)
    , m_clock(clockHook())
    , m_end(m_clock ? instantOf(deadline) : TimePoint::max())
{
}

QDeadlineTimer SharedDeadline::left() const
{
    if (!m_clock || clockHook() != m_clock || m_end == TimePoint::max())
        return m_deadline;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(m_end - now());
    return QDeadlineTimer(std::max<std::chrono::milliseconds>(left, std::chrono::milliseconds(0)));
}

} // namespace QMicroIO::detail
