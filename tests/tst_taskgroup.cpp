// SPDX-License-Identifier: Apache-2.0
#include "thrown.h"

#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>

#include <QtTest/QTest>

#include <QtCore/QByteArrayList>
#include <QtCore/QElapsedTimer>
#include <QtCore/QRegularExpression>
#include <QtCore/QTimer>

#include <algorithm>
#include <future>
#include <memory>
#include <thread>

using namespace QMicroIO;
using namespace std::chrono_literals;

using BodyOfVoid = Task<> (*)(TaskGroup &);
using BodyOfInt = Task<int> (*)(TaskGroup &);
using BodyOfPointer = Task<std::unique_ptr<int>> (*)(TaskGroup &);
using QCoroBody = QCoro::Task<int> (*)(TaskGroup &);
static_assert(std::is_same_v<decltype(withTaskGroup(BodyOfVoid())), Task<>>);
static_assert(std::is_same_v<decltype(withTaskGroup(BodyOfInt())), Task<std::optional<int>>>);
static_assert(std::is_same_v<decltype(withTaskGroup(BodyOfPointer())), Task<std::optional<std::unique_ptr<int>>>>);
static_assert(std::is_same_v<decltype(withTaskGroup(QCoroBody())), Task<std::optional<int>>>);
// A handle that exists belongs to a group that was opened, and a group is opened once.
static_assert(!std::is_default_constructible_v<TaskGroup>);
static_assert(std::is_copy_constructible_v<TaskGroup>);
static_assert(!std::is_copy_constructible_v<TaskStatus<int>> && !std::is_move_constructible_v<TaskStatus<int>>);
static_assert(std::is_same_v<TaskStatus<>, TaskStatus<void>>);
static_assert(!std::is_convertible_v<QString, TaskName>);
static_assert(std::is_same_v<decltype(std::declval<TaskGroup &>().size()), qsizetype>);

namespace {

using Log = QByteArrayList;

// An error as text: what() alone, {a, b} for a group.
QByteArray shape(const std::exception_ptr &error)
{
    if (!error)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (const ExceptionGroup &group) {
        QByteArrayList parts;
        for (const std::exception_ptr &inner : group.exceptions())
            parts += shape(inner);
        return '{' + parts.join(", ") + '}';
    } catch (const Cancelled &) {
        return "Cancelled";
    } catch (const std::exception &e) {
        return e.what();
    }
}

template<class F>
QByteArray thrownBy(F &&call)
{
    try {
        call();
    } catch (...) {
        return shape(std::current_exception());
    }
    return {};
}

template<class T>
QByteArray failureOf(Task<T> task)
{
    return thrownBy([&] { run(std::move(task)); });
}

Task<> turns(int count)
{
    for (int i = 0; i < count; ++i)
        co_await checkpoint();
}

Task<> sleeper(Log &log, QByteArray name)
{
    try {
        co_await sleepForever();
    } catch (const Cancelled &) {
        log += name + " cancelled";
        throw;
    }
}

// Clean-up often has to wait, which a handler may not.
Task<std::exception_ptr> untilCancelled()
{
    try {
        co_await sleepForever();
    } catch (const Cancelled &) {
        co_return std::current_exception();
    }
    co_return nullptr;
}

// Fails while it cleans up after a cancellation.
Task<> badCleaner(QByteArray error)
{
    try {
        co_await sleepForever();
    } catch (const Cancelled &) {
    }
    throw Error(error.constData());
}

Task<> failing(QByteArray error, int after = 0)
{
    co_await turns(after);
    throw Error(error.constData());
}

Task<> sleepForeverTask()
{
    co_await sleepForever();
}

QCoro::Task<> eager(Log &log)
{
    log += "qcoro";
    co_return;
}

// Opens when told; a wait in a task of the same thread.
class OpenLatch
{
public:
    void open() { m_channel.sender.close(); }
    Task<> opened() { co_await m_channel.receiver.next(); }

private:
    Channel<int> m_channel = createChannel<int>();
};

class Worker
{
public:
    Task<> coroutine(int number)
    {
        co_await checkpoint();
        sum += number;
    }
    void plain(int number) { sum += number; }
    int sum = 0;
};

// Not a copyable thing to give to a child.
using Parcel = std::unique_ptr<int>;

Task<> takeParcel(Parcel parcel, int &sum)
{
    co_await checkpoint();
    sum += *parcel;
}

// A callable that can only be moved, and counts how often one of its kind was destroyed after it had been stored.
class MoveOnlyCall
{
public:
    MoveOnlyCall(std::shared_ptr<int> token, int &calls)
        : m_token(std::move(token))
        , m_calls(&calls)
        , m_pin(std::make_unique<int>(1))
    {
    }
    Task<> operator()()
    {
        co_await checkpoint();
        *m_calls += *m_pin;
    }

private:
    std::shared_ptr<int> m_token;
    int *m_calls;
    std::unique_ptr<int> m_pin;
};

// A coroutine of another library, whose owner may destroy it while it waits.
class Doomed
{
public:
    struct promise_type
    {
        Doomed get_return_object() { return Doomed(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept { }
        void unhandled_exception() const noexcept { std::terminate(); }
    };
    explicit Doomed(std::coroutine_handle<promise_type> handle)
        : m_handle(handle)
    {
    }
    Doomed(const Doomed &) = delete;
    Doomed &operator=(const Doomed &) = delete;
    ~Doomed() { m_handle.destroy(); }
    bool isDone() const { return m_handle.done(); }

private:
    std::coroutine_handle<promise_type> m_handle;
};

Doomed doom(Task<> task)
{
    co_await std::move(task);
}

} // namespace

class TestTaskGroup : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // ---- running and ending

    // B89
    void theExitWaitsForEveryKindOfChild()
    {
        Log log;
        Worker worker;
        auto slow = [&]() -> Task<> {
            co_await turns(9);
            log += "slow";
        };
        auto slowQCoro = [&]() -> QCoro::Task<> {
            co_await turns(3); // as a root task of its own
            log += "qcoro";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(slow);
            group.startSoon(slowQCoro);
            group.startSoon([&] { log += "plain"; });
            group.startSoon(&Worker::coroutine, &worker, 2);
            group.startSoon(&Worker::plain, std::ref(worker), 3);
            co_return;
        };
        run(withTaskGroup(body));
        std::sort(log.begin(), log.end());
        QCOMPARE(log, (Log{"plain", "qcoro", "slow"}));
        QCOMPARE(worker.sum, 5);
    }

    // B90
    void aChildNeverRunsInsideStartSoon()
    {
        Log log;
        auto lazy = [&]() -> Task<> {
            log += "task";
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(lazy);
            group.startSoon(eager, std::ref(log));
            group.startSoon([&] { log += "plain"; });
            log += "started";
            co_await checkpoint();
            log += "next turn";
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"started", "task", "qcoro", "plain", "next turn"}));
    }

    // B91
    void aChainOfSiblingsKeepsTheExitWaiting()
    {
        constexpr int Length = 100;
        int links = 0;
        std::function<Task<>(TaskGroup)> link = [&](TaskGroup group) -> Task<> {
            co_await checkpoint();
            if (++links < Length)
                group.startSoon(link, group);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(link, group);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(links, Length);
    }

    void anEndedGroupTakesNoChildren_data()
    {
        QTest::addColumn<bool>("failed");
        QTest::newRow("after the exit") << false;
        QTest::newRow("after a failed exit") << true;
    }
    // B92
    void anEndedGroupTakesNoChildren()
    {
        QFETCH(bool, failed);
        std::optional<TaskGroup> kept;
        auto body = [&](TaskGroup &group) -> Task<> {
            kept = group;
            if (failed)
                throw Error("H");
            co_return;
        };
        QCOMPARE(failureOf(withTaskGroup(body)), QByteArray(failed ? "{H}" : ""));

        int calls = 0;
        const auto token = std::make_shared<int>();
        const QByteArray refused = textOf<NotRunningError>([&] { kept->startSoon(MoveOnlyCall(token, calls)); });
        QVERIFY2(refused.contains("startSoon()") && refused.contains("from its body"), refused.constData());
        auto child = [&, token](TaskStatus<int> &) -> Task<> {
            ++calls;
            co_return;
        };
        auto late = [&]() -> Task<int> { co_return co_await kept->start<int>(child); };
        const QByteArray start = textOf<NotRunningError>([&] { run(late()); });
        QVERIFY2(start.contains("start()") && start.contains("ended"), start.constData());
        QCOMPARE(calls, 0);
        QCOMPARE(token.use_count(), 2); // here and in `child`: what was refused is gone
        QCOMPARE(kept->size(), 0);
        kept->cancel();
        run(turns(2));
    }

    void theExitOfAnEmptyGroupYieldsOnceAndNeverThrows_data()
    {
        QTest::addColumn<bool>("cancelled");
        QTest::newRow("plain") << false;
        QTest::newRow("in a cancelled scope") << true;
    }
    // B93
    void theExitOfAnEmptyGroupYieldsOnceAndNeverThrows()
    {
        QFETCH(bool, cancelled);
        Log log;
        auto nothing = [](TaskGroup &) -> Task<> { co_return; };
        auto opens = [&](CancelScope &scope) -> Task<> {
            if (cancelled)
                scope.cancel();
            co_await withTaskGroup(nothing);
            log += "after the group";
        };
        auto host = [&]() -> Task<> {
            CancelScope scope;
            co_await scope.run(opens);
        };
        auto outer = [&](TaskGroup &group) -> Task<> {
            group.startSoon(host);
            group.startSoon([&] { log += "another task"; });
            co_return;
        };
        run(withTaskGroup(outer));
        QCOMPARE(log, (Log{"another task", "after the group"}));
    }

    void whatTheBodyReturnsComesOutUnlessItWasCancelled()
    {
        auto pointer = [](TaskGroup &) -> Task<std::unique_ptr<int>> {
            co_await checkpoint();
            co_return std::make_unique<int>(7);
        };
        std::optional<std::unique_ptr<int>> given = run(withTaskGroup(pointer));
        QVERIFY(given && *given);
        QCOMPARE(**given, 7);

        auto cancelled = [](TaskGroup &group) -> Task<int> {
            group.cancel();
            co_await checkpoint();
            co_return 1;
        };
        QVERIFY(!run(withTaskGroup(cancelled)));

        auto cancelsItsChildrenAtTheEnd = [](TaskGroup &group) -> Task<int> {
            group.startSoon(sleepForeverTask);
            co_await checkpoint();
            group.cancel();
            co_return 2;
        };
        QCOMPARE(run(withTaskGroup(cancelsItsChildrenAtTheEnd)), std::optional(2));

        auto qcoro = [](TaskGroup &) -> QCoro::Task<int> { co_return 3; };
        QCOMPARE(run(withTaskGroup(qcoro)), std::optional(3));
    }

    void argumentsAreMovedInAndReferencesGoThroughStdRef()
    {
        int sum = 0;
        int calls = 0;
        auto token = std::make_shared<int>();
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(takeParcel, std::make_unique<int>(5), std::ref(sum));
            group.startSoon(TaskName(QStringLiteral("mover")), MoveOnlyCall(token, calls));
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(sum, 5);
        QCOMPARE(calls, 1);
        QCOMPARE(token.use_count(), 1);
    }

    // B88
    void whatAChildOwnsGoesWhenTheChildEnds()
    {
        auto captured = std::make_shared<int>();
        auto argument = std::make_shared<int>();
        auto local = std::make_shared<int>();
        const std::weak_ptr<int> weak[] = {captured, argument, local};
        Log log;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(
                [captured = std::move(captured),
                 local = std::move(local)](std::shared_ptr<int> kept) mutable -> Task<> {
                    const std::shared_ptr<int> mine = std::move(local);
                    co_await checkpoint();
                    *kept = 1;
                },
                std::move(argument));
            group.startSoon(sleeper, std::ref(log), "sibling");
            co_await turns(1);
            for (const std::weak_ptr<int> &owned : weak)
                log += owned.expired() ? "gone" : "there";
            co_await turns(3);
            for (const std::weak_ptr<int> &owned : weak)
                log += owned.expired() ? "gone" : "there";
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"there", "there", "there", "gone", "gone", "gone", "sibling cancelled"}));
    }

    void sizeCountsChildrenAndUntilEmptyWaitsForThem()
    {
        QList<qsizetype> sizes;
        auto body = [&](TaskGroup &group) -> Task<> {
            sizes += group.size();
            co_await group.untilEmpty();
            group.startSoon(turns, 1);
            group.startSoon(turns, 5);
            sizes += group.size();
            co_await turns(3);
            sizes += group.size();
            co_await group.untilEmpty();
            sizes += group.size();
            group.startSoon(turns, 2); // it is as good as new
            co_await group.untilEmpty();
            sizes += group.size();
        };
        run(withTaskGroup(body));
        QCOMPARE(sizes, (QList<qsizetype>{0, 2, 1, 0, 0}));
    }

    void untilEmptyIsACancelPointAndManyMayWait()
    {
        Log log;
        auto waits = [&](TaskGroup inner) -> Task<> {
            co_await inner.untilEmpty();
            log += "empty";
        };
        auto outer = [&](TaskGroup &group) -> Task<> {
            auto inner = [&](TaskGroup &observed) -> Task<> {
                observed.startSoon(turns, 6);
                group.startSoon(waits, observed);
                group.startSoon(waits, observed);
                auto waitInVain = [&]() -> Task<> { co_await observed.untilEmpty(); };
                log += co_await moveOnAfter(0ms, waitInVain) ? "waited" : "gave up";
                log += observed.size() == 1 ? "one left" : "?";
            };
            co_await withTaskGroup(inner);
        };
        run(withTaskGroup(outer));
        QCOMPARE(log, (Log{"gave up", "one left", "empty", "empty"}));
    }

    void untilEmptyOfAGroupThatIsOneselfOrElsewhereIsMisuse()
    {
        Log log;
        auto waits = [&](TaskGroup group) -> Task<> {
            try {
                co_await group.untilEmpty();
            } catch (const LogicError &e) {
                log += e.what();
            }
        };
        // A grandchild waits for itself as well: its group keeps its host, which keeps the outer group.
        auto nested = [&](TaskGroup outer) -> Task<> {
            auto inner = [&](TaskGroup &group) -> Task<> {
                group.startSoon(waits, outer);
                co_return;
            };
            co_await withTaskGroup(inner);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(waits, group);
            co_await group.untilEmpty();
            group.startSoon(nested, group);
        };
        run(moveOnAfter(10s, [&] { return withTaskGroup(body); }));
        LoopServiceThread service(QStringLiteral("counter"));
        service.start();
        service.waitStarted();
        const TaskGroup elsewhere = service.callSync([&] { return service.taskGroup(); });
        run(moveOnAfter(10s, [&] { return waits(elsewhere); }));
        service.stop();
        QVERIFY(service.join());
        run(waits(elsewhere)); // it has ended: nothing is left
        QCOMPARE(log.size(), 3);
        QVERIFY2(log.at(0).contains("its own group"), log.at(0).constData());
        QVERIFY2(log.at(1).contains("its own group"), log.at(1).constData());
        QVERIFY2(log.at(2).contains("counter") && log.at(2).contains("submit()"), log.at(2).constData());
    }

    // B121
    void destroyingTheFrameOfTheHostDestroysTheChildrenAndFreesWhoWaitsForThem()
    {
        Log log;
        auto token = std::make_shared<int>();
        std::optional<TaskGroup> kept;
        auto holds = [token]() -> Task<> { co_await sleepForever(); };
        auto nests = [token, holds](TaskGroup &inner) -> Task<> {
            inner.startSoon(holds);
            co_await sleepForever();
        };
        auto starting = [token](TaskStatus<int> &) -> Task<> { co_await sleepForever(); };
        auto ready = [token](TaskStatus<int> &status) -> Task<> {
            status.started(1);
            co_await sleepForever();
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            kept = group;
            group.startSoon(holds);
            group.startSoon([nests] { return withTaskGroup(nests); });
            co_await group.start<int>(ready);
            co_await group.start<int>(starting);
        };
        auto starts = [&]() -> Task<> {
            try {
                co_await kept->start<int>(starting);
            } catch (const ClosedResourceError &e) {
                log += e.what();
            }
        };
        auto waits = [&]() -> Task<> {
            co_await kept->untilEmpty();
            log += "empty";
        };
        const long before = token.use_count();
        std::unique_ptr<const Doomed> host(new Doomed(doom(withTaskGroup(body))));
        run(turns(6));
        const Doomed starter(doom(starts()));
        const Doomed waiter(doom(waits()));
        run(turns(6));
        QVERIFY(token.use_count() > before);
        QCOMPARE(kept->size(), 5);
        QVERIFY(log.isEmpty());
        host.reset();
        QCOMPARE(token.use_count(), before);
        QCOMPARE(kept->size(), 0);
        QVERIFY(!textOf<NotRunningError>([&] { kept->startSoon(holds); }).isEmpty());
        run(turns(6));
        QVERIFY(starter.isDone());
        QVERIFY(waiter.isDone());
        std::sort(log.begin(), log.end());
        QCOMPARE(log.size(), 2);
        QCOMPARE(log.at(0), QByteArray("empty"));
        QVERIFY2(log.at(1).contains("start()"), log.at(1).constData());
    }

    void aStartThatNobodyAwaitsNeverRuns()
    {
        Log log;
        const auto token = std::make_shared<int>();
        auto child = [&](TaskStatus<int> &status, std::shared_ptr<int>) -> Task<> {
            log += "ran";
            status.started(1);
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            {
                const Task<int> dropped = group.start<int>(child, token);
                log += QByteArray::number(token.use_count());
            }
            co_await turns(2);
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"2"}));
        QCOMPARE(token.use_count(), 1);
    }

    void otherThreadsAreToldToUseTheService()
    {
        LoopServiceThread service(QStringLiteral("counter"));
        service.start();
        service.waitStarted();
        TaskGroup *group = service.callSync([&] { return &service.taskGroup(); });
        const QByteArray soon = textOf<LogicError>([&] { group->startSoon([] { }); });
        QVERIFY2(soon.contains("callSoon()") && soon.contains("submit()") && soon.contains("counter"),
                 soon.constData());
        auto child = [](TaskStatus<> &status) -> Task<> {
            status.started();
            co_return;
        };
        const QByteArray start = textOf<LogicError>([&] { run(group->start<void>(child)); });
        QVERIFY2(start.contains("submit()"), start.constData());
        service.stop();
        QVERIFY(service.join());
        QVERIFY(!textOf<NotRunningError>([&] { group->startSoon([] { }); }).isEmpty());
    }

    void aFunctionThatFailsBeforeItsCoroutineIsAFailedChild()
    {
        auto throwsAtOnce = [](int) -> Task<> { throw Error("no coroutine"); };
        auto plain = [] { throw Error("plain"); };
        std::function<Task<>()> givesNothing = [] { return Task<>(); };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(throwsAtOnce, 1);
            group.startSoon(plain);
            group.startSoon(givesNothing);
            co_return;
        };
        const QByteArray failures = failureOf(withTaskGroup(body));
        QVERIFY2(failures.startsWith("{no coroutine, plain, ") && failures.contains("empty Task"),
                 failures.constData());
    }

    void tenThousandChildrenStartAndEnd()
    {
        constexpr int Count = 10000;
        int ended = 0;
        qsizetype frames = 0;
        qsizetype size = 0;
        auto child = [&]() -> Task<> {
            co_await checkpoint();
            ++ended;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < Count; ++i)
                group.startSoon(child);
            size = group.size();
            co_await group.untilEmpty();
            frames = liveTaskFrames();
        };
        run(withTaskGroup(body));
        QCOMPARE(size, Count);
        QCOMPARE(ended, Count);
        QCOMPARE(frames, 2); // withTaskGroup() and the body
    }

    // B56
    void cancellationReachesTheLeavesOfADeepTree()
    {
        constexpr int Depth = 200;
        Log log;
        std::function<Task<>(int)> level = [&](int depth) -> Task<> {
            auto body = [&](TaskGroup &group) -> Task<> {
                if (depth == 0) {
                    group.startSoon(sleeper, std::ref(log), "left");
                    group.startSoon(sleeper, std::ref(log), "right");
                } else {
                    group.startSoon(level, depth - 1);
                }
                co_await sleepForever();
            };
            co_await withTaskGroup(body);
        };
        auto root = [&](TaskGroup &group) -> Task<> {
            group.startSoon(level, Depth);
            co_await turns(Depth * 2);
            group.cancel();
        };
        run(withTaskGroup(root));
        std::sort(log.begin(), log.end());
        QCOMPARE(log, (Log{"left cancelled", "right cancelled"}));
    }

    // ---- failure

    // B94, B87
    void oneFailureCancelsSiblingsAndBody()
    {
        Log log;
        QString reason;
        QString origin;
        Cancelled::Cause cause{};
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "sibling");
            group.startSoon(TaskName(QStringLiteral("parser")), failing, "E", 2);
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                reason = cancelled.reason();
                cause = cancelled.cause();
                origin = cancelled.origin();
                log += "body cancelled";
                throw;
            }
        };
        QCOMPARE(failureOf(withTaskGroup(body)), QByteArray("{E}"));
        std::sort(log.begin(), log.end());
        QCOMPARE(log, (Log{"body cancelled", "sibling cancelled"}));
        QVERIFY2(reason.contains(QStringLiteral("parser")) && reason.contains(QStringLiteral("E")), qPrintable(reason));
        QCOMPARE(int(cause), int(Cancelled::Cause::Failure));
        QCOMPARE(origin, QStringLiteral("parser"));
    }

    void allFailuresLeaveTogetherInTheOrderInWhichTheyWereSeen_data()
    {
        QTest::addColumn<bool>("hostFails");
        QTest::addColumn<QByteArrayList>("children");
        QTest::addColumn<QByteArrayList>("cleaners");
        QTest::addColumn<QByteArray>("thrown");
        QTest::newRow("two children") << false << Log{"E1", "E2"} << Log{} << QByteArray("{E1, E2}");
        QTest::newRow("the body alone") << true << Log{} << Log{} << QByteArray("{H}");
        QTest::newRow("the body and a clean-up") << true << Log{} << Log{"C"} << QByteArray("{H, C}");
        QTest::newRow("child and clean-ups") << false << Log{"E"} << Log{"C1", "C2"} << QByteArray("{E, C1, C2}");
    }
    // B95
    void allFailuresLeaveTogetherInTheOrderInWhichTheyWereSeen()
    {
        QFETCH(bool, hostFails);
        QFETCH(QByteArrayList, children);
        QFETCH(QByteArrayList, cleaners);
        QFETCH(QByteArray, thrown);
        Log log;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "sibling");
            for (const QByteArray &error : cleaners)
                group.startSoon(badCleaner, error);
            for (const QByteArray &error : children)
                group.startSoon(failing, error, 0); // no wait before it, or the first failure would cancel the second
            if (hostFails) {
                co_await checkpoint();
                throw Error("H");
            }
            co_await sleepForever();
        };
        QByteArray got = failureOf(withTaskGroup(body));
        if (cleaners.size() == 2) // both are told in one go; in which order is nobody's promise
            got.replace("C2, C1", "C1, C2");
        QCOMPARE(got, thrown);
        QCOMPARE(log, (Log{"sibling cancelled"}));
    }

    // B96
    void aFailureInTheCleanUpOfACancelledGroupIsNotLost()
    {
        Log log;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(badCleaner, "E");
            co_await checkpoint();
            group.cancel();
        };
        auto host = [&]() -> Task<> {
            try {
                co_await withTaskGroup(body);
            } catch (...) {
                log += shape(std::current_exception());
            }
            co_await sleep(1ms);
            log += "slept";
        };
        run(host());
        QCOMPARE(log, (Log{"{E}", "slept"}));
    }

    // B97
    void nestedGroupsKeepTheirNestingAndNoCancelledGetsIn()
    {
        Log log;
        auto inner = [&](TaskGroup &group) -> Task<> {
            group.startSoon(badCleaner, "C");
            group.startSoon(sleeper, std::ref(log), "leaf");
            co_await sleepForever();
        };
        auto outer = [&](TaskGroup &group) -> Task<> {
            group.startSoon(failing, "P", 3);
            co_await withTaskGroup(inner);
        };
        QCOMPARE(failureOf(withTaskGroup(outer)), QByteArray("{P, {C}}"));
        QCOMPARE(log, (Log{"leaf cancelled"}));
    }

    void aCancelledHiddenInAnExceptionGroupOfAChildIsTakenOut_data()
    {
        QTest::addColumn<bool>("withError");
        QTest::newRow("beside an error") << true;
        QTest::newRow("alone") << false;
    }
    // B97
    void aCancelledHiddenInAnExceptionGroupOfAChildIsTakenOut()
    {
        QFETCH(bool, withError);
        auto wraps = [&]() -> Task<> {
            std::vector<std::exception_ptr> errors;
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                errors.push_back(std::current_exception());
            }
            if (withError)
                errors.push_back(std::make_exception_ptr(Error("E")));
            throw ExceptionGroup(errors);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(wraps);
            co_await checkpoint();
            group.cancel();
        };
        QCOMPARE(failureOf(withTaskGroup(body)), QByteArray(withError ? "{{E}}" : ""));
    }

    // B98
    void anOuterCancellationLeavesAGroupAsOnePlainCancelled()
    {
        Log log;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "a");
            group.startSoon(sleeper, std::ref(log), "b");
            co_await sleepForever();
        };
        auto region = [&]() -> Task<> {
            try {
                co_await withTaskGroup(body);
            } catch (...) {
                log += shape(std::current_exception());
                throw;
            }
        };
        auto host = [&]() -> Task<> { log += co_await moveOnAfter(1ms, region) ? "whole" : "absorbed"; };
        run(host());
        QCOMPARE(log.mid(2), (Log{"Cancelled", "absorbed"}));
    }

    // B99
    void aBodyThatSwallowsItsCancellationDoesNotHideTheFailure()
    {
        auto body = [&](TaskGroup &group) -> Task<int> {
            group.startSoon(failing, "E", 1);
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
            }
            co_return 5;
        };
        QCOMPARE(failureOf(withTaskGroup(body)), QByteArray("{E}"));
    }

    void aChildThatRefusesCancellationIsToldAgainAtEachWait()
    {
        Log log;
        auto stubborn = [&]() -> Task<> {
            for (int refusals = 0; refusals < 3;) {
                try {
                    co_await sleepForever();
                } catch (const Cancelled &) {
                    ++refusals;
                    log += "refused";
                }
            }
            log += "ended by itself";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(stubborn);
            co_await checkpoint();
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"refused", "refused", "refused", "ended by itself"}));
    }

    void aCancelledThatNobodyOrderedEndsOnlyItsChild()
    {
        Log log;
        auto gives = []() -> Task<> {
            co_await checkpoint();
            throw Cancelled(QStringLiteral("an awaited future was cancelled"));
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(gives);
            co_await turns(4);
            log += "body goes on";
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"body goes on"}));
    }

    void aCancelledThatNobodyOrderedInTheBodyEndsTheChildrenAndGoesOnOutwards()
    {
        Log log;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "child");
            co_await checkpoint();
            throw Cancelled(QStringLiteral("an awaited future was cancelled"));
        };
        QCOMPARE(failureOf(withTaskGroup(body)), QByteArray("Cancelled"));
        QCOMPARE(log, (Log{"child cancelled"}));
    }

    // B55
    void aGroupThatLetsACancellationPassDidNotCatchIt()
    {
        CancelScope outer;
        CancelScope inner;
        std::optional<TaskGroup> group;
        bool wentOn = false;
        auto cleansUp = [&](TaskGroup &tasks) -> Task<> {
            group = tasks;
            outer.cancel();
            std::exception_ptr error;
            try {
                co_await checkpoint();
            } catch (const Cancelled &) {
                error = std::current_exception();
            }
            inner.setShielded(true);
            std::rethrow_exception(error);
        };
        auto grouped = [&]() -> Task<> {
            co_await withTaskGroup(cleansUp);
            wentOn = true;
        };
        auto inside = [&]() -> Task<> { co_await inner.run(grouped); };
        QVERIFY(!run(outer.run(inside)));
        QVERIFY(!wentOn);
        QVERIFY(group->cancelScope().isCancelCalled());
        QVERIFY(!group->cancelScope().isCancelledCaught());
        QVERIFY(!inner.isCancelledCaught());
        QVERIFY(outer.isCancelledCaught());
    }

    // ---- cancelling a group

    // B100
    void aBodyThatCancelsItsGroupIsInterruptedToo()
    {
        Log log;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "child");
            co_await checkpoint();
            group.cancel();
            log += "not yet";
            co_await checkpoint();
            log += "too far";
        };
        auto host = [&]() -> Task<> {
            co_await withTaskGroup(body);
            log += "after";
            co_await sleep(0ms);
            log += "normal";
        };
        run(host());
        QCOMPARE(log, (Log{"not yet", "child cancelled", "after", "normal"}));
    }

    // B101
    void aChildMayCancelTheGroupUnderTheBody()
    {
        Log log;
        auto child = [&](TaskGroup group) -> Task<> {
            co_await checkpoint();
            log += group.cancel(QStringLiteral("enough")) ? "cancels" : "?";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("watchdog")), child, group);
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                log += cancelled.reason().toUtf8() + " by " + cancelled.origin().toUtf8();
                throw;
            }
        };
        auto host = [&]() -> Task<> {
            co_await withTaskGroup(body);
            co_await checkpoint();
            log += "after";
        };
        run(host());
        QCOMPARE(log, (Log{"cancels", "enough by watchdog", "after"}));
    }

    // B102
    void anotherThreadCancelsWhileTheHostIsAtTheExit()
    {
        Log log;
        LoopServiceThread service(QStringLiteral("host"));
        service.start();
        service.waitStarted();
        std::promise<TaskGroup> opened;
        auto child = [&]() -> Task<> {
            const std::exception_ptr cancelled = co_await untilCancelled();
            auto cleanUp = []() -> Task<> { co_await sleep(1ms); };
            co_await shielded(cleanUp);
            log += "cleaned up";
            std::rethrow_exception(cancelled);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            co_await checkpoint();
            opened.set_value(group);
        };
        auto host = [&]() -> Task<> {
            co_await withTaskGroup(body);
            co_await checkpoint();
            log += "after";
        };
        QFuture<void> ended = service.submit(host);
        TaskGroup group = opened.get_future().get();
        service.callSync([] { }); // the host is at the exit now
        QVERIFY(group.cancel());
        QVERIFY(!group.cancel());
        ended.waitForFinished();
        QCOMPARE(log, (Log{"cleaned up", "after"}));
        QVERIFY(!group.cancel());
        service.stop();
        QVERIFY(service.join());
    }

    // B102
    void cancellingFromAnotherThreadWhileTheGroupEndsHarmsNobody()
    {
        constexpr int Rounds = 300;
        LoopServiceThread service(QStringLiteral("host"));
        service.start();
        service.waitStarted();
        int normal = 0;
        for (int round = 0; round < Rounds; ++round) {
            std::promise<TaskGroup> opened;
            auto body = [&](TaskGroup &group) -> Task<> {
                group.startSoon(turns, round % 3);
                opened.set_value(group);
                co_return;
            };
            auto host = [&]() -> Task<> {
                co_await withTaskGroup(body);
                co_await turns(3);
                ++normal;
            };
            QFuture<void> ended = service.submit(host);
            opened.get_future().get().cancel();
            ended.waitForFinished();
        }
        QCOMPARE(normal, Rounds);
        service.stop();
        QVERIFY(service.join());
    }

    // B103
    void aChildOfACancelledGroupRunsToItsFirstWait()
    {
        Log log;
        auto child = [&]() -> Task<> {
            log += "begins";
            co_await sleeper(log, "child");
            log += "too far";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.cancel();
            group.startSoon(child);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"begins", "child cancelled"}));
    }

    // B104
    void cleanUpMayStartAnotherChild()
    {
        Log log;
        auto late = [&]() -> Task<> {
            log += "late begins";
            co_await sleeper(log, "late");
        };
        auto child = [&](TaskGroup group) -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                group.startSoon(late);
                log += "accepted";
                throw;
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child, group);
            co_await checkpoint();
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"accepted", "late begins", "late cancelled"}));
    }

    // B105, B80
    void theExitWaitsForShieldedCleanUp()
    {
        Log log;
        auto cleanUp = [&]() -> Task<> {
            co_await sleep(20ms);
            log += "cleaned up";
        };
        auto child = [&]() -> Task<> {
            co_await untilCancelled();
            co_await shielded(cleanUp);
            log += "leaves the shield";
            co_await sleeper(log, "child");
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "sibling");
            group.startSoon(child);
            auto canceller = [group]() mutable -> Task<> {
                co_await turns(3); // the host is at the exit
                group.cancel();
            };
            group.startSoon(canceller);
            co_return;
        };
        auto host = [&]() -> Task<> {
            co_await withTaskGroup(body);
            log += "after";
        };
        QElapsedTimer timer;
        timer.start();
        run(host());
        QVERIFY(timer.elapsed() >= 20);
        QCOMPARE(log, (Log{"sibling cancelled", "cleaned up", "leaves the shield", "child cancelled", "after"}));
    }

    // B106
    void anExitWhoseChildrenEndedWellDoesNotThrowForAnOuterCancellation()
    {
        Log log;
        CancelScope scope;
        auto child = [&]() -> Task<> {
            auto work = [&]() -> Task<> {
                co_await turns(3);
                scope.cancel();
                co_await turns(3);
            };
            co_await shielded(work);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            co_return;
        };
        auto region = [&]() -> Task<> {
            co_await withTaskGroup(body);
            log += "the exit is passed";
            co_await checkpoint();
            log += "too far";
        };
        auto host = [&]() -> Task<> { log += co_await scope.run(region) ? "whole" : "cancelled"; };
        run(host());
        QCOMPARE(log, (Log{"the exit is passed", "cancelled"}));
    }

    // B108
    void cancellingAScopeOfOneChildDoesNotConcernTheGroup()
    {
        Log log;
        CancelScope own;
        auto child = [&]() -> Task<> {
            auto region = [&]() -> Task<> { co_await sleeper(log, "region"); };
            co_await own.run(region);
            co_await turns(2);
            log += "child goes on";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            group.startSoon(sleeper, std::ref(log), "sibling");
            co_await checkpoint();
            own.cancel();
            co_await turns(6);
            log += group.cancelScope().isCancelCalled() ? "?" : "the group is not cancelled";
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"region cancelled", "child goes on", "the group is not cancelled", "sibling cancelled"}));
    }

    // B109
    void aChildBelongsToTheGroupNotToTheScopeItWasStartedIn()
    {
        Log log;
        auto body = [&](TaskGroup &group) -> Task<> {
            CancelScope nested;
            auto region = [&]() -> Task<> {
                group.startSoon(sleeper, std::ref(log), "child");
                co_await checkpoint();
                nested.cancel();
                co_await checkpoint();
            };
            co_await nested.run(region);
            co_await turns(3);
            log += "child lives";
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"child lives", "child cancelled"}));
    }

    // B109
    void aChildBelongsToTheGroupNotToTheTaskThatStartedIt()
    {
        Log log;
        auto outer = [&](TaskGroup &others) -> Task<> {
            auto starter = [&](TaskGroup inner) -> Task<> {
                inner.startSoon(failing, "E", 1);
                co_await turns(8);
                log += "the starter goes on";
            };
            auto innerBody = [&](TaskGroup &inner) -> Task<> {
                others.startSoon(starter, inner);
                co_await sleepForever();
            };
            try {
                co_await withTaskGroup(innerBody);
            } catch (...) {
                log += shape(std::current_exception());
            }
        };
        run(withTaskGroup(outer));
        QCOMPARE(log, (Log{"{E}", "the starter goes on"}));
    }

    // B110
    void aTaskIsNormalAgainAfterTwoCancellationsInARow()
    {
        Log log;
        auto forever = []() -> Task<> { co_await sleepForever(); };
        auto cancelsItself = [](TaskGroup &group) -> Task<> {
            group.cancel();
            co_await sleepForever();
        };
        auto host = [&]() -> Task<> {
            for (int i = 0; i < 2; ++i)
                log += co_await moveOnAfter(1ms, forever) ? "?" : "timed out";
            for (int i = 0; i < 2; ++i) {
                co_await withTaskGroup(cancelsItself);
                log += "absorbed";
            }
            co_await sleep(1ms);
            log += "normal";
        };
        run(host());
        QCOMPARE(log, (Log{"timed out", "timed out", "absorbed", "absorbed", "normal"}));
    }

    // ---- start()

    // B111
    void startReturnsTheValueWhileTheChildRunsOn()
    {
        Log log;
        auto child = [&](TaskStatus<QByteArray> &status, Parcel parcel) -> Task<> {
            co_await turns(3);
            status.started("ready " + QByteArray::number(*parcel));
            co_await turns(3);
            log += "child ends";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            log += co_await group.start<QByteArray>(child, std::make_unique<int>(4));
            log += "body ends";
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"ready 4", "body ends", "child ends"}));
    }

    void startTakesEveryKindOfChild()
    {
        Log log;
        auto plain = [](TaskStatus<std::unique_ptr<int>> &status) { status.started(std::make_unique<int>(1)); };
        auto coroutine = [](TaskStatus<> &status) -> Task<> {
            status.started();
            co_return;
        };
        auto qcoro = [](TaskStatus<int> &status, int value) -> QCoro::Task<> {
            co_await turns(3); // as a root task of its own
            status.started(value);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            const std::unique_ptr<int> pointer = co_await group.start<std::unique_ptr<int>>(plain);
            log += QByteArray::number(*pointer);
            co_await group.start<void>(coroutine);
            log += QByteArray::number(co_await group.start<int>(qcoro, 3));
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"1", "3"}));
    }

    // B112
    void aFailureBeforeReadinessIsTheCallersAndComesUnwrapped()
    {
        Log log;
        auto child = [](TaskStatus<int> &) -> Task<> {
            co_await checkpoint();
            throw BrokenResourceError(QStringLiteral("E"), std::make_exception_ptr(Error("cause")));
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "sibling");
            try {
                co_await group.start<int>(child);
            } catch (const BrokenResourceError &e) {
                log += QByteArray(e.what()) + " of " + shape(e.cause());
            }
            co_await turns(3);
            log += "all goes on";
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"E of cause", "all goes on", "sibling cancelled"}));
    }

    // B113
    void returningWithoutReadinessIsAStartupError()
    {
        Log log;
        auto child = [](TaskStatus<int> &) -> Task<> { co_await checkpoint(); };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "sibling");
            try {
                co_await group.start<int>(child);
            } catch (const StartupError &e) {
                log += QByteArray(e.what()).contains("without calling started(); call it once") ? "told" : e.what();
            }
            co_await turns(3);
            log += "all goes on";
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"told", "all goes on", "sibling cancelled"}));
    }

    // B114
    void reportingReadinessTwiceIsMisuse()
    {
        Log log;
        auto child = [&](TaskStatus<int> &status) -> Task<> {
            status.started(1);
            log += textOf<LogicError>([&] { status.started(2); }).contains("once") ? "refused" : "?";
            co_await turns(2);
            log += textOf<LogicError>([&] { status.started(3); }).contains("once") ? "refused" : "?";
        };
        auto body = [&](TaskGroup &group) -> Task<> { log += QByteArray::number(co_await group.start<int>(child)); };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"refused", "1", "refused"}));
    }

    void reportingReadinessFromAnotherThreadIsMisuse()
    {
        QByteArray text;
        auto child = [&](TaskStatus<int> &status) -> Task<> {
            std::thread other([&] { text = textOf<LogicError>([&] { status.started(1); }); });
            other.join();
            status.started(2);
            co_return;
        };
        int ready = 0;
        auto body = [&](TaskGroup &group) -> Task<> { ready = co_await group.start<int>(child); };
        run(withTaskGroup(body));
        QVERIFY2(text.contains("belongs to the loop"), text.constData());
        QCOMPARE(ready, 2);
    }

    // B115
    void aFailureRightAfterReadinessIsTheGroupsOnceOnly()
    {
        Log log;
        auto child = [](TaskStatus<int> &status) -> Task<> {
            status.started(1);
            throw Error("E");
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            log += QByteArray::number(co_await group.start<int>(child));
            co_await checkpoint();
            log += "too far";
        };
        QCOMPARE(failureOf(withTaskGroup(body)), QByteArray("{E}"));
        QCOMPARE(log, (Log{"1"}));
    }

    void giveUpOnStartCancelsTheChildAndWaitsForItsCleanUp_data()
    {
        QTest::addColumn<bool>("cleanUpFails");
        QTest::newRow("clean-up works") << false;
        QTest::newRow("clean-up fails") << true;
    }
    // B116
    void giveUpOnStartCancelsTheChildAndWaitsForItsCleanUp()
    {
        QFETCH(bool, cleanUpFails);
        Log log;
        auto cleanUp = []() -> Task<> { co_await sleep(5ms); };
        auto child = [&](TaskStatus<int> &) -> Task<> {
            const std::exception_ptr cancelled = co_await untilCancelled();
            co_await shielded(cleanUp);
            log += "cleaned up";
            if (cleanUpFails)
                throw Error("C");
            std::rethrow_exception(cancelled);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            auto impatient = [&]() -> Task<> { co_await group.start<int>(child); };
            try {
                log += co_await moveOnAfter(1ms, impatient) ? "?" : "gave up";
            } catch (...) {
                log += shape(std::current_exception()); // the caller's, as every failure before readiness
            }
            co_await turns(3);
            log += QByteArray::number(group.size());
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"cleaned up", cleanUpFails ? "C" : "gave up", "0"}));
    }

    // B117
    void readinessAfterTheCallerGaveUpIsIgnored()
    {
        Log log;
        auto child = [&](TaskStatus<int> &status) -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
            }
            status.started(1);
            status.started(2);
            log += "ignored";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            auto impatient = [&]() -> Task<> {
                co_await group.start<int>(child);
                log += "too far";
            };
            log += co_await moveOnAfter(1ms, impatient) ? "?" : "gave up";
            co_await turns(3);
            log += "the group lives";
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"ignored", "gave up", "the group lives"}));
    }

    // B118
    void theCallersTimeoutDoesNotReachAChildThatIsReady()
    {
        Log log;
        OpenLatch finish;
        auto child = [&](TaskStatus<int> &status) -> Task<> {
            status.started(1);
            co_await finish.opened();
            log += "child ends by itself";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            auto region = [&]() -> Task<> {
                log += QByteArray::number(co_await group.start<int>(child));
                co_await sleepForever();
            };
            log += co_await moveOnAfter(5ms, region) ? "?" : "timed out";
            co_await turns(3);
            log += QByteArray::number(group.size());
            finish.open();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"1", "timed out", "1", "child ends by itself"}));
    }

    // B118
    void beforeReadinessTheChildObeysItsGroupThroughAShieldOfTheCaller()
    {
        Log log;
        auto child = [&](TaskStatus<int> &) -> Task<> { co_await sleeper(log, "child"); };
        auto body = [&](TaskGroup &group) -> Task<> {
            auto canceller = [group]() mutable -> Task<> {
                co_await turns(2);
                group.cancel(QStringLiteral("over"));
            };
            auto asks = [&]() -> Task<> {
                group.startSoon(canceller);
                try {
                    co_await group.start<int>(child);
                } catch (const ClosedResourceError &e) {
                    log += e.what();
                }
            };
            co_await shielded(asks);
            log += "out of the shield";
        };
        run(withTaskGroup(body));
        QCOMPARE(log.size(), 3);
        QCOMPARE(log.at(0), QByteArray("child cancelled"));
        QVERIFY2(log.at(1).contains("over"), log.at(1).constData());
        QCOMPARE(log.at(2), QByteArray("out of the shield"));
    }

    void startInACancelledScopeRunsTheChildToItsFirstWait_data()
    {
        QTest::addColumn<int>("kind");
        QTest::addColumn<QByteArrayList>("expected");
        QTest::newRow("waits") << 0 << Log{"begins", "child cancelled", "Cancelled"};
        QTest::newRow("is ready and waits") << 1 << Log{"begins", "child cancelled", "Cancelled"};
        QTest::newRow("is ready and ends") << 2 << Log{"begins", "7"};
        QTest::newRow("is ready and fails") << 3 << Log{"begins", "E"};
        QTest::newRow("fails") << 4 << Log{"begins", "E"};
        QTest::newRow("ends") << 5
                              << Log{"begins",
                                     "start(): the child returned without calling started(); call it once the child is "
                                     "ready, or use startSoon() for one that has nothing to tell"};
    }
    // B119
    void startInACancelledScopeRunsTheChildToItsFirstWait()
    {
        QFETCH(int, kind);
        QFETCH(QByteArrayList, expected);
        Log log;
        auto child = [&](TaskStatus<int> &status) -> Task<> {
            log += "begins";
            if (kind >= 1 && kind <= 3)
                status.started(7);
            if (kind <= 1)
                co_await sleeper(log, "child");
            if (kind == 3 || kind == 4)
                throw Error("E");
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            CancelScope scope;
            scope.cancel();
            auto region = [&]() -> Task<> {
                try {
                    log += QByteArray::number(co_await group.start<int>(child));
                } catch (...) {
                    log += shape(std::current_exception());
                }
            };
            co_await scope.run(region);
            co_await turns(2); // neither the group nor the body is cancelled
        };
        run(withTaskGroup(body));
        QCOMPARE(log, expected);
    }

    void cancellingTheGroupAroundReadinessReachesTheGrandchildren_data()
    {
        QTest::addColumn<bool>("before");
        QTest::newRow("just before started()") << true;
        QTest::newRow("just after started()") << false;
    }
    // B120
    void cancellingTheGroupAroundReadinessReachesTheGrandchildren()
    {
        QFETCH(bool, before);
        Log log;
        auto outer = [&](TaskGroup &callers) -> Task<> {
            auto target = [&](TaskGroup &group) -> Task<> {
                auto child = [&](TaskStatus<int> &status) -> Task<> {
                    auto family = [&](TaskGroup &inner) -> Task<> {
                        inner.startSoon(sleeper, std::ref(log), "grandchild");
                        inner.startSoon(sleeper, std::ref(log), "grandchild");
                        co_await turns(2);
                        if (before)
                            group.cancel();
                        status.started(1);
                        if (!before)
                            group.cancel();
                        co_await sleeper(log, "child");
                    };
                    co_await withTaskGroup(family);
                };
                auto caller = [&, group]() mutable -> Task<> {
                    log += QByteArray::number(co_await group.start<int>(child));
                };
                callers.startSoon(caller);
                co_await sleepForever();
            };
            co_await withTaskGroup(target);
            log += "the target has ended";
        };
        run(withTaskGroup(outer));
        std::sort(log.begin(), log.end());
        QCOMPARE(log,
                 (Log{"1", "child cancelled", "grandchild cancelled", "grandchild cancelled", "the target has ended"}));
    }

    void startInAGroupThatIsCancelledFirstNeverHangs_data()
    {
        QTest::addColumn<bool>("beforeTheCall");
        QTest::addColumn<bool>("ready");
        QTest::newRow("before the call, child waits") << true << false;
        QTest::newRow("before the call, child is ready before its first wait") << true << true;
        QTest::newRow("before the first step, child waits") << false << false;
        QTest::newRow("before the first step, child is ready before its first wait") << false << true;
    }
    // B121
    void startInAGroupThatIsCancelledFirstNeverHangs()
    {
        QFETCH(bool, beforeTheCall);
        QFETCH(bool, ready);
        Log log;
        auto child = [&](TaskStatus<int> &status) -> Task<> {
            if (ready)
                status.started(1);
            co_await sleeper(log, "child");
        };
        auto outer = [&](TaskGroup &callers) -> Task<> {
            auto target = [&](TaskGroup &group) -> Task<> {
                auto caller = [&, group]() mutable -> Task<> {
                    auto shut = [group]() mutable { group.cancel(QStringLiteral("shut")); };
                    if (beforeTheCall)
                        shut();
                    else
                        callers.startSoon(shut); // its turn is just before the child's
                    try {
                        log += QByteArray::number(co_await group.start<int>(child));
                    } catch (const ClosedResourceError &e) {
                        log += QByteArray(e.what()).contains("shut") ? "closed" : e.what();
                    }
                    co_await checkpoint(); // the caller itself is not cancelled
                    log += "the caller goes on";
                };
                callers.startSoon(caller);
                co_await sleepForever();
            };
            co_await withTaskGroup(target);
        };
        run(withTaskGroup(outer));
        QCOMPARE(log, (Log{"child cancelled", ready ? "1" : "closed", "the caller goes on"}));
    }

    void theExitWaitsForAPendingStart_data()
    {
        QTest::addColumn<bool>("arrives");
        QTest::newRow("the child arrives") << true;
        QTest::newRow("the child fails") << false;
    }
    // B122
    void theExitWaitsForAPendingStart()
    {
        QFETCH(bool, arrives);
        Log log;
        auto child = [&](TaskStatus<int> &status) -> Task<> {
            co_await turns(5);
            if (!arrives)
                throw Error("E");
            status.started(1);
            co_await turns(5);
            log += "child ends";
        };
        auto outer = [&](TaskGroup &callers) -> Task<> {
            auto target = [&](TaskGroup &group) -> Task<> {
                auto caller = [&, group]() mutable -> Task<> {
                    try {
                        log += QByteArray::number(co_await group.start<int>(child));
                    } catch (...) {
                        log += shape(std::current_exception());
                    }
                };
                callers.startSoon(caller);
                co_await checkpoint();
                log += "at the exit";
            };
            co_await withTaskGroup(target);
            log += "past the exit";
        };
        run(withTaskGroup(outer));
        if (arrives) {
            QCOMPARE(log, (Log{"at the exit", "1", "child ends", "past the exit"}));
        } else {
            std::sort(log.begin(), log.end()); // caller and host go on in the same turn
            QCOMPARE(log, (Log{"E", "at the exit", "past the exit"}));
        }
    }

    // B123
    void aShieldOfTheChildHoldsAgainstTheCallersCancellation()
    {
        Log log;
        auto child = [&](TaskStatus<int> &) -> Task<> {
            auto careful = [&]() -> Task<> {
                co_await sleep(10ms);
                log += "shield held";
            };
            co_await shielded(careful);
            co_await sleeper(log, "child");
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            auto impatient = [&]() -> Task<> { co_await group.start<int>(child); };
            log += co_await moveOnAfter(1ms, impatient) ? "?" : "gave up";
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"shield held", "child cancelled", "gave up"}));
    }

    // B124
    void aSiblingsFailureInterruptsStartOnAnOuterGroup()
    {
        Log log;
        auto child = [&](TaskStatus<int> &) -> Task<> { co_await sleeper(log, "child"); };
        auto outer = [&](TaskGroup &outerGroup) -> Task<> {
            auto inner = [&](TaskGroup &group) -> Task<> {
                group.startSoon(failing, "E", 2);
                co_await outerGroup.start<int>(child);
                log += "too far";
            };
            co_await withTaskGroup(inner);
        };
        QCOMPARE(failureOf(withTaskGroup(outer)), QByteArray("{{E}}"));
        QCOMPARE(log, (Log{"child cancelled"}));
    }

    void aStartedChildEndsWithItsGroup()
    {
        Log log;
        auto child = [&](TaskStatus<> &status) -> Task<> {
            status.started();
            co_await sleeper(log, "child");
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < 100; ++i)
                co_await group.start<void>(child);
            log += QByteArray::number(group.size());
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log.size(), 101);
        QCOMPARE(log.count("child cancelled"), 100);
    }

    // ---- identity

    // B125
    void namesShowInDiagnosticsAndEveryChildHasOne()
    {
        Log tasks;
        QString origin;
        auto cancels = [](TaskGroup group) -> Task<> {
            group.cancel();
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("reader")), sleepForeverTask);
            group.startSoon(sleepForeverTask);
            co_await checkpoint();
            for (const QString &line : detail::Loop::current()->describeTasks())
                tasks += line.toUtf8();
            group.startSoon(cancels, group);
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                origin = cancelled.origin();
                throw;
            }
        };
        run(withTaskGroup(body));
        QCOMPARE(tasks.size(), 3);
        QVERIFY2(tasks.at(1).startsWith("reader: waits"), tasks.at(1).constData());
        const QRegularExpression unnamed(QStringLiteral("^task 0x[0-9a-f]+"));
        QVERIFY2(unnamed.match(QString::fromUtf8(tasks.at(2))).hasMatch(), tasks.at(2).constData());
        QVERIFY2(unnamed.match(origin).hasMatch(), qPrintable(origin));
    }

    void theExitAndStartSayWhatTheyWaitFor()
    {
        Log tasks;
        auto report = [&] {
            for (const QString &line : detail::Loop::current()->describeTasks())
                tasks += line.toUtf8();
        };
        auto child = [&](TaskStatus<> &status) -> Task<> {
            co_await checkpoint();
            report();
            status.started();
            co_await turns(3);
            report();
        };
        auto body = [&](TaskGroup &group) -> Task<> { co_await group.start<void>(child); };
        run(withTaskGroup(body));
        QVERIFY2(tasks.at(0).contains("waits for a child to become ready at "), tasks.at(0).constData());
        QVERIFY2(tasks.at(2).contains("waits for 1 children of its group to end"), tasks.at(2).constData());
    }

    // B211
    void aPlainQtSlotCancelsAGroup()
    {
        Log log;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(sleeper, std::ref(log), "child");
            QTimer::singleShot(0ms, [group]() mutable { group.cancel(); });
            co_await sleeper(log, "body");
        };
        run(withTaskGroup(body));
        std::sort(log.begin(), log.end());
        QCOMPARE(log, (Log{"body cancelled", "child cancelled"}));
    }
};

QTEST_GUILESS_MAIN(TestTaskGroup)
#include "tst_taskgroup.moc"
