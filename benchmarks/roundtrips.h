// SPDX-License-Identifier: Apache-2.0
#pragma once

// Round trips to a thread that sleeps: how they are timed, and what they are compared with.

#include "rigs.h"

#include <thread>

namespace Bench {

inline constexpr int RoundTrips = 500;
// Long enough for the other thread to fall asleep, short enough for a watching one to be still awake.
inline constexpr std::chrono::microseconds RoundTripPause{25};
inline constexpr std::chrono::microseconds Watch{50};

// The calls are made by a thread of the probe's own, since they come from a core of its choice.
class RoundTripProbe : public LatencyProbe
{
public:
    double measure() override
    {
        double result = 0;
        std::thread caller([&] {
            bindToCore(0);
            result = LatencyProbe::measure();
        });
        caller.join();
        return result;
    }

protected:
    RoundTripProbe()
        : LatencyProbe(RoundTrips, RoundTripPause)
    {
    }
    static int coreOfTheOther(Cores cores) { return cores == Cores::Two ? 1 : 0; }
};

class BlockingInvokeProbe : public RoundTripProbe
{
public:
    explicit BlockingInvokeProbe(Cores cores)
    {
        QMetaObject::invokeMethod(
            m_thread.object(), [=] { bindToCore(coreOfTheOther(cores)); }, Qt::BlockingQueuedConnection);
    }
    void call() override
    {
        QMetaObject::invokeMethod(
            m_thread.object(), [this] { return m_last + 1; }, Qt::BlockingQueuedConnection, &m_last);
    }

private:
    int m_last = 0;
    BareThread m_thread;
};

} // namespace Bench
