// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>
#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>

#include "../stresstesting.h"

#include <QtTest/QTest>

#include <QtCore/QRandomGenerator>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace StressTesting;
using namespace std::chrono_literals;

namespace {

// A thread that cancels scope after scope, when told to.
class Canceller
{
public:
    explicit Canceller(quint32 seed)
        : m_random(seed)
        , m_thread([this] { work(); })
    {
    }
    Canceller(const Canceller &) = delete;
    Canceller &operator=(const Canceller &) = delete;
    ~Canceller()
    {
        m_ended = true;
        m_thread.join();
    }
    // The scope must live until done(). Every other time it returns only when the other thread has taken the scope up:
    // then both race from there on, otherwise the task is mostly ahead.
    void aim(CancelScope &scope)
    {
        m_target.store(&scope, std::memory_order_release);
        m_waits = !m_waits;
        while (m_waits && !m_taken.load(std::memory_order_acquire) && !done())
            std::this_thread::yield();
    }
    bool done() const { return m_target.load(std::memory_order_acquire) == nullptr; }

private:
    void work()
    {
        while (!m_ended) {
            if (CancelScope *scope = m_target.load(std::memory_order_acquire)) {
                m_taken.store(true, std::memory_order_release);
                linger(m_random);
                scope->cancel();
                m_taken.store(false, std::memory_order_relaxed);
                m_target.store(nullptr, std::memory_order_release);
            } else {
                std::this_thread::yield();
            }
        }
    }
    std::atomic<CancelScope *> m_target{nullptr};
    std::atomic<bool> m_taken{false};
    std::atomic<bool> m_ended{false};
    bool m_waits = false; // of the aiming thread
    QRandomGenerator m_random; // of the cancelling thread
    std::thread m_thread;
};

} // namespace

class StressCancel : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B45
    void aCancelThatMeetsTheExitIsNeverThrownLater()
    {
        const int rounds = scaled(10000);
        LoopServiceThread service(QStringLiteral("leaving"));
        service.start();
        service.waitStarted();
        Canceller canceller(45);
        int caught = 0;
        int thrownLater = 0;
        int disagree = 0;
        QRandomGenerator random(54);
        auto body = [&]() -> Task<> {
            for (int round = 0; round < rounds; ++round) {
                CancelScope scope;
                auto inside = [&]() -> Task<> {
                    canceller.aim(scope);
                    linger(random);
                    if (round % 3 != 0) // else it leaves without looking
                        co_await checkpointIfCancelled();
                };
                const bool completed = co_await scope.run(inside);
                if (completed == scope.isCancelledCaught())
                    ++disagree;
                if (!completed)
                    ++caught;
                try {
                    co_await sleep(0ms);
                    co_await checkpoint();
                } catch (const Cancelled &) {
                    ++thrownLater;
                }
                while (!canceller.done())
                    co_await checkpoint();
                if (!scope.isCancelCalled())
                    ++disagree;
            }
        };
        service.submit(body).waitForFinished();
        qInfo("%d rounds, %d cancelled inside", rounds, caught);
        QCOMPARE(thrownLater, 0);
        QCOMPARE(disagree, 0);
        service.stop();
        QVERIFY(service.join());
    }

    // B46
    void everySleeperIsWokenByACancelOfAnotherThread()
    {
        const int rounds = scaled(5000);
        LoopServiceThread service(QStringLiteral("sleeping"));
        service.start();
        service.waitStarted();
        Canceller canceller(46);
        int woken = 0;
        int elsewhere = 0;
        QThread *home = service.context()->thread();
        QRandomGenerator random(64);
        auto body = [&]() -> Task<> {
            for (int round = 0; round < rounds; ++round) {
                CancelScope scope;
                auto inside = [&]() -> Task<> {
                    canceller.aim(scope);
                    linger(random);
                    try {
                        co_await sleep(1h);
                    } catch (const Cancelled &) {
                        if (QThread::currentThread() != home)
                            ++elsewhere;
                        throw;
                    }
                };
                co_await scope.run(inside);
                if (scope.isCancelledCaught())
                    ++woken;
                while (!canceller.done())
                    co_await checkpoint();
            }
        };
        service.submit(body).waitForFinished();
        qInfo("%d sleepers woken", woken);
        QCOMPARE(woken, rounds);
        QCOMPARE(elsewhere, 0);
        service.stop();
        QVERIFY(service.join());
    }

    // B46
    void aCancelMayMeetTheEndOfTheLoop()
    {
        const int rounds = scaled(500);
        Canceller canceller(47);
        QRandomGenerator random(74);
        int byCanceller = 0;
        int byEnd = 0;
        for (int round = 0; round < rounds; ++round) {
            CancelScope scope;
            std::atomic<bool> caught{false};
            auto inside = [&]() -> Task<> { co_await sleepForever(); };
            auto body = [&]() -> Task<> {
                co_await scope.run(inside);
                caught = true;
            };
            {
                LoopServiceThread service(QStringLiteral("ending"));
                service.start();
                service.waitStarted();
                QFuture<void> done = service.submit(body);
                if (random.bounded(2) == 0)
                    service.callSync([] { }); // it sleeps; otherwise it may not even have begun
                canceller.aim(scope);
                linger(random);
                service.stop();
                QVERIFY(service.join());
                QVERIFY(done.isFinished());
            }
            ++(caught ? byCanceller : byEnd);
            while (!canceller.done())
                std::this_thread::yield();
            QVERIFY(scope.isCancelCalled());
        }
        qInfo("%d ended by the canceller, %d by the end of their loop", byCanceller, byEnd);
        QCOMPARE(byCanceller + byEnd, rounds);
    }

    // B142
    void aCancelledReceiveNeverLosesAnItem()
    {
        const int items = scaled(50000);
        LoopServiceThread service(QStringLiteral("receiving"));
        service.start();
        service.waitStarted();
        auto [sender, receiver] = createChannel<int>();
        Canceller canceller(142);
        int received = 0;
        int wrong = 0;
        int cancelled = 0;
        auto body = [&]() -> Task<> {
            for (bool ended = false; !ended;) {
                CancelScope scope;
                auto inside = [&]() -> Task<> {
                    canceller.aim(scope);
                    for (;;) {
                        const std::optional<int> item = co_await receiver.next();
                        if (!item)
                            break;
                        if (*item != received)
                            ++wrong;
                        ++received;
                    }
                    ended = true;
                };
                co_await scope.run(inside);
                if (scope.isCancelledCaught())
                    ++cancelled;
                while (!canceller.done())
                    co_await checkpoint();
            }
        };
        QFuture<void> done = service.submit(body);
        std::thread producer([&, tx = sender]() mutable {
            QRandomGenerator random(24);
            for (int i = 0; i < items; ++i) {
                tx.sendNowait(i);
                if (i % 8 == 0)
                    linger(random);
            }
            tx.close();
        });
        producer.join();
        done.waitForFinished();
        qInfo("%d items, %d receives cancelled", received, cancelled);
        QCOMPARE(received, items);
        QCOMPARE(wrong, 0);
        QCOMPARE(receiver.stats().received, quint64(items));
        service.stop();
        QVERIFY(service.join());
    }

    // B46, B56
    void treesAreCancelledFromSeveralThreadsAtOnce()
    {
        const int rounds = scaled(1000);
        constexpr int Cancellers = 3;
        LoopServiceThread service(QStringLiteral("trees"));
        service.start();
        service.waitStarted();
        std::vector<std::unique_ptr<Canceller>> cancellers;
        for (quint32 i = 0; i < Cancellers; ++i)
            cancellers.push_back(std::make_unique<Canceller>(i));
        qint64 leaves = 0;
        qint64 cancelled = 0;
        int leaked = 0;
        auto leaf = [&]() -> Task<> {
            ++leaves;
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                ++cancelled;
                throw;
            }
        };
        auto body = [&]() -> Task<> {
            for (int round = 0; round < rounds; ++round) {
                CancelScope scopes[Cancellers]; // the outermost first
                auto branch = [&](CancelScope *inner) -> Task<> {
                    auto group = [&](TaskGroup &tasks) -> Task<> {
                        tasks.startSoon(leaf);
                        tasks.startSoon(leaf);
                        co_return;
                    };
                    auto grouped = [&]() -> Task<> { co_await withTaskGroup(group); };
                    co_await inner->run(grouped);
                };
                auto tree = [&](TaskGroup &tasks) -> Task<> {
                    tasks.startSoon(branch, &scopes[1]);
                    tasks.startSoon(branch, &scopes[2]);
                    co_return;
                };
                auto root = [&]() -> Task<> {
                    for (std::size_t i = 0; i < Cancellers; ++i)
                        cancellers[i]->aim(scopes[i]);
                    co_await withTaskGroup(tree);
                };
                co_await scopes[0].run(root);
                try {
                    co_await checkpoint();
                } catch (const Cancelled &) {
                    ++leaked;
                }
                for (const auto &canceller : cancellers) {
                    while (!canceller->done())
                        co_await checkpoint();
                }
            }
        };
        service.submit(body).waitForFinished();
        qInfo("%d trees, %lld leaves cancelled", rounds, static_cast<long long>(cancelled));
        QCOMPARE(cancelled, leaves);
        QVERIFY(leaves > 0);
        QCOMPARE(leaked, 0);
        service.stop();
        QVERIFY(service.join());
    }
};

QTEST_GUILESS_MAIN(StressCancel)
#include "stress_cancel.moc"
