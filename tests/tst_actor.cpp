// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/actor.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/test/virtualclock.h>

#include <QtTest/QTest>

#include <QtCore/QSemaphore>
#include <QtCore/QStringList>
#include <QtCore/QThread>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<ActorCore<int>>);
static_assert(!std::is_move_constructible_v<ActorCore<int>>);
static_assert(std::is_same_v<decltype(std::declval<ActorCore<int> &>().run()), Task<>>);
static_assert(std::is_copy_constructible_v<Release>);

namespace {

Task<> turns(int count)
{
    for (int i = 0; i < count; ++i)
        co_await checkpoint();
}

// Runs the actor beside `body`, and throws what the actor throws.
template<class T, class F>
void runBeside(ActorCore<T> &actor, F body)
{
    std::exception_ptr error;
    const auto both = [&](TaskGroup &group) -> Task<> {
        const auto work = [&]() -> Task<> {
            try {
                co_await actor.run();
            } catch (const Cancelled &) {
                throw;
            } catch (...) {
                error = std::current_exception();
            }
        };
        group.startSoon(work);
        co_await body();
    };
    run(withTaskGroup(both));
    if (error)
        std::rethrow_exception(error);
}

void handleByFunction(int item);
std::vector<int> g_handled;
void handleByFunction(int item)
{
    g_handled.push_back(item);
}

} // namespace

class TestActor : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B159
    void messagesAreHandledOneAfterTheOther()
    {
        QStringList log;
        const auto handler = [&](int item) -> Task<> {
            log += QStringLiteral("start %1").arg(item);
            co_await turns(3);
            log += QStringLiteral("end %1").arg(item);
        };
        ActorCore<int> actor(handler);
        actor.submit(1);
        QVERIFY(actor.put(2));
        const auto body = [&]() -> Task<> {
            co_await turns(5);
            actor.submit(3);
            actor.close();
        };
        runBeside(actor, body);
        QCOMPARE(log.join(u','), QStringLiteral("start 1,end 1,start 2,end 2,start 3,end 3"));
        QVERIFY(!actor.isRunning());
        QVERIFY(!actor.submit(4));
        QCOMPARE(actor.stats().dropped, 1U);
    }

    // B159
    void handlersMayBePlainFunctionsOrQCoroTasks()
    {
        g_handled.clear();
        ActorCore<int> plain(&handleByFunction);
        const auto handler = [](int item) -> QCoro::Task<> {
            g_handled.push_back(item);
            co_return;
        };
        ActorCore<int> qcoro(handler);
        for (ActorCore<int> *actor : {&plain, &qcoro}) {
            actor->submit(1);
            actor->submit(2);
            actor->close();
            run(actor->run());
        }
        QCOMPARE(g_handled, (std::vector<int>{1, 2, 1, 2}));
    }

    void messagesMayBeMoveOnlyAndHandlersToo()
    {
        int sum = 0;
        auto handler = [&sum, factor = std::make_unique<int>(10)](std::unique_ptr<int> item) -> Task<> {
            co_await checkpoint();
            sum += *factor * *item;
        };
        ActorCore<std::unique_ptr<int>> actor(std::move(handler));
        actor.submit(std::make_unique<int>(1));
        actor.submit(std::make_unique<int>(2));
        actor.close();
        run(actor.run());
        QCOMPARE(sum, 30);
    }

    // B160
    void theEndComesAfterWhatIsQueued()
    {
        std::vector<int> handled;
        const auto handler = [&](int item) { handled.push_back(item); };
        ActorCore<int> closed(handler);
        closed.submit(1);
        closed.submit(2);
        QVERIFY(closed.close());
        run(closed.run());
        QCOMPARE(handled, (std::vector<int>{1, 2}));
        ActorCore<int> failed(handler);
        failed.submit(3);
        QVERIFY(failed.fail(std::make_exception_ptr(std::out_of_range("boom"))));
        QVERIFY(!failed.submit(4));
        QVERIFY(throws<std::out_of_range>([&] { run(failed.run()); }));
        QCOMPARE(handled, (std::vector<int>{1, 2, 3}));
        QVERIFY(throws<std::invalid_argument>([&] { closed.fail(nullptr); }));
    }

    // B161
    void aHandlersErrorEndsTheRunAndLeavesTheRest()
    {
        const auto handler = [&](int item) -> Task<> {
            co_await checkpoint();
            if (item == 2)
                throw std::out_of_range("bad message");
        };
        ActorCore<int> actor(handler);
        for (int i = 1; i <= 3; ++i)
            actor.submit(i);
        QVERIFY(throws<std::out_of_range>([&] { run(actor.run()); }));
        QVERIFY(!actor.isClosed());
        QVERIFY(!actor.isRunning());
        QVERIFY(actor.submit(4));
        QCOMPARE(actor.drainNowait(), (std::vector<int>{3, 4}));
    }

    // B161
    void anActorThatIsRunAgainGoesOnWithWhatIsQueued()
    {
        std::vector<int> handled;
        const auto handler = [&](int item) {
            if (item < 0)
                throw std::out_of_range("bad message");
            handled.push_back(item);
        };
        ActorCore<int> actor(handler);
        for (const int item : {1, -1, 2, -2, 3})
            actor.submit(item);
        int failures = 0;
        const auto supervise = [&]() -> Task<> {
            for (;;) {
                try {
                    co_await actor.run();
                    co_return;
                } catch (const std::out_of_range &) {
                    ++failures;
                }
            }
        };
        LoopServiceThread first(QStringLiteral("first"));
        first.start();
        first.waitStarted();
        QFuture<void> ended = first.submit(supervise);
        first.callSync([] { });
        first.stop();
        QVERIFY(first.join());
        QVERIFY(ended.isFinished());
        actor.submit(4);
        actor.close();
        run(supervise()); // on another loop
        QCOMPARE(failures, 2);
        QCOMPARE(handled, (std::vector<int>{1, 2, 3, 4}));
    }

    void anActorRunsOnceAtATime()
    {
        const auto handler = [](int) { };
        ActorCore<int> actor(handler);
        QString text;
        const auto body = [&]() -> Task<> {
            co_await turns(3);
            if (!actor.isRunning())
                throw Error("it does not run");
            try {
                co_await actor.run();
            } catch (const BusyResourceError &error) {
                text = error.message();
            }
            actor.close();
        };
        runBeside(actor, body);
        QVERIFY2(text.contains(QStringLiteral("runs already")), qPrintable(text));
    }

    void aRunThatIsCancelledLeavesTheMessagesThatHaveNotStarted()
    {
        int ended = 0;
        const auto handler = [&](int) -> Task<> {
            co_await sleepForever();
            ++ended;
        };
        ActorCore<int> actor(handler);
        for (int i = 1; i <= 3; ++i)
            actor.submit(i);
        CancelScope scope;
        bool ranToItsEnd = true;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto work = [&]() -> Task<> {
                const auto region = [&]() -> Task<> { co_await actor.run(); };
                ranToItsEnd = co_await scope.run(region);
            };
            group.startSoon(work);
            co_await turns(3);
            scope.cancel();
        };
        run(withTaskGroup(body));
        QVERIFY(!ranToItsEnd);
        QCOMPARE(ended, 0);
        QCOMPARE(actor.drainNowait(), (std::vector<int>{2, 3}));
    }

    void anActorMayBeDestroyedWhileItRuns()
    {
        std::vector<int> handled;
        const auto handler = [&](int item) -> Task<> {
            co_await turns(2);
            handled.push_back(item);
        };
        auto actor = std::make_unique<ActorCore<int>>(handler);
        actor->submit(1);
        actor->submit(2);
        const auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon([&]() -> Task<> { return actor->run(); });
            co_await checkpoint();
            actor.reset(); // nobody can submit any more, so run() ends after what is queued
        };
        run(withTaskGroup(body));
        QCOMPARE(handled, (std::vector<int>{1, 2}));
    }

    void aMailboxOutlivesItsActor()
    {
        const Mailbox<int> mailbox;
        std::vector<int> handled;
        {
            ActorCore<int> actor([&](int item) { handled.push_back(item); }, mailbox);
            mailbox.submit(1);
            actor.submit(2);
            const auto body = [&]() -> Task<> {
                co_await turns(3);
                mailbox.fail(std::make_exception_ptr(std::out_of_range("enough")));
            };
            QVERIFY(throws<std::out_of_range>([&] { runBeside(actor, body); }));
        }
        QCOMPARE(handled, (std::vector<int>{1, 2}));
        QCOMPARE(mailbox.stats().received, 2U);
    }

    // B162
    void whatReleasesLetsTheNextMessageStart()
    {
        QStringList log;
        const auto handler = [&](int item, Release release) -> Task<> {
            log += QStringLiteral("start %1").arg(item);
            if (item == 1) {
                release();
                co_await sleep(20ms);
            } else {
                co_await turns(2);
            }
            log += QStringLiteral("end %1").arg(item);
        };
        ActorCore<int> actor(handler, Concurrent::Yes);
        for (int i = 1; i <= 3; ++i)
            actor.submit(i);
        actor.close();
        run(actor.run());
        QCOMPARE(log.join(u','), QStringLiteral("start 1,start 2,end 2,start 3,end 3,end 1"));
    }

    // B163
    void handlersThatNeverReleaseRunOneAfterTheOther()
    {
        QStringList log;
        const auto handler = [&](int item, Release) -> Task<> {
            log += QStringLiteral("start %1").arg(item);
            co_await turns(3);
            log += QStringLiteral("end %1").arg(item);
        };
        ActorCore<int> actor(handler, Mailbox<int>(), Concurrent::Yes);
        actor.submit(1);
        actor.submit(2);
        actor.close();
        run(actor.run());
        QCOMPARE(log.join(u','), QStringLiteral("start 1,end 1,start 2,end 2"));
    }

    // B163
    void releasingTwiceOrLateOrFromAnotherThreadIsHarmless()
    {
        std::vector<Release> kept;
        int running = 0;
        int most = 0;
        const auto handler = [&](int item, Release release) -> Task<> {
            most = std::max(most, ++running);
            for (const Release &old : kept)
                old(); // not theirs any more
            kept.push_back(release);
            if (item == 1) {
                const auto elsewhere = [&] {
                    release();
                    release();
                };
                std::thread(elsewhere).join();
            }
            co_await turns(5);
            --running;
        };
        ActorCore<int> actor(handler, Concurrent::Yes);
        for (int i = 1; i <= 4; ++i)
            actor.submit(i);
        actor.close();
        run(actor.run());
        QCOMPARE(most, 2);
        for (const Release &release : kept)
            release();
    }

    // B163
    void aPlainFunctionThatNeverSuspendsPassesTheBatonToo()
    {
        std::vector<int> handled;
        const auto handler = [&](int item, const Release &release) {
            release();
            handled.push_back(item);
        };
        ActorCore<int> actor(handler, Concurrent::Yes);
        for (int i = 0; i < 5; ++i)
            actor.submit(i);
        actor.close();
        run(actor.run());
        QCOMPARE(handled, (std::vector<int>{0, 1, 2, 3, 4}));
    }

    // B164
    void aConcurrentHandlersErrorCancelsTheOthers()
    {
        int cleanedUp = 0;
        const auto handler = [&](int item, Release release) -> Task<> {
            release();
            struct CleanUp
            {
                int &count;
                ~CleanUp() { ++count; }
            } cleanUp{cleanedUp};
            if (item == 3)
                throw std::out_of_range("third");
            co_await sleepForever();
        };
        ActorCore<int> actor(handler, Concurrent::Yes);
        for (int i = 1; i <= 4; ++i)
            actor.submit(i);
        std::size_t errors = 0;
        QString text;
        try {
            run(actor.run());
        } catch (const ExceptionGroup &group) {
            errors = group.exceptions().size();
            text = errorText(group.exceptions().front());
        }
        QCOMPARE(errors, 1U);
        QCOMPARE(text, QStringLiteral("third"));
        QVERIFY(cleanedUp >= 3);
        QCOMPARE(quint64(cleanedUp) + actor.drainNowait().size(), 4U);
        QVERIFY(!actor.isClosed());
    }

    // B165
    void aClosedConcurrentActorWaitsForItsHandlers()
    {
        int ended = 0;
        const auto handler = [&](int, Release release) -> Task<> {
            release();
            co_await sleep(5ms);
            ++ended;
        };
        ActorCore<int> actor(handler, Concurrent::Yes);
        for (int i = 0; i < 3; ++i)
            actor.submit(i);
        actor.close();
        run(actor.run());
        QCOMPARE(ended, 3);
        ActorCore<int> failed(handler, Concurrent::Yes);
        failed.submit(1);
        failed.fail(std::make_exception_ptr(std::out_of_range("boom")));
        QVERIFY(throws<std::out_of_range>([&] { run(failed.run()); }));
        QCOMPARE(ended, 4);
    }

    // B165
    void aConcurrentRunThatIsCancelledEndsItsHandlersAndLeavesTheRest()
    {
        QMicroIO::Test::VirtualClock clock; // the deadline passes when the handlers wait, not before they have begun
        clock.setAutojump(0ms);
        clock.install();
        QStringList log;
        const auto handler = [&](int item, Release release) -> Task<> {
            if (item == 1)
                release();
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                log += QString::number(item);
                throw;
            }
        };
        ActorCore<int> actor(handler, Concurrent::Yes);
        for (int i = 1; i <= 4; ++i)
            actor.submit(i);
        bool gotCancelled = false;
        const auto body = [&]() -> Task<> {
            const auto region = [&]() -> Task<> {
                try {
                    co_await actor.run();
                } catch (const Cancelled &) {
                    gotCancelled = true;
                    throw;
                }
            };
            co_await moveOnAfter(5s, region);
        };
        run(body());
        QVERIFY(gotCancelled);
        log.sort();
        QCOMPARE(log.join(u','), QStringLiteral("1,2"));
        QCOMPARE(actor.drainNowait(), (std::vector<int>{3, 4}));
    }

    // B172
    void aStartedMessageIsNotPreemptedAndQueuedOnesAreReordered()
    {
        std::vector<int> handled;
        const auto level = [](int item) { return item; };
        const PriorityMailbox<int, decltype(level)> mailbox(level);
        const auto handler = [&](int item) -> Task<> {
            handled.push_back(item);
            co_await turns(4);
            handled.push_back(-item);
        };
        ActorCore<int> actor(handler, mailbox);
        actor.submit(1);
        const auto body = [&]() -> Task<> {
            co_await turns(3);
            for (const int item : {2, 9, 5})
                mailbox.submit(item);
            actor.close();
        };
        runBeside(actor, body);
        QCOMPARE(handled, (std::vector<int>{1, -1, 9, -9, 5, -5, 2, -2}));
    }

    // B172
    void aFloorCanBeSetWhileAnActorOwnsTheMailbox()
    {
        std::vector<int> handled;
        const auto level = [](int item) { return item; };
        const PriorityMailbox<int, decltype(level)> mailbox(level);
        ActorCore<int> actor([&](int item, Release) { handled.push_back(item); }, mailbox, Concurrent::Yes);
        mailbox.setFloor(5);
        for (const int item : {2, 9, 5})
            actor.submit(item);
        const auto body = [&]() -> Task<> {
            co_await turns(10);
            if (handled != std::vector<int>{9})
                throw Error("the floor did not hold");
            mailbox.setFloor(std::nullopt);
            actor.close();
        };
        runBeside(actor, body);
        QCOMPARE(handled, (std::vector<int>{9, 5, 2}));
    }

    // B158
    void deadLettersOfAnActorCanBeWatched()
    {
        ActorCore<int> actor([](int) { });
        MailboxWatcher watcher(actor);
        quint64 told = 0;
        connect(&watcher, &MailboxWatcher::deadLettersChanged, this, [&](quint64 total) { told = total; });
        actor.close();
        actor.submit(1);
        actor.submit(2);
        QTRY_COMPARE(told, 2U);
    }

    void aServiceWorksOffItsActorAndEndsWithIt()
    {
        struct Summer : LoopServiceThread
        {
            ~Summer() override { stop(), join(); }
            int sum = 0;
            ActorCore<int> actor{[this](int item) { sum += item; }};
            Task<> runAsync() override
            {
                started();
                co_await actor.run();
            }
        } service;
        service.start();
        service.waitStarted();
        for (int i = 1; i <= 1000; ++i)
            service.actor.submit(i);
        service.actor.close();
        QVERIFY(service.join());
        QCOMPARE(service.sum, 500500);
    }
};

QTEST_GUILESS_MAIN(TestActor)
#include "tst_actor.moc"
