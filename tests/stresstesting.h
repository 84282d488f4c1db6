// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QRandomGenerator>
#include <QtCore/QtGlobal>

#include <algorithm>
#include <atomic>

// What the stress tests share.
namespace StressTesting {

// A number of rounds times QMICROIO_STRESS_SCALE, and never less than `least`.
inline int scaled(int rounds, int least = 10)
{
    static const double scale = [] {
        bool ok = false;
        const double asked = qEnvironmentVariable("QMICROIO_STRESS_SCALE").toDouble(&ok);
        return ok ? std::max(asked, 0.01) : 1.0;
    }();
    return std::max(least, int(rounds * scale));
}

// A moment of very different lengths, up to some 50 us, so that rounds meet at different places.
inline void linger(QRandomGenerator &random)
{
    std::atomic<quint32> left{random.bounded(1U << random.bounded(14))};
    while (left.load(std::memory_order_relaxed) > 0)
        left.fetch_sub(1, std::memory_order_relaxed);
}

} // namespace StressTesting
