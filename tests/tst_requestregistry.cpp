// SPDX-License-Identifier: Apache-2.0
#include "thrown.h"

#include <qmicroio/loopservicethread.h>
#include <qmicroio/requestregistry.h>

#include <QtTest/QTest>

#include <QtCore/QLoggingCategory>
#include <QtCore/QRegularExpression>
#include <QtCore/QScopeGuard>
#include <QtCore/QSemaphore>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<RequestRegistry<int, int>>);
static_assert(std::is_copy_constructible_v<ReplyHandle<int, int>>);
static_assert(std::is_nothrow_move_constructible_v<ReplyHandle<int, int>>);

namespace {

using Registry = RequestRegistry<QString, int>;
using Handle = ReplyHandle<QString, int>;
const QString A = QStringLiteral("a");

std::exception_ptr boom()
{
    return std::make_exception_ptr(std::out_of_range("boom"));
}

// Until `count` threads or tasks wait, as far as the registry can tell: they are registered.
void untilRegistered(const Registry &registry, qsizetype count)
{
    while (registry.size() < count)
        std::this_thread::yield();
}

} // namespace

class TestRequestRegistry : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B173
    void anotherThreadsAnswerReachesTheWaiterOnce()
    {
        Registry registry;
        Handle handle = registry.registerRequest(A);
        QVERIFY(registry.contains(A));
        QCOMPARE(registry.pending(), QList<QString>{A});
        std::thread answering([&] { registry.resolve(A, 5); });
        QCOMPARE(handle.wait(), 5);
        answering.join();
        QCOMPARE(registry.size(), 0);
        QVERIFY(!registry.contains(A));
        QVERIFY(!registry.resolve(A, 6));
        QVERIFY(!handle.resolve(7));
    }

    // B174
    void aTimeoutNamesTheKeyAndRemovesTheRequest()
    {
        Registry registry;
        Handle handle = registry.registerRequest(A);
        try {
            handle.wait(10ms);
            QFAIL("answered by nobody");
        } catch (const TimeoutError &error) {
            QVERIFY(error.message().contains(QStringLiteral("'a'")));
        }
        QCOMPARE(registry.size(), 0);
        QVERIFY(!registry.resolve(A, 1));
        QVERIFY(!handle.resolve(1));
    }

    void theLogTellsOnRequestOfRequestsThatEndWithoutAnAnswer()
    {
        RequestRegistry<QString, int> registry;
        QLoggingCategory::setFilterRules(QStringLiteral("qmicroio.request.debug=true"));
        const auto quiet = qScopeGuard([] { QLoggingCategory::setFilterRules({}); });
        QTest::ignoreMessage(QtDebugMsg, QRegularExpression(QStringLiteral("request 'late' was given up")));
        QVERIFY(
            throws<TimeoutError>([&] { registry.registerRequest(QStringLiteral("late")).wait(QDeadlineTimer(0)); }));
        QTest::ignoreMessage(QtDebugMsg,
                             QRegularExpression(QStringLiteral("request 'lost' can no longer be answered")));
        QVERIFY(throws<BrokenResourceError>([&] {
            registry.request(QStringLiteral("lost"), [](ReplyHandle<QString, int> &handle) {
                const ReplyHandle<QString, int> gone = std::move(handle);
            });
        }));
    }

    // B175
    void aPendingKeyCannotBeRegisteredTwice()
    {
        Registry registry;
        Handle first = registry.registerRequest(A);
        QVERIFY(throws<DuplicateRequestError>([&] { registry.registerRequest(A); }));
        QVERIFY(registry.resolve(A, 1));
        QCOMPARE(first.wait(), 1);
        Handle second = registry.registerRequest(A);
        QVERIFY(second.resolve(2));
        QCOMPARE(second.wait(), 2);
    }

    // B176
    void aFailureReachesTheWaiterWithItsType()
    {
        Registry registry;
        Handle handle = registry.registerRequest(A);
        QVERIFY(registry.fail(A, boom()));
        QVERIFY(throws<std::out_of_range>([&] { handle.wait(); }));
        QVERIFY(!registry.fail(QStringLiteral("unknown"), boom()));
        QVERIFY(throws<std::invalid_argument>([&] { registry.fail(A, nullptr); }));
        QVERIFY(throws<std::invalid_argument>([&] { handle.fail(nullptr); }));
    }

    // B177
    void failAllWakesEveryWaiterAndTheRegistryGoesOn()
    {
        Registry registry;
        std::atomic<int> failed{0};
        std::vector<std::thread> waiters;
        for (int i = 0; i < 3; ++i) {
            waiters.emplace_back([&, i] {
                const auto send = [](Handle &) { };
                if (throws<std::out_of_range>([&] { registry.request(QString::number(i), send); }))
                    ++failed;
            });
        }
        untilRegistered(registry, 3);
        QCOMPARE(registry.failAll(boom()), 3);
        for (std::thread &waiter : waiters)
            waiter.join();
        QCOMPARE(failed.load(), 3);
        QCOMPARE(registry.size(), 0);
        QCOMPARE(registry.failAll(boom()), 0);
        QVERIFY(throws<std::invalid_argument>([&] { registry.failAll(nullptr); }));
        Handle later = registry.registerRequest(A);
        QVERIFY(later.resolve(1));
    }

    // B178
    void sendMayAnswerAtOnceAndItsErrorComesOut()
    {
        Registry registry;
        QCOMPARE(registry.request(A, [](Handle &handle) { handle.resolve(handle.key().size() == 1 ? 9 : 0); }), 9);
        const auto failing = [](Handle &) { throw std::out_of_range("no line"); };
        QVERIFY(throws<std::out_of_range>([&] { registry.request(A, failing); }));
        QCOMPARE(registry.size(), 0);
        QCOMPARE(run(registry.requestAsync(A, [](Handle &handle) { handle.resolve(3); })), 3);
        QVERIFY(throws<std::out_of_range>([&] { run(registry.requestAsync(A, failing)); }));
        QCOMPARE(registry.size(), 0);
    }

    // B178
    void sendMayPassOnTheKeyOnly()
    {
        Registry registry;
        std::thread answering;
        const auto send = [&](Handle handle) { // by value: the copy dies when send returns, and means nothing
            answering = std::thread([&registry, key = handle.key()] { registry.resolve(key, 12); });
        };
        QCOMPARE(registry.request(A, send), 12);
        answering.join();
    }

    // Trap 34; B179, B180
    void trap34AnOldHandleNeverTouchesANewRequestWithItsKey()
    {
        Registry registry;
        Handle old = registry.registerRequest(A);
        QVERIFY(throws<TimeoutError>([&] { old.wait(1ms); }));
        Handle current = registry.registerRequest(A);
        old.forget();
        QVERIFY(registry.contains(A));
        QVERIFY(!old.resolve(1));
        QVERIFY(!old.fail(boom()));
        QVERIFY(registry.contains(A));
        QVERIFY(current.resolve(2));
        QCOMPARE(current.wait(), 2);
    }

    // B181
    void oneOfManyRacingAnswersWins()
    {
        Registry registry;
        for (int round = 0; round < 200; ++round) {
            Handle handle = registry.registerRequest(A);
            std::atomic<int> wins{0};
            std::atomic<int> winner{-1};
            std::vector<std::thread> racers;
            for (int i = 0; i < 8; ++i) {
                racers.emplace_back([&, i] {
                    const bool won = i % 2
                        ? registry.resolve(A, i)
                        : registry.fail(A, std::make_exception_ptr(std::runtime_error(std::to_string(i))));
                    if (won) {
                        ++wins;
                        winner = i;
                    }
                });
            }
            int seen = -1;
            try {
                seen = handle.wait();
            } catch (const std::runtime_error &error) {
                seen = std::stoi(error.what());
            }
            for (std::thread &racer : racers)
                racer.join();
            QCOMPARE(wins.load(), 1);
            QCOMPARE(seen, winner.load());
        }
    }

    // B182
    void aTimeoutAndAnAnswerNeverBothHappen()
    {
        Registry registry;
        int answered = 0;
        for (int round = 0; round < 1000; ++round) {
            Handle handle = registry.registerRequest(A);
            bool resolved = false;
            std::thread answering([&] { resolved = registry.resolve(A, round); });
            bool returned = false;
            try {
                returned = handle.wait(std::chrono::microseconds(round % 100)) == round;
            } catch (const TimeoutError &) {
            }
            answering.join();
            QCOMPARE(returned, resolved);
            answered += resolved;
        }
        QVERIFY(registry.size() == 0);
        qInfo("answered in time: %d of 1000", answered);
    }

    // B183
    void anErrorObjectAsAnAnswerIsAValue()
    {
        RequestRegistry<int, std::exception_ptr> registry;
        auto handle = registry.registerRequest(1);
        QVERIFY(registry.resolve(1, boom()));
        QCOMPARE(errorText(handle.wait()), QStringLiteral("boom"));
    }

    // B184
    void droppingTheLastHandleTellsTheWaiter()
    {
        Registry registry;
        QSemaphore go;
        std::thread holder;
        const auto keep = [&](Handle &handle) {
            holder = std::thread([copy = handle, &go]() mutable {
                go.acquire();
                {
                    const Handle last = std::move(copy);
                } // dies unanswered
            });
        };
        go.release();
        QVERIFY(throws<BrokenResourceError>([&] { registry.request(A, keep); }));
        holder.join();
        QCOMPARE(registry.size(), 0);

        QFuture<int> waiting;
        LoopServiceThread service(QStringLiteral("asker"));
        service.start();
        service.waitStarted();
        std::optional<Handle> kept;
        QSemaphore sent;
        const auto ask = [&]() -> Task<int> {
            const auto send = [&](Handle &handle) {
                kept = std::move(handle);
                sent.release();
            };
            co_return co_await registry.requestAsync(A, send);
        };
        waiting = service.submit(ask);
        sent.acquire();
        kept.reset();
        QVERIFY(throws<BrokenResourceError>([&] { waiting.waitForFinished(); }));
        service.stop();
        QVERIFY(service.join());
    }

    // B184
    void aHandleDroppedElsewhereBeforeSendReturnsIsNoticed()
    {
        Registry registry;
        const auto loseIt = [](Handle &handle) { std::thread([copy = handle] { }).join(); };
        QVERIFY(throws<BrokenResourceError>([&] { registry.request(A, loseIt, 10s); }));
    }

    // B184
    void takingAnAnswerTwiceIsMisuse()
    {
        Registry registry;
        Handle handle = registry.registerRequest(A);
        handle.resolve(1);
        QCOMPARE(handle.wait(), 1);
        QVERIFY(throws<LogicError>([&] { handle.wait(); }));
        QVERIFY(throws<LogicError>([&] { run(handle.reply()); }));
    }

    // B185
    void blockingOnAServicesLoopThreadIsMisuse()
    {
        Registry registry;
        LoopServiceThread service(QStringLiteral("server"));
        service.start();
        service.waitStarted();
        Handle handle = registry.registerRequest(A);
        QVERIFY(throws<LogicError>([&] { service.callSync([&] { return handle.wait(); }); }));
        const auto send = [](Handle &) { };
        QVERIFY(
            throws<LogicError>([&] { service.callSync([&] { return registry.request(QStringLiteral("b"), send); }); }));
        QVERIFY(!registry.contains(QStringLiteral("b")));
        service.stop();
        QVERIFY(service.join());
    }

    // B185
    void cancellingAnAwaitedReplyRemovesTheRequest()
    {
        Registry registry;
        bool ended = true;
        const auto body = [&]() -> Task<> {
            const auto wait = [&]() -> Task<> {
                const auto send = [](Handle &) { };
                co_await registry.requestAsync(A, send);
            };
            ended = co_await moveOnAfter(1ms, wait);
        };
        run(body());
        QVERIFY(!ended);
        QVERIFY(!registry.contains(A));

        Handle handle = registry.registerRequest(A);
        CancelScope scope;
        scope.cancel();
        const auto body2 = [&]() -> Task<> {
            const auto wait = [&]() -> Task<> { co_await handle.reply(); };
            ended = co_await scope.run(wait);
        };
        run(body2());
        QVERIFY(!ended);
        QVERIFY(!registry.contains(A));
    }

    void aClosedRegistryFailsWhatWaitsAndRefusesTheRest()
    {
        Registry registry;
        Handle first = registry.registerRequest(A);
        QCOMPARE(registry.close(), 1);
        QCOMPARE(registry.close(), 0);
        QVERIFY(throws<ClosedResourceError>([&] { first.wait(); }));
        QVERIFY(throws<ClosedResourceError>([&] { registry.registerRequest(A); }));
        QVERIFY(throws<ClosedResourceError>([&] { registry.request(A, [](Handle &) { }); }));
        QVERIFY(throws<ClosedResourceError>([&] { run(registry.requestAsync(A, [](Handle &) { })); }));

        Registry broken;
        Handle second = broken.registerRequest(A);
        QCOMPARE(broken.close(boom()), 1);
        QVERIFY(throws<std::out_of_range>([&] { second.wait(); }));
        try {
            broken.registerRequest(A);
            QFAIL("accepted");
        } catch (const BrokenResourceError &error) {
            QCOMPARE(errorText(error.cause()), QStringLiteral("boom"));
        }
    }

    void aDestroyedRegistryLeavesNobodyWaiting()
    {
        auto registry = std::make_unique<Registry>();
        Handle handle = registry->registerRequest(A);
        bool told = false;
        QSemaphore waiting;
        std::thread waiter([&] {
            waiting.release();
            told = throws<ClosedResourceError>([&] { handle.wait(); });
        });
        waiting.acquire();
        registry.reset();
        waiter.join();
        QVERIFY(told);
    }

    void aForgottenRequestTellsItsWaiter()
    {
        Registry registry;
        Handle handle = registry.registerRequest(A);
        bool told = false;
        QSemaphore waiting;
        std::thread waiter([&, copy = handle]() mutable {
            waiting.release();
            told = throws<ClosedResourceError>([&] { copy.wait(); });
        });
        waiting.acquire();
        handle.forget();
        handle.forget();
        waiter.join();
        QVERIFY(told);
        QVERIFY(!registry.contains(A));
    }

    void onlyOneMayWait()
    {
        Registry registry;
        Handle handle = registry.registerRequest(A);
        int busy = 0;
        int value = 0;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto first = [&]() -> Task<> { value = co_await handle.reply(); };
            group.startSoon(first);
            co_await checkpoint();
            co_await checkpoint();
            try {
                co_await handle.reply();
            } catch (const BusyResourceError &) {
                ++busy;
            }
            handle.resolve(8);
        };
        run(withTaskGroup(body));
        QCOMPARE(busy, 1);
        QCOMPARE(value, 8);
    }

    void repliesAreMovedAndNeedNoDefault()
    {
        struct Answer
        {
            explicit Answer(int n)
                : number(std::make_unique<int>(n))
            {
            }
            std::unique_ptr<int> number;
        };
        RequestRegistry<int, Answer> registry;
        auto handle = registry.registerRequest(1);
        QVERIFY(registry.resolve(1, Answer(4)));
        QCOMPARE(*handle.wait().number, 4);
        const auto send = [](ReplyHandle<int, Answer> &h) { h.resolve(Answer(5)); };
        QCOMPARE(*run(registry.requestAsync(2, send)).number, 5);
    }

    void anAnswerWhoseMoveThrowsReachesTheWaiterAsThatError()
    {
        struct Fragile
        {
            explicit Fragile(int *fuseLength)
                : fuse(fuseLength)
            {
            }
            Fragile(Fragile &&other) // NOLINT(performance-noexcept-move-constructor): that it throws is the point
                : fuse(other.fuse)
            {
                if ((*fuse)-- == 0)
                    throw std::runtime_error("dropped on the way");
            }
            int *fuse;
        };
        RequestRegistry<int, Fragile> registry;
        auto handle = registry.registerRequest(1);
        int fuse = 1; // into resolve(), then into the outcome
        try {
            registry.resolve(1, Fragile(&fuse));
        } catch (const std::runtime_error &) {
            QFAIL("the answering side must not get it once the request was claimed");
        }
        QVERIFY(throws<std::runtime_error>([&] { handle.wait(); }));
    }

    void askingTheServiceFromThreadsAndTasksAtOnce()
    {
        RequestRegistry<int, int> registry;
        LoopServiceThread server(QStringLiteral("server"));
        server.start();
        server.waitStarted();
        const auto send = [&](ReplyHandle<int, int> &handle) {
            server.callSoon([copy = handle]() mutable { copy.resolve(copy.key() * 2); });
        };
        std::atomic<int> wrong{0};
        std::vector<std::thread> askers;
        for (int t = 0; t < 4; ++t) {
            askers.emplace_back([&, t] {
                for (int i = 0; i < 200; ++i) {
                    const int key = t * 1000 + i;
                    if (registry.request(key, send, 30s) != key * 2)
                        ++wrong;
                }
            });
        }
        for (std::thread &asker : askers)
            asker.join();
        QCOMPARE(wrong.load(), 0);
        QCOMPARE(registry.size(), 0);
        server.stop();
        QVERIFY(server.join());
    }
};

QTEST_GUILESS_MAIN(TestRequestRegistry)
#include "tst_requestregistry.moc"
