// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/closescope.h>
#include <qmicroio/taskgroup.h>

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QMetaProperty>
#include <QtCore/QSemaphore>
#include <QtCore/QThread>

#include <atomic>
#include <latch>
#include <optional>
#include <thread>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

static_assert(std::is_base_of_v<QObject, CloseScope>);
static_assert(!std::is_copy_constructible_v<CloseScope>);
static_assert(std::is_same_v<decltype(std::declval<CloseScope &>().close()), bool>);
static_assert(std::is_same_v<decltype(std::declval<const CloseScope &>().wait()), bool>);

namespace {

std::exception_ptr boom()
{
    return std::make_exception_ptr(std::out_of_range("boom"));
}

} // namespace

class TestCloseScope : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B1
    void aNewScopeIsOpen()
    {
        CloseScope scope;
        QVERIFY(!scope.isClosed());
        QVERIFY(!scope.isFailed());
        QVERIFY(scope.reason().isEmpty());
        QVERIFY(!scope.error());
        QVERIFY(!scope.wait(QDeadlineTimer(0)));
        scope.throwIfClosed();
        QCOMPARE(scope.property("closed"), QVariant(false));
        QCOMPARE(scope.property("failed"), QVariant(false));
        QCOMPARE(scope.property("reason"), QVariant(QString()));
    }

    // B2
    void theFirstCloseDecides()
    {
        CloseScope scope;
        QVERIFY(scope.close(QStringLiteral("done")));
        QVERIFY(scope.isClosed());
        QVERIFY(!scope.isFailed());
        QCOMPARE(scope.reason(), QStringLiteral("done"));
        QVERIFY(!scope.close(QStringLiteral("again")));
        QCOMPARE(scope.reason(), QStringLiteral("done"));
        QVERIFY(!scope.error());
        QCOMPARE(scope.property("closed"), QVariant(true));
        QCOMPARE(scope.property("reason"), QVariant(QStringLiteral("done")));
    }

    // B3
    void aFailureKeepsItsErrorAndSaysWhy()
    {
        CloseScope scope;
        const std::exception_ptr error = boom();
        QVERIFY(scope.fail(error));
        QVERIFY(scope.isClosed());
        QVERIFY(scope.isFailed());
        QCOMPARE(scope.error(), error);
        QCOMPARE(scope.reason(), QStringLiteral("boom"));
        QCOMPARE(scope.property("failed"), QVariant(true));

        CloseScope explained;
        QVERIFY(explained.fail(error, QStringLiteral("disk full")));
        QCOMPARE(explained.reason(), QStringLiteral("disk full"));
        QCOMPARE(explained.error(), error);

        CloseScope closedWithError;
        QVERIFY(closedWithError.close(QStringLiteral("why"), error));
        QVERIFY(closedWithError.isFailed());
        QCOMPARE(closedWithError.error(), error);
        QCOMPARE(closedWithError.reason(), QStringLiteral("why"));
    }

    // B4
    void aCleanEndNeverBecomesAFailureNorTheReverse()
    {
        CloseScope closed;
        QVERIFY(closed.close(QStringLiteral("done")));
        QVERIFY(!closed.fail(boom()));
        QVERIFY(!closed.isFailed());
        QVERIFY(!closed.error());
        QCOMPARE(closed.reason(), QStringLiteral("done"));

        CloseScope failed;
        QVERIFY(failed.fail(boom()));
        QVERIFY(!failed.close(QStringLiteral("done")));
        QVERIFY(!failed.fail(std::make_exception_ptr(std::runtime_error("other"))));
        QVERIFY(failed.isFailed());
        QVERIFY(holds<std::out_of_range>(failed.error(), "boom"));
        QCOMPARE(failed.reason(), QStringLiteral("boom"));
    }

    // B5
    void throwIfClosedTellsHowItEndedEachTime()
    {
        CloseScope closed;
        closed.close(QStringLiteral("r"));
        CloseScope unexplained;
        unexplained.close();
        CloseScope failed;
        failed.fail(boom());
        for (int i = 0; i < 2; ++i) {
            QCOMPARE(thrownText<ClosedResourceError>([&] { closed.throwIfClosed(); }), QStringLiteral("r"));
            QCOMPARE(thrownText<ClosedResourceError>([&] { unexplained.throwIfClosed(); }), QStringLiteral("closed"));
            QCOMPARE(thrownText<BrokenResourceError>([&] { failed.throwIfClosed(); }), QStringLiteral("boom"));
            std::exception_ptr cause;
            try {
                failed.throwIfClosed();
            } catch (const BrokenResourceError &error) {
                cause = error.cause();
            }
            QCOMPARE(cause, failed.error());
        }
    }

    // B6
    void closingWakesEveryThreadThatWaits()
    {
        constexpr int Waiters = 4;
        CloseScope scope;
        std::atomic<int> woken = 0;
        std::atomic<long> ids[Waiters] = {};
        std::latch begun(Waiters);
        std::vector<std::thread> threads;
        for (std::atomic<long> &id : ids) {
            threads.emplace_back([&] {
                id = threadId();
                begun.count_down();
                if (scope.wait(QDeadlineTimer(60s)))
                    ++woken;
            });
        }
        begun.wait();
        for (const std::atomic<long> &id : ids)
            waitUntilAsleep(id);
        QElapsedTimer clock;
        clock.start();
        scope.close();
        for (std::thread &thread : threads)
            thread.join();
        QCOMPARE(woken.load(), Waiters);
        QVERIFY(clock.elapsed() < 30'000);
    }

    // B6
    void waitingEndsAtTheDeadlineAndNeverBlocksOnceClosed()
    {
        CloseScope scope;
        QElapsedTimer clock;
        clock.start();
        QVERIFY(!scope.wait(QDeadlineTimer(30)));
        QVERIFY2(clock.elapsed() >= 29, qPrintable(QString::number(clock.elapsed())));
        scope.close();
        QVERIFY(scope.wait());
        QVERIFY(scope.wait(QDeadlineTimer(0)));
    }

    // B7
    void oneOfManyRacingClosersWins()
    {
        constexpr int Closers = 16;
        for (int round = 0; round < 50; ++round) {
            CloseScope scope;
            std::latch go(Closers + 2);
            std::atomic<int> winners = 0;
            std::atomic<int> winner = -1;
            std::atomic<int> torn = 0;
            std::atomic<int> signalled = 0;
            connect(&scope, &CloseScope::closedChanged, this, [&] { ++signalled; }, Qt::DirectConnection);
            std::vector<std::thread> threads;
            for (int i = 0; i < Closers; ++i) {
                threads.emplace_back([&, i] {
                    const QString reason = QStringLiteral("closer %1").arg(i);
                    // Even ones fail, odd ones close.
                    const std::exception_ptr error = std::make_exception_ptr(Error(reason));
                    go.arrive_and_wait();
                    if (i % 2 ? scope.close(reason) : scope.fail(error)) {
                        ++winners;
                        winner = i;
                    }
                });
            }
            for (int i = 0; i < 2; ++i) {
                threads.emplace_back([&] {
                    go.arrive_and_wait();
                    while (!scope.isClosed())
                        std::this_thread::yield();
                    const QString reason = scope.reason();
                    const std::exception_ptr error = scope.error();
                    const int who = reason.mid(7).toInt();
                    if (reason.isEmpty() || scope.isFailed() != (who % 2 == 0)
                        || errorText(error) != (error ? reason : QString()) || bool(error) != (who % 2 == 0))
                        ++torn;
                });
            }
            for (std::thread &thread : threads)
                thread.join();
            QCOMPARE(winners.load(), 1);
            QCOMPARE(torn.load(), 0);
            QCOMPARE(signalled.load(), 1);
            QCOMPARE(scope.reason(), QStringLiteral("closer %1").arg(winner.load()));
            QCOMPARE(scope.isFailed(), winner.load() % 2 == 0);
        }
    }

    // B8
    void closingInterruptsNobodyButStaysVisible()
    {
        CloseScope scope;
        bool interrupted = false;
        bool seenLater = false;
        auto sleeper = [&]() -> Task<> {
            try {
                co_await sleep(20ms);
            } catch (...) {
                interrupted = true;
            }
            seenLater = scope.isClosed();
        };
        auto closer = [&]() -> Task<> {
            scope.close(QStringLiteral("meanwhile"));
            co_return;
        };
        auto both = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper);
            group.startSoon(closer);
            co_await group.untilEmpty();
        };
        QElapsedTimer clock;
        clock.start();
        run(withTaskGroup(both));
        QVERIFY(!interrupted);
        QVERIFY(seenLater);
        QVERIFY(clock.elapsed() >= 19);
        QVERIFY(throws<ClosedResourceError>([&] { scope.throwIfClosed(); }));
    }

    void closedChangedComesOnceFromTheClosingThreadWithNoLockHeld()
    {
        CloseScope scope;
        int count = 0;
        QThread *from = nullptr;
        QString reasonInSlot;
        bool secondClose = true;
        connect(
            &scope, &CloseScope::closedChanged, this,
            [&] {
                ++count;
                from = QThread::currentThread();
                reasonInSlot = scope.reason();
                secondClose = scope.close(QStringLiteral("from the slot"));
            },
            Qt::DirectConnection);
        QThread *closing = nullptr;
        std::thread thread([&] {
            closing = QThread::currentThread();
            scope.close(QStringLiteral("first"));
            scope.close(QStringLiteral("second"));
        });
        thread.join();
        QCOMPARE(count, 1);
        QCOMPARE(from, closing);
        QCOMPARE(reasonInSlot, QStringLiteral("first"));
        QVERIFY(!secondClose);
        for (const char *name : {"closed", "failed", "reason"}) {
            const QMetaProperty property = scope.metaObject()->property(scope.metaObject()->indexOfProperty(name));
            QVERIFY2(QByteArray(property.notifySignal().name()) == "closedChanged", name);
        }
    }

    void aNullFailureIsRefused()
    {
        CloseScope scope;
        const QString text = thrownText<std::invalid_argument>([&] { scope.fail(nullptr); });
        QVERIFY2(text.contains(QStringLiteral("close()")), qPrintable(text));
        QVERIFY(!scope.isClosed());
    }

    void aTaskWaitsUntilAnotherThreadCloses()
    {
        CloseScope scope;
        QSemaphore waiting;
        std::thread thread([&] {
            waiting.acquire();
            scope.close();
        });
        bool before = true;
        bool after = false;
        QThread *resumedOn = nullptr;
        auto wait = [&]() -> Task<> {
            before = scope.isClosed();
            waiting.release();
            co_await untilClosed(scope);
            after = scope.isClosed();
            resumedOn = QThread::currentThread();
            co_await untilClosed(scope); // closed already
        };
        run(wait());
        thread.join();
        QVERIFY(!before);
        QVERIFY(after);
        QCOMPARE(resumedOn, QThread::currentThread());
    }

    void closingRunsNoWaiterInsideTheCall()
    {
        CloseScope scope;
        bool resumed = false;
        bool resumedInside = true;
        auto wait = [&]() -> Task<> {
            co_await untilClosed(scope);
            resumed = true;
        };
        auto both = [&](TaskGroup &group) -> Task<> {
            group.startSoon(wait);
            co_await sleep(0ms);
            co_await sleep(0ms);
            scope.close();
            resumedInside = resumed;
        };
        run(withTaskGroup(both));
        QVERIFY(!resumedInside);
        QVERIFY(resumed);
    }

    void aWaitForClosingCanBeCancelled()
    {
        CloseScope scope;
        bool completed = true;
        auto wait = [&]() -> Task<> { co_await untilClosed(scope); };
        auto body = [&]() -> Task<> { completed = co_await moveOnAfter(1ms, wait); };
        run(body());
        QVERIFY(!completed);
        QVERIFY(scope.close()); // the cancelled waiter is gone from its list
    }

    void destroyingTheScopeEndsItsWaiters()
    {
        auto scope = std::make_unique<CloseScope>();
        int broken = 0;
        auto wait = [&]() -> Task<> {
            try {
                co_await untilClosed(*scope);
            } catch (const BrokenResourceError &) {
                ++broken;
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(wait);
            group.startSoon(wait);
            co_await sleep(0ms);
            co_await sleep(0ms);
            scope.reset();
        };
        run(withTaskGroup(body));
        QCOMPARE(broken, 2);
    }
};

QTEST_GUILESS_MAIN(TestCloseScope)
#include "tst_closescope.moc"
