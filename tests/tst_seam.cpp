// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/seam.h>
#include <qmicroio/loopservicethread.h>

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QSemaphore>

#include <memory>

using namespace QMicroIO;
using namespace QMicroIO::detail;
using namespace std::chrono_literals;

class TestSeam : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void aCallerIsKnownOnlyWhileItWaits()
    {
        Seam seam(currentThreadNode());
        {
            const LoopCaller caller(seam);
            if (currentCore() >= 0)
                QVERIFY(seam.callerCore.load() >= 0);
        }
        // Or the loop would stay off that core's neighbour for ever, and busy-poll mode would poll no more.
        QCOMPARE(seam.callerCore.load(), -1);
    }

    void yieldingEndsAsSoonAsItIsDone()
    {
        int looks = 0;
        QVERIFY(yieldUntil([&] { return ++looks == 2; }, std::chrono::hours(1)));
        QCOMPARE(looks, 2); // even if the core was gone for long
        QVERIFY(!yieldUntil([] { return false; }, std::chrono::microseconds(1)));
        QVERIFY(yieldUntil([] { return true; }, std::chrono::nanoseconds(0)));
    }

    void workRunsInTheOrderItCame()
    {
        WorkBatch batch;
        QVERIFY(batch.isEmpty());
        std::vector<int> ran;
        for (int i = 0; i < 10000; ++i) // several chunks
            batch.push([&ran, i](Fate) { ran.push_back(i); });
        while (batch.runNext(Fate::Run)) { }
        batch.recycle();
        QVERIFY(batch.isEmpty());
        QCOMPARE(ran.size(), std::size_t(10000));
        QVERIFY(std::is_sorted(ran.begin(), ran.end()));
    }

    void aBatchThatIsDestroyedRefusesWhatIsLeft()
    {
        int refused = 0;
        {
            WorkBatch batch;
            for (int i = 0; i < 3; ++i)
                batch.push([&refused](Fate fate) { refused += fate == Fate::Refused ? 1 : 0; });
        }
        QCOMPARE(refused, 3);
    }

    void largeWorkAndWorkThatMayThrowOnMoveIsBoxed()
    {
        struct Large
        {
            char bytes[4096] = {};
            int *ran;
            void operator()(Fate) { ++*ran; }
        };
        auto seam = std::make_shared<Seam>();
        seam->open();
        int ran = 0;
        Large large;
        large.ran = &ran;
        QVERIFY(seam->post(large));
        WorkBatch batch;
        std::vector<Recheckable *> rechecks;
        QVERIFY(!seam->take(batch, rechecks));
        QVERIFY(batch.runNext(Fate::Run));
        QCOMPARE(ran, 1);
    }

    void aSeamThatWasNarrowedNeverTakesMoreAgain()
    {
        auto seam = std::make_shared<Seam>();
        const auto nothing = [](Fate) { };
        QVERIFY(!seam->post(nothing)); // not opened yet
        seam->open();
        QVERIFY(seam->post(nothing));
        seam->narrow(Seam::Admit::OwnThread);
        QVERIFY(!seam->post(nothing));
        QVERIFY(seam->post(nothing, Seam::From::Inside));
        seam->narrow(Seam::Admit::Nobody);
        seam->narrow(Seam::Admit::OwnThread);
        QVERIFY(!seam->post(nothing, Seam::From::Inside));
    }

    // A turn that was cut short by its time slice leaves newer work at the seam, whose wake-up is then used up.
    void workThatArrivesDuringALongTurnIsNotForgotten()
    {
        LoopServiceThread service(QStringLiteral("long turns"));
        service.start();
        service.waitStarted();
        for (int round = 0; round < 5; ++round) {
            QSemaphore entered;
            QSemaphore goOn;
            QSemaphore late;
            service.callSoon([&] {
                entered.release();
                goOn.acquire();
            });
            entered.acquire();
            // One batch: longer than the slice, and longer than the stretch between two looks at the clock.
            service.callSoon([&] {
                entered.release();
                goOn.acquire();
                QElapsedTimer timer;
                timer.start();
                while (!timer.hasExpired(6)) { }
            });
            for (int i = 0; i < 40; ++i)
                service.callSoon([] { });
            goOn.release();
            entered.acquire();
            service.callSoon([&] { late.release(); });
            goOn.release();
            QVERIFY(late.tryAcquire(1, 10000));
        }
        QVERIFY(service.stop());
        QVERIFY(service.join());
    }

    void aGateThatIsOpenedWhileTheDeadlinePassesStaysOpenOrShut()
    {
        for (int round = 0; round < 200; ++round) {
            auto gate = std::make_shared<Gate>();
            std::thread opener([gate] { gate->open(); });
            const bool opened = gate->wait(QDeadlineTimer(0));
            opener.join();
            QVERIFY(opened || gate->wait(QDeadlineTimer(0)));
        }
    }
};

QTEST_GUILESS_MAIN(TestSeam)
#include "tst_seam.moc"
