// SPDX-License-Identifier: Apache-2.0
//
// What holds when memory runs out, user code throws or destroys what it is called from. Strong: the call had no effect. Basic: its
// effect may be there or not, everything can still be used and ended, and nothing leaks or hangs.
#include "failingallocation.h"
#include "refusedthreads.h"
#include "runningservice.h"
#include "servicetesting.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QSemaphore>
#include <QtTest/QTest>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

namespace {

// Throws when it is moved for the n-th time, counted over all of them; negative: never.
struct ThrowingMove
{
    static inline std::atomic<int> left = -1;
    static inline std::atomic<int> alive = 0;
    static void count()
    {
        if (left >= 0 && left-- == 0)
            throw Error("move");
    }
    ThrowingMove() { ++alive; }
    ThrowingMove(ThrowingMove &&) // NOLINT(performance-noexcept-move-constructor): that is what it is for
    {
        count();
        ++alive;
    }
    ThrowingMove(const ThrowingMove &)
    {
        count();
        ++alive;
    }
    ThrowingMove &operator=(const ThrowingMove &)
    {
        count();
        return *this;
    }
    ~ThrowingMove() { --alive; }
};

} // namespace

class TestFaults : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void init() { ThrowingMove::left = -1; }
    void cleanup() { QCOMPARE(ThrowingMove::alive.load(), 0); }

    void theAllocatorFailsWhatItIsTold()
    {
        if (Least == 0)
            QSKIP("a sanitizer owns operator new here");
        std::vector<std::unique_ptr<int>> kept;
        kept.reserve(8);
        QCOMPARE(failEach([&] {
                     kept.push_back(std::make_unique<int>(1));
                     kept.push_back(std::make_unique<int>(2));
                 }),
                 2);
    }

    void callSoonIsStrong()
    {
        Running service;
        std::atomic<int> ran = 0;
        int accepted = 0;
        const std::array<char, 512> large{}; // is boxed
        for (int round = 0; round < 3; ++round) {
            const int failures = failEach([&] {
                service.callSoon([&ran] { ++ran; });
                ++accepted;
                service.callSoon([&ran, large] { ran += 1 + large.at(0); });
                ++accepted;
            });
            QVERIFY(failures >= Least);
        }
        service.callSync([] { });
        QCOMPARE(ran.load(), accepted);
    }

    void callSyncIsStrong()
    {
        Running service;
        std::atomic<int> ran = 0;
        int returned = 0;
        const int failures = failEach([&] {
            service.callSync([&ran] { ++ran; });
            ++returned;
            service.callSync([&ran] { ++ran; }, QDeadlineTimer(1h));
            ++returned;
        });
        QVERIFY(failures >= Least);
        service.callSync([] { });
        QCOMPARE(ran.load(), returned);
    }

    void submitIsStrong()
    {
        Running service;
        std::atomic<int> ran = 0;
        std::vector<QFuture<void>> futures;
        futures.reserve(64);
        // Is boxed: a small one needs memory only where the loop sleeps and has to be woken.
        const std::array<char, 512> large{};
        const int failures = failEach([&] {
            futures.push_back(service.submit([&ran, large]() -> Task<> {
                ran += 1 + large.at(0);
                co_return;
            }));
        });
        QVERIFY(failures >= Least);
        for (QFuture<void> &future : futures)
            future.waitForFinished();
        service.callSync([] { });
        QCOMPARE(ran.load(), int(futures.size()));
    }

    void startIsBasic()
    {
        LogCapture log;
        int failures = 0;
        for (bool more = true; more; ++failures) {
            LoopServiceThread service(QStringLiteral("s"));
            bool threw = false;
            {
                const FailingAllocation failing(failures);
                try {
                    service.start();
                } catch (const std::bad_alloc &) {
                    threw = true;
                } catch (const std::exception &error) {
                    QFAIL(error.what());
                }
                more = t_failed;
            }
            if (!threw)
                service.waitStarted(QDeadlineTimer(20s));
            service.stop();
            QVERIFY(service.join(QDeadlineTimer(20s)));
        }
        QVERIFY(failures > Least);
    }

    void constructionIsStrong()
    {
        QVERIFY(failEach([] { LoopServiceThread service(QStringLiteral("s")); }) >= Least);
        QVERIFY(failEach([] { CloseScope scope; }) >= Least);
        QVERIFY(failEach([] { auto channel = createChannel<int>({QStringLiteral("c"), LateSend::Throw}); }) >= Least);
    }

    void sendNowaitIsStrong()
    {
        Channel<std::unique_ptr<int>> channel = createChannel<std::unique_ptr<int>>();
        quint64 sent = 0;
        for (int i = 0; i < 200; ++i) {
            const int failures = failEach(
                [&] {
                    auto item = std::make_unique<int>(i);
                    channel.sender.sendNowait(std::move(item));
                    ++sent;
                },
                [&] { return channel.sender.stats().sent == sent; });
            QVERIFY(failures >= 0);
        }
        QCOMPARE(channel.receiver.drainNowait().size(), std::size_t(sent));
    }

    void anItemWhoseMoveThrowsIsNotAccepted()
    {
        Channel<ThrowingMove> channel = createChannel<ThrowingMove>();
        for (int n = 0;; ++n) {
            ThrowingMove item;
            ThrowingMove::left = n;
            const quint64 before = channel.sender.stats().sent;
            bool threw = false;
            try {
                channel.sender.sendNowait(std::move(item));
            } catch (const Error &) {
                threw = true;
            }
            const bool reached = ThrowingMove::left < 0;
            ThrowingMove::left = -1;
            QCOMPARE(channel.sender.stats().sent, before + (threw ? 0 : 1));
            if (!reached)
                break;
        }
        QVERIFY(channel.receiver.drainNowait().size() >= 1);
        QVERIFY(channel.sender.close());
    }

    void failingEverythingIsStrong()
    {
        RequestRegistry<int, int> registry;
        std::vector<ReplyHandle<int, int>> handles;
        handles.reserve(10);
        for (int i = 0; i < 10; ++i)
            handles.push_back(registry.registerRequest(i));
        const std::exception_ptr error = std::make_exception_ptr(Error("all"));
        const int failures = failEach([&] { registry.failAll(error); }, [&] { return registry.size() == 10; });
        QVERIFY2(failures >= 0, qPrintable(QString::number(failures)));
        for (ReplyHandle<int, int> &handle : handles)
            QVERIFY(throws<Error>([&] { handle.wait(QDeadlineTimer(0)); }));
    }

    void aReplyWhoseMoveThrowsReachesTheWaiterAsAnError()
    {
        RequestRegistry<int, ThrowingMove> registry;
        for (int n = 0;; ++n) {
            ReplyHandle<int, ThrowingMove> handle = registry.registerRequest(1);
            ThrowingMove::left = n;
            bool outcome = false;
            bool resolverSawIt = false;
            try {
                outcome = registry.resolve(1, ThrowingMove());
            } catch (const Error &) {
                resolverSawIt = true; // on the way in: the request still waits
            }
            bool reached = ThrowingMove::left < 0;
            if (resolverSawIt) {
                ThrowingMove::left = -1;
                QVERIFY(registry.contains(1));
                handle.forget();
                continue;
            }
            QVERIFY(outcome);
            try {
                handle.wait(QDeadlineTimer(0));
            } catch (const Error &) {
                reached = true;
            }
            reached = reached || ThrowingMove::left < 0;
            ThrowingMove::left = -1;
            QCOMPARE(registry.size(), 0);
            if (!reached)
                break;
        }
    }

    void aFunctionWhoseMoveThrowsIsNotCalled()
    {
        Running service;
        for (int n = 0;; ++n) {
            std::atomic<bool> ran = false;
            ThrowingMove item;
            auto fn = [&ran, moved = std::move(item)] { ran = true; };
            ThrowingMove::left = n;
            bool threw = false;
            try {
                service.callSync(std::move(fn));
            } catch (const Error &) {
                threw = true;
            }
            const bool reached = ThrowingMove::left < 0;
            ThrowingMove::left = -1;
            QCOMPARE(ran.load(), !threw);
            if (!reached)
                break;
        }
    }

    void aResultWhoseMoveThrowsReachesTheCaller()
    {
        Running service;
        ThrowingMove::left = 0;
        QVERIFY(throws<Error>([&] {
            const ThrowingMove result = service.callSync([] {
                ThrowingMove made;
                return std::optional<ThrowingMove>(std::move(made)).value();
            });
        }));
        ThrowingMove::left = -1;
        QCOMPARE(service.callSync([] { return 1; }), 1); // the loop lives on
    }

    void closingWithoutMemoryStillWakesEveryWaiter()
    {
        for (int number = 0;; ++number) {
            Running service;
            auto scope = std::make_unique<CloseScope>();
            std::vector<QFuture<void>> waiting;
            for (int i = 0; i < 3; ++i) {
                waiting.push_back(service.submit(
                    [](CloseScope *s) { return [s]() -> Task<> { co_await untilClosed(*s); }; }(scope.get())));
            }
            service.callSync([] { });
            service.callSync([] { });
            bool failed = false;
            {
                const FailingAllocation failing(number);
                try {
                    scope->close(QString());
                } catch (const std::bad_alloc &) {
                }
                failed = t_failed;
            }
            QVERIFY(scope->isClosed() || failed);
            scope->close();
            for (QFuture<void> &one : waiting)
                QVERIFY(QTest::qWaitFor([&] { return one.isFinished(); }, 20'000));
            if (!failed)
                break;
        }
    }

    // B511: a program that only polls never blocks, and still hears of a wake-up for which there was no memory.
    void cancellingWithoutMemoryReachesALoopThatOnlyPolls()
    {
        // What the first rounds keep, later ones need not allocate: then the event for the wake-up is the last that fails.
        constexpr int Rounds = 6;
        int failures = 0;
        for (int round = 0; round < Rounds; ++round) {
            QObject owner;
            ObjectTaskGroup group(&owner);
            CancelScope scope;
            bool begun = false;
            bool ended = false;
            group.startSoon([&]() -> Task<> {
                begun = true;
                const auto forever = []() -> Task<> { co_await sleepForever(); };
                co_await scope.run(forever);
                ended = true;
            });
            QVERIFY(QTest::qWaitFor([&] { return begun; }, 20'000));
            QCoreApplication::processEvents(); // no wake-up is on its way any more
            bool threw = false;
            bool failed = false;
            std::thread([&] {
                const FailingAllocation failing(round % 3);
                try {
                    scope.cancel();
                } catch (const std::bad_alloc &) {
                    threw = true;
                }
                failed = t_failed;
            }).join();
            if (threw)
                QVERIFY(scope.cancel());
            for (const QDeadlineTimer deadline(20s); !ended && !deadline.hasExpired();)
                QCoreApplication::processEvents();
            QVERIFY(ended);
            failures += failed;
        }
        QVERIFY(failures >= Least * Rounds / 2);
    }

    void cancellingWithoutMemoryStillReachesTheTask()
    {
        for (int number = 0;; ++number) {
            Running service;
            CancelScope scope;
            QSemaphore begun;
            QFuture<void> future = service.submit([&]() -> Task<> {
                begun.release();
                const auto forever = []() -> Task<> { co_await sleepForever(); };
                co_await scope.run(forever);
            });
            begun.acquire();
            service.callSync([] { });
            bool threw = false;
            bool failed = false;
            {
                const FailingAllocation failing(number);
                try {
                    scope.cancel();
                } catch (const std::bad_alloc &) {
                    threw = true;
                }
                failed = t_failed;
            }
            if (threw)
                QVERIFY(scope.cancel()); // strong: it was as if it had not been asked for
            QVERIFY(QTest::qWaitFor([&] { return future.isFinished(); }, 20'000));
            if (!failed)
                break;
        }
    }

    void tasksMeetAFailedAllocationAsAnException()
    {
        Running service;
        for (int number = 0;; ++number) {
            std::atomic<bool> failed = false;
            QFuture<void> future = service.submit([&, number]() -> Task<> {
                const auto body = [](TaskGroup &group) -> Task<> {
                    const auto child = []() -> Task<> { co_await checkpoint(); };
                    group.startSoon(TaskName(QStringLiteral("child")), child);
                    const auto inner = []() -> Task<> { co_await sleep(0ms); };
                    co_await moveOnAfter(1h, inner);
                    co_await whenAll(child(), inner());
                };
                {
                    const FailingAllocation failing(number);
                    std::exception_ptr error;
                    try {
                        co_await withTaskGroup(body);
                    } catch (...) {
                        error = std::current_exception();
                    }
                    failed = t_failed;
                }
            });
            QVERIFY(QTest::qWaitFor([&] { return future.isFinished(); }, 20'000));
            QVERIFY(!future.isCanceled());
            if (!failed)
                break;
            QVERIFY(number < 500);
        }
        QCOMPARE(service.callSync([] { return 1; }), 1);
    }

    // B506
    void aSlotMayCloseAgainOrDestroyTheScope()
    {
        auto *scope = new CloseScope;
        int told = 0;
        connect(
            scope, &CloseScope::closedChanged, this,
            [&] {
                ++told;
                QVERIFY(!scope->close());
                delete scope;
            },
            Qt::DirectConnection);
        QVERIFY(scope->close());
        QCOMPARE(told, 1);
    }

    void aSlotMayUseTheTrackerThatTellsIt()
    {
        WorkTracker tracker;
        QList<bool> told;
        connect(
            &tracker, &WorkTracker::busyChanged, this,
            [&](bool busy) {
                told += busy;
                if (told.size() == 1) {
                    const WorkGuard more = tracker.track();
                    QVERIFY(tracker.isBusy());
                }
            },
            Qt::DirectConnection);
        {
            const WorkGuard work = tracker.track();
        }
        QCOMPARE(told.last(), false);
        QVERIFY(!tracker.isBusy());
    }

    // B506
    void aSlotMayStopTheServiceThatTellsIt()
    {
        LoopServiceThread service(QStringLiteral("s"));
        connect(
            &service, &ServiceThread::ready, this, [&] { service.stop(QStringLiteral("from ready")); },
            Qt::DirectConnection);
        connect(
            &service, &ServiceThread::stateChanged, this, [&] { static_cast<void>(service.state()); },
            Qt::DirectConnection);
        service.start();
        QVERIFY(service.join(QDeadlineTimer(20s)));
        QCOMPARE(service.scope().reason(), QStringLiteral("from ready"));
    }

    // B506
    void aSlotMayDestroyTheSenderThatWakesATask()
    {
        bool resumed = false;
        const auto body = [&]() -> Task<> {
            auto *sender = new QObject;
            const auto destroy = [&](TaskGroup &group) -> Task<> {
                const auto wait = [&]() -> Task<> {
                    co_await nextSignal(sender, &QObject::objectNameChanged);
                    resumed = true;
                };
                group.startSoon(wait);
                co_await checkpoint();
                connect(sender, &QObject::objectNameChanged, sender, [sender] { delete sender; }, Qt::DirectConnection);
                sender->setObjectName(QStringLiteral("last words"));
            };
            co_await withTaskGroup(destroy);
        };
        run(body());
        QVERIFY(resumed);
    }

    void anOwnerMayBeDestroyedAtEachSuspensionPoint_data()
    {
        QTest::addColumn<int>("kind");
        const char *const names[] = {"sleep",   "checkpoint", "receive",     "untilClosed", "nextSignal", "reply",
                                     "QFuture", "group",      "moveOnAfter", "offload",     "whenAny",    "untilIdle"};
        int kind = 0;
        for (const char *name : names)
            QTest::addRow("%s", name) << kind++;
    }
    // B506
    void anOwnerMayBeDestroyedAtEachSuspensionPoint()
    {
        QFETCH(int, kind);
        int unwound = 0;
        QObject other;
        CloseScope scope;
        Channel<int> channel = createChannel<int>();
        RequestRegistry<int, int> registry;
        ReplyHandle<int, int> handle = registry.registerRequest(1);
        QPromise<int> promise;
        promise.start();
        WorkTracker tracker;
        const WorkGuard work = tracker.track();
        QSemaphore release;
        const auto forever = []() -> Task<> { co_await sleepForever(); };
        const auto wait = [&]() -> Task<> {
            const auto atEnd = qScopeGuard([&] { ++unwound; });
            const auto block = [&] {
                while (!release.tryAcquire(1, 1))
                    checkOffloadCancelled();
            };
            const auto inGroup = [&](TaskGroup &group) -> Task<> {
                group.startSoon(forever);
                co_return;
            };
            switch (kind) {
            case 0:
                co_await sleep(1h);
                break;
            case 1:
                for (;;)
                    co_await checkpoint();
                break;
            case 2:
                co_await channel.receiver.receive();
                break;
            case 3:
                co_await untilClosed(scope);
                break;
            case 4:
                co_await nextSignal(&other, &QObject::objectNameChanged);
                break;
            case 5:
                co_await handle.reply();
                break;
            case 6: {
                QFuture<int> future = promise.future();
                co_await future;
                break;
            }
            case 7:
                co_await withTaskGroup(inGroup);
                break;
            case 8:
                co_await moveOnAfter(1h, forever);
                break;
            case 9:
                co_await offload(block);
                break;
            case 10:
                co_await whenAny(forever(), forever());
                break;
            default:
                co_await tracker.untilIdle();
                break;
            }
        };
        for (int turns = 0; turns < 4; ++turns) { // before it has begun, and after some turns
            auto owner = std::make_unique<QObject>();
            auto tasks = std::make_unique<ObjectTaskGroup>(owner.get());
            const int before = unwound;
            tasks->startSoon(wait);
            for (int i = 0; i < turns; ++i)
                QCoreApplication::processEvents();
            if (turns % 2 == 0)
                owner.reset();
            else
                tasks.reset();
            QVERIFY(unwound <= before + 1);
            QVERIFY(turns == 0 || unwound == before + 1);
        }
        QCOMPARE(handle.resolve(1), kind != 5);
    }

    // B507
    void aRefusedThreadIsAFailureThatIsReported()
    {
#ifndef THREADS_CAN_BE_REFUSED
        QSKIP("a sanitizer owns pthread_create() here");
#else
        const ThreadsRefused refused;
        LogCapture log;
        QVERIFY(throws<StartupError>([] { LoopWatchdog watchdog(1s); }));
        QVERIFY(throws<StartupError>([] { SystemSignals signals; }));
        QVERIFY(throws<StartupError>([] {
            Supervisor supervisor(QStringLiteral("s"));
            supervisor.add(QStringLiteral("a"),
                           [] { return std::make_unique<LoopServiceThread>(QStringLiteral("a")); });
            supervisor.start();
            supervisor.waitStarted();
        }));
#endif
    }

    // B507
    void aSupervisorTriesAgainWhenTheSystemRefusesAThread()
    {
#ifndef THREADS_CAN_BE_REFUSED
        QSKIP("a sanitizer owns pthread_create() here");
#else
        LogCapture log;
        SupervisorOptions options;
        options.backOff = 1ms;
        Supervisor supervisor(QStringLiteral("s"), options);
        std::optional<ThreadsRefused> refused;
        int made = 0;
        supervisor.add(QStringLiteral("a"), [&] {
            if (++made == 1)
                refused.emplace();
            else
                refused.reset();
            return std::make_unique<LoopServiceThread>(QStringLiteral("a"));
        });
        supervisor.start();
        supervisor.waitStarted(QDeadlineTimer(20s));
        QCOMPARE(made, 2);
        QVERIFY2(supervisor.services().constFirst().lastError.contains(QStringLiteral("refused another thread")),
                 qPrintable(supervisor.services().constFirst().lastError));
#endif
    }
};

QTEST_MAIN(TestFaults)
#include "tst_faults.moc"
