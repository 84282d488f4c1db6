// SPDX-License-Identifier: Apache-2.0
#include "channeltesting.h"

#include <QtTest/QTest>

#include <QtCore/QSemaphore>
#include <QtCore/QThread>

#include <atomic>
#include <chrono>
#include <stdexcept>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

ChannelOptions bounded(qsizetype capacity, Overflow overflow = Overflow::Wait, LateSend late = LateSend::Throw)
{
    return {QStringLiteral("narrow"), late, capacity, overflow};
}

// A send of its own task, and how it ended.
struct Sending
{
    QString outcome = QStringLiteral("not yet");
    template<class T>
    Task<> run(ChannelSender<T> sender, T item)
    {
        try {
            const bool accepted = co_await sender.send(std::move(item));
            outcome = accepted ? QStringLiteral("sent") : QStringLiteral("dropped");
        } catch (const ClosedResourceError &) {
            outcome = QStringLiteral("closed");
        } catch (const BrokenResourceError &) {
            outcome = QStringLiteral("broken");
        } catch (const std::runtime_error &error) {
            outcome = QString::fromUtf8(error.what());
        } catch (const Cancelled &) {
            outcome = QStringLiteral("cancelled");
            throw;
        }
    }
};

} // namespace

class TestChannelBounded : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B146
    void aFullChannelRefusesSendsThatDoNotWait()
    {
        auto [sender, receiver] = createChannel<int>(bounded(2));
        QVERIFY(sender.sendNowait(1));
        QVERIFY(sender.sendNowait(2));
        QVERIFY(throws<WouldBlock>([&] { sender.sendNowait(3); }));
        QCOMPARE(sender.stats().sent, 2u);
        QCOMPARE(sender.stats().dropped, 0u);
        QCOMPARE(receiver.receiveNowait(), 1);
        QVERIFY(sender.sendNowait(4));
        QCOMPARE(receiver.drainNowait(), (std::vector<int>{2, 4}));
        sender.close();
    }

    // B146
    void aSendWaitsForRoomAndTheOrderIsKept()
    {
        auto [sender, receiver] = createChannel<int>(bounded(2));
        Sending third;
        Sending fourth;
        QString before;
        std::vector<int> received;
        auto body = [&](TaskGroup &group) -> Task<> {
            sender.sendNowait(1);
            sender.sendNowait(2);
            group.startSoon(&Sending::run<int>, &third, sender, 3);
            group.startSoon(&Sending::run<int>, &fourth, sender, 4);
            co_await settle();
            before = third.outcome;
            received.push_back(co_await receiver.receive());
            co_await settle();
            if (third.outcome != QStringLiteral("sent") || fourth.outcome != QStringLiteral("not yet"))
                throw Error("a freed place has to go to the send that waits longest");
            for (int i = 0; i < 3; ++i)
                received.push_back(co_await receiver.receive());
        };
        run(withTaskGroup(body));
        QCOMPARE(before, QStringLiteral("not yet"));
        QCOMPARE(fourth.outcome, QStringLiteral("sent"));
        QCOMPARE(received, (std::vector<int>{1, 2, 3, 4}));
        sender.close();
    }

    // B146
    void badOptionsAreRefused()
    {
        QVERIFY(throws<std::invalid_argument>([] { createChannel<int>(bounded(-2)); }));
        QVERIFY(throws<std::invalid_argument>([] { createChannel<int>(bounded(-1000)); }));
        QVERIFY(throws<std::invalid_argument>([] { createChannel<int>(bounded(1, Overflow(9))); }));
        auto unbounded = createChannel<int>(bounded(Unbounded));
        for (int i = 0; i < 5000; ++i)
            QVERIFY(unbounded.sender.sendNowait(i));
        unbounded.sender.close();
    }

    // B147
    void aRendezvousAcceptsAnItemOnlyForAReceiveThatWaits()
    {
        auto [sender, receiver] = createChannel<int>(bounded(0));
        QVERIFY(throws<WouldBlock>([&] { sender.sendNowait(1); }));
        int got = 0;
        bool refusedTheSecond = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto consumer = [&]() -> Task<> { got = co_await receiver.receive(); };
            group.startSoon(consumer);
            co_await settle();
            sender.sendNowait(7);
            refusedTheSecond = throws<WouldBlock>([&] { sender.sendNowait(8); });
        };
        run(withTaskGroup(body));
        QCOMPARE(got, 7);
        QVERIFY(refusedTheSecond);
        sender.close();
    }

    // B147
    void aRendezvousTakesTheItemOfASendThatWaits_data()
    {
        QTest::addColumn<int>("how");
        QTest::newRow("receive") << 0;
        QTest::newRow("receiveNowait") << 1;
        QTest::newRow("drainNowait") << 2;
    }
    void aRendezvousTakesTheItemOfASendThatWaits()
    {
        QFETCH(int, how);
        auto [sender, receiver] = createChannel<int>(bounded(0));
        Sending first;
        Sending second;
        std::vector<int> received;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(&Sending::run<int>, &first, sender, 1);
            group.startSoon(&Sending::run<int>, &second, sender, 2);
            co_await settle();
            if (first.outcome != QStringLiteral("not yet") || sender.stats().parkedSenders != 2)
                throw Error("nobody was there to take the item");
            if (how == 0) {
                received.push_back(co_await receiver.receive());
                received.push_back(co_await receiver.receive());
            } else if (how == 1) {
                received.push_back(receiver.receiveNowait());
                received.push_back(receiver.receiveNowait());
            } else {
                received = receiver.drainNowait();
            }
        };
        run(withTaskGroup(body));
        QCOMPARE(received, (std::vector<int>{1, 2}));
        QCOMPARE(first.outcome, QStringLiteral("sent"));
        QCOMPARE(second.outcome, QStringLiteral("sent"));
        QCOMPARE(sender.stats().queued, 0);
        sender.close();
    }

    // B148
    void aReceiveThatDoesNotWaitTellsWhyThereIsNothing()
    {
        {
            auto [sender, receiver] = createChannel<int>(bounded(3));
            QVERIFY(throws<WouldBlock>([&] { receiver.receiveNowait(); }));
            sender.sendNowait(1);
            sender.close();
            QCOMPARE(receiver.receiveNowait(), 1);
            QVERIFY(throws<EndOfStream>([&] { receiver.receiveNowait(); }));
        }
        {
            auto [sender, receiver] = createChannel<int>();
            sender.sendNowait(2);
            receiver.close();
            QCOMPARE(receiver.receiveNowait(), 2);
            QVERIFY(throws<ClosedResourceError>([&] { receiver.receiveNowait(); }));
        }
        {
            auto [sender, receiver] = createChannel<int>();
            sender.fail(std::make_exception_ptr(std::out_of_range("late")));
            QVERIFY(throws<std::out_of_range>([&] { receiver.receiveNowait(); }));
        }
    }

    // B149
    void closingEitherEndEndsASendThatWaits_data()
    {
        QTest::addColumn<int>("how");
        QTest::addColumn<QString>("outcome");
        QTest::addColumn<bool>("drop");
        QTest::newRow("receiver closes") << 0 << QStringLiteral("broken") << false;
        QTest::newRow("receiver fails") << 1 << QStringLiteral("broken") << false;
        QTest::newRow("sender closes") << 2 << QStringLiteral("closed") << false;
        QTest::newRow("sender fails") << 3 << QStringLiteral("closed") << false;
        QTest::newRow("receiver closes, late sends drop") << 0 << QStringLiteral("dropped") << true;
        QTest::newRow("sender closes, late sends drop") << 2 << QStringLiteral("dropped") << true;
    }
    void closingEitherEndEndsASendThatWaits()
    {
        QFETCH(int, how);
        QFETCH(QString, outcome);
        QFETCH(bool, drop);
        auto [sender, receiver] =
            createChannel<int>(bounded(1, Overflow::Wait, drop ? LateSend::Drop : LateSend::Throw));
        const auto boom = std::make_exception_ptr(std::runtime_error("boom"));
        Sending waiting;
        auto body = [&](TaskGroup &group) -> Task<> {
            sender.sendNowait(1);
            group.startSoon(&Sending::run<int>, &waiting, sender, 2);
            co_await settle();
            if (how == 0)
                receiver.close();
            else if (how == 1)
                receiver.fail(boom);
            else if (how == 2)
                sender.close();
            else
                sender.fail(boom);
        };
        run(withTaskGroup(body));
        QCOMPARE(waiting.outcome, outcome);
        QCOMPARE(sender.stats().dropped, 1u);
        QCOMPARE(sender.stats().parkedSenders, 0);
        for (int i = 0; i < 2; ++i) { // and it stays like that
            if (drop)
                QVERIFY(!sender.sendNowait(3));
            else if (how < 2)
                QVERIFY(throws<BrokenResourceError>([&] { sender.sendNowait(3); }));
            else
                QVERIFY(throws<ClosedResourceError>([&] { sender.sendNowait(3); }));
        }
        QCOMPARE(receiver.drainNowait(), (std::vector<int>{1}));
    }

    // B150
    void theChannelEndsWithItsLastSendingEnd()
    {
        auto [first, receiver] = createChannel<int>();
        auto second = first.clone();
        auto third = second.clone();
        QCOMPARE(receiver.stats().openSenders, 3);
        QVERIFY(first.close());
        QVERIFY(!first.close());
        QVERIFY(second.close());
        QVERIFY(throws<ClosedResourceError>([&] { second.sendNowait(1); }));
        QVERIFY(!third.isClosed());
        QVERIFY(third.sendNowait(2));
        QVERIFY(throws<ClosedResourceError>([&] { static_cast<void>(first.clone()); }));
        QVERIFY(third.close());
        QCOMPARE(receiver.stats().openSenders, 0);
        QCOMPARE(receiver.receiveNowait(), 2);
        QVERIFY(throws<EndOfStream>([&] { receiver.receiveNowait(); }));
    }

    // B151
    void closingOneSendingEndFailsItsOwnSendOnly()
    {
        auto [first, receiver] = createChannel<int>(bounded(1));
        auto second = first.clone();
        Sending ofFirst;
        Sending ofSecond;
        std::vector<int> received;
        auto body = [&](TaskGroup &group) -> Task<> {
            first.sendNowait(0);
            group.startSoon(&Sending::run<int>, &ofFirst, first, 1);
            group.startSoon(&Sending::run<int>, &ofSecond, second, 2);
            co_await settle();
            first.close();
            received.push_back(co_await receiver.receive());
            received.push_back(co_await receiver.receive());
        };
        run(withTaskGroup(body));
        QCOMPARE(ofFirst.outcome, QStringLiteral("closed"));
        QCOMPARE(ofSecond.outcome, QStringLiteral("sent"));
        QCOMPARE(received, (std::vector<int>{0, 2}));
        second.close();
    }

    // B145, trap 23
    void aCancelledSendIsNotDeliveredAndStandsInNobodysWay()
    {
        auto [sender, receiver] = createChannel<int>(bounded(1));
        Sending cancelled;
        Sending behind;
        std::vector<int> received;
        qsizetype parked = -1;
        auto body = [&](TaskGroup &group) -> Task<> {
            sender.sendNowait(1);
            CancelScope scope;
            auto region = [&]() -> Task<> { co_await cancelled.run(sender, 2); };
            auto inScope = [&]() -> Task<> { co_await scope.run(region); };
            group.startSoon(inScope);
            co_await settle();
            group.startSoon(&Sending::run<int>, &behind, sender, 3);
            co_await settle();
            scope.cancel();
            parked = sender.stats().parkedSenders;
            received.push_back(co_await receiver.receive());
            received.push_back(co_await receiver.receive());
            co_await group.untilEmpty();
        };
        run(withTaskGroup(body));
        QCOMPARE(parked, 1);
        QCOMPARE(cancelled.outcome, QStringLiteral("cancelled"));
        QCOMPARE(behind.outcome, QStringLiteral("sent"));
        QCOMPARE(received, (std::vector<int>{1, 3}));
        QCOMPARE(sender.stats().sent, 2u);
        sender.close();
    }

    // B145, B142
    void aSendThatWasAcceptedBeforeItsCancellationIsReportedAsSent()
    {
        auto [sender, receiver] = createChannel<int>(bounded(1));
        Sending waiting;
        bool threwNext = false;
        std::vector<int> received;
        auto body = [&](TaskGroup &group) -> Task<> {
            sender.sendNowait(1);
            CancelScope scope;
            auto region = [&]() -> Task<> {
                co_await waiting.run(sender, 2);
                try {
                    co_await checkpoint();
                } catch (const Cancelled &) {
                    threwNext = true;
                    throw;
                }
            };
            auto inScope = [&]() -> Task<> { co_await scope.run(region); };
            group.startSoon(inScope);
            co_await settle();
            received.push_back(receiver.receiveNowait()); // makes room, which is given to the send at once
            scope.cancel();
            co_await group.untilEmpty();
            received.push_back(receiver.receiveNowait());
        };
        run(withTaskGroup(body));
        QCOMPARE(waiting.outcome, QStringLiteral("sent"));
        QVERIFY(threwNext);
        QCOMPARE(received, (std::vector<int>{1, 2}));
        sender.close();
    }

    // B143, B157
    void aSendIsACancelPointAlsoWhenThereIsRoom()
    {
        auto [sender, receiver] = createChannel<int>(bounded(5));
        CancelScope scope;
        scope.cancel();
        auto body = [&]() -> Task<> {
            auto region = [&]() -> Task<> { co_await sender.send(1); };
            co_await scope.run(region);
        };
        run(body());
        QVERIFY(scope.isCancelledCaught());
        QCOMPARE(sender.stats().sent, 0u);
        sender.close();
    }

    // B157
    void whatDoesNotWaitNeverLetsOthersRun()
    {
        auto [sender, receiver] = createChannel<int>(bounded(100));
        int turns = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto other = [&]() -> Task<> {
                for (;;) {
                    ++turns;
                    co_await checkpoint();
                }
            };
            group.startSoon(other);
            co_await settle();
            const int before = turns;
            for (int i = 0; i < 100; ++i)
                sender.sendNowait(i);
            receiver.receiveNowait();
            receiver.drainNowait();
            sender.close();
            if (turns != before)
                throw Error("another task ran");
            group.cancel();
        };
        run(withTaskGroup(body));
    }

    // B153, trap 24
    void aPlaceThatWasFreedBelongsToTheSendThatWaits()
    {
        auto [sender, receiver] = createChannel<int>(bounded(1));
        Sending waiting;
        bool refused = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            sender.sendNowait(1);
            group.startSoon(&Sending::run<int>, &waiting, sender, 2);
            co_await settle();
            receiver.receiveNowait();
            refused = throws<WouldBlock>([&] { sender.sendNowait(3); });
        };
        run(withTaskGroup(body));
        QVERIFY(refused);
        QCOMPARE(waiting.outcome, QStringLiteral("sent"));
        QCOMPARE(receiver.drainNowait(), (std::vector<int>{2}));
        sender.close();
    }

    // B153
    void anItemBelongsToTheReceiveThatWaitedForIt()
    {
        auto [sender, receiver] = createChannel<int>(bounded(3));
        int got = 0;
        bool refused = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto consumer = [&]() -> Task<> { got = co_await receiver.receive(); };
            group.startSoon(consumer);
            co_await settle();
            sender.sendNowait(6);
            refused = throws<WouldBlock>([&] { receiver.receiveNowait(); }) && receiver.drainNowait().empty();
        };
        run(withTaskGroup(body));
        QVERIFY(refused);
        QCOMPARE(got, 6);
        sender.close();
    }

    // B154, trap 25
    void aSendWithAnEmptyItemIsToldOfTheEndLikeAnyOther()
    {
        auto [sender, receiver] = createChannel<std::unique_ptr<int>>(bounded(0));
        Sending waiting;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto send = [&]() -> Task<> { co_await waiting.run(sender, std::unique_ptr<int>()); };
            group.startSoon(send);
            co_await settle();
            receiver.close();
        };
        run(withTaskGroup(body));
        QCOMPARE(waiting.outcome, QStringLiteral("broken"));
    }

    // B154
    void aSendWhoseItemWasTakenBeforeTheEndIsNoError()
    {
        auto [sender, receiver] = createChannel<std::unique_ptr<int>>(bounded(0));
        Sending waiting;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto send = [&]() -> Task<> { co_await waiting.run(sender, std::unique_ptr<int>()); };
            group.startSoon(send);
            co_await settle();
            if (receiver.receiveNowait())
                throw Error("not what was sent");
            receiver.close(); // before the send goes on
        };
        run(withTaskGroup(body));
        QCOMPARE(waiting.outcome, QStringLiteral("sent"));
    }

    // B155
    void statisticsCountWhoWaitsAndThePeakStays()
    {
        auto [sender, receiver] = createChannel<int>(bounded(3));
        Sending waiting;
        qsizetype parkedSenders = 0;
        qsizetype parkedReceivers = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < 3; ++i)
                sender.sendNowait(i);
            group.startSoon(&Sending::run<int>, &waiting, sender, 3);
            co_await settle();
            parkedSenders = sender.stats().parkedSenders;
            receiver.drainNowait();
            co_await settle();
            auto consumer = [&]() -> Task<> { co_await receiver.receive(); };
            group.startSoon(consumer);
            co_await settle();
            parkedReceivers = sender.stats().parkedReceivers;
            group.cancel();
        };
        run(withTaskGroup(body));
        const ChannelStats stats = receiver.stats();
        QCOMPARE(parkedSenders, 1);
        QCOMPARE(parkedReceivers, 1);
        QCOMPARE(stats.peak, 3);
        QCOMPARE(stats.parkedSenders, 0);
        QCOMPARE(stats.parkedReceivers, 0);
        QCOMPARE(stats.openSenders, 1);
        QCOMPARE(stats.openReceivers, 1);
        sender.close();
        receiver.close();
        QCOMPARE(receiver.stats().openSenders, 0);
        QCOMPARE(receiver.stats().openReceivers, 0);
    }

    // B155
    void thePeakOfAnUnboundedChannelIsExact()
    {
        auto [sender, receiver] = createChannel<int>();
        auto body = [&]() -> Task<> {
            for (int i = 0; i < 3; ++i)
                sender.sendNowait(i);
            co_await receiver.receive(); // two are left in the receiver's hands
            for (int i = 0; i < 4; ++i)
                sender.sendNowait(i);
            if (receiver.stats().peak != 6)
                throw Error("the peak is wrong");
            receiver.drainNowait();
            sender.sendNowait(1);
        };
        run(body());
        QCOMPARE(receiver.stats().peak, 6);
        sender.close();
    }

    // B135
    void whatOverflowsIsCounted()
    {
        {
            auto [sender, receiver] = createChannel<int>(bounded(2, Overflow::DropNewest));
            QVERIFY(sender.sendNowait(1));
            QVERIFY(sender.sendNowait(2));
            QVERIFY(!sender.sendNowait(3));
            QVERIFY(!sender.sendBlocking(4));
            QCOMPARE(sender.stats().sent, 2u);
            QCOMPARE(sender.stats().dropped, 2u);
            QCOMPARE(receiver.drainNowait(), (std::vector<int>{1, 2}));
            sender.close();
        }
        {
            auto [sender, receiver] = createChannel<int>(bounded(2, Overflow::DropOldest));
            for (int i = 1; i <= 5; ++i)
                QVERIFY(sender.sendNowait(i));
            const ChannelStats stats = sender.stats();
            QCOMPARE(stats.sent, 2u);
            QCOMPARE(stats.dropped, 3u);
            QCOMPARE(stats.queued, 2);
            QCOMPARE(receiver.drainNowait(), (std::vector<int>{4, 5}));
            sender.close();
        }
        {
            auto [sender, receiver] = createChannel<int>(bounded(0, Overflow::DropOldest));
            QVERIFY(!sender.sendNowait(1)); // nothing is queued that could make room
            QCOMPARE(sender.stats().dropped, 1u);
            sender.close();
        }
    }

    // A displaced item is destroyed after the lock was released: its destructor may use the channel.
    void aDisplacedItemMayUseItsChannelWhileItIsDestroyed()
    {
        struct Nosy
        {
            explicit Nosy(std::function<void()> looks)
                : look(std::move(looks))
            {
            }
            Nosy(Nosy &&other) noexcept
                : look(std::exchange(other.look, nullptr))
            {
            }
            Nosy(const Nosy &) = delete;
            Nosy &operator=(const Nosy &) = delete;
            Nosy &operator=(Nosy &&) = delete;
            ~Nosy()
            {
                if (look)
                    look();
            }
            std::function<void()> look;
        };
        auto [sender, receiver] = createChannel<Nosy>(bounded(1, Overflow::DropOldest));
        quint64 seen = 0;
        sender.sendNowait(Nosy([&, &tx = sender] { seen = tx.stats().dropped; }));
        sender.sendNowait(Nosy(nullptr));
        QCOMPARE(seen, 1u);
        sender.close();
        receiver.drainNowait();
    }

    void aTaskAndAThreadSendBackwardsAndForwardsWithoutLoss()
    {
        constexpr int Items = 2000;
        auto [sender, receiver] = createChannel<Parcel>(bounded(3));
        RunningLoop consumer(QStringLiteral("consumer"));
        RunningLoop producer(QStringLiteral("producer"));
        auto collect = [&]() -> Task<qint64> {
            qint64 sum = 0;
            while (auto parcel = co_await receiver.next())
                sum += parcel->number();
            co_return sum;
        };
        auto produce = [&]() -> Task<> {
            for (int i = 1; i <= Items; ++i) {
                Parcel parcel(i);
                co_await sender.send(std::move(parcel));
            }
        };
        QFuture<qint64> sum = consumer->submit(collect);
        QFuture<void> produced = producer->submit(produce);
        for (int i = 1; i <= Items; ++i)
            QVERIFY(sender.sendBlocking(Parcel(i)));
        produced.waitForFinished();
        sender.close();
        QCOMPARE(sum.result(), qint64(Items) * (Items + 1));
        QVERIFY(sender.stats().peak <= 3);
    }

    void aBlockingSendWaitsForRoom()
    {
        auto [sender, receiver] = createChannel<int>(bounded(1));
        QVERIFY(sender.sendBlocking(1));
        bool accepted = false;
        std::thread thread([&, tx = sender]() mutable { accepted = tx.sendBlocking(2); });
        awaitCondition([&] { return sender.stats().parkedSenders == 1; });
        QCOMPARE(receiver.receiveNowait(), 1);
        thread.join();
        QVERIFY(accepted);
        QCOMPARE(receiver.receiveNowait(), 2);
        sender.close();
    }

    void aBlockingSendGivesUpAtItsDeadline()
    {
        auto [sender, receiver] = createChannel<int>(bounded(1));
        sender.sendNowait(1);
        QVERIFY(throws<TimeoutError>([&] { sender.sendBlocking(2, 0ms); }));
        QVERIFY(throws<TimeoutError>([&] { sender.sendBlocking(3, 2ms); }));
        QCOMPARE(sender.stats().parkedSenders, 0);
        QCOMPARE(sender.stats().sent, 1u);
        QCOMPARE(receiver.drainNowait(), (std::vector<int>{1}));
        sender.close();
    }

    void aBlockingSendEndsWithTheChannel()
    {
        auto [sender, receiver] = createChannel<int>(bounded(0));
        bool broken = false;
        std::thread thread(
            [&, tx = sender]() mutable { broken = throws<BrokenResourceError>([&] { tx.sendBlocking(1); }); });
        awaitCondition([&] { return sender.stats().parkedSenders == 1; });
        receiver.close();
        thread.join();
        QVERIFY(broken);
    }

    // B134
    void aSendThatWaitsEndsWithTheReceiversLoop()
    {
        auto [sender, receiver] = createChannel<int>(bounded(1));
        RunningLoop consumer(QStringLiteral("consumer"));
        consumer->callSync([&] { receiver.bind(); });
        sender.sendNowait(1);
        bool broken = false;
        std::thread thread(
            [&, tx = sender]() mutable { broken = throws<BrokenResourceError>([&] { tx.sendBlocking(2); }); });
        awaitCondition([&] { return sender.stats().parkedSenders == 1; });
        consumer.end();
        thread.join();
        QVERIFY(broken);
        sender.close();
    }

    void blockingTheThreadThatReceivesIsMisuse()
    {
        auto [sender, receiver] = createChannel<int>(bounded(1));
        RunningLoop consumer(QStringLiteral("consumer"));
        bool accepted = false;
        bool refused = false;
        consumer->callSync([&] {
            receiver.bind();
            accepted = sender.sendBlocking(1); // there is room
            refused = throws<LogicError>([&] { sender.sendBlocking(2); });
        });
        QVERIFY(accepted);
        QVERIFY(refused);
        QCOMPARE(sender.stats().parkedSenders, 0);
        sender.close();
    }

    void threadsThatWouldWaitForEachOtherAreADeadlock()
    {
        auto [sender, receiver] = createChannel<int>(bounded(1));
        RunningLoop consumer(QStringLiteral("consumer"));
        RunningLoop producer(QStringLiteral("producer"));
        consumer->callSync([&] { receiver.bind(); });
        sender.sendNowait(1);
        bool deadlock = false;
        consumer->callSync(
            [&] { producer->callSync([&] { deadlock = throws<DeadlockError>([&] { sender.sendBlocking(2); }); }); });
        QVERIFY(deadlock);
        QCOMPARE(sender.stats().parkedSenders, 0);
        sender.close();
    }

    void anItemWhoseMoveThrowsStaysOutAndHoldsUpNobody()
    {
        int longFuse = 1000;
        int shortFuse = 1000;
        auto [sender, receiver] = createChannel<Fragile>(bounded(1));
        QString failure;
        Sending behind;
        std::vector<int> received;
        auto body = [&](TaskGroup &group) -> Task<> {
            sender.sendNowait(Fragile(1, &longFuse));
            auto failing = [&]() -> Task<> {
                try {
                    Fragile item(2, &shortFuse);
                    co_await sender.send(std::move(item));
                } catch (const std::runtime_error &error) {
                    failure = QString::fromUtf8(error.what());
                }
            };
            group.startSoon(failing);
            co_await settle();
            auto next = [&]() -> Task<> {
                Fragile item(3, &longFuse);
                co_await sender.send(std::move(item));
            };
            group.startSoon(next);
            co_await settle();
            shortFuse = 0; // the next move, into the channel, throws
            for (int i = 0; i < 2; ++i) {
                const Fragile item = co_await receiver.receive();
                received.push_back(item.number());
            }
        };
        run(withTaskGroup(body));
        QCOMPARE(failure, QStringLiteral("dropped on the way"));
        QCOMPARE(received, (std::vector<int>{1, 3}));
        QCOMPARE(sender.stats().sent, 2u);
        sender.close();
    }

    // B136
    void aDrainThatMeetsAThrowingMoveLosesNothing_data()
    {
        QTest::addColumn<qsizetype>("capacity");
        QTest::newRow("unbounded") << Unbounded;
        QTest::newRow("bounded") << qsizetype(8);
    }
    void aDrainThatMeetsAThrowingMoveLosesNothing()
    {
        QFETCH(qsizetype, capacity);
        auto [sender, receiver] = createChannel<Fragile>(bounded(capacity));
        int fuse = 1000;
        for (int i = 1; i <= 3; ++i)
            sender.sendNowait(Fragile(i, i == 2 ? &fuse : nullptr));
        fuse = 0;
        const std::vector<Fragile> first = receiver.drainNowait();
        QCOMPARE(first.size(), 1u); // the second one stays
        fuse = 0;
        QVERIFY(throws<std::runtime_error>([&] { receiver.drainNowait(); }));
        fuse = 1000;
        const std::vector<Fragile> rest = receiver.drainNowait();
        QCOMPARE(rest.size(), 2u);
        QCOMPARE(rest.front().number(), 2);
        QCOMPARE(receiver.stats().received, 3u);
        sender.close();
    }

    // B142
    void aRendezvousWhoseReceiveIsCancelledKeepsTheItem()
    {
        auto [sender, receiver] = createChannel<int>(bounded(0));
        RunningLoop consumer(QStringLiteral("consumer"));
        int total = 0;
        constexpr int Rounds = 200;
        int accepted = 0;
        for (int round = 0; round < Rounds; ++round) {
            CancelScope scope;
            auto consume = [&]() -> Task<> {
                auto wait = [&]() -> Task<> { total += co_await receiver.receive(); };
                co_await scope.run(wait);
            };
            QFuture<void> done = consumer->submit(consume);
            awaitCondition([&] { return sender.stats().parkedReceivers == 1 || done.isFinished(); });
            std::thread canceller([&] { scope.cancel(); });
            try {
                accepted += sender.sendNowait(1) ? 1 : 0;
            } catch (const WouldBlock &) {
                // The cancellation came first.
            }
            canceller.join();
            done.waitForFinished();
        }
        auto drain = [&] { return int(receiver.drainNowait().size()); };
        total += consumer->callSync(drain);
        QCOMPARE(total, accepted);
        sender.close();
    }

    void aSendingLoopThatEndsLeavesNobodyBehind()
    {
        for (int round = 0; round < 50; ++round) {
            auto [sender, receiver] = createChannel<int>(bounded(1));
            sender.sendNowait(0);
            RunningLoop producer(QStringLiteral("producer"));
            bool cancelled = false;
            bool sent = false;
            auto produce = [&]() -> Task<> {
                try {
                    co_await sender.send(1);
                    sent = true;
                } catch (const Cancelled &) {
                    cancelled = true;
                    throw;
                }
            };
            QFuture<void> done = producer->submit(produce);
            awaitCondition([&] { return sender.stats().parkedSenders == 1; });
            std::thread taker([&] { receiver.receiveNowait(); });
            producer.end();
            taker.join();
            done.waitForFinished();
            QCOMPARE(int(sent) + int(cancelled), 1);
            QCOMPARE(sender.stats().sent, sent ? 2u : 1u);
            sender.close();
        }
    }
};

QTEST_GUILESS_MAIN(TestChannelBounded)
#include "tst_channelbounded.moc"
