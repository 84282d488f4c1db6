// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/loopservicethread.h>
#include <qmicroio/mailbox.h>
#include <qmicroio/taskgroup.h>

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QSemaphore>
#include <QtCore/QThread>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

static_assert(std::is_copy_constructible_v<Mailbox<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<Mailbox<int>>);
static_assert(std::is_same_v<decltype(std::declval<Mailbox<int> &>().submit(1)), bool>);

namespace {

struct Job
{
    int level;
    char name;
};

struct LevelOf
{
    int operator()(const Job &job) const { return job.level; }
};

using Jobs = PriorityMailbox<Job, LevelOf>;

QString names(const std::vector<Job> &jobs)
{
    QString text;
    for (const Job &job : jobs)
        text += QLatin1Char(job.name);
    return text;
}

template<class T>
Task<std::vector<T>> takeAll(const MailboxHandle<T> &mailbox)
{
    std::vector<T> items;
    while (auto item = co_await mailbox.next())
        items.push_back(std::move(*item));
    co_return items;
}

template<class T>
Task<T> takeOne(const MailboxHandle<T> &mailbox)
{
    co_return co_await mailbox.get();
}

Task<> turns(int count)
{
    for (int i = 0; i < count; ++i)
        co_await checkpoint();
}

std::exception_ptr boom()
{
    return std::make_exception_ptr(std::out_of_range("boom"));
}

// Throws when it is moved while `failing` is set, and then keeps its number.
class Fragile
{
public:
    explicit Fragile(int number)
        : m_number(number)
    {
    }
    Fragile(Fragile &&other)
        : m_number(other.m_number)
    {
        if (failing)
            throw std::length_error("cannot be moved");
    }
    Fragile &operator=(Fragile &&) = delete;
    int number() const { return m_number; }
    static inline bool failing = false;

private:
    int m_number;
};

} // namespace

class TestMailbox : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B158
    void whatIsSubmittedAfterTheEndIsDroppedAndCounted()
    {
        Mailbox<int> mailbox;
        QVERIFY(mailbox.submit(1));
        QVERIFY(mailbox.put(2));
        QVERIFY(mailbox.close());
        QVERIFY(!mailbox.submit(3));
        QVERIFY(!mailbox.put(4));
        QVERIFY(mailbox.isClosed());
        QCOMPARE(run(takeAll(mailbox)), (std::vector<int>{1, 2}));
        const MailboxStats stats = mailbox.stats();
        QCOMPARE(stats.sent, 2U);
        QCOMPARE(stats.received, 2U);
        QCOMPARE(stats.dropped, 2U);
        QCOMPARE(stats.queued, 0);
        QVERIFY(stats.closed);
    }

    void theFirstEndDecides()
    {
        Mailbox<int> closed;
        QVERIFY(closed.close());
        QVERIFY(!closed.close());
        QVERIFY(!closed.fail(boom()));
        QVERIFY(throws<EndOfStream>([&] { run(takeOne(closed)); }));
        QVERIFY(throws<EndOfStream>([&] { run(takeOne(closed)); }));
        Mailbox<int> failed;
        QVERIFY(throws<std::invalid_argument>([&] { failed.fail(nullptr); }));
        failed.submit(1);
        QVERIFY(failed.fail(boom()));
        QVERIFY(!failed.close());
        QCOMPARE(run(takeOne(failed)), 1);
        QVERIFY(throws<std::out_of_range>([&] { run(takeOne(failed)); }));
        QVERIFY(throws<std::out_of_range>([&] { run(takeAll(failed)); }));
    }

    // Trap 25
    void trap25NullAndEmptyItemsAreItems()
    {
        Mailbox<std::optional<int>> mailbox;
        mailbox.submit(std::nullopt);
        mailbox.submit(0);
        mailbox.close();
        const auto items = run(takeAll(mailbox));
        QCOMPARE(items.size(), 2U);
        QVERIFY(!items[0].has_value());
        QCOMPARE(items[1], std::optional<int>(0));
        Mailbox<std::exception_ptr> errors;
        errors.submit(nullptr);
        errors.submit(boom());
        QVERIFY(!run(takeOne(errors)));
        QCOMPARE(errorText(run(takeOne(errors))), QStringLiteral("boom"));
    }

    void aParkedGetResumesOnItsOwnThreadAndNeverInsideASubmit()
    {
        const Mailbox<std::unique_ptr<int>> mailbox;
        LoopServiceThread service(QStringLiteral("taker"));
        service.start();
        service.waitStarted();
        QThread *home = service.callSync([] { return QThread::currentThread(); });
        QThread *resumedOn = nullptr;
        const auto take = [&]() -> Task<int> {
            const std::unique_ptr<int> item = co_await mailbox.get();
            resumedOn = QThread::currentThread();
            co_return *item;
        };
        QFuture<int> taken = service.submit(take);
        service.callSync([] { }); // it waits now
        bool isInside = false;
        bool ranInside = false;
        mailbox.submit(std::make_unique<int>(7));
        QCOMPARE(taken.result(), 7);
        QCOMPARE(resumedOn, home);
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> {
                co_await mailbox.get();
                ranInside = isInside;
            };
            group.startSoon(taker);
            co_await turns(3);
            isInside = true;
            mailbox.submit(std::make_unique<int>(8));
            isInside = false;
        };
        run(withTaskGroup(body));
        QVERIFY(!ranInside);
        service.stop();
        QVERIFY(service.join());
    }

    void anotherLoopMayTakeOnceTheFirstIsGone()
    {
        const Mailbox<int> mailbox;
        const auto take = [&]() -> Task<int> { co_return co_await mailbox.get(); };
        for (int i = 0; i < 3; ++i) {
            LoopServiceThread service(QStringLiteral("taker %1").arg(i));
            service.start();
            service.waitStarted();
            QFuture<int> taken = service.submit(take);
            service.callSync([] { });
            mailbox.submit(i);
            QCOMPARE(taken.result(), i);
            QFuture<int> waiting = service.submit(take);
            service.callSync([] { });
            service.stop();
            QVERIFY(service.join());
            QVERIFY(waiting.isCanceled());
            mailbox.submit(10 + i);
            QCOMPARE(mailbox.drainNowait(), (std::vector<int>{10 + i}));
        }
    }

    void onlyOneGetMayWait()
    {
        Mailbox<int> mailbox(QStringLiteral("orders"));
        QString text;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto first = [&]() -> Task<> { co_await mailbox.get(); };
            group.startSoon(first);
            co_await turns(3);
            try {
                co_await mailbox.get();
            } catch (const BusyResourceError &error) {
                text = error.message();
            }
            mailbox.submit(1);
        };
        run(withTaskGroup(body));
        QVERIFY2(text.contains(QStringLiteral("'orders'")), qPrintable(text));
        QCOMPARE(mailbox.stats().received, 1U);
    }

    // Trap 26
    void trap26WhatIsAcceptedWhileAnotherThreadClosesIsDelivered()
    {
        for (int round = 0; round < 200; ++round) {
            const Mailbox<int> mailbox;
            quint64 accepted = 0;
            QSemaphore first;
            std::thread sender([&] {
                do {
                    if (accepted == 1)
                        first.release();
                } while (mailbox.submit(1) && ++accepted < 100'000);
                first.release();
            });
            first.acquire();
            mailbox.close();
            const std::size_t taken = run(takeAll(mailbox)).size();
            sender.join();
            QCOMPARE(taken, accepted);
        }
    }

    // Trap 28
    void trap28IteratingEndsCleanlyWhenAnotherTaskCloses()
    {
        const Mailbox<int> mailbox;
        std::vector<int> taken;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> { taken = co_await takeAll(mailbox); };
            group.startSoon(taker);
            co_await turns(3);
            mailbox.submit(1);
            mailbox.close();
        };
        run(withTaskGroup(body));
        QCOMPARE(taken, std::vector<int>{1});
    }

    // Trap 23
    void trap23ACancelledGetStandsInNobodysWay()
    {
        Mailbox<int> mailbox;
        int taken = 0;
        const auto body = [&]() -> Task<> {
            const auto wait = [&]() -> Task<> { co_await mailbox.get(); };
            const bool ended = co_await moveOnAfter(1ms, wait);
            if (ended)
                throw Error("nothing was there");
            mailbox.submit(1);
            taken = co_await mailbox.get();
        };
        run(body());
        QCOMPARE(taken, 1);
        QCOMPARE(mailbox.stats().sent, 1U);
        QCOMPARE(mailbox.stats().received, 1U);
    }

    // Trap 21, trap 22
    void traps21And22AnItemAndACancellationThatComeTogetherLoseNothing()
    {
        for (const bool submitFirst : {true, false}) {
            Mailbox<int> mailbox;
            std::optional<int> taken;
            bool nextWaitThrew = false;
            const auto body = [&](TaskGroup &group) -> Task<> {
                CancelScope scope;
                const auto taker = [&]() -> Task<> {
                    const auto region = [&]() -> Task<> {
                        taken = co_await mailbox.get();
                        co_await checkpoint();
                    };
                    nextWaitThrew = !co_await scope.run(region);
                };
                group.startSoon(taker);
                co_await turns(3);
                if (submitFirst)
                    mailbox.submit(1);
                scope.cancel();
                if (!submitFirst)
                    mailbox.submit(1);
                co_await group.untilEmpty();
            };
            run(withTaskGroup(body));
            QVERIFY(nextWaitThrew);
            const std::vector<int> left = mailbox.drainNowait();
            QCOMPARE(left.size() + (taken ? 1U : 0U), 1U);
            const MailboxStats stats = mailbox.stats();
            QCOMPARE(stats.sent, 1U);
            QCOMPARE(stats.received, 1U);
        }
    }

    // Trap 24
    void trap24ADrainLeavesAWokenGetItsItem()
    {
        Mailbox<int> mailbox;
        int taken = 0;
        std::vector<int> drained;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> { taken = co_await mailbox.get(); };
            group.startSoon(taker);
            co_await turns(3);
            mailbox.submit(1);
            mailbox.submit(2);
            // At every moment until the get has run.
            while (taken == 0) {
                if (!mailbox.drainNowait().empty())
                    throw Error("the item of the get was drained");
                co_await checkpoint();
            }
            drained = mailbox.drainNowait();
        };
        run(withTaskGroup(body));
        QCOMPARE(taken, 1);
        QCOMPARE(drained, std::vector<int>{2});
    }

    // Trap 24; B167
    void trap24WhatTheFloorHoldsBackCanBeDrainedWhileAGetWaits()
    {
        const Jobs jobs{LevelOf()};
        jobs.setFloor(1);
        QString drained;
        QString taken;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> {
                const Job job = co_await jobs.get();
                taken += QLatin1Char(job.name);
            };
            group.startSoon(taker);
            co_await turns(3);
            const Job low(0, 'a');
            const Job high(2, 'b');
            jobs.submit(low);
            co_await turns(5);
            drained += names(jobs.drainNowait());
            jobs.submit(low);
            jobs.submit(high);
            while (taken.isEmpty()) {
                drained += names(jobs.drainNowait());
                co_await checkpoint();
            }
            drained += names(jobs.drainNowait());
        };
        run(withTaskGroup(body));
        QCOMPARE(taken, QStringLiteral("b"));
        QCOMPARE(drained, QStringLiteral("aa"));
    }

    // A woken get whose frame is destroyed leaves its item.
    void aGetThatIsDestroyedInTheMiddleLeavesItsItem()
    {
        Mailbox<int> mailbox;
        for (const bool woken : {false, true}) {
            QObject owner;
            ObjectTaskGroup tasks(&owner);
            const auto taker = [&]() -> Task<> { co_await mailbox.get(); };
            const auto body = [&]() -> Task<> {
                tasks.startSoon(taker);
                co_await turns(3);
                if (woken)
                    mailbox.submit(1);
                tasks.cancel();
            };
            run(body());
        }
        QCOMPARE(mailbox.drainNowait(), std::vector<int>{1});
        mailbox.submit(2);
        QCOMPARE(run(takeOne(mailbox)), 2);
    }

    void aDrainTakesWhatIsThereAndNoMoreThanAsked()
    {
        Mailbox<int> mailbox;
        QVERIFY(mailbox.drainNowait().empty());
        for (int i = 1; i <= 5; ++i)
            mailbox.submit(i);
        QVERIFY(mailbox.drainNowait(0).empty());
        QCOMPARE(mailbox.drainNowait(2), (std::vector<int>{1, 2}));
        QCOMPARE(run(takeOne(mailbox)), 3);
        mailbox.submit(6);
        mailbox.close();
        QCOMPARE(mailbox.drainNowait(), (std::vector<int>{4, 5, 6}));
        QVERIFY(mailbox.drainNowait().empty());
        QCOMPARE(mailbox.stats().received, 6U);
    }

    void anItemWhoseMoveThrowsIsNotLost()
    {
        const auto number = [](const Fragile &item) { return item.number(); };
        const Mailbox<Fragile> plain;
        const PriorityMailbox<Fragile, decltype(number)> urgent(number);
        for (const MailboxHandle<Fragile> *mailbox : {static_cast<const MailboxHandle<Fragile> *>(&plain),
                                                      static_cast<const MailboxHandle<Fragile> *>(&urgent)}) {
            QVERIFY(mailbox->submit(Fragile(1)));
            Fragile second(2);
            Fragile::failing = true;
            QVERIFY(throws<std::length_error>([&] { mailbox->submit(std::move(second)); }));
            QVERIFY(throws<std::length_error>([&] { mailbox->drainNowait(); }));
            Fragile::failing = false;
            QCOMPARE(mailbox->stats().sent, 1U);
            QCOMPARE(mailbox->stats().received, 0U);
            QCOMPARE(run(takeOne(*mailbox)).number(), 1);
        }
    }

    void theLastHandleClosesTheMailboxAndLeftoversAreReported()
    {
        LogCapture log;
        auto mailbox = std::make_unique<Mailbox<int>>(QStringLiteral("letters"));
        auto copy = std::make_unique<Mailbox<int>>(*mailbox);
        bool ended = false;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> { // the awaitable outlives the handle that made it
                const bool found = (co_await mailbox->next()).has_value();
                ended = !found;
            };
            group.startSoon(taker);
            co_await turns(3);
            mailbox.reset();
            co_await turns(3);
            if (ended)
                throw Error("there is another handle");
            copy.reset();
        };
        run(withTaskGroup(body));
        QVERIFY(ended);
        QCOMPARE(log.count(), 0);
        {
            const Mailbox<int> left(QStringLiteral("left"));
            left.submit(1);
            left.submit(2);
        }
        const QList<QString> warnings = log.texts(QtWarningMsg);
        QCOMPARE(warnings.size(), 1);
        QVERIFY2(warnings[0].contains(QStringLiteral("'left'")) && warnings[0].contains(u'2'), qPrintable(warnings[0]));
    }

    void aMovedFromHandleSaysSo()
    {
        Mailbox<int> mailbox;
        const Mailbox<int> taken = std::move(mailbox);
        QVERIFY(throws<LogicError>([&] { mailbox.submit(1); })); // NOLINT(bugprone-use-after-move)
        Jobs jobs{LevelOf()};
        const Jobs moved = std::move(jobs);
        QVERIFY(throws<LogicError>([&] { jobs.setFloor(1); })); // NOLINT(bugprone-use-after-move)
        QVERIFY(taken.submit(1));
        QCOMPARE(taken.drainNowait().size(), 1U);
    }

    // B166
    void theMostUrgentItemComesFirstAndEqualOnesInOrder()
    {
        const Jobs jobs{LevelOf()};
        for (const Job &job : {Job{0, 'a'}, Job{2, 'b'}, Job{1, 'c'}, Job{2, 'd'}})
            jobs.submit(job);
        jobs.close();
        QCOMPARE(names(run(takeAll(jobs))), QStringLiteral("bdca"));
    }

    void levelsMayBeAnythingThatHasAnOrder()
    {
        const auto text = [](const QString &item) { return item; };
        const PriorityMailbox<QString, decltype(text)> names(text);
        names.submit(QStringLiteral("anna"));
        names.submit(QStringLiteral("zoe"));
        names.submit(QStringLiteral("max"));
        names.setFloor(QStringLiteral("anna"));
        QCOMPARE(run(takeOne(names)), QStringLiteral("zoe"));
        QCOMPARE(run(takeOne(names)), QStringLiteral("max"));
        QCOMPARE(names.drainNowait(), std::vector<QString>{QStringLiteral("anna")});

        const auto size = [](const std::unique_ptr<double> &item) { return *item; };
        const PriorityMailbox<std::unique_ptr<double>, decltype(size)> sizes(size);
        QVERIFY(throws<std::invalid_argument>([&] { sizes.submit(std::make_unique<double>(std::nan(""))); }));
        QVERIFY(throws<std::invalid_argument>([&] { sizes.setFloor(std::nan("")); }));
        sizes.submit(std::make_unique<double>(1.5));
        QCOMPARE(*run(takeOne(sizes)), 1.5);
        QCOMPARE(sizes.stats().sent, 1U);
    }

    // B167
    void theFloorHoldsBackWhatIsAtOrBelowIt()
    {
        const Jobs jobs{LevelOf()};
        jobs.setFloor(0);
        QCOMPARE(jobs.floor(), std::optional<int>(0));
        jobs.submit({0, 'p'});
        jobs.submit({1, 'r'});
        QString taken;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> {
                for (int i = 0; i < 2; ++i) {
                    const Job job = co_await jobs.get();
                    taken += QLatin1Char(job.name);
                }
            };
            group.startSoon(taker);
            co_await turns(5);
            if (taken != QStringLiteral("r"))
                throw Error("the floor did not hold");
            const Job another(-1, 'q');
            jobs.submit(another); // wakes the taker for nothing
            co_await turns(5);
            if (taken != QStringLiteral("r"))
                throw Error("the floor did not hold the second time");
            jobs.setFloor(std::nullopt);
        };
        run(withTaskGroup(body));
        QCOMPARE(taken, QStringLiteral("rp"));
        QCOMPARE(jobs.drainNowait().size(), 1U);
    }

    // B167
    void aDrainIgnoresTheFloorAndKeepsOrderAndMaximum()
    {
        const Jobs jobs{LevelOf()};
        jobs.setFloor(1);
        for (const Job &job : {Job{0, 'a'}, Job{2, 'b'}, Job{1, 'c'}, Job{0, 'd'}})
            jobs.submit(job);
        QCOMPARE(names(jobs.drainNowait(3)), QStringLiteral("bca"));
        QCOMPARE(names(jobs.drainNowait()), QStringLiteral("d"));
    }

    // B167
    void theFloorIsLiftedFromAnotherThread()
    {
        const Jobs jobs{LevelOf()};
        jobs.setFloor(5);
        LoopServiceThread service(QStringLiteral("taker"));
        service.start();
        service.waitStarted();
        const auto take = [&]() -> Task<int> {
            const Job job = co_await jobs.get();
            co_return job.level;
        };
        QFuture<int> taken = service.submit(take);
        service.callSync([] { });
        jobs.submit({3, 'x'});
        service.callSync([] { });
        jobs.setFloor(2);
        QCOMPARE(taken.result(), 3);
        service.stop();
        QVERIFY(service.join());
    }

    // A get that was woken for an item keeps it when the floor comes up in between.
    void aFloorThatComesAfterTheWakeUpComesTooLate()
    {
        const Jobs jobs{LevelOf()};
        int taken = 0;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> {
                const Job job = co_await jobs.get();
                taken = job.level;
            };
            group.startSoon(taker);
            co_await turns(3);
            const Job job(1, 'a');
            jobs.submit(job);
            for (int i = 0; i < 3; ++i) {
                co_await checkpoint();
                jobs.setFloor(i);
            }
            jobs.setFloor(std::nullopt);
        };
        run(withTaskGroup(body));
        QCOMPARE(taken, 1);
    }

    // B168
    void theGateSeesEachItemOnceInTheOrderOfArrivalOnTheTakersThread()
    {
        QString seen;
        QThread *seenOn = nullptr;
        const auto gate = [&](const Job &job) {
            seen += QLatin1Char(job.name);
            seenOn = QThread::currentThread();
            return job.name != 'b';
        };
        const PriorityMailbox<Job, LevelOf, decltype(gate)> jobs(LevelOf(), gate);
        LoopServiceThread service(QStringLiteral("taker"));
        service.start();
        service.waitStarted();
        QThread *home = service.callSync([] { return QThread::currentThread(); });
        for (const Job &job : {Job{0, 'a'}, Job{2, 'b'}, Job{1, 'c'}, Job{2, 'd'}})
            jobs.submit(job);
        QVERIFY(seen.isEmpty());
        const auto take = [&]() -> Task<QString> {
            QString taken;
            for (int i = 0; i < 4; ++i) {
                const Job job = co_await jobs.get();
                taken += QLatin1Char(job.name);
            }
            co_return taken;
        };
        QFuture<QString> taken = service.submit(take);
        service.callSync([] { });
        QCOMPARE(jobs.stats().consumed, 1U);
        jobs.submit({7, 'b'}); // consumed: the get goes on waiting
        service.callSync([] { });
        jobs.submit({0, 'e'});
        QCOMPARE(taken.result(), QStringLiteral("dcae"));
        QCOMPARE(seen, QStringLiteral("abcdbe"));
        QCOMPARE(seenOn, home);
        const MailboxStats stats = jobs.stats();
        QCOMPARE(stats.sent, 6U);
        QCOMPARE(stats.received, 6U);
        QCOMPARE(stats.consumed, 2U);
        service.stop();
        QVERIFY(service.join());
    }

    // B168
    void whatTheGateThrowsComesOutAndItsItemIsConsumed()
    {
        const auto gate = [](const Job &job) {
            if (job.name == '!')
                throw std::out_of_range("unreadable");
            return true;
        };
        const PriorityMailbox<Job, LevelOf, decltype(gate)> jobs(LevelOf(), gate);
        jobs.submit({0, 'a'});
        jobs.submit({1, '!'});
        jobs.submit({2, 'b'});
        QVERIFY(throws<std::out_of_range>([&] { jobs.drainNowait(); }));
        QCOMPARE(names(jobs.drainNowait()), QStringLiteral("ba"));
        QCOMPARE(jobs.stats().consumed, 1U);
        int failures = 0;
        int taken = 0;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> {
                try {
                    co_await jobs.get();
                } catch (const std::out_of_range &) {
                    ++failures;
                }
                const Job job = co_await jobs.get();
                taken = job.level;
            };
            group.startSoon(taker);
            co_await turns(3);
            const Job bad(1, '!');
            jobs.submit(bad);
            co_await turns(5);
            const Job good(4, 'c');
            jobs.submit(good);
        };
        run(withTaskGroup(body));
        QCOMPARE(failures, 1);
        QCOMPARE(taken, 4);
        QCOMPARE(jobs.stats().queued, 0);
    }

    void aGateMayUseItsMailboxButNotTakeFromIt()
    {
        struct Gate
        {
            std::function<bool(const Job &)> *function;
            bool operator()(const Job &job) { return (*function)(job); }
        };
        std::function<bool(const Job &)> function;
        const PriorityMailbox<Job, LevelOf, Gate> jobs(LevelOf(), Gate{&function});
        function = [&](const Job &job) {
            if (job.name == 't')
                jobs.drainNowait();
            if (job.name == 's')
                jobs.submit({9, 'n'});
            jobs.setFloor(std::nullopt);
            return jobs.stats().sent > 0;
        };
        jobs.submit({0, 's'});
        QCOMPARE(names(jobs.drainNowait()), QStringLiteral("s"));
        QCOMPARE(names(jobs.drainNowait()), QStringLiteral("n"));
        jobs.submit({0, 't'});
        QVERIFY(throws<LogicError>([&] { jobs.drainNowait(); }));
        QCOMPARE(jobs.stats().queued, 0);
    }

    // A gate runs while its get waits, so what it does to that get has to be seen.
    void aGateMayCancelTheGetThatWaits_data()
    {
        QTest::addColumn<bool>("asleep");
        QTest::addColumn<bool>("accepts");
        QTest::newRow("at once, consumes") << false << false;
        QTest::newRow("at once, accepts") << false << true;
        QTest::newRow("asleep, consumes") << true << false;
        QTest::newRow("asleep, accepts") << true << true;
    }
    void aGateMayCancelTheGetThatWaits()
    {
        QFETCH(bool, asleep);
        QFETCH(bool, accepts);
        CancelScope scope;
        const auto gate = [&](const Job &) {
            scope.cancel();
            return accepts;
        };
        const PriorityMailbox<Job, LevelOf, decltype(gate)> jobs(LevelOf(), gate);
        const Job job(1, 'a');
        bool ranToItsEnd = true;
        quint64 taken = 0;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> {
                const auto region = [&]() -> Task<> {
                    co_await jobs.get();
                    ++taken;
                    co_await checkpoint();
                };
                ranToItsEnd = co_await scope.run(region);
            };
            if (!asleep)
                jobs.submit(job);
            group.startSoon(taker);
            co_await turns(3);
            if (asleep)
                jobs.submit(job);
        };
        run(withTaskGroup(body));
        QVERIFY(!ranToItsEnd);
        QCOMPARE(taken + jobs.drainNowait().size(), accepts ? 1U : 0U);
        QCOMPARE(jobs.stats().queued, 0);
    }

    void aGateMayDestroyTheTaskThatWaits()
    {
        std::optional<QObject> owner(std::in_place);
        std::optional<ObjectTaskGroup> tasks(std::in_place, &*owner);
        const auto gate = [&](const Job &) {
            owner.reset(); // the task that waits is unwound here
            return true;
        };
        const PriorityMailbox<Job, LevelOf, decltype(gate)> jobs(LevelOf(), gate);
        const Job job(1, 'a');
        const auto body = [&]() -> Task<> {
            const auto taker = [&]() -> Task<> { co_await jobs.get(); };
            tasks->startSoon(taker);
            co_await turns(3);
            jobs.submit(job);
            co_await turns(5);
        };
        run(body());
        QVERIFY(!owner);
        QCOMPARE(names(jobs.drainNowait()), QStringLiteral("a"));
    }

    // B169
    void atTheEndItemsAboveTheFloorComeOutAndTheOthersCanBeDrained()
    {
        const Jobs jobs{LevelOf()};
        jobs.setFloor(1);
        for (const Job &job : {Job{0, 'a'}, Job{2, 'b'}, Job{1, 'c'}, Job{3, 'd'}})
            jobs.submit(job);
        jobs.close();
        QCOMPARE(names(run(takeAll(jobs))), QStringLiteral("db"));
        QVERIFY(throws<EndOfStream>([&] { run(takeOne(jobs)); }));
        QCOMPARE(names(jobs.drainNowait()), QStringLiteral("ca"));
    }

    // B170
    void aCancelledGetLosesNoParkedItem()
    {
        const Jobs jobs{LevelOf()};
        jobs.setFloor(5);
        jobs.submit({1, 'a'});
        jobs.submit({2, 'b'});
        bool ended = true;
        const auto body = [&]() -> Task<> {
            const auto wait = [&]() -> Task<> { co_await jobs.get(); };
            ended = co_await moveOnAfter(1ms, wait);
        };
        run(body());
        QVERIFY(!ended);
        jobs.setFloor(std::nullopt);
        jobs.close();
        QCOMPARE(names(run(takeAll(jobs))), QStringLiteral("ba"));
    }

    // B171, trap 27
    void trap27SettingTheFloorIsNoItem()
    {
        const Jobs jobs{LevelOf()};
        MailboxStats stats;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto taker = [&]() -> Task<> { co_await jobs.next(); };
            group.startSoon(taker);
            co_await turns(3);
            for (int i = 0; i < 3; ++i) {
                jobs.setFloor(i);
                co_await turns(3);
            }
            stats = jobs.stats();
            jobs.close();
        };
        run(withTaskGroup(body));
        QCOMPARE(stats.sent, 0U);
        QCOMPARE(stats.received, 0U);
        QCOMPARE(stats.dropped, 0U);
        QCOMPARE(stats.queued, 0);
        jobs.setFloor(7); // closed: nothing is thrown, nothing is counted
        QCOMPARE(jobs.stats().dropped, 0U);
        QVERIFY(jobs.drainNowait().empty());
    }

    void theStatisticsAddUpAtEveryMoment()
    {
        const auto gate = [](const Job &job) { return job.level % 3 != 0; };
        const PriorityMailbox<Job, LevelOf, decltype(gate)> jobs(LevelOf(), gate);
        LoopServiceThread service(QStringLiteral("taker"));
        service.start();
        service.waitStarted();
        const auto take = [&]() -> Task<quint64> {
            quint64 count = 0;
            while (co_await jobs.next())
                ++count;
            co_return count;
        };
        QFuture<quint64> taken = service.submit(take);
        std::atomic<bool> go{true};
        quint64 drained = 0;
        std::thread producer([&] {
            for (int i = 0; go; ++i) {
                while (go && i % 64 == 0 && jobs.stats().queued > 1000)
                    std::this_thread::yield();
                jobs.submit({i % 100, 'x'});
            }
        });
        for (int i = 0; i < 2000; ++i) {
            const MailboxStats stats = jobs.stats();
            QVERIFY(stats.queued >= 0);
            QVERIFY(stats.consumed <= stats.received);
            QCOMPARE(stats.sent, stats.received + quint64(stats.queued));
            if (i % 50 == 0) {
                drained += jobs.drainNowait(3).size();
                jobs.setFloor(i % 100);
            }
        }
        go = false;
        producer.join();
        jobs.setFloor(std::nullopt);
        jobs.close();
        const MailboxStats stats = (taken.waitForFinished(), jobs.stats());
        QCOMPARE(stats.sent, stats.received);
        QCOMPARE(stats.received, taken.result() + drained + stats.consumed);
        service.stop();
        QVERIFY(service.join());
    }

    // B158
    void deadLettersAreToldOnTheWatchersThreadAndNotOneByOne()
    {
        const Mailbox<int> mailbox;
        MailboxWatcher watcher(mailbox);
        std::vector<quint64> told;
        QThread *toldOn = nullptr;
        connect(&watcher, &MailboxWatcher::deadLettersChanged, this, [&](quint64 total) {
            told.push_back(total);
            toldOn = QThread::currentThread();
            if (total < 1001)
                mailbox.submit(0); // no lock is held
        });
        mailbox.submit(1);
        mailbox.close();
        std::thread sender([&] {
            for (int i = 0; i < 1000; ++i)
                mailbox.submit(i);
        });
        sender.join();
        QVERIFY(told.empty());
        QCOMPARE(watcher.deadLetters(), 1000U);
        QTRY_COMPARE(told, (std::vector<quint64>{1000, 1001}));
        QCOMPARE(toldOn, QThread::currentThread());
        mailbox.drainNowait();
    }

    void aWatcherThatIsDestroyedHearsNothing()
    {
        const Mailbox<int> mailbox;
        mailbox.close();
        int told = 0;
        {
            MailboxWatcher watcher(mailbox);
            connect(&watcher, &MailboxWatcher::deadLettersChanged, this, [&] { ++told; });
            mailbox.submit(1);
        }
        MailboxWatcher second(mailbox);
        connect(&second, &MailboxWatcher::deadLettersChanged, this, [&] { told += 10; });
        mailbox.submit(2);
        QTRY_COMPARE(told, 10);
        QCOMPARE(second.deadLetters(), 2U);
    }

    void takingLetsOthersHaveATurn()
    {
        const Mailbox<int> mailbox;
        for (int i = 0; i < 100'000; ++i)
            mailbox.submit(i);
        mailbox.close();
        int ticks = 0;
        bool done = false;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto ticker = [&]() -> Task<> {
                while (!done) {
                    ++ticks;
                    co_await checkpoint();
                }
            };
            group.startSoon(ticker);
            QElapsedTimer slow;
            while (co_await mailbox.next()) {
                slow.start();
                while (slow.nsecsElapsed() < 200) { }
            }
            done = true;
        };
        run(withTaskGroup(body));
        QVERIFY2(ticks >= 2, "20 ms of work without a turn for the others");
    }
};

QTEST_GUILESS_MAIN(TestMailbox)
#include "tst_mailbox.moc"
