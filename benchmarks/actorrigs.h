// SPDX-License-Identifier: Apache-2.0
#pragma once

// Messages to an actor and what they are compared with, to be timed in one program and watched for allocations in another.

#include "rigs.h"

#include <qmicroio/actor.h>
#include <qmicroio/requestregistry.h>

#include <QtCore/QSignalMapper>

namespace Bench {

enum class Handler { Function, Coroutine };

template<Handler How>
class ActorRig
{
public:
    ActorRig()
    {
        m_end = m_service->submit([this] { return m_actor.run(); });
    }
    ~ActorRig()
    {
        m_actor.close();
        m_end.waitForFinished();
    }
    double run(quint64 count)
    {
        return m_sink.run(count, [this](quint64 item) { m_actor.submit(item); });
    }

private:
    struct Take
    {
        Sink &sink;
        auto operator()(quint64 item) const
        {
            if constexpr (How == Handler::Function)
                sink.take(item);
            else
                return taken(item);
        }
        QMicroIO::Task<> taken(quint64 item) const
        {
            sink.take(item);
            co_return;
        }
    };
    Sink m_sink;
    QMicroIO::ActorCore<quint64> m_actor{Take{m_sink}};
    RunningService m_service;
    QFuture<void> m_end;
};

// A signal of an object in this thread, and a slot in another one.
class QueuedSlotRig
{
public:
    QueuedSlotRig()
    {
        QObject::connect(
            &m_sender, &QSignalMapper::mappedInt, m_thread.object(), [this](int item) { m_sink.take(quint64(item)); },
            Qt::QueuedConnection);
    }
    double run(quint64 count)
    {
        return m_sink.run(count, [this](quint64 item) { Q_EMIT m_sender.mappedInt(int(item)); });
    }

private:
    Sink m_sink;
    QSignalMapper m_sender; // for its signal
    BareThread m_thread;
};

// One request at a time, answered by a service.
class RequestRig
{
public:
    RequestRig() = default;
    int call(int value)
    {
        const auto send = [&](QMicroIO::ReplyHandle<int, int> &handle) {
            m_service->callSoon([value, reply = std::move(handle)]() mutable { reply.resolve(value + 1); });
        };
        return m_registry.request(value, send);
    }
    RunningService &service() { return m_service; }

private:
    QMicroIO::RequestRegistry<int, int> m_registry;
    RunningService m_service;
};

} // namespace Bench
