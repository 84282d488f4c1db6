// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ways from one thread to another, to be timed in one program and watched for allocations in another.

#include "harness.h"

#include <qmicroio/channel.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <QtCore/QThread>

namespace Bench {

// A QThread with an event loop and an object that lives in it: what QMicroIO is compared with most of the time.
class BareThread
{
public:
    BareThread()
    {
        m_object.moveToThread(&m_thread);
        m_thread.start();
    }
    ~BareThread()
    {
        m_thread.quit();
        m_thread.wait();
    }
    BareThread(const BareThread &) = delete;
    BareThread &operator=(const BareThread &) = delete;
    QObject *object() { return &m_object; }

private:
    QThread m_thread;
    QObject m_object;
};

enum class Receiving { Item, Next };

template<Receiving How>
class ChannelRig
{
public:
    ChannelRig()
    {
        auto consume = [this]() -> QMicroIO::Task<> {
            if constexpr (How == Receiving::Next) {
                while (auto item = co_await m_channel.receiver.next())
                    m_sink.take(*item);
            } else {
                try {
                    for (;;)
                        m_sink.take(co_await m_channel.receiver.receive());
                } catch (const QMicroIO::EndOfStream &) {
                }
            }
        };
        m_end = m_service->submit(consume);
    }
    ~ChannelRig()
    {
        m_channel.sender.close();
        m_end.waitForFinished();
    }
    double run(quint64 count)
    {
        return m_sink.run(count, [this](quint64 item) { m_channel.sender.sendNowait(item); });
    }

private:
    QMicroIO::Channel<quint64> m_channel = QMicroIO::createChannel<quint64>();
    Sink m_sink;
    RunningService m_service;
    QFuture<void> m_end;
};

class QueuedInvokeRig
{
public:
    double run(quint64 count)
    {
        return m_sink.run(count, [this](quint64 item) {
            QMetaObject::invokeMethod(m_thread.object(), [this, item] { m_sink.take(item); }, Qt::QueuedConnection);
        });
    }

private:
    Sink m_sink;
    BareThread m_thread;
};

class CallSoonRig
{
public:
    double run(quint64 count)
    {
        return m_sink.run(count, [this](quint64 item) { m_service->callSoon([this, item] { m_sink.take(item); }); });
    }

private:
    Sink m_sink;
    RunningService m_service;
};

class AsioPostRig
{
public:
    ~AsioPostRig()
    {
        m_work.reset();
        m_thread.join();
    }
    double run(quint64 count)
    {
        return m_sink.run(count, [this](quint64 item) { asio::post(m_context, [this, item] { m_sink.take(item); }); });
    }

private:
    Sink m_sink;
    // The hint says that one thread runs it, which suits the baseline.
    asio::io_context m_context{1};
    asio::executor_work_guard<asio::io_context::executor_type> m_work = asio::make_work_guard(m_context);
    std::thread m_thread{[this] { m_context.run(); }};
};

} // namespace Bench
