// SPDX-License-Identifier: Apache-2.0
#include "channeltesting.h"

#include <qmicroio/channelslot.h>

#include <QtTest/QTest>

#include <QtCore/QCoreApplication>
#include <QtCore/QRegularExpression>

#include <atomic>
#include <stdexcept>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

// A class that is no coroutine: what connectChannel() is for.
class Display : public QObject
{
    Q_OBJECT
public:
    void show(int value)
    {
        shown.push_back(value);
        if (QThread::currentThread() != thread())
            inTheWrongThread = true;
    }
    std::vector<int> shown;
    bool inTheWrongThread = false;
};

void processUntil(const std::function<bool()> &condition)
{
    while (!condition())
        QCoreApplication::processEvents();
}

} // namespace

class TestChannelLatest : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    void theFirstReceiveGivesTheInitialValueOrWhatReplacedIt()
    {
        auto [sender, receiver] = createLatest(1);
        QCOMPARE(receiver.receiveNowait(), 1);
        QVERIFY(throws<WouldBlock>([&] { receiver.receiveNowait(); })); // nothing newer
        auto other = createLatest(1);
        other.sender.sendNowait(2);
        QCOMPARE(other.receiver.receiveNowait(), 2);
        sender.close();
        other.sender.close();
    }

    // B135
    void theReaderSeesTheNewestValueAndNeverABacklog()
    {
        auto [sender, receiver] = createLatest(QStringLiteral("0"));
        for (int i = 1; i <= 1000; ++i)
            QVERIFY(sender.sendNowait(QString::number(i)));
        QCOMPARE(receiver.stats().queued, 1);
        QCOMPARE(receiver.receiveNowait(), QStringLiteral("1000"));
        const ChannelStats stats = receiver.stats();
        QCOMPARE(stats.sent, 1u);
        QCOMPARE(stats.dropped, 1000u);
        QCOMPARE(stats.received, 1u);
        QCOMPARE(stats.queued, 0);
        sender.close();
        QVERIFY(throws<EndOfStream>([&] { receiver.receiveNowait(); }));
    }

    void aReceiveWaitsForANewerValue()
    {
        auto [sender, receiver] = createLatest(Parcel(1));
        std::vector<int> received;
        auto body = [&](TaskGroup &group) -> Task<> {
            auto reader = [&]() -> Task<> {
                while (auto parcel = co_await receiver.next())
                    received.push_back(parcel->number());
            };
            group.startSoon(reader);
            co_await settle();
            sender.sendNowait(Parcel(2));
            sender.sendNowait(Parcel(3));
            co_await settle();
            sender.sendNowait(Parcel(4));
            sender.close();
        };
        run(withTaskGroup(body));
        QCOMPARE(received, (std::vector<int>{1, 3, 4}));
    }

    void noSendWaitsAndTheLastValueArrives()
    {
        auto [sender, receiver] = createLatest(0);
        RunningLoop loop(QStringLiteral("reader"));
        auto read = [&]() -> Task<int> {
            int last = -1;
            while (auto value = co_await receiver.next()) {
                if (*value <= last)
                    throw Error("an older value came after a newer one");
                last = *value;
            }
            co_return last;
        };
        QFuture<int> last = loop->submit(read);
        for (int i = 1; i <= 20000; ++i)
            QVERIFY(sender.sendBlocking(i));
        sender.close();
        QCOMPARE(last.result(), 20000);
    }

    void aPlainSlotShowsTheNewestValueInItsOwnThread()
    {
        auto [sender, receiver] = createLatest(0);
        Display display;
        connectChannel(std::move(receiver), &display, &Display::show);
        std::thread producer([tx = sender]() mutable {
            for (int i = 1; i <= 5000; ++i)
                tx.sendNowait(i);
        });
        processUntil([&] { return !display.shown.empty() && display.shown.back() == 5000; });
        producer.join();
        QVERIFY(std::is_sorted(display.shown.begin(), display.shown.end()));
        QVERIFY(!display.inTheWrongThread);
        sender.close();
        processUntil([&] { return display.children().isEmpty(); }); // nothing stays behind
    }

    void aSlotIsCalledNoMoreOftenThanItsPauseAllows()
    {
        auto [sender, receiver] = createLatest(0);
        QObject context;
        std::vector<std::chrono::steady_clock::time_point> calls;
        connectChannel(
            std::move(receiver), &context, [&](int) { calls.push_back(std::chrono::steady_clock::now()); }, 3ms);
        std::atomic<bool> ends{false};
        std::thread producer([&ends, tx = sender]() mutable {
            for (int i = 1; !ends; ++i)
                tx.sendNowait(i);
        });
        processUntil([&] { return calls.size() >= 5; });
        ends = true;
        producer.join();
        for (std::size_t i = 1; i < calls.size(); ++i)
            QVERIFY(calls[i] - calls[i - 1] >= 3ms);
        sender.close();
        processUntil([&] { return context.children().isEmpty(); });
    }

    void everyItemOfAnOrdinaryChannelReachesTheSlotInOrder()
    {
        auto [sender, receiver] = createChannel<int>();
        Display display;
        connectChannel(std::move(receiver), &display, &Display::show);
        for (int i = 0; i < 100; ++i)
            sender.sendNowait(i);
        sender.close();
        processUntil([&] { return display.children().isEmpty(); });
        QCOMPARE(display.shown.size(), 100u);
        QVERIFY(std::is_sorted(display.shown.begin(), display.shown.end()));
    }

    void destroyingTheContextClosesTheChannel_data()
    {
        QTest::addColumn<bool>("afterATurn");
        QTest::newRow("while it waits") << true;
        QTest::newRow("before it began") << false;
    }
    void destroyingTheContextClosesTheChannel()
    {
        QFETCH(bool, afterATurn);
        auto [sender, receiver] = createChannel<int>();
        auto display = std::make_unique<Display>();
        connectChannel(std::move(receiver), display.get(), &Display::show);
        if (afterATurn) {
            sender.sendNowait(1);
            processUntil([&] { return !display->shown.empty(); });
        }
        display.reset(); // without a warning
        QVERIFY(throws<BrokenResourceError>([&] { sender.sendNowait(2); }));
    }

    void whatASlotThrowsIsLoggedAndEndsIt()
    {
        auto [sender, receiver] = createChannel<int>();
        Display display;
        connectChannel(std::move(receiver), &display, [](int) { throw Error("the slot is broken"); });
        QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("the slot is broken")));
        sender.sendNowait(1);
        processUntil([&] { return display.children().isEmpty(); });
        QVERIFY(sender.isClosed());
    }

    void badInputIsRefused()
    {
        Display display;
        {
            auto [sender, receiver] = createChannel<int>();
            sender.close();
            QVERIFY(throws<std::invalid_argument>(
                [&, rx = &receiver] { connectChannel(std::move(*rx), static_cast<Display *>(nullptr), [](int) { }); }));
        }
        {
            auto [sender, receiver] = createChannel<int>();
            sender.close();
            QVERIFY(throws<std::invalid_argument>(
                [&, rx = &receiver] { connectChannel(std::move(*rx), &display, &Display::show, -1ms); }));
        }
    }
};

QTEST_GUILESS_MAIN(TestChannelLatest)
#include "tst_channellatest.moc"
