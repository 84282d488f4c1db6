// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/virtualclock.h>

#include <QtTest/QTest>

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>

#include <memory>
#include <thread>
#include <typeinfo>
#include <vector>

// Mistakes that other runtimes of this kind have made, and that the tests of the single parts do not show.

using namespace QMicroIO;
using namespace std::chrono_literals;

static_assert(!std::is_convertible_v<Cancelled *, std::exception *>);

namespace {

Task<> aCheckpoint()
{
    co_await checkpoint();
}

// What the next wait of this place does.
Task<bool> isInterrupted()
{
    try {
        co_await checkpoint();
    } catch (const Cancelled &) {
        co_return true;
    }
    co_return false;
}

// Keeps the thread busy without a wait.
void workUntil(std::chrono::steady_clock::time_point end)
{
    while (std::chrono::steady_clock::now() <= end) { }
}

// A failure that shows how long somebody keeps it.
class Tracked : public std::runtime_error
{
public:
    explicit Tracked(std::shared_ptr<int> token)
        : std::runtime_error("tracked")
        , m_token(std::move(token))
    {
    }

private:
    std::shared_ptr<int> m_token;
};

QCoro::Task<> failsInAnotherLibrary()
{
    throw Error("nobody awaits me");
    co_return;
}

} // namespace

class TestTraps : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // Trap 1; B44, B47
    void trap01NoCancellationIsOwedAfterScopesThatSwallowOrIgnoreTheirs()
    {
        std::vector<bool> interrupted;
        auto body = [&]() -> Task<> {
            for (int round = 0; round < 3; ++round) {
                CancelScope outer;
                CancelScope inner;
                auto ignored = [&]() -> Task<> {
                    inner.cancel();
                    outer.cancel();
                    co_return;
                };
                auto swallowed = [&]() -> Task<> {
                    co_await inner.run(ignored);
                    co_await isInterrupted();
                    co_await isInterrupted();
                };
                co_await outer.run(swallowed);
                interrupted.push_back(co_await isInterrupted());
            }
        };
        run(body());
        QCOMPARE(interrupted, (std::vector<bool>{false, false, false}));
    }

    // Trap 2; B45
    void trap02ACancelOfAnotherThreadThatLandsAfterTheExitIsNotThrown()
    {
        std::vector<bool> interrupted;
        auto body = [&]() -> Task<> {
            CancelScope scope;
            auto cancelledElsewhere = [&]() -> Task<> {
                // What the other thread posts is on its way when the scope is left without a look.
                std::thread([&] { scope.cancel(); }).join();
                co_return;
            };
            co_await scope.run(cancelledElsewhere);
            interrupted.push_back(co_await isInterrupted());
            interrupted.push_back(co_await isInterrupted());
        };
        run(body());
        QCOMPARE(interrupted, (std::vector<bool>{false, false}));
    }

    // Trap 3; B53, B54, B55
    void trap03WhoAbsorbsIsDecidedAtEachExitAlsoWithSeveralCancelsInFlight()
    {
        CancelScope outer;
        CancelScope middle;
        CancelScope inner;
        bool reachedBetween = false;
        auto innermost = [&]() -> Task<> {
            inner.cancel();
            try {
                co_await checkpoint();
            } catch (const Cancelled &) { // in flight from the inner one; the shield and the outer one come now
                middle.setShielded(true);
                outer.cancel();
                throw;
            }
        };
        auto middleBody = [&]() -> Task<> {
            co_await inner.run(innermost);
            reachedBetween = true; // inside the shield nobody further out is visible: the inner one absorbs
            middle.setShielded(false);
            co_await checkpoint();
        };
        auto outerBody = [&]() -> Task<> { co_await middle.run(middleBody); };
        QVERIFY(!run(outer.run(outerBody)));
        QVERIFY(reachedBetween);
        QVERIFY(inner.isCancelledCaught());
        QVERIFY(!middle.isCancelledCaught()); // nobody cancelled it
        QVERIFY(outer.isCancelledCaught());
    }

    // Trap 4; B81
    void trap04ACancelledGroupWithAShieldedChildDoesNotKeepTheLoopBusy()
    {
        int awake = 0;
        const auto connection = QObject::connect(QAbstractEventDispatcher::instance(), &QAbstractEventDispatcher::awake,
                                                 qApp, [&] { ++awake; });
        auto pause = []() -> Task<> { co_await sleep(50ms); };
        auto child = [&]() -> Task<> { co_await shielded(pause); };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            co_await checkpoint();
            co_await checkpoint();
            group.cancel();
        };
        run(withTaskGroup(body));
        QObject::disconnect(connection);
        QVERIFY2(awake < 50, qPrintable(QString::number(awake)));
    }

    // Trap 5; B78
    void trap05LevelTriggeringResumesForEveryOuterScopeAfterAShield()
    {
        CancelScope outer;
        CancelScope middle;
        CancelScope inner;
        bool underShield = true;
        std::vector<bool> afterwards;
        auto shieldedBody = [&]() -> Task<> { underShield = co_await isInterrupted(); };
        auto middleBody = [&]() -> Task<> {
            inner.setShielded(true);
            outer.cancel();
            middle.cancel();
            co_await inner.run(shieldedBody);
            afterwards.push_back(co_await isInterrupted());
            afterwards.push_back(co_await isInterrupted());
        };
        auto outerBody = [&]() -> Task<> {
            co_await middle.run(middleBody);
            afterwards.push_back(co_await isInterrupted());
            co_await checkpoint();
        };
        QVERIFY(!run(outer.run(outerBody)));
        QVERIFY(!underShield);
        QCOMPARE(afterwards, (std::vector<bool>{true, true, true}));
        QVERIFY(outer.isCancelledCaught());
        QVERIFY(!middle.isCancelledCaught());
    }

    // Trap 6; B79
    void trap06AShieldOfTheHostDoesNotCoverTheChildrenOfItsGroup()
    {
        CancelScope outer;
        int cancelledBefore = -1;
        int cancelled = 0;
        auto child = [&]() -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                ++cancelled;
                throw;
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            auto host = [&]() -> Task<> {
                group.startSoon(child); // from inside the shield, and still not covered
                co_await checkpoint();
                co_await checkpoint();
                outer.cancel();
                co_await checkpoint();
                co_await checkpoint();
                cancelledBefore = cancelled;
            };
            co_await shielded(host);
        };
        auto inside = [&]() -> Task<> { co_await withTaskGroup(body); };
        QVERIFY(!run(outer.run(inside)));
        QCOMPARE(cancelledBefore, 2);
    }

    // Trap 7; B49, B98
    void trap07CancellationsAreSplitOffAndNoEmptyGroupIsThrown()
    {
        CancelScope outer;
        bool leftAsGroup = false;
        auto child = []() -> Task<> { co_await sleepForever(); };
        // A child that wraps its own cancellation, two levels deep.
        auto wraps = []() -> Task<> {
            std::exception_ptr cancelled;
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                cancelled = std::current_exception();
            }
            std::vector<std::exception_ptr> inner{cancelled};
            const auto nested = std::make_exception_ptr(ExceptionGroup(std::move(inner)));
            std::vector<std::exception_ptr> both{nested, cancelled};
            throw ExceptionGroup(std::move(both));
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            group.startSoon(wraps);
            co_await checkpoint();
            co_await checkpoint();
            outer.cancel();
        };
        auto inside = [&]() -> Task<> {
            try {
                co_await withTaskGroup(body);
            } catch (const ExceptionGroup &) {
                leftAsGroup = true;
                throw;
            }
        };
        QVERIFY(!run(outer.run(inside)));
        QVERIFY(!leftAsGroup);
        QVERIFY(outer.isCancelledCaught());
        bool refused = false;
        try {
            throw ExceptionGroup(std::vector<std::exception_ptr>());
        } catch (const std::invalid_argument &) {
            refused = true;
        }
        QVERIFY(refused);
    }

    // Trap 8; B62, B63
    void trap08FailAfterAsksWhyItsScopeWasCancelledNotWhatTimeItIs()
    {
        QMicroIO::Test::VirtualClock clock; // nothing else says when the deadline passes
        clock.install();
        bool timedOut = false;
        auto cancelsItself = [&]() -> Task<> {
            CancelScope *scope = co_await currentCancelScope();
            scope->cancel(QStringLiteral("by hand"));
            clock.advance(3s); // past the deadline, but that came second
            co_await checkpoint();
        };
        auto body = [&]() -> Task<> {
            try {
                co_await failAfter(2s, cancelsItself);
            } catch (const TimeoutError &) {
                timedOut = true;
            }
        };
        run(body());
        QVERIFY(!timedOut);
    }

    // Trap 9; B57, B58, B70
    void trap09ACheckpointLooksAtTheClockBeforeAndAfterItYields()
    {
        CancelScope first; // made long before it is entered
        first.setTimeout(1h);
        CancelScope expired;
        expired.setDeadline(std::chrono::steady_clock::now() - 1s);
        std::vector<int> reached;
        auto late = [&]() -> Task<> {
            reached.push_back(1);
            co_await checkpoint();
            reached.push_back(2);
        };
        QVERIFY(!run(expired.run(late)));
        QCOMPARE(reached, std::vector<int>{1});
        QVERIFY(run(first.run(aCheckpoint)));

        // Runnable while its deadline passes: a task that was ready before it keeps the thread too long, in the same turn.
        CancelScope timed;
        bool yielded = false;
        bool cameBack = false;
        auto keepsTheThread = [&]() -> Task<> {
            co_await checkpoint();
            workUntil(timed.deadline());
        };
        auto inTime = [&]() -> Task<> {
            timed.setTimeout(2ms);
            yielded = true;
            co_await checkpoint();
            cameBack = true;
        };
        auto waits = [&]() -> Task<> { co_await timed.run(inTime); };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(keepsTheThread);
            group.startSoon(waits);
            co_return;
        };
        run(withTaskGroup(body));
        QVERIFY(yielded);
        QVERIFY(!cameBack);
        QVERIFY(timed.isTimedOut());
    }

    // Trap 10; B43
    void trap10ACancelBeforeTheEntryOfAGroupsOuterScopeReachesHostAndChild()
    {
        CancelScope scope;
        scope.cancel(QStringLiteral("early"));
        QStringList reasons;
        bool ranToItsFirstWait = false;
        auto child = [&]() -> Task<> {
            ranToItsFirstWait = true;
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                reasons += cancelled.reason();
                throw;
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            co_return;
        };
        auto inside = [&]() -> Task<> { co_await withTaskGroup(body); };
        QVERIFY(!run(scope.run(inside)));
        QVERIFY(ranToItsFirstWait);
        QCOMPARE(reasons, QStringList(QStringLiteral("early")));
    }

    // Trap 11; B73
    void trap11ThousandsOfNestedScopesAreWalkedWithoutRecursion()
    {
        constexpr int Levels = 20000;
        CancelScope outer;
        int leftByCancel = 0;
        auto nest = [&](auto &self, int level) -> Task<> {
            if (level == Levels)
                co_await sleepForever();
            CancelScope scope;
            auto next = [&self, level] { return self(self, level + 1); };
            try {
                co_await scope.run(next);
            } catch (const Cancelled &) {
                ++leftByCancel;
                throw;
            }
        };
        auto inside = [&]() -> Task<> {
            const auto cancels = [&] { outer.cancel(); };
            QMetaObject::invokeMethod(qApp, cancels, Qt::QueuedConnection);
            return nest(nest, 0);
        };
        QVERIFY(!run(outer.run(inside)));
        QCOMPARE(leftByCancel, Levels);
        QVERIFY(outer.isCancelledCaught());
    }

    // Trap 12; B50
    void trap12RunningAScopeInsideItselfIsMisuseAndHarmsNobody()
    {
        CancelScope scope;
        QString message;
        bool interrupted = true;
        auto inside = [&]() -> Task<> {
            try {
                co_await scope.run(aCheckpoint);
            } catch (const LogicError &error) {
                message = error.message();
            }
            interrupted = co_await isInterrupted();
            scope.cancel();
            co_await checkpoint();
        };
        QVERIFY(!run(scope.run(inside)));
        QVERIFY2(message.contains(QStringLiteral("make a new one")), qPrintable(message));
        QVERIFY(!interrupted);
        QVERIFY(scope.isCancelledCaught());
    }

    // Trap 13; B116, B117
    void trap13ACancelledStartLeavesTheGroupAloneAndALateStartedIsNoMisuse()
    {
        bool groupGoesOn = false;
        bool lateStartedIsFine = false;
        auto slowToStart = [&](TaskStatus<> &status) -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                status.started(); // nobody listens any more
                lateStartedIsFine = true;
                throw;
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            auto starts = [&]() -> Task<> {
                auto started = group.start<void>(slowToStart);
                co_await std::move(started);
            };
            const bool inTime = co_await moveOnAfter(1ms, starts);
            groupGoesOn = !inTime && !co_await isInterrupted();
        };
        run(withTaskGroup(body));
        QVERIFY(groupGoesOn);
        QVERIFY(lateStartedIsFine);
    }

    // Trap 14; B112
    void trap14StartThrowsTheChildsOwnErrorAndOnlyThere()
    {
        QString text;
        bool siblingCancelled = false;
        auto fails = [](TaskStatus<> &) -> Task<> {
            co_await checkpoint();
            throw Error("no port is free");
        };
        auto sibling = [&]() -> Task<> { siblingCancelled = co_await isInterrupted(); };
        auto body = [&](TaskGroup &group) -> Task<> {
            try {
                auto started = group.start<void>(fails);
                co_await std::move(started);
            } catch (const Error &error) {
                text = QString::fromLatin1(typeid(error).name()) == QLatin1String(typeid(Error).name())
                    ? error.message()
                    : QString();
            }
            group.startSoon(sibling);
        };
        run(withTaskGroup(body)); // and nothing is thrown here
        QCOMPARE(text, QStringLiteral("no port is free"));
        QVERIFY(!siblingCancelled);
    }

    // Trap 15; B121
    void trap15AGroupThatIsCancelledBeforeTheChildsFirstStepDoesNotHangStart()
    {
        QString text;
        auto child = [](TaskStatus<int> &status) -> Task<> {
            co_await checkpoint();
            status.started(1);
        };
        auto outer = [&](TaskGroup &callers) -> Task<> {
            auto inner = [&](TaskGroup &target) -> Task<> {
                auto calls = [&]() -> Task<> {
                    try {
                        auto started = target.start<int>(child);
                        co_await std::move(started);
                    } catch (const ClosedResourceError &error) {
                        text = error.message();
                    }
                };
                callers.startSoon(calls);
                target.cancel(QStringLiteral("closing"));
                co_await callers.untilEmpty(); // throws: the body is cancelled as well
            };
            co_await withTaskGroup(inner);
        };
        run(withTaskGroup(outer));
        QVERIFY2(!text.isEmpty(), "start() neither returned nor said that its group was closed");
    }

    // Trap 16; B105, B106
    void trap16AGroupThatIsCancelledAtItsExitWaitsForItsChildren()
    {
        CancelScope outer;
        int cleanedUp = 0;
        bool thrownByTheExit = true;
        auto cleanUp = [&]() -> Task<> {
            co_await sleep(2ms);
            ++cleanedUp;
        };
        auto child = [&]() -> Task<> { co_await shielded(cleanUp); };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            const auto cancels = [&] { outer.cancel(); };
            QMetaObject::invokeMethod(qApp, cancels, Qt::QueuedConnection);
            co_return;
        };
        auto inside = [&]() -> Task<> {
            co_await withTaskGroup(body);
            thrownByTheExit = false;
            co_await checkpoint(); // here it throws
        };
        QVERIFY(!run(outer.run(inside)));
        QCOMPARE(cleanedUp, 1);
        QVERIFY(!thrownByTheExit);
    }

    // Trap 17; B93
    void trap17TheExitOfAnEmptyGroupLetsOthersRunOnce()
    {
        QStringList order;
        auto other = [&]() -> Task<> {
            order += QStringLiteral("other");
            co_return;
        };
        auto nothing = [](TaskGroup &) -> Task<> { co_return; };
        auto host = [&]() -> Task<> {
            co_await withTaskGroup(nothing);
            order += QStringLiteral("host");
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(host);
            group.startSoon(other);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(order, (QStringList{QStringLiteral("other"), QStringLiteral("host")}));
    }

    // Trap 18; B90
    void trap18ATypeThatStartsEagerlyDoesNotRunInsideStartSoon()
    {
        QStringList order;
        auto eager = [&]() -> QCoro::Task<> {
            order += QStringLiteral("child");
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(eager);
            order += QStringLiteral("statement");
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(order, (QStringList{QStringLiteral("statement"), QStringLiteral("child")}));
    }

    // Trap 19; B100, B101
    void trap19TheBodyStandsInTheScopeOfItsGroupAndNothingEscapes()
    {
        bool bodyInterrupted = false;
        bool after = false;
        auto cancels = [](TaskGroup group) -> Task<> {
            group.cancel(QStringLiteral("done"));
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(cancels, group);
            bodyInterrupted = co_await isInterrupted();
            bodyInterrupted = bodyInterrupted || co_await isInterrupted();
        };
        auto whole = [&]() -> Task<> {
            co_await withTaskGroup(body);
            after = !co_await isInterrupted();
        };
        run(whole());
        QVERIFY(bodyInterrupted);
        QVERIFY(after);
    }

    // Trap 20; B88
    void trap20AnEndedGroupKeepsNoErrorNoCallableAndNoFrame()
    {
        auto token = std::make_shared<int>(1);
        std::optional<TaskGroup> kept;
        bool failed = false;
        auto failing = [](std::shared_ptr<int> inside) -> Task<> {
            co_await checkpoint();
            throw Tracked(std::move(inside));
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            kept = group;
            group.startSoon(failing, token);
            group.startSoon([token]() -> Task<> { return aCheckpoint(); });
            co_await sleepForever();
        };
        auto guarded = [&]() -> Task<> {
            try {
                co_await withTaskGroup(body);
            } catch (const ExceptionGroup &) {
                failed = true;
            }
        };
        run(guarded());
        QVERIFY(failed);
        QVERIFY(kept);
        QCOMPARE(token.use_count(), 1);
        QCOMPARE(liveTaskFrames(), 0);
    }

    // Trap 36; B94
    void trap36TheFailureOfAForeignCoroutineIsNotDropped()
    {
        qsizetype failures = 0;
        bool interrupted = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(failsInAnotherLibrary);
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                interrupted = cancelled.cause() == Cancelled::Cause::Failure;
                throw;
            }
        };
        try {
            run(withTaskGroup(body));
        } catch (const ExceptionGroup &group) {
            failures = qsizetype(group.exceptions().size());
        }
        QCOMPARE(failures, 1);
        QVERIFY(interrupted);
    }

    // Trap 37; B129
    void trap37TheEndOfTheLastChildDoesNotRunItsHostInside()
    {
        constexpr int Levels = 20000;
        int ended = 0;
        // Each host waits for a group whose only child is the next host: they all end in one wave.
        auto nest = [&](auto &self, int level) -> Task<> {
            if (level < Levels) {
                auto body = [&](TaskGroup &group) -> Task<> {
                    auto next = [&self, level] { return self(self, level + 1); };
                    group.startSoon(next);
                    co_return;
                };
                co_await withTaskGroup(body);
            }
            ++ended;
        };
        run(nest(nest, 0));
        QCOMPARE(ended, Levels + 1);
    }

    // Trap 38; B77
    void trap38CleanUpThatWaitsLeavesTheHandlerFirstAndTheExitOfAScopeIsAwaited()
    {
        CancelScope scope;
        bool cleanedUp = false;
        QString reason;
        auto cleanUp = [&]() -> Task<> {
            co_await sleep(0ms);
            cleanedUp = true;
        };
        auto inside = [&]() -> Task<> {
            scope.cancel(QStringLiteral("enough"));
            std::exception_ptr ended;
            try {
                co_await checkpoint();
            } catch (...) {
                ended = std::current_exception(); // C++ has no co_await in a handler
            }
            co_await shielded(cleanUp);
            try {
                std::rethrow_exception(ended);
            } catch (const Cancelled &cancelled) {
                reason = cancelled.reason();
                throw;
            }
        };
        QVERIFY(!run(scope.run(inside)));
        QVERIFY(cleanedUp);
        QCOMPARE(reason, QStringLiteral("enough"));
        QVERIFY(scope.isCancelledCaught());
    }

    // Trap 39
    void trap39AnOrdinaryHandlerDoesNotSwallowACancellation()
    {
        CancelScope scope;
        bool swallowed = false;
        auto inside = [&]() -> Task<> {
            scope.cancel();
            try {
                co_await checkpoint();
            } catch (const std::exception &) {
                swallowed = true;
            }
        };
        QVERIFY(!run(scope.run(inside)));
        QVERIFY(!swallowed);
        QVERIFY(scope.isCancelledCaught());
    }

    // Trap 40; B60
    void trap40ATimeoutOfAnotherTaskFiresInsideANestedEventLoop()
    {
        bool inTime = true;
        bool firedInside = false;
        QEventLoop nested;
        auto timed = [&]() -> Task<> {
            auto forever = []() -> Task<> { co_await sleepForever(); };
            inTime = co_await moveOnAfter(5ms, forever);
            firedInside = nested.isRunning();
            nested.quit();
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(timed);
            co_await checkpoint();
            co_await checkpoint();
            nested.exec(); // no wait of this library: the others go on while this task stands still
        };
        run(withTaskGroup(body));
        QVERIFY(!inTime);
        QVERIFY(firedInside);
    }
};

QTEST_GUILESS_MAIN(TestTraps)
#include "tst_traps.moc"
