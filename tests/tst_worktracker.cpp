// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/worktracker.h>

#include <QtTest/QSignalSpy>
#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QMetaProperty>
#include <QtCore/QSemaphore>
#include <QtCore/QThread>

#include <atomic>
#include <barrier>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

static_assert(std::is_base_of_v<QObject, WorkTracker>);
static_assert(!std::is_copy_constructible_v<WorkTracker>);
static_assert(std::is_nothrow_move_constructible_v<WorkGuard> && std::is_nothrow_move_assignable_v<WorkGuard>);
static_assert(!std::is_copy_constructible_v<WorkGuard> && !std::is_copy_assignable_v<WorkGuard>);
static_assert(std::is_same_v<decltype(std::declval<const WorkTracker &>().waitIdle()), bool>);
static_assert(std::is_same_v<decltype(std::declval<const WorkTracker &>().count()), qsizetype>);

namespace {

// What the tracker's signal said, from whichever thread.
class Record
{
public:
    explicit Record(WorkTracker &tracker)
    {
        QObject::connect(
            &tracker, &WorkTracker::busyChanged, &tracker,
            [this](bool busy) {
                const std::lock_guard lock(m_mutex);
                m_said.append(busy);
            },
            Qt::DirectConnection);
    }
    Record(const Record &) = delete;
    Record &operator=(const Record &) = delete;
    QList<bool> said() const
    {
        const std::lock_guard lock(m_mutex);
        return m_said;
    }

private:
    mutable std::mutex m_mutex;
    QList<bool> m_said;
};

} // namespace

class TestWorkTracker : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B192
    void aNewTrackerIsIdle()
    {
        WorkTracker tracker;
        QCOMPARE(tracker.count(), 0);
        QVERIFY(!tracker.isBusy());
        QCOMPARE(tracker.property("busy"), QVariant(false));
        const QMetaProperty property = tracker.metaObject()->property(tracker.metaObject()->indexOfProperty("busy"));
        QCOMPARE(property.notifySignal().name(), QByteArray("busyChanged"));
    }

    // B192
    void guardsCountAndMayNest()
    {
        WorkTracker tracker;
        const Record record(tracker);
        {
            const WorkGuard outer = tracker.track();
            QVERIFY(outer);
            QCOMPARE(tracker.count(), 1);
            {
                const WorkGuard inner = tracker.track();
                QCOMPARE(tracker.count(), 2);
                QVERIFY(tracker.isBusy());
            }
            QCOMPARE(tracker.count(), 1);
            QVERIFY(tracker.isBusy());
            QCOMPARE(record.said(), QList<bool>({true}));
        }
        QCOMPARE(tracker.count(), 0);
        QVERIFY(!tracker.isBusy());
        QCOMPARE(record.said(), QList<bool>({true, false}));
    }

    // B192
    void itIsBusyFromTheFirstAddToTheLastDone()
    {
        WorkTracker tracker;
        const Record record(tracker);
        tracker.add();
        QVERIFY(tracker.isBusy());
        tracker.add();
        tracker.done();
        QVERIFY(tracker.isBusy());
        QCOMPARE(tracker.property("busy"), QVariant(true));
        tracker.done();
        QVERIFY(!tracker.isBusy());
        tracker.add();
        QCOMPARE(record.said(), QList<bool>({true, false, true}));
        tracker.done();
        QCOMPARE(record.said(), QList<bool>({true, false, true, false}));
    }

    // B192
    void aGuardLeftByAnErrorCountsDown()
    {
        WorkTracker tracker;
        QVERIFY(throws<LogicError>([&] {
            const WorkGuard guard = tracker.track();
            throw LogicError("out of here");
        }));
        QCOMPARE(tracker.count(), 0);

        qsizetype during = -1;
        auto work = [&]() -> Task<> {
            const WorkGuard guard = tracker.track();
            during = tracker.count();
            co_await sleepForever();
        };
        QVERIFY(!run(moveOnAfter(1ms, work)));
        QCOMPARE(during, 1);
        QVERIFY(!tracker.isBusy());
    }

    // B192
    void aGuardIsHandedOnAndReleasedOnce()
    {
        WorkTracker tracker;
        WorkGuard first = tracker.track();
        WorkGuard second = std::move(first);
        QVERIFY(!first); // NOLINT(bugprone-use-after-move)
        QCOMPARE(tracker.count(), 1);
        WorkGuard third = tracker.track();
        third = std::move(second); // ends what it stood for
        QCOMPARE(tracker.count(), 1);
        std::thread worker([guard = std::move(third)]() mutable { guard.release(); });
        worker.join();
        QCOMPARE(tracker.count(), 0);
        third.release();
        WorkGuard().release();
        QCOMPARE(tracker.count(), 0);
    }

    // B193
    void eightThreadsCountRightAndTheSignalsAlternate()
    {
        constexpr int Threads = 8;
        WorkTracker tracker;
        const Record record(tracker);
        std::barrier together(Threads);
        std::vector<std::thread> threads;
        for (int i = 0; i < Threads; ++i) {
            threads.emplace_back([&] {
                together.arrive_and_wait();
                for (int k = 0; k < 1000; ++k) {
                    tracker.add();
                    tracker.done();
                }
            });
        }
        for (std::thread &thread : threads)
            thread.join();
        QCOMPARE(tracker.count(), 0);
        QVERIFY(!tracker.isBusy());
        const QList<bool> said = record.said();
        QVERIFY(!said.isEmpty());
        for (qsizetype i = 0; i < said.size(); ++i)
            QCOMPARE(said[i], i % 2 == 0);
        QCOMPARE(said.constLast(), false);
    }

    // B193
    void aThreadThatWaitsForWorkWakesOnTheFirstAdd()
    {
        WorkTracker tracker;
        QVERIFY(!tracker.waitBusy(QDeadlineTimer(0)));
        QVERIFY(!tracker.waitBusy(5ms));
        for (int round = 0; round < 50; ++round) {
            std::atomic<long> id{0};
            bool woken = false;
            std::thread waiter([&] {
                id = threadId();
                woken = tracker.waitBusy();
            });
            while (id == 0)
                std::this_thread::yield();
            waitUntilAsleep(id);
            const bool onlyForAMoment = round % 2 == 1; // which must not be missed
            tracker.add();
            if (onlyForAMoment)
                tracker.done();
            waiter.join();
            QVERIFY(woken);
            QCOMPARE(tracker.waitBusy(QDeadlineTimer(0)), !onlyForAMoment);
            if (!onlyForAMoment)
                tracker.done();
        }
    }

    // B194
    void doneWithoutAddIsMisuse()
    {
        WorkTracker tracker;
        const Record record(tracker);
        const QString text = thrownText<LogicError>([&] { tracker.done(); });
        QVERIFY2(text.contains(QStringLiteral("add()")), qPrintable(text));
        QCOMPARE(tracker.count(), 0);
        tracker.add();
        QCOMPARE(tracker.count(), 1);
        QVERIFY(tracker.isBusy());
        tracker.done();
        QVERIFY(!tracker.isBusy());
        QVERIFY(throws<LogicError>([&] { tracker.done(); }));
        QVERIFY(throws<LogicError>([&] { tracker.done(); }));
        QCOMPARE(tracker.count(), 0);
        QCOMPARE(record.said(), QList<bool>({true, false}));
    }

    // B194
    void aGuardWhoseWorkWasTakenAwayIsLogged()
    {
        WorkTracker tracker;
        WorkGuard guard = tracker.track();
        tracker.done();
        const LogCapture log;
        guard.release();
        const QList<QString> texts = log.texts(QtCriticalMsg);
        QCOMPARE(texts.size(), 1);
        QVERIFY2(texts.constFirst().contains(QStringLiteral("WorkGuard")), qPrintable(texts.constFirst()));
        QCOMPARE(tracker.count(), 0);
    }

    // B195
    void aThreadWaitsUntilIdle()
    {
        WorkTracker tracker;
        QVERIFY(tracker.waitIdle());
        QVERIFY(tracker.waitIdle(QDeadlineTimer(0)));
        tracker.add();
        tracker.add();
        QVERIFY(!tracker.waitIdle(QDeadlineTimer(0)));
        QElapsedTimer clock;
        clock.start();
        QVERIFY(!tracker.waitIdle(20ms));
        QVERIFY(clock.elapsed() >= 19);
        tracker.done();
        for (int round = 0; round < 50; ++round) {
            std::atomic<long> id{0};
            bool woken = false;
            std::thread waiter([&] {
                id = threadId();
                woken = tracker.waitIdle();
            });
            while (id == 0)
                std::this_thread::yield();
            waitUntilAsleep(id);
            const bool onlyForAMoment = round % 2 == 1; // which must not be missed
            tracker.done();
            if (onlyForAMoment)
                tracker.add();
            waiter.join();
            QVERIFY(woken);
            QCOMPARE(tracker.waitIdle(QDeadlineTimer(0)), !onlyForAMoment);
            if (!onlyForAMoment)
                tracker.add();
        }
        tracker.done();
    }

    // B195
    void aTaskWaitsUntilIdle()
    {
        WorkTracker tracker;
        QThread *resumedOn = nullptr;
        qsizetype countBefore = 0;
        qsizetype countAfter = -1;
        QSemaphore waiting;
        std::thread worker([&] {
            waiting.acquire();
            tracker.done();
            tracker.done();
        });
        auto body = [&]() -> Task<> {
            co_await tracker.untilIdle(); // idle already
            tracker.add();
            tracker.add();
            countBefore = tracker.count();
            waiting.release();
            co_await tracker.untilIdle();
            countAfter = tracker.count();
            resumedOn = QThread::currentThread();
        };
        run(body());
        worker.join();
        QCOMPARE(countBefore, 2);
        QCOMPARE(countAfter, 0);
        QCOMPARE(resumedOn, QThread::currentThread());
    }

    // B195
    void whoeverWaitsSeesAnIdleMomentAndIsNotRunInsideDone()
    {
        WorkTracker tracker;
        int resumed = 0;
        bool resumedInside = true;
        auto wait = [&]() -> Task<> {
            co_await tracker.untilIdle();
            ++resumed;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            tracker.add();
            group.startSoon(wait);
            group.startSoon(wait);
            co_await sleep(0ms);
            co_await sleep(0ms);
            tracker.done();
            tracker.add();
            resumedInside = resumed > 0;
            co_await group.untilEmpty();
        };
        run(withTaskGroup(body));
        QVERIFY(!resumedInside);
        QCOMPARE(resumed, 2);
        QCOMPARE(tracker.count(), 1);
        tracker.done();
    }

    // B195
    void anAwaitedIdleCanBeCancelledAndTimesOut()
    {
        WorkTracker tracker;
        tracker.add();
        bool completed = true;
        bool timedOut = false;
        auto wait = [&]() -> Task<> { co_await tracker.untilIdle(); };
        auto body = [&]() -> Task<> {
            completed = co_await moveOnAfter(1ms, wait);
            try {
                co_await failAfter(1ms, wait);
            } catch (const TimeoutError &) {
                timedOut = true;
            }
        };
        run(body());
        QVERIFY(!completed);
        QVERIFY(timedOut);
        tracker.done(); // nobody waits in its list any more
    }

    // B195
    void inACancelledScopeNoWaitBegins()
    {
        WorkTracker tracker;
        CancelScope scope;
        scope.cancel();
        bool passed = false;
        auto wait = [&]() -> Task<> {
            co_await tracker.untilIdle(); // idle, but a wait all the same
            passed = true;
        };
        QVERIFY(!run(scope.run(wait)));
        QVERIFY(!passed);
    }

    // B195
    void aLoopThatEndsLeavesNoWaiterBehind()
    {
        WorkTracker tracker;
        tracker.add();
        LoopServiceThread service(QStringLiteral("waiting"));
        service.start();
        service.waitStarted();
        QSemaphore waiting;
        std::atomic<bool> cancelled{false};
        auto wait = [&]() -> Task<> {
            waiting.release();
            try {
                co_await tracker.untilIdle();
            } catch (const Cancelled &) {
                cancelled = true;
                throw;
            }
        };
        QFuture<void> done = service.submit(wait);
        waiting.acquire();
        service.stop();
        QVERIFY(service.join());
        QVERIFY(done.isCanceled());
        QVERIFY(cancelled);
        tracker.done();
    }

    // B195
    void idleThatMeetsTheEndOfTheLoopHangsNobody()
    {
        for (int round = 0; round < 50; ++round) {
            WorkTracker tracker;
            WorkGuard guard = tracker.track();
            LoopServiceThread service(QStringLiteral("ending"));
            service.start();
            service.waitStarted();
            auto wait = [&]() -> Task<> { co_await tracker.untilIdle(); };
            QFuture<void> done = service.submit(wait);
            std::thread worker([&] { guard.release(); });
            service.stop();
            QVERIFY(service.join());
            QVERIFY(done.isFinished());
            worker.join();
        }
    }

    // B195
    void destroyingTheTrackerEndsTheTasksThatWait()
    {
        auto tracker = std::make_unique<WorkTracker>();
        WorkGuard guard = tracker->track();
        QString text;
        QString lateText;
        auto wait = [&]() -> Task<> {
            try {
                co_await tracker->untilIdle();
            } catch (const BrokenResourceError &error) {
                text = error.message();
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(wait);
            co_await sleep(0ms);
            co_await sleep(0ms);
            auto late = tracker->untilIdle();
            tracker.reset();
            try {
                co_await late;
            } catch (const BrokenResourceError &error) {
                lateText = error.message();
            }
        };
        run(withTaskGroup(body));
        QVERIFY2(text.contains(QStringLiteral("destroyed")), qPrintable(text));
        QVERIFY2(lateText.contains(QStringLiteral("destroyed")), qPrintable(lateText));
        guard.release(); // harmless
    }

    void slotsMayCallAnyMethodAndTheSignalsStayInOrder()
    {
        WorkTracker tracker;
        QList<bool> seenByFirst;
        QList<bool> seenByLast;
        qsizetype countElsewhere = -1;
        bool idleInSlot = false;
        int depth = 0;
        int deepest = 0;
        connect(&tracker, &WorkTracker::busyChanged, this, [&](bool busy) {
            deepest = std::max(deepest, ++depth);
            seenByFirst += busy;
            if (seenByFirst.size() == 1) {
                std::thread([&] { countElsewhere = tracker.count(); }).join(); // no lock is held
                tracker.done();
                idleInSlot = tracker.waitIdle(QDeadlineTimer(0)) && !tracker.isBusy();
            }
            --depth;
        });
        connect(&tracker, &WorkTracker::busyChanged, this, [&](bool busy) { seenByLast += busy; });
        tracker.add();
        QCOMPARE(seenByFirst, QList<bool>({true, false}));
        QCOMPARE(seenByLast, QList<bool>({true, false}));
        QCOMPARE(deepest, 1);
        QCOMPARE(countElsewhere, 1);
        QVERIFY(idleInSlot);
        QVERIFY(!tracker.isBusy());
    }

    void aChangeUndoneInsideASlotFallsOut()
    {
        WorkTracker tracker;
        const Record record(tracker);
        connect(&tracker, &WorkTracker::busyChanged, this, [&](bool busy) {
            if (!busy)
                const WorkGuard moment = tracker.track();
        });
        tracker.add();
        tracker.done();
        QCOMPARE(record.said(), QList<bool>({true, false}));
    }

    void aChangeDuringAnEmissionElsewhereIsToldByTheOneWhoEmits()
    {
        WorkTracker tracker;
        const Record record(tracker);
        QSemaphore inSlot;
        QSemaphore mayReturn;
        QList<QThread *> emitters;
        connect(
            &tracker, &WorkTracker::busyChanged, this,
            [&](bool busy) {
                emitters += QThread::currentThread();
                if (busy) {
                    inSlot.release();
                    mayReturn.acquire();
                }
            },
            Qt::DirectConnection);
        QThread *worker = nullptr;
        std::thread thread([&] {
            worker = QThread::currentThread();
            tracker.add();
        });
        inSlot.acquire();
        tracker.done(); // does not wait for the slot
        QVERIFY(!tracker.isBusy());
        QCOMPARE(record.said(), QList<bool>({true}));
        mayReturn.release();
        thread.join();
        QCOMPARE(record.said(), QList<bool>({true, false}));
        QCOMPARE(emitters, QList<QThread *>({worker, worker}));
    }

    void itMayBeDestroyedOnceWaitIdleHasReturned()
    {
        auto tracker = std::make_unique<WorkTracker>();
        QSemaphore inSlot;
        QSemaphore mayReturn;
        std::atomic<bool> returned{false};
        connect(
            tracker.get(), &WorkTracker::busyChanged, this,
            [&](bool busy) {
                if (busy)
                    return;
                inSlot.release();
                mayReturn.acquire();
                returned = true;
            },
            Qt::DirectConnection);
        tracker->add();
        std::thread worker([&] { tracker->done(); });
        QVERIFY(tracker->waitIdle());
        inSlot.acquire();
        std::atomic<long> id{0};
        bool slotHadReturned = false;
        std::thread destroyer([&] {
            id = threadId();
            tracker.reset();
            slotHadReturned = returned;
        });
        while (id == 0)
            std::this_thread::yield();
        waitUntilAsleep(id);
        mayReturn.release();
        destroyer.join();
        worker.join();
        QVERIFY(slotHadReturned);
    }

    void destroyingItWheneverTheWorkEndsIsSafe()
    {
        for (int round = 0; round < 500; ++round) {
            auto tracker = std::make_unique<WorkTracker>();
            int signalsSeen = 0;
            connect(tracker.get(), &WorkTracker::busyChanged, this, [&](bool) { ++signalsSeen; }, Qt::DirectConnection);
            std::thread worker([guard = tracker->track()]() mutable { guard.release(); });
            QVERIFY(tracker->waitIdle());
            tracker.reset();
            QVERIFY(signalsSeen == 1 || signalsSeen == 2);
            worker.join();
        }
    }

    void aSlotMayDestroyTheTracker()
    {
        auto tracker = std::make_unique<WorkTracker>();
        QList<bool> seen;
        connect(tracker.get(), &WorkTracker::busyChanged, this, [&](bool busy) {
            seen += busy;
            if (!busy)
                tracker.reset();
        });
        tracker->add();
        WorkTracker *alive = tracker.get();
        alive->done();
        QVERIFY(!tracker);
        QCOMPARE(seen, QList<bool>({true, false}));
    }

    void aGuardMayOutliveItsTracker()
    {
        WorkGuard guard;
        {
            WorkTracker tracker;
            guard = tracker.track();
        }
        QVERIFY(guard);
        guard.release();
        QVERIFY(!guard);
    }
};

QTEST_GUILESS_MAIN(TestWorkTracker)
#include "tst_worktracker.moc"
