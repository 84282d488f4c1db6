// SPDX-License-Identifier: Apache-2.0
#include "runningservice.h"
#include "servicetesting.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/loopwatchdog.h>

#include <QtCore/QSemaphore>
#include <QtTest/QTest>

#include <mutex>
#include <vector>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

namespace {

// What a watchdog told, and a gate that opens with it.
class Heard
{
public:
    explicit Heard(LoopWatchdog &watchdog)
    {
        QObject::connect(
            &watchdog, &LoopWatchdog::stuck, &watchdog,
            [this](const StuckLoop &loop) {
                {
                    const std::lock_guard lock(m_mutex);
                    m_stuck.push_back(loop);
                }
                if (loop.thread == QStringLiteral("busy"))
                    stuck.release();
            },
            Qt::DirectConnection);
        QObject::connect(
            &watchdog, &LoopWatchdog::recovered, &watchdog,
            [this](const StuckLoop &loop) {
                if (loop.thread != QStringLiteral("busy"))
                    return;
                recovery = loop;
                recovered.release();
            },
            Qt::DirectConnection);
    }
    std::vector<StuckLoop> of(const QString &thread)
    {
        const std::lock_guard lock(m_mutex);
        std::vector<StuckLoop> found;
        for (const StuckLoop &loop : m_stuck) {
            if (loop.thread == thread)
                found.push_back(loop);
        }
        return found;
    }
    QSemaphore stuck;
    QSemaphore recovered;
    StuckLoop recovery;

private:
    std::mutex m_mutex;
    std::vector<StuckLoop> m_stuck;
};

} // namespace

class TestLoopWatchdog : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    // B502
    void aTaskThatKeepsItsLoopIsNamedWithItsLastWait()
    {
        LogCapture log;
        Running service(QStringLiteral("busy"));
        LoopWatchdog watchdog(40ms);
        Heard heard(watchdog);
        const auto work = [&]() -> Task<> {
            co_await sleep(80ms); // so that the watchdog has seen the loop alive
            heard.stuck.acquire();
        };
        const QFuture<void> done =
            service.submit([&] { service.taskGroup().startSoon(TaskName(QStringLiteral("indexer")), work); });
        QVERIFY(heard.recovered.tryAcquire(1, 20'000));
        const std::vector<StuckLoop> reports = heard.of(QStringLiteral("busy"));
        QCOMPARE(reports.size(), std::size_t(1));
        const StuckLoop &report = reports.front();
        QCOMPARE(report.task, QStringLiteral("indexer"));
        QVERIFY(report.isService);
        QVERIFY(report.duration >= 40ms);
        QVERIFY2(report.lastWait.toString().startsWith(QStringLiteral("tst_loopwatchdog.cpp:")),
                 qPrintable(report.lastWait.toString()));
        QVERIFY(heard.recovery.duration >= report.duration);
        bool logged = false;
        for (const QString &text : log.texts(QtWarningMsg))
            logged |= text.startsWith(QStringLiteral("service busy has not turned for "))
                && text.contains(QStringLiteral("indexer runs"));
        QVERIFY(logged);
    }

    // B502
    void aHandlerThatKeepsItsLoopIsReportedToo()
    {
        LogCapture log;
        Running service(QStringLiteral("busy"));
        LoopWatchdog watchdog(20ms);
        Heard heard(watchdog);
        service.callSoon([&] { heard.stuck.acquire(); });
        QVERIFY(heard.recovered.tryAcquire(1, 20'000));
        const StuckLoop report = heard.of(QStringLiteral("busy")).front();
        QVERIFY(report.task.isEmpty());
        QVERIFY2(report.toString().contains(QStringLiteral("a call or an event handler runs")),
                 qPrintable(report.toString()));
    }

    // B502
    void aLoopThatBlocksForAnotherNamesIt()
    {
        LogCapture log;
        Running service(QStringLiteral("busy"));
        Running other(QStringLiteral("other"));
        LoopWatchdog watchdog(20ms);
        Heard heard(watchdog);
        service.callSoon([&] { other.callSync([&] { heard.stuck.acquire(); }); });
        QVERIFY(heard.recovered.tryAcquire(1, 20'000));
        QCOMPARE(heard.of(QStringLiteral("busy")).front().blocksFor, QStringLiteral("other"));
    }

    void theMainLoopIsWatchedOnceTasksRunOnIt()
    {
        LogCapture log;
        bool ran = false;
        const auto body = [&]() -> Task<> {
            ran = true;
            co_return;
        };
        run(body());
        QVERIFY(ran);
        LoopWatchdog watchdog(20ms);
        QSemaphore stuck;
        connect(
            &watchdog, &LoopWatchdog::stuck, &watchdog,
            [&](const StuckLoop &loop) {
                if (!loop.isService)
                    stuck.release();
            },
            Qt::DirectConnection);
        stuck.acquire(); // without a turn of this thread's loop
    }

    // B502
    void aLoopThatIsIdleIsNotReported()
    {
        Running idle(QStringLiteral("idle"));
        Running service(QStringLiteral("busy"));
        LogCapture log;
        LoopWatchdog watchdog(200ms);
        Heard heard(watchdog);
        service.callSoon([&] { heard.stuck.acquire(); });
        QVERIFY(heard.recovered.tryAcquire(1, 20'000));
        QVERIFY(heard.of(QStringLiteral("idle")).empty());
    }

    // B502
    void loopsThatEndWhileTheyAreWatchedAreForgotten()
    {
        LogCapture log;
        LoopWatchdog watchdog(1ms);
        LoopWatchdog another(2ms);
        for (int i = 0; i < 50; ++i) {
            Running service(QStringLiteral("brief"));
            for (int k = 0; k < 20; ++k)
                service.submit([]() -> Task<> { co_await sleep(0ms); });
        }
    }

    void aTimeThatIsNotPositiveIsRefused()
    {
        QVERIFY(throws<std::invalid_argument>([] { LoopWatchdog watchdog(0ms); }));
    }
};

QTEST_MAIN(TestLoopWatchdog)
#include "tst_loopwatchdog.moc"
