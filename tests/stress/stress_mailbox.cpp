// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/actor.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/mailbox.h>
#include <qmicroio/scopegroup.h>

#include <QtTest/QTest>

#include <QtCore/QRandomGenerator>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace QMicroIO;

namespace {

constexpr int Producers = 4;
constexpr int Levels = 4;

int scaled(int rounds)
{
    static const double scale = [] {
        bool ok = false;
        const double asked = qEnvironmentVariable("QMICROIO_STRESS_SCALE").toDouble(&ok);
        return ok ? std::max(asked, 0.01) : 1.0;
    }();
    return std::max(10, int(rounds * scale));
}

quint32 seedOfTheRun()
{
    bool ok = false;
    const quint32 asked = qEnvironmentVariable("QMICROIO_STRESS_SEED").toUInt(&ok);
    return ok ? asked : 1;
}

// A moment of very different lengths, so that rounds meet at different places.
void linger(QRandomGenerator &random)
{
    std::atomic<quint32> left{random.bounded(1U << random.bounded(13))};
    while (left.load(std::memory_order_relaxed) > 0)
        left.fetch_sub(1, std::memory_order_relaxed);
}

struct Item
{
    int producer;
    int number;
    int level;
};

// Where each item of a round has ended up. One list for each thread that takes.
using Items = std::vector<Item>;

struct Counts
{
    quint64 accepted = 0;
    quint64 handled = 0;
    quint64 drained = 0;
    quint64 consumed = 0;
    quint64 left = 0;
    quint64 late = 0;
    int restarts = 0;
    int cancels = 0;
    int failures = 0;
    int destroyed = 0;
};

} // namespace

class StressMailbox : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B158, B160, B161, B165, B167, B168
    void everyAcceptedItemEndsUpInOnePlace_data()
    {
        QTest::addColumn<bool>("priority");
        QTest::addColumn<bool>("concurrent");
        QTest::newRow("mailbox") << false << false;
        QTest::newRow("mailbox, concurrent") << false << true;
        QTest::newRow("priorities") << true << false;
        QTest::newRow("priorities, concurrent") << true << true;
    }
    void everyAcceptedItemEndsUpInOnePlace()
    {
        QFETCH(bool, priority);
        QFETCH(bool, concurrent);
        const int rounds = scaled(150);
        const quint32 seed = seedOfTheRun();
        Counts counts;
        LoopServiceThread service(QStringLiteral("taker"));
        service.start();
        service.waitStarted();
        for (int i = 0; i < rounds; ++i) {
            const QString problem = round(service, seed + quint32(i), priority, concurrent, counts);
            QVERIFY2(problem.isEmpty(),
                     qPrintable(QStringLiteral("QMICROIO_STRESS_SEED=%1: %2").arg(seed + quint32(i)).arg(problem)));
        }
        qInfo("%d rounds: %llu accepted = %llu handled + %llu drained + %llu consumed + %llu left; %llu late; %d runs "
              "after "
              "an error, %d cancels, %d failed mailboxes, %d actors destroyed while they ran",
              rounds, counts.accepted, counts.handled, counts.drained, counts.consumed, counts.left, counts.late,
              counts.restarts, counts.cancels, counts.failures, counts.destroyed);
        service.stop();
        QVERIFY(service.join());
    }

private:
    static QString round(LoopServiceThread &service, quint32 seed, bool priority, bool concurrent, Counts &counts)
    {
        QRandomGenerator random(seed);
        Items handled; // the service's thread
        Items consumed; // whoever takes, one at a time
        const bool gated = random.bounded(2) == 0;
        const auto key = [](const Item &item) { return item.level; };
        const auto gate = [&consumed, gated](const Item &item) {
            if (!gated || item.number % 7 != 0)
                return true;
            consumed.push_back(item);
            return false;
        };
        std::optional<Mailbox<Item>> plain;
        std::optional<PriorityMailbox<Item, decltype(key), decltype(gate)>> urgent;
        const MailboxHandle<Item> *mailbox = nullptr;
        if (priority)
            mailbox = &urgent.emplace(key, gate);
        else
            mailbox = &plain.emplace();

        const quint32 errorEvery = random.bounded(2) ? 1 + random.bounded(50U) : 0;
        const quint32 waitEvery = 1 + random.bounded(8U);
        quint32 sinceError = 0;
        const auto work = [&](Item item) -> Task<> {
            handled.push_back(item);
            if (item.number % int(waitEvery) == 0)
                co_await checkpoint();
            if (errorEvery && ++sinceError % errorEvery == 0)
                throw std::out_of_range("handler");
        };
        const auto workAndRelease = [&](Item item, Release release) -> Task<> {
            if (item.number % 3 == 0)
                release();
            co_await work(item);
            if (item.number % 5 == 0)
                release();
        };
        auto actor = concurrent ? std::make_unique<ActorCore<Item>>(workAndRelease, *mailbox, Concurrent::Yes)
                                : std::make_unique<ActorCore<Item>>(work, *mailbox);

        ScopeGroup runs;
        std::atomic<bool> actorIsGone{false};
        const auto take = [&](ActorCore<Item> &taker) -> Task<> {
            // What a run needs of the actor is kept by the run: the actor may be destroyed meanwhile.
            for (bool goesOn = true; goesOn;) {
                Task<> task = taker.run();
                const auto region = [&]() -> Task<> { co_await std::move(task); };
                try {
                    if (co_await runs.run(region))
                        co_return; // closed
                } catch (const std::out_of_range &) {
                    ++counts.restarts;
                } catch (const ExceptionGroup &) {
                    ++counts.restarts;
                } catch (const std::domain_error &) {
                    co_return; // failed
                }
                goesOn = !actorIsGone;
            }
        };

        quint64 accepted[Producers] = {};
        quint64 late = 0;
        std::vector<std::thread> threads;
        std::atomic<quint64> lateInAll{0};
        const int producers = 1 + random.bounded(Producers);
        for (int p = 0; p < producers; ++p) {
            const quint32 own = random.generate();
            threads.emplace_back([&, p, own] {
                QRandomGenerator mine(own);
                const int count = mine.bounded(400);
                for (int i = 0; i < count; ++i) {
                    if (i % 16 == 0)
                        linger(mine);
                    if (mailbox->submit(Item{p, i, mine.bounded(Levels)}))
                        ++accepted[p];
                    else
                        ++lateInAll;
                }
            });
        }
        QFuture<void> taken = service.submit([&] { return take(*actor); });

        Items drained;
        std::atomic<bool> go{true};
        QString problem;
        const bool meddles = random.bounded(2) == 0;
        const quint32 meddling = random.generate();
        std::thread meddler([&] {
            QRandomGenerator mine(meddling);
            while (go && meddles) {
                linger(mine);
                switch (mine.bounded(4)) {
                case 0: {
                    const Items items = mailbox->drainNowait(mine.bounded(8));
                    drained.insert(drained.end(), items.begin(), items.end());
                    break;
                }
                case 1:
                    if (urgent)
                        urgent->setFloor(mine.bounded(Levels) - 1);
                    break;
                case 2:
                    counts.cancels += runs.cancel(QStringLiteral("meddler")) ? 1 : 0;
                    break;
                default: {
                    const MailboxStats stats = mailbox->stats();
                    if (stats.queued < 0 || stats.sent != stats.received + quint64(stats.queued))
                        problem = QStringLiteral("the statistics do not add up");
                }
                }
                std::this_thread::yield();
            }
        });

        for (int i = random.bounded(6); i > 0; --i)
            linger(random);
        const bool fails = random.bounded(3) == 0;
        const bool destroys = random.bounded(4) == 0;
        const auto end = [&] {
            if (fails)
                mailbox->fail(std::make_exception_ptr(std::domain_error("mailbox")));
            else
                mailbox->close();
        };
        const bool endsEarly = random.bounded(2) == 0;
        if (endsEarly)
            end();
        for (std::thread &thread : threads)
            thread.join();
        go = false;
        meddler.join();
        if (urgent)
            urgent->setFloor(std::nullopt);
        end();
        if (destroys) {
            // Only the service's thread may ask for another run; so it lets go of the actor, too.
            service.callSync([&] {
                actorIsGone = true;
                actor.reset();
            });
            ++counts.destroyed;
        }
        try {
            taken.waitForFinished();
        } catch (const std::exception &error) {
            return QStringLiteral("the taker ended by %1").arg(QString::fromUtf8(error.what()));
        }
        const Items left = mailbox->drainNowait();
        late = lateInAll;

        const MailboxStats stats = mailbox->stats();
        quint64 all = 0;
        for (const quint64 count : accepted)
            all += count;
        const quint64 found = handled.size() + drained.size() + consumed.size() + left.size();
        if (!problem.isEmpty())
            return problem;
        if (found != all)
            return QStringLiteral("%1 accepted, %2 found").arg(all).arg(found);
        if (stats.sent != all || stats.received != all || stats.dropped != late || stats.queued != 0)
            return QStringLiteral("the statistics are wrong");
        if (stats.consumed != consumed.size())
            return QStringLiteral("%1 consumed, %2 counted").arg(consumed.size()).arg(stats.consumed);
        const bool mayBeHeldBack = priority && endsEarly; // by the floor of that moment
        if (!destroys && !fails && !mayBeHeldBack && !left.empty())
            return QStringLiteral("a run that ended well left %1 items").arg(left.size());
        // Each item once, and within one place in the order in which it was sent.
        std::vector<std::vector<int>> seen(Producers);
        for (const Items *place : std::initializer_list<const Items *>{&handled, &drained, &consumed, &left}) {
            int last[Producers][Levels];
            std::fill_n(&last[0][0], Producers * Levels, -1);
            for (const Item &item : *place) {
                seen[std::size_t(item.producer)].push_back(item.number);
                int &before = last[item.producer][priority && place != &consumed ? item.level : 0];
                if (item.number <= before)
                    return QStringLiteral("%1 of producer %2 came after %3")
                        .arg(item.number)
                        .arg(item.producer)
                        .arg(before);
                before = item.number;
            }
        }
        for (int p = 0; p < Producers; ++p) {
            std::vector<int> &numbers = seen[std::size_t(p)];
            std::sort(numbers.begin(), numbers.end());
            if (std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end())
                return QStringLiteral("an item of producer %1 came twice").arg(p);
            if (numbers.size() != accepted[p])
                return QStringLiteral("producer %1: %2 accepted, %3 found").arg(p).arg(accepted[p]).arg(numbers.size());
        }
        counts.accepted += all;
        counts.handled += handled.size();
        counts.drained += drained.size();
        counts.consumed += consumed.size();
        counts.left += left.size();
        counts.late += late;
        counts.failures += fails ? 1 : 0;
        return {};
    }
};

QTEST_GUILESS_MAIN(StressMailbox)
#include "stress_mailbox.moc"
