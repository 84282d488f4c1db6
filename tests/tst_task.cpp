// SPDX-License-Identifier: Apache-2.0
#include "thrown.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/task.h>
#include <qmicroio/taskgroup.h>

#include <QtTest/QTest>

#include <QtCore/QCoreApplication>
#include <QtCore/QPromise>
#include <QtCore/QSemaphore>
#include <QtCore/QThread>

#include <qcoro/qcorothread.h>
#include <qcoro/qcorotimer.h>

#include <memory>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<Task<int>>);
static_assert(!std::is_copy_assignable_v<Task<>>);
static_assert(std::is_nothrow_move_constructible_v<Task<int>>);
static_assert(std::is_nothrow_move_assignable_v<Task<>>);
static_assert(std::is_default_constructible_v<Task<>>);
static_assert(std::is_same_v<Task<>, Task<void>>);
static_assert(std::is_same_v<decltype(run(std::declval<Task<QString>>())), QString>);
static_assert(std::is_void_v<decltype(run(std::declval<Task<>>()))>);
// An ordinary handler must not swallow a cancellation.
static_assert(!std::is_base_of_v<std::exception, Cancelled>);

namespace {

// No default constructor, no copy: what results may be like.
class Parcel
{
public:
    explicit Parcel(int number)
        : m_number(std::make_unique<int>(number))
    {
    }
    int number() const { return *m_number; }

private:
    std::unique_ptr<int> m_number;
};

struct NoStandardError
{
    int code;
};

// In a later event of this thread: after the task that calls this has parked.
template<class F>
void later(F act)
{
    QMetaObject::invokeMethod(QCoreApplication::instance(), std::move(act), Qt::QueuedConnection);
}

template<class F>
void onNewThread(F act)
{
    const std::unique_ptr<QThread> thread(QThread::create(std::move(act)));
    thread->start();
    thread->wait();
}

Task<int> ready(int value)
{
    co_return value;
}

Task<int> depthOf(int levels)
{
    if (levels == 0)
        co_return 0;
    co_return 1 + co_await depthOf(levels - 1);
}

Task<int> depthOfParked(int levels)
{
    if (levels == 0) {
        co_await sleep(0ms);
        co_return 0;
    }
    co_return 1 + co_await depthOfParked(levels - 1);
}

Task<> failAtDepth(int levels)
{
    if (levels == 0)
        throw Error("from the bottom");
    co_await failAtDepth(levels - 1);
}

Task<> sleepAtDepth(int levels)
{
    if (levels == 0)
        co_await sleepForever();
    else
        co_await sleepAtDepth(levels - 1);
}

QCoro::Task<int> readyInQCoro(int value)
{
    co_return value;
}

QCoro::Task<int> parkedInQCoro(int value)
{
    QTimer timer;
    timer.setSingleShot(true);
    timer.start(1ms);
    co_await timer;
    co_return value;
}

QCoro::Task<> failingInQCoro()
{
    QTimer timer;
    timer.setSingleShot(true);
    timer.start(0);
    co_await timer;
    throw Error("from QCoro");
}

// An awaitable of somebody else's, who knows nothing of tasks.
class PostedAnswer
{
public:
    explicit PostedAnswer(int answer)
        : m_answer(answer)
    {
    }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const
    {
        later([waiting] { waiting.resume(); });
    }
    int await_resume() const noexcept { return m_answer; }

private:
    int m_answer;
};

QCoro::Task<> hopTo(QThread *thread)
{
    co_await QCoro::moveToThread(thread);
}

} // namespace

class TestTask : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    void aTaskStartsWhenItIsAwaitedNotWhenItIsCalled()
    {
        QStringList order;
        auto child = [&]() -> Task<> {
            order += QStringLiteral("child");
            co_return;
        };
        auto body = [&]() -> Task<> {
            Task<> made = child();
            order += QStringLiteral("called");
            co_await made;
            order += QStringLiteral("awaited");
            if (made.isValid())
                order += QStringLiteral("still valid");
        };
        run(body());
        QCOMPARE(order, (QStringList{QStringLiteral("called"), QStringLiteral("child"), QStringLiteral("awaited")}));
    }

    void aDiscardedTaskNeverRunsAndFreesItsArguments()
    {
        bool ran = false;
        auto take = [&ran](std::shared_ptr<int>) -> Task<> {
            ran = true;
            co_return;
        };
        auto argument = std::make_shared<int>(1);
        const std::weak_ptr<int> watch = argument;
        static_cast<void>(take(std::move(argument)));
        QVERIFY(watch.expired());
        Task<> kept = take(std::make_shared<int>(2));
        QCOMPARE(liveTaskFrames(), 1);
        kept = Task<>(); // overwritten: the same as discarded
        QCOMPARE(liveTaskFrames(), 0);
        QVERIFY(!ran);
    }

    void aTaskIsUsedUpByAwaitingItOnce()
    {
        QString fromAwait;
        QString fromQCoro;
        auto body = [&]() -> Task<> {
            Task<int> once = ready(1);
            co_await once;
            try {
                co_await once;
            } catch (const LogicError &error) {
                fromAwait = error.message();
            }
        };
        run(body());
        QVERIFY2(fromAwait.contains(QStringLiteral("call its function again")), qPrintable(fromAwait));
        Task<int> moved = ready(1);
        const Task<int> taken = std::move(moved);
        QVERIFY(taken.isValid());
        QVERIFY(!moved.isValid()); // NOLINT(bugprone-use-after-move): what is left behind is the point
        const QString fromRun = messageOf<LogicError>([&] { run(std::move(moved)); });
        QVERIFY2(fromRun.contains(QStringLiteral("call its function again")), qPrintable(fromRun));
        auto outer = [&]() -> QCoro::Task<> {
            try {
                co_await Task<int>();
            } catch (const LogicError &error) {
                fromQCoro = error.message();
            }
        };
        auto wait = [&]() -> Task<> { co_await outer(); };
        run(wait());
        QVERIFY2(fromQCoro.contains(QStringLiteral("call its function again")), qPrintable(fromQCoro));
    }

    void resultsMayBeMoveOnlyAndWithoutADefault()
    {
        auto pack = [](int number) -> Task<Parcel> { co_return Parcel(number); };
        auto body = [&]() -> Task<Parcel> {
            Parcel first = co_await pack(20);
            const Parcel second = co_await pack(22);
            co_return Parcel(first.number() + second.number());
        };
        QCOMPARE(run(body()).number(), 42);
        auto optional = []() -> Task<std::optional<int>> { co_return std::nullopt; };
        QVERIFY(!run(optional()).has_value());
        auto inner = []() -> Task<Task<int>> { co_return ready(5); };
        auto unwrap = [&]() -> Task<int> {
            Task<int> task = co_await inner();
            co_return co_await task;
        };
        QCOMPARE(run(unwrap()), 5);
    }

    void whatLeavesATaskIsThrownWhereItIsAwaited()
    {
        QStringList order;
        auto fail = [&]() -> Task<int> {
            co_await sleep(0ms);
            throw Error("broken");
            co_return 1;
        };
        auto between = [&]() -> Task<int> {
            struct Note
            {
                QStringList &order;
                ~Note() { order += QStringLiteral("unwound"); }
            };
            const Note note{order};
            co_return co_await fail();
        };
        auto body = [&]() -> Task<> {
            try {
                co_await between();
            } catch (const Error &error) {
                order += error.message();
            }
        };
        run(body());
        QCOMPARE(order, (QStringList{QStringLiteral("unwound"), QStringLiteral("broken")}));
        QCOMPARE(messageOf<Error>([&] { run(between()); }), QStringLiteral("broken"));
        auto other = []() -> Task<> {
            throw NoStandardError{7};
            co_return;
        };
        QVERIFY(throws<NoStandardError>([&] { run(other()); }));
    }

    void aMillionReadyAwaitsInALoopKeepTheStackFlat()
    {
        constexpr int Rounds = 1000000;
        auto body = []() -> Task<qint64> {
            qint64 sum = 0;
            for (int i = 0; i < Rounds; ++i)
                sum += co_await ready(i & 1);
            co_return sum;
        };
        QCOMPARE(run(body()), qint64(Rounds / 2));
    }

    void manyReadyForeignAwaitsInALoopKeepTheStackFlat()
    {
        constexpr int Rounds = 100000;
        const QFuture<int> future = QtFuture::makeReadyFuture(1);
        auto body = [&]() -> Task<qint64> {
            qint64 sum = 0;
            for (int i = 0; i < Rounds; ++i) {
                co_await checkpointIfCancelled();
                sum += co_await future;
                sum += co_await readyInQCoro(1);
            }
            co_return sum;
        };
        QCOMPARE(run(body()), qint64(2 * Rounds));
    }

    void aHundredThousandLevelsReturnThrowAndUnwind()
    {
        constexpr int Levels = 100000;
        QCOMPARE(run(depthOf(Levels)), Levels);
        QCOMPARE(run(depthOfParked(Levels)), Levels);
        QCOMPARE(messageOf<Error>([] { run(failAtDepth(Levels)); }), QStringLiteral("from the bottom"));
        CancelScope scope;
        auto body = [&]() -> Task<bool> {
            later([&] { scope.cancel(); });
            auto fall = []() -> Task<> { co_await sleepAtDepth(Levels); };
            co_return co_await scope.run(fall);
        };
        QCOMPARE(run(body()), false);
        QVERIFY(scope.isCancelledCaught());
    }

    void aCapturingLambdaIsKeptByTheLibraryUntilItsTaskEnds()
    {
        const auto owned = std::make_shared<int>(3);
        auto body = [&]() -> Task<int> {
            auto inScope = [owned]() -> Task<int> {
                co_await sleep(0ms);
                co_return *owned;
            };
            const int first = co_await failAfter(10s, std::move(inScope));
            auto clean = [owned]() -> Task<int> {
                co_await sleep(0ms);
                co_return *owned;
            };
            co_return first + co_await shielded(std::move(clean));
        };
        QCOMPARE(run(body()), 6);
        QCOMPARE(owned.use_count(), 1);
    }

    void runInsideATaskIsMisuse()
    {
        QString text;
        auto body = [&]() -> Task<> {
            text = messageOf<LogicError>([] { run(ready(1)); });
            co_return;
        };
        run(body());
        QVERIFY2(text.contains(QStringLiteral("co_await")), qPrintable(text));
    }

    void runNeedsAnEventLoop()
    {
        QString text;
        std::thread plain([&] { text = messageOf<LogicError>([] { run(ready(1)); }); });
        plain.join();
        QVERIFY2(text.contains(QStringLiteral("LoopServiceThread")), qPrintable(text));
        int result = 0;
        onNewThread([&] { result = run(depthOfParked(3)); });
        QCOMPARE(result, 3);
    }

    void runToldToQuitCancelsItsTask()
    {
        QString text;
        bool cleanedUp = false;
        int finished = 0;
        onNewThread([&] {
            auto wait = [&]() -> Task<> {
                QThread::currentThread()->exit();
                try {
                    co_await sleepForever();
                } catch (const Cancelled &) {
                    cleanedUp = true;
                    throw;
                }
            };
            text = messageOf<ClosedResourceError>([&] { run(wait()); });
            auto finish = []() -> Task<int> {
                QThread::currentThread()->exit();
                co_return 4;
            };
            finished = run(finish());
        });
        QVERIFY2(text.contains(QStringLiteral("quit")), qPrintable(text));
        QVERIFY(cleanedUp);
        QCOMPARE(finished, 4);
    }

    void anEarlierQuitDoesNotReachANewRun()
    {
        int result = 0;
        onNewThread([&] {
            QThread::currentThread()->exit();
            result = run(depthOfParked(2));
        });
        QCOMPARE(result, 2);
    }

    void aTaskRunsWhereItBeginsNotWhereItWasMade()
    {
        QThread *ranOn = nullptr;
        auto body = [&]() -> Task<> {
            ranOn = QThread::currentThread();
            co_return;
        };
        Task<> made = body();
        LoopServiceThread service(QStringLiteral("home"));
        service.start();
        service.waitStarted();
        auto give = [&] { return std::move(made); };
        QFuture<void> done = service.submit(give);
        done.waitForFinished();
        QCOMPARE(ranOn, service.context()->thread());
        service.stop();
        QVERIFY(service.join());
    }

    void awaitingAFinishedFutureGivesItsResultOrError()
    {
        auto body = []() -> Task<QString> {
            QString seen = QString::number(co_await QtFuture::makeReadyFuture(6));
            co_await QtFuture::makeReadyFuture();
            try {
                co_await QtFuture::makeExceptionalFuture<int>(std::make_exception_ptr(Error("no result")));
            } catch (const Error &error) {
                seen += error.message();
            }
            co_return seen;
        };
        QCOMPARE(run(body()), QStringLiteral("6no result"));
        QPromise<std::unique_ptr<int>> promise;
        promise.start();
        promise.addResult(std::make_unique<int>(8));
        promise.finish();
        auto takeOwned = [&]() -> Task<int> {
            const std::unique_ptr<int> owned = co_await promise.future();
            co_return *owned;
        };
        QCOMPARE(run(takeOwned()), 8);
    }

    void awaitingAPendingFutureGivesItsResultOrError_data()
    {
        QTest::addColumn<QString>("ending");
        QTest::addColumn<QString>("expected");
        const auto row = [](const char *ending, const char *expected) {
            QTest::newRow(ending) << QString::fromUtf8(ending) << QString::fromUtf8(expected);
        };
        row("value", "9");
        row("error", "error: broken");
        row("cancelled", "cancelled");
        row("cancelled, then finished", "cancelled");
        row("without a result", "no result");
        row("promise destroyed", "cancelled");
    }
    void awaitingAPendingFutureGivesItsResultOrError()
    {
        QFETCH(QString, ending);
        QFETCH(QString, expected);
        auto promise = std::make_unique<QPromise<int>>();
        promise->start();
        const QFuture<int> future = promise->future();
        const auto end = [&] {
            if (ending == QStringLiteral("value"))
                promise->addResult(9);
            if (ending == QStringLiteral("error"))
                promise->setException(std::make_exception_ptr(Error("broken")));
            if (ending.startsWith(QStringLiteral("cancelled")))
                promise->future().cancel();
            if (ending == QStringLiteral("promise destroyed"))
                promise.reset();
            else if (ending != QStringLiteral("cancelled"))
                promise->finish();
        };
        auto body = [&]() -> Task<QString> {
            later([&] { std::thread(end).join(); });
            try {
                const int value = co_await future;
                co_return QString::number(value);
            } catch (const Cancelled &) {
                co_return QStringLiteral("cancelled");
            } catch (const BrokenResourceError &) {
                co_return QStringLiteral("no result");
            } catch (const Error &error) {
                co_return QStringLiteral("error: ") + error.message();
            }
        };
        QCOMPARE(run(body()), expected);
        if (promise && !future.isFinished())
            promise->finish();
    }

    void awaitingAFutureThatWasCancelledBeforeNeverBlocks()
    {
        QPromise<int> promise;
        promise.start();
        promise.future().cancel(); // not finished: its result() would wait for ever
        auto body = [&]() -> Task<int> { co_return co_await promise.future(); };
        QVERIFY(throws<Cancelled>([&] { run(body()); }));
        promise.finish();
        QVERIFY(throws<Cancelled>([&] { run(body()); }));
    }

    void awaitingATimerWaitsForItsNextTimeout()
    {
        QTimer timer;
        timer.setSingleShot(true);
        timer.start(1ms);
        int timeouts = 0;
        connect(&timer, &QTimer::timeout, &timer, [&] { ++timeouts; });
        std::vector<int> seen;
        auto body = [&]() -> Task<> {
            co_await timer;
            seen.push_back(timeouts);
            co_await timer; // inactive: goes on at once
            seen.push_back(timeouts);
            timer.start();
            co_await &timer;
            seen.push_back(timeouts);
        };
        run(body());
        QCOMPARE(seen, (std::vector<int>{1, 1, 2}));
    }

    void aTimerThatDiesWhileAwaitedEndsTheWait()
    {
        auto *timer = new QTimer;
        timer->start(1h);
        auto body = [&]() -> Task<bool> {
            later([&] { delete timer; });
            try {
                co_await timer;
            } catch (const BrokenResourceError &) {
                co_return true;
            }
            co_return false;
        };
        QVERIFY(run(body()));
        auto nobody = []() -> Task<> { co_await static_cast<QTimer *>(nullptr); };
        QVERIFY(throws<BrokenResourceError>([&] { run(nobody()); }));
    }

    void awaitingAQCoroTaskGivesItsResultOrError()
    {
        auto body = []() -> Task<QString> {
            QString seen = QString::number(co_await readyInQCoro(1));
            seen += QString::number(co_await parkedInQCoro(2));
            QCoro::Task<int> begun = parkedInQCoro(3); // runs already
            co_await sleep(0ms);
            seen += QString::number(co_await begun);
            try {
                co_await failingInQCoro();
            } catch (const Error &error) {
                seen += error.message();
            }
            co_return seen;
        };
        QCOMPARE(run(body()), QStringLiteral("123from QCoro"));
    }

    void whatQCoroCanAwaitATaskCanAwait()
    {
        // QCoro connects to the signals of a thread that runs: between the two of them, or Qt's lists are read as they change.
        QSemaphore began;
        QSemaphore watching;
        const auto runs = [&] {
            began.release();
            watching.acquire();
        };
        const std::unique_ptr<QThread> thread(QThread::create(runs));
        auto body = [&]() -> Task<int> {
            co_await QCoro::sleepFor(1ms);
            auto watched = qCoro(thread.get());
            thread->start();
            began.acquire();
            const auto goOn = [&] { watching.release(); };
            QMetaObject::invokeMethod(qApp, goOn, Qt::QueuedConnection);
            const bool ended = co_await watched.waitForFinished();
            PostedAnswer kept(20);
            const int first = co_await kept;
            co_return first + co_await PostedAnswer(ended ? 1 : 0);
        };
        QCOMPARE(run(body()), 21);
        thread->wait();
    }

    void aQCoroTaskThatAwaitsATaskRunsItOutsideAnyScope()
    {
        QStringList order;
        bool inScope = true;
        auto inner = [&]() -> Task<int> {
            order += QStringLiteral("began");
            inScope = co_await currentCancelScope() != nullptr;
            co_await sleep(1ms);
            co_return 5;
        };
        auto failing = []() -> Task<> {
            co_await sleep(0ms);
            throw Error("from the root");
        };
        auto outer = [&]() -> QCoro::Task<int> {
            const int value = co_await inner();
            order += QStringLiteral("ended");
            try {
                co_await failing();
            } catch (const Error &error) {
                order += error.message();
            }
            co_return value;
        };
        CancelScope scope;
        auto body = [&]() -> Task<int> {
            auto call = [&]() -> Task<int> {
                QCoro::Task<int> task = outer(); // eager, but our task begins from the loop
                order += QStringLiteral("called");
                scope.cancel();
                auto wait = [&]() -> Task<int> { co_return co_await task; };
                co_return co_await shielded(wait);
            };
            const std::optional<int> value = co_await scope.run(call);
            co_return value.value_or(0);
        };
        QCOMPARE(run(body()), 5);
        QVERIFY(!inScope);
        QCOMPARE(order,
                 (QStringList{QStringLiteral("called"), QStringLiteral("began"), QStringLiteral("ended"),
                              QStringLiteral("from the root")}));
    }

    void everyWaitResumesOnTheThreadOfItsLoop_data()
    {
        QTest::addColumn<QString>("kind");
        for (const char *kind : {"sleep", "future", "timer", "qcoro"})
            QTest::newRow(kind) << QString::fromUtf8(kind);
    }
    void everyWaitResumesOnTheThreadOfItsLoop()
    {
        QFETCH(QString, kind);
        LoopServiceThread service(QStringLiteral("home"));
        LoopServiceThread other(QStringLiteral("other"));
        service.start();
        other.start();
        service.waitStarted();
        other.waitStarted();
        QSemaphore gate;
        const auto hold = [&] { gate.acquire(); };
        QPromise<void> promise;
        promise.start();
        QThread *elsewhere = other.context()->thread();
        QThread *resumedOn = nullptr;
        auto body = [&]() -> Task<> {
            if (kind == QStringLiteral("sleep")) {
                co_await sleep(1ms);
            } else if (kind == QStringLiteral("future")) {
                co_await promise.future();
            } else if (kind == QStringLiteral("timer")) {
                QTimer timer;
                timer.start(1ms);
                co_await timer;
            } else {
                co_await hopTo(elsewhere); // ends on the other thread
            }
            resumedOn = QThread::currentThread();
        };
        other.callSoon(hold);
        QFuture<void> done = service.submit(body);
        service.callSync([] { }); // the task has parked
        other.callSoon([&] { promise.finish(); });
        gate.release();
        done.waitForFinished();
        QCOMPARE(resumedOn, service.context()->thread());
        for (LoopServiceThread *each : {&service, &other}) {
            each->stop();
            QVERIFY(each->join());
        }
    }
};

QTEST_GUILESS_MAIN(TestTask)
#include "tst_task.moc"
