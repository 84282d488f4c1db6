// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/loopservicethread.h>
#include <qmicroio/scopegroup.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QSemaphore>
#include <QtCore/QThread>

#include <memory>
#include <optional>
#include <thread>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<ScopeGroup>);
static_assert(std::is_same_v<decltype(std::declval<ScopeGroup &>().cancel()), bool>);
static_assert(std::is_same_v<decltype(std::declval<ScopeGroup &>().run(std::declval<Task<> (*)()>())), Task<bool>>);
static_assert(std::is_same_v<decltype(std::declval<ScopeGroup &>().run(std::declval<Task<int> (*)(CancelScope &)>())),
                             Task<std::optional<int>>>);

namespace {

Task<> stay()
{
    co_await sleepForever();
}

Task<int> seven()
{
    co_await checkpoint();
    co_return 7;
}

} // namespace

class TestScopeGroup : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B186
    void anEmptyGroupIsNotActive()
    {
        ScopeGroup group;
        QVERIFY(!group.isActive());
        QVERIFY(!group.isLatched());
        QVERIFY(!group.cancel(QStringLiteral("nobody there")));
        QVERIFY(!group.isLatched());
        const Task<std::optional<int>> unawaited = group.run(&seven);
        QVERIFY(!group.isActive());
        QCOMPARE(run(group.run(&seven)), std::optional<int>(7)); // what was cancelled before leaves no trace
        QVERIFY(!group.isActive());
    }

    // B187
    void cancelEndsEveryRegionAndTheTasksGoOnInTheirOwnThreads()
    {
        struct Inmate
        {
            explicit Inmate(const QString &name)
                : service(name)
            {
            }
            LoopServiceThread service;
            bool completed = true;
            bool activeAfter = true;
            QString reason;
            QString origin;
            QThread *resumedOn = nullptr;
        };
        ScopeGroup group;
        CancelScope unrelatedScope;
        bool unrelatedCompleted = false;
        QSemaphore inside;
        Inmate one(QStringLiteral("one"));
        Inmate two(QStringLiteral("two"));
        QSemaphore bothEnded;
        auto member = [&](Inmate &inmate) -> Task<> {
            auto region = [&]() -> Task<> {
                inside.release();
                try {
                    co_await sleepForever();
                } catch (const Cancelled &cancelled) {
                    inmate.reason = cancelled.reason();
                    inmate.origin = cancelled.origin();
                    throw;
                }
            };
            inmate.completed = co_await group.run(region);
            co_await checkpoint(); // nothing is left of the cancellation
            inmate.resumedOn = QThread::currentThread();
            bothEnded.release();
        };
        auto unrelated = [&]() -> Task<> {
            auto region = [&]() -> Task<> {
                inside.release();
                while (!bothEnded.tryAcquire(2))
                    co_await checkpoint();
            };
            unrelatedCompleted = co_await unrelatedScope.run(region);
        };
        for (Inmate *inmate : {&one, &two}) {
            inmate->service.start();
            inmate->service.waitStarted();
        }
        QFuture<void> first = one.service.submit([&] { return member(one); });
        QFuture<void> second = two.service.submit([&] { return member(two); });
        QFuture<void> third = two.service.submit(unrelated);
        inside.acquire(3);
        QVERIFY(group.isActive());
        QThread::currentThread()->setObjectName(QStringLiteral("warden"));
        QVERIFY(group.cancel(QStringLiteral("enough")));
        QThread::currentThread()->setObjectName(QString());
        first.waitForFinished();
        second.waitForFinished();
        third.waitForFinished();
        for (Inmate *inmate : {&one, &two}) {
            QVERIFY(!inmate->completed);
            QCOMPARE(inmate->reason, QStringLiteral("enough"));
            QCOMPARE(inmate->origin, QStringLiteral("warden"));
            QCOMPARE(inmate->resumedOn, inmate->service.context()->thread());
        }
        QVERIFY(unrelatedCompleted);
        QVERIFY(!unrelatedScope.isCancelCalled());
        QVERIFY(!group.isActive());
        QVERIFY(!group.cancel());
        for (Inmate *inmate : {&one, &two}) {
            inmate->service.stop();
            QVERIFY(inmate->service.join());
        }
    }

    // B187
    void aRegionThatEndsByAnErrorLeavesTheGroup()
    {
        ScopeGroup group;
        bool activeInside = false;
        bool activeInHandler = true;
        QString text;
        auto failing = [&]() -> Task<int> {
            co_await checkpoint();
            activeInside = group.isActive();
            throw std::runtime_error("disk full");
        };
        auto body = [&]() -> Task<> {
            try {
                co_await group.run(failing);
            } catch (const std::runtime_error &error) {
                activeInHandler = group.isActive();
                text = QString::fromUtf8(error.what());
            }
        };
        run(body());
        QVERIFY(activeInside);
        QVERIFY(!activeInHandler);
        QCOMPARE(text, QStringLiteral("disk full"));
        QVERIFY(!group.cancel());
    }

    // B187
    void aCancellationFromFurtherOutPassesThroughAndLeavesTheGroup()
    {
        ScopeGroup group;
        std::optional<bool> gave;
        bool outerCompleted = true;
        auto inner = [&]() -> Task<> { gave = co_await group.run(&stay); };
        auto body = [&]() -> Task<> { outerCompleted = co_await moveOnAfter(1ms, inner); };
        run(body());
        QVERIFY(!gave);
        QVERIFY(!outerCompleted);
        QVERIFY(!group.isActive());
    }

    // B187
    void aRegionWhoseLoopEndsLeavesTheGroup()
    {
        ScopeGroup group;
        QSemaphore inside;
        LoopServiceThread service(QStringLiteral("ending"));
        service.start();
        service.waitStarted();
        auto region = [&]() -> Task<> {
            inside.release();
            co_await sleepForever();
        };
        auto body = [&]() -> Task<> { co_await group.run(region); };
        QFuture<void> done = service.submit(body);
        inside.acquire();
        QVERIFY(group.isActive());
        service.stop();
        QVERIFY(service.join());
        QVERIFY(done.isCanceled());
        QVERIFY(!group.isActive());
        QVERIFY(!group.cancel());
    }

    // B187
    void eachRegionHasAScopeOfItsOwn()
    {
        ScopeGroup group;
        std::optional<int> cancelledByItself = 0;
        std::optional<int> untouched;
        bool timedOut = false;
        auto own = [&](CancelScope &scope) -> Task<int> {
            scope.setTimeout(1ms);
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                timedOut = scope.isTimedOut();
                throw;
            }
            co_return 1;
        };
        auto first = [&]() -> Task<> { cancelledByItself = co_await group.run(own); };
        auto other = [&]() -> Task<int> {
            while (cancelledByItself)
                co_await checkpoint();
            co_return 2;
        };
        auto second = [&]() -> Task<> { untouched = co_await group.run(other); };
        auto both = [&](TaskGroup &tasks) -> Task<> {
            tasks.startSoon(first);
            tasks.startSoon(second);
            co_await tasks.untilEmpty();
        };
        run(withTaskGroup(both));
        QVERIFY(!cancelledByItself);
        QVERIFY(timedOut);
        QCOMPARE(untouched, std::optional<int>(2));
        QVERIFY(!group.isActive());
    }

    // B188
    void underALatchARegionIsEnteredCancelled()
    {
        ScopeGroup group;
        QVERIFY(!group.cancel(QStringLiteral("offline"), Latch::Yes));
        QVERIFY(!group.cancel(QStringLiteral("still offline"), ScopeGroup::Latch::Yes));
        QVERIFY(group.isLatched());
        bool entered = false;
        bool activeInside = false;
        bool cancelCalled = false;
        bool passedTheWait = false;
        QString reason;
        auto region = [&](CancelScope &scope) -> Task<> {
            entered = true;
            activeInside = group.isActive();
            cancelCalled = scope.isCancelCalled();
            reason = scope.reason();
            co_await checkpointIfCancelled();
            passedTheWait = true;
        };
        QVERIFY(!run(group.run(region)));
        QVERIFY(entered);
        QVERIFY(activeInside);
        QVERIFY(cancelCalled);
        QVERIFY(!passedTheWait);
        QCOMPARE(reason, QStringLiteral("offline"));
        QVERIFY(!run(group.run(&seven)));

        group.clear();
        QVERIFY(!group.isLatched());
        QVERIFY(run(group.run(region)));
        QVERIFY(passedTheWait);
        QVERIFY(!cancelCalled);
        QCOMPARE(run(group.run(&seven)), std::optional<int>(7));

        QVERIFY(!group.cancel(QStringLiteral("again"), Latch::Yes)); // a new latch, a new reason
        QVERIFY(!run(group.run(region)));
        QCOMPARE(reason, QStringLiteral("again"));
    }

    // B188
    void takingTheLatchOffLeavesCancelledRegionsCancelled()
    {
        ScopeGroup group;
        bool cancelled = false;
        int thrownAfterClear = 0;
        auto inmate = [&]() -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                cancelled = true;
            }
            group.clear();
            for (int i = 0; i < 2; ++i) {
                try {
                    co_await checkpoint();
                } catch (const Cancelled &) {
                    ++thrownAfterClear;
                }
            }
            co_await checkpoint();
        };
        std::optional<bool> completed;
        auto member = [&]() -> Task<> { completed = co_await group.run(inmate); };
        bool wasActive = false;
        auto body = [&](TaskGroup &tasks) -> Task<> {
            tasks.startSoon(member);
            while (!group.isActive())
                co_await checkpoint();
            wasActive = group.cancel(QStringLiteral("latched"), Latch::Yes);
            co_await tasks.untilEmpty();
        };
        run(withTaskGroup(body));
        QVERIFY(wasActive);
        QVERIFY(cancelled);
        QCOMPARE(thrownAfterClear, 2);
        QCOMPARE(completed, std::optional<bool>(false));
        QVERIFY(!group.isLatched());
    }

    // B189
    void withoutALatchLaterRegionsAreNormal()
    {
        ScopeGroup group;
        bool firstCompleted = true;
        std::optional<int> second;
        auto member = [&]() -> Task<> {
            firstCompleted = co_await group.run(&stay);
            second = co_await group.run(&seven);
        };
        bool wasActive = false;
        auto body = [&](TaskGroup &tasks) -> Task<> {
            tasks.startSoon(member);
            while (!group.isActive())
                co_await checkpoint();
            wasActive = group.cancel(QStringLiteral("once"));
            co_await tasks.untilEmpty();
        };
        run(withTaskGroup(body));
        QVERIFY(wasActive);
        QVERIFY(!firstCompleted);
        QCOMPARE(second, std::optional<int>(7));
    }

    // B189
    void cancellingTwiceKeepsTheFirstReason()
    {
        ScopeGroup group;
        QSemaphore inside;
        QSemaphore cleaning;
        QSemaphore mayLeave;
        QString early;
        QString late;
        LoopServiceThread service(QStringLiteral("slow to leave"));
        service.start();
        service.waitStarted();
        auto region = [&](CancelScope &scope) -> Task<> {
            inside.release();
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                early = cancelled.reason();
            }
            cleaning.release();
            mayLeave.acquire();
            try {
                co_await checkpoint();
            } catch (const Cancelled &cancelled) {
                late = cancelled.reason();
            }
            late += scope.reason();
        };
        auto member = [&]() -> Task<> { co_await group.run(region); };
        QFuture<void> done = service.submit(member);
        inside.acquire();
        QVERIFY(group.cancel(QStringLiteral("first")));
        cleaning.acquire();
        QVERIFY(group.cancel(QStringLiteral("second")));
        mayLeave.release();
        done.waitForFinished();
        QCOMPARE(early, QStringLiteral("first"));
        QCOMPARE(late, QStringLiteral("firstfirst"));
        QVERIFY(!group.cancel(QStringLiteral("third")));
        service.stop();
        QVERIFY(service.join());
    }

    // B190
    void theLatchIsSetAlsoWhenNoRegionIsActive()
    {
        ScopeGroup group;
        QVERIFY(!group.cancel(QStringLiteral("early"), Latch::Yes));
        QVERIFY(group.isLatched());
        QVERIFY(!group.isActive());
        QVERIFY(!run(group.run(&stay)));
    }

    // B191
    void aLatchedRegionWithoutAWaitLeaksNothing()
    {
        ScopeGroup group;
        group.cancel(QStringLiteral("latched"), Latch::Yes);
        std::optional<int> value;
        int thrownLater = 0;
        auto quick = [&]() -> Task<int> { co_return 3; };
        auto body = [&]() -> Task<> {
            value = co_await group.run(quick);
            try {
                co_await checkpointIfCancelled();
                co_await checkpoint();
                co_await sleep(1ms);
            } catch (const Cancelled &) {
                ++thrownLater;
            }
        };
        run(body());
        QCOMPARE(value, std::optional<int>(3));
        QCOMPARE(thrownLater, 0);
        QVERIFY(!group.isActive());
    }

    void nestedRegionsOfOneGroupEndTogether()
    {
        ScopeGroup group;
        bool innerGave = false;
        bool outerCompleted = true;
        auto inner = [&]() -> Task<> {
            co_await group.run(&stay);
            innerGave = true; // the outer region is cancelled as well, so the inner one does not keep it
        };
        auto member = [&]() -> Task<> { outerCompleted = co_await group.run(inner); };
        auto body = [&](TaskGroup &tasks) -> Task<> {
            tasks.startSoon(member);
            co_await sleep(0ms);
            co_await sleep(0ms);
            group.cancel();
            co_await tasks.untilEmpty();
        };
        run(withTaskGroup(body));
        QVERIFY(!innerGave);
        QVERIFY(!outerCompleted);
        QVERIFY(!group.isActive());
    }

    void destroyingTheGroupLeavesItsRegionsAlone()
    {
        auto group = std::make_unique<ScopeGroup>();
        std::optional<int> value;
        auto member = [&]() -> Task<> {
            auto region = [&]() -> Task<int> {
                group.reset();
                co_await checkpoint();
                co_return 5;
            };
            value = co_await group->run(region);
        };
        run(member());
        QCOMPARE(value, std::optional<int>(5));
    }

    void codeThatACancelRunsMayUseTheGroup()
    {
        // Cancelling an offload() that no worker has begun destroys the function inside cancel().
        struct AsksTheGroup
        {
            ScopeGroup &group;
            bool &answer;
            ~AsksTheGroup() { answer = group.isActive() && group.cancel(QStringLiteral("nested"), Latch::Yes); }
        };
        ScopeGroup group;
        bool answer = false;
        bool ran = false;
        bool answeredInside = false;
        bool completed = true;
        QThreadPool pool;
        pool.setMaxThreadCount(1);
        QSemaphore unblock;
        pool.start([&] { unblock.acquire(); });
        auto region = [&]() -> Task<> {
            auto work = [token = std::unique_ptr<AsksTheGroup>(new AsksTheGroup{group, answer}), &ran] { ran = true; };
            co_await offload(&pool, std::move(work));
        };
        auto member = [&]() -> Task<> { completed = co_await group.run(region); };
        auto body = [&](TaskGroup &tasks) -> Task<> {
            tasks.startSoon(member);
            co_await sleep(0ms);
            co_await sleep(0ms);
            group.cancel(QStringLiteral("outer"));
            answeredInside = answer;
            co_await tasks.untilEmpty();
        };
        run(withTaskGroup(body));
        unblock.release();
        pool.waitForDone();
        QVERIFY(answeredInside);
        QVERIFY(group.isLatched());
        QVERIFY(!completed);
        QVERIFY(!ran);
    }
};

QTEST_GUILESS_MAIN(TestScopeGroup)
#include "tst_scopegroup.moc"
