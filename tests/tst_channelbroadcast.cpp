// SPDX-License-Identifier: Apache-2.0
#include "channeltesting.h"

#include <qmicroio/channelbroadcast.h>

#include <QtTest/QTest>

#include <stdexcept>

using namespace QMicroIO;

static_assert(std::is_copy_constructible_v<BroadcastSender<int>>);
static_assert(!std::is_copy_constructible_v<BroadcastReceiver<int>>);
static_assert(std::is_nothrow_move_constructible_v<BroadcastReceiver<QString>>);

namespace {

template<class T>
std::vector<T> valuesOf(const std::vector<Broadcasted<T>> &items)
{
    std::vector<T> values;
    for (const Broadcasted<T> &item : items)
        values.push_back(item.value);
    return values;
}

} // namespace

class TestChannelBroadcast : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    void everySubscriberGetsEveryItemSentAfterItSubscribed()
    {
        auto sender = createBroadcast<QString>();
        QVERIFY(sender.sendNowait(QStringLiteral("nobody listens")));
        auto early = sender.subscribe();
        sender.sendNowait(QStringLiteral("a"));
        auto late = sender.subscribe();
        sender.sendNowait(QStringLiteral("b"));
        QCOMPARE(sender.stats().subscribers, 2);
        sender.close();
        auto collect = [](BroadcastReceiver<QString> &receiver) -> Task<QString> {
            QString all;
            while (auto item = co_await receiver.next()) {
                all += item->value;
                if (item->missed != 0)
                    throw Error("nothing was missed");
            }
            co_return all;
        };
        QCOMPARE(run(collect(early)), QStringLiteral("ab"));
        QCOMPARE(run(collect(late)), QStringLiteral("b"));
        QCOMPARE(sender.stats().sent, 3u);
    }

    void aSlowSubscriberIsToldHowManyItMissed()
    {
        auto sender = createBroadcast<int>({QStringLiteral("ticks"), LateSend::Throw, 3});
        auto slow = sender.subscribe();
        auto quick = sender.subscribe();
        quint64 missedByTheQuickOne = 0;
        for (int i = 1; i <= 10; ++i) {
            sender.sendNowait(i);
            const Broadcasted<int> item = quick.receiveNowait();
            QCOMPARE(item.value, i);
            missedByTheQuickOne += item.missed;
        }
        QCOMPARE(missedByTheQuickOne, 0u);
        const Broadcasted<int> first = slow.receiveNowait();
        QCOMPARE(first.value, 8);
        QCOMPARE(first.missed, 7u);
        QCOMPARE(slow.receiveNowait().missed, 0u);
        sender.sendNowait(11);
        sender.sendNowait(12);
        sender.sendNowait(13); // 10 is missed
        const std::vector<Broadcasted<int>> rest = slow.drainNowait();
        QCOMPARE(valuesOf(rest), (std::vector<int>{11, 12, 13}));
        QCOMPARE(rest.front().missed, 1u);
        QCOMPARE(slow.stats().dropped, 8u);
        sender.close();
    }

    void subscribersOnOtherLoopsSeeOneOrder()
    {
        constexpr int Each = 500;
        auto sender = createBroadcast<std::pair<int, int>>({QString(), LateSend::Throw, 4 * Each});
        std::vector<BroadcastReceiver<std::pair<int, int>>> receivers;
        std::vector<std::unique_ptr<RunningLoop>> loops;
        std::vector<QFuture<std::vector<std::pair<int, int>>>> results;
        for (int i = 0; i < 2; ++i)
            receivers.push_back(sender.subscribe());
        for (std::size_t i = 0; i < 2; ++i) {
            loops.push_back(std::make_unique<RunningLoop>(QStringLiteral("subscriber")));
            auto collect = [&receiver = receivers[i]]() -> Task<std::vector<std::pair<int, int>>> {
                std::vector<std::pair<int, int>> all;
                while (auto item = co_await receiver.next())
                    all.push_back(item->value);
                co_return all;
            };
            results.push_back((*loops[i])->submit(collect));
        }
        std::vector<std::thread> producers;
        for (int p = 0; p < 3; ++p) {
            producers.emplace_back([p, tx = sender]() mutable {
                for (int i = 0; i < Each; ++i)
                    tx.sendNowait({p, i});
            });
        }
        for (std::thread &producer : producers)
            producer.join();
        sender.close();
        QCOMPARE(results[0].result().size(), std::size_t(3 * Each));
        QVERIFY(results[0].result() == results[1].result());
    }

    // B130, B132
    void theEndComesAfterWhatIsQueued()
    {
        auto sender = createBroadcast<int>();
        auto receiver = sender.subscribe();
        sender.sendNowait(1);
        QVERIFY(sender.fail(std::make_exception_ptr(std::out_of_range("late"))));
        QVERIFY(!sender.close());
        QCOMPARE(receiver.receiveNowait().value, 1);
        QVERIFY(throws<std::out_of_range>([&] { receiver.receiveNowait(); }));
        auto afterwards = sender.subscribe();
        QVERIFY(throws<std::out_of_range>([&] { afterwards.receiveNowait(); }));
        QVERIFY(throws<ClosedResourceError>([&] { sender.sendNowait(2); }));
    }

    void aSubscriberThatLeavesCostsTheOthersNothing()
    {
        auto sender = createBroadcast<int>();
        auto stays = sender.subscribe();
        {
            auto leaves = sender.subscribe();
            sender.sendNowait(1);
            QCOMPARE(leaves.receiveNowait().value, 1);
        } // no warning: leaving is normal
        QCOMPARE(sender.stats().subscribers, 1);
        sender.sendNowait(2);
        QCOMPARE(valuesOf(stays.drainNowait()), (std::vector<int>{1, 2}));
        sender.close();
    }

    // B156
    void destroyingASubscriberEndsAReceiveThatWaits()
    {
        auto sender = createBroadcast<QString>();
        auto receiver = std::make_unique<BroadcastReceiver<QString>>(sender.subscribe());
        bool ended = false;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto consumer = [&]() -> Task<> { ended = !(co_await receiver->next()); };
            group.startSoon(consumer);
            co_await settle();
            receiver.reset();
        };
        run(withTaskGroup(body));
        QVERIFY(ended);
        sender.close();
    }

    // B156
    void theLastSenderDestroyedUnclosedClosesWithAWarning()
    {
        auto sender = std::make_optional(createBroadcast<int>({QStringLiteral("ticks")}));
        auto receiver = sender->subscribe();
        QTest::ignoreMessage(QtWarningMsg,
                             "the last sender of broadcast channel 'ticks' was destroyed without close(); the channel "
                             "is closed now");
        sender.reset();
        QVERIFY(throws<EndOfStream>([&] { receiver.receiveNowait(); }));
    }

    // B141
    void aCancelledReceiveMissesNothing()
    {
        auto sender = createBroadcast<int>();
        auto receiver = sender.subscribe();
        Broadcasted<int> got{0, 99};
        auto body = [&]() -> Task<> {
            CancelScope scope;
            auto wait = [&]() -> Task<> { co_await receiver.receive(); };
            auto inScope = [&](TaskGroup &group) -> Task<> {
                auto child = [&]() -> Task<> { co_await scope.run(wait); };
                group.startSoon(child);
                co_await settle();
                scope.cancel();
            };
            co_await withTaskGroup(inScope);
            sender.sendNowait(5);
            got = co_await receiver.receive();
        };
        run(body());
        QCOMPARE(got.value, 5);
        QCOMPARE(got.missed, 0u);
        sender.close();
    }

    // B133
    void badInputIsRefused()
    {
        QVERIFY(throws<std::invalid_argument>([] { createBroadcast<int>({QString(), LateSend::Throw, 0}); }));
        QVERIFY(throws<std::invalid_argument>([] { createBroadcast<int>({QString(), LateSend(7), 1}); }));
        auto sender = createBroadcast<int>({QString(), LateSend::Drop, 1});
        QVERIFY(throws<std::invalid_argument>([&] { sender.fail(nullptr); }));
        sender.close();
        QVERIFY(!sender.sendNowait(1));
    }

    // What a displaced item's destructor does happens without a lock.
    void aMissedItemMayUseItsChannelWhileItIsDestroyed()
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
            Nosy(const Nosy &other) = default;
            Nosy &operator=(const Nosy &) = delete;
            Nosy &operator=(Nosy &&) = delete;
            ~Nosy()
            {
                if (look)
                    look();
            }
            std::function<void()> look;
        };
        auto sender = createBroadcast<Nosy>({QString(), LateSend::Throw, 1});
        auto receiver = sender.subscribe();
        quint64 seen = 0;
        sender.sendNowait(Nosy([&] { seen = sender.stats().sent; }));
        sender.sendNowait(Nosy(nullptr));
        QCOMPARE(seen, 2u);
        sender.close();
    }
};

QTEST_GUILESS_MAIN(TestChannelBroadcast)
#include "tst_channelbroadcast.moc"
