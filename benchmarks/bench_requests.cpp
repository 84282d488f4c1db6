// SPDX-License-Identifier: Apache-2.0
//
// Messages to actors, and requests that wait for their reply.
#include "actorrigs.h"
#include "roundtrips.h"

#include <malloc.h>

#include <stdexcept>

using namespace Bench;
using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

template<class Rig>
class Throughput : public ThroughputProbe
{
public:
    double run(quint64 count) override { return m_rig.run(count); }

private:
    Rig m_rig;
};

class RequestProbe : public RoundTripProbe
{
public:
    RequestProbe(Cores cores, std::chrono::microseconds busyPoll)
    {
        m_rig.service()->callSync([=] { bindToCore(coreOfTheOther(cores)); });
        m_rig.service()->setBusyPoll(busyPoll);
    }
    void call() override { m_last = m_rig.call(m_last); }

private:
    int m_last = 0;
    RequestRig m_rig;
};

constexpr int Pending = 1'000'000;
using Registry = RequestRegistry<quint64, QString>;

// Nanoseconds to register a million requests and to fail them all; handles are kept, as by those who are to answer.
class PendingProbe : public Probe
{
public:
    double measure() override
    {
        Registry registry;
        std::vector<ReplyHandle<quint64, QString>> handles;
        handles.reserve(Pending);
        const auto begin = Clock::now();
        for (quint64 i = 0; i < quint64(Pending); ++i)
            handles.push_back(registry.registerRequest(i));
        const int failed = registry.failAll(std::make_exception_ptr(std::runtime_error("gone")));
        const double seconds = secondsSince(begin);
        if (failed != Pending)
            throw std::runtime_error("not all requests were failed");
        return seconds * 1e9;
    }
};

// What the heap holds for each of them, with the overhead of its blocks.
class PendingBytesProbe : public Probe
{
public:
    double measure() override
    {
        Registry registry;
        std::vector<ReplyHandle<quint64, QString>> handles;
        handles.reserve(Pending);
        const double before = heapBytes();
        for (quint64 i = 0; i < quint64(Pending); ++i)
            handles.push_back(registry.registerRequest(i));
        const double bytes = heapBytes() - before;
        return bytes / Pending + double(sizeof(handles.front()));
    }

private:
    static double heapBytes()
    {
        const auto info = mallinfo2();
        return double(info.uordblks) + double(info.hblkhd);
    }
};

} // namespace

int main(int argc, char **argv)
{
    constexpr int Rounds = 21;
    constexpr int RoundTripRounds = 25;
    addGroup("requestBytes", {side<PendingBytesProbe>("qmicroio", 1)});
    addGroup("actor",
             {side<Throughput<ActorRig<Handler::Function>>>("function", Rounds),
              side<Throughput<ActorRig<Handler::Coroutine>>>("coroutine", Rounds),
              side<Throughput<QueuedSlotRig>>("queuedSlot", Rounds)});
    addGroup("request",
             {side<RequestProbe>("qmicroio", RoundTripRounds, Cores::Two, 0us),
              side<BlockingInvokeProbe>("blocking", RoundTripRounds, Cores::Two),
              side<RequestProbe>("busyPoll", RoundTripRounds, Cores::Two, Watch)});
    addGroup("pending", {side<PendingProbe>("qmicroio", 3)});
    return runGroups(argc, argv);
}
