// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>
#include <qmicroio/sharedservice.h>

#include <QtTest/QTest>

#include <QtCore/QPointer>
#include <QtCore/QThread>

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

Task<> sleepsForever()
{
    co_await sleepForever();
}

} // namespace

class TestSharedService : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B206
    void nestedUsersGetTheSameLoopAndTheLastOneEndsIt()
    {
        const SharedService shared(QStringLiteral("background"));
        auto first = shared.use();
        QCOMPARE(first->name(), QStringLiteral("background"));
        QCOMPARE(first->state(), ServiceThread::State::Ready);
        QPointer<LoopServiceThread> watched(first.get());
        {
            const auto second = shared.use();
            QCOMPARE(second.get(), first.get());
        }
        QCOMPARE(first->callSync([] { return 3; }), 3);
        QFuture<void> left = first->submit(sleepsForever);
        first.reset();
        QVERIFY(watched.isNull());
        QVERIFY(left.isFinished());
        QVERIFY(left.isCanceled());
    }

    // B206
    void aLaterUserGetsAFreshOne()
    {
        const SharedService shared;
        bool stopped = false;
        {
            const auto first = shared.use();
            connect(first.get(), &ServiceThread::stopped, first.get(), [&] { stopped = true; }, Qt::DirectConnection);
        }
        QVERIFY(stopped);
        const auto later = shared.use();
        QCOMPARE(later->state(), ServiceThread::State::Ready);
        QCOMPARE(later->callSync([] { return 4; }), 4);
    }

    // B206
    void usersInSeveralThreadsShareOneAtATime()
    {
        constexpr int Users = 4;
        constexpr int Rounds = 20;
        const SharedService shared(QStringLiteral("shared"));
        std::atomic<int> wrong{0};
        std::barrier meet(Users);
        std::vector<LoopServiceThread *> seen(Users);
        std::vector<std::thread> threads;
        for (int user = 0; user < Users; ++user) {
            threads.emplace_back([&, user] {
                for (int round = 0; round < Rounds; ++round) {
                    meet.arrive_and_wait();
                    const auto service = shared.use();
                    seen[std::size_t(user)] = service.get();
                    wrong += service->callSync([user] { return user; }) != user;
                    meet.arrive_and_wait(); // all hold it now
                    wrong += seen[0] != service.get();
                    meet.arrive_and_wait();
                }
            });
        }
        for (std::thread &thread : threads)
            thread.join();
        QCOMPARE(wrong.load(), 0);
    }

    // B206
    void lettingGoOnTheServicesOwnThreadWaitsForNobody()
    {
        const SharedService shared;
        auto service = shared.use();
        QPointer<LoopServiceThread> watched(service.get());
        LoopServiceThread &known = *service;
        known.callSoon([kept = std::move(service)]() mutable { kept.reset(); });
        QTRY_VERIFY(watched.isNull()); // this thread made it, so its event loop destroys it
        const auto later = shared.use();
        QCOMPARE(later->callSync([] { return 5; }), 5);
    }

    // B206
    void usersMayOutliveIt()
    {
        std::shared_ptr<LoopServiceThread> service;
        {
            const SharedService shared;
            service = shared.use();
        }
        QCOMPARE(service->callSync([] { return 6; }), 6);
    }
};

QTEST_GUILESS_MAIN(TestSharedService)
#include "tst_sharedservice.moc"
