// SPDX-License-Identifier: Apache-2.0
//
// Channels of all kinds under four producers, with cancellations, ends, failures and destruction at random moments. Each round has
// a seed, which a failure names; QMICROIO_STRESS_SEED runs one round again.
#include <qmicroio/cancelscope.h>
#include <qmicroio/channelbroadcast.h>
#include <qmicroio/channelwork.h>
#include <qmicroio/loopservicethread.h>

#include <QtTest/QTest>

#include <QtCore/QLoggingCategory>
#include <QtCore/QRandomGenerator>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

constexpr int Producers = 4;

int scaled(int rounds)
{
    static const double scale = [] {
        bool ok = false;
        const double asked = qEnvironmentVariable("QMICROIO_STRESS_SCALE").toDouble(&ok);
        return ok ? std::max(asked, 0.01) : 1.0;
    }();
    return std::max(10, int(rounds * scale));
}

// A moment of very different lengths, so that rounds meet at different places.
void linger(QRandomGenerator &random)
{
    std::atomic<quint32> left{random.bounded(1U << random.bounded(13))};
    while (left.load(std::memory_order_relaxed) > 0)
        left.fetch_sub(1, std::memory_order_relaxed);
    if (random.bounded(4) == 0)
        std::this_thread::yield();
}

struct Item
{
    int producer = 0;
    int number = 0;
};

// What one producer was told of its sends.
struct Sent
{
    int accepted = 0;
    int attempts = 0;
};

// What one receiver got.
struct Received
{
    std::array<int, Producers> last{};
    int count = 0;
    bool inOrder = true;
    void take(const Item &item)
    {
        int &previous = last[std::size_t(item.producer)];
        inOrder = inOrder && item.number > previous;
        previous = item.number;
        ++count;
    }
};

// The scope that a consumer waits in now, for those who cancel it from elsewhere.
class Target
{
public:
    void set(CancelScope *scope)
    {
        const std::lock_guard lock(m_mutex);
        m_scope = scope;
    }
    void cancel()
    {
        const std::lock_guard lock(m_mutex);
        if (m_scope)
            m_scope->cancel();
    }

private:
    std::mutex m_mutex;
    CancelScope *m_scope = nullptr;
};

// A thread that sends in every way a thread can, until the channel ends or it has sent enough.
Sent sendFromThread(ChannelSender<Item> sender, int producer, int most, quint32 seed)
{
    QRandomGenerator random(seed);
    Sent sent;
    for (int number = 1; number <= most; ++number) {
        try {
            ++sent.attempts;
            const Item item{producer, number};
            switch (random.bounded(4)) {
            case 0:
                sent.accepted += sender.sendNowait(item) ? 1 : 0;
                break;
            case 1:
                sent.accepted += sender.sendBlocking(item, QDeadlineTimer(std::chrono::microseconds(100))) ? 1 : 0;
                break;
            default:
                sent.accepted += sender.sendBlocking(item) ? 1 : 0;
            }
        } catch (const WouldBlock &) {
            std::this_thread::yield();
        } catch (const TimeoutError &) {
            // Not sent.
        } catch (const ClosedResourceError &) {
            break;
        } catch (const BrokenResourceError &) {
            break;
        }
        if (random.bounded(8) == 0)
            linger(random);
    }
    return sent;
}

// The same in a task, whose sends are cancelled now and then.
Task<Sent> sendFromTask(ChannelSender<Item> sender, int producer, int most, quint32 seed)
{
    QRandomGenerator random(seed);
    Sent sent;
    for (int number = 1; number <= most; ++number) {
        bool ended = false;
        const Item item{producer, number};
        const auto send = [&]() -> Task<> {
            try {
                sent.accepted += co_await sender.send(item) ? 1 : 0;
            } catch (const ClosedResourceError &) {
                ended = true;
            } catch (const BrokenResourceError &) {
                ended = true;
            }
        };
        ++sent.attempts;
        if (random.bounded(4) == 0)
            co_await moveOnAfter(std::chrono::microseconds(random.bounded(300)), send);
        else
            co_await send();
        if (ended)
            break;
    }
    co_return sent;
}

template<class Receiver>
Task<bool> receiveOne(Receiver &receiver, Received &received, QRandomGenerator &random)
{
    std::exception_ptr failure;
    bool ended = false;
    try {
        switch (random.bounded(4)) {
        case 0: {
            const std::optional<Item> item = co_await receiver.next();
            if (item)
                received.take(*item);
            ended = !item;
            break;
        }
        case 1:
            for (const Item &item : receiver.drainNowait(qsizetype(random.bounded(5)) - 1))
                received.take(item);
            co_await checkpoint();
            break;
        case 2:
            received.take(receiver.receiveNowait());
            break;
        default: {
            const Item item = co_await receiver.receive();
            received.take(item);
        }
        }
    } catch (const WouldBlock &) {
        // Nothing there.
    } catch (const EndOfStream &) {
        ended = true;
    } catch (const ClosedResourceError &) {
        ended = true;
    } catch (const std::out_of_range &) {
        ended = true; // the failure of the channel
    }
    co_return ended;
}

// Receives until the end, in scopes that others cancel. `most` items, then it leaves.
template<class Receiver>
Task<Received> receiveAll(std::shared_ptr<Receiver> receiver, Target &target, int most, quint32 seed)
{
    QRandomGenerator random(seed);
    Received received;
    for (bool ended = false; !ended && received.count < most;) {
        CancelScope scope;
        const auto body = [&]() -> Task<> { ended = co_await receiveOne(*receiver, received, random); };
        target.set(&scope);
        co_await scope.run(body);
        target.set(nullptr);
        if (random.bounded(16) == 0)
            co_await checkpoint(); // and sends find nobody who waits
    }
    co_return received;
}

class Service
{
public:
    explicit Service(const QString &name)
        : m_service(name)
    {
        m_service.start();
        m_service.waitStarted();
    }
    ~Service() { m_service.stop(), m_service.join(); }
    Service(const Service &) = delete;
    Service &operator=(const Service &) = delete;
    LoopServiceThread *operator->() { return &m_service; }

private:
    LoopServiceThread m_service;
};

ChannelOptions anyOptions(QRandomGenerator &random)
{
    ChannelOptions options{QStringLiteral("stress")};
    options.lateSend = random.bounded(2) == 0 ? LateSend::Throw : LateSend::Drop;
    if (random.bounded(4) > 0) {
        options.capacity = qsizetype(random.bounded(5));
        options.overflow = Overflow(random.bounded(8) < 6 ? 0 : random.bounded(3));
    }
    return options;
}

// Runs the rounds, or the one that is asked for.
template<class F>
void forEachSeed(int rounds, F round)
{
    bool one = false;
    const quint32 wanted = qEnvironmentVariable("QMICROIO_STRESS_SEED").toUInt(&one);
    for (int i = 0; i < (one ? 1 : rounds); ++i) {
        const quint32 seed = one ? wanted : quint32(i) * 7919U + 17U;
        const QString wrong = round(seed);
        QVERIFY2(wrong.isEmpty(), qPrintable(QStringLiteral("seed %1: %2").arg(seed).arg(wrong)));
    }
}

// Whether what everyone was told fits what the channel says of itself.
QString compare(const ChannelOptions &options, const ChannelStats &stats, const std::vector<Sent> &sent,
                const std::vector<Received> &received, bool isDrained)
{
    int accepted = 0;
    int attempts = 0;
    for (const Sent &of : sent) {
        accepted += of.accepted;
        attempts += of.attempts;
    }
    int taken = 0;
    for (const Received &of : received) {
        taken += of.count;
        if (!of.inOrder)
            return QStringLiteral("an item came twice or too early");
    }
    if (stats.sent != stats.received + quint64(stats.queued))
        return QStringLiteral("the statistics do not add up");
    if (stats.received != quint64(taken))
        return QStringLiteral("%1 items received, the channel says %2").arg(taken).arg(stats.received);
    const bool displaces = options.overflow == Overflow::DropOldest;
    if (displaces ? stats.sent > quint64(accepted) : stats.sent != quint64(accepted))
        return QStringLiteral("%1 items accepted, the channel says %2").arg(accepted).arg(stats.sent);
    if (stats.sent + stats.dropped > quint64(attempts))
        return QStringLiteral("more was sent or dropped than anybody tried");
    if (isDrained && stats.queued > 0)
        return QStringLiteral("%1 accepted items were never received").arg(stats.queued);
    if (options.capacity > 0 && stats.peak > options.capacity)
        return QStringLiteral("%1 items in a channel for %2").arg(stats.peak).arg(options.capacity);
    if (stats.parkedSenders != 0 || stats.parkedReceivers != 0)
        return QStringLiteral("somebody still waits");
    return {};
}

} // namespace

class StressChannel : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    // The ends that die unclosed on purpose are not worth a line each.
    void initTestCase() { QLoggingCategory::setFilterRules(QStringLiteral("qmicroio.channel=false")); }
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B127, B134, B135, B139, B142, B145
    void noAcceptedItemIsLostHoweverTheChannelEnds()
    {
        Service consuming(QStringLiteral("consuming"));
        Service producing(QStringLiteral("producing"));
        forEachSeed(scaled(600), [&](quint32 seed) {
            QRandomGenerator random(seed);
            const ChannelOptions options = anyOptions(random);
            auto channel = createChannel<Item>(options);
            ChannelSender<Item> sender = std::move(channel.sender);
            auto receiver = std::make_shared<ChannelReceiver<Item>>(std::move(channel.receiver));
            const int end = int(random.bounded(7));
            const int each = 1 + int(random.bounded(60));
            const int most = end == 5 ? int(random.bounded(quint32(each))) : Producers * each + 1;
            Target target;
            const quint32 receiverSeed = random.generate();
            QFuture<Received> received = consuming->submit(
                [&, receiverSeed] { return receiveAll(std::exchange(receiver, nullptr), target, most, receiverSeed); });
            if (end != 5)
                consuming->callSync([] { }); // the receiver has been taken over
            std::vector<Sent> sent(Producers);
            std::vector<std::thread> threads;
            std::vector<QFuture<Sent>> tasks;
            std::atomic<int> running{2};
            for (int p = 0; p < Producers; ++p) {
                const quint32 producerSeed = random.generate();
                if (p % 2 == 0) {
                    threads.emplace_back([&, p, producerSeed, tx = sender]() mutable {
                        sent[std::size_t(p)] = sendFromThread(std::move(tx), p, each, producerSeed);
                        --running;
                    });
                } else {
                    tasks.push_back(producing->submit(
                        [&sender, p, each, producerSeed] { return sendFromTask(sender, p, each, producerSeed); }));
                }
            }
            // The one who disturbs.
            for (quint32 i = random.bounded(20U); i > 0; --i) {
                linger(random);
                target.cancel();
            }
            if (end == 1)
                sender.close();
            else if (end == 2)
                sender.fail(std::make_exception_ptr(std::out_of_range("stress")));
            for (std::size_t i = 0; i < threads.size(); ++i) {
                while (end != 1 && end != 2 && end != 5 && running > 0 && random.bounded(3) > 0) {
                    linger(random);
                    target.cancel();
                }
                threads[i].join();
            }
            for (std::size_t i = 0; i < tasks.size(); ++i)
                sent[i * 2 + 1] = tasks[i].result();
            sender.close();
            const Received all = received.result();
            return compare(options, sender.stats(), sent, {all}, end != 5);
        });
    }

    // B144, B150, B152
    void noItemOfAWorkChannelIsLostOrDoubled()
    {
        constexpr std::size_t Loops = 2;
        std::vector<std::unique_ptr<Service>> loops;
        for (std::size_t i = 0; i < Loops; ++i)
            loops.push_back(std::make_unique<Service>(QStringLiteral("working %1").arg(i)));
        Service producing(QStringLiteral("producing"));
        forEachSeed(scaled(400), [&](quint32 seed) {
            QRandomGenerator random(seed);
            const ChannelOptions options = anyOptions(random);
            auto channel = createWorkChannel<Item>(options);
            ChannelSender<Item> sender = std::move(channel.sender);
            const int each = 1 + int(random.bounded(60));
            const bool oneLeaves = random.bounded(2) == 0;
            std::array<Target, Loops * 2> targets;
            std::vector<std::shared_ptr<WorkReceiver<Item>>> receivers{
                std::make_shared<WorkReceiver<Item>>(std::move(channel.receiver))};
            while (receivers.size() < targets.size())
                receivers.push_back(std::make_shared<WorkReceiver<Item>>(receivers.front()->clone()));
            std::vector<QFuture<Received>> results;
            for (std::size_t i = 0; i < receivers.size(); ++i) {
                // The first one may leave in the middle, and its end dies with it.
                const int most = i == 0 && oneLeaves ? int(random.bounded(10U)) : Producers * each + 1;
                const quint32 receiverSeed = random.generate();
                results.push_back((*loops[i % Loops])->submit([&, i, most, receiverSeed] {
                    return receiveAll(std::exchange(receivers[i], nullptr), targets[i], most, receiverSeed);
                }));
            }
            std::vector<Sent> sent(Producers);
            std::vector<std::thread> threads;
            std::vector<QFuture<Sent>> tasks;
            for (int p = 0; p < Producers; ++p) {
                const quint32 producerSeed = random.generate();
                if (p % 2 == 0) {
                    threads.emplace_back([&, p, producerSeed, tx = sender.clone()]() mutable {
                        sent[std::size_t(p)] = sendFromThread(tx, p, each, producerSeed);
                        tx.close();
                    });
                } else {
                    tasks.push_back(producing->submit(
                        [&sender, p, each, producerSeed] { return sendFromTask(sender, p, each, producerSeed); }));
                }
            }
            for (quint32 i = random.bounded(40U); i > 0; --i) {
                linger(random);
                targets[random.bounded(quint32(targets.size()))].cancel();
            }
            for (std::thread &thread : threads)
                thread.join();
            for (std::size_t i = 0; i < tasks.size(); ++i)
                sent[i * 2 + 1] = tasks[i].result();
            sender.close();
            std::vector<Received> received;
            for (QFuture<Received> &result : results)
                received.push_back(result.result());
            return compare(options, sender.stats(), sent, received, true);
        });
    }

    void subscribersComeAndGoAndKnowWhatTheyMissed()
    {
        Service listening(QStringLiteral("listening"));
        Service alsoListening(QStringLiteral("also listening"));
        forEachSeed(scaled(200), [&](quint32 seed) {
            QRandomGenerator random(seed);
            auto sender =
                createBroadcast<quint64>({QStringLiteral("stress"), LateSend::Drop, 1 + qsizetype(random.bounded(8))});
            const quint64 count = 200 + random.bounded(300U);
            std::atomic<int> wrong{0};
            std::atomic<quint64> last{0};
            // Of one producer, so that an item's number says how many come before it.
            const auto listen = [&](quint32 listenerSeed, bool toTheEnd) -> Task<> {
                QRandomGenerator own(listenerSeed);
                auto receiver = sender.subscribe();
                std::optional<quint64> expected;
                for (quint32 left = own.bounded(50U); toTheEnd || left > 0; --left) {
                    const auto item = co_await receiver.next();
                    if (!item)
                        break;
                    if (expected && item->value != *expected + item->missed)
                        ++wrong;
                    expected = item->value + 1;
                    if (toTheEnd)
                        last = item->value;
                }
            };
            std::vector<QFuture<void>> listeners;
            listeners.push_back(listening->submit([&, first = random.generate()] { return listen(first, true); }));
            listening->callSync([] { });
            std::atomic<bool> ends{false};
            std::thread joiner([&, joinerSeed = random.generate()] {
                QRandomGenerator own(joinerSeed);
                while (!ends && listeners.size() < 20) {
                    Service &where = own.bounded(2) == 0 ? listening : alsoListening;
                    listeners.push_back(where->submit([&, later = own.generate()] { return listen(later, false); }));
                    linger(own);
                }
            });
            for (quint64 i = 0; i < count; ++i) {
                sender.sendNowait(i);
                if (random.bounded(16) == 0)
                    linger(random);
            }
            ends = true;
            joiner.join();
            sender.close();
            for (QFuture<void> &listener : listeners)
                listener.waitForFinished();
            if (wrong > 0)
                return QStringLiteral("a subscriber was told a wrong number");
            return last == count - 1 ? QString() : QStringLiteral("the last item did not arrive");
        });
    }
};

QTEST_GUILESS_MAIN(StressChannel)
#include "stress_channel.moc"
