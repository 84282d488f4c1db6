// SPDX-License-Identifier: Apache-2.0
#include "channeltesting.h"

#include <qmicroio/channelbroadcast.h>
#include <qmicroio/channelwork.h>

#include <QtTest/QTest>

#include <atomic>
#include <exception>
#include <stdexcept>

// Mistakes that channels of other runtimes have made.

using namespace QMicroIO;
using namespace std::chrono_literals;

class TestChannelTraps : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // Trap 21; B142, B144
    void trap21AnItemIsNotHandedToAReceiverThatIsBeingCancelled()
    {
        auto [sender, receiver] = createWorkChannel<int>();
        int first = 0;
        int second = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            CancelScope scope;
            auto wait = [&]() -> Task<> { first = co_await receiver.receive(); };
            auto inScope = [&]() -> Task<> { co_await scope.run(wait); };
            group.startSoon(inScope);
            co_await settle();
            auto next = [&]() -> Task<> { second = co_await receiver.receive(); };
            group.startSoon(next);
            co_await settle();
            scope.cancel(); // it has not gone on yet
            sender.sendNowait(5);
        };
        run(withTaskGroup(body));
        QCOMPARE(first, 0);
        QCOMPARE(second, 5);
        sender.close();
        receiver.close();
    }

    // Trap 22; B142
    void trap22AnItemTakenBeforeACancellationIsReturned()
    {
        auto [sender, receiver] = createChannel<int>();
        int received = 0;
        bool nextWaitThrew = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            CancelScope scope;
            auto wait = [&]() -> Task<> {
                received = co_await receiver.receive();
                try {
                    co_await checkpoint();
                } catch (const Cancelled &) {
                    nextWaitThrew = true;
                    throw;
                }
            };
            auto inScope = [&]() -> Task<> { co_await scope.run(wait); };
            group.startSoon(inScope);
            co_await settle();
            sender.sendNowait(6); // it is woken, and about to go on
            scope.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(received + int(receiver.drainNowait().size()) * 6, 6);
        QCOMPARE(nextWaitThrew, received == 6);
        sender.close();
    }

    // Trap 23; B141, B144
    void trap23ACancelledWaiterStandsInNobodysWayAndPassesOnWhatItWasWokenFor()
    {
        auto [sender, receiver] = createChannel<int>({QString(), LateSend::Throw, 1});
        auto [workSender, workReceiver] = createWorkChannel<int>();
        bool sent = false;
        int worked = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            sender.sendNowait(1);
            CancelScope scope;
            auto region = [&](TaskGroup &waiting) -> Task<> {
                auto send = [&]() -> Task<> { co_await sender.send(2); };
                auto receive = [&]() -> Task<> { co_await workReceiver.receive(); };
                waiting.startSoon(send);
                waiting.startSoon(receive);
                co_return;
            };
            auto inGroup = [&]() -> Task<> { co_await withTaskGroup(region); };
            auto inScope = [&]() -> Task<> { co_await scope.run(inGroup); };
            group.startSoon(inScope);
            co_await settle();
            auto sendBehind = [&]() -> Task<> { sent = co_await sender.send(3); };
            auto receiveBehind = [&]() -> Task<> { worked = co_await workReceiver.receive(); };
            group.startSoon(sendBehind);
            group.startSoon(receiveBehind);
            co_await settle();
            scope.cancel();
            receiver.receiveNowait();
            workSender.sendNowait(4);
        };
        run(withTaskGroup(body));
        QVERIFY(sent);
        QCOMPARE(worked, 4);
        QCOMPARE(receiver.drainNowait(), (std::vector<int>{3}));
        sender.close();
        workSender.close();
        workReceiver.close();
    }

    // Trap 23; B141
    void trap23ACancelledReceiveLeavesTheItemToOthersBeforeItGoesOn()
    {
        auto [sender, receiver] = createChannel<int>();
        std::vector<int> drained;
        int received = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            CancelScope scope;
            auto wait = [&]() -> Task<> { co_await receiver.receive(); };
            auto inScope = [&]() -> Task<> { co_await scope.run(wait); };
            group.startSoon(inScope);
            co_await settle();
            scope.cancel();
            sender.sendNowait(1);
            drained = receiver.drainNowait();
            sender.sendNowait(2);
            received = co_await receiver.receive();
        };
        run(withTaskGroup(body));
        QCOMPARE(drained, (std::vector<int>{1}));
        QCOMPARE(received, 2);
        sender.close();
    }

    // Trap 24; B153
    void trap24WhatAWaiterWasWokenForIsNotStolen()
    {
        auto [sender, receiver] = createChannel<int>({QString(), LateSend::Throw, 1});
        int received = 0;
        bool sent = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto receive = [&]() -> Task<> { received = co_await receiver.receive(); };
            group.startSoon(receive);
            co_await settle();
            sender.sendNowait(1);
            if (!throws<WouldBlock>([&] { receiver.receiveNowait(); }) || !receiver.drainNowait().empty())
                throw Error("the item was stolen");
            co_await settle();
            sender.sendNowait(2);
            auto send = [&]() -> Task<> { sent = co_await sender.send(3); };
            group.startSoon(send);
            co_await settle();
            receiver.receiveNowait();
            if (!throws<WouldBlock>([&] { sender.sendNowait(4); }))
                throw Error("the place was stolen");
        };
        run(withTaskGroup(body));
        QCOMPARE(received, 1);
        QVERIFY(sent);
        QCOMPARE(receiver.drainNowait(), (std::vector<int>{3}));
        sender.close();
    }

    // Trap 25; B138
    void trap25NullZeroAndErrorsAreItemsLikeAnyOther()
    {
        const auto error = std::make_exception_ptr(std::runtime_error("only data"));
        for (const qsizetype capacity : {Unbounded, qsizetype(0), qsizetype(2)}) {
            auto [sender, receiver] = createChannel<std::exception_ptr>({QString(), LateSend::Throw, capacity});
            std::vector<std::exception_ptr> received;
            auto body = [&](TaskGroup &group) -> Task<> {
                auto send = [&]() -> Task<> {
                    co_await sender.send(nullptr);
                    co_await sender.send(error);
                    co_await sender.send(nullptr);
                    sender.close();
                };
                group.startSoon(send);
                while (auto item = co_await receiver.next())
                    received.push_back(*item);
            };
            run(withTaskGroup(body));
            QCOMPARE(received.size(), 3u);
            QVERIFY(!received[0]);
            QVERIFY(received[1] == error);
            QVERIFY(!received[2]);
        }
    }

    // Trap 26; B139
    void trap26NoCloseOvertakesAnAcceptedItem_data()
    {
        QTest::addColumn<qsizetype>("capacity");
        QTest::newRow("unbounded") << Unbounded;
        QTest::newRow("bounded") << qsizetype(3);
        QTest::newRow("rendezvous") << qsizetype(0);
    }
    void trap26NoCloseOvertakesAnAcceptedItem()
    {
        QFETCH(qsizetype, capacity);
        RunningLoop loop(QStringLiteral("consumer"));
        for (int round = 0; round < 50; ++round) {
            auto [sender, receiver] = createChannel<int>({QString(), LateSend::Drop, capacity});
            auto count = [&]() -> Task<int> {
                int items = 0;
                while (auto item = co_await receiver.next())
                    ++items;
                co_return items;
            };
            QFuture<int> delivered = loop->submit(count);
            std::atomic<int> accepted{0};
            std::thread producer([&, tx = sender]() mutable {
                while (tx.sendBlocking(1))
                    ++accepted;
            });
            awaitCondition([&] { return accepted > round % 5; });
            sender.close();
            producer.join();
            QCOMPARE(delivered.result(), accepted.load());
        }
    }

    // Trap 27; B135
    void trap27WakeUpsAreNoItems()
    {
        auto [sender, receiver] = createChannel<int>();
        RunningLoop loop(QStringLiteral("consumer"));
        auto consume = [&]() -> Task<> {
            while (auto item = co_await receiver.next()) { }
        };
        QFuture<void> done = loop->submit(consume);
        for (int i = 0; i < 50; ++i) {
            awaitCondition([&] { return sender.stats().parkedReceivers == 1; });
            QCOMPARE(sender.stats().queued, 0);
            sender.sendNowait(i);
        }
        sender.close();
        done.waitForFinished();
        const ChannelStats stats = sender.stats();
        QCOMPARE(stats.sent, 50u);
        QCOMPARE(stats.received, 50u);
        QCOMPARE(stats.dropped, 0u);
    }

    // Trap 28; B130, B131
    void trap28IteratingEndsCleanlyWhileOthersClose()
    {
        auto [sender, receiver] = createChannel<int>();
        auto [workSender, workReceiver] = createWorkChannel<int>();
        auto news = createBroadcast<int>();
        auto listener = news.subscribe();
        int items = 0;
        int ends = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto iterate = [&]() -> Task<> {
                while (auto item = co_await receiver.next()) {
                    ++items;
                    receiver.close(); // from inside, too
                }
                ++ends;
            };
            auto iterateWork = [&]() -> Task<> {
                while (auto item = co_await workReceiver.next())
                    ++items;
                ++ends;
            };
            auto iterateNews = [&]() -> Task<> {
                while (auto item = co_await listener.next())
                    ++items;
                ++ends;
            };
            group.startSoon(iterate);
            group.startSoon(iterateWork);
            group.startSoon(iterateNews);
            co_await settle();
            sender.sendNowait(1);
            workSender.sendNowait(2);
            workSender.close();
            news.sendNowait(3);
            news.close();
        };
        run(withTaskGroup(body));
        QCOMPARE(items, 3);
        QCOMPARE(ends, 3);
        workReceiver.close();
    }
};

QTEST_GUILESS_MAIN(TestChannelTraps)
#include "tst_channeltraps.moc"
