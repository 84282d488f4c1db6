// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/offload.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/servicegroup.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/testcase.h>
#include <qmicroio/test/virtualclock.h>
#include <qmicroio/worktracker.h>

#include "servicetesting.h"

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QScopeGuard>
#include <QtCore/QSemaphore>
#include <QtCore/QTimer>

#include <limits>
#include <thread>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<VirtualClock>);
static_assert(!std::is_move_constructible_v<VirtualClock>);

class tst_virtualclock : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    // B214
    void itStartsAtZeroAndMovesOnlyWhenTold();
    // B214
    void aNegativeAdvanceIsRefusedAndMovesNothing();
    // B214
    void aRateLetsTimeFlowWithoutAStep();
    // B214
    void aClockThatIsNotInstalledTouchesNothing();
    void anotherClockCannotBeInstalledMeanwhile();
    // B215
    void aSleeperWakesInTheNextTurnAfterAJump();
    // B215
    void deadlinesWakeInTheirOrderAndSeeOneTime();
    // B216
    void sleepsOfManyLengthsPassAtOnceAndExactly();
    // B216
    void theThresholdActsAtOnceWithEveryoneAsleep();
    void theClockDoesNotJumpWhileATaskWorks();
    void failAfterCountsByTheClock();
    void severalServicesSleepOnOneClock();
    void blockingWaitsCountByTheClock_data();
    void blockingWaitsCountByTheClock();
    // B216
    void aBlockingCallCountsFromItsBeginning_data();
    // B216
    void aBlockingCallCountsFromItsBeginning();
    void oneDeadlineCoversAGroupByTheClock();
    void aThreadThatJoinsSeesTheServiceEnd();
    void aFutureThatIsWaitedForLetsTheClockGoOn();
    void functionsOnAThreadPoolHoldTheClock();
    void aHoldKeepsTheClockFromJumping();
    void signalsBetweenThreadsArriveBeforeTheClockJumps();
    void controlledTimersTimeOutByTheClock();
    void aControlledTimerMayBeStoppedRestartedAndDeletedInItsSlot();
    void timersGoOnWithTheSystemsTimeAfterUninstall();
    void uninstallingEndsBlockingWaitsByTheSystemsTime();
    void aDescriptionNamesWhoKeepsTheClock();
};

void tst_virtualclock::itStartsAtZeroAndMovesOnlyWhenTold()
{
    VirtualClock clock;
    clock.install();
    QCOMPARE(clock.elapsed(), 0ns);
    QCOMPARE(clock.rate(), 0.0);
    const auto begin = clock.now();
    QSemaphore never;
    QVERIFY(!never.tryAcquire(1, 2)); // real time goes on
    QCOMPARE(clock.elapsed(), 0ns);
    clock.advance(1h);
    QCOMPARE(clock.elapsed(), 1h);
    QCOMPARE(clock.now() - begin, 1h);
    QCOMPARE(QMicroIO::Test::now(), clock.now());
    clock.advance(0s);
    clock.advance(1.5s);
    QCOMPARE(clock.elapsed(), 1h + 1500ms);
}

void tst_virtualclock::aNegativeAdvanceIsRefusedAndMovesNothing()
{
    VirtualClock clock;
    clock.install();
    clock.advance(5s);
    QVERIFY_THROWS_EXCEPTION(std::invalid_argument, clock.advance(-1ns));
    QVERIFY_THROWS_EXCEPTION(std::invalid_argument,
                             clock.advance(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())));
    QVERIFY_THROWS_EXCEPTION(std::invalid_argument, clock.setRate(-1));
    QVERIFY_THROWS_EXCEPTION(std::invalid_argument, clock.setRate(std::numeric_limits<double>::quiet_NaN()));
    QVERIFY_THROWS_EXCEPTION(std::invalid_argument, clock.setAutojump(-1ms));
    QCOMPARE(clock.elapsed(), 5s);
}

void tst_virtualclock::aRateLetsTimeFlowWithoutAStep()
{
    VirtualClock clock;
    clock.install();
    clock.advance(10s);
    QElapsedTimer real;
    real.start();
    clock.setRate(1000);
    QVERIFY(clock.elapsed() >= 10s);
    // The virtual time is read first: a slice of another program between the two must not count.
    const auto flowed = clock.elapsed() - 10s;
    QVERIFY(flowed <= std::chrono::nanoseconds(real.nsecsElapsed() + 1000) * 1000);
    bool woke = false;
    run([&]() -> Task<> {
        co_await sleep(2s);
        woke = true;
    }());
    const auto virtualTime = clock.elapsed();
    const std::chrono::nanoseconds realTime(real.nsecsElapsed());
    QVERIFY(woke);
    QVERIFY(virtualTime >= 12s);
    QVERIFY(virtualTime - 10s <= realTime * 1000 + 1s);
    clock.setRate(0);
    const auto stopped = clock.elapsed();
    QVERIFY(stopped >= virtualTime);
    QCOMPARE(clock.elapsed(), stopped);
}

void tst_virtualclock::aClockThatIsNotInstalledTouchesNothing()
{
    QElapsedTimer real;
    VirtualClock clock;
    run([&]() -> Task<> {
        real.start();
        VirtualClock another;
        another.setRate(1000000);
        another.setAutojump(0ms);
        clock.setAutojump(0ms);
        co_await sleep(10ms);
    }());
    QVERIFY(real.elapsed() >= 10);
    QCOMPARE(clock.elapsed(), 0ns);
    QVERIFY(!clock.isInstalled());
    QVERIFY(QMicroIO::detail::clockHook() == nullptr);
    QVERIFY_THROWS_EXCEPTION(LogicError, clock.advance(1s));
    QTimer timer;
    QVERIFY_THROWS_EXCEPTION(LogicError, clock.control(&timer));
    clock.uninstall();
}

void tst_virtualclock::anotherClockCannotBeInstalledMeanwhile()
{
    VirtualClock clock;
    VirtualClock another;
    clock.install();
    QVERIFY_THROWS_EXCEPTION(LogicError, another.install());
    QVERIFY_THROWS_EXCEPTION(LogicError, clock.install());
    another.uninstall(); // no effect
    QVERIFY(clock.isInstalled());
    clock.uninstall();
    another.install();
    QCOMPARE(another.elapsed(), 0ns);
}

void tst_virtualclock::aSleeperWakesInTheNextTurnAfterAJump()
{
    VirtualClock clock;
    clock.install();
    runTest([&]() -> Task<> {
        bool woke = false;
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon([&]() -> Task<> {
                co_await sleep(5s);
                woke = true;
            });
            co_await waitAllTasksBlocked();
            QMICROIO_VERIFY(!woke);
            clock.advance(10s);
            co_await waitAllTasksBlocked();
            QMICROIO_VERIFY(woke);
            QMICROIO_COMPARE(clock.elapsed(), 10s);
        });
    });
}

void tst_virtualclock::deadlinesWakeInTheirOrderAndSeeOneTime()
{
    VirtualClock clock;
    clock.install();
    runTest([&]() -> Task<> {
        QList<int> order;
        QList<std::chrono::nanoseconds> times;
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            for (const int seconds : {3, 1, 2}) {
                group.startSoon([&, seconds]() -> Task<> {
                    co_await sleep(std::chrono::seconds(seconds));
                    order += seconds;
                    times += clock.elapsed();
                });
            }
            co_await waitAllTasksBlocked();
            clock.advance(10s);
            co_await group.untilEmpty();
        });
        QMICROIO_COMPARE(order, (QList<int>{1, 2, 3}));
        QMICROIO_COMPARE(times, (QList<std::chrono::nanoseconds>{10s, 10s, 10s}));
    });
}

void tst_virtualclock::sleepsOfManyLengthsPassAtOnceAndExactly()
{
    QElapsedTimer real;
    real.start();
    runTest([&]() -> Task<> {
        const auto begin = QMicroIO::Test::now();
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < 10; ++i)
                group.startSoon([i]() -> Task<> { co_await sleep(std::chrono::seconds(i * 10)); });
            co_await group.untilEmpty();
        });
        QMICROIO_COMPARE(QMicroIO::Test::now() - begin, 90s);
    });
    QVERIFY2(real.elapsed() < 1000, qPrintable(QStringLiteral("%1 ms").arg(real.elapsed())));
}

void tst_virtualclock::theThresholdActsAtOnceWithEveryoneAsleep()
{
    VirtualClock clock;
    clock.setAutojump(1h); // of real time: never, here
    clock.install();
    runTest([&]() -> Task<> {
        // Lowered from a thread that the clock does not know, while the only task sleeps.
        std::thread other([&] { clock.setAutojump(0ms); });
        co_await sleep(100s);
        other.join();
        QMICROIO_COMPARE(clock.elapsed(), 100s);

        clock.setAutojump(1h);
        co_await waitAllTasksBlocked();
        const quint64 jumps = clock.jumps();
        bool woke = false;
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon([&]() -> Task<> {
                co_await sleep(1s);
                woke = true;
            });
            co_await waitAllTasksBlocked(5ms);
            QMICROIO_VERIFY(!woke);
            QMICROIO_COMPARE(clock.jumps(), jumps);
            clock.setAutojump(1ms);
        });
        QMICROIO_VERIFY(woke);
        QMICROIO_COMPARE(clock.elapsed(), 101s);
    });
}

void tst_virtualclock::theClockDoesNotJumpWhileATaskWorks()
{
    runTest([&]() -> Task<> {
        const auto begin = QMicroIO::Test::now();
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon([]() -> Task<> { co_await sleep(1h); });
            for (int i = 0; i < 200; ++i)
                co_await checkpoint();
            QMICROIO_COMPARE(QMicroIO::Test::now(), begin);
        });
        QMICROIO_COMPARE(QMicroIO::Test::now() - begin, 1h);
    });
}

void tst_virtualclock::failAfterCountsByTheClock()
{
    runTest([&]() -> Task<> {
        const auto begin = QMicroIO::Test::now();
        auto forever = []() -> Task<> { co_await sleepForever(); };
        QMICROIO_VERIFY_THROWS(TimeoutError, co_await failAfter(24h, forever));
        QMICROIO_COMPARE(QMicroIO::Test::now() - begin, 24h);
        auto shortly = []() -> Task<> { co_await sleep(59min); };
        QMICROIO_VERIFY(co_await moveOnAfter(1h, shortly));
    });
}

void tst_virtualclock::severalServicesSleepOnOneClock()
{
    runTest([&]() -> Task<> {
        const auto begin = QMicroIO::Test::now();
        std::vector<std::unique_ptr<LoopServiceThread>> services;
        std::vector<QFuture<std::chrono::nanoseconds>> times;
        for (int i = 0; i < 4; ++i) {
            services.push_back(std::make_unique<LoopServiceThread>(QStringLiteral("s%1").arg(i)));
            services.back()->start();
            times.push_back(services.back()->submit([begin, i]() -> Task<std::chrono::nanoseconds> {
                for (int round = 0; round < 20; ++round)
                    co_await sleep(std::chrono::seconds(i + 1));
                co_return QMicroIO::Test::now() - begin;
            }));
        }
        for (int i = 0; i < 4; ++i)
            QMICROIO_COMPARE(co_await times[std::size_t(i)], std::chrono::seconds((i + 1) * 20));
        QMICROIO_COMPARE(QMicroIO::Test::now() - begin, 80s);
        for (const auto &service : services)
            service->stop(), service->join();
    });
}

void tst_virtualclock::blockingWaitsCountByTheClock_data()
{
    QTest::addColumn<QString>("kind");
    for (const char *kind :
         {"waitStarted", "join", "callSync", "request", "CloseScope::wait", "sendBlocking", "WorkTracker::waitIdle"})
        QTest::newRow(kind) << QString::fromUtf8(kind);
}

void tst_virtualclock::blockingWaitsCountByTheClock()
{
    QFETCH(QString, kind);
    VirtualClock clock;
    clock.setAutojump(0ms);
    clock.install();
    QElapsedTimer real;
    real.start();
    CloseScope open;
    RequestRegistry<int, int> registry;
    WorkTracker busy;
    busy.add();
    CloseScope release;
    ServiceThread unready(QStringLiteral("unready"), [&](ServiceThread &) { release.wait(); });
    LoopServiceThread loop(QStringLiteral("loop"));
    if (kind == QStringLiteral("waitStarted") || kind == QStringLiteral("join"))
        unready.start();
    else if (kind == QStringLiteral("callSync"))
        loop.start(), loop.waitStarted();

    if (kind == QStringLiteral("waitStarted")) {
        QVERIFY_THROWS_EXCEPTION(TimeoutError, unready.waitStarted(1h));
    } else if (kind == QStringLiteral("join")) {
        QVERIFY(!unready.join(1h));
    } else if (kind == QStringLiteral("callSync")) {
        QVERIFY_THROWS_EXCEPTION(TimeoutError, loop.callSync([&] { release.wait(); }, 1h));
    } else if (kind == QStringLiteral("request")) {
        QVERIFY_THROWS_EXCEPTION(TimeoutError,
                                 registry.request(1, [](auto &handle) { static auto kept = handle; }, 1h));
    } else if (kind == QStringLiteral("CloseScope::wait")) {
        QVERIFY(!open.wait(1h));
    } else if (kind == QStringLiteral("sendBlocking")) {
        ChannelOptions options;
        options.capacity = 1;
        auto [sender, receiver] = createChannel<int>(options);
        QVERIFY(sender.sendNowait(1));
        QVERIFY_THROWS_EXCEPTION(TimeoutError, sender.sendBlocking(2, 1h));
    } else {
        QVERIFY(!busy.waitIdle(1h));
    }
    // What passes between the making of a QDeadlineTimer and the look at it is time of the system.
    QVERIFY2(clock.elapsed() <= 1h && clock.elapsed() > 1h - 5s,
             qPrintable(QStringLiteral("%1 ns").arg(clock.elapsed().count())));
    QVERIFY(real.elapsed() < 5000);
    release.close();
    busy.done();
    loop.stop();
    QVERIFY(loop.join());
    QVERIFY(unready.join());
}

// Moving it takes real time, as the wake-up of another thread does on a busy machine.
struct SlowToMove
{
    SlowToMove() = default;
    SlowToMove(SlowToMove &&) { pass(); }
    void stay() const { }
    static void pass()
    {
        const auto end = std::chrono::steady_clock::now() + 100ms;
        while (std::chrono::steady_clock::now() < end) { }
    }
};

void tst_virtualclock::aBlockingCallCountsFromItsBeginning_data()
{
    QTest::addColumn<QString>("kind");
    for (const char *kind : {"callSync", "startSync", "request"})
        QTest::newRow(kind) << QString::fromUtf8(kind);
}

void tst_virtualclock::aBlockingCallCountsFromItsBeginning()
{
    QFETCH(QString, kind);
    VirtualClock clock;
    clock.setAutojump(0ms);
    clock.install();
    CloseScope release;
    RequestRegistry<int, int> registry;
    LoopServiceThread loop(QStringLiteral("loop"));
    const auto letGo = qScopeGuard([&] { release.close(); });
    loop.start();
    loop.waitStarted();
    if (kind == QStringLiteral("callSync")) {
        QVERIFY_THROWS_EXCEPTION(TimeoutError,
                                 loop.callSync([&release, slow = SlowToMove()] { slow.stay(), release.wait(); }, 1h));
    } else if (kind == QStringLiteral("startSync")) {
        QVERIFY_THROWS_EXCEPTION(TimeoutError,
                                 loop.startSync<int>(
                                     [slow = SlowToMove()](TaskStatus<int> &) -> Task<> {
                                         slow.stay();
                                         co_await sleepForever();
                                     },
                                     1h));
    } else {
        const auto send = [](auto &handle) {
            static auto kept = handle;
            SlowToMove::pass();
        };
        QVERIFY_THROWS_EXCEPTION(TimeoutError, registry.request(1, send, 1h));
    }
    QVERIFY2(clock.elapsed() <= 1h && clock.elapsed() > 1h - 50ms,
             qPrintable(QStringLiteral("%1 ns").arg(clock.elapsed().count())));
}

void tst_virtualclock::oneDeadlineCoversAGroupByTheClock()
{
    VirtualClock clock;
    clock.setAutojump(0ms);
    clock.install();
    CloseScope release;
    ServiceThread one(QStringLiteral("one"), [&](ServiceThread &) { release.wait(); });
    ServiceThread two(QStringLiteral("two"), [&](ServiceThread &) { release.wait(); });
    ServiceGroup group{&one, &two};
    group.start();
    QVERIFY(!one.join(1s));
    {
        const ServiceTesting::LogCapture log;
        QVERIFY(!group.stopJoin(10s));
        QCOMPARE(log.texts(QtCriticalMsg).size(), 2);
    }
    QCOMPARE(clock.elapsed(), 11s); // not 21
    release.close();
    QVERIFY(group.joinOrLog(10s));
    QCOMPARE(clock.elapsed(), 11s);
}

void tst_virtualclock::aThreadThatJoinsSeesTheServiceEnd()
{
    VirtualClock clock;
    clock.setAutojump(0ms);
    clock.install();
    for (int i = 0; i < 20; ++i) {
        const auto begin = clock.elapsed();
        LoopServiceThread service(QStringLiteral("service"));
        service.start();
        service.waitStarted(1h);
        auto slept = service.submit([]() -> Task<> { co_await shielded([]() -> Task<> { co_await sleep(10min); }); });
        service.callSync([] { }); // it has begun
        service.stop();
        QVERIFY(service.join(1h));
        QCOMPARE(clock.elapsed() - begin, 10min);
        QVERIFY(slept.isFinished());
    }
}

void tst_virtualclock::aFutureThatIsWaitedForLetsTheClockGoOn()
{
    VirtualClock clock;
    clock.setAutojump(0ms);
    clock.install();
    LoopServiceThread service(QStringLiteral("service"));
    service.start();
    auto slept = service.submit([]() -> Task<int> {
        co_await sleep(1h);
        co_return 1;
    });
    QCOMPARE(slept.result(), 1);
    QCOMPARE(clock.elapsed(), 1h);
    service.stop();
    QVERIFY(service.join(1h));
}

void tst_virtualclock::functionsOnAThreadPoolHoldTheClock()
{
    runTest([&]() -> Task<> {
        const auto begin = QMicroIO::Test::now();
        QSemaphore never;
        auto work = [&] {
            static_cast<void>(never.tryAcquire(1, 20)); // longer than a sleep in foreign code may take
            return 5;
        };
        auto body = [&]() -> Task<int> { co_return co_await offload(work); };
        QMICROIO_COMPARE(co_await failAfter(1ms, body), 5);
        QMICROIO_COMPARE(QMicroIO::Test::now(), begin);
    });
}

void tst_virtualclock::aHoldKeepsTheClockFromJumping()
{
    VirtualClock clock;
    clock.setAutojump(0ms);
    clock.install();
    runTest([&]() -> Task<> {
        QSemaphore asleep;
        std::thread worker;
        {
            auto hold = std::make_shared<VirtualClock::Hold>();
            worker = std::thread([&, hold]() mutable {
                asleep.acquire();
                if (clock.jumps() == 0)
                    hold.reset();
            });
        }
        auto sleeper = [&]() -> Task<> { co_await sleep(1h); };
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper);
            co_await checkpoint();
            asleep.release();
        });
        worker.join();
        QMICROIO_COMPARE(clock.elapsed(), 1h);
    });
}

void tst_virtualclock::signalsBetweenThreadsArriveBeforeTheClockJumps()
{
    // T #1587 in trap 35: what is on its way counts as something to do
    for (int round = 0; round < 100; ++round) {
        runTest([&]() -> Task<> {
            const auto begin = QMicroIO::Test::now();
            QObject receiver;
            QObject sender;
            std::optional<std::chrono::nanoseconds> arrived;
            QObject::connect(&sender, &QObject::objectNameChanged, &receiver,
                             [&] { arrived = QMicroIO::Test::now() - begin; });
            LoopServiceThread service(QStringLiteral("service"));
            service.start();
            auto emitted = service.submit([&]() -> Task<> {
                co_await sleep(1s);
                sender.setObjectName(QStringLiteral("changed")); // queued to the test's thread
                co_await sleep(1h);
            });
            co_await emitted;
            QMICROIO_VERIFY(arrived.has_value());
            QMICROIO_COMPARE(*arrived, 1s);
            service.stop();
            service.join();
        });
    }
}

void tst_virtualclock::controlledTimersTimeOutByTheClock()
{
    VirtualClock clock;
    clock.setAutojump(0ms);
    clock.install();
    runTest([&]() -> Task<> {
        QObject owner;
        auto *timer = new QTimer(&owner);
        timer->setInterval(1h);
        clock.controlTimersOf(&owner);
        QList<std::chrono::nanoseconds> times;
        QObject::connect(timer, &QTimer::timeout, &owner, [&] { times += clock.elapsed(); });
        timer->start();
        co_await sleep(150min);
        QMICROIO_COMPARE(times, (QList<std::chrono::nanoseconds>{1h, 2h}));
        timer->setInterval(10min); // counts from here
        co_await sleep(15min);
        QMICROIO_COMPARE(times.size(), 3);
        QMICROIO_COMPARE(times.last(), 160min);
        timer->stop();
        co_await sleep(10h);
        QMICROIO_COMPARE(times.size(), 3);
        timer->setSingleShot(true);
        timer->start(1min);
        co_await sleep(10min);
        QMICROIO_COMPARE(times.size(), 4);
        QMICROIO_VERIFY(!timer->isActive());
        co_await *timer; // inactive: no wait
        timer->start(2min);
        co_await *timer;
        QMICROIO_COMPARE(times.size(), 5);
    });
}

void tst_virtualclock::aControlledTimerMayBeStoppedRestartedAndDeletedInItsSlot()
{
    VirtualClock clock;
    clock.setAutojump(0ms);
    clock.install();
    runTest([&]() -> Task<> {
        auto *timer = new QTimer;
        clock.control(timer);
        int timeouts = 0;
        QObject::connect(timer, &QTimer::timeout, timer, [&] {
            if (++timeouts == 1)
                timer->start(1min);
            else if (timeouts == 2)
                timer->stop();
            else
                delete timer;
        });
        timer->start(10s);
        co_await sleep(1h);
        QMICROIO_COMPARE(timeouts, 2);
        timer->start(10s);
        co_await sleep(1h);
        QMICROIO_COMPARE(timeouts, 3);
    });
}

void tst_virtualclock::timersGoOnWithTheSystemsTimeAfterUninstall()
{
    VirtualClock clock;
    clock.install();
    run([&]() -> Task<> {
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon([]() -> Task<> { co_await sleep(5ms); });
            co_await checkpoint();
            clock.uninstall();
            co_await group.untilEmpty(); // in real time
        });
    }());
    QVERIFY(!clock.isInstalled());
}

void tst_virtualclock::uninstallingEndsBlockingWaitsByTheSystemsTime()
{
    VirtualClock clock;
    clock.install();
    CloseScope scope;
    CloseScope forever;
    std::thread timed([&] { QVERIFY(!scope.wait(5ms)); });
    std::thread patient([&] { QVERIFY(forever.wait()); });
    QTRY_VERIFY(VirtualClock::describe().contains(QStringLiteral("the clock stands at 0 ms")));
    clock.uninstall();
    timed.join();
    forever.close();
    patient.join();
}

void tst_virtualclock::aDescriptionNamesWhoKeepsTheClock()
{
    QCOMPARE(VirtualClock::describe(), QStringLiteral("no clock is installed"));
    VirtualClock clock;
    clock.install();
    clock.advance(3s);
    const VirtualClock::Hold hold;
    const QString text = VirtualClock::describe();
    QVERIFY2(text.contains(QStringLiteral("stands at 3000 ms and does not jump by itself")), qPrintable(text));
    QVERIFY2(text.contains(QStringLiteral("main thread: runs")), qPrintable(text));
    QVERIFY2(text.contains(QStringLiteral("held by 1")), qPrintable(text));
}

QTEST_GUILESS_MAIN(tst_virtualclock)
#include "tst_virtualclock.moc"
