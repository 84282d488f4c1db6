// floor 1: the one source of "now", and waits that end by it
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <QtCore/QDeadlineTimer>

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace QMicroIO::detail {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

QMICROIO_EXPORT TimePoint now() noexcept;

// A span in the clock's own unit; spans too long to represent become the longest one.
template<class Rep, class Period>
Clock::duration checkedDuration(std::chrono::duration<Rep, Period> span, const char *what)
{
    if constexpr (std::is_floating_point_v<Rep>) {
        if (std::isnan(span.count()))
            throw std::invalid_argument(std::string(what) + ": the time is NaN; give a number");
    }
    if (span < span.zero())
        throw std::invalid_argument(std::string(what) + ": the time is negative; give zero or more");
    using Wide = std::chrono::duration<long double, Clock::period>;
    if (std::chrono::duration_cast<Wide>(span) >= Wide(Clock::duration::max()))
        return Clock::duration::max();
    return std::chrono::duration_cast<Clock::duration>(span);
}

inline TimePoint after(TimePoint start, Clock::duration span) noexcept
{
    return span >= TimePoint::max() - start ? TimePoint::max() : start + span;
}

// Waits until `done` holds or the deadline has passed; the lock is held again on return.
template<class Condition, class Predicate>
bool waitUntil(Condition &condition, std::unique_lock<std::mutex> &lock, QDeadlineTimer deadline, Predicate done)
{
    if (deadline.isForever()) {
        condition.wait(lock, done);
        return true;
    }
    const auto left = std::chrono::nanoseconds(deadline.remainingTimeNSecs());
    return condition.wait_until(lock, after(Clock::now(), left), done);
}

} // namespace QMicroIO::detail
