// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/testcase.h>
#include <qmicroio/test/waitblocked.h>

#include <QtTest/QTest>

#include <QtCore/QTimer>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

namespace {

TestOptions realTime()
{
    TestOptions options;
    options.clock = TestOptions::Clock::System;
    return options;
}

} // namespace

class tst_waitblocked : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    // B218
    void itReturnsAfterATaskThatIsBusyForTenTurns();
    // B218
    void twoWaitersBothWake();
    // B218
    void itCanBeCancelled();
    // B218
    void aTaskAtSleepZeroIsNotBlocked();
    // B218
    void trap35ATaskThatWasJustCancelledIsNotBlocked();
    // B217
    void trap35TheClockYieldsToIt();
    void trap35AutojumpSurvivesARate();
    // B218
    void tasksOfServicesCountToo();
    // B219
    void cushionsWakeInTheirOrder();
    // B219
    void aWakeUpThatFindsNothingToDoDoesNotEndTheWait();
    void aNegativeCushionIsRefused();
};

void tst_waitblocked::itReturnsAfterATaskThatIsBusyForTenTurns()
{
    for (const TestOptions &options : {TestOptions(), realTime()}) {
        runTest(
            [&]() -> Task<> {
                co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
                    bool done = false;
                    group.startSoon([&]() -> Task<> {
                        for (int i = 0; i < 10; ++i)
                            co_await checkpoint();
                        done = true;
                    });
                    co_await waitAllTasksBlocked();
                    QMICROIO_VERIFY(done);
                });
            },
            options);
    }
}

void tst_waitblocked::twoWaitersBothWake()
{
    runTest([&]() -> Task<> {
        int woken = 0;
        auto waiter = [&]() -> Task<> {
            co_await waitAllTasksBlocked();
            ++woken;
        };
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon(waiter);
            group.startSoon(waiter);
            co_await group.untilEmpty();
        });
        QMICROIO_COMPARE(woken, 2);
    });
}

void tst_waitblocked::itCanBeCancelled()
{
    runTest([&]() -> Task<> {
        auto body = []() -> Task<> { co_await waitAllTasksBlocked(1h); };
        const bool completed = co_await moveOnAfter(1s, body);
        QMICROIO_VERIFY(!completed);
        CancelScope scope;
        scope.cancel();
        auto cancelled = []() -> Task<> { co_await waitAllTasksBlocked(); };
        QMICROIO_VERIFY(!(co_await scope.run(cancelled)));
        co_await waitAllTasksBlocked(); // and works afterwards
    });
}

void tst_waitblocked::aTaskAtSleepZeroIsNotBlocked()
{
    runTest([&]() -> Task<> {
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            int slept = 0;
            group.startSoon([&]() -> Task<> {
                for (; slept < 50; ++slept)
                    co_await sleep(0ms);
            });
            co_await waitAllTasksBlocked();
            QMICROIO_COMPARE(slept, 50);
        });
    });
}

void tst_waitblocked::trap35ATaskThatWasJustCancelledIsNotBlocked()
{
    runTest([&]() -> Task<> {
        bool unwound = false;
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            CancelScope scope;
            group.startSoon([&]() -> Task<> {
                auto forever = []() -> Task<> { co_await sleepForever(); };
                co_await scope.run(forever);
                unwound = true;
            });
            co_await waitAllTasksBlocked();
            scope.cancel();
            co_await waitAllTasksBlocked();
            QMICROIO_VERIFY(unwound);
        });
    });
}

void tst_waitblocked::trap35TheClockYieldsToIt()
{
    runTest([&]() -> Task<> {
        const auto begin = QMicroIO::Test::now();
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon([]() -> Task<> { co_await sleep(100s); });
            co_await waitAllTasksBlocked();
            QMICROIO_COMPARE(QMicroIO::Test::now(), begin);
        });
        QMICROIO_COMPARE(QMicroIO::Test::now() - begin, 100s);
    });
}

void tst_waitblocked::trap35AutojumpSurvivesARate()
{
    VirtualClock clock;
    clock.setRate(10);
    clock.setAutojump(0ms);
    clock.install();
    runTest([&]() -> Task<> {
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < 50; ++i)
                group.startSoon([i]() -> Task<> { co_await sleep(std::chrono::minutes(i)); });
            co_await group.untilEmpty();
        });
        QMICROIO_VERIFY(clock.elapsed() >= 49min);
        QMICROIO_VERIFY(clock.jumps() > 0);
    });
}

void tst_waitblocked::tasksOfServicesCountToo()
{
    runTest([&]() -> Task<> {
        LoopServiceThread service(QStringLiteral("service"));
        service.start();
        for (int round = 0; round < 20; ++round) {
            std::atomic<bool> done = false;
            auto busy = service.submit([&]() -> Task<> {
                for (int i = 0; i < 10; ++i)
                    co_await checkpoint();
                done = true;
                co_await sleepForever();
            });
            co_await waitAllTasksBlocked();
            QMICROIO_VERIFY(done);
        }
        service.stop();
        service.join();
    });
}

void tst_waitblocked::cushionsWakeInTheirOrder()
{
    runTest(
        [&]() -> Task<> {
            QStringList order;
            co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
                group.startSoon([&]() -> Task<> {
                    for (int i = 0; i < 3; ++i)
                        co_await sleep(10ms);
                    order += QStringLiteral("blinker");
                });
                for (const int cushion : {30, 0, 20}) {
                    group.startSoon([&, cushion]() -> Task<> {
                        co_await waitAllTasksBlocked(std::chrono::milliseconds(cushion));
                        order += QString::number(cushion);
                    });
                }
                co_await group.untilEmpty();
            });
            QMICROIO_COMPARE(order,
                             (QStringList{QStringLiteral("0"), QStringLiteral("blinker"), QStringLiteral("20"),
                                          QStringLiteral("30")}));
        },
        realTime());
}

void tst_waitblocked::aWakeUpThatFindsNothingToDoDoesNotEndTheWait()
{
    runTest(
        [&]() -> Task<> {
            QTimer spurious;
            spurious.start(1ms);
            const auto begin = std::chrono::steady_clock::now();
            co_await waitAllTasksBlocked(15ms);
            QMICROIO_VERIFY(std::chrono::steady_clock::now() - begin >= 15ms);
        },
        realTime());
}

void tst_waitblocked::aNegativeCushionIsRefused()
{
    QVERIFY_THROWS_EXCEPTION(std::invalid_argument, waitAllTasksBlocked(-1ms));
}

QTEST_GUILESS_MAIN(tst_waitblocked)
#include "tst_waitblocked.moc"
