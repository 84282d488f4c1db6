// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>
#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QEventLoop>
#include <QtCore/QPromise>
#include <QtCore/QSemaphore>
#include <QtCore/QThread>

#include <algorithm>
#include <memory>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;

namespace {

// Keeps the thread busy without a wait.
void workFor(Clock::duration span)
{
    const auto end = Clock::now() + span;
    while (Clock::now() < end) { }
}

// In a later event of this thread: after the task that calls this has parked.
template<class F>
void later(F act)
{
    QMetaObject::invokeMethod(QCoreApplication::instance(), std::move(act), Qt::QueuedConnection);
}

// Ordinary Qt code beside the tasks: how often does it get its turn? Each event posts the next one.
class Heartbeat : public QObject
{
public:
    Heartbeat() { post(); }
    int beats() const { return m_beats; }
    void stop() { m_stopped = true; }

protected:
    bool event(QEvent *event) override
    {
        if (event->type() != QEvent::User)
            return QObject::event(event);
        ++m_beats;
        if (!m_stopped)
            post();
        return true;
    }

private:
    void post() { QCoreApplication::postEvent(this, new QEvent(QEvent::User)); }
    int m_beats = 0;
    bool m_stopped = false;
};

} // namespace

class TestLoop : public QObject
{
    Q_OBJECT
Q_SIGNALS:
    void knocked(int number);

private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B129
    void aWaiterNeverResumesInsideTheCallThatEndsItsWait_data()
    {
        QTest::addColumn<QString>("kind");
        for (const char *kind : {"channel", "signal", "timer", "future", "cancel", "deadline", "child"})
            QTest::newRow(kind) << QString::fromUtf8(kind);
    }
    // B129
    void aWaiterNeverResumesInsideTheCallThatEndsItsWait()
    {
        QFETCH(QString, kind);
        auto [sender, receiver] = createChannel<int>();
        QTimer timer;
        timer.start(1h);
        QPromise<void> promise;
        promise.start();
        CancelScope scope;
        bool resumed = false;
        bool inside = false;
        bool waits = false;
        auto waiter = [&]() -> Task<> {
            auto wait = [&]() -> Task<> {
                waits = true;
                if (kind == QStringLiteral("channel"))
                    co_await receiver.receive();
                else if (kind == QStringLiteral("signal"))
                    co_await nextSignal(this, &TestLoop::knocked);
                else if (kind == QStringLiteral("timer"))
                    co_await timer;
                else if (kind == QStringLiteral("future"))
                    co_await promise.future();
                else if (kind != QStringLiteral("child"))
                    co_await sleepForever();
            };
            co_await scope.run(wait);
            resumed = true;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(waiter);
            inside = inside || waits; // a child begins in a later turn
            if (kind != QStringLiteral("child")) {
                while (!waits)
                    co_await checkpoint();
            }
            if (kind == QStringLiteral("channel"))
                sender.sendNowait(1);
            else if (kind == QStringLiteral("signal"))
                Q_EMIT knocked(1);
            else if (kind == QStringLiteral("timer"))
                QMetaObject::invokeMethod(&timer, "timeout", Qt::DirectConnection);
            else if (kind == QStringLiteral("future"))
                promise.finish();
            else if (kind == QStringLiteral("cancel"))
                scope.cancel();
            else if (kind == QStringLiteral("deadline"))
                scope.setDeadline(Clock::now() - 1s);
            inside = inside || resumed;
            co_await group.untilEmpty();
        };
        run(withTaskGroup(body));
        QVERIFY(!inside);
        QVERIFY(resumed);
        sender.close();
    }

    // B129
    void aSenderOutsideOfTasksIsNotReenteredEither()
    {
        auto [sender, receiver] = createChannel<int>();
        int received = 0;
        int insideTheCall = -1;
        auto body = [&]() -> Task<> {
            later([&] {
                sender.sendNowait(5);
                insideTheCall = received;
            });
            received = co_await receiver.receive();
        };
        run(body());
        QCOMPARE(insideTheCall, 0);
        QCOMPARE(received, 5);
        sender.close();
    }

    void readyTasksTakeTurnsInTheirOrder()
    {
        QList<int> order;
        auto worker = [&](int number) -> Task<> {
            for (int round = 0; round < 3; ++round) {
                order += number;
                co_await checkpoint();
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 1; i <= 3; ++i)
                group.startSoon(worker, i);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(order, (QList<int>{1, 2, 3, 1, 2, 3, 1, 2, 3}));
    }

    void qtsEventsRunBetweenTheTurnsOfATaskThatNeverSleeps()
    {
        constexpr int Turns = 200;
        Heartbeat heartbeat;
        auto body = [&]() -> Task<int> {
            co_await checkpoint();
            const int before = heartbeat.beats();
            for (int i = 0; i < Turns; ++i)
                co_await checkpoint();
            heartbeat.stop();
            co_return heartbeat.beats() - before;
        };
        const int beats = run(body());
        QVERIFY2(beats >= Turns / 2, qPrintable(QString::number(beats)));
    }

    void aTaskWhoseReceivesAreAlwaysReadyLetsQtRun()
    {
        constexpr int Items = 10000;
        auto [sender, receiver] = createChannel<int>();
        for (int i = 0; i < Items; ++i)
            sender.sendNowait(i);
        sender.close();
        Heartbeat heartbeat;
        auto body = [&]() -> Task<int> {
            co_await checkpoint();
            const int before = heartbeat.beats();
            while (co_await receiver.next())
                workFor(10us); // 100 ms in all: about 20 slices of time
            heartbeat.stop();
            co_return heartbeat.beats() - before;
        };
        const int beats = run(body());
        QVERIFY2(beats >= 5, qPrintable(QString::number(beats)));
    }

    void manyReadyTasksDoNotKeepATurnForThemselves()
    {
        constexpr int Tasks = 1000;
        Heartbeat heartbeat;
        int ended = 0;
        int atTheFirst = 0;
        int atTheLast = 0;
        auto worker = [&]() -> Task<> {
            workFor(100us); // 100 ms in all, and every task is ready in the same turn
            if (++ended == 1)
                atTheFirst = heartbeat.beats();
            if (ended == Tasks) {
                atTheLast = heartbeat.beats();
                heartbeat.stop();
            }
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < Tasks; ++i)
                group.startSoon(worker);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(ended, Tasks);
        QVERIFY2(atTheLast - atTheFirst >= 5, qPrintable(QString::number(atTheLast - atTheFirst)));
    }

    void aFloodOfCallsDoesNotKeepATurnForItself()
    {
        constexpr int Calls = 1000;
        LoopServiceThread service(QStringLiteral("flooded"));
        service.start();
        service.waitStarted();
        QSemaphore gate;
        std::unique_ptr<Heartbeat> heartbeat;
        int calls = 0;
        int atTheFirst = 0;
        int atTheLast = 0;
        service.callSoon([&] {
            gate.acquire(); // until all calls are waiting
            heartbeat = std::make_unique<Heartbeat>();
        });
        for (int i = 0; i < Calls; ++i) {
            service.callSoon([&] {
                workFor(100us);
                if (++calls == 1)
                    atTheFirst = heartbeat->beats();
                if (calls == Calls)
                    atTheLast = heartbeat->beats();
            });
        }
        gate.release();
        service.callSync([&] { heartbeat.reset(); });
        QCOMPARE(calls, Calls);
        QVERIFY2(atTheLast - atTheFirst >= 5, qPrintable(QString::number(atTheLast - atTheFirst)));
        service.stop();
        QVERIFY(service.join());
    }

    void sleepersOfOneInstantWakeInTheOrderOfTheirArrival()
    {
        constexpr int Sleepers = 1000;
        QList<int> order;
        const auto until = Clock::now() + 100ms; // all have to sleep by then
        auto sleeper = [&](int number) -> Task<> {
            co_await sleepUntil(until);
            order += number;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < Sleepers; ++i)
                group.startSoon(sleeper, i);
            co_return;
        };
        run(withTaskGroup(body));
        QVERIFY(Clock::now() >= until);
        QCOMPARE(order.size(), Sleepers);
        QVERIFY(std::is_sorted(order.begin(), order.end()));
    }

    void aHundredThousandSleepersWakeInTheOrderOfTheirTimes()
    {
        constexpr int Sleepers = 100000; // 1 us apart
        std::vector<int> order;
        order.reserve(Sleepers);
        int asleep = 0;
        bool allSleptInTime = false;
        Clock::time_point base;
        auto sleeper = [&](int number) -> Task<> {
            ++asleep;
            co_await sleepUntil(base + std::chrono::microseconds(number));
            order.push_back(number);
        };
        auto wave = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < Sleepers; ++i)
                group.startSoon(sleeper, int(qint64(i) * 7919 % Sleepers)); // prime: each number once, well mixed
            while (asleep < Sleepers)
                co_await checkpoint();
            allSleptInTime = Clock::now() < base;
        };
        // A slow machine may not get all of them to sleep before the first is due; then they get more time.
        Clock::duration taken{};
        auto lead = 200ms;
        for (; !allSleptInTime && lead < 1min; lead *= 2) {
            order.clear();
            asleep = 0;
            const auto begun = Clock::now();
            base = begun + lead;
            run(withTaskGroup(wave));
            taken = Clock::now() - begun;
        }
        QVERIFY(allSleptInTime);
        QCOMPARE(order.size(), std::size_t(Sleepers));
        QVERIFY(std::is_sorted(order.begin(), order.end()));
        QVERIFY2(taken < lead + 20s, qPrintable(QString::number(taken / 1ms)));
    }

    void cancelledSleepsLeaveNoTimersBehind()
    {
        constexpr int Sleepers = 100000;
        int asleep = 0;
        int woken = 0;
        auto sleeper = [&]() -> Task<> {
            ++asleep;
            co_await sleep(1h);
            ++woken;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < Sleepers; ++i)
                group.startSoon(sleeper);
            while (asleep < Sleepers)
                co_await checkpoint();
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(asleep, Sleepers);
        QCOMPARE(woken, 0);
    }

    void anEarlierTimeReplacesALaterOneThatIsArmed()
    {
        QStringList order;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto sleeper = [&](const QString &name, Clock::duration span) -> Task<> {
                co_await sleep(span);
                order += name;
                if (order.size() == 2)
                    group.cancel();
            };
            group.startSoon(sleeper, QStringLiteral("late"), Clock::duration(1h));
            // Qt's own timer: it rings while the loop sleeps with the hour armed.
            QTimer::singleShot(5ms, this, [&group, sleeper] {
                group.startSoon(sleeper, QStringLiteral("second"), Clock::duration(30ms));
                group.startSoon(sleeper, QStringLiteral("first"), Clock::duration(10ms));
            });
            co_await sleepForever();
        };
        run(withTaskGroup(body));
        QCOMPARE(order, (QStringList{QStringLiteral("first"), QStringLiteral("second")}));
    }

    // B67
    void anEarlierTimeThatIsSetOutsideOfATurnIsArmed()
    {
        CancelScope scope;
        scope.setTimeout(1h);
        auto wait = [&]() -> Task<> {
            later([&] { scope.setDeadline(Clock::now() + 10ms); });
            co_await sleepForever();
        };
        QVERIFY(!run(scope.run(wait)));
        QVERIFY(scope.isTimedOut());
        QVERIFY(Clock::now() >= scope.deadline());
    }

    void aTimerArmedForACancelledSleepWakesNobodyElse()
    {
        CancelScope early;
        Clock::duration slept{};
        auto body = [&](TaskGroup &group) -> Task<> {
            auto other = [&]() -> Task<> {
                const auto begun = Clock::now();
                co_await sleep(40ms);
                slept = Clock::now() - begun;
            };
            group.startSoon(other);
            auto wait = [&]() -> Task<> {
                later([&] { early.cancel(); });
                co_await sleep(10ms);
            };
            co_await early.run(wait);
        };
        run(withTaskGroup(body));
        QVERIFY(slept >= 40ms);
    }

    void aLoopWhoseTasksAllWaitDoesNotSpin()
    {
        int wakeUps = 0;
        const auto counting =
            connect(QAbstractEventDispatcher::instance(), &QAbstractEventDispatcher::awake, this, [&] { ++wakeUps; });
        CancelScope scope;
        int during = 0;
        auto body = [&]() -> Task<> {
            auto patient = [&]() -> Task<> {
                const int before = wakeUps;
                co_await sleep(50ms);
                during = wakeUps - before;
            };
            auto cancelled = [&]() -> Task<> {
                scope.cancel();
                co_await shielded(patient); // the cancellation around it must not be repeated turn after turn
            };
            co_await scope.run(cancelled);
        };
        run(body());
        disconnect(counting);
        QVERIFY2(during < 50, qPrintable(QString::number(during)));
    }

    void aNestedEventLoopInATaskDoesNotStopTheOthers()
    {
        QStringList order;
        auto body = [&](TaskGroup &group) -> Task<> {
            QEventLoop *nested = nullptr;
            auto other = [&]() -> Task<> {
                order += nested ? QStringLiteral("other runs inside") : QStringLiteral("other runs before");
                co_await sleep(1ms);
                order += QStringLiteral("other slept");
                nested->quit();
            };
            group.startSoon(other); // ready in the same turn as what follows
            QEventLoop dialog;
            nested = &dialog;
            dialog.exec();
            order += QStringLiteral("dialog closed");
            co_await group.untilEmpty();
        };
        run(withTaskGroup(body));
        QCOMPARE(order,
                 (QStringList{QStringLiteral("other runs inside"), QStringLiteral("other slept"),
                              QStringLiteral("dialog closed")}));
    }

    void tasksOfAThreadThatEndsAreCancelledAndFreed()
    {
        QStringList order;
        auto forever = []() -> Task<> { co_await sleepForever(); };
        auto wait = [&]() -> Task<> {
            try {
                co_await shielded(forever); // a shield does not outlive the loop
            } catch (const Cancelled &cancelled) {
                order += cancelled.reason();
                throw;
            }
        };
        auto root = [&]() -> QCoro::Task<> {
            try {
                co_await wait();
            } catch (const Cancelled &) {
                order += QStringLiteral("root ended");
            }
        };
        const std::unique_ptr<QThread> thread(QThread::create([&] {
            root(); // of a QCoro::Task nobody waits for the end
            QEventLoop events;
            QTimer::singleShot(0, &events, &QEventLoop::quit);
            events.exec();
        }));
        thread->setObjectName(QStringLiteral("short-lived"));
        thread->start();
        thread->wait();
        QCOMPARE(order.size(), 2);
        QVERIFY2(order[0].contains(QStringLiteral("ended")), qPrintable(order[0]));
        QCOMPARE(order[1], QStringLiteral("root ended"));
        QCOMPARE(liveTaskFrames(), 0);
    }
};

QTEST_GUILESS_MAIN(TestLoop)
#include "tst_loop.moc"
