// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>
#include <qmicroio/taskgroup.h>

#include <QtTest/QTest>

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>

#include <memory>
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
