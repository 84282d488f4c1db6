// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>
#include <qmicroio/taskgroup.h>

#include <QtTest/QTest>

#include <QtCore/QByteArrayList>

#include <algorithm>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

using Log = QByteArrayList;
using Instant = std::chrono::steady_clock::time_point;

Task<bool> checkpointPasses()
{
    try {
        co_await checkpoint();
    } catch (const Cancelled &) {
        co_return false;
    }
    co_return true;
}

} // namespace

class TestShield : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B71
    void theEffectiveDeadlineIsTheEarliestUpToAShield()
    {
        QList<bool> as;
        const Instant soon = std::chrono::steady_clock::now() + 1h;
        const Instant late = soon + 1h;
        run([&]() -> Task<> {
            as += co_await currentEffectiveDeadline() == Instant::max();
            CancelScope outer;
            outer.setDeadline(soon);
            co_await outer.run([&]() -> Task<> {
                CancelScope inner;
                inner.setDeadline(late);
                co_await inner.run([&]() -> Task<> {
                    as += co_await currentEffectiveDeadline() == soon;
                    inner.setShielded(true);
                    as += co_await currentEffectiveDeadline() == late;
                    outer.cancel();
                    as += co_await currentEffectiveDeadline() == late;
                    inner.setShielded(false);
                    as += co_await currentEffectiveDeadline() == Instant::min();
                });
            });
        }());
        QCOMPARE(as, QList<bool>({true, true, true, true, true}));
    }

    // B74, B83
    void aShieldLetsWaitsPassAndTheFirstAfterItThrows()
    {
        Log log;
        CancelScope outer;
        run(outer.run([&]() -> Task<> {
            outer.cancel();
            co_await shielded([&]() -> Task<> {
                co_await sleep(1ms);
                log += co_await checkpointPasses() ? "passed" : "threw";
            });
            co_await cancelShieldedCheckpoint();
            log += "shielded checkpoint passed";
            log += co_await checkpointPasses() ? "passed" : "threw";
        }));
        QCOMPARE(log, (Log{"passed", "shielded checkpoint passed", "threw"}));
    }

    // B75
    void aShieldKeepsOutOnlyWhatComesFromOutside()
    {
        Log log;
        run([&]() -> Task<> {
            CancelScope own;
            own.setShielded(true);
            const bool ended = co_await own.run([&]() -> Task<> {
                const bool inner = co_await moveOnAfter(1ms, []() -> Task<> { co_await sleepForever(); });
                log += inner ? "ended" : "inner timed out";
                own.cancel();
                co_await sleepForever();
            });
            log += ended ? "ended" : "cancelled";
            CancelScope timed;
            timed.setShielded(true);
            timed.setTimeout(1ms);
            co_await timed.run([]() -> Task<> { co_await sleepForever(); });
            log += timed.isTimedOut() ? "timed out" : "ended";
        }());
        QCOMPARE(log, (Log{"inner timed out", "cancelled", "timed out"}));
    }

    // B76
    void switchingTheShieldTakesEffectAtOnce()
    {
        Log log;
        run(withTaskGroup([&](TaskGroup &group) -> Task<> {
            CancelScope outer;
            CancelScope inner;
            inner.setShielded(true);
            group.startSoon([&]() -> Task<> {
                co_await checkpoint();
                inner.setShielded(false);
            });
            co_await outer.run([&]() -> Task<> {
                outer.cancel();
                co_await inner.run([&]() -> Task<> {
                    try {
                        co_await sleep(1h);
                    } catch (const Cancelled &) {
                        log += "woken";
                    }
                    inner.setShielded(true);
                    log += co_await checkpointPasses() ? "passed" : "threw";
                });
            });
        }));
        QCOMPARE(log, (Log{"woken", "passed"}));
    }

    // B77
    void shieldedCleanUpFinishesAndTheCancellationGoesOn()
    {
        Log log;
        CancelScope outer;
        const bool ended = run(outer.run([&]() -> Task<> {
            outer.cancel();
            std::exception_ptr cancelled;
            try {
                co_await checkpoint();
            } catch (const Cancelled &) {
                cancelled = std::current_exception();
            }
            co_await shielded([&]() -> Task<> {
                co_await sleep(2ms);
                log += "cleaned up";
            });
            std::rethrow_exception(cancelled);
        }));
        QVERIFY(!ended);
        QVERIFY(outer.isCancelledCaught());
        QCOMPARE(log, (Log{"cleaned up"}));
    }

    // B79
    void aShieldOfTheHostDoesNotCoverItsChildren()
    {
        Log log;
        CancelScope outer;
        run(outer.run([&]() -> Task<> {
            co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
                const auto child = [&](QByteArray name) -> Task<> {
                    try {
                        co_await sleepForever();
                    } catch (const Cancelled &) {
                        log += name;
                        throw;
                    }
                };
                group.startSoon(child, QByteArray("before"));
                co_await shielded([&]() -> Task<> {
                    group.startSoon(child, QByteArray("inside"));
                    co_await checkpoint();
                    outer.cancel();
                    co_await sleep(2ms);
                    std::sort(log.begin(), log.end());
                    log += "host";
                });
            });
        }));
        QCOMPARE(log, (Log{"before", "inside", "host"}));
    }

    // B86
    void aTaskCanAskWhetherItsNextWaitWouldThrow()
    {
        QList<bool> as;
        run([&]() -> Task<> {
            CancelScope outer;
            co_await outer.run([&]() -> Task<> {
                CancelScope *none = co_await currentCancelledScope();
                as += none == nullptr;
                as += !co_await isCancelPending();
                outer.cancel();
                as += co_await isCancelPending();
                CancelScope inner;
                co_await inner.run([&]() -> Task<> {
                    CancelScope *found = co_await currentCancelledScope();
                    as += found == &outer;
                    inner.setShielded(true);
                    found = co_await currentCancelledScope();
                    as += found == nullptr;
                    as += !co_await isCancelPending();
                    inner.cancel();
                    found = co_await currentCancelledScope();
                    as += found == &inner;
                    as += co_await isCancelPending();
                });
            });
        }());
        QCOMPARE(as, QList<bool>({true, true, true, true, true, true, true, true}));
    }
};

QTEST_GUILESS_MAIN(TestShield)
#include "tst_shield.moc"
