// SPDX-License-Identifier: Apache-2.0
#include "channeltesting.h"

#include <qmicroio/channelwork.h>

#include <QtTest/QTest>

#include <QtCore/QPointer>
#include <QtCore/QThread>

#include <mutex>
#include <stdexcept>

using namespace QMicroIO;

namespace {

// What a status has told, in order, and from which thread. Its slots look at the channel: no lock may be held.
class Diary
{
public:
    explicit Diary(ChannelStatus *status)
    {
        const auto note = [this, status](const QString &what) {
            static_cast<void>(status->stats());
            const std::lock_guard lock(m_mutex);
            m_entries += what;
            m_threads.push_back(QThread::currentThread());
        };
        QObject::connect(
            status, &ChannelStatus::bound, &m_context, [=] { note(QStringLiteral("bound")); }, Qt::DirectConnection);
        QObject::connect(
            status, &ChannelStatus::closed, &m_context, [=] { note(QStringLiteral("closed")); }, Qt::DirectConnection);
        QObject::connect(
            status, &ChannelStatus::failed, &m_context,
            [=](const QString &why) { note(QStringLiteral("failed: ") + why); }, Qt::DirectConnection);
        QObject::connect(
            status, &ChannelStatus::drained, &m_context, [=] { note(QStringLiteral("drained")); },
            Qt::DirectConnection);
        QObject::connect(
            status, &ChannelStatus::highWater, &m_context,
            [=](qsizetype queued) { note(QStringLiteral("high water %1").arg(queued)); }, Qt::DirectConnection);
    }
    QStringList entries() const
    {
        const std::lock_guard lock(m_mutex);
        return m_entries;
    }
    QThread *threadOf(const QString &what) const
    {
        const std::lock_guard lock(m_mutex);
        const qsizetype at = m_entries.indexOf(what);
        return at < 0 ? nullptr : m_threads[std::size_t(at)];
    }

private:
    QObject m_context;
    mutable std::mutex m_mutex;
    QStringList m_entries;
    std::vector<QThread *> m_threads;
};

const QString Bound = QStringLiteral("bound");
const QString Closed = QStringLiteral("closed");
const QString Drained = QStringLiteral("drained");

} // namespace

class TestChannelStatus : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    void bothEndsGiveTheSameStatus()
    {
        auto [sender, receiver] = createChannel<int>({QStringLiteral("lines")});
        QCOMPARE(sender.channelStatus(), receiver.channelStatus());
        QCOMPARE(sender.channelStatus()->name(), QStringLiteral("lines"));
        sender.sendNowait(1);
        QCOMPARE(sender.channelStatus()->stats().queued, 1);
        sender.close();
    }

    void eachTurningPointIsToldOnceInOrder()
    {
        auto [sender, receiver] = createChannel<int>();
        const Diary diary(sender.channelStatus());
        receiver.bind();
        receiver.bind();
        for (int i = 0; i < 3; ++i)
            sender.sendNowait(i);
        QCOMPARE(diary.entries(), (QStringList{Bound}));
        sender.close();
        receiver.close();
        QCOMPARE(diary.entries(), (QStringList{Bound, Closed}));
        auto body = [&]() -> Task<> {
            while (auto item = co_await receiver.next()) { }
            co_await receiver.next();
        };
        run(body());
        QCOMPARE(diary.entries(), (QStringList{Bound, Closed, Drained}));
    }

    void theLastItemTellsThatTheChannelIsDrained_data()
    {
        QTest::addColumn<qsizetype>("capacity");
        QTest::addColumn<bool>("drain");
        QTest::newRow("unbounded, receive") << Unbounded << false;
        QTest::newRow("unbounded, drain") << Unbounded << true;
        QTest::newRow("bounded, receive") << qsizetype(4) << false;
        QTest::newRow("bounded, drain") << qsizetype(4) << true;
    }
    void theLastItemTellsThatTheChannelIsDrained()
    {
        QFETCH(qsizetype, capacity);
        QFETCH(bool, drain);
        auto [sender, receiver] = createChannel<int>({QString(), LateSend::Throw, capacity});
        const Diary diary(sender.channelStatus());
        sender.channelStatus()->setHighWaterMark(0);
        sender.sendNowait(1);
        sender.sendNowait(2);
        sender.close();
        if (drain) {
            QCOMPARE(receiver.drainNowait(1).size(), 1u);
            QCOMPARE(diary.entries(), (QStringList{Closed}));
            QCOMPARE(receiver.drainNowait().size(), 1u);
        } else {
            receiver.receiveNowait();
            QCOMPARE(diary.entries(), (QStringList{Closed}));
            receiver.receiveNowait();
        }
        QCOMPARE(diary.entries(), (QStringList{Closed, Drained}));
    }

    void anEmptyChannelIsDrainedAsSoonAsItIsClosed()
    {
        auto [sender, receiver] = createChannel<int>();
        const Diary diary(receiver.channelStatus());
        receiver.close();
        QCOMPARE(diary.entries(), (QStringList{Closed, Drained}));
    }

    void aFailureIsToldInsteadOfAnEnd()
    {
        auto [sender, receiver] = createChannel<int>();
        const Diary diary(receiver.channelStatus());
        sender.fail(std::make_exception_ptr(std::runtime_error("disk full")));
        sender.close();
        QCOMPARE(diary.entries(), (QStringList{QStringLiteral("failed: disk full"), Drained}));
    }

    void highWaterComesAtTheMarkAndAtEachDoubling()
    {
        auto [sender, receiver] = createChannel<int>();
        const Diary diary(sender.channelStatus());
        sender.channelStatus()->setHighWaterMark(3);
        for (int i = 0; i < 13; ++i)
            sender.sendNowait(i);
        const QStringList expected{QStringLiteral("high water 3"), QStringLiteral("high water 6"),
                                   QStringLiteral("high water 12")};
        QCOMPARE(diary.entries(), expected);
        receiver.drainNowait();
        for (int i = 0; i < 13; ++i)
            sender.sendNowait(i); // nothing new
        QCOMPARE(diary.entries(), expected);
        QVERIFY(throws<std::invalid_argument>([&] { sender.channelStatus()->setHighWaterMark(-1); }));
        sender.close();
    }

    void aBoundedChannelTellsOnceThatItWasFull()
    {
        auto [sender, receiver] = createChannel<int>({QString(), LateSend::Throw, 2});
        const Diary diary(sender.channelStatus());
        for (int round = 0; round < 5; ++round) {
            sender.sendNowait(1);
            sender.sendNowait(2);
            receiver.drainNowait();
        }
        QCOMPARE(diary.entries(), (QStringList{QStringLiteral("high water 2")}));
        sender.close();
    }

    void signalsComeFromTheThreadThatCausesThem()
    {
        auto [sender, receiver] = createChannel<int>();
        const Diary diary(sender.channelStatus());
        sender.channelStatus()->setHighWaterMark(1);
        RunningLoop loop(QStringLiteral("receiver"));
        QThread *loopThread = loop->callSync([] { return QThread::currentThread(); });
        loop->callSync([&] { receiver.bind(); });
        sender.sendNowait(1);
        sender.close();
        loop->callSync([&] { receiver.drainNowait(); });
        QCOMPARE(diary.threadOf(Bound), loopThread);
        QCOMPARE(diary.threadOf(QStringLiteral("high water 1")), QThread::currentThread());
        QCOMPARE(diary.threadOf(Closed), QThread::currentThread());
        QCOMPARE(diary.threadOf(Drained), loopThread);
    }

    void theEndOfTheReceiversLoopIsAnEnd()
    {
        auto [sender, receiver] = createChannel<int>();
        const Diary diary(sender.channelStatus());
        {
            RunningLoop loop(QStringLiteral("short-lived"));
            loop->callSync([&] { receiver.bind(); });
        }
        QCOMPARE(diary.entries(), (QStringList{Bound, Closed}));
        sender.close();
        QCOMPARE(diary.entries().count(Closed), 1);
    }

    void drainedNeverOvertakesTheEnd()
    {
        for (int round = 0; round < 200; ++round) {
            auto [sender, receiver] = createChannel<int>({QString(), LateSend::Drop});
            const Diary diary(sender.channelStatus());
            std::thread taker([&, rx = &receiver] {
                for (;;) {
                    try {
                        rx->receiveNowait();
                    } catch (const WouldBlock &) {
                        std::this_thread::yield();
                    } catch (const EndOfStream &) {
                        return;
                    }
                }
            });
            for (int i = 0; i < 20; ++i)
                sender.sendNowait(i);
            sender.close();
            taker.join();
            QCOMPARE(diary.entries(), (QStringList{Closed, Drained}));
        }
    }

    void aSlotMayDestroyTheLastEnds()
    {
        auto channel = std::make_unique<Channel<int>>(createChannel<int>());
        ChannelStatus *status = channel->sender.channelStatus();
        const QPointer<ChannelStatus> watched = status;
        QObject::connect(status, &ChannelStatus::closed, this, [&] { channel.reset(); }, Qt::DirectConnection);
        channel->sender.close();
        QVERIFY(!channel);
        QVERIFY(!watched);
    }

    void aWorkChannelTellsToo()
    {
        auto [sender, receiver] = createWorkChannel<int>();
        const Diary diary(receiver.channelStatus());
        auto second = receiver.clone();
        receiver.bind();
        second.bind();
        sender.sendNowait(1);
        receiver.close();
        QCOMPARE(diary.entries(), (QStringList{Bound}));
        sender.close();
        second.receiveNowait();
        QCOMPARE(diary.entries(), (QStringList{Bound, Closed, Drained}));
        second.close();
    }
};

QTEST_GUILESS_MAIN(TestChannelStatus)
#include "tst_channelstatus.moc"
