// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/loopservicethread.h>
#include <qmicroio/qmicroio.h>

#include <QtCore/QTimer>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

// A client that asks a server again and again, with longer and longer pauses, until it answers.
class RetryingClient : public QMicroIO::LoopServiceThread
{
    Q_OBJECT
public:
    using Ask = std::function<QMicroIO::Task<QString>()>; // one attempt

    explicit RetryingClient(Ask ask)
        : LoopServiceThread(QStringLiteral("client"))
        , m_ask(std::move(ask))
    {
    }
    ~RetryingClient() override { stop(), join(); }

    // Each attempt has ten seconds; the pauses are 1, 2, 4 ... seconds, at most five minutes. The service's thread.
    QMicroIO::Task<QString> fetch()
    {
        using namespace std::chrono_literals;
        for (std::chrono::seconds pause = 1s;; pause = std::min<std::chrono::seconds>(2 * pause, 5min)) {
            try {
                co_return co_await QMicroIO::failAfter(10s, m_ask);
            } catch (const QMicroIO::Error &) {
                ++m_failures; // also a timeout; a cancellation is none of these and ends the loop
            }
            co_await QMicroIO::sleep(pause);
        }
    }
    int failures() const { return m_failures; } // the service's thread

    // Says how things are once a minute. A plain QTimer, as older code has it.
    QTimer *heartbeat() const { return m_heartbeat.get(); } // the service's thread

Q_SIGNALS:
    void alive(int failures);

protected:
    QMicroIO::Task<> runAsync() override
    {
        m_heartbeat = std::make_unique<QTimer>();
        m_heartbeat->setInterval(60000);
        connect(m_heartbeat.get(), &QTimer::timeout, context(), [this] { Q_EMIT alive(m_failures); });
        const auto timerEndsInItsThread = qScopeGuard([this] { m_heartbeat.reset(); });
        started();
        co_await QMicroIO::sleepForever();
    }

private:
    Ask m_ask;
    int m_failures = 0;
    std::unique_ptr<QTimer> m_heartbeat;
};
