// SPDX-License-Identifier: Apache-2.0
#include "troubled.h"

#include <QtCore/QRandomGenerator>
#include <QtCore/QThread>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace Demo {

Troubled::Troubled()
    : LoopServiceThread(QStringLiteral("troubled"))
    , m_flood(createChannel<int>({QStringLiteral("flood"), LateSend::Drop}))
{
}

Troubled::~Troubled()
{
    stop();
    join();
    m_flood.sender.close();
    m_flood.receiver.close();
}

void Troubled::stopRequested(const QString &reason)
{
    m_stop = true; // for the one who sleeps with its thread
    LoopServiceThread::stopRequested(reason);
}

Task<> Troubled::runAsync()
{
    taskGroup().startSoon(TaskName(QStringLiteral("drink")), &Troubled::drink, this);
    started();
    for (;;) {
        const auto workers = [this]() -> Task<> {
            const auto body = [this](TaskGroup &group) -> Task<> {
                for (int worker = 1; worker <= 4; ++worker)
                    group.startSoon(TaskName(QStringLiteral("worker %1").arg(worker)), &Troubled::work, this, worker);
                co_await sleepForever();
            };
            co_await withTaskGroup(body);
        };
        co_await m_workers.run(workers);
        co_await sleep(1500ms);
    }
}

Task<> Troubled::work(int worker)
{
    for (;;) {
        co_await sleep(std::chrono::milliseconds(40 * worker + QRandomGenerator::global()->bounded(60)));
        m_flood.sender.sendNowait(worker);
    }
}

Task<> Troubled::drink()
{
    for (;;) {
        static_cast<void>(co_await m_flood.receiver.receive());
        static_cast<void>(m_flood.receiver.drainNowait(400));
        co_await sleep(10ms);
    }
}

Task<> Troubled::pour()
{
    for (int wave = 0; wave < 150; ++wave) {
        for (int drop = 0; drop < 900; ++drop)
            m_flood.sender.sendNowait(drop);
        co_await sleep(10ms);
    }
}

Task<> Troubled::deafTask()
{
    const auto body = [this](TaskGroup &group) -> Task<> {
        const auto deaf = [this]() -> Task<> {
            const auto wait = [this] {
                for (int i = 0; i < 80 && !m_stop; ++i)
                    QThread::msleep(100);
            };
            co_await offload(wait); // a function that runs cannot be interrupted from outside
        };
        group.startSoon(TaskName(QStringLiteral("deaf")), deaf);
        co_await sleep(200ms);
        group.cancel(QStringLiteral("cancelled, and nobody listens"));
    };
    co_await withTaskGroup(body);
}

void Troubled::failNow()
{
    fail(std::make_exception_ptr(Error(QStringLiteral("the disk is full: this failure was injected"))));
}

void Troubled::stall()
{
    callSoon([this] {
        for (int i = 0; i < 50 && !m_stop; ++i)
            QThread::msleep(100);
    });
}

void Troubled::ignoreCancellation()
{
    callSoon([this] { taskGroup().startSoon(TaskName(QStringLiteral("canceller")), &Troubled::deafTask, this); });
}

void Troubled::flood()
{
    callSoon([this] { taskGroup().startSoon(TaskName(QStringLiteral("pour")), &Troubled::pour, this); });
}

void Troubled::cancelTasks()
{
    m_workers.cancel(QStringLiteral("cancelled in the dashboard"));
}

} // namespace Demo
