// SPDX-License-Identifier: Apache-2.0
#include "channeltesting.h"

#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QSemaphore>

#include <memory>
#include <thread>

using namespace QMicroIO;
using namespace std::chrono_literals;

static_assert(std::is_copy_constructible_v<ChannelSender<int>>);
static_assert(std::is_nothrow_move_constructible_v<ChannelReceiver<int>>);
static_assert(!std::is_copy_constructible_v<ChannelReceiver<int>>);
static_assert(std::is_nothrow_move_assignable_v<ChannelReceiver<std::unique_ptr<int>>>);

namespace {

template<class T>
Task<std::vector<T>> receiveAll(ChannelReceiver<T> &receiver)
{
    std::vector<T> items;
    while (auto item = co_await receiver.next())
        items.push_back(std::move(*item));
    co_return items;
}

template<class T>
Task<> expectEnd(ChannelReceiver<T> &receiver, int &ends)
{
    try {
        co_await receiver.receive();
    } catch (const EndOfStream &) {
        ++ends;
    }
}

} // namespace

class TestChannel : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B126
    void itemsSentBeforeBindingArriveInOrder()
    {
        auto [sender, receiver] = createChannel<int>();
        for (int i = 1; i <= 3; ++i)
            QVERIFY(sender.sendNowait(i));
        sender.close();
        QCOMPARE(run(receiveAll(receiver)), (std::vector<int>{1, 2, 3}));
    }

    // B126
    void bindingToASecondLoopIsMisuse()
    {
        auto [sender, receiver] = createChannel<int>();
        receiver.bind();
        receiver.bind();
        LoopServiceThread service(QStringLiteral("other"));
        service.start();
        service.waitStarted();
        QVERIFY(throws<LogicError>([&] { service.callSync([&] { receiver.bind(); }); }));
        auto receiveThere = [&]() -> Task<int> { co_return co_await receiver.receive(); };
        QFuture<int> there = service.submit(receiveThere);
        QVERIFY(throws<LogicError>([&] { there.waitForFinished(); }));
        service.stop();
        QVERIFY(service.join());
        sender.close();
    }

    // B126
    void bindingNeedsAnEventLoop()
    {
        auto [sender, receiver] = createChannel<int>();
        bool refused = false;
        std::thread plain([&] { refused = throws<LogicError>([&] { receiver.bind(); }); });
        plain.join();
        QVERIFY(refused);
        sender.close();
    }

    // B127
    void fourProducersLoseAndDoubleNothing()
    {
        constexpr int Producers = 4;
        constexpr int Each = 1000;
        auto [sender, receiver] = createChannel<std::pair<int, int>>();
        LoopServiceThread service(QStringLiteral("consumer"));
        service.start();
        service.waitStarted();
        QSemaphore halfWay;
        std::vector<std::thread> producers;
        for (int p = 0; p < Producers; ++p) {
            producers.emplace_back([&, p, tx = sender]() mutable {
                for (int i = 1; i <= Each; ++i) {
                    tx.sendNowait({p, i});
                    if (i == Each / 2)
                        halfWay.release();
                }
            });
        }
        halfWay.acquire(); // bind while they send
        auto collect = [&]() -> Task<std::vector<std::pair<int, int>>> { co_return co_await receiveAll(receiver); };
        auto result = service.submit(collect);
        for (std::thread &producer : producers)
            producer.join();
        sender.close();
        const auto items = result.result();
        QCOMPARE(items.size(), std::size_t(Producers * Each));
        int last[Producers] = {};
        for (const auto &[producer, number] : items)
            QCOMPARE(number, ++last[producer]);
        service.stop();
        QVERIFY(service.join());
    }

    // B128
    void parkedReceiverResumesOnItsThreadWithAMoveOnlyItem()
    {
        auto [sender, receiver] = createChannel<Parcel>();
        LoopServiceThread service(QStringLiteral("consumer"));
        service.start();
        service.waitStarted();
        QThread *home = service.callSync([] { return QThread::currentThread(); });
        QThread *resumedOn = nullptr;
        auto receive = [&]() -> Task<int> {
            Parcel parcel = co_await receiver.receive();
            resumedOn = QThread::currentThread();
            co_return parcel.number();
        };
        QFuture<int> number = service.submit(receive);
        service.callSync([] { }); // the receive is parked now
        QVERIFY(sender.sendNowait(Parcel(7)));
        QCOMPARE(number.result(), 7);
        QCOMPARE(resumedOn, home);
        sender.close();
        service.stop();
        QVERIFY(service.join());
    }

    // B129
    void sendingDoesNotRunTheReceiverInsideTheCall()
    {
        auto [sender, receiver] = createChannel<int>();
        QStringList order;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto consumer = [&]() -> Task<> {
                co_await receiver.receive();
                order += QStringLiteral("received");
            };
            group.startSoon(consumer);
            co_await checkpoint();
            co_await checkpoint();
            sender.sendNowait(1);
            order += QStringLiteral("sent");
            co_await checkpoint();
        };
        run(withTaskGroup(body));
        QCOMPARE(order, (QStringList{QStringLiteral("sent"), QStringLiteral("received")}));
        sender.close();
    }

    // A receive that lets others have a turn, and finds nothing afterwards, waits; it does not take silence for the end.
    void aReceiveThatYieldsOnAnEmptyChannelWaitsOn()
    {
        constexpr int Items = 70; // the slice is looked at every 64 receives
        auto [sender, receiver] = createChannel<int>();
        std::vector<int> received;
        auto useUpTheSlice = [] {
            QElapsedTimer timer;
            timer.start();
            while (!timer.hasExpired(6)) { }
        };
        auto receive = [&]() -> Task<> {
            for (int i = 0; i < Items; ++i) {
                if (i > 60 && i < 68)
                    useUpTheSlice();
                received.push_back(co_await receiver.receive());
            }
        };
        auto send = [&]() -> Task<> {
            for (int i = 0; i < Items; ++i) {
                while (sender.stats().received < quint64(i))
                    co_await checkpoint();
                for (int turn = 0; turn < 3; ++turn)
                    co_await checkpoint();
                sender.sendNowait(i);
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(receive);
            group.startSoon(send);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(received.size(), std::size_t(Items));
        QVERIFY(std::is_sorted(received.begin(), received.end()));
        sender.close();
    }

    // B130
    void queuedItemsComeBeforeTheEndAndTheEndStays()
    {
        auto [sender, receiver] = createChannel<int>();
        sender.sendNowait(1);
        sender.sendNowait(2);
        sender.close();
        int ends = 0;
        auto body = [&]() -> Task<> {
            const int first = co_await receiver.receive();
            const int second = co_await receiver.receive();
            if (first != 1 || second != 2)
                throw Error("wrong items");
            co_await expectEnd(receiver, ends);
            co_await expectEnd(receiver, ends);
            if (co_await receiver.next())
                throw Error("an item after the end");
        };
        run(body());
        QCOMPARE(ends, 2);
    }

    // B130
    void iteratingAClosedEmptyChannelYieldsNothing()
    {
        auto [sender, receiver] = createChannel<int>();
        sender.close();
        QVERIFY(run(receiveAll(receiver)).empty());
    }

    // B131
    void closeWakesAParkedReceiverWhicheverEndCloses_data()
    {
        QTest::addColumn<bool>("bySender");
        QTest::newRow("sender") << true;
        QTest::newRow("receiver") << false;
    }
    void closeWakesAParkedReceiverWhicheverEndCloses()
    {
        QFETCH(bool, bySender);
        auto [sender, receiver] = createChannel<int>();
        LoopServiceThread service(QStringLiteral("consumer"));
        service.start();
        service.waitStarted();
        int ends = 0;
        auto wait = [&]() -> Task<> { co_await expectEnd(receiver, ends); };
        QFuture<void> ended = service.submit(wait);
        service.callSync([] { });
        QVERIFY(bySender ? sender.close() : receiver.close());
        ended.waitForFinished();
        QCOMPARE(ends, 1);
        QVERIFY(!sender.close());
        QVERIFY(!receiver.close());
        QVERIFY(sender.isClosed());
        QVERIFY(receiver.isClosed());
        service.stop();
        QVERIFY(service.join());
    }

    // B131
    void theFirstEndDecides()
    {
        const auto boom = std::make_exception_ptr(std::runtime_error("boom"));
        {
            auto [sender, receiver] = createChannel<int>();
            QVERIFY(sender.close());
            QVERIFY(!sender.fail(boom));
            QVERIFY(!receiver.fail(boom));
            QVERIFY(run(receiveAll(receiver)).empty());
        }
        {
            auto [sender, receiver] = createChannel<int>();
            QVERIFY(receiver.fail(boom));
            QVERIFY(!sender.close());
            QVERIFY(throws<std::runtime_error>([&] { run(receiveAll(receiver)); }));
        }
        {
            auto channel = createChannel<int>();
            QVERIFY(channel.sender.close());
            {
                const ChannelReceiver<int> gone = std::move(channel.receiver);
            }
            // Whatever happens to the receiver afterwards: this side has closed it.
            QVERIFY(throws<ClosedResourceError>([&] { channel.sender.sendNowait(1); }));
        }
    }

    // B132
    void failureComesAfterTheQueuedItemsWithItsOwnTypeEveryTime()
    {
        auto [sender, receiver] = createChannel<int>();
        sender.sendNowait(5);
        QVERIFY(sender.fail(std::make_exception_ptr(std::out_of_range("late"))));
        int item = 0;
        int failures = 0;
        auto body = [&]() -> Task<> {
            item = co_await receiver.receive();
            for (int i = 0; i < 2; ++i) {
                try {
                    co_await receiver.receive();
                } catch (const std::out_of_range &) {
                    ++failures;
                }
            }
            try {
                co_await receiver.next();
            } catch (const std::out_of_range &) {
                ++failures;
            }
        };
        run(body());
        QCOMPARE(item, 5);
        QCOMPARE(failures, 3);
        QVERIFY(throws<ClosedResourceError>([&] { sender.sendNowait(1); }));
    }

    // B133
    void sendingTooLateThrowsOrDropsAsChosen()
    {
        {
            auto [sender, receiver] = createChannel<int>();
            sender.close();
            QVERIFY(throws<ClosedResourceError>([&] { sender.sendNowait(1); }));
            QCOMPARE(sender.stats().dropped, 1u);
        }
        {
            auto [sender, receiver] = createChannel<int>({QStringLiteral("lossy"), LateSend::Drop});
            sender.close();
            QVERIFY(!sender.sendNowait(1));
            QVERIFY(!sender.sendBlocking(1, 1s));
            QCOMPARE(sender.stats().dropped, 2u);
            QCOMPARE(sender.stats().sent, 0u);
        }
        QVERIFY(throws<std::invalid_argument>([] {
            auto channel = createChannel<int>({QString(), LateSend(7)});
            channel.sender.close();
        }));
    }

    // B133
    void sendersLearnThatTheReceiverFailedAndWhy()
    {
        auto [sender, receiver] = createChannel<int>();
        receiver.fail(std::make_exception_ptr(std::runtime_error("disk full")));
        try {
            sender.sendNowait(1);
            QFAIL("accepted");
        } catch (const BrokenResourceError &error) {
            QVERIFY(error.cause());
            QVERIFY(error.message().contains(QStringLiteral("disk full")));
        }
    }

    // B134
    void aReceiverWhoseLoopHasEndedBreaksTheChannel_data()
    {
        QTest::addColumn<bool>("drop");
        QTest::newRow("throw") << false;
        QTest::newRow("drop") << true;
    }
    void aReceiverWhoseLoopHasEndedBreaksTheChannel()
    {
        QFETCH(bool, drop);
        auto [sender, receiver] =
            createChannel<int>({QStringLiteral("orphan"), drop ? LateSend::Drop : LateSend::Throw});
        {
            LoopServiceThread service(QStringLiteral("short-lived"));
            service.start();
            service.waitStarted();
            service.callSync([&] { receiver.bind(); });
            QVERIFY(sender.sendNowait(1));
            service.stop();
            QVERIFY(service.join());
        }
        if (drop)
            QVERIFY(!sender.sendNowait(2));
        else
            QVERIFY(throws<BrokenResourceError>([&] { sender.sendNowait(2); }));
        QCOMPARE(sender.stats().dropped, 1u);
        QCOMPARE(sender.stats().queued, 1);
        QVERIFY(sender.close());
    }

    // B135
    void statisticsAlwaysAddUp()
    {
        auto [sender, receiver] = createChannel<int>();
        LoopServiceThread service(QStringLiteral("consumer"));
        service.start();
        service.waitStarted();
        auto collect = [&]() -> Task<qint64> {
            qint64 count = 0;
            while (auto item = co_await receiver.next()) {
                ++count;
                if (count % 7 == 0)
                    count += qint64(receiver.drainNowait(3).size());
            }
            co_return count;
        };
        QFuture<qint64> counted = service.submit(collect);
        std::atomic<bool> go{true};
        std::vector<std::thread> producers;
        for (int p = 0; p < 4; ++p) {
            producers.emplace_back([&go, tx = sender]() mutable {
                while (go.load())
                    tx.sendNowait(1);
            });
        }
        for (int i = 0; i < 2000; ++i) {
            const ChannelStats stats = i % 2 ? sender.stats() : receiver.stats();
            QVERIFY(stats.queued >= 0);
            QCOMPARE(stats.sent, stats.received + quint64(stats.queued));
        }
        go = false;
        for (std::thread &producer : producers)
            producer.join();
        sender.close();
        const qint64 received = counted.result();
        const ChannelStats stats = sender.stats();
        QCOMPARE(stats.sent, quint64(received));
        QCOMPARE(stats.received, quint64(received));
        QCOMPARE(stats.queued, 0);
        QVERIFY(stats.closed);
        service.stop();
        QVERIFY(service.join());
    }

    // B136, B137
    void drainTakesWhatIsQueuedAndLeavesTheEnd()
    {
        auto [sender, receiver] = createChannel<int>();
        QVERIFY(receiver.drainNowait().empty());
        for (int i = 1; i <= 4; ++i)
            sender.sendNowait(i);
        QCOMPARE(receiver.drainNowait(1), (std::vector<int>{1}));
        QVERIFY(receiver.drainNowait(0).empty());
        sender.close();
        QCOMPARE(receiver.drainNowait(), (std::vector<int>{2, 3, 4}));
        QVERIFY(receiver.drainNowait().empty());
        QCOMPARE(receiver.stats().received, 4u);
        int ends = 0;
        run(expectEnd(receiver, ends));
        QCOMPARE(ends, 1);
    }

    // B138
    void anErrorObjectSentAsDataIsData()
    {
        auto [sender, receiver] = createChannel<std::exception_ptr>();
        sender.sendNowait(std::make_exception_ptr(std::runtime_error("only data")));
        sender.sendNowait(nullptr);
        sender.close();
        const std::vector<std::exception_ptr> items = run(receiveAll(receiver));
        QCOMPARE(items.size(), 2u);
        QCOMPARE(errorText(items.at(0)), QStringLiteral("only data"));
        QVERIFY(!items.at(1));
    }

    // B139
    void everyAcceptedItemIsDeliveredWhenSendAndCloseRace()
    {
        LoopServiceThread service(QStringLiteral("consumer"));
        service.start();
        service.waitStarted();
        for (int round = 0; round < 300; ++round) {
            auto [sender, receiver] = createChannel<int>({QString(), LateSend::Drop});
            auto count = [&]() -> Task<qint64> { co_return qint64((co_await receiveAll(receiver)).size()); };
            QFuture<qint64> delivered = service.submit(count);
            qint64 accepted = 0;
            QSemaphore started;
            std::thread producer([&, tx = sender]() mutable {
                started.release();
                while (tx.sendNowait(1))
                    ++accepted;
            });
            started.acquire();
            sender.close();
            producer.join();
            QCOMPARE(delivered.result(), accepted);
        }
        service.stop();
        QVERIFY(service.join());
    }

    // B140
    void aSecondReceiveIsRefusedAndTheFirstGoesOn()
    {
        auto [sender, receiver] = createChannel<int>();
        int busy = 0;
        int got = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto first = [&]() -> Task<> { got = co_await receiver.receive(); };
            group.startSoon(first);
            co_await checkpoint();
            co_await checkpoint();
            try {
                co_await receiver.receive();
            } catch (const BusyResourceError &) {
                ++busy;
            }
            sender.sendNowait(3);
        };
        run(withTaskGroup(body));
        QCOMPARE(busy, 1);
        QCOMPARE(got, 3);
        sender.close();
    }

    // B141
    void aCancelledReceiverSwallowsNothing()
    {
        auto [sender, receiver] = createChannel<int>();
        bool movedOn = true;
        int next = 0;
        auto body = [&]() -> Task<> {
            auto wait = [&]() -> Task<> { co_await receiver.receive(); };
            movedOn = co_await moveOnAfter(1ms, wait);
            sender.sendNowait(11);
            next = co_await receiver.receive();
        };
        run(body());
        QVERIFY(!movedOn);
        QCOMPARE(next, 11);
        sender.close();
    }

    // B142
    void anItemThatMeetsACancellationInTheSameTurnIsNotLost_data()
    {
        QTest::addColumn<bool>("cancelFirst");
        QTest::newRow("cancel, then send") << true;
        QTest::newRow("send, then cancel") << false;
    }
    void anItemThatMeetsACancellationInTheSameTurnIsNotLost()
    {
        QFETCH(bool, cancelFirst);
        auto [sender, receiver] = createChannel<int>();
        int received = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            CancelScope scope;
            auto consumer = [&]() -> Task<> {
                auto wait = [&]() -> Task<> { received = co_await receiver.receive(); };
                co_await scope.run(wait);
            };
            group.startSoon(consumer);
            co_await checkpoint();
            co_await checkpoint();
            if (cancelFirst)
                scope.cancel();
            sender.sendNowait(4);
            if (!cancelFirst)
                scope.cancel();
            co_await group.untilEmpty();
        };
        run(withTaskGroup(body));
        const std::vector<int> left = receiver.drainNowait();
        QCOMPARE(left.size() + (received == 4 ? 1u : 0u), 1u);
        sender.close();
    }

    // B142
    void crossThreadCancelNeverLosesAnItem()
    {
        LoopServiceThread service(QStringLiteral("consumer"));
        service.start();
        service.waitStarted();
        auto [sender, receiver] = createChannel<int>();
        qint64 total = 0;
        constexpr int Rounds = 300;
        for (int round = 0; round < Rounds; ++round) {
            CancelScope scope;
            std::atomic<bool> waiting{false};
            auto consume = [&]() -> Task<> {
                auto wait = [&]() -> Task<> {
                    waiting = true;
                    total += co_await receiver.receive();
                };
                co_await scope.run(wait);
            };
            QFuture<void> done = service.submit(consume);
            while (!waiting)
                std::this_thread::yield();
            std::thread canceller([&] { scope.cancel(); });
            sender.sendNowait(1);
            canceller.join();
            done.waitForFinished();
        }
        auto drain = [&] { return qint64(receiver.drainNowait().size()); };
        total += service.callSync(drain);
        QCOMPARE(total, qint64(Rounds));
        sender.close();
        service.stop();
        QVERIFY(service.join());
    }

    // B143
    void aCancelledScopeTakesAndSendsNothing()
    {
        auto [sender, receiver] = createChannel<int>();
        sender.sendNowait(1);
        CancelScope receiving;
        CancelScope sending;
        receiving.cancel();
        sending.cancel();
        auto body = [&]() -> Task<> {
            auto take = [&]() -> Task<> { co_await receiver.receive(); };
            co_await receiving.run(take);
            auto put = [&]() -> Task<> { co_await sender.send(2); };
            co_await sending.run(put);
        };
        run(body());
        QVERIFY(receiving.isCancelledCaught());
        QVERIFY(sending.isCancelledCaught());
        QCOMPARE(receiver.drainNowait(), (std::vector<int>{1}));
        sender.close();
    }

    // B156
    void endpointsDestroyedUnclosedCloseTheChannelWithAWarning()
    {
        {
            auto channel = std::make_optional(createChannel<int>({QStringLiteral("lines"), LateSend::Throw}));
            ChannelReceiver<int> receiver = std::move(channel->receiver);
            channel->sender.sendNowait(1);
            const ChannelSender<int> copy = channel->sender;
            channel.reset();
            QVERIFY(!receiver.isClosed()); // a copy is left
            QTest::ignoreMessage(QtWarningMsg,
                                 "the last sender of channel 'lines' was destroyed without close(); the channel is "
                                 "closed now");
            {
                const ChannelSender<int> last = std::move(const_cast<ChannelSender<int> &>(copy));
            }
            QVERIFY(receiver.isClosed());
            QCOMPARE(run(receiveAll(receiver)), (std::vector<int>{1}));
        }
        {
            auto channel = createChannel<int>({QStringLiteral("lines"), LateSend::Throw});
            channel.sender.sendNowait(1);
            QTest::ignoreMessage(QtWarningMsg,
                                 "the receiver of channel 'lines' was destroyed without close(); 1 accepted items were "
                                 "never received, senders get BrokenResourceError now");
            {
                const ChannelReceiver<int> gone = std::move(channel.receiver);
            }
            QVERIFY(throws<BrokenResourceError>([&] { channel.sender.sendNowait(2); }));
            QVERIFY(throws<LogicError>([&] { channel.receiver.drainNowait(); }));
        }
    }

    // B156
    void destroyingTheReceiverEndsAReceiveThatWaits()
    {
        auto channel = createChannel<int>();
        auto receiver = std::make_unique<ChannelReceiver<int>>(std::move(channel.receiver));
        int ends = 0;
        QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("receiver of channel")));
        auto body = [&](TaskGroup &group) -> Task<> {
            auto consumer = [&]() -> Task<> { co_await expectEnd(*receiver, ends); };
            group.startSoon(consumer);
            co_await checkpoint();
            co_await checkpoint();
            receiver.reset();
        };
        run(withTaskGroup(body));
        QCOMPARE(ends, 1);
    }

    // Trap 24; B153
    void drainLeavesTheItemOfAReceiveThatIsAboutToRun()
    {
        auto [sender, receiver] = createChannel<int>();
        int got = 0;
        std::size_t drained = 99;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto consumer = [&]() -> Task<> { got = co_await receiver.receive(); };
            group.startSoon(consumer);
            co_await checkpoint();
            co_await checkpoint();
            sender.sendNowait(6);
            drained = receiver.drainNowait().size();
        };
        run(withTaskGroup(body));
        QCOMPARE(drained, 0u);
        QCOMPARE(got, 6);
        sender.close();
    }

    void aMoveThatThrowsLeavesTheItemUnaccepted()
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
        auto [sender, receiver] = createChannel<Fragile>();
        int moves = 1000;
        sender.sendNowait(Fragile(&moves));
        int none = 0;
        QVERIFY(throws<std::runtime_error>([&] { sender.sendNowait(Fragile(&none)); }));
        QCOMPARE(sender.stats().sent, 1u);
        QCOMPARE(sender.stats().queued, 1);
        sender.close();
        auto body = [&]() -> Task<int> {
            int count = 0;
            while (auto item = co_await receiver.next())
                ++count;
            co_return count;
        };
        QCOMPARE(run(body()), 1);
    }

    void aBusyReceiverLetsOthersRun()
    {
        auto [sender, receiver] = createChannel<int>();
        constexpr int Items = 3000;
        for (int i = 0; i < Items; ++i)
            sender.sendNowait(i);
        sender.close();
        int turnsOfTheOther = 0;
        bool done = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto other = [&]() -> Task<> {
                while (!done) {
                    ++turnsOfTheOther;
                    co_await checkpoint();
                }
            };
            group.startSoon(other);
            while (auto item = co_await receiver.next()) {
                const auto until = std::chrono::steady_clock::now() + 10us; // work that takes CPU time
                while (std::chrono::steady_clock::now() < until) { }
            }
            done = true;
        };
        run(withTaskGroup(body));
        QVERIFY2(turnsOfTheOther >= 3, qPrintable(QString::number(turnsOfTheOther)));
    }

    void nullErrorsAreRefused()
    {
        auto [sender, receiver] = createChannel<int>();
        QVERIFY(throws<std::invalid_argument>([&] { sender.fail(nullptr); }));
        QVERIFY(throws<std::invalid_argument>([&] { receiver.fail(nullptr); }));
        QVERIFY(!sender.isClosed());
        sender.close();
    }

    void anEmptyAndAHugeNumberOfItems()
    {
        auto [sender, receiver] = createChannel<QString>();
        constexpr int Items = 200000;
        for (int i = 0; i < Items; ++i)
            sender.sendNowait(QString());
        sender.close();
        QCOMPARE(run(receiveAll(receiver)).size(), std::size_t(Items));
    }
};

QTEST_GUILESS_MAIN(TestChannel)
#include "tst_channel.moc"
