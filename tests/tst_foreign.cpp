// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtConcurrent/QtConcurrentRun>
#include <QtCore/QByteArrayList>
#include <QtCore/QFutureWatcher>
#include <QtCore/QPromise>
#include <QtCore/QSemaphore>
#include <QtCore/QTimer>

#include <qcoro/qcorosignal.h>
#include <qcoro/qcorotimer.h>

#include <coroutine>
#include <memory>
#include <stdexcept>

using namespace QMicroIO;
using namespace std::chrono_literals;

// An operation of somebody else: it ends when told to.
class Operation : public QObject
{
    Q_OBJECT
public:
    int aborts = 0;
    bool isRunning = false;

    void finish(int value)
    {
        isRunning = false;
        Q_EMIT finished(value);
    }
    // Ends only some turns of the event loop later, as real operations do.
    void abort()
    {
        ++aborts;
        QTimer::singleShot(2ms, this, [this] { finish(-1); });
    }

    QCoro::Task<int> result()
    {
        isRunning = true;
        const int value = co_await qCoro(this, &Operation::finished);
        co_return value;
    }
    QCoro::Task<int> resultOrError()
    {
        const int value = co_await result();
        if (value < 0)
            throw std::runtime_error("operation aborted");
        co_return value;
    }
Q_SIGNALS:
    void finished(int value);
};

namespace {

using Log = QByteArrayList;

QCoro::Task<int> atOnce(int value)
{
    co_return value;
}

// Resumes who waits inside open(), where Operation goes through the event loop.
struct Door
{
    std::coroutine_handle<> waiting;
    void open() { waiting.resume(); }
};

class DoorAwaiter
{
public:
    explicit DoorAwaiter(Door &door)
        : m_door(&door)
    {
    }
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const { m_door->waiting = waiting; }
    void await_resume() const { }

private:
    Door *m_door;
};

QCoro::Task<int> through(Door &door)
{
    co_await DoorAwaiter(door);
    co_return 7;
}

QCoro::Task<int> failsAtOnce()
{
    throw std::runtime_error("at once");
    co_return 0;
}

Task<> turns(int count)
{
    for (int i = 0; i < count; ++i)
        co_await checkpoint();
}

// How an await ends, as text.
template<class A>
Task<QByteArray> endOf(A awaitable)
{
    try {
        if constexpr (std::is_void_v<detail::Awaited<A>>) {
            co_await std::move(awaitable);
            co_return "void";
        } else {
            const auto value = co_await std::move(awaitable);
            co_return QByteArray::number(value);
        }
    } catch (const Cancelled &cancelled) {
        co_return "cancelled: " + cancelled.reason().toUtf8();
    } catch (const std::exception &e) {
        co_return e.what();
    }
}

// Runs `region` in a scope that is cancelled a few turns later; true when it ran to its end.
template<class F>
bool cancelledDuring(F region)
{
    CancelScope scope;
    auto host = [&]() -> Task<bool> {
        QTimer::singleShot(1ms, [&] { scope.cancel(QStringLiteral("enough")); });
        co_return co_await scope.run(region);
    };
    return run(host());
}

static_assert(std::is_same_v<decltype(uncancellable(atOnce(1))), Task<int>>);
static_assert(std::is_same_v<decltype(uncancellable(QFuture<void>())), Task<>>);

} // namespace

class TestForeign : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void init() { operation = std::make_unique<Operation>(); }
    void cleanup()
    {
        QCOMPARE(liveTaskFrames(), 0);
        operation.reset();
    }

    // ---- cancellable()

    void withoutACancellationItIsAnOrdinaryWait()
    {
        Log log;
        const auto abort = [&] { log += "?"; };
        auto host = [&]() -> Task<> {
            log += co_await endOf(cancellable(atOnce(1), abort));
            log += co_await endOf(cancellable(failsAtOnce(), abort));
            QTimer::singleShot(0ms, [&] { operation->finish(2); });
            log += co_await endOf(cancellable(operation->result(), abort));
            QPromise<int> promise;
            promise.start();
            QTimer::singleShot(0ms, [&] {
                promise.addResult(3);
                promise.finish();
            });
            log += co_await endOf(cancellable(promise.future(), abort));
            QTimer timer;
            timer.start(0ms);
            log += co_await endOf(cancellable(&timer, abort));
            auto task = []() -> Task<int> { co_return 4; };
            log += co_await endOf(cancellable(task(), abort));
        };
        run(host());
        QCOMPARE(log, (Log{"1", "at once", "2", "3", "void", "4"}));
    }

    // B85
    void cancellationAsksTheOperationToEndAndWaitsForIt()
    {
        Log log;
        auto region = [&]() -> Task<> {
            const auto abort = [&] { operation->abort(); };
            log += co_await endOf(cancellable(operation->result(), abort));
            log += operation->isRunning ? "runs" : "ended";
            co_await checkpoint();
            log += "?";
        };
        QVERIFY(!cancelledDuring(region));
        QCOMPARE(log, (Log{"cancelled: enough", "ended"}));
        QCOMPARE(operation->aborts, 1);
    }

    // B85
    void theErrorOfAnOperationThatWasAskedToEndIsTheCancellation()
    {
        Log log;
        auto region = [&]() -> Task<> {
            const auto abort = [&] { operation->abort(); };
            log += co_await endOf(cancellable(operation->resultOrError(), abort));
        };
        QVERIFY(cancelledDuring(region));
        QCOMPARE(log, (Log{"cancelled: enough"}));
    }

    // B85
    void twoCancelledScopesAskOnce()
    {
        Log log;
        CancelScope outer;
        CancelScope inner;
        auto innermost = [&]() -> Task<> {
            const auto abort = [&] {
                ++operation->aborts;
                outer.cancel(QStringLiteral("outer"));
                QTimer::singleShot(2ms, [&] { operation->finish(0); });
            };
            log += co_await endOf(cancellable(operation->result(), abort));
        };
        auto middle = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { inner.cancel(QStringLiteral("inner")); });
            co_await inner.run(innermost);
        };
        run(outer.run(middle));
        QCOMPARE(operation->aborts, 1);
        QCOMPARE(log, (Log{"cancelled: inner"}));
    }

    // B85
    void whatWasAnnouncedIsDeliveredThoughAShieldIsRaised()
    {
        Log log;
        CancelScope outer;
        CancelScope shield;
        auto inside = [&]() -> Task<> {
            const auto abort = [&] {
                shield.setShielded(true);
                operation->abort();
            };
            log += co_await endOf(cancellable(operation->result(), abort));
            co_await checkpoint(); // shielded now
            log += "shielded";
        };
        auto middle = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { outer.cancel(QStringLiteral("outer")); });
            co_await shield.run(inside);
        };
        run(outer.run(middle));
        QCOMPARE(log, (Log{"cancelled: outer", "shielded"}));
    }

    void anOperationThatCannotBeStoppedSaysSoAndItsOutcomeCounts()
    {
        Log log;
        auto region = [&]() -> Task<> {
            const auto refuse = [&] {
                QTimer::singleShot(1ms, [&] { operation->finish(9); });
                return false;
            };
            log += co_await endOf(cancellable(operation->result(), refuse));
            co_await checkpoint();
            log += "?";
        };
        QVERIFY(!cancelledDuring(region));
        QCOMPARE(log, (Log{"9"}));
    }

    void anOperationThatEndsBeforeItIsAskedKeepsItsResult()
    {
        Log log;
        Door door;
        CancelScope scope;
        auto region = [&]() -> Task<> {
            const auto abort = [&] { operation->abort(); };
            QTimer::singleShot(0ms, [&] {
                scope.cancel();
                door.open(); // in the same turn
            });
            log += co_await endOf(cancellable(through(door), abort));
            co_await checkpoint();
            log += "?";
        };
        QVERIFY(!run(scope.run(region)));
        QCOMPARE(log, (Log{"7"}));
        QCOMPARE(operation->aborts, 0);
    }

    void whatTheHookThrowsComesOutOnceTheOperationHasEnded()
    {
        Log log;
        auto region = [&]() -> Task<> {
            const auto abort = [&] {
                operation->abort();
                throw std::runtime_error("cannot abort");
            };
            log += co_await endOf(cancellable(operation->result(), abort));
            log += operation->isRunning ? "runs" : "ended";
        };
        QVERIFY(cancelledDuring(region));
        QCOMPARE(log, (Log{"cannot abort", "ended"}));
    }

    void inACancelledScopeOnlyWhatHasBegunIsAskedAndWaitedFor()
    {
        Log log;
        CancelScope scope;
        auto region = [&]() -> Task<> {
            scope.cancel(QStringLiteral("before"));
            const auto abort = [&] { operation->abort(); };
            log += co_await endOf(cancellable(operation->result(), abort));
            log += operation->isRunning ? "runs" : "ended";
            log += co_await endOf(cancellable(atOnce(5), abort));
            QTimer timer;
            timer.start(1h);
            const auto never = [&] { log += "?"; };
            log += co_await endOf(cancellable(&timer, never));
        };
        run(scope.run(region));
        QCOMPARE(log, (Log{"cancelled: before", "ended", "cancelled: before", "cancelled: before"}));
        QCOMPARE(operation->aborts, 1);
    }

    void aFutureIsWaitedForUntilItsWorkHasEnded()
    {
        QSemaphore entered;
        QSemaphore leave;
        bool ended = false;
        Log log;
        auto region = [&]() -> Task<> {
            QFuture<int> future = QtConcurrent::run([&](QPromise<int> &promise) {
                entered.release();
                leave.acquire();
                ended = promise.isCanceled();
            });
            entered.acquire(); // what has not begun never runs once it is cancelled
            const auto abort = [&] {
                future.cancel();
                // Much later than an ordinary wait for the future would end.
                QTimer::singleShot(30ms, [&] { leave.release(); });
            };
            log += co_await endOf(cancellable(future, abort));
            log += ended ? "ended" : "runs";
        };
        QVERIFY(cancelledDuring(region));
        QCOMPARE(log, (Log{"cancelled: enough", "ended"}));
    }

    void aServiceThatStopsAsksTheOperationToEnd()
    {
        LoopServiceThread service(QStringLiteral("worker"));
        service.start();
        service.waitStarted();
        int aborts = 0;
        QSemaphore begun;
        auto host = [&]() -> Task<> {
            Operation mine;
            const auto abort = [&] { mine.abort(); };
            QTimer::singleShot(0ms, [&] { begun.release(); });
            co_await endOf(cancellable(mine.result(), abort));
            aborts = mine.aborts;
        };
        service.submit(host);
        begun.acquire();
        service.stop();
        QVERIFY(service.join());
        QCOMPARE(aborts, 1);
    }

    void theTaskListSaysThatItWasAskedToEnd()
    {
        QStringList lines;
        CancelScope scope;
        auto waits = [&]() -> Task<> {
            const auto abort = [&] {
                QTimer::singleShot(0ms, [&] {
                    lines = detail::Loop::current()->describeTasks();
                    operation->finish(0);
                });
            };
            co_await cancellable(operation->result(), abort);
        };
        auto host = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { scope.cancel(); });
            co_await scope.run(waits);
        };
        run(host());
        QCOMPARE(lines.size(), 1);
        QVERIFY2(lines.at(0).contains(QStringLiteral("asked to end, at tst_foreign.cpp:")), qPrintable(lines.at(0)));
    }

    // ---- uncancellable(), and awaits that are so by themselves

    // B84
    void aQCoroTaskIsWaitedForAndTheNextWaitThrows()
    {
        Log log;
        auto region = [&]() -> Task<> {
            QTimer::singleShot(5ms, [&] { operation->finish(3); });
            log += co_await endOf(operation->result());
            co_await checkpoint();
            log += "?";
        };
        QVERIFY(!cancelledDuring(region));
        QCOMPARE(log, (Log{"3"}));
    }

    // B84
    void aQCoroTaskThatBeganInACancelledScopeIsNotLeftBehind()
    {
        Log log;
        CancelScope scope;
        auto region = [&]() -> Task<> {
            scope.cancel(QStringLiteral("before"));
            int local = 0;
            auto usesOurFrame = [&]() -> QCoro::Task<int> {
                const int value = co_await operation->result();
                local = value;
                co_return value;
            };
            QTimer::singleShot(1ms, [&] { operation->finish(3); });
            log += co_await endOf(usesOurFrame());
            log += QByteArray::number(local);
            log += co_await endOf(atOnce(1)); // a loop of such waits ends as well
            log += co_await endOf(failsAtOnce()); // an error is not lost
        };
        run(scope.run(region));
        QCOMPARE(log, (Log{"cancelled: before", "3", "cancelled: before", "at once"}));
    }

    // B84
    void anUncancellableWaitLastsAndTheNextWaitThrows()
    {
        Log log;
        QPromise<int> promise;
        promise.start();
        auto region = [&]() -> Task<> {
            QTimer::singleShot(5ms, [&] {
                log += promise.isCanceled() ? "?" : "left alone";
                promise.addResult(6);
                promise.finish();
            });
            log += co_await endOf(uncancellable(promise.future()));
            co_await checkpoint();
            log += "?";
        };
        QVERIFY(!cancelledDuring(region));
        QCOMPARE(log, (Log{"left alone", "6"}));
    }

    // B84
    void whateverIsAwaitedCanBeMadeUncancellable()
    {
        Log log;
        CancelScope scope;
        auto region = [&]() -> Task<> {
            scope.cancel(); // counts for none of these
            QTimer timer;
            timer.start(1ms);
            log += co_await endOf(uncancellable(&timer));
            log += co_await endOf(uncancellable(sleep(1ms)));
            log += co_await endOf(uncancellable(atOnce(1)));
            log += co_await endOf(uncancellable(failsAtOnce()));
            auto task = []() -> Task<int> {
                co_await turns(2);
                co_return 2;
            };
            log += co_await endOf(uncancellable(task()));
            log += co_await endOf(sleep(1ms));
        };
        run(scope.run(region));
        QCOMPARE(log, (Log{"void", "void", "1", "at once", "2", "cancelled: "}));
    }

    void anUncancellableFutureThatIsCancelledIsWaitedForUntilItEnds()
    {
        Log log;
        QPromise<int> promise;
        promise.start();
        auto host = [&]() -> Task<> {
            promise.future().cancel();
            QTimer::singleShot(30ms, [&] {
                log += "finished";
                promise.finish();
            });
            log += co_await endOf(uncancellable(promise.future()));
        };
        run(host());
        QCOMPARE(log, (Log{"finished", "cancelled: the awaited future was cancelled"}));
    }

    // ---- QFuture

    void aFutureGivesItsResultOrItsException()
    {
        Log log;
        auto host = [&]() -> Task<> {
            log += co_await endOf(QtConcurrent::run([] { return 1; }));
            log += co_await endOf(QtConcurrent::run([] { }));
            log += co_await endOf(QtConcurrent::run([]() -> int { throw std::out_of_range("far"); }));
            QPromise<int> promise;
            promise.start();
            QTimer::singleShot(0ms, [&] {
                promise.setException(std::make_exception_ptr(std::runtime_error("broken")));
                promise.finish();
            });
            log += co_await endOf(promise.future());
        };
        run(host());
        QCOMPARE(log, (Log{"1", "void", "far", "broken"}));
    }

    void aFutureOfMoveOnlyResultsIsTaken()
    {
        int got = 0;
        auto host = [&]() -> Task<> {
            QPromise<std::unique_ptr<int>> promise;
            promise.start();
            promise.addResult(std::make_unique<int>(4));
            promise.finish();
            const std::unique_ptr<int> value = co_await promise.future();
            got = *value;
        };
        run(host());
        QCOMPARE(got, 4);
    }

    void aCancelledScopeCancelsTheFutureAndTheWaitEndsAtOnce()
    {
        Log log;
        QPromise<int> promise;
        promise.start();
        auto region = [&]() -> Task<> { log += co_await endOf(promise.future()); };
        QVERIFY(cancelledDuring(region)); // although nobody finishes the promise
        QCOMPARE(log, (Log{"cancelled: enough"}));
        QVERIFY(promise.isCanceled());
        promise.finish();
    }

    void aFutureAwaitedInACancelledScopeIsCancelledToo()
    {
        Log log;
        QPromise<int> running;
        running.start();
        QPromise<int> ended;
        ended.start();
        ended.addResult(1);
        ended.finish();
        CancelScope scope;
        auto region = [&]() -> Task<> {
            scope.cancel(QStringLiteral("before"));
            log += co_await endOf(running.future());
            log += co_await endOf(ended.future());
        };
        run(scope.run(region));
        QCOMPARE(log, (Log{"cancelled: before", "cancelled: before"}));
        QVERIFY(running.isCanceled());
        QCOMPARE(ended.future().result(), 1); // what is over stays as it is
        running.finish();
    }

    void aCancelledButUnfinishedFutureEndsTheWait()
    {
        Log log;
        QPromise<int> promise;
        promise.start();
        auto host = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { promise.future().cancel(); });
            log += co_await endOf(promise.future());
            log += co_await endOf(promise.future()); // cancelled already
            co_await checkpoint(); // nobody cancelled this task
        };
        run(host());
        QCOMPARE(log,
                 (Log{"cancelled: the awaited future was cancelled", "cancelled: the awaited future was cancelled"}));
        promise.finish();
    }

    void aFutureThatFinishesWithoutAResultBreaksTheWait()
    {
        Log log;
        auto host = [&]() -> Task<> {
            QPromise<int> promise;
            promise.start();
            QTimer::singleShot(0ms, [&] { promise.finish(); });
            log += co_await endOf(promise.future());
            QPromise<int> cancelled;
            cancelled.start();
            cancelled.future().cancel();
            cancelled.finish();
            log += co_await endOf(cancelled.future());
        };
        run(host());
        QCOMPARE(log.size(), 2);
        QVERIFY2(log.at(0).contains("without a result"), log.at(0).constData());
        QCOMPARE(log.at(1), QByteArray("cancelled: the awaited future was cancelled"));
    }

    void aPromiseThatIsDroppedEndsTheWait()
    {
        Log log;
        auto promise = std::make_unique<QPromise<int>>();
        promise->start();
        auto host = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { promise.reset(); });
            log += co_await endOf(promise->future());
        };
        run(host());
        QCOMPARE(log, (Log{"cancelled: the awaited future was cancelled"}));
    }

    void cancellingASubmittedFutureFromAnAwaitReachesTheOtherService()
    {
        LoopServiceThread service(QStringLiteral("worker"));
        service.start();
        service.waitStarted();
        QSemaphore begun;
        QSemaphore unwound;
        Log log;
        auto remote = [&]() -> Task<int> {
            begun.release();
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                unwound.release();
                throw;
            }
            co_return 0;
        };
        auto region = [&]() -> Task<> {
            QFuture<int> future = service.submit(remote);
            begun.acquire(); // what has not begun never runs once it is cancelled
            log += co_await endOf(std::move(future));
        };
        QVERIFY(cancelledDuring(region));
        unwound.acquire();
        QCOMPARE(log, (Log{"cancelled: enough"}));
        service.stop();
        QVERIFY(service.join());
    }

    // ---- QTimer, and what QCoro can await

    void aTimerIsAwaitedWhenItIsActive()
    {
        Log log;
        auto host = [&]() -> Task<> {
            QTimer timer;
            co_await timer; // inactive: nothing to wait for
            log += "inactive";
            timer.start(1ms);
            co_await timer;
            co_await &timer;
            log += "twice";
            timer.start(1h);
            CancelScope scope;
            auto region = [&]() -> Task<> { co_await timer; };
            scope.setTimeout(1ms);
            log += co_await scope.run(region) ? "?" : "cancelled";
        };
        run(host());
        QCOMPARE(log, (Log{"inactive", "twice", "cancelled"}));
    }

    void aTimerThatDiesBreaksTheWait()
    {
        Log log;
        auto timer = std::make_unique<QTimer>();
        timer->start(1h);
        auto host = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { timer.reset(); });
            log += co_await endOf(timer.get());
        };
        run(host());
        QCOMPARE(log.size(), 1);
        QVERIFY2(log.at(0).contains("destroyed"), log.at(0).constData());
    }

    void whatQCoroCanAwaitIsAwaitedThroughIt()
    {
        Log log;
        auto host = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { operation->finish(8); });
            const int value = co_await qCoro(operation.get(), &Operation::finished);
            log += QByteArray::number(value);
            QTimer timer;
            timer.start(1ms);
            co_await qCoro(timer).waitForTimeout();
            log += "timeout";
        };
        run(host());
        QCOMPARE(log, (Log{"8", "timeout"}));
    }

    void workThatLoopsOverWhatIsReadyLetsOthersGoOn_data()
    {
        QTest::addColumn<int>("kind");
        QTest::newRow("QFuture") << 0;
        QTest::newRow("QCoro task") << 1;
        QTest::newRow("cancellable") << 2;
    }
    // B205
    void workThatLoopsOverWhatIsReadyLetsOthersGoOn()
    {
        QFETCH(const int, kind);
        bool othersRan = false;
        auto other = [&] { othersRan = true; };
        auto nothing = [] { };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(other);
            for (const QDeadlineTimer limit(10s); !othersRan && !limit.hasExpired();) {
                if (kind == 0)
                    co_await QtFuture::makeReadyFuture(1);
                else if (kind == 1)
                    co_await atOnce(1);
                else
                    co_await cancellable(atOnce(1), nothing);
            }
            if (!othersRan)
                throw Error("the others had no turn");
        };
        run(withTaskGroup(body));
        QVERIFY(othersRan);
    }

    void chainsOfBothKindsOfCoroutinesPassResultsAndErrors()
    {
        Log log;
        auto inner = []() -> Task<int> {
            co_await checkpoint();
            co_return 2;
        };
        auto bad = []() -> Task<int> {
            co_await checkpoint();
            throw std::runtime_error("deep");
        };
        auto middle = [&](bool fail) -> QCoro::Task<int> {
            if (fail)
                co_return co_await bad();
            co_return 1 + co_await inner();
        };
        auto host = [&]() -> Task<> {
            log += co_await endOf(middle(false));
            log += co_await endOf(middle(true));
        };
        run(host());
        QCOMPARE(log, (Log{"3", "deep"}));
    }

private:
    std::unique_ptr<Operation> operation;
};

QTEST_GUILESS_MAIN(TestForeign)
#include "tst_foreign.moc"
