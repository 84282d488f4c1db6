// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/taskgroup.h>

#include <QtTest/QTest>

#include <QtCore/QByteArrayList>

#include <memory>
#include <optional>
#include <thread>

using namespace QMicroIO;
using namespace std::chrono_literals;

using GivesInt = Task<int> (*)();
using GivesNothing = void (*)();
static_assert(std::is_same_v<decltype(std::declval<TaskGroup &>().spawn(GivesInt())), TaskHandle<int>>);
static_assert(std::is_same_v<decltype(std::declval<TaskGroup &>().spawn(GivesNothing())), TaskHandle<>>);
static_assert(!std::is_copy_constructible_v<TaskHandle<int>> && std::is_move_constructible_v<TaskHandle<int>>);
static_assert(!std::is_default_constructible_v<TaskHandle<>>);

namespace {

using Log = QByteArrayList;

Task<int> number(int value)
{
    co_await checkpoint();
    co_return value;
}

Task<> sleeper(Log &log, QByteArray name)
{
    try {
        co_await sleepForever();
    } catch (const Cancelled &cancelled) {
        log += name + " cancelled: " + cancelled.reason().toUtf8();
        throw;
    }
}

Task<> failing()
{
    co_await checkpoint();
    throw Error("bad");
}

template<class E, class T>
Task<QByteArray> errorOf(const TaskHandle<T> &handle)
{
    try {
        co_await handle.result();
    } catch (const E &error) {
        co_return error.what();
    }
    co_return QByteArray();
}

} // namespace

class TestTaskHandle : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B107
    void aHandleGivesTheResultOfEveryKindOfChild()
    {
        int sum = 0;
        Log log;
        run(withTaskGroup([&](TaskGroup &group) -> Task<> {
            const TaskHandle<int> task = group.spawn(number, 1);
            const TaskHandle<int> qcoro = group.spawn([]() -> QCoro::Task<int> { co_return 2; });
            const TaskHandle<std::unique_ptr<int>> parcel = group.spawn(
                TaskName(QStringLiteral("parcel")),
                [](std::unique_ptr<int> value) -> Task<std::unique_ptr<int>> { co_return value; },
                std::make_unique<int>(3));
            const TaskHandle<> plain = group.spawn([&log] { log += "plain"; });
            log += task.isDone() ? "begun" : "not begun";
            sum += co_await task.result();
            sum += co_await qcoro.result();
            const std::unique_ptr<int> got = co_await parcel.result();
            sum += *got;
            co_await plain.result();
            log += task.isDone() && plain.isDone() && !task.isCancelled() ? "done" : "not done";
        }));
        QCOMPARE(sum, 6);
        QCOMPARE(log, (Log{"not begun", "plain", "done"}));
    }

    // B107
    void cancellingOneChildTouchesNobodyElse()
    {
        Log log;
        run(withTaskGroup([&](TaskGroup &group) -> Task<> {
            const TaskHandle<> one = group.spawn(TaskName(QStringLiteral("one")), sleeper, std::ref(log), "one");
            const TaskHandle<int> sibling = group.spawn(number, 5);
            co_await checkpoint();
            log += one.cancel(QStringLiteral("enough")) ? "first" : "late";
            log += one.cancel() ? "first" : "late";
            log += co_await errorOf<ClosedResourceError>(one);
            log += one.isCancelled() ? "is cancelled" : "ended";
            log += QByteArray::number(co_await sibling.result());
            log += group.cancelScope().isCancelCalled() ? "group cancelled" : "group goes on";
            co_await checkpoint();
        }));
        QCOMPARE(log,
                 (Log{"first", "late", "one cancelled: enough", "one was cancelled: enough", "is cancelled", "5",
                      "group goes on"}));
    }

    // B107
    void anotherThreadMayCancelAChild()
    {
        Log log;
        std::jthread canceller;
        run(withTaskGroup([&](TaskGroup &group) -> Task<> {
            const TaskHandle<> one = group.spawn(TaskName(QStringLiteral("one")), sleeper, std::ref(log), "one");
            co_await checkpoint();
            canceller = std::jthread([&one] { one.cancel(); });
            log += co_await errorOf<ClosedResourceError>(one);
            canceller.join();
        }));
        QCOMPARE(log, (Log{"one cancelled: ", "one was cancelled"}));
    }

    // B107
    void aFailureReachesTheOneWhoWaitsAndTheGroupOnce()
    {
        Log log;
        std::size_t failures = 0;
        try {
            run(withTaskGroup([&](TaskGroup &group) -> Task<> {
                const TaskHandle<> bad = group.spawn(failing);
                try {
                    co_await bad.result();
                } catch (const Error &error) {
                    log += error.what();
                    throw;
                }
            }));
        } catch (const ExceptionGroup &group) {
            failures = group.exceptions().size();
        }
        QCOMPARE(log, (Log{"bad"}));
        QCOMPARE(failures, std::size_t(1));
    }

    // B107
    void aFailureIsThereForATaskOutsideTheGroupEachTime()
    {
        Log log;
        run([](Log &seen) -> Task<> {
            std::optional<TaskHandle<>> handle;
            try {
                co_await withTaskGroup([&handle](TaskGroup &group) -> Task<> {
                    handle.emplace(group.spawn(failing));
                    co_return;
                });
            } catch (const ExceptionGroup &) {
                seen += "group failed";
            }
            seen += co_await errorOf<Error>(*handle);
            seen += co_await errorOf<Error>(*handle);
        }(log));
        QCOMPARE(log, (Log{"group failed", "bad", "bad"}));
    }

    // B107
    void aChildThatFailsAsItIsCancelledFailsTheGroup()
    {
        QByteArray text;
        try {
            run(withTaskGroup([](TaskGroup &group) -> Task<> {
                const TaskHandle<> bad = group.spawn([]() -> Task<> {
                    try {
                        co_await sleepForever();
                    } catch (const Cancelled &) {
                    }
                    throw Error("clean-up failed");
                });
                co_await checkpoint();
                bad.cancel();
            }));
        } catch (const ExceptionGroup &group) {
            text = errorText(group.exceptions().front()).toUtf8();
        }
        QCOMPARE(text, QByteArray("clean-up failed"));
    }

    // B107
    void aCancelledWaitLeavesTheChildAlone()
    {
        Log log;
        run(withTaskGroup([&](TaskGroup &group) -> Task<> {
            const TaskHandle<int> slow = group.spawn([]() -> Task<int> {
                co_await sleep(20ms);
                co_return 9;
            });
            const bool ended = co_await moveOnAfter(1ms, [&]() -> Task<> { co_await slow.result(); });
            log += ended ? "ended" : "gave up";
            log += QByteArray::number(co_await slow.result());
        }));
        QCOMPARE(log, (Log{"gave up", "9"}));
    }

    // B107
    void misuseIsToldApart()
    {
        Log log;
        run(withTaskGroup([&](TaskGroup &group) -> Task<> {
            std::optional<TaskHandle<>> own;
            own.emplace(group.spawn([&]() -> Task<> { log += co_await errorOf<LogicError>(*own); }));
            co_await own->result();
            log += co_await errorOf<LogicError>(*own);
            const TaskHandle<> slow = group.spawn(sleeper, std::ref(log), "slow");
            group.startSoon([&]() -> Task<> { log += co_await errorOf<ClosedResourceError>(slow); });
            co_await checkpoint();
            co_await checkpoint();
            log += co_await errorOf<BusyResourceError>(slow);
            slow.cancel();
            co_await group.untilEmpty();
        }));
        QCOMPARE(log.size(), 5);
        QVERIFY2(log.at(0).contains("await it in another task"), log.at(0).constData());
        QVERIFY2(log.at(1).contains("taken before"), log.at(1).constData());
        QVERIFY2(log.at(2).contains("another task waits"), log.at(2).constData());
        QCOMPARE(log.at(3), QByteArray("slow cancelled: "));
        QVERIFY2(log.at(4).contains("was cancelled"), log.at(4).constData());
    }

    // B107
    void aGrandchildThatWaitsForItsOwnAncestorIsMisuse()
    {
        Log log;
        run(withTaskGroup([&](TaskGroup &group) -> Task<> {
            std::optional<TaskHandle<>> ancestor;
            ancestor.emplace(group.spawn([&]() -> Task<> {
                auto inner = [&](TaskGroup &nested) -> Task<> {
                    nested.startSoon([&]() -> Task<> { log += co_await errorOf<LogicError>(*ancestor); });
                    co_return;
                };
                co_await withTaskGroup(inner);
            }));
            co_await group.untilEmpty();
        }));
        QCOMPARE(log.size(), 1);
        QVERIFY2(log.at(0).contains("wait for itself"), log.at(0).constData());
    }
};

QTEST_GUILESS_MAIN(TestTaskHandle)
#include "tst_taskhandle.moc"
