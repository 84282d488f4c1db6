// SPDX-License-Identifier: Apache-2.0
#include "thrown.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/virtualclock.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QCoreApplication>
#include <QtCore/QPromise>
#include <QtCore/QRegularExpression>
#include <QtCore/QThread>

#include <qcoro/qcorotimer.h>

#include <limits>
#include <memory>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;
using Names = QStringList;

namespace {

const auto giveNothing = []() -> Task<> { co_return; };
const auto giveNumber = []() -> Task<int> { co_return 1; };
using GiveNothing = decltype(giveNothing);
using GiveNumber = decltype(giveNumber);

} // namespace

static_assert(!std::is_copy_constructible_v<CancelScope>);
static_assert(!std::is_move_constructible_v<CancelScope>);
static_assert(std::is_same_v<decltype(std::declval<CancelScope &>().run(giveNothing)), Task<bool>>);
static_assert(std::is_same_v<decltype(std::declval<CancelScope &>().run(giveNumber)), Task<std::optional<int>>>);
static_assert(std::is_same_v<decltype(moveOnAfter(1s, giveNothing)), Task<bool>>);
static_assert(std::is_same_v<decltype(moveOnAfter(1s, giveNumber)), Task<std::optional<int>>>);
static_assert(std::is_same_v<decltype(failAfter(1s, giveNothing)), Task<>>);
static_assert(std::is_same_v<decltype(failAfter(1.5s, giveNumber)), Task<int>>);
static_assert(std::is_same_v<decltype(shielded(giveNothing)), Task<>>);
static_assert(std::is_same_v<decltype(shielded(giveNumber)), Task<int>>);

namespace {

// In a later event of this thread: after the task that calls this has parked.
template<class F>
void later(F act)
{
    QMetaObject::invokeMethod(QCoreApplication::instance(), std::move(act), Qt::QueuedConnection);
}

// Keeps the thread busy without a wait.
void workUntil(Clock::time_point end)
{
    while (Clock::now() <= end) { }
}

void cancelFromAnotherThread(CancelScope &scope, const QString &reason = {})
{
    std::thread([&] { scope.cancel(reason); }).join();
}

Task<bool> throwsCancelled(Task<> wait)
{
    try {
        co_await wait;
    } catch (const Cancelled &) {
        co_return true;
    }
    co_return false;
}

Task<> aCheckpoint()
{
    co_await checkpoint();
}

Task<> nestScopes(int levels, int &caught)
{
    if (levels == 0)
        co_await sleepForever();
    CancelScope scope;
    auto inner = [&]() -> Task<> { return nestScopes(levels - 1, caught); };
    co_await scope.run(inner);
    if (scope.isCancelledCaught())
        ++caught;
}

// Every kind of wait, for the rules that hold for all of them.
Task<> waitBy(const QString &kind)
{
    if (kind == QStringLiteral("checkpoint")) {
        co_await checkpoint();
    } else if (kind == QStringLiteral("checkpointIfCancelled")) {
        co_await checkpointIfCancelled();
    } else if (kind == QStringLiteral("sleep zero")) {
        co_await sleep(0ms);
    } else if (kind == QStringLiteral("sleep")) {
        co_await sleep(1h);
    } else if (kind == QStringLiteral("sleep with value")) {
        co_await sleep(1h, 5);
    } else if (kind == QStringLiteral("sleepUntil the past")) {
        co_await sleepUntil(Clock::now() - 1s);
    } else if (kind == QStringLiteral("sleepForever")) {
        co_await sleepForever();
    } else if (kind == QStringLiteral("finished future")) {
        co_await QtFuture::makeReadyFuture(1);
    } else if (kind == QStringLiteral("pending future")) {
        QPromise<int> promise;
        promise.start();
        co_await promise.future();
    } else if (kind == QStringLiteral("timer")) {
        QTimer timer;
        timer.start(1h);
        co_await timer;
    } else if (kind == QStringLiteral("inactive timer")) {
        QTimer timer;
        co_await timer;
    } else if (kind == QStringLiteral("QCoro task")) {
        auto finished = []() -> QCoro::Task<> { co_return; };
        co_await finished();
    } else if (kind == QStringLiteral("nextSignal")) {
        QObject sender;
        co_await nextSignal(&sender, &QObject::objectNameChanged);
    } else if (kind == QStringLiteral("offload")) {
        auto work = [] { };
        co_await offload(work);
    } else {
        throw Error(QStringLiteral("no such wait: ") + kind);
    }
}

void addWaitRows()
{
    QTest::addColumn<QString>("kind");
    for (const char *kind : {"checkpoint", "checkpointIfCancelled", "sleep zero", "sleep", "sleep with value",
                             "sleepUntil the past", "sleepForever", "finished future", "pending future", "timer",
                             "inactive timer", "QCoro task", "nextSignal", "offload"})
        QTest::newRow(kind) << QString::fromUtf8(kind);
}

} // namespace

class TestCancelScope : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B41
    void ownCancelIsThrownAtTheNextCheckpointAndEndsAtTheScope()
    {
        Names order;
        CancelScope scope;
        auto body = [&]() -> Task<> {
            auto inside = [&](CancelScope &same) -> Task<> {
                same.cancel(QStringLiteral("enough"));
                order += QStringLiteral("still runs");
                co_await checkpoint();
                order += QStringLiteral("not reached");
            };
            if (!co_await scope.run(inside))
                order += QStringLiteral("after");
            co_await checkpoint();
            order += QStringLiteral("waits again");
        };
        run(body());
        QCOMPARE(order, (Names{QStringLiteral("still runs"), QStringLiteral("after"), QStringLiteral("waits again")}));
        QVERIFY(scope.isCancelCalled());
        QVERIFY(scope.isCancelledCaught());
        QVERIFY(!scope.isTimedOut());
    }

    // B42
    void theFirstCancelWins()
    {
        CancelScope scope;
        QVERIFY(scope.reason().isEmpty());
        QVERIFY(!scope.isCancelCalled());
        QVERIFY(scope.cancel(QStringLiteral("a")));
        QVERIFY(!scope.cancel(QStringLiteral("b")));
        scope.setDeadline(Clock::now() - 1s);
        QString seen;
        auto inside = [&]() -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                seen = cancelled.reason();
                throw;
            }
        };
        auto body = [&]() -> Task<> { co_await scope.run(inside); };
        run(body());
        QCOMPARE(seen, QStringLiteral("a"));
        QCOMPARE(scope.reason(), QStringLiteral("a"));
        QVERIFY(!scope.isTimedOut());
        QVERIFY(scope.isCancelledCaught());
    }

    void aCancellationSaysWhyAndWhoAskedForIt()
    {
        QString origin;
        auto cause = Cancelled::Cause::Failure;
        QString late;
        auto body = [&](TaskGroup &group) -> Task<> {
            CancelScope scope;
            auto canceller = [&scope]() -> Task<> {
                scope.cancel();
                co_return;
            };
            group.startSoon(TaskName(QStringLiteral("canceller")), canceller);
            auto wait = [&]() -> Task<> {
                try {
                    co_await sleepForever();
                } catch (const Cancelled &cancelled) {
                    origin = cancelled.origin();
                    cause = cancelled.cause();
                    throw;
                }
            };
            co_await scope.run(wait);
            CancelScope timed;
            timed.setTimeout(0s);
            auto again = [&]() -> Task<> {
                try {
                    co_await checkpoint();
                } catch (const Cancelled &cancelled) {
                    late = cancelled.cause() == Cancelled::Cause::Deadline ? cancelled.reason() : QString();
                    throw;
                }
            };
            co_await timed.run(again);
            co_await group.untilEmpty();
        };
        run(withTaskGroup(body));
        QCOMPARE(origin, QStringLiteral("canceller"));
        QCOMPARE(cause, Cancelled::Cause::Request);
        QVERIFY2(late.contains(QStringLiteral("deadline")), qPrintable(late));
    }

    // B43, B47, B82
    void everyKindOfWaitThrowsInACancelledScopeAgainAndAgain_data() { addWaitRows(); }
    // B43, B47, B82
    void everyKindOfWaitThrowsInACancelledScopeAgainAndAgain()
    {
        QFETCH(QString, kind);
        CancelScope scope;
        scope.cancel(); // not entered yet
        bool began = false;
        int thrown = 0;
        int passed = 0;
        auto inside = [&]() -> Task<> {
            began = true;
            for (int i = 0; i < 3; ++i) {
                if (co_await throwsCancelled(waitBy(kind)))
                    ++thrown;
                else
                    ++passed;
            }
            co_await waitBy(kind);
        };
        auto body = [&]() -> Task<> { co_await scope.run(inside); };
        run(body());
        QVERIFY(began);
        QCOMPARE(thrown, 3);
        QCOMPARE(passed, 0);
        QVERIFY(scope.isCancelledCaught());
    }

    // B44
    void leavingACancelledScopeWithoutAWaitIsNoError()
    {
        CancelScope scope;
        bool ranToItsEnd = false;
        bool waitedAfterwards = false;
        auto body = [&]() -> Task<> {
            auto inside = [&]() -> Task<> {
                scope.cancel();
                co_return;
            };
            ranToItsEnd = co_await scope.run(inside);
            co_await checkpoint();
            co_await sleep(1ms);
            waitedAfterwards = true;
        };
        run(body());
        QVERIFY(ranToItsEnd);
        QVERIFY(waitedAfterwards);
        QVERIFY(scope.isCancelCalled());
        QVERIFY(!scope.isCancelledCaught());
        CancelScope withValue;
        auto give = [&]() -> Task<int> {
            withValue.cancel();
            co_return 5;
        };
        QCOMPARE(run(withValue.run(give)), std::optional<int>(5));
    }

    // B45
    void aCancelOfAnotherThreadThatComesTooLateIsNeverThrown()
    {
        bool waitedAfterwards = false;
        CancelScope scope;
        CancelScope left;
        auto body = [&]() -> Task<> {
            auto inside = [&]() -> Task<> {
                cancelFromAnotherThread(scope); // the loop has been told, and has not looked yet
                co_return;
            };
            co_await scope.run(inside);
            co_await left.run(giveNothing);
            cancelFromAnotherThread(left);
            co_await sleep(1ms);
            co_await checkpoint();
            waitedAfterwards = true;
        };
        run(body());
        QVERIFY(waitedAfterwards);
        for (const CancelScope *each : {&scope, &left}) {
            QVERIFY(each->isCancelCalled());
            QVERIFY(!each->isCancelledCaught());
        }
    }

    // B46
    void aCancelOfAnotherThreadWakesASleeperOnItsOwnThread()
    {
        LoopServiceThread service(QStringLiteral("sleeper"));
        service.start();
        service.waitStarted();
        CancelScope scope;
        QThread *thrownOn = nullptr;
        QString reason;
        auto body = [&]() -> Task<> {
            auto inside = [&]() -> Task<> {
                try {
                    co_await sleep(1h);
                } catch (const Cancelled &cancelled) {
                    thrownOn = QThread::currentThread();
                    reason = cancelled.reason();
                    throw;
                }
            };
            co_await scope.run(inside);
        };
        QFuture<void> done = service.submit(body);
        service.callSync([] { }); // it sleeps now
        QVERIFY(scope.cancel(QStringLiteral("wake up")));
        done.waitForFinished();
        QVERIFY(!done.isCanceled());
        QCOMPARE(thrownOn, service.context()->thread());
        QCOMPARE(reason, QStringLiteral("wake up"));
        QVERIFY(scope.isCancelledCaught());
        service.stop();
        QVERIFY(service.join());
    }

    // B46
    void cancellingAfterTheLoopHasEndedIsHarmless()
    {
        CancelScope scope;
        {
            LoopServiceThread service(QStringLiteral("gone"));
            service.start();
            service.waitStarted();
            auto inside = [&]() -> Task<> { co_await sleepForever(); };
            auto body = [&]() -> Task<> { co_await scope.run(inside); };
            QFuture<void> done = service.submit(body);
            service.callSync([] { });
            service.stop();
            QVERIFY(service.join());
            QVERIFY(done.isCanceled());
        }
        QVERIFY(scope.cancel(QStringLiteral("late")));
        QVERIFY(scope.isCancelCalled());
        QVERIFY(!scope.isCancelledCaught());
    }

    // B47
    void swallowingTheCancellationAndLeavingNormallyIsNoError()
    {
        CancelScope scope;
        int thrown = 0;
        auto inside = [&]() -> Task<int> {
            scope.cancel();
            for (int i = 0; i < 2; ++i) {
                if (co_await throwsCancelled(aCheckpoint()))
                    ++thrown;
            }
            co_return 3;
        };
        QCOMPARE(run(scope.run(inside)), std::optional<int>(3));
        QCOMPARE(thrown, 2);
        QVERIFY(scope.isCancelCalled());
        QVERIFY(!scope.isCancelledCaught());
    }

    // B48
    void anotherErrorLeavesACancelledScopeUnchanged()
    {
        CancelScope scope;
        const auto original = std::make_exception_ptr(Error("of its own"));
        std::exception_ptr seen;
        auto body = [&]() -> Task<> {
            auto inside = [&]() -> Task<> {
                scope.cancel();
                co_await throwsCancelled(aCheckpoint());
                std::rethrow_exception(original);
            };
            try {
                co_await scope.run(inside);
            } catch (...) {
                seen = std::current_exception();
            }
        };
        run(body());
        QCOMPARE(seen, original);
        QVERIFY(scope.isCancelCalled());
        QVERIFY(!scope.isCancelledCaught());
    }

    // B49
    void cancellationsAreTakenOutOfExceptionGroups()
    {
        CancelScope scope;
        const auto cause = std::make_exception_ptr(Error("the cause"));
        const auto broken = std::make_exception_ptr(BrokenResourceError(QStringLiteral("broken"), cause));
        const auto plain = std::make_exception_ptr(Error("plain"));
        std::exception_ptr seen;
        auto body = [&]() -> Task<> {
            auto inside = [&]() -> Task<> {
                scope.cancel();
                const auto cancelled = std::make_exception_ptr(Cancelled());
                const std::vector<std::exception_ptr> inner{cancelled, broken};
                const std::vector<std::exception_ptr> onlyCancelled{cancelled, cancelled};
                const std::vector<std::exception_ptr> outer{plain, std::make_exception_ptr(ExceptionGroup(inner)),
                                                            cancelled,
                                                            std::make_exception_ptr(ExceptionGroup(onlyCancelled))};
                throw ExceptionGroup(outer);
                co_return;
            };
            try {
                co_await scope.run(inside);
            } catch (...) {
                seen = std::current_exception();
            }
        };
        run(body());
        QVERIFY(scope.isCancelledCaught());
        QVERIFY(seen);
        std::vector<std::exception_ptr> rest;
        const QString text = messageOf<ExceptionGroup>([&] { std::rethrow_exception(seen); });
        QVERIFY2(text.startsWith(QStringLiteral("2 tasks failed:\n  - plain")), qPrintable(text));
        try {
            std::rethrow_exception(seen);
        } catch (const ExceptionGroup &group) {
            rest = group.exceptions();
        }
        QCOMPARE(rest.size(), 2u);
        QCOMPARE(rest[0], plain);
        try {
            std::rethrow_exception(rest[1]);
        } catch (const ExceptionGroup &nested) {
            QCOMPARE(nested.exceptions(), std::vector<std::exception_ptr>{broken});
        }
    }

    // B49
    void anExceptionGroupOfNothingButCancellationsIsAbsorbed()
    {
        CancelScope scope;
        auto inside = [&]() -> Task<int> {
            scope.cancel();
            const std::vector<std::exception_ptr> inner{std::make_exception_ptr(Cancelled())};
            const std::vector<std::exception_ptr> outer{std::make_exception_ptr(ExceptionGroup(inner)),
                                                        std::make_exception_ptr(Cancelled())};
            throw ExceptionGroup(outer);
            co_return 1;
        };
        QCOMPARE(run(scope.run(inside)), std::optional<int>());
        QVERIFY(scope.isCancelledCaught());
    }

    // B49
    void anExceptionGroupWithoutCancellationsPassesUnchanged()
    {
        CancelScope scope;
        const std::vector<std::exception_ptr> errors{std::make_exception_ptr(Error("one"))};
        const auto original = std::make_exception_ptr(ExceptionGroup(errors));
        std::exception_ptr seen;
        auto body = [&]() -> Task<> {
            auto inside = [&]() -> Task<> {
                scope.cancel();
                std::rethrow_exception(original);
                co_return;
            };
            try {
                co_await scope.run(inside);
            } catch (...) {
                seen = std::current_exception();
            }
        };
        run(body());
        QCOMPARE(seen, original);
        QVERIFY(!scope.isCancelledCaught());
    }

    // B50
    void enteringAScopeASecondTimeIsMisuse()
    {
        Names texts;
        CancelScope scope;
        CancelScope shared;
        int otherEnds = 0;
        const auto enter = [&texts](CancelScope &again) -> Task<> {
            try {
                co_await again.run(giveNothing);
            } catch (const LogicError &error) {
                texts += error.message();
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            auto nested = [&]() -> Task<> {
                co_await enter(scope);
                co_await checkpoint(); // the first run is not disturbed
            };
            if (!co_await scope.run(nested))
                throw Error("the first run was disturbed");
            co_await enter(scope); // later
            auto first = [&]() -> Task<> {
                auto wait = [&]() -> Task<> { co_await sleepForever(); };
                co_await shared.run(wait);
                ++otherEnds;
            };
            group.startSoon(first);
            co_await checkpoint();
            co_await enter(shared); // from a second task
            shared.cancel();
            co_await group.untilEmpty();
        };
        run(withTaskGroup(body));
        QCOMPARE(texts.size(), 3);
        for (const QString &text : texts)
            QVERIFY2(text.contains(QStringLiteral("make a new one")), qPrintable(text));
        QCOMPARE(otherEnds, 1);
        QVERIFY(shared.isCancelledCaught());
    }

    // B52
    void onlyTheCancelledScopeOfTwoAbsorbs_data()
    {
        QTest::addColumn<bool>("outerIsCancelled");
        QTest::newRow("outer") << true;
        QTest::newRow("inner") << false;
    }
    // B51
    void aScopeIsEnteredAndLeftByTheTaskThatAwaitsItsRun()
    {
        CancelScope scope;
        CancelScope maker;
        std::optional<Task<bool>> region;
        CancelScope *outside = nullptr;
        auto wait = []() -> Task<> { co_await sleepForever(); };
        auto makes = [&]() -> Task<> {
            region.emplace(scope.run(wait)); // has not begun: it is in no task yet
            co_return;
        };
        auto awaits = [&]() -> Task<> {
            later([&] { scope.cancel(); });
            const bool completed = co_await std::move(*region);
            if (!completed)
                outside = co_await currentCancelScope();
        };
        QVERIFY(run(maker.run(makes)));
        maker.cancel(); // the one around the place where the region was made means nothing to it
        CancelScope other;
        QVERIFY(run(other.run(awaits)));
        QVERIFY(scope.isCancelledCaught());
        QCOMPARE(outside, &other);
        QVERIFY(!messageOf<LogicError>([&] { run(std::move(*region)); }).isEmpty());
    }

    // B51
    void scopesThatAreLeftOutOfOrderCancelNobodyElse()
    {
        // Functions as bodies leave no way to write this; frames that are destroyed from outside could still do it.
        detail::Loop &loop = detail::Loop::ensure();
        const detail::ScopeRef outer = detail::ScopeRef::create();
        const detail::ScopeRef inner = detail::ScopeRef::create();
        outer->enter(loop, nullptr);
        inner->enter(loop, outer.get());
        outer->leave();
        QCOMPARE(inner->parent(), nullptr);
        outer->cancel({QStringLiteral("too late"), Cancelled::Cause::Request, {}});
        QVERIFY(!inner->isEffective());
        inner->cancel({QStringLiteral("in time"), Cancelled::Cause::Request, {}});
        QVERIFY(inner->isEffective());
        outer->leave(); // once more: harmless
        inner->leave();
        QVERIFY(!inner->isInside());
    }

    // B51
    void settingAScopeFromAnotherThreadIsMisuse()
    {
        QStringList texts;
        CancelScope scope;
        auto inside = [&]() -> Task<> {
            std::thread other([&] {
                texts += messageOf<LogicError>([&] { scope.setShielded(true); });
                texts += messageOf<LogicError>([&] { scope.setDeadline(Clock::now()); });
                texts += messageOf<LogicError>([&] { scope.setTimeout(1ms); });
            });
            other.join();
            co_await checkpoint();
        };
        QVERIFY(run(scope.run(inside))); // none of it had an effect
        QCOMPARE(texts.size(), 3);
        QVERIFY2(texts.at(0).contains(QStringLiteral("setShielded()")), qPrintable(texts.at(0)));
        QVERIFY2(texts.at(1).contains(QStringLiteral("setDeadline()")), qPrintable(texts.at(1)));
        QVERIFY2(texts.at(2).contains(QStringLiteral("setTimeout()")), qPrintable(texts.at(2)));
        for (const QString &text : std::as_const(texts))
            QVERIFY2(text.contains(QStringLiteral("callSoon()")), qPrintable(text));
    }

    // B51
    void aScopeThatIsGoneBeforeItsRunBeginsIsMisuse()
    {
        std::optional<CancelScope> scope(std::in_place);
        Task<bool> region = scope->run(giveNothing);
        scope.reset();
        const QString text = messageOf<LogicError>([&] { run(std::move(region)); });
        QVERIFY2(text.contains(QStringLiteral("outlives run()")), qPrintable(text));
    }

    // B51
    void aScopeThatIsDestroyedInTheMiddleIsReportedAndItsRegionGoesOn()
    {
        std::optional<CancelScope> scope(std::in_place);
        CancelScope *seen = nullptr;
        QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("destroyed in the middle of its run")));
        auto inside = [&]() -> Task<> {
            scope.reset();
            co_await checkpoint();
            seen = co_await currentCancelScope();
        };
        CancelScope outer;
        auto around = [&]() -> Task<> { co_await scope->run(inside); };
        QVERIFY(run(outer.run(around)));
        QCOMPARE(seen, &outer); // the innermost one that is there
    }

    // B52
    void onlyTheCancelledScopeOfTwoAbsorbs()
    {
        QFETCH(bool, outerIsCancelled);
        CancelScope outer;
        CancelScope inner;
        bool between = false;
        auto body = [&]() -> Task<> {
            auto outerBody = [&]() -> Task<> {
                auto innerBody = [&]() -> Task<> {
                    (outerIsCancelled ? outer : inner).cancel();
                    co_await sleepForever();
                };
                co_await inner.run(innerBody);
                between = true;
                co_await checkpoint();
            };
            co_await outer.run(outerBody);
        };
        run(body());
        QCOMPARE(between, !outerIsCancelled);
        QCOMPARE(outer.isCancelledCaught(), outerIsCancelled);
        QCOMPARE(inner.isCancelledCaught(), !outerIsCancelled);
        QCOMPARE(outer.isCancelCalled(), outerIsCancelled);
    }

    // B53
    void ofSeveralCancelledScopesTheOutermostAbsorbs_data()
    {
        QTest::addColumn<QList<int>>("order"); // 0: outermost
        QTest::addColumn<int>("absorbs");
        QTest::newRow("outer, inner") << QList<int>{0, 2} << 0;
        QTest::newRow("inner, outer") << QList<int>{2, 0} << 0;
        QTest::newRow("middle, inner") << QList<int>{1, 2} << 1;
        QTest::newRow("inner, middle") << QList<int>{2, 1} << 1;
        QTest::newRow("inner, middle, outer") << QList<int>{2, 1, 0} << 0;
        QTest::newRow("middle, outer, inner") << QList<int>{1, 0, 2} << 0;
    }
    // B53
    void ofSeveralCancelledScopesTheOutermostAbsorbs()
    {
        QFETCH(QList<int>, order);
        QFETCH(int, absorbs);
        CancelScope scopes[3];
        QList<int> ranBehind; // scopes whose following code ran
        auto body = [&]() -> Task<> {
            auto inMiddle = [&]() -> Task<> {
                auto inInner = [&]() -> Task<> {
                    for (const int index : order)
                        scopes[index].cancel();
                    co_await checkpoint();
                };
                co_await scopes[2].run(inInner);
                ranBehind += 2;
            };
            auto inOuter = [&]() -> Task<> {
                co_await scopes[1].run(inMiddle);
                ranBehind += 1;
                co_await checkpoint();
            };
            co_await scopes[0].run(inOuter);
            ranBehind += 0;
        };
        run(body());
        for (int i = 0; i < 3; ++i)
            QCOMPARE(scopes[i].isCancelledCaught(), i == absorbs);
        QCOMPARE(ranBehind, absorbs == 0 ? QList<int>{0} : (QList<int>{1, 0}));
    }

    // B54
    void whoAbsorbsIsAskedAtTheExitNotAtTheThrow_data()
    {
        QTest::addColumn<bool>("innerIsShielded");
        QTest::addColumn<bool>("waitsBetween");
        QTest::newRow("no shield") << false << false;
        QTest::newRow("shielded inner") << true << false;
        QTest::newRow("shielded inner, then a wait") << true << true;
    }
    // B54
    void whoAbsorbsIsAskedAtTheExitNotAtTheThrow()
    {
        QFETCH(bool, innerIsShielded);
        QFETCH(bool, waitsBetween);
        CancelScope outer;
        CancelScope inner;
        inner.setShielded(innerIsShielded);
        bool between = false;
        auto body = [&]() -> Task<> {
            auto outerBody = [&]() -> Task<> {
                auto innerBody = [&]() -> Task<> {
                    inner.cancel();
                    try {
                        co_await checkpoint();
                    } catch (const Cancelled &) {
                        outer.cancel(); // clean-up, with the inner's cancellation in flight
                        throw;
                    }
                };
                co_await inner.run(innerBody);
                between = true;
                if (waitsBetween)
                    co_await checkpoint();
            };
            co_await outer.run(outerBody);
        };
        run(body());
        QCOMPARE(between, innerIsShielded);
        QCOMPARE(inner.isCancelledCaught(), innerIsShielded);
        QCOMPARE(outer.isCancelledCaught(), !innerIsShielded || waitsBetween);
    }

    // B54
    void anOuterCancelOfAnotherThreadCountsAtTheExitToo()
    {
        CancelScope outer;
        CancelScope inner;
        bool between = false;
        auto innerBody = [&]() -> Task<> {
            inner.cancel();
            try {
                co_await checkpoint();
            } catch (const Cancelled &) {
                cancelFromAnotherThread(outer); // the loop has not looked at it when the inner is left
                throw;
            }
        };
        auto outerBody = [&]() -> Task<> {
            co_await inner.run(innerBody);
            between = true;
        };
        QVERIFY(!run(outer.run(outerBody)));
        QVERIFY(!between);
        QVERIFY(!inner.isCancelledCaught());
        QVERIFY(outer.isCancelledCaught());
    }

    // B55
    void aScopeThatWasNeverCancelledNeverAbsorbs()
    {
        CancelScope outer;
        CancelScope inner;
        auto body = [&]() -> Task<> {
            auto outerBody = [&]() -> Task<> {
                auto innerBody = [&]() -> Task<> {
                    outer.cancel();
                    try {
                        co_await checkpoint();
                    } catch (const Cancelled &) {
                        inner.setShielded(true);
                        throw;
                    }
                };
                co_await inner.run(innerBody);
            };
            co_await outer.run(outerBody);
        };
        run(body());
        QVERIFY(!inner.isCancelledCaught());
        QVERIFY(outer.isCancelledCaught());
        // A cancellation that comes from elsewhere (here a cancelled future) is not its own either.
        CancelScope untouched;
        bool escaped = false;
        auto foreign = [&]() -> Task<> {
            QPromise<void> promise;
            promise.start();
            promise.future().cancel();
            co_await promise.future();
        };
        auto around = [&]() -> Task<> {
            try {
                co_await untouched.run(foreign);
            } catch (const Cancelled &) {
                escaped = true;
            }
        };
        run(around());
        QVERIFY(escaped);
        QVERIFY(!untouched.isCancelledCaught());
    }

    // B56
    void cancellingTheRootOfATreeReachesEveryLeaf()
    {
        int parked = 0;
        int cancelled = 0;
        auto leaf = [&]() -> Task<> {
            ++parked;
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                ++cancelled;
                throw;
            }
        };
        auto innerGroup = [&](TaskGroup &group) -> Task<> {
            group.startSoon(leaf);
            group.startSoon(leaf);
            co_return;
        };
        auto branch = [&]() -> Task<> { co_await withTaskGroup(innerGroup); };
        auto outerGroup = [&](TaskGroup &group) -> Task<> {
            group.startSoon(branch);
            group.startSoon(branch);
            while (parked < 4)
                co_await checkpoint();
            group.cancel(QStringLiteral("all of you"));
        };
        run(withTaskGroup(outerGroup));
        QCOMPARE(cancelled, 4);
    }

    void tenThousandNestedScopesAreCancelledWithoutDepth()
    {
        CancelScope root;
        int caught = 0;
        auto body = [&]() -> Task<bool> {
            later([&] { root.cancel(); });
            auto inside = [&]() -> Task<> { return nestScopes(10000, caught); };
            co_return co_await root.run(inside);
        };
        QCOMPARE(run(body()), false);
        QVERIFY(root.isCancelledCaught());
        QCOMPARE(caught, 0);
    }

    // B57
    void aTimeoutCountsFromTheEntry()
    {
        CancelScope scope;
        scope.setTimeout(1h);
        QCOMPARE(scope.deadline(), Clock::time_point::max());
        const auto made = Clock::now();
        workUntil(made + 1ms);
        Clock::time_point entered;
        Clock::time_point deadline;
        auto inside = [&]() -> Task<> {
            deadline = scope.deadline();
            co_return;
        };
        auto body = [&]() -> Task<> {
            entered = Clock::now();
            co_await scope.run(inside);
        };
        run(body());
        QVERIFY(entered > made);
        QVERIFY(deadline >= entered + 1h);
        QVERIFY(deadline < entered + 2h);
    }

    // B57
    void theClockOfMoveOnAfterStartsWhenItIsAwaited()
    {
        Clock::time_point deadline;
        Clock::time_point awaited;
        auto inside = [&](CancelScope &scope) -> Task<> {
            deadline = scope.deadline();
            co_return;
        };
        auto body = [&]() -> Task<> {
            Task<bool> made = moveOnAfter(1h, inside);
            workUntil(Clock::now() + 1ms);
            awaited = Clock::now();
            co_await made;
        };
        run(body());
        QVERIFY(deadline >= awaited + 1h);
    }

    // B58
    void aDeadlineThatHasPassedAtTheEntryHitsTheFirstCheckpoint_data()
    {
        QTest::addColumn<bool>("absolute");
        QTest::newRow("zero timeout") << false;
        QTest::newRow("instant in the past") << true;
    }
    // B58
    void aDeadlineThatHasPassedAtTheEntryHitsTheFirstCheckpoint()
    {
        QFETCH(bool, absolute);
        CancelScope scope;
        if (absolute)
            scope.setDeadline(Clock::now() - 1s);
        else
            scope.setTimeout(0ms);
        int reached = 0;
        auto inside = [&]() -> Task<> {
            ++reached;
            co_await checkpoint();
            ++reached;
        };
        QVERIFY(!run(scope.run(inside)));
        QCOMPARE(reached, 1);
        QVERIFY(scope.isCancelledCaught());
        QVERIFY(scope.isTimedOut());
    }

    // B59
    void negativeTimesAndNaNAreRefusedAtTheCall()
    {
        const std::chrono::duration<double> nan(std::numeric_limits<double>::quiet_NaN());
        const auto refusal = [](auto call) { return messageOf<std::invalid_argument>(call); };
        CancelScope scope;
        const Names texts{
            refusal([&] { scope.setTimeout(-1ms); }),
            refusal([&] { scope.setTimeout(nan); }),
            refusal([&] { static_cast<void>(moveOnAfter(-1ms, giveNothing)); }),
            refusal([&] { static_cast<void>(moveOnAfter(nan, giveNothing)); }),
            refusal([&] { static_cast<void>(failAfter(-0.001s, giveNothing)); }),
            refusal([&] { static_cast<void>(failAfter(nan, giveNothing)); }),
            refusal([&] { static_cast<void>(sleep(-1ns)); }),
            refusal([&] { static_cast<void>(sleep(nan)); }),
        };
        for (int i = 0; i < texts.size(); ++i) {
            QVERIFY2(texts[i].contains(i % 2 ? QStringLiteral("NaN; give") : QStringLiteral("negative; give")),
                     qPrintable(texts[i]));
        }
        QVERIFY(texts[2].startsWith(QStringLiteral("moveOnAfter()")));
        QCOMPARE(scope.deadline(), Clock::time_point::max());
        QVERIFY(run(scope.run(giveNothing)));
    }

    // B59
    void withoutATimeoutOrWithAnEndlessOneTheDeadlineIsNever()
    {
        CancelScope none;
        QCOMPARE(none.deadline(), Clock::time_point::max());
        const std::chrono::duration<double> infinite(std::numeric_limits<double>::infinity());
        std::vector<Clock::time_point> deadlines;
        auto note = [&](CancelScope &scope) -> Task<> {
            co_await sleep(0ms);
            deadlines.push_back(scope.deadline());
        };
        int ended = 0;
        auto body = [&]() -> Task<> {
            ended += co_await none.run(note);
            ended += co_await moveOnAfter(infinite, note);
            ended += co_await moveOnAfter(std::chrono::hours::max(), note);
            ended += co_await moveOnAfter(Clock::duration::max(), note);
        };
        run(body());
        QCOMPARE(ended, 4);
        QCOMPARE(deadlines, std::vector<Clock::time_point>(4, Clock::time_point::max()));
    }

    // B60
    void moveOnAfterLeavesAtItsTime()
    {
        bool reached = false;
        CancelScope scope;
        scope.setTimeout(20ms);
        auto tooLong = [&]() -> Task<> {
            co_await sleep(1h);
            reached = true;
        };
        auto tooLongForAValue = []() -> Task<int> {
            co_await sleep(1h);
            co_return 1;
        };
        auto body = [&]() -> Task<bool> {
            const bool first = co_await scope.run(tooLong);
            const bool second = co_await moveOnAfter(0.02s, tooLong);
            const std::optional<int> third = co_await moveOnAfter(20ms, tooLongForAValue);
            co_return first || second || third.has_value();
        };
        const auto begun = Clock::now();
        QVERIFY(!run(body()));
        const auto taken = Clock::now() - begun;
        QVERIFY(taken >= 60ms);
        QVERIFY(taken < 30s);
        QVERIFY(!reached);
        QVERIFY(scope.isCancelCalled());
        QVERIFY(scope.isCancelledCaught());
        QVERIFY(scope.isTimedOut());
        QVERIFY(!scope.reason().isEmpty());
        QCOMPARE(run(moveOnAfter(1h, giveNumber)), std::optional<int>(1));
        QCOMPARE(run(moveOnAfter(1h, giveNothing)), true);
    }

    // B61
    void failAfterThrowsATimeoutErrorAtItsTime()
    {
        bool calledInside = false;
        bool timedOutInside = false;
        auto tooLong = [&](CancelScope &scope) -> Task<int> {
            try {
                co_await sleep(1h);
            } catch (const Cancelled &) {
                calledInside = scope.isCancelCalled();
                timedOutInside = scope.isTimedOut();
                throw;
            }
            co_return 1;
        };
        const auto begun = Clock::now();
        const QString text = messageOf<TimeoutError>([&] { run(failAfter(20ms, tooLong)); });
        QVERIFY(Clock::now() - begun >= 20ms);
        QVERIFY2(text.contains(QStringLiteral("20 ms")), qPrintable(text));
        QVERIFY(calledInside);
        QVERIFY(timedOutInside);
        auto forNothing = []() -> Task<> { co_await sleepForever(); };
        QVERIFY(!messageOf<TimeoutError>([&] { run(failAfter(1ms, forNothing)); }).isEmpty());
        bool called = true;
        auto fast = [&](CancelScope &scope) -> Task<int> {
            co_await checkpoint();
            called = scope.isCancelCalled();
            co_return 2;
        };
        QCOMPARE(run(failAfter(1h, fast)), 2);
        QVERIFY(!called);
        run(failAfter(1h, giveNothing));
    }

    // B61
    void errorsOfTheBodyPassThroughTimeouts()
    {
        auto fail = []() -> Task<int> {
            throw Error("of its own");
            co_return 1;
        };
        QCOMPARE(messageOf<Error>([&] { run(failAfter(1h, fail)); }), QStringLiteral("of its own"));
        QCOMPARE(messageOf<Error>([&] { run(moveOnAfter(1h, fail)); }), QStringLiteral("of its own"));
    }

    // B62
    void failAfterCancelledByHandIsNoTimeout()
    {
        bool after = false;
        auto byHand = [](CancelScope &scope) -> Task<> {
            scope.cancel(QStringLiteral("by hand"));
            co_await checkpoint();
        };
        auto withValue = [](CancelScope &scope) -> Task<int> {
            scope.cancel(QStringLiteral("by hand"));
            co_await checkpoint();
            co_return 1;
        };
        auto body = [&]() -> Task<> {
            co_await failAfter(1h, byHand);
            co_await checkpoint();
            after = true;
        };
        run(body());
        QVERIFY(after);
        QCOMPARE(messageOf<ClosedResourceError>([&] { run(failAfter(1h, withValue)); }), QStringLiteral("by hand"));
        CancelScope scope;
        scope.setTimeout(1h);
        auto inside = [&]() -> Task<> { co_await byHand(scope); };
        QVERIFY(!run(scope.run(inside)));
        QVERIFY(scope.isCancelledCaught());
        QVERIFY(!scope.isTimedOut());
    }

    // B63
    void whatCountsIsWhyItWasCancelledNotTheTime()
    {
        QMicroIO::Test::VirtualClock clock;
        clock.install();
        bool after = false;
        bool timedOut = true;
        auto cancelledThenBusy = [&](CancelScope &scope) -> Task<> {
            scope.cancel(QStringLiteral("by hand"));
            clock.advance(3s);
            timedOut = scope.isTimedOut();
            co_await checkpoint();
        };
        auto busyWithoutAWait = [&](CancelScope &) -> Task<int> {
            clock.advance(3s);
            co_return 5;
        };
        auto body = [&]() -> Task<int> {
            co_await failAfter(2s, cancelledThenBusy);
            after = true;
            co_return co_await failAfter(2s, busyWithoutAWait);
        };
        QCOMPARE(run(body()), 5);
        QVERIFY(after);
        QVERIFY(!timedOut);
        CancelScope scope;
        scope.setTimeout(2s);
        QCOMPARE(run(scope.run(busyWithoutAWait)), std::optional<int>(5));
        QVERIFY(!scope.isCancelledCaught());
    }

    // B63
    void aDeadlineThatPassedDuringWorkIsSeenByTheNextCheckpoint()
    {
        bool reached = false;
        CancelScope scope;
        scope.setTimeout(1ms);
        auto inside = [&]() -> Task<> {
            workUntil(scope.deadline());
            co_await checkpoint();
            reached = true;
        };
        QVERIFY(!run(scope.run(inside)));
        QVERIFY(!reached);
        QVERIFY(scope.isTimedOut());
    }

    // B64
    void aTimeoutInsideACancelledScopeIsTheOutersCancellation()
    {
        CancelScope outer;
        bool sawTimeout = false;
        auto inside = [&]() -> Task<> {
            later([&] { outer.cancel(); });
            auto wait = [&]() -> Task<> { co_await sleepForever(); };
            try {
                co_await failAfter(1h, wait);
            } catch (const TimeoutError &) {
                sawTimeout = true;
            }
        };
        QVERIFY(!run(outer.run(inside)));
        QVERIFY(outer.isCancelledCaught());
        QVERIFY(!sawTimeout);
    }

    // B64
    void aShieldedTimeoutRunsOnInACancelledScope()
    {
        CancelScope outer;
        outer.cancel();
        bool sawTimeout = false;
        Clock::duration taken{};
        auto inside = [&]() -> Task<> {
            const auto begun = Clock::now();
            auto wait = [&](CancelScope &scope) -> Task<> {
                scope.setShielded(true);
                co_await sleepForever();
            };
            try {
                co_await failAfter(20ms, wait);
            } catch (const TimeoutError &) {
                sawTimeout = true;
            }
            taken = Clock::now() - begun;
            co_await checkpoint();
        };
        QVERIFY(!run(outer.run(inside)));
        QVERIFY(sawTimeout);
        QVERIFY(taken >= 20ms);
        QVERIFY(outer.isCancelledCaught());
    }

    // B65
    void theOuterOfTwoTimeoutsMayComeFirst()
    {
        CancelScope outer;
        CancelScope inner;
        outer.setTimeout(20ms);
        inner.setTimeout(1h);
        bool between = false;
        auto wait = [&]() -> Task<> { co_await sleepForever(); };
        auto outerBody = [&]() -> Task<> {
            co_await inner.run(wait);
            between = true;
        };
        QVERIFY(!run(outer.run(outerBody)));
        QVERIFY(outer.isCancelledCaught());
        QVERIFY(outer.isTimedOut());
        QVERIFY(!inner.isCancelCalled());
        QVERIFY(!inner.isCancelledCaught());
        QVERIFY(!between);
    }

    // B66
    void theDeadlineCanBeMovedWhileInside()
    {
        QMicroIO::Test::VirtualClock clock;
        clock.setAutojump(0ms);
        clock.install();
        auto extend = [](CancelScope &scope) -> Task<int> {
            scope.setDeadline(scope.deadline() + 1h);
            co_await sleep(40s);
            co_return 1;
        };
        QCOMPARE(run(failAfter(20s, extend)), 1);
        CancelScope sooner;
        sooner.setTimeout(1h);
        const auto begun = clock.now();
        auto wait = [&]() -> Task<> {
            later([&] { sooner.setTimeout(20s); }); // from now
            co_await sleepForever();
        };
        QVERIFY(!run(sooner.run(wait)));
        QCOMPARE(clock.now() - begun, 20s);
        QVERIFY(sooner.isTimedOut());
        CancelScope never;
        never.setTimeout(20s);
        auto lifted = [&]() -> Task<> {
            never.setDeadline(Clock::time_point::max());
            co_await sleep(40s);
        };
        QVERIFY(run(never.run(lifted)));
        QVERIFY(!never.isCancelCalled());
    }

    // B66, B67
    void aDeadlineMovedIntoThePastWakesASleeperAtOnce()
    {
        CancelScope scope;
        scope.setDeadline(Clock::now() + 1h);
        auto wait = [&]() -> Task<> {
            later([&] { scope.setDeadline(Clock::now() - 1s); }); // in no task
            co_await sleep(1h);
        };
        QVERIFY(!run(scope.run(wait)));
        QVERIFY(scope.isCancelledCaught());
        QVERIFY(scope.isTimedOut());
    }

    // B68
    void aDeadlineThatPassedCountsAtOnceAndForGood()
    {
        QMicroIO::Test::VirtualClock clock;
        clock.install();
        CancelScope scope;
        scope.setTimeout(1s);
        bool before = true;
        bool called = false;
        bool stays = false;
        auto inside = [&]() -> Task<> {
            scope.setTimeout(1h);
            before = scope.isCancelCalled();
            scope.setTimeout(1s);
            clock.advance(2s);
            called = scope.isCancelCalled();
            scope.setDeadline(Clock::time_point::max());
            stays = scope.isCancelCalled();
            co_await sleep(0ms);
        };
        QVERIFY(!run(scope.run(inside)));
        QVERIFY(!before);
        QVERIFY(called);
        QVERIFY(stays);
        QVERIFY(scope.isCancelledCaught());
        CancelScope outside;
        outside.setDeadline(clock.now() - 1ms);
        QVERIFY(outside.isCancelCalled());
        QVERIFY(outside.isTimedOut());
        outside.setDeadline(clock.now() + 1h);
        QVERIFY(outside.isCancelCalled());
        QVERIFY(!run(outside.run(aCheckpoint)));
    }

    // B68, B42
    void aDeadlineThatPassedComesBeforeALaterCancel()
    {
        CancelScope moved;
        moved.setDeadline(Clock::now() - 1ms);
        moved.setDeadline(Clock::now() + 1h); // nobody has looked in between
        QVERIFY(!run(moved.run(aCheckpoint)));
        QVERIFY(moved.isTimedOut());

        CancelScope entered;
        bool first = true;
        auto inside = [&]() -> Task<> {
            entered.setTimeout(1ms);
            workUntil(entered.deadline());
            first = entered.cancel(QStringLiteral("by hand"));
            co_await sleep(0ms);
        };
        QVERIFY(!run(entered.run(inside)));
        QVERIFY(!first);
        QVERIFY(entered.isTimedOut());
        QCOMPARE(entered.reason(), QStringLiteral("deadline passed"));
    }

    // B69
    void aTimeoutIsDisarmedWhenItsBodyEnds()
    {
        QMicroIO::Test::VirtualClock clock;
        clock.setAutojump(0ms);
        clock.install();
        CancelScope scope;
        scope.setTimeout(10s);
        bool waited = false;
        auto body = [&]() -> Task<std::optional<int>> {
            const std::optional<int> value = co_await scope.run(giveNumber);
            co_await sleepUntil(scope.deadline() + 5s);
            waited = true;
            co_return value;
        };
        QCOMPARE(run(body()), std::optional<int>(1));
        QVERIFY(waited);
        QVERIFY(clock.now() > scope.deadline());
        QVERIFY(!scope.isCancelCalled());
        QVERIFY(!scope.isCancelledCaught());
        QVERIFY(!scope.isTimedOut());
    }

    // B82
    void aCheckpointLetsAnotherReadyTaskRun_data()
    {
        QTest::addColumn<QString>("kind");
        for (const char *kind : {"checkpoint", "sleep zero", "sleepUntil the past"})
            QTest::newRow(kind) << QString::fromUtf8(kind);
    }
    // B82
    void aCheckpointLetsAnotherReadyTaskRun()
    {
        QFETCH(QString, kind);
        bool otherRan = false;
        bool ranBefore = true;
        bool ranAfter = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto other = [&]() -> Task<> {
                otherRan = true;
                co_return;
            };
            group.startSoon(other);
            ranBefore = otherRan;
            co_await waitBy(kind);
            ranAfter = otherRan;
        };
        run(withTaskGroup(body));
        QVERIFY(!ranBefore);
        QVERIFY(ranAfter);
    }

    // B82
    void sleepGivesItsValueAfterItsTime()
    {
        Clock::duration taken{};
        auto body = [&]() -> Task<int> {
            const auto begun = Clock::now();
            std::unique_ptr<int> value = std::make_unique<int>(3);
            const std::unique_ptr<int> given = co_await sleep(10ms, std::move(value));
            taken = Clock::now() - begun;
            const auto until = Clock::now() + 10ms;
            co_await sleepUntil(until);
            co_return Clock::now() >= until ? *given : 0;
        };
        QCOMPARE(run(body()), 3);
        QVERIFY(taken >= 10ms);
    }

    // B82
    void aSleepCountsFromItsAwait()
    {
        Clock::duration taken{};
        auto body = [&]() -> Task<> {
            auto described = sleep(10ms);
            workUntil(Clock::now() + 10ms);
            const auto begun = Clock::now();
            co_await std::move(described);
            taken = Clock::now() - begun;
        };
        run(body());
        QVERIFY(taken >= 10ms);
    }

    // B83
    void checkpointIfCancelledNeverYields()
    {
        bool otherRan = false;
        bool ranMeanwhile = true;
        CancelScope scope;
        bool thrown = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto other = [&]() -> Task<> {
                otherRan = true;
                co_return;
            };
            group.startSoon(other);
            for (int i = 0; i < 1000; ++i)
                co_await checkpointIfCancelled();
            ranMeanwhile = otherRan;
            auto cancelled = [&]() -> Task<> {
                scope.cancel();
                co_await checkpointIfCancelled();
            };
            thrown = !co_await scope.run(cancelled);
        };
        run(withTaskGroup(body));
        QVERIFY(!ranMeanwhile);
        QVERIFY(otherRan);
        QVERIFY(thrown);
    }

    // B83
    void aShieldedCheckpointYieldsAndNeverThrows()
    {
        bool otherRan = false;
        bool ranMeanwhile = false;
        CancelScope scope;
        auto body = [&](TaskGroup &group) -> Task<bool> {
            auto other = [&]() -> Task<> {
                otherRan = true;
                co_return;
            };
            group.startSoon(other);
            auto cancelled = [&]() -> Task<> {
                scope.cancel();
                co_await cancelShieldedCheckpoint();
                ranMeanwhile = otherRan;
            };
            co_return co_await scope.run(cancelled);
        };
        QCOMPARE(run(withTaskGroup(body)), std::optional<bool>(true));
        QVERIFY(ranMeanwhile);
    }

    // B84
    void aForeignCoroutineIsNotBrokenTheNextWaitThrows()
    {
        Names order;
        QTimer gate;
        gate.setSingleShot(true);
        gate.start(1h);
        auto foreign = [&]() -> QCoro::Task<int> {
            co_await gate;
            order += QStringLiteral("foreign ended");
            co_return 4;
        };
        CancelScope scope;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto other = [&]() -> Task<> {
                scope.cancel();
                for (int i = 0; i < 5; ++i)
                    co_await checkpoint();
                order += QStringLiteral("cancelled, still waiting");
                gate.start(0);
            };
            group.startSoon(other);
            auto inside = [&]() -> Task<> {
                const int value = co_await foreign();
                order += QString::number(value);
                co_await checkpoint();
                order += QStringLiteral("not reached");
            };
            co_await scope.run(inside);
        };
        run(withTaskGroup(body));
        QCOMPARE(
            order,
            (Names{QStringLiteral("cancelled, still waiting"), QStringLiteral("foreign ended"), QStringLiteral("4")}));
        QVERIFY(scope.isCancelledCaught());
    }

    void cancellingAFutureWaitCancelsTheFuture()
    {
        QPromise<int> promise; // never finished by anybody else
        promise.start();
        CancelScope scope;
        auto inside = [&]() -> Task<int> {
            later([&] { scope.cancel(); });
            co_return co_await promise.future();
        };
        QCOMPARE(run(scope.run(inside)), std::optional<int>());
        QVERIFY(scope.isCancelledCaught());
        QVERIFY(promise.isCanceled());
        promise.finish();
    }

    void cancellingATimerOrSignalWaitDisconnects()
    {
        QTimer timer;
        timer.setInterval(1h);
        timer.start();
        QObject sender;
        CancelScope first;
        CancelScope second;
        auto body = [&]() -> Task<> {
            auto forTimer = [&]() -> Task<> {
                later([&] { first.cancel(); });
                co_await timer;
            };
            co_await first.run(forTimer);
            auto forSignal = [&]() -> Task<> {
                later([&] { second.cancel(); });
                co_await nextSignal(&sender, &QObject::objectNameChanged);
            };
            co_await second.run(forSignal);
            timer.start(0);
            sender.setObjectName(QStringLiteral("changed"));
            co_await timer;
        };
        run(body());
        QVERIFY(first.isCancelledCaught());
        QVERIFY(second.isCancelledCaught());
        QVERIFY(timer.isActive()); // a cancelled wait does not stop it
    }

    void shieldedCleanUpFinishesAndTheNextWaitThrows()
    {
        Names order;
        CancelScope outer;
        CancelScope outermost;
        auto body = [&]() -> Task<> {
            auto cleanUp = [&]() -> Task<int> {
                co_await checkpoint();
                co_await sleep(1ms);
                order += QStringLiteral("cleaned up");
                co_return 3;
            };
            auto inside = [&]() -> Task<> {
                outer.cancel();
                outermost.cancel();
                bool cancelled = false;
                try {
                    co_await sleepForever();
                } catch (const Cancelled &) {
                    cancelled = true; // no co_await in a handler
                }
                if (cancelled)
                    order += QString::number(co_await shielded(cleanUp));
                co_await checkpoint();
                order += QStringLiteral("not reached");
            };
            auto around = [&]() -> Task<> {
                co_await outer.run(inside);
                order += QStringLiteral("not reached either");
            };
            co_await outermost.run(around);
        };
        run(body());
        QCOMPARE(order, (Names{QStringLiteral("cleaned up"), QStringLiteral("3")}));
        QVERIFY(!outer.isCancelledCaught());
        QVERIFY(outermost.isCancelledCaught());
    }

    void aShieldDoesNotKeepItsOwnCancellationAway()
    {
        CancelScope scope;
        scope.setShielded(true);
        QVERIFY(scope.isShielded());
        auto inside = [&]() -> Task<> {
            scope.cancel();
            co_await sleepForever();
        };
        QVERIFY(!run(scope.run(inside)));
        auto byHand = []() -> Task<int> {
            CancelScope *scope = co_await currentCancelScope();
            scope->cancel(QStringLiteral("no use"));
            co_await checkpoint();
            co_return 1;
        };
        QCOMPARE(messageOf<ClosedResourceError>([&] { run(shielded(byHand)); }), QStringLiteral("no use"));
    }

    void takingAShieldDownInACancelledScopeEndsTheWait()
    {
        CancelScope outer;
        CancelScope inner;
        inner.setShielded(true);
        bool between = false;
        auto wait = [&]() -> Task<> {
            later([&] {
                outer.cancel();
                later([&] { inner.setShielded(false); });
            });
            co_await sleepForever();
        };
        auto outerBody = [&]() -> Task<> {
            co_await inner.run(wait);
            between = true;
        };
        QVERIFY(!run(outer.run(outerBody)));
        QVERIFY(outer.isCancelledCaught());
        QVERIFY(!inner.isCancelledCaught());
        QVERIFY(!between);
    }

    void theCurrentScopeIsTheInnermost()
    {
        CancelScope outer;
        CancelScope inner;
        Names wrong;
        const auto expect = [&](const CancelScope *is, const CancelScope *should, const char *where) {
            if (is != should)
                wrong += QString::fromUtf8(where);
        };
        auto child = [&](const CancelScope *groupScope) -> Task<> {
            expect(co_await currentCancelScope(), groupScope, "child");
        };
        auto inGroup = [&](TaskGroup &group) -> Task<> {
            expect(co_await currentCancelScope(), &group.cancelScope(), "group");
            group.startSoon(child, &group.cancelScope());
        };
        auto inInner = [&](CancelScope &same) -> Task<> {
            expect(&same, &inner, "argument");
            expect(co_await currentCancelScope(), &inner, "inner");
            auto called = [&]() -> Task<> { expect(co_await currentCancelScope(), &inner, "callee"); };
            co_await called();
            co_await withTaskGroup(inGroup);
            expect(co_await currentCancelScope(), &inner, "after the group");
        };
        auto inOuter = [&]() -> Task<> {
            co_await inner.run(inInner);
            expect(co_await currentCancelScope(), &outer, "outer");
        };
        auto body = [&]() -> Task<> {
            expect(co_await currentCancelScope(), nullptr, "before");
            co_await outer.run(inOuter);
            expect(co_await currentCancelScope(), nullptr, "after");
        };
        run(body());
        QVERIFY2(wrong.isEmpty(), qPrintable(wrong.join(QStringLiteral(", "))));
    }

    // B70
    void aTaskThatIsReadyWhileItsDeadlinePassesIsStoppedByItsNextCheckpoint()
    {
        for (const QString &kind : {QStringLiteral("checkpoint"), QStringLiteral("checkpointIfCancelled"),
                                    QStringLiteral("sleep zero"), QStringLiteral("sleep")}) {
            bool reached = false;
            CancelScope timed;
            auto keepsTheThread = [&] { workUntil(timed.deadline()); };
            auto inTime = [&]() -> Task<> {
                timed.setTimeout(1ms);
                co_await cancelShieldedCheckpoint(); // ready again when the deadline passes
                co_await waitBy(kind);
                reached = true;
            };
            auto body = [&](TaskGroup &group) -> Task<> {
                group.startSoon(keepsTheThread);
                co_await timed.run(inTime);
            };
            run(withTaskGroup(body));
            QVERIFY2(!reached, qPrintable(kind));
            QVERIFY2(timed.isTimedOut(), qPrintable(kind));
        }
    }

    // B70
    void aLongComputationThatAsksSeesItsDeadlineWithoutATurn()
    {
        CancelScope scope;
        scope.setTimeout(1ms);
        bool pending = false;
        auto computes = [&]() -> Task<> {
            for (;;) {
                pending = co_await isCancelPending();
                co_await checkpointIfCancelled();
            }
        };
        QVERIFY(!run(scope.run(computes)));
        QVERIFY(scope.isTimedOut());
    }

    // B72
    void aTimeoutAroundAGroupIsOnePlainTimeoutError()
    {
        auto sleeper = []() -> Task<> { co_await sleep(1h); };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper);
            co_await sleep(1h);
        };
        auto inside = [&]() -> Task<> { co_await withTaskGroup(body); };
        const QString text = messageOf<TimeoutError>([&] { run(failAfter(1ms, inside)); });
        QVERIFY2(text.contains(QStringLiteral("1 ms")), qPrintable(text));
    }

    // B73
    void thousandsOfNestedScopesEndWithoutDeepRecursion()
    {
        int caught = 0;
        CancelScope outer;
        auto inside = [&]() -> Task<> {
            later([&] { outer.cancel(); });
            return nestScopes(5000, caught);
        };
        QVERIFY(!run(outer.run(inside)));
        QVERIFY(outer.isCancelledCaught());
        QCOMPARE(caught, 0); // none of the inner ones was cancelled itself
    }

    // B73
    void movingADeadlineOftenTakesNoMoreTimers()
    {
        std::size_t before = 0;
        std::size_t after = 0;
        CancelScope scope;
        auto inside = [&]() -> Task<> {
            scope.setTimeout(1h);
            before = detail::Loop::current()->timerCount();
            for (int i = 0; i < 2000; ++i)
                scope.setTimeout(std::chrono::minutes(1 + i % 90));
            after = detail::Loop::current()->timerCount();
            co_return;
        };
        QVERIFY(run(scope.run(inside)));
        QCOMPARE(after, before);
        QVERIFY(before > 0);
        QCOMPARE(detail::Loop::current()->timerCount(), before - 1);
    }

    void theBodyOfAScopeMayBeAQCoroTask()
    {
        auto foreign = []() -> QCoro::Task<int> { co_return 6; };
        CancelScope scope;
        QCOMPARE(run(scope.run(foreign)), std::optional<int>(6));
    }

    void aScopeKeepsItsBodyUntilItHasEnded()
    {
        const auto owned = std::make_shared<int>(2);
        const auto make = [&](CancelScope &scope) {
            return scope.run([owned]() -> Task<int> {
                co_await sleep(0ms);
                co_return *owned;
            });
        };
        CancelScope scope;
        QCOMPARE(run(make(scope)), std::optional<int>(2));
        QCOMPARE(owned.use_count(), 1);
    }

    void moveOnlyResultsPassThroughScopes()
    {
        auto give = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
        QCOMPARE(**run(moveOnAfter(1h, give)), 7);
        QCOMPARE(*run(failAfter(1h, give)), 7);
        QCOMPARE(*run(shielded(give)), 7);
    }
};

QTEST_GUILESS_MAIN(TestCancelScope)
#include "tst_cancelscope.moc"
