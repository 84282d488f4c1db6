// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/startmain.h>

#include <QtTest/QTest>

#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>
#include <QtCore/QScopeGuard>
#include <QtCore/QThread>
#include <QtCore/QTimer>

#include <memory>
#include <thread>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

namespace {

// A GUI program's event loop, until the main task has ended.
class Program
{
public:
    void run() { m_events.exec(); }
    template<class R>
    auto ends()
    {
        return [this](QFuture<R> main) {
            ++announced;
            try {
                main.waitForFinished(); // throws what the task threw; such a future is cancelled as well
                cancelled = main.isCanceled();
                if constexpr (!std::is_void_v<R>) {
                    if (!cancelled)
                        value = main.result();
                }
            } catch (const std::exception &error) {
                failure = QString::fromUtf8(error.what());
            }
            m_events.quit();
        };
    }
    int announced = 0;
    int value = 0;
    bool cancelled = false;
    QString failure;

private:
    QEventLoop m_events;
};

Task<> sleepsForever()
{
    co_await sleepForever();
}

} // namespace

class TestStartMain : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B210
    void theCallReturnsBeforeTheFirstLineAndTheValueIsAnnouncedOnce()
    {
        Program program;
        QStringList order;
        auto main = [&]() -> Task<int> {
            order += QStringLiteral("first line");
            co_await sleep(1ms);
            co_return 42;
        };
        const QFuture<int> future = startMain(main, program.ends<int>());
        order += QStringLiteral("returned");
        program.run();
        QCoreApplication::processEvents();
        QCOMPARE(order, (QStringList{QStringLiteral("returned"), QStringLiteral("first line")}));
        QCOMPARE(program.announced, 1);
        QCOMPARE(program.value, 42);
        QVERIFY(future.isFinished());
        QCOMPARE(future.result(), 42);
    }

    // B210
    void timersEventsAndTasksWorkAtOnce()
    {
        Program program;
        QStringList ran;
        auto main = [&]() -> Task<> {
            auto child = [&]() -> Task<> {
                ran += QStringLiteral("child");
                co_return;
            };
            auto body = [&](TaskGroup &group) -> Task<> {
                group.startSoon(child);
                co_await sleep(0ms);
            };
            co_await withTaskGroup(body);
            while (ran.size() < 3)
                co_await checkpoint();
        };
        startMain(main, program.ends<void>());
        QTimer::singleShot(0, qApp, [&] { ran += QStringLiteral("timer"); });
        QMetaObject::invokeMethod(qApp, [&] { ran += QStringLiteral("event"); }, Qt::QueuedConnection);
        program.run();
        ran.sort();
        QCOMPARE(ran, (QStringList{QStringLiteral("child"), QStringLiteral("event"), QStringLiteral("timer")}));
        QCOMPARE(program.announced, 1);
    }

    // B210
    void theErrorOfTheMainTaskIsAnnouncedOnceWithItsType()
    {
        Program program;
        auto main = []() -> Task<int> {
            co_await checkpoint();
            throw TimeoutError(QStringLiteral("no server"));
        };
        QFuture<int> future = startMain(main, program.ends<int>());
        program.run();
        QCOMPARE(program.announced, 1);
        QCOMPARE(program.failure, QStringLiteral("no server"));
        QVERIFY(throws<TimeoutError>([&] { future.waitForFinished(); }));
    }

    // B210
    void withoutAnEventLoopItThrowsAtOnce()
    {
        QString text;
        std::thread bare([&] { text = thrownText<LogicError>([] { startMain(sleepsForever); }); });
        bare.join();
        QVERIFY2(text.contains(QStringLiteral("event loop")), qPrintable(text));
    }

    // B210, B211
    void itsFutureCancelsItAndAPlainSlotMayDoSo()
    {
        Program program;
        QFuture<void> future;
        bool cleanedUp = false;
        auto cleanUp = [&]() -> Task<> {
            co_await sleep(1ms);
            cleanedUp = true;
        };
        auto main = [&]() -> Task<> {
            std::exception_ptr ended;
            try {
                co_await sleepForever();
            } catch (...) {
                ended = std::current_exception();
            }
            co_await shielded(cleanUp);
            std::rethrow_exception(ended);
        };
        future = startMain(main, program.ends<void>());
        QTimer::singleShot(1ms, qApp, [&] { future.cancel(); }); // somebody closes the window
        program.run();
        QVERIFY(cleanedUp);
        QVERIFY(program.cancelled);
        QCOMPARE(program.announced, 1);
    }

    // B212
    void aSecondMainTaskIsMisuseWhileTheFirstOneRuns()
    {
        Program program;
        QFuture<void> future = startMain(sleepsForever, program.ends<void>());
        const QString text = thrownText<LogicError>([] { startMain(sleepsForever); });
        QVERIFY2(text.contains(QStringLiteral("task group")), qPrintable(text));
        future.cancel();
        program.run();
        // Afterwards there may be another one, also from what the first one announces.
        Program later;
        auto nothing = []() -> Task<> { co_return; };
        const auto next = [&](const QFuture<void> &) { startMain(nothing, later.ends<void>()); };
        startMain(nothing, next);
        later.run();
        QCOMPARE(later.announced, 1);
    }

    // B212
    void anEventLoopThatQuitsBeforeItIsReported()
    {
        LogCapture log;
        bool unwound = false;
        int announced = 0;
        bool cancelled = false;
        auto main = [&]() -> Task<> {
            const auto leaves = qScopeGuard([&] { unwound = true; });
            co_await sleepForever();
        };
        const auto done = [&](const QFuture<void> &future) {
            ++announced;
            cancelled = future.isCanceled();
        };
        std::unique_ptr<QThread> thread(QThread::create([&] {
            QEventLoop events;
            startMain(main, done);
            QTimer::singleShot(1ms, &events, &QEventLoop::quit);
            events.exec();
        }));
        thread->start();
        thread->wait();
        QVERIFY(unwound);
        QCOMPARE(announced, 1);
        QVERIFY(cancelled);
        const QList<QString> texts = log.texts(QtCriticalMsg);
        QCOMPARE(texts.size(), 1);
        QVERIFY2(texts.front().contains(QStringLiteral("cancel the future")), qPrintable(texts.front()));
    }

    // B212
    void quittingTheApplicationBeforeItIsReported()
    {
        LogCapture log;
        Program program;
        QFuture<void> future = startMain(sleepsForever, program.ends<void>());
        QTimer::singleShot(0, qApp, &QCoreApplication::quit);
        QCoreApplication::exec();
        const QList<QString> texts = log.texts(QtCriticalMsg);
        QCOMPARE(texts.size(), 1);
        QVERIFY2(texts.front().contains(QStringLiteral("before its main task has ended")), qPrintable(texts.front()));
        future.cancel();
        program.run();
        // Cancelled first, then quit: nothing to report.
        QFuture<void> second = startMain(sleepsForever, [](const QFuture<void> &) { QCoreApplication::quit(); });
        QTimer::singleShot(0, qApp, [&] { second.cancel(); });
        QCoreApplication::exec();
        QVERIFY(second.isFinished());
        QCOMPARE(log.texts(QtCriticalMsg).size(), 1);
    }

    // B210
    void whatLeavesTheAnnouncementIsLogged()
    {
        LogCapture log;
        QEventLoop events;
        auto nothing = []() -> Task<> { co_return; };
        const auto done = [&](const QFuture<void> &) {
            events.quit();
            throw Error("cannot show it");
        };
        startMain(nothing, done);
        events.exec();
        const QList<QString> texts = log.texts(QtCriticalMsg);
        QCOMPARE(texts.size(), 1);
        QVERIFY2(texts.front().contains(QStringLiteral("cannot show it")), qPrintable(texts.front()));
    }
};

QTEST_GUILESS_MAIN(TestStartMain)
#include "tst_startmain.moc"
