// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/qmicroio.h>

#include <QtCore/QObject>

#include <atomic>

namespace Demo {

/// A service that does as it is told: works, fails, stalls, ignores its cancellation, or floods its channel.
class Troubled : public QMicroIO::LoopServiceThread
{
public:
    Troubled();
    ~Troubled() override;

    // All: any thread, and NotRunningError while it does not run.
    void failNow();
    /// Keeps its thread from its event loop for some seconds.
    void stall();
    /// Cancels a task that waits for something that nobody can interrupt.
    void ignoreCancellation();
    /// Sends far more than is received, for some seconds.
    void flood();
    /// Cancels its workers, which begin anew after a moment.
    void cancelTasks();

protected:
    QMicroIO::Task<> runAsync() override;
    void stopRequested(const QString &reason) override;

private:
    QMicroIO::Task<> work(int worker);
    QMicroIO::Task<> pour();
    QMicroIO::Task<> drink();
    QMicroIO::Task<> deafTask();

    QMicroIO::ScopeGroup m_workers{QStringLiteral("troubled workers")};
    QMicroIO::Channel<int> m_flood;
    std::atomic<bool> m_stop{false};
};

} // namespace Demo
