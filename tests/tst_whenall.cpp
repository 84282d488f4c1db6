// SPDX-License-Identifier: Apache-2.0
#include "thrown.h"

#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QByteArrayList>
#include <QtCore/QMetaMethod>
#include <QtCore/QPromise>
#include <QtCore/QTimer>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

using Log = QByteArrayList;

Task<int> number(int value)
{
    co_return value;
}

Task<int> later(int value, int turns)
{
    for (int i = 0; i < turns; ++i)
        co_await checkpoint();
    co_return value;
}

Task<> logged(Log &log, QByteArray text)
{
    log += text;
    co_return;
}

QCoro::Task<QString> qcoroText()
{
    co_return QStringLiteral("qcoro");
}

Task<int> fails(const char *text, int turns = 0)
{
    co_await later(0, turns);
    throw std::runtime_error(text);
}

// Waits to be cancelled and says so.
Task<int> stays(Log &log, QByteArray text = "cancelled")
{
    try {
        co_await sleepForever();
    } catch (const Cancelled &) {
        log += text;
        throw;
    }
    co_return 0;
}

// Needs some turns to end once it is cancelled.
Task<int> cleansUp(Log &log)
{
    bool cancelled = false;
    try {
        co_await sleepForever();
    } catch (const Cancelled &) {
        cancelled = true;
    }
    auto tidy = [&]() -> Task<> {
        co_await later(0, 3);
        log += "tidy";
    };
    co_await shielded(tidy);
    co_await checkpoint();
    co_return cancelled ? 1 : 0;
}

QFuture<int> cancelledFuture()
{
    QPromise<int> promise;
    promise.start();
    QFuture<int> future = promise.future();
    future.cancel();
    promise.finish();
    return future;
}

template<class F>
Log textsOf(F &&call)
{
    Log texts;
    try {
        call();
    } catch (const ExceptionGroup &group) {
        for (const std::exception_ptr &error : group.exceptions())
            texts += errorText(error).toUtf8();
    }
    std::sort(texts.begin(), texts.end());
    return texts;
}

static_assert(std::is_same_v<decltype(whenAll(number(1), QTimer().isActive() ? number(2) : number(3))),
                             Task<std::tuple<int, int>>>);
static_assert(std::is_same_v<decltype(whenAll(std::declval<Task<>>(), qcoroText(), sleep(1s), QFuture<double>())),
                             Task<std::tuple<std::monostate, QString, std::monostate, double>>>);
static_assert(
    std::is_same_v<decltype(whenAny(std::declval<Task<>>(), number(1))), Task<WhenAnyResult<std::monostate, int>>>);
static_assert(std::is_same_v<decltype(whenAll(std::declval<std::vector<Task<>>>())), Task<>>);

} // namespace

class TestWhenAll : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // ---- whenAll()

    void allResultsComeAsATupleInTheOrderOfTheArguments()
    {
        Log log;
        auto host = [&]() -> Task<std::tuple<int, std::monostate, int>> {
            co_return co_await whenAll(later(1, 5), logged(log, "done"), number(3));
        };
        const auto [first, nothing, third] = run(host());
        QCOMPARE(first, 1);
        QCOMPARE(third, 3);
        QCOMPARE(nothing, std::monostate());
        QCOMPARE(log, (Log{"done"}));
    }

    void thePartsRunSideBySide()
    {
        Log log;
        auto part = [&](QByteArray name) -> Task<> {
            for (int i = 0; i < 2; ++i) {
                log += name;
                co_await checkpoint();
            }
        };
        run(whenAll(part("a"), part("b")));
        QCOMPARE(log, (Log{"a", "b", "a", "b"}));
    }

    void whateverATaskCanAwaitIsAPart()
    {
        auto channel = createChannel<QString>();
        channel.sender.sendNowait(QStringLiteral("item"));
        QTimer timer;
        timer.start(1ms);
        QPromise<int> promise;
        promise.start();
        QTimer::singleShot(0ms, [&] {
            promise.addResult(7);
            promise.finish();
        });
        auto host = [&]() -> Task<QString> {
            auto all = whenAll(qcoroText(), promise.future(), channel.receiver.receive(), &timer, sleep(1ms),
                               nextSignal(&timer, &QTimer::timeout));
            const auto results = co_await std::move(all);
            co_return std::get<0>(results) + QString::number(std::get<1>(results)) + std::get<2>(results);
        };
        QCOMPARE(run(host()), QStringLiteral("qcoro7item"));
        channel.sender.close();
        channel.receiver.close();
    }

    void resultsThatCanOnlyBeMovedAreMoved()
    {
        auto make = [](int value) -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(value); };
        auto all = run(whenAll(make(4), make(5)));
        QCOMPARE(*std::get<0>(all) + *std::get<1>(all), 9);
        auto any = run(whenAny(make(6), make(7)));
        QCOMPARE(*std::get<0>(any.value), 6);
    }

    void allOfNothingIsThereAtOnce()
    {
        QCOMPARE(run(whenAll()), std::tuple<>());
        QVERIFY(run(whenAll(std::vector<Task<int>>())).empty());
    }

    void aVectorOfTasksGivesAVector()
    {
        constexpr int Count = 200;
        std::vector<Task<int>> tasks;
        for (int i = 0; i < Count; ++i)
            tasks.push_back(later(i, Count - i));
        const std::vector<int> got = run(whenAll(std::move(tasks)));
        QCOMPARE(got.size(), std::size_t(Count));
        for (int i = 0; i < Count; ++i)
            QCOMPARE(got[std::size_t(i)], i);
        Log log;
        std::vector<Task<>> voids;
        voids.push_back(logged(log, "one"));
        voids.push_back(logged(log, "two"));
        run(whenAll(std::move(voids)));
        QCOMPARE(log, (Log{"one", "two"}));
    }

    void oneFailureCancelsTheRestAndComesAsAGroup()
    {
        Log log;
        const Log texts = textsOf([&] { run(whenAll(stays(log), fails("disk full"), cleansUp(log))); });
        QCOMPARE(texts, (Log{"disk full"}));
        QCOMPARE(log, (Log{"cancelled", "tidy"})); // all ended before the failure was thrown
    }

    void failuresOfSeveralPartsComeTogether()
    {
        const Log texts = textsOf([] { run(whenAll(fails("one"), fails("two"), number(3))); });
        QCOMPARE(texts, (Log{"one", "two"}));
        std::vector<Task<int>> tasks;
        tasks.push_back(fails("three"));
        tasks.push_back(number(4));
        QCOMPARE(textsOf([&] { run(whenAll(std::move(tasks))); }), (Log{"three"}));
    }

    void aCancellationFromOutsideReachesEveryPartAndLeavesAsOne()
    {
        Log log;
        auto region = [&]() -> Task<> {
            try {
                co_await whenAll(stays(log, "a"), stays(log, "b"), cleansUp(log));
            } catch (const Cancelled &) {
                log += "thrown";
                throw;
            }
        };
        QVERIFY(!run(moveOnAfter(1ms, region)));
        QCOMPARE(log.size(), 4);
        QCOMPARE(log.last(), QByteArray("thrown"));
    }

    void resultsThatAreAllThereOutliveACancellation()
    {
        int sum = 0;
        auto region = [&](CancelScope &scope) -> Task<> {
            auto last = [&]() -> Task<int> {
                scope.cancel();
                co_return 2;
            };
            const auto all = co_await whenAll(number(1), last());
            sum = std::get<0>(all) + std::get<1>(all);
            co_await checkpoint();
            sum = -1;
        };
        CancelScope scope;
        QVERIFY(!run(scope.run(region)));
        QCOMPARE(sum, 3);
    }

    void aPartThatIsCancelledByItselfCancelsTheRest()
    {
        Log log;
        auto host = [&]() -> Task<> {
            try {
                co_await whenAll(stays(log), cancelledFuture());
            } catch (const Cancelled &cancelled) {
                log += cancelled.reason().toUtf8();
            }
            co_await checkpoint(); // nobody cancelled this scope
            log += "goes on";
        };
        run(host());
        QCOMPARE(log, (Log{"cancelled", "the awaited future was cancelled", "goes on"}));
    }

    void aPartThatCancelsTheGroupAroundItClosesTheCall()
    {
        auto closes = []() -> Task<int> {
            CancelScope *scope = co_await currentCancelScope();
            scope->cancel();
            co_await checkpoint();
            co_return 1;
        };
        const QByteArray text = textOf<ClosedResourceError>([&] { run(whenAll(number(1), closes())); });
        QVERIFY2(text.contains("whenAll()") && text.contains("its own parts"), text.constData());
        QVERIFY(textOf<ClosedResourceError>([&] { run(whenAny(closes(), sleepForever())); }).contains("whenAny()"));
    }

    void aTaskThatWasUsedUpFailsItsPart()
    {
        Task<int> used = number(1);
        Task<int> taken = std::move(used);
        // NOLINTNEXTLINE(bugprone-use-after-move): that is what is tested
        const Log texts = textsOf([&] { run(whenAll(std::move(used), std::move(taken))); });
        QCOMPARE(texts.size(), 1);
        QVERIFY2(texts.at(0).contains("call its function again"), texts.at(0).constData());
    }

    void anUnawaitedCallRunsNothingAndFreesItsParts()
    {
        Log log;
        {
            auto all = whenAll(logged(log, "ran"), number(1));
            auto any = whenAny(logged(log, "ran"), number(1));
            QVERIFY(all.isValid() && any.isValid());
        }
        QVERIFY(log.isEmpty());
    }

    void thePartsHaveNamesInTheTaskList()
    {
        QStringList lines;
        auto look = [&]() -> Task<> {
            co_await checkpoint();
            lines = detail::Loop::current()->describeTasks();
        };
        const QString line = QString::number(__LINE__ + 1);
        auto host = [&]() -> Task<> { co_await whenAny(sleepForever(), look()); };
        run(host());
        QCOMPARE(lines.size(), 3);
        // The place is that of the call, not one inside the library.
        QVERIFY2(lines.at(1).endsWith(QStringLiteral("at tst_whenall.cpp:") + line), qPrintable(lines.at(1)));
        QVERIFY2(lines.at(1).startsWith(QStringLiteral("whenAny() part 0: waits for")), qPrintable(lines.at(1)));
        QVERIFY2(lines.at(2).startsWith(QStringLiteral("whenAny() part 1: running")), qPrintable(lines.at(2)));
    }

    void aCallCanBeAPartOfAnother()
    {
        auto nested = run(whenAll(whenAll(number(1), number(2)), whenAny(sleepForever(), number(3))));
        QCOMPARE(std::get<0>(nested), std::make_tuple(1, 2));
        QCOMPARE(std::get<1>(nested).index, qsizetype(1));
    }

    // ---- whenAny()

    void theFirstToEndDecidesAndTheRestIsCancelled()
    {
        Log log;
        auto host = [&]() -> Task<> {
            auto [index, value] = co_await whenAny(stays(log), later(5, 2), sleepForever(), later(6, 50));
            log += QByteArray::number(index) + ' ' + QByteArray::number(std::get<1>(value)) + ' '
                + QByteArray::number(value.index());
            co_await checkpoint(); // the host itself is not cancelled
            log += "goes on";
        };
        run(host());
        QCOMPARE(log, (Log{"cancelled", "1 5 1", "goes on"}));
    }

    void theLosersAreWaitedFor()
    {
        Log log;
        auto host = [&]() -> Task<> {
            const auto result = co_await whenAny(number(1), cleansUp(log));
            log += QByteArray::number(result.index);
        };
        run(host());
        QCOMPARE(log, (Log{"tidy", "0"}));
    }

    void aVoidWinnerGivesMonostate()
    {
        Log log;
        const auto result = run(whenAny(stays(log), sleep(1ms)));
        QCOMPARE(result.index, qsizetype(1));
        QVERIFY(std::holds_alternative<std::monostate>(result.value));
    }

    void ofTwoThatEndInOneTurnTheFirstArgumentWins()
    {
        const auto result = run(whenAny(number(1), number(2)));
        QCOMPARE(result.index, qsizetype(0));
        QCOMPARE(std::get<0>(result.value), 1);
    }

    void aFailureThatIsFirstIsThrownAsAGroup()
    {
        Log log;
        const Log texts = textsOf([&] { run(whenAny(stays(log), fails("broken", 1), later(1, 50))); });
        QCOMPARE(texts, (Log{"broken"}));
        QCOMPARE(log, (Log{"cancelled"}));
    }

    void aLoserThatFailsInItsCleanUpIsNotHidden()
    {
        auto badLoser = []() -> Task<> {
            bool cancelled = false;
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                cancelled = true;
            }
            if (cancelled)
                throw std::runtime_error("clean-up");
        };
        QCOMPARE(textsOf([&] { run(whenAny(number(1), badLoser())); }), (Log{"clean-up"}));
    }

    void aFirstPartThatIsCancelledByItselfDecides()
    {
        Log log;
        auto host = [&]() -> Task<> {
            try {
                co_await whenAny(cancelledFuture(), stays(log));
            } catch (const Cancelled &cancelled) {
                log += cancelled.reason().toUtf8();
            }
        };
        run(host());
        QCOMPARE(log, (Log{"cancelled", "the awaited future was cancelled"}));
    }

    void aCancelledWaitForTheFirstThrows()
    {
        Log log;
        auto region = [&]() -> Task<> { co_await whenAny(stays(log), stays(log)); };
        QVERIFY(!run(moveOnAfter(1ms, region)));
        QCOMPARE(log.size(), 2);
    }

    void aResultThatMeetsACancellationIsDelivered()
    {
        Log log;
        auto region = [&](CancelScope &scope) -> Task<> {
            auto winner = [&]() -> Task<int> {
                scope.cancel();
                co_return 4;
            };
            const auto result = co_await whenAny(winner(), stays(log));
            log += QByteArray::number(std::get<0>(result.value));
            co_await checkpoint();
            log += "?";
        };
        CancelScope scope;
        QVERIFY(!run(scope.run(region)));
        QCOMPARE(log, (Log{"cancelled", "4"}));
    }

    void aReceiveThatLosesTakesNoItem()
    {
        auto channel = createChannel<int>();
        int got = 0;
        auto host = [&]() -> Task<> {
            const auto result = co_await whenAny(channel.receiver.receive(), later(1, 3));
            if (result.index == 1)
                channel.sender.sendNowait(8);
            got = co_await channel.receiver.receive();
        };
        run(host());
        QCOMPARE(got, 8);
        channel.sender.close();
        channel.receiver.close();
    }

    // B514
    void aSignalThatComesBeforeThePartsBeginIsSeen_data()
    {
        QTest::addColumn<bool>("fromElsewhere");
        QTest::addColumn<bool>("senderDies");
        QTest::newRow("here") << false << false;
        QTest::newRow("here, and the sender dies after it") << false << true;
        QTest::newRow("another thread") << true << false;
        QTest::newRow("another thread, and the sender dies after it") << true << true;
    }
    void aSignalThatComesBeforeThePartsBeginIsSeen()
    {
        QFETCH(const bool, fromElsewhere);
        QFETCH(const bool, senderDies);
        auto sender = std::make_unique<QObject>();
        const auto act = [&] {
            sender->setObjectName(QStringLiteral("new"));
            if (senderDies)
                sender.reset();
        };
        // A task that was ready before the parts were.
        auto emitter = [&]() -> Task<> {
            if (fromElsewhere)
                std::thread(act).join();
            else
                act();
            co_return;
        };
        QString name;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(emitter);
            const auto result = co_await whenAny(nextSignal(sender.get(), &QObject::objectNameChanged), later(1, 100));
            if (result.index == 0)
                name = std::get<0>(result.value);
        };
        auto host = [&]() -> Task<> { co_await withTaskGroup(body); };
        run(host());
        QCOMPARE(name, QStringLiteral("new"));
    }

    // B514
    void aSignalOfALoserIsLetGo()
    {
        struct Sender : QObject
        {
            bool isHeard() const { return isSignalConnected(QMetaMethod::fromSignal(&QObject::objectNameChanged)); }
        } sender;
        QList<bool> heard;
        auto host = [&]() -> Task<> {
            auto unused = whenAny(nextSignal(&sender, &QObject::objectNameChanged), number(2));
            heard += sender.isHeard();
            auto watcher = [&]() -> Task<int> {
                heard += sender.isHeard();
                co_return 1;
            };
            co_await whenAny(nextSignal(&sender, &QObject::objectNameChanged), watcher());
            heard += sender.isHeard();
            CancelScope scope;
            scope.cancel();
            const auto cancelled = [&]() -> Task<> {
                co_await whenAny(nextSignal(&sender, &QObject::objectNameChanged), sleepForever());
            };
            co_await scope.run(cancelled);
            heard += sender.isHeard();
        };
        run(host());
        QCOMPARE(heard, (QList<bool>{false, true, false, false}));
    }

    void aServiceThatStopsEndsItsCalls()
    {
        Log log;
        LoopServiceThread service(QStringLiteral("worker"));
        service.start();
        service.waitStarted();
        auto host = [&]() -> Task<> { co_await whenAll(stays(log, "a"), stays(log, "b")); };
        QFuture<void> ended = service.submit(host);
        service.callSync([] { });
        service.stop();
        QVERIFY(service.join());
        QVERIFY(ended.isCanceled());
        QVERIFY(log.isEmpty() || log.size() == 2); // stopped before or after the parts began
    }
};

QTEST_GUILESS_MAIN(TestWhenAll)
#include "tst_whenall.moc"
