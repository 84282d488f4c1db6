// SPDX-License-Identifier: Apache-2.0
#include "channeltesting.h"

#include <qmicroio/channelwork.h>

#include <QtTest/QTest>

#include <algorithm>
#include <atomic>
#include <stdexcept>

using namespace QMicroIO;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<WorkReceiver<int>>);
static_assert(std::is_nothrow_move_constructible_v<WorkReceiver<std::unique_ptr<int>>>);

namespace {

struct Receiving
{
    int item = 0;
    QString outcome = QStringLiteral("not yet");
    Task<> run(WorkReceiver<int> &receiver)
    {
        try {
            item = co_await receiver.receive();
            outcome = QStringLiteral("received");
        } catch (const EndOfStream &) {
            outcome = QStringLiteral("end");
        } catch (const ClosedResourceError &) {
            outcome = QStringLiteral("closed");
        } catch (const std::exception &error) {
            outcome = QString::fromUtf8(error.what());
        } catch (const Cancelled &) {
            outcome = QStringLiteral("cancelled");
            throw;
        }
    }
};

void receiveIn(TaskGroup &group, Receiving &receiving, WorkReceiver<int> &receiver)
{
    group.startSoon(&Receiving::run, &receiving, std::ref(receiver));
}

} // namespace

class TestChannelWork : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B152
    void fiveReceiversShareTheItemsFirstComeFirstServed()
    {
        auto [sender, first] = createWorkChannel<int>();
        std::vector<WorkReceiver<int>> receivers;
        receivers.push_back(std::move(first));
        for (int i = 1; i < 5; ++i)
            receivers.push_back(receivers.front().clone());
        std::vector<std::vector<int>> received(5);
        std::vector<int> firstOnes;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto worker = [&](std::size_t number) -> Task<> {
                while (auto item = co_await receivers[number].next()) {
                    if (received[number].empty())
                        firstOnes.push_back(*item);
                    received[number].push_back(*item);
                    co_await checkpoint(); // lets the others come to the front of the queue
                }
            };
            for (std::size_t i = 0; i < 5; ++i)
                group.startSoon(worker, i);
            co_await settle();
            for (int item = 0; item < 10; ++item)
                sender.sendNowait(item);
            sender.close();
        };
        run(withTaskGroup(body));
        std::vector<int> all;
        for (const std::vector<int> &items : received) {
            QVERIFY(!items.empty());
            all.insert(all.end(), items.begin(), items.end());
        }
        std::sort(all.begin(), all.end());
        QCOMPARE(all, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
        QCOMPARE(firstOnes, (std::vector<int>{0, 1, 2, 3, 4})); // in the order in which they waited
        for (WorkReceiver<int> &receiver : receivers)
            receiver.close();
    }

    // B152
    void everyItemOfFourProducersReachesOneOfThreeLoops()
    {
        constexpr int Producers = 4;
        constexpr int Each = 1500;
        auto [sender, first] = createWorkChannel<int>({QStringLiteral("work"), LateSend::Throw, 16});
        std::vector<std::unique_ptr<RunningLoop>> loops;
        std::vector<WorkReceiver<int>> receivers;
        std::vector<QFuture<std::vector<int>>> results;
        receivers.push_back(std::move(first));
        for (int i = 1; i < 3; ++i)
            receivers.push_back(receivers.front().clone());
        for (std::size_t i = 0; i < 3; ++i) {
            loops.push_back(std::make_unique<RunningLoop>(QStringLiteral("worker %1").arg(i)));
            auto work = [&receiver = receivers[i]]() -> Task<std::vector<int>> {
                std::vector<int> mine;
                while (auto item = co_await receiver.next())
                    mine.push_back(*item);
                co_return mine;
            };
            results.push_back((*loops.back())->submit(work));
        }
        std::vector<std::thread> producers;
        for (int p = 0; p < Producers; ++p) {
            producers.emplace_back([p, tx = sender]() mutable {
                for (int i = 0; i < Each; ++i)
                    tx.sendBlocking(p * Each + i);
            });
        }
        for (std::thread &producer : producers)
            producer.join();
        sender.close();
        std::vector<int> all;
        for (QFuture<std::vector<int>> &result : results) {
            const std::vector<int> mine = result.result();
            all.insert(all.end(), mine.begin(), mine.end());
        }
        std::sort(all.begin(), all.end());
        QCOMPARE(all.size(), std::size_t(Producers * Each));
        for (int i = 0; i < Producers * Each; ++i)
            QCOMPARE(all[std::size_t(i)], i);
        QVERIFY(receivers.front().stats().peak <= 16);
        for (WorkReceiver<int> &receiver : receivers)
            receiver.close();
    }

    // B144, trap 21, trap 23
    void anItemForACancelledReceiverGoesToTheNextOne_data()
    {
        QTest::addColumn<bool>("sendFirst");
        QTest::newRow("cancelled, then sent") << false;
        QTest::newRow("sent, then cancelled") << true;
    }
    void anItemForACancelledReceiverGoesToTheNextOne()
    {
        QFETCH(bool, sendFirst);
        auto [sender, receiver] = createWorkChannel<int>();
        Receiving first;
        Receiving second;
        auto body = [&](TaskGroup &group) -> Task<> {
            CancelScope scope;
            auto region = [&]() -> Task<> { co_await first.run(receiver); };
            auto inScope = [&]() -> Task<> { co_await scope.run(region); };
            group.startSoon(inScope);
            co_await settle();
            receiveIn(group, second, receiver);
            co_await settle();
            if (sendFirst)
                sender.sendNowait(5);
            scope.cancel();
            if (!sendFirst)
                sender.sendNowait(5);
            co_await settle();
            if (first.item + second.item != 5)
                throw Error("the item was lost");
            sender.close();
        };
        run(withTaskGroup(body));
        if (!sendFirst) {
            QCOMPARE(first.outcome, QStringLiteral("cancelled"));
            QCOMPARE(second.item, 5);
        }
        receiver.close();
    }

    // B142, B144
    void aReceiverCancelledFromAnotherThreadPassesItsItemOn()
    {
        auto [sender, receiver] = createWorkChannel<int>();
        auto spare = receiver.clone();
        RunningLoop loop(QStringLiteral("cancelled"));
        RunningLoop otherLoop(QStringLiteral("other"));
        std::atomic<int> received{0};
        auto takeAll = [&]() -> Task<> {
            while (auto item = co_await spare.next())
                ++received;
        };
        QFuture<void> others;
        constexpr int Rounds = 200;
        for (int round = 0; round < Rounds; ++round) {
            CancelScope scope;
            auto consume = [&]() -> Task<> {
                auto wait = [&]() -> Task<> {
                    co_await receiver.receive();
                    ++received;
                };
                co_await scope.run(wait);
            };
            QFuture<void> done = loop->submit(consume);
            awaitCondition([&] { return sender.stats().parkedReceivers >= 1; });
            if (round == 0)
                others = otherLoop->submit(takeAll);
            std::thread canceller([&] { scope.cancel(); });
            sender.sendNowait(1);
            canceller.join();
            done.waitForFinished();
            awaitCondition([&] { return received == round + 1; });
        }
        sender.close();
        others.waitForFinished();
        QCOMPARE(received.load(), Rounds);
        receiver.close();
        spare.close();
    }

    // B150
    void theChannelEndsWithItsLastReceivingEnd()
    {
        auto [sender, first] = createWorkChannel<int>();
        auto second = first.clone();
        QCOMPARE(sender.stats().openReceivers, 2);
        QVERIFY(first.close());
        QVERIFY(!first.close());
        QVERIFY(sender.sendNowait(1));
        QVERIFY(throws<ClosedResourceError>([&] { static_cast<void>(first.clone()); }));
        QVERIFY(throws<ClosedResourceError>([&] { first.receiveNowait(); }));
        QVERIFY(first.drainNowait().empty());
        QCOMPARE(second.receiveNowait(), 1);
        QVERIFY(second.close());
        QVERIFY(sender.isClosed());
        QVERIFY(throws<BrokenResourceError>([&] { sender.sendNowait(2); }));
    }

    // B149, B151
    void closingOneReceivingEndFailsItsOwnReceiveOnly()
    {
        auto [sender, first] = createWorkChannel<int>();
        auto second = first.clone();
        Receiving ofFirst;
        Receiving ofSecond;
        auto body = [&](TaskGroup &group) -> Task<> {
            receiveIn(group, ofFirst, first);
            receiveIn(group, ofSecond, second);
            co_await settle();
            first.close();
            co_await settle();
            sender.sendNowait(3);
        };
        run(withTaskGroup(body));
        QCOMPARE(ofFirst.outcome, QStringLiteral("closed"));
        QCOMPARE(ofSecond.item, 3);
        sender.close();
        second.close();
    }

    // B153, trap 24
    void anItemBelongsToTheReceiverThatWaitedForIt()
    {
        auto [sender, receiver] = createWorkChannel<int>();
        auto other = receiver.clone();
        Receiving waiting;
        bool refused = false;
        int taken = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            receiveIn(group, waiting, receiver);
            co_await settle();
            sender.sendNowait(4);
            refused = throws<WouldBlock>([&] { other.receiveNowait(); }) && other.drainNowait().empty();
            sender.sendNowait(5);
            taken = other.receiveNowait(); // one of the two is reserved, it does not matter which
            refused = refused && throws<WouldBlock>([&] { other.receiveNowait(); });
        };
        run(withTaskGroup(body));
        QVERIFY(refused);
        QCOMPARE(waiting.item + taken, 9);
        QCOMPARE(sender.stats().received, 2u);
        sender.close();
        receiver.close();
        other.close();
    }

    // B130, B132
    void theEndComesAfterTheLastItemForEveryReceiver()
    {
        auto [sender, receiver] = createWorkChannel<int>();
        Receiving first;
        Receiving second;
        Receiving third;
        auto body = [&](TaskGroup &group) -> Task<> {
            receiveIn(group, first, receiver);
            receiveIn(group, second, receiver);
            co_await settle();
            sender.sendNowait(1);
            sender.fail(std::make_exception_ptr(std::out_of_range("late")));
            receiveIn(group, third, receiver);
            co_await settle();
        };
        run(withTaskGroup(body));
        QCOMPARE(first.item, 1);
        QCOMPARE(second.outcome, QStringLiteral("late"));
        QCOMPARE(third.outcome, QStringLiteral("late"));
        receiver.close();
    }

    // An item that is reserved may come back, so nobody may take the channel for finished before it is received.
    void anItemThatComesBackAfterTheEndIsStillReceived()
    {
        RunningLoop loop(QStringLiteral("cancelled"));
        for (int round = 0; round < 200; ++round) {
            auto made = createWorkChannel<int>();
            CancelScope scope;
            std::atomic<int> got{0};
            std::atomic<int> ended{0};
            auto wait = [&]() -> Task<> {
                co_await made.receiver.receive();
                ++got;
            };
            auto consume = [&]() -> Task<> { co_await scope.run(wait); };
            QFuture<void> done = loop->submit(consume);
            awaitCondition([&] { return made.sender.stats().parkedReceivers == 1; });
            auto second = made.receiver.clone();
            auto takeAll = [&]() -> Task<> {
                while (auto item = co_await second.next())
                    ++got;
                ++ended;
            };
            QFuture<void> rest = loop->submit(takeAll);
            std::thread canceller([&] { scope.cancel(); });
            made.sender.sendNowait(1);
            made.sender.close();
            canceller.join();
            done.waitForFinished();
            rest.waitForFinished();
            QCOMPARE(got.load(), 1);
            QCOMPARE(ended.load(), 1);
            made.receiver.close();
            second.close();
        }
    }

    // B126
    void bindingAnEndToASecondLoopIsMisuse()
    {
        auto [sender, receiver] = createWorkChannel<int>();
        receiver.bind();
        receiver.bind();
        auto other = receiver.clone();
        RunningLoop loop(QStringLiteral("other"));
        QVERIFY(throws<LogicError>([&] { loop->callSync([&] { receiver.bind(); }); }));
        loop->callSync([&] { other.bind(); });
        sender.close();
        receiver.close();
        other.close();
    }

    // B134
    void anEndWhoseLoopHasEndedLeavesTheWorkToTheOthers()
    {
        auto [sender, first] = createWorkChannel<int>();
        auto second = first.clone();
        {
            RunningLoop loop(QStringLiteral("short-lived"));
            loop->callSync([&] { first.bind(); });
        }
        QVERIFY(first.isClosed());
        QVERIFY(sender.sendNowait(1));
        QCOMPARE(second.receiveNowait(), 1);
        {
            RunningLoop loop(QStringLiteral("short-lived too"));
            loop->callSync([&] { second.bind(); });
        }
        QVERIFY(throws<BrokenResourceError>([&] { sender.sendNowait(2); }));
    }

    // B156
    void anEndDestroyedUnclosedClosesItselfWithAWarning()
    {
        auto [sender, first] = createWorkChannel<int>({QStringLiteral("work")});
        QTest::ignoreMessage(QtWarningMsg, "a receiver of channel 'work' was destroyed without close()");
        {
            const auto second = first.clone();
        }
        QCOMPARE(sender.stats().openReceivers, 1);
        sender.sendNowait(1);
        QTest::ignoreMessage(QtWarningMsg,
                             "the last receiver of channel 'work' was destroyed without close(); 1 accepted items were "
                             "never received, senders get BrokenResourceError now");
        {
            const WorkReceiver<int> last = std::move(first);
        }
        QVERIFY(throws<BrokenResourceError>([&] { sender.sendNowait(2); }));
        QVERIFY(throws<LogicError>([&] { first.receiveNowait(); }));
    }

    // B147
    void aRendezvousWithSeveralReceivers()
    {
        auto [sender, receiver] = createWorkChannel<int>({QString(), LateSend::Throw, 0});
        Receiving first;
        Receiving second;
        bool refused = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            receiveIn(group, first, receiver);
            receiveIn(group, second, receiver);
            co_await settle();
            sender.sendNowait(1);
            sender.sendNowait(2);
            refused = throws<WouldBlock>([&] { sender.sendNowait(3); });
        };
        run(withTaskGroup(body));
        QVERIFY(refused);
        QCOMPARE(first.item + second.item, 3);
        sender.close();
        receiver.close();
    }

    // B146
    void itemsThatAreReservedTakeUpTheirPlaces()
    {
        auto [sender, receiver] = createWorkChannel<int>({QString(), LateSend::Throw, 1});
        Receiving first;
        Receiving second;
        bool sent = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            receiveIn(group, first, receiver);
            co_await settle();
            sender.sendNowait(1); // the first one was woken for it
            auto send = [&]() -> Task<> { sent = co_await sender.send(2); };
            group.startSoon(send);
            receiveIn(group, second, receiver);
        };
        run(withTaskGroup(body));
        QVERIFY(sent);
        QCOMPARE(first.item + second.item, 3);
        QCOMPARE(sender.stats().peak, 1);
        sender.close();
        receiver.close();
    }

    void anItemWhoseMoveThrowsStaysForTheNextReceiver()
    {
        auto [sender, receiver] = createWorkChannel<Fragile>();
        int fuse = 1000;
        int failures = 0;
        int received = 0;
        sender.sendNowait(Fragile(8, &fuse));
        sender.close();
        fuse = 0;
        auto body = [&]() -> Task<> {
            try {
                co_await receiver.receive();
            } catch (const std::runtime_error &) {
                ++failures;
            }
            fuse = 1000;
            const Fragile item = co_await receiver.receive();
            received = item.number();
        };
        run(body());
        QCOMPARE(failures, 1);
        QCOMPARE(received, 8);
        QCOMPARE(receiver.stats().received, 1u);
        receiver.close();
    }

    void blockingTheOnlyLoopThatReceivesIsMisuse()
    {
        auto [sender, receiver] = createWorkChannel<int>({QString(), LateSend::Throw, 1});
        RunningLoop loop(QStringLiteral("worker"));
        sender.sendNowait(1);
        bool refused = false;
        loop->callSync([&] {
            receiver.bind();
            refused = throws<LogicError>([&] { sender.sendBlocking(2); });
        });
        QVERIFY(refused);
        sender.close();
        receiver.close();
    }
};

QTEST_GUILESS_MAIN(TestChannelWork)
#include "tst_channelwork.moc"
