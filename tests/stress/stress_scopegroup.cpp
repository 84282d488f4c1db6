// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/loopservicethread.h>
#include <qmicroio/scopegroup.h>
#include <qmicroio/taskgroup.h>

#include "../stresstesting.h"

#include <QtTest/QTest>

#include <QtCore/QRandomGenerator>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <memory>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace StressTesting;
using namespace std::chrono_literals;

class StressScopeGroup : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B190
    void noRegionSlipsBetweenRegisteringAndTheLatch()
    {
        constexpr int Regions = 4; // one after the other, each in a task of its own
        const int rounds = scaled(1000);
        LoopServiceThread service(QStringLiteral("entering"));
        service.start();
        service.waitStarted();
        ScopeGroup group;
        int before = 0; // entered before the latch was set
        int after = 0;
        int completed = 0;
        std::barrier meet(2);
        QRandomGenerator here(190);
        QRandomGenerator there(91);
        auto member = [&]() -> Task<> {
            auto region = [&](CancelScope &scope) -> Task<> {
                ++(scope.isCancelCalled() ? after : before);
                co_await sleep(10s); // only a region that slipped through sleeps it out
            };
            if (co_await group.run(region))
                ++completed;
        };
        auto enter = [&](TaskGroup &tasks) -> Task<> {
            for (int i = 0; i < Regions; ++i) {
                tasks.startSoon(member);
                co_await checkpoint();
                linger(there);
            }
            co_await tasks.untilEmpty();
        };
        auto round = [&]() -> Task<> {
            meet.arrive_and_wait();
            linger(there);
            co_await withTaskGroup(enter);
        };
        int wrongAnswers = 0;
        for (int i = 0; i < rounds; ++i) {
            before = after = 0;
            QFuture<void> done = service.submit(round);
            meet.arrive_and_wait();
            linger(here);
            const bool found = group.cancel(QStringLiteral("now"), Latch::Yes);
            done.waitForFinished();
            if (before + after != Regions || (!found && before > 0))
                ++wrongAnswers;
            group.clear();
            m_before += before;
            m_after += after;
        }
        qInfo("%d rounds: %d regions were active at the cancel, %d entered under the latch", rounds, m_before, m_after);
        QCOMPARE(completed, 0);
        QCOMPARE(wrongAnswers, 0);
        QCOMPARE(m_before + m_after, rounds * Regions);
        QVERIFY(!group.isActive());
        service.stop();
        QVERIFY(service.join());
    }

    // B190
    void aRegionThatIsActiveAfterTheLatchWasSetIsCancelled()
    {
        const int rounds = scaled(1000);
        LoopServiceThread service(QStringLiteral("entering fast"));
        service.start();
        service.waitStarted();
        ScopeGroup group;
        std::atomic<bool> latchIsSet{false};
        std::barrier meet(2);
        qint64 entered = 0;
        int slipped = 0;
        int wrongResults = 0;
        auto round = [&]() -> Task<> {
            bool sawLatch = false;
            auto region = [&](CancelScope &scope) -> Task<> {
                ++entered;
                // Whoever has missed the latch is here when it has just been set: give that a moment to become visible.
                for (int i = 0; i < 200 && !sawLatch; ++i)
                    sawLatch = latchIsSet.load(std::memory_order_acquire);
                if (sawLatch && !scope.isCancelCalled())
                    ++slipped;
                if (sawLatch)
                    co_await checkpointIfCancelled();
            };
            meet.arrive_and_wait();
            int entries = 0;
            while (!sawLatch) {
                if (++entries % 512 == 0)
                    std::this_thread::yield(); // the other thread may need this core
                const bool ranToItsEnd = co_await group.run(region);
                if (ranToItsEnd == sawLatch)
                    ++wrongResults;
            }
        };
        QRandomGenerator random(19);
        for (int i = 0; i < rounds; ++i) {
            latchIsSet = false;
            QFuture<void> done = service.submit(round);
            meet.arrive_and_wait();
            linger(random);
            group.cancel(QStringLiteral("now"), Latch::Yes);
            latchIsSet.store(true, std::memory_order_release);
            done.waitForFinished();
            group.clear();
        }
        qInfo("%d rounds, %lld regions entered", rounds, static_cast<long long>(entered));
        QCOMPARE(slipped, 0);
        QCOMPARE(wrongResults, 0);
        QVERIFY(!group.isActive());
        service.stop();
        QVERIFY(service.join());
    }

    // B187, B190
    void regionsOfSeveralLoopsEndWhileOthersEnter()
    {
        constexpr int Loops = 3;
        const int rounds = scaled(1000);
        ScopeGroup group;
        std::atomic<int> running{Loops};
        std::atomic<int> elsewhere{0};
        int cancelled[Loops] = {};
        int completed[Loops] = {};
        std::vector<std::unique_ptr<LoopServiceThread>> services;
        std::vector<QFuture<void>> ends;
        for (int i = 0; i < Loops; ++i) {
            services.push_back(std::make_unique<LoopServiceThread>(QStringLiteral("loop %1").arg(i)));
            services.back()->start();
            services.back()->waitStarted();
        }
        auto loop = [&](int number) -> Task<> {
            QRandomGenerator random{quint32(number)};
            const QThread *home = QThread::currentThread();
            auto region = [&]() -> Task<> {
                const bool staysUntilCancelled = random.bounded(4) == 0;
                linger(random);
                co_await checkpoint();
                if (staysUntilCancelled)
                    co_await sleepForever();
            };
            for (int i = 0; i < rounds; ++i) {
                const bool ranToItsEnd = co_await group.run(region);
                ++(ranToItsEnd ? completed : cancelled)[number];
                co_await checkpoint(); // throws if anything of it leaks
                if (QThread::currentThread() != home)
                    ++elsewhere;
            }
            --running;
        };
        for (int i = 0; i < Loops; ++i)
            ends.push_back(services[std::size_t(i)]->submit([&loop, i] { return loop(i); }));
        QRandomGenerator random(187);
        int found = 0;
        while (running > 0) {
            linger(random);
            found += group.cancel(QStringLiteral("now")) ? 1 : 0;
            std::this_thread::yield();
        }
        int ended = 0;
        for (int i = 0; i < Loops; ++i) {
            ends[std::size_t(i)].waitForFinished();
            QCOMPARE(completed[i] + cancelled[i], rounds);
            ended += cancelled[i];
        }
        qInfo("%d regions, %d ended by %d cancels", rounds * Loops, ended, found);
        QCOMPARE(elsewhere.load(), 0);
        QVERIFY(!group.isActive());
        for (const auto &service : services) {
            service->stop();
            QVERIFY(service->join());
        }
    }

private:
    int m_before = 0;
    int m_after = 0;
};

QTEST_GUILESS_MAIN(StressScopeGroup)
#include "stress_scopegroup.moc"
