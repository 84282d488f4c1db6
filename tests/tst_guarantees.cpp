// SPDX-License-Identifier: Apache-2.0
//
// The guarantee of each call that may get no memory or runs code of the user, as docs/reliability.md states it: every allocation of it
// fails in turn, and what the user gives (items, functions, handlers, keys) throws at each place where it can.
#include "failingallocation.h"
#include "runningservice.h"
#include "servicetesting.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QLoggingCategory>
#include <QtCore/QPromise>
#include <QtCore/QScopeGuard>
#include <QtCore/QSemaphore>
#include <QtTest/QTest>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

namespace {

class Emitter : public QObject
{
    Q_OBJECT
Q_SIGNALS:
    void emitted(int number);
};

// Throws when it is copied or moved for the n-th time; negative: never.
struct Fragile
{
    static inline std::atomic<int> left = -1;
    static inline std::atomic<int> alive = 0;
    static void count()
    {
        if (left >= 0 && left-- == 0)
            throw Error("fragile");
    }
    explicit Fragile(int value = 0)
        : number(value)
    {
        ++alive;
    }
    Fragile(Fragile &&other) // NOLINT(performance-noexcept-move-constructor): that is what it is for
        : number(other.number)
    {
        count();
        ++alive;
    }
    Fragile(const Fragile &other)
        : number(other.number)
    {
        count();
        ++alive;
    }
    Fragile &operator=(const Fragile &other)
    {
        count();
        number = other.number;
        return *this;
    }
    ~Fragile() { --alive; }
    int number;
};

// The same with moves that throw: `act` once for each of them. How many threw.
int breakEach(const std::function<void()> &act)
{
    for (int number = 0; number < 100; ++number) {
        Fragile::left = number;
        bool threw = false;
        try {
            act();
        } catch (const Error &) {
            threw = true;
        }
        const bool reached = Fragile::left < 0;
        Fragile::left = -1;
        if (!reached)
            return threw ? -1 : number;
    }
    return -1;
}

std::exception_ptr someError()
{
    static const std::exception_ptr error = std::make_exception_ptr(Error("some"));
    return error;
}

} // namespace

class TestGuarantees : public QObject
{
    Q_OBJECT

    // Runs `wait` in a task with each allocation in its thread failing in turn. Each time the task ends.
    static void waitWithoutMemory(LoopServiceThread &service, const std::function<Task<>()> &wait,
                                  const std::function<void()> &end, const std::function<void()> &tidy = {})
    {
        int failures = 0;
        for (int number = 0;; ++number) {
            std::atomic<bool> failed = false;
            QSemaphore begun;
            const auto body = [&]() -> Task<> {
                begun.release();
                const FailingAllocation failing(number);
                try {
                    co_await wait();
                } catch (const std::bad_alloc &) {
                } catch (const std::exception &) { // a group that holds it, or what the wait is documented to give
                }
                failed = t_failed;
            };
            QFuture<void> future = service.submit(body);
            begun.acquire();
            if (end)
                end();
            QVERIFY2(QTest::qWaitFor([&] { return future.isFinished(); }, 20'000), qPrintable(QString::number(number)));
            QVERIFY(!future.isCanceled());
            if (tidy)
                tidy();
            if (!failed)
                break;
            ++failures;
            QVERIFY(failures < 300);
        }
        // The loop is as good as new.
        QCOMPARE(service.callSync([] { return 1; }), 1);
    }

private Q_SLOTS:
    void init() { Fragile::left = -1; }
    void cleanup() { QCOMPARE(Fragile::alive.load(), 0); }

    // B511
    void waitsOfTasksEndWhicheverAllocationFails_data()
    {
        QTest::addColumn<int>("kind");
        const char *const names[] = {"sleep",      "deadline",     "checkpoint",  "shielded",   "receive",
                                     "next",       "work receive", "broadcast",   "latest",     "send",
                                     "get",        "priority get", "untilClosed", "nextSignal", "request",
                                     "reply",      "QFuture",      "offload",     "untilIdle",  "group",
                                     "untilEmpty", "start",        "spawn",       "whenAll",    "whenAny",
                                     "ScopeGroup", "actor",        "cancel",      "cancellable"};
        int kind = 0;
        for (const char *name : names)
            QTest::addRow("%s", name) << kind++;
    }
    void waitsOfTasksEndWhicheverAllocationFails()
    {
        QFETCH(int, kind);
        Running service;
        const LogCapture log; // what is given up may be logged
        const auto forever = []() -> Task<> { co_await sleepForever(); };
        const auto brief = []() -> Task<> { co_await sleep(0ms); };
        switch (kind) {
        case 0:
            waitWithoutMemory(service, []() -> Task<> { co_await sleep(1ms); }, {});
            break;
        case 1: { // the deadline itself needs memory
            std::atomic<int> timedOut = 0;
            std::atomic<int> rounds = 0;
            const auto wait = [&]() -> Task<> {
                ++rounds;
                try {
                    co_await failAfter(1ms, forever);
                } catch (const TimeoutError &) {
                    ++timedOut;
                } catch (const std::bad_alloc &) {
                    ++timedOut;
                }
            };
            waitWithoutMemory(service, wait, {});
            QCOMPARE(timedOut.load(), rounds.load());
            break;
        }
        case 2:
            waitWithoutMemory(service, []() -> Task<> { co_await checkpoint(); }, {});
            break;
        case 3:
            waitWithoutMemory(service, [&]() -> Task<> { co_await shielded(brief); }, {});
            break;
        case 4:
        case 5: {
            std::optional<Channel<int>> channel;
            const auto renew = [&] {
                service.callSync([&] { channel.emplace(createChannel<int>({{}, LateSend::Drop})); });
            };
            renew();
            const auto wait = [&]() -> Task<> {
                if (kind == 4)
                    co_await channel->receiver.receive();
                else
                    co_await channel->receiver.next();
            };
            waitWithoutMemory(service, wait, [&] { channel->sender.sendNowait(1); }, renew);
            service.callSync([&] { channel.reset(); });
            break;
        }
        case 6: {
            std::optional<WorkChannel<int>> channel;
            const auto renew = [&] {
                service.callSync([&] { channel.emplace(createWorkChannel<int>({{}, LateSend::Drop})); });
            };
            renew();
            const auto wait = [&]() -> Task<> { co_await channel->receiver.receive(); };
            waitWithoutMemory(service, wait, [&] { channel->sender.sendNowait(1); }, renew);
            service.callSync([&] { channel.reset(); });
            break;
        }
        case 7: {
            BroadcastSender<QString> sender = createBroadcast<QString>();
            const auto wait = [&]() -> Task<> {
                BroadcastReceiver<QString> receiver = sender.subscribe();
                sender.sendNowait(QStringLiteral("x"));
                co_await receiver.receive();
            };
            waitWithoutMemory(service, wait, {});
            sender.close();
            break;
        }
        case 8: {
            const auto wait = [&]() -> Task<> {
                Channel<int> channel = createLatest<int>(1);
                co_await channel.receiver.receive();
            };
            waitWithoutMemory(service, wait, {});
            break;
        }
        case 9: {
            const auto wait = [&]() -> Task<> {
                Channel<int> channel = createChannel<int>({{}, LateSend::Throw, 1});
                channel.sender.sendNowait(1);
                const auto body = [&](TaskGroup &group) -> Task<> {
                    const auto take = [&]() -> Task<> {
                        co_await channel.receiver.receive();
                        co_await channel.receiver.receive();
                    };
                    group.startSoon(take);
                    co_await channel.sender.send(2);
                };
                co_await withTaskGroup(body);
            };
            waitWithoutMemory(service, wait, {});
            break;
        }
        case 10: {
            std::optional<Mailbox<int>> mailbox{std::in_place};
            const auto renew = [&] { service.callSync([&] { mailbox.emplace(); }); };
            waitWithoutMemory(
                service, [&]() -> Task<> { co_await mailbox->get(); }, [&] { mailbox->submit(1); }, renew);
            break;
        }
        case 11: {
            const auto key = [](int item) { return item; };
            using Box = PriorityMailbox<int, decltype(key)>;
            std::optional<Box> mailbox{key};
            const auto renew = [&] { service.callSync([&] { mailbox.emplace(key); }); };
            waitWithoutMemory(
                service, [&]() -> Task<> { co_await mailbox->get(); }, [&] { mailbox->submit(1); }, renew);
            break;
        }
        case 12: {
            std::unique_ptr<CloseScope> scope = std::make_unique<CloseScope>();
            const auto renew = [&] { service.callSync([&] { scope = std::make_unique<CloseScope>(); }); };
            waitWithoutMemory(
                service, [&]() -> Task<> { co_await untilClosed(*scope); }, [&] { scope->close(); }, renew);
            break;
        }
        case 13: {
            const auto wait = []() -> Task<> {
                Emitter emitter;
                const auto body = [&](TaskGroup &group) -> Task<> {
                    const auto emits = [&] { Q_EMIT emitter.emitted(1); };
                    group.startSoon(emits);
                    co_await nextSignal(&emitter, &Emitter::emitted);
                };
                co_await withTaskGroup(body);
            };
            waitWithoutMemory(service, wait, {});
            break;
        }
        case 14: {
            RequestRegistry<int, int> registry;
            registry.registerRequest(1).forget(); // Qt's hash has its memory from here on
            const auto wait = [&]() -> Task<> {
                const auto send = [&](ReplyHandle<int, int> &handle) { handle.resolve(1); };
                co_await registry.requestAsync(1, send);
            };
            waitWithoutMemory(service, wait, {}, [&] { QCOMPARE(registry.size(), 0); });
            break;
        }
        case 15: {
            RequestRegistry<int, int> registry;
            std::optional<ReplyHandle<int, int>> handle = registry.registerRequest(1);
            const auto renew = [&] {
                handle->forget();
                handle = registry.registerRequest(1);
            };
            waitWithoutMemory(
                service, [&]() -> Task<> { co_await handle->reply(); }, [&] { handle->resolve(2); }, renew);
            break;
        }
        case 16: {
            std::optional<QPromise<int>> promise{std::in_place};
            QFuture<int> future = promise->future();
            const auto renew = [&] {
                promise.emplace();
                promise->start();
                future = promise->future();
            };
            renew();
            waitWithoutMemory(
                service,
                [&]() -> Task<> {
                    QFuture<int> copy = future;
                    co_await copy;
                },
                [&] {
                    promise->addResult(1);
                    promise->finish();
                },
                renew);
            break;
        }
        case 17:
            waitWithoutMemory(service,
                              []() -> Task<> {
                                  const auto work = [] { return 1; };
                                  co_await offload(work);
                              },
                              {});
            break;
        case 18: {
            WorkTracker tracker;
            waitWithoutMemory(
                service,
                [&]() -> Task<> {
                    const auto idle = [&] { tracker.done(); };
                    const auto body = [&](TaskGroup &group) -> Task<> {
                        tracker.add();
                        const auto atEnd = qScopeGuard([&] {
                            if (tracker.isBusy())
                                tracker.done();
                        });
                        group.startSoon(idle);
                        co_await tracker.untilIdle();
                    };
                    co_await withTaskGroup(body);
                },
                {}, [&] { QVERIFY(!tracker.isBusy()); });
            break;
        }
        case 19:
        case 20: {
            const auto body = [&](TaskGroup &group) -> Task<> {
                group.startSoon(TaskName(QStringLiteral("child")), brief);
                group.startSoon(brief);
                if (kind == 20)
                    co_await group.untilEmpty();
            };
            waitWithoutMemory(service, [&]() -> Task<> { co_await withTaskGroup(body); }, {});
            break;
        }
        case 21: {
            const auto body = [](TaskGroup &group) -> Task<> {
                const auto child = [](TaskStatus<int> &status) -> Task<> {
                    co_await checkpoint();
                    status.started(1);
                };
                co_await group.start<int>(child);
            };
            waitWithoutMemory(service, [&]() -> Task<> { co_await withTaskGroup(body); }, {});
            break;
        }
        case 22: {
            const auto body = [](TaskGroup &group) -> Task<> {
                const auto child = []() -> Task<int> {
                    co_await checkpoint();
                    co_return 1;
                };
                TaskHandle<int> handle = group.spawn(child);
                co_await handle.result();
            };
            waitWithoutMemory(service, [&]() -> Task<> { co_await withTaskGroup(body); }, {});
            break;
        }
        case 23:
            waitWithoutMemory(service, [&]() -> Task<> { co_await whenAll(brief(), brief()); }, {});
            break;
        case 24:
            waitWithoutMemory(service, [&]() -> Task<> { co_await whenAny(brief(), forever()); }, {});
            break;
        case 25: {
            ScopeGroup scopes;
            waitWithoutMemory(
                service, [&]() -> Task<> { co_await scopes.run(brief); }, {}, [&] { QVERIFY(!scopes.isActive()); });
            break;
        }
        case 26: {
            const auto wait = []() -> Task<> {
                const auto handler = [](int) -> Task<> { co_await checkpoint(); };
                ActorCore<int> actor(handler);
                actor.submit(1);
                actor.submit(2);
                actor.close();
                co_await actor.run();
            };
            waitWithoutMemory(service, wait, {});
            break;
        }
        case 27: { // a cancellation on the loop's own thread, whose steps are logged
            QLoggingCategory::setFilterRules(QStringLiteral("qmicroio.task.debug=true"));
            const auto off = qScopeGuard([] { QLoggingCategory::setFilterRules(QString()); });
            const auto wait = [&]() -> Task<> {
                const auto body = [&](TaskGroup &group) -> Task<> {
                    group.startSoon(forever);
                    co_await checkpoint();
                    co_await checkpoint();
                    bool isAsked = false;
                    try {
                        isAsked = group.cancel(QStringLiteral("enough"));
                    } catch (const std::bad_alloc &) {
                    }
                    if (!isAsked) // strong: as if it had not been asked for
                        group.cancel(QStringLiteral("enough"));
                };
                co_await withTaskGroup(body);
            };
            waitWithoutMemory(service, wait, {});
            break;
        }
        default: {
            const auto wait = []() -> Task<> {
                const auto work = []() -> QCoro::Task<> { co_return; };
                const auto onCancel = [] { };
                co_await cancellable(work(), onCancel);
            };
            waitWithoutMemory(service, wait, {});
            break;
        }
        }
    }

    // B510
    void makingAThingIsStrong()
    {
        const LogCapture log;
        QObject owner;
        LoopServiceThread a(QStringLiteral("a"));
        const auto handler = [](int) { };
        const auto key = [](int item) { return item; };
        BroadcastSender<int> broadcast = createBroadcast<int>();
        // Destroyed once memory is there again: a destructor cannot throw.
        using Made = std::shared_ptr<void>;
        const auto service = QStringLiteral("s");
        const std::pair<const char *, std::function<Made()>> makers[] = {
            {"ServiceThread", [&] { return std::make_shared<ServiceThread>(service, [](ServiceThread &) { }); }},
            {"LoopServiceThread", [&] { return std::make_shared<LoopServiceThread>(service); }},
            {"ServiceGroup",
             [&] { return std::make_shared<ServiceGroup>(std::initializer_list<ServiceThread *>{&a}); }},
            {"Supervisor", [&] { return std::make_shared<Supervisor>(service); }},
            {"SharedService", [&] { return std::make_shared<SharedService>(service); }},
            {"LoopWatchdog", [] { return std::make_shared<LoopWatchdog>(1h); }},
            {"SystemSignals", [] { return std::make_shared<SystemSignals>(); }},
            {"CloseScope", [] { return std::make_shared<CloseScope>(); }},
            {"WorkTracker", [] { return std::make_shared<WorkTracker>(); }},
            {"CancelScope", [] { return std::make_shared<CancelScope>(); }},
            {"ScopeGroup", [&] { return std::make_shared<ScopeGroup>(service); }},
            {"ObjectTaskGroup", [&] { return std::make_shared<ObjectTaskGroup>(&owner); }},
            {"RequestRegistry", [&] { return std::make_shared<RequestRegistry<int, int>>(service); }},
            {"createChannel", [] { return std::make_shared<Channel<int>>(createChannel<int>()); }},
            {"createLatest", [] { return std::make_shared<Channel<int>>(createLatest<int>(1)); }},
            {"createWorkChannel", [] { return std::make_shared<WorkChannel<int>>(createWorkChannel<int>()); }},
            {"createBroadcast", [] { return std::make_shared<BroadcastSender<int>>(createBroadcast<int>()); }},
            {"subscribe", [&] { return std::make_shared<BroadcastReceiver<int>>(broadcast.subscribe()); }},
            {"Mailbox", [&] { return std::make_shared<Mailbox<int>>(service); }},
            {"PriorityMailbox", [&] { return std::make_shared<PriorityMailbox<int, decltype(key)>>(key); }},
            {"ActorCore", [&] { return std::make_shared<ActorCore<int>>(handler); }},
            {"TaskLocal", [] { return std::make_shared<TaskLocal<int>>(1); }},
        };
        for (const auto &[name, make] : makers) {
            Made made;
            int failures = 0;
            try {
                failures = failEach([&made, &make = make] { made = make(); });
            } catch (const std::exception &error) {
                QFAIL(
                    qPrintable(QStringLiteral("%1: %2").arg(QString::fromUtf8(name), QString::fromUtf8(error.what()))));
            }
            QVERIFY2(failures >= Least && made, name);
        }
        broadcast.close();
    }

    // B510
    void sendingIsStrongWithEachKindOfChannel()
    {
        const auto check = [](const char *name, auto &sender, auto drain) {
            quint64 sent = 0;
            int failures = 0;
            for (int i = 0; i < 100; ++i) {
                const int now = failEach(
                    [&] {
                        sender.sendNowait(QString::number(i));
                        ++sent;
                    },
                    [&] { return sender.stats().sent == sent; });
                QVERIFY2(now >= 0, name);
                failures += now;
            }
            QVERIFY2(failures >= Least, name);
            drain(sent);
        };
        Channel<QString> plain = createChannel<QString>();
        check("unbounded", plain.sender, [&](quint64 sent) {
            // Draining is strong, too: nothing gets lost on the way.
            quint64 drained = 0;
            QVERIFY(failEach([&] { drained += plain.receiver.drainNowait(30).size(); },
                             [&] { return plain.receiver.stats().received == drained; })
                    >= Least);
            drained += plain.receiver.drainNowait().size();
            QCOMPARE(drained, sent);
        });
        Channel<QString> bounded = createChannel<QString>({{}, LateSend::Throw, 1000});
        check("bounded", bounded.sender,
              [&](quint64 sent) { QCOMPARE(quint64(bounded.receiver.drainNowait().size()), sent); });
        WorkChannel<QString> work = createWorkChannel<QString>();
        check("work", work.sender, [&](quint64 sent) { QCOMPARE(quint64(work.receiver.drainNowait().size()), sent); });
        BroadcastSender<QString> broadcast = createBroadcast<QString>({{}, LateSend::Throw, 1000});
        BroadcastReceiver<QString> subscriber = broadcast.subscribe();
        // Basic only: subscribers that come later in the list may go without an item, which they see as missed.
        QVERIFY(failEach([&] { broadcast.sendNowait(QStringLiteral("x")); }) >= Least);
        broadcast.sendNowait(QStringLiteral("last"));
        quint64 accounted = 0;
        for (const Broadcasted<QString> &item : subscriber.drainNowait())
            accounted += 1 + item.missed;
        QCOMPARE(accounted, broadcast.stats().sent);
        broadcast.close();
        // What is displaced counts as dropped, so sent is no measure here: what is kept must be the newest.
        for (const Overflow overflow : {Overflow::DropOldest, Overflow::DropNewest}) {
            Channel<int> dropping = createChannel<int>({{}, LateSend::Throw, 2, overflow});
            for (int i = 0; i < 5; ++i)
                QVERIFY(failEach([&] { dropping.sender.sendNowait(i); }) >= 0);
            QCOMPARE(dropping.receiver.drainNowait().size(), std::size_t(2));
            dropping.sender.close();
            dropping.receiver.close();
        }
        Channel<int> latest = createLatest<int>(0);
        for (int i = 1; i < 5; ++i)
            QVERIFY(failEach([&] { latest.sender.sendNowait(i); }) >= 0);
        QCOMPARE(latest.receiver.receiveNowait(), 4);
    }

    // B510
    void submittingToAMailboxIsStrong()
    {
        const auto check = [](const char *name, auto &mailbox) {
            quint64 sent = 0;
            int failures = 0;
            for (int i = 0; i < 100; ++i) {
                const int now = failEach([&] { sent += mailbox.submit(i) ? 1 : 0; });
                QVERIFY2(now >= 0, name);
                failures += now;
            }
            QVERIFY2(failures >= Least, name);
            quint64 drained = 0;
            QVERIFY2(failEach([&] { drained += mailbox.drainNowait(30).size(); }) >= Least, name);
            drained += mailbox.drainNowait().size();
            QCOMPARE(drained, sent);
        };
        Mailbox<int> plain;
        check("Mailbox", plain);
        const auto key = [](int item) { return item % 3; };
        PriorityMailbox<int, decltype(key)> sorted(key);
        check("PriorityMailbox", sorted);
        QVERIFY(failEach([&] { sorted.setFloor(1); }) >= 0);
        QCOMPARE(sorted.floor(), std::optional<int>(1));
        const auto handler = [](int) { };
        ActorCore<int> actor(handler);
        check("ActorCore", actor);
    }

    // B510
    void requestsAreStrong()
    {
        RequestRegistry<int, QString> registry;
        registry.registerRequest(1).forget(); // Qt's hash has its memory from here on
        std::optional<ReplyHandle<int, QString>> handle;
        QVERIFY(failEach([&] { handle = registry.registerRequest(1); }, [&] { return registry.size() == 0; }) >= Least);
        QVERIFY(failEach([&] { registry.resolve(2, {}); }) >= 0);
        QVERIFY(failEach([&] { handle->resolve(QStringLiteral("x")); }, [&] { return registry.contains(1); }) >= 0);
        QVERIFY(failEach([&] { QCOMPARE(handle->wait(), QStringLiteral("x")); }) >= 0);
        const auto answer = [](ReplyHandle<int, QString> &asked) { asked.resolve(QStringLiteral("y")); };
        QVERIFY(failEach([&] { QCOMPARE(registry.request(1, answer), QStringLiteral("y")); },
                         [&] { return registry.size() == 0; })
                >= Least);
        handle = registry.registerRequest(1);
        QVERIFY(failEach([&] { handle->forget(); }, [&] { return registry.contains(1); }) >= Least);
        QCOMPARE(registry.size(), 0);
        handle = registry.registerRequest(1);
        QVERIFY(failEach([&] { registry.close(); }, [&] { return registry.contains(1); }) >= Least);
        QVERIFY(throws<ClosedResourceError>([&] { handle->wait(QDeadlineTimer(0)); }));
    }

    // B512
    void endingAThingWithoutMemoryEndsItOrCanBeDoneAgain()
    {
        // Each is made anew for each allocation that fails. After an exception it has ended, or ends at the next call.
        const auto check = [](const char *name, const auto &make, const auto &end, const auto &hasEnded) {
            for (int number = 0;; ++number) {
                auto thing = make();
                bool failed = false;
                {
                    const FailingAllocation failing(number);
                    try {
                        end(*thing);
                    } catch (const std::bad_alloc &) {
                    }
                    failed = t_failed;
                }
                if (!hasEnded(*thing))
                    end(*thing);
                QVERIFY2(hasEnded(*thing), name);
                if (!failed)
                    break;
                QVERIFY2(number < 100, name);
            }
        };
        const LogCapture log;
        const auto pair = [] { return std::make_unique<Channel<int>>(createChannel<int>()); };
        const auto isClosed = [](Channel<int> &c) { return c.sender.isClosed() && c.receiver.isClosed(); };
        check("sender.close", pair, [](Channel<int> &c) { c.sender.close(); }, isClosed);
        check("sender.fail", pair, [](Channel<int> &c) { c.sender.fail(someError()); }, isClosed);
        check("receiver.close", pair, [](Channel<int> &c) { c.receiver.close(); }, isClosed);
        check("receiver.fail", pair, [](Channel<int> &c) { c.receiver.fail(someError()); }, isClosed);
        check(
            "BroadcastSender::close", [] { return std::make_unique<BroadcastSender<int>>(createBroadcast<int>()); },
            [](BroadcastSender<int> &s) { s.close(); }, [](BroadcastSender<int> &s) { return s.isClosed(); });
        check(
            "Mailbox::close", [] { return std::make_unique<Mailbox<int>>(); }, [](Mailbox<int> &m) { m.close(); },
            [](Mailbox<int> &m) { return m.isClosed(); });
        check(
            "Mailbox::fail", [] { return std::make_unique<Mailbox<int>>(); },
            [](Mailbox<int> &m) { m.fail(someError()); }, [](Mailbox<int> &m) { return m.isClosed(); });
        check(
            "CloseScope::close", [] { return std::make_unique<CloseScope>(); },
            [](CloseScope &s) { s.close(QStringLiteral("enough")); }, [](CloseScope &s) { return s.isClosed(); });
        check(
            "CloseScope::fail", [] { return std::make_unique<CloseScope>(); },
            [](CloseScope &s) { s.fail(someError()); }, [](CloseScope &s) { return s.isClosed(); });
        check(
            "CancelScope::cancel", [] { return std::make_unique<CancelScope>(); },
            [](CancelScope &s) { s.cancel(QStringLiteral("enough")); },
            [](CancelScope &s) { return s.isCancelCalled(); });
        check(
            "CancelScope::setDeadline", [] { return std::make_unique<CancelScope>(); },
            [](CancelScope &s) { s.setDeadline(std::chrono::steady_clock::now() - 1s); },
            [](CancelScope &s) { return s.isCancelCalled(); });
        check(
            "ScopeGroup::cancel", [] { return std::make_unique<ScopeGroup>(); },
            [](ScopeGroup &s) { s.cancel(QStringLiteral("enough"), Latch::Yes); },
            [](ScopeGroup &s) { return s.isLatched(); });
        check(
            "WorkTracker::done",
            [] {
                auto tracker = std::make_unique<WorkTracker>();
                tracker->add();
                return tracker;
            },
            [](WorkTracker &t) { t.done(); }, [](WorkTracker &t) { return !t.isBusy(); });
        using Service = std::unique_ptr<Running>;
        const auto service = [] { return std::make_unique<Running>(); };
        const auto hasStopped = [](Running &s) { return s.scope().isClosed() && s.join(QDeadlineTimer(20s)); };
        check("stop", service, [](Running &s) { s.stop(QStringLiteral("enough")); }, hasStopped);
        check("fail", service, [](Running &s) { s.fail(someError()); }, hasStopped);
        check(
            "finish", service, [](Running &s) { s.finish(); },
            [](Running &s) { return s.join(QDeadlineTimer(s.scope().isClosed() ? 20s : 100ms)); });
        static_assert(std::is_same_v<decltype(service()), Service>);
    }

    // B512
    void countingWorkIsStrong()
    {
        WorkTracker tracker;
        QVERIFY(failEach([&] { tracker.add(); }, [&] { return tracker.count() == 0; }) >= 0);
        QCOMPARE(tracker.count(), 1);
        QVERIFY(failEach([&] { const WorkGuard guard = tracker.track(); }, [&] { return tracker.count() == 1; }) >= 0);
        tracker.done();
        QVERIFY(!tracker.isBusy());
    }

    // B512
    void groupsOfServicesCanBeEndedWhicheverAllocationFails()
    {
        const LogCapture log;
        for (int number = 0;; ++number) {
            LoopServiceThread a(QStringLiteral("a"));
            LoopServiceThread b(QStringLiteral("b"));
            ServiceGroup group;
            bool failed = false;
            {
                const FailingAllocation failing(number);
                try {
                    group.add(&a).add(&b);
                    group.start();
                    group.waitStarted(QDeadlineTimer(20s));
                    group.stop();
                } catch (const std::bad_alloc &) {
                } catch (const std::exception &) { // a start-up error that says so
                }
                failed = t_failed;
            }
            a.stop();
            b.stop();
            QVERIFY(a.join(QDeadlineTimer(20s)) && b.join(QDeadlineTimer(20s)));
            if (!failed)
                break;
            QVERIFY(number < 300);
        }
    }

    // B512
    void supervisorsCanBeEndedWhicheverAllocationFails()
    {
        const LogCapture log;
        for (int number = 0;; ++number) {
            Supervisor supervisor(QStringLiteral("s"));
            bool failed = false;
            {
                const FailingAllocation failing(number);
                const auto make = [] { return std::make_unique<LoopServiceThread>(QStringLiteral("a")); };
                try {
                    supervisor.add(QStringLiteral("a"), make);
                    supervisor.start();
                    supervisor.waitStarted(QDeadlineTimer(20s));
                    static_cast<void>(supervisor.services());
                    static_cast<void>(supervisor.service(QStringLiteral("a")));
                } catch (const std::bad_alloc &) {
                } catch (const std::exception &) { // a start-up error that says so
                }
                failed = t_failed;
            }
            supervisor.stop();
            QVERIFY(supervisor.join(QDeadlineTimer(20s)));
            if (!failed)
                break;
            QVERIFY(number < 300);
        }
    }

    // B510
    void sharingAServiceIsStrong()
    {
        const SharedService shared(QStringLiteral("shared"));
        int used = 0;
        const int failures = failEach([&] {
            const auto service = shared.use();
            used += service->callSync([] { return 1; });
        });
        QVERIFY2(failures >= Least, qPrintable(QString::number(failures)));
        QVERIFY(used >= 1);
        QCOMPARE(shared.use()->callSync([] { return 1; }), 1);
    }

    // B510
    void lookingAtAProgramIsStrong()
    {
        Running service;
        QVERIFY(failEach([] { static_cast<void>(taskTree()); }) >= 0);
        QVERIFY(failEach([] { static_cast<void>(programStatus()); }) >= 0);
        QVERIFY(failEach([&] { static_cast<void>(service.taskTree()); }) >= 0);
        QCOMPARE(service.callSync([] { return 1; }), 1);
    }

    // B510
    void startingInAnObjectsGroupIsStrong()
    {
        QObject owner;
        ObjectTaskGroup tasks(&owner);
        int accepted = 0;
        int ran = 0;
        const int failures = failEach(
            [&] {
                const auto child = [&]() -> Task<> {
                    ++ran;
                    co_return;
                };
                tasks.startSoon(TaskName(QStringLiteral("child")), child);
                ++accepted;
            },
            [&] { return tasks.size() == accepted; });
        QVERIFY2(failures >= Least, qPrintable(QString::number(failures)));
        // A wake-up without memory for its event is noticed where the loop would block, so this lets it.
        const auto brief = []() -> Task<> { co_await sleep(1ms); };
        while (tasks.size() > 0)
            run(brief());
        QCOMPARE(ran, accepted);
        const auto forever = []() -> Task<> { co_await sleepForever(); };
        tasks.startSoon(forever);
        QCoreApplication::processEvents();
        QVERIFY(failEach([&] { tasks.cancel(QStringLiteral("enough")); }) >= 0);
        while (tasks.size() > 0)
            run(brief());
    }

    // B510
    void startingAChildIsStrong()
    {
        int failures = -1;
        int started = 0;
        int ran = 0;
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto child = [&]() -> Task<> {
                ++ran;
                co_return;
            };
            failures = failEach(
                [&] {
                    group.startSoon(child);
                    ++started;
                    group.startSoon(TaskName(QStringLiteral("child")), child);
                    ++started;
                    group.spawn(child);
                    ++started;
                },
                [&] { return group.size() == started; });
            co_return;
        };
        run(withTaskGroup(body));
        QVERIFY2(failures >= Least, qPrintable(QString::number(failures)));
        QCOMPARE(ran, started);
    }

    // B510
    void anItemWhoseMoveThrowsIsSentOrRefused()
    {
        const auto check = [](const char *name, auto &sender, auto drain) {
            quint64 sent = 0;
            const int failures = breakEach([&] {
                sender.sendNowait(Fragile(1));
                ++sent;
            });
            QVERIFY2(failures >= 0, name);
            QVERIFY2(sender.stats().sent == sent, name);
            int drains = 0;
            quint64 drained = 0;
            // A move that throws on the way out leaves the item where it is.
            drains = breakEach([&] { drained += drain(); });
            QVERIFY2(drains >= 0, name);
            QVERIFY2(drained == sent, name);
        };
        Channel<Fragile> plain = createChannel<Fragile>();
        check("channel", plain.sender, [&] { return plain.receiver.drainNowait().size(); });
        Channel<Fragile> bounded = createChannel<Fragile>({{}, LateSend::Throw, 100});
        check("bounded", bounded.sender, [&] { return bounded.receiver.drainNowait().size(); });
        WorkChannel<Fragile> work = createWorkChannel<Fragile>();
        check("work", work.sender, [&] { return work.receiver.drainNowait().size(); });
        Mailbox<Fragile> mailbox;
        quint64 sent = 0;
        QVERIFY(breakEach([&] { sent += mailbox.submit(Fragile(1)) ? 1 : 0; }) >= 0);
        quint64 drained = 0;
        QVERIFY(breakEach([&] { drained += mailbox.drainNowait().size(); }) >= 0);
        QCOMPARE(drained, sent);
        const auto key = [](const Fragile &item) { return item.number; };
        PriorityMailbox<Fragile, decltype(key)> sorted(key);
        sent = drained = 0;
        QVERIFY(breakEach([&] { sent += sorted.submit(Fragile(1)) ? 1 : 0; }) >= 0);
        QVERIFY(breakEach([&] { drained += sorted.drainNowait().size(); }) >= 0);
        QCOMPARE(drained, sent);
        BroadcastSender<Fragile> broadcast = createBroadcast<Fragile>();
        BroadcastReceiver<Fragile> subscriber = broadcast.subscribe();
        sent = 0;
        QVERIFY(breakEach([&] { sent += broadcast.sendNowait(Fragile(1)) ? 1 : 0; }) >= 0);
        QCOMPARE(broadcast.stats().sent, sent);
        QCOMPARE(quint64(subscriber.drainNowait().size()), sent);
        broadcast.close();
    }

    // B510
    void argumentsAndResultsWhoseMoveThrowsFailTheirTaskOnly()
    {
        Running service;
        for (int number = 0;; ++number) {
            QVERIFY(number < 200);
            QFuture<int> future;
            Fragile::left = number;
            try {
                future = service.submit([]() -> Task<int> {
                    const auto body = [](TaskGroup &group) -> Task<int> {
                        const auto child = [](const Fragile &given) -> Task<Fragile> {
                            co_return Fragile(given.number);
                        };
                        const auto ready = [](TaskStatus<Fragile> &status) -> Task<> {
                            status.started(Fragile(2));
                            co_return;
                        };
                        TaskHandle<Fragile> handle = group.spawn(child, Fragile(1));
                        const Fragile first = co_await handle.result();
                        const Fragile second = co_await group.start<Fragile>(ready);
                        const auto third = co_await whenAll(child(first), child(second));
                        co_return std::get<0>(third).number + std::get<1>(third).number;
                    };
                    const std::optional<int> sum = co_await withTaskGroup(body);
                    co_return sum.value_or(-1);
                });
            } catch (const Error &) {
            }
            if (future.isValid()) {
                QVERIFY(QTest::qWaitFor([&] { return future.isFinished(); }, 20'000));
                try {
                    QCOMPARE(future.result(), 3);
                } catch (const Error &) { // also a group of them
                }
            }
            const bool reached = Fragile::left < 0;
            Fragile::left = -1;
            QTRY_COMPARE_WITH_TIMEOUT(Fragile::alive.load(), 0, 20'000);
            if (!reached)
                break;
        }
        QCOMPARE(service.callSync([] { return 1; }), 1);
    }
};

QTEST_GUILESS_MAIN(TestGuarantees)
#include "tst_guarantees.moc"
