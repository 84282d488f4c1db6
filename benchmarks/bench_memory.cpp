// SPDX-License-Identifier: Apache-2.0
//
// Allocations, counted for all threads. In a program of its own, so that counting slows down nothing that is timed.
//
// The functions below malloc are counted and not only operator new, because Qt's containers and the seam's chunks come
// from there. Replacing them this way works with glibc only.
#include "actorrigs.h"
#include "rigs.h"

#include <cstdlib>
#include <new>

namespace {
std::atomic<quint64> allocations{0};
void countAllocation()
{
    allocations.fetch_add(1, std::memory_order_relaxed);
}
} // namespace

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the names that glibc gives its own versions
void *__libc_malloc(std::size_t size);
void *__libc_calloc(std::size_t count, std::size_t size);
void *__libc_realloc(void *memory, std::size_t size);
void *__libc_memalign(std::size_t alignment, std::size_t size);
// NOLINTEND(bugprone-reserved-identifier)

void *malloc(std::size_t size)
{
    countAllocation();
    return __libc_malloc(size);
}
void *calloc(std::size_t count, std::size_t size)
{
    countAllocation();
    return __libc_calloc(count, size);
}
void *realloc(void *memory, std::size_t size)
{
    countAllocation();
    return __libc_realloc(memory, size);
}
void *aligned_alloc(std::size_t alignment, std::size_t size)
{
    countAllocation();
    return __libc_memalign(alignment, size);
}
} // extern "C"

using namespace Bench;

namespace {

// Allocations of each item.
template<class Rig>
class Allocations : public Probe
{
public:
    double measure() override
    {
        constexpr quint64 Count = 200'000;
        const quint64 before = allocations.load(std::memory_order_relaxed);
        static_cast<void>(m_rig.run(Count));
        return double(allocations.load(std::memory_order_relaxed) - before) / double(Count);
    }

private:
    Rig m_rig;
};

// The same through a bounded channel, whose sends wait in a task.
class BoundedRig
{
public:
    BoundedRig()
    {
        auto consume = [this]() -> QMicroIO::Task<> {
            while (auto item = co_await m_channel.receiver.next())
                m_sink.take(*item);
        };
        m_end = m_receiving->submit(consume);
    }
    ~BoundedRig()
    {
        m_channel.sender.close();
        m_end.waitForFinished();
    }
    double run(quint64 count)
    {
        auto produce = [this, count]() -> QMicroIO::Task<> {
            for (quint64 item = 1; item <= count; ++item)
                co_await m_channel.sender.send(item);
        };
        return m_sink.runWith(count, [&] {
            m_sending->submit(produce).waitForFinished();
            m_channel.sender.sendBlocking(0);
        });
    }

private:
    QMicroIO::Channel<quint64> m_channel = QMicroIO::createChannel<quint64>({QString(), QMicroIO::LateSend::Throw, 64});
    Sink m_sink;
    RunningService m_receiving;
    RunningService m_sending;
    QFuture<void> m_end;
};

} // namespace

int main(int argc, char **argv)
{
    constexpr int Rounds = 9;
    addGroup("channelAllocations",
             {side<Allocations<ChannelRig<Receiving::Item>>>("qmicroio", Rounds),
              side<Allocations<QueuedInvokeRig>>("invokeMethod", Rounds)});
    addGroup("boundedAllocations",
             {side<Allocations<BoundedRig>>("qmicroio", Rounds),
              side<Allocations<QueuedInvokeRig>>("invokeMethod", Rounds)});
    addGroup("callSoonAllocations",
             {side<Allocations<CallSoonRig>>("qmicroio", Rounds),
              side<Allocations<QueuedInvokeRig>>("invokeMethod", Rounds),
              side<Allocations<AsioPostRig>>("asio", Rounds)});
    addGroup("actorAllocations",
             {side<Allocations<ActorRig<Handler::Coroutine>>>("qmicroio", Rounds),
              side<Allocations<QueuedSlotRig>>("queuedSlot", Rounds)});
    return runGroups(argc, argv);
}
