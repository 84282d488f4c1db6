// SPDX-License-Identifier: Apache-2.0
#include "thrown.h"

#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QByteArrayList>
#include <QtCore/QSemaphore>
#include <QtCore/QThreadPool>
#include <QtCore/QTimer>

#include <latch>
#include <memory>
#include <thread>

using namespace QMicroIO;
using namespace std::chrono_literals;

class Device : public QObject
{
    Q_OBJECT
public:
    using QObject::QObject;

    // What waits have connected to this object; safe to ask for while no other thread connects.
    int connections() const
    {
        return receivers(SIGNAL(pinged())) + receivers(SIGNAL(measured(int))) + receivers(SIGNAL(named(int, QString)))
            + receivers(SIGNAL(destroyed(QObject *)));
    }
Q_SIGNALS:
    void pinged();
    void measured(int value);
    void named(int value, const QString &name);
};

// One name for several signals, a const one, and one that only this class may emit.
class Sensor : public QObject
{
    Q_OBJECT
public:
    void emitGuarded() { Q_EMIT guarded(7, QStringLiteral("guarded"), QPrivateSignal()); }
Q_SIGNALS:
    void changed(int value);
    void changed(const QString &text);
    void changed(int value, const QString &text, const QList<int> &list);
    void observed(double value) const;
    void guarded(int value, const QString &text, QPrivateSignal);
};

// Without signals of its own.
class BetterDevice : public Device
{
    Q_OBJECT
};

namespace {

using Log = QByteArrayList;

Task<> turns(int count)
{
    for (int i = 0; i < count; ++i)
        co_await checkpoint();
}

// How a wait for `pinged` ends, as text.
Task<QByteArray> endOfWait(Device *device)
{
    try {
        co_await nextSignal(device, &Device::pinged);
    } catch (const BrokenResourceError &e) {
        co_return e.what();
    } catch (const Cancelled &) {
        co_return "cancelled";
    }
    co_return "signal";
}

Task<> logEnd(Device *device, Log &log)
{
    log += co_await endOfWait(device);
}

// Keeps the only thread of a pool busy until released.
class BusyPool
{
public:
    BusyPool()
    {
        pool.setMaxThreadCount(1);
        pool.start([this] {
            m_entered.release();
            m_leave.acquire();
        });
        m_entered.acquire();
    }
    ~BusyPool() { release(); }
    void release() { m_leave.release(); }
    QThreadPool pool;

private:
    QSemaphore m_entered;
    QSemaphore m_leave;
};

struct OddError
{
    int number;
};

} // namespace

class TestWait : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // ---- nextSignal()

    void aSignalGivesNothingItsArgumentOrATuple()
    {
        Device device;
        QTimer timer;
        Log log;
        auto waits = [&]() -> Task<> {
            co_await nextSignal(&device, &Device::pinged);
            auto value = co_await nextSignal(&device, &Device::measured);
            static_assert(std::is_same_v<decltype(value), int>);
            auto both = co_await nextSignal(&device, &Device::named);
            static_assert(std::is_same_v<decltype(both), std::tuple<int, QString>>);
            log += QByteArray::number(value) + ' ' + QByteArray::number(std::get<0>(both)) + ' '
                + std::get<1>(both).toUtf8();
            // Qt's own mark on signals that only their class may emit is no argument.
            auto name = co_await nextSignal(&device, &QObject::objectNameChanged);
            static_assert(std::is_same_v<decltype(name), QString>);
            log += name.toUtf8();
            timer.start(0ms);
            co_await nextSignal(&timer, &QTimer::timeout);
            log += "timeout";
        };
        auto emits = [&]() -> Task<> {
            co_await turns(2);
            Q_EMIT device.pinged();
            co_await turns(2);
            Q_EMIT device.measured(5);
            co_await turns(2);
            QString text = QStringLiteral("six");
            Q_EMIT device.named(6, text);
            text.fill(u'x');
            co_await turns(2);
            device.setObjectName(QStringLiteral("seven"));
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(waits);
            group.startSoon(emits);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"5 6 six", "seven", "timeout"}));
        QCOMPARE(device.connections(), 0);
    }

    void qOverloadPicksOneOfSeveralSignalsOfAName()
    {
        Sensor sensor;
        Log log;
        auto waits = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] {
                Q_EMIT sensor.changed(1);
                Q_EMIT sensor.changed(QStringLiteral("two"));
            });
            auto text = co_await nextSignal(&sensor, qOverload<const QString &>(&Sensor::changed));
            static_assert(std::is_same_v<decltype(text), QString>);
            log += text.toUtf8();
            QTimer::singleShot(0ms, [&] { Q_EMIT sensor.changed(3); });
            log += QByteArray::number(co_await nextSignal(&sensor, qOverload<int>(&Sensor::changed)));
            QTimer::singleShot(0ms, [&] {
                const QList<int> list{5, 6};
                Q_EMIT sensor.changed(4, QStringLiteral("four"), list);
            });
            auto many =
                co_await nextSignal(&sensor, qOverload<int, const QString &, const QList<int> &>(&Sensor::changed));
            static_assert(std::is_same_v<decltype(many), std::tuple<int, QString, QList<int>>>);
            log += QByteArray::number(std::get<2>(many).constLast());
        };
        run(waits());
        QCOMPARE(log, (Log{"two", "3", "6"}));
    }

    void constSignalsAndThoseOnlyTheirClassMayEmitAreAwaited()
    {
        Sensor sensor;
        Log log;
        auto waits = [&]() -> Task<> {
            const Sensor *constant = &sensor;
            QTimer::singleShot(0ms, [=] { Q_EMIT constant->observed(1.5); });
            log += QByteArray::number(co_await nextSignal(constant, &Sensor::observed));
            QTimer::singleShot(0ms, [&] { sensor.emitGuarded(); });
            auto both = co_await nextSignal(&sensor, &Sensor::guarded);
            static_assert(std::is_same_v<decltype(both), std::tuple<int, QString>>);
            log += std::get<1>(both).toUtf8();
        };
        run(waits());
        QCOMPARE(log, (Log{"1.5", "guarded"}));
        void (Sensor::*noSignal)(double) const = nullptr;
        QVERIFY(textOf<std::invalid_argument>([&] { nextSignal(&sensor, noSignal); }).contains("null"));
    }

    void anInheritedSignalNeedsNoCast()
    {
        BetterDevice device;
        int got = 0;
        auto waits = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { Q_EMIT device.measured(3); });
            got = co_await nextSignal(&device, &BetterDevice::measured);
        };
        run(waits());
        QCOMPARE(got, 3);
    }

    void theTaskGoesOnAfterTheEmissionNeverInsideIt()
    {
        Device device;
        Log log;
        auto waits = [&]() -> Task<> {
            co_await nextSignal(&device, &Device::pinged);
            log += "resumed";
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(waits);
            co_await checkpoint();
            Q_EMIT device.pinged();
            log += "emitted";
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"emitted", "resumed"}));
    }

    void onlyTheFirstEmissionAfterTheWaitBeganCounts()
    {
        Device device;
        QList<int> got;
        auto waits = [&]() -> Task<> {
            Q_EMIT device.measured(1); // nobody waits yet
            auto wait = nextSignal(&device, &Device::measured);
            Q_EMIT device.measured(2); // only described, not begun
            got += co_await std::move(wait);
            got += co_await nextSignal(&device, &Device::measured);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(waits);
            co_await checkpoint();
            Q_EMIT device.measured(3);
            Q_EMIT device.measured(4); // before the task went on: lost
            co_await turns(2);
            Q_EMIT device.measured(5);
        };
        run(withTaskGroup(body));
        QCOMPARE(got, (QList<int>{3, 5}));
    }

    void nullsAreRefusedAtTheCall()
    {
        Device device;
        Device *none = nullptr;
        void (Device::*noSignal)() = nullptr;
        QVERIFY(textOf<std::invalid_argument>([&] { nextSignal(none, &Device::pinged); }).contains("null"));
        QVERIFY(textOf<std::invalid_argument>([&] { nextSignal(&device, noSignal); }).contains("null"));
    }

    void aDyingSenderBreaksTheWait_data()
    {
        QTest::addColumn<QByteArray>("when");
        QTest::newRow("before the wait") << QByteArray("before");
        QTest::newRow("during the wait") << QByteArray("during");
        QTest::newRow("later in the same turn as its signal") << QByteArray("after");
        QTest::newRow("by deleteLater()") << QByteArray("later");
    }
    void aDyingSenderBreaksTheWait()
    {
        QFETCH(QByteArray, when);
        auto device = std::make_unique<Device>();
        device->setObjectName(QStringLiteral("thermometer"));
        QByteArray end;
        auto waits = [&]() -> Task<> {
            auto wait = nextSignal(device.get(), &Device::pinged);
            if (when == "before")
                device.reset();
            try {
                co_await std::move(wait);
                end = "signal";
            } catch (const BrokenResourceError &e) {
                end = e.what();
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(waits);
            co_await checkpoint();
            if (when == "after")
                Q_EMIT device->pinged();
            if (when == "later")
                device.release()->deleteLater();
            device.reset();
        };
        run(withTaskGroup(body));
        if (when == "after")
            QCOMPARE(end, QByteArray("signal"));
        else if (when == "before")
            QVERIFY2(end.contains("destroyed"), end.constData());
        else
            QVERIFY2(end.contains("Device 'thermometer'") && end.contains("destroyed"), end.constData());
    }

    void aWaitThatEndedIsDisconnected()
    {
        Device device;
        QList<int> connections;
        auto ping = [&]() -> Task<> { co_await nextSignal(&device, &Device::pinged); };
        auto body = [&](TaskGroup &group) -> Task<> {
            connections += device.connections();
            group.startSoon(ping);
            co_await checkpoint();
            connections += device.connections(); // the signal and destroyed()
            Q_EMIT device.pinged();
            connections += device.connections();
            group.startSoon(ping);
            co_await checkpoint();
            connections += device.connections();
            group.cancel();
            connections += device.connections();
            group.startSoon(ping); // begins in a cancelled scope: never connects
        };
        run(withTaskGroup(body));
        QCOMPARE(connections, (QList<int>{0, 2, 0, 2, 0}));
        QCOMPARE(device.connections(), 0);
    }

    void aWaitInACancelledScopeThrowsAtOnce()
    {
        Device device;
        Log log;
        auto waits = [&](CancelScope &scope) -> Task<> {
            scope.cancel();
            log += co_await endOfWait(&device);
            log += QByteArray::number(device.connections());
        };
        auto host = [&]() -> Task<> {
            CancelScope scope;
            co_await scope.run(waits);
        };
        run(host());
        QCOMPARE(log, (Log{"cancelled", "0"}));
    }

    void aTimeoutEndsTheWait()
    {
        Device device;
        auto waits = [&]() -> Task<int> { co_return co_await nextSignal(&device, &Device::measured); };
        const std::optional<int> got = run(moveOnAfter(1ms, waits));
        QVERIFY(!got);
        QCOMPARE(device.connections(), 0);
        Q_EMIT device.measured(1);
    }

    void aSignalThatCameBeforeTheCancellationCounts()
    {
        Device device;
        Log log;
        auto waits = [&]() -> Task<> {
            log += QByteArray::number(co_await nextSignal(&device, &Device::measured));
            log += co_await endOfWait(&device);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(waits);
            co_await checkpoint();
            Q_EMIT device.measured(9);
            group.cancel();
        };
        run(withTaskGroup(body));
        QCOMPARE(log, (Log{"9", "cancelled"}));
    }

    void manyTasksWaitForOneSignal()
    {
        constexpr int Count = 500;
        Device device;
        Log log;
        int connections = 0;
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < Count; ++i)
                group.startSoon(logEnd, &device, std::ref(log));
            while (device.connections() < 2 * Count)
                co_await checkpoint();
            connections = device.connections();
            Q_EMIT device.pinged();
        };
        run(withTaskGroup(body));
        QCOMPARE(connections, 2 * Count);
        QCOMPARE(log.count("signal"), Count);
        QCOMPARE(device.connections(), 0);
    }

    // B211
    void aPlainSlotEndsWaitsOfTheSameThread()
    {
        Device device;
        CancelScope scope;
        Log log;
        auto waits = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] { Q_EMIT device.pinged(); });
            log += co_await endOfWait(&device);
            QTimer::singleShot(0ms, [&] { scope.cancel(); });
            log += co_await endOfWait(&device);
        };
        run(scope.run(waits));
        QCOMPARE(log, (Log{"signal", "cancelled"}));
    }

    void theSenderMayLiveInAnotherThread()
    {
        LoopServiceThread other(QStringLiteral("device"));
        other.start();
        other.waitStarted();
        Device *device = other.callSync([] { return new Device; });
        QThread *resumedOn = nullptr;
        Log log;
        auto waits = [&]() -> Task<> {
            auto both = nextSignal(device, &Device::named);
            // Runs there once the wait has begun: the emission finds the connection.
            QTimer::singleShot(0ms, [&] { other.callSoon([&] { Q_EMIT device->named(4, QStringLiteral("there")); }); });
            const std::tuple<int, QString> got = co_await std::move(both);
            resumedOn = QThread::currentThread();
            log += QByteArray::number(std::get<0>(got)) + ' ' + std::get<1>(got).toUtf8();
            QTimer::singleShot(0ms, [&] { other.callSoon([&] { delete device; }); });
            log += co_await endOfWait(device);
        };
        run(waits());
        QCOMPARE(resumedOn, QThread::currentThread());
        QCOMPARE(log.size(), 2);
        QCOMPARE(log.at(0), QByteArray("4 there"));
        QVERIFY2(log.at(1).contains("destroyed"), log.at(1).constData());
        other.stop();
        QVERIFY(other.join());
    }

    void theFirstOfTwoEmissionsInAnotherThreadCounts()
    {
        Device device;
        int got = 0;
        auto waits = [&]() -> Task<> {
            QTimer::singleShot(0ms, [&] {
                std::thread emitter([&] {
                    Q_EMIT device.measured(1);
                    Q_EMIT device.measured(2);
                });
                emitter.join(); // both before this loop hears of the first
            });
            got = co_await nextSignal(&device, &Device::measured);
        };
        run(waits());
        QCOMPARE(got, 1);
        QCOMPARE(device.connections(), 0);
    }

    void aServiceThatStopsEndsItsWaitsAndLeavesTheSenderAlone()
    {
        Device device;
        Log log;
        LoopServiceThread service(QStringLiteral("waiter"));
        service.start();
        service.waitStarted();
        QFuture<void> ended = service.submit([&] { return logEnd(&device, log); });
        while (service.callSync([&device] { return device.connections(); }) < 2) { } // each is a turn of its loop
        service.stop();
        QVERIFY(service.join());
        QCOMPARE(log, (Log{"cancelled"}));
        QCOMPARE(device.connections(), 0);
        Q_EMIT device.pinged();
    }

    void emissionAndCancellationFromTwoThreadsHarmNobody()
    {
        constexpr int Rounds = 300;
        Device device;
        Log log;
        for (int round = 0; round < Rounds; ++round) {
            CancelScope scope;
            auto waits = [&]() -> Task<> { log += co_await endOfWait(&device); };
            std::latch begun(1);
            auto body = [&](TaskGroup &group) -> Task<> {
                group.startSoon([&] { begun.count_down(); });
                co_await scope.run(waits);
            };
            std::thread emitter([&] {
                begun.wait();
                Q_EMIT device.pinged();
            });
            std::thread canceller([&] {
                begun.wait();
                scope.cancel();
            });
            run(withTaskGroup(body));
            emitter.join();
            canceller.join();
        }
        QCOMPARE(log.count("signal") + log.count("cancelled"), Rounds);
        QCOMPARE(device.connections(), 0);
    }

    void aSenderThatDiesInAnotherThreadWhileTheWaitIsCancelledHarmsNobody()
    {
        constexpr int Rounds = 200;
        LoopServiceThread other(QStringLiteral("device"));
        other.start();
        other.waitStarted();
        Log log;
        for (int round = 0; round < Rounds; ++round) {
            Device *device = other.callSync([] { return new Device; });
            CancelScope scope;
            auto waits = [&]() -> Task<> { log += co_await endOfWait(device); };
            auto body = [&](TaskGroup &group) -> Task<> {
                group.startSoon([&] {
                    other.callSoon([&] { scope.cancel(); });
                    other.callSoon([=] { delete device; });
                });
                co_await scope.run(waits);
            };
            run(withTaskGroup(body));
            other.callSync([] { });
        }
        QCOMPARE(log.size(), Rounds);
        QCOMPARE(log.count("signal"), 0);
        other.stop();
        QVERIFY(other.join());
    }

    void theDescriptionNamesTheSender()
    {
        Device device;
        device.setObjectName(QStringLiteral("thermometer"));
        QString line;
        auto ping = [&]() -> Task<> { co_await nextSignal(&device, &Device::pinged); };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("reader")), ping);
            co_await checkpoint();
            line = detail::Loop::current()->describeTasks().last();
            Q_EMIT device.pinged();
        };
        run(withTaskGroup(body));
        QVERIFY2(line.startsWith(QStringLiteral("reader: waits for a signal of Device 'thermometer' at tst_wait.cpp:")),
                 qPrintable(line));
    }

    // ---- offload()

    // B207
    void offloadGivesTheResultOfAPoolThreadToTheTasksOwnThread()
    {
        QThread *worker = nullptr;
        QThread *resumedOn = nullptr;
        Log log;
        auto host = [&]() -> Task<> {
            auto compute = [&] {
                worker = QThread::currentThread();
                return 6 * 7;
            };
            log += QByteArray::number(co_await offload(compute));
            resumedOn = QThread::currentThread();
            auto nothing = [&] { log += "void"; };
            co_await offload(nothing);
            auto text = [] { return QByteArray("text"); };
            log += co_await offload(text);
            auto given = std::make_unique<int>(8);
            auto moveOnly = [given = std::move(given)]() mutable { return std::move(given); };
            auto job = offload(std::move(moveOnly));
            const std::unique_ptr<int> back = co_await std::move(job);
            log += QByteArray::number(*back);
        };
        run(host());
        QCOMPARE(log, (Log{"42", "void", "text", "8"}));
        QVERIFY(worker && worker != QThread::currentThread());
        QCOMPARE(resumedOn, QThread::currentThread());
    }

    // B207
    void whatTheWorkerThrowsKeepsItsType()
    {
        Log log;
        auto host = [&]() -> Task<> {
            auto range = [] { throw std::out_of_range("far"); };
            try {
                co_await offload(range);
            } catch (const std::out_of_range &e) {
                log += e.what();
            }
            auto odd = []() -> int { throw OddError{4}; };
            try {
                co_await offload(odd);
            } catch (const OddError &e) {
                log += QByteArray::number(e.number);
            }
        };
        run(host());
        QCOMPARE(log, (Log{"far", "4"}));
    }

    void theLoopGoesOnWhileTheWorkerBlocks()
    {
        QSemaphore finish;
        int ticks = 0;
        auto blocks = [&] { finish.acquire(); };
        auto ticker = [&]() -> Task<> {
            while (++ticks < 100)
                co_await checkpoint();
            finish.release();
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(ticker);
            co_await offload(blocks);
        };
        run(withTaskGroup(body));
        QCOMPARE(ticks, 100);
    }

    void aPoolOfOnesOwnLimitsHowManyRunAtOnce()
    {
        constexpr int Jobs = 200;
        QThreadPool pool;
        pool.setMaxThreadCount(2);
        std::atomic<int> inside = 0;
        std::atomic<int> most = 0;
        std::atomic<int> done = 0;
        auto job = [&]() -> Task<> {
            auto work = [&] {
                const int now = ++inside;
                for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) { }
                --inside;
                ++done;
            };
            co_await offload(&pool, work);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < Jobs; ++i)
                group.startSoon(job);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(done.load(), Jobs);
        QVERIFY(most >= 1 && most <= 2);
        QVERIFY(textOf<std::invalid_argument>([] {
                    offload(static_cast<QThreadPool *>(nullptr), [] { });
                }).contains("null"));
    }

    void manyAtOnceEachGetTheirOwnResult()
    {
        constexpr int Jobs = 1000;
        qint64 sum = 0;
        auto job = [&](int number) -> Task<> {
            auto work = [number] { return number; };
            auto wait = offload(work);
            const int got = co_await std::move(wait);
            if (got == number)
                sum += got;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            for (int i = 1; i <= Jobs; ++i)
                group.startSoon(job, i);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(sum, qint64(Jobs) * (Jobs + 1) / 2);
    }

    void whatTheFunctionCapturedGoesWhenItHasRun()
    {
        auto token = std::make_shared<int>();
        const std::weak_ptr<int> weak = token;
        bool gone = false;
        auto host = [&]() -> Task<> {
            auto work = [token = std::move(token)] { };
            auto wait = offload(std::move(work));
            co_await std::move(wait);
            gone = weak.expired();
        };
        run(host());
        QVERIFY(gone);
    }

    // B207
    void inACancelledScopeTheFunctionNeverRuns()
    {
        bool ran = false;
        Log log;
        auto region = [&](CancelScope &scope) -> Task<> {
            scope.cancel();
            auto work = [&] { ran = true; };
            try {
                co_await offload(work);
            } catch (const Cancelled &) {
                log += "cancelled";
                throw;
            }
        };
        auto host = [&]() -> Task<> {
            CancelScope scope;
            co_await scope.run(region);
        };
        run(host());
        QCOMPARE(log, (Log{"cancelled"}));
        QThreadPool::globalInstance()->waitForDone();
        QVERIFY(!ran);
    }

    // B207
    void cancelledBeforeAWorkerIsFreeTheFunctionNeverRuns()
    {
        BusyPool busy;
        bool ran = false;
        const auto token = std::make_shared<int>();
        auto region = [&]() -> Task<> {
            auto work = [&ran, token] { ran = true; };
            auto wait = offload(&busy.pool, std::move(work));
            co_await std::move(wait);
        };
        const bool whole = run(moveOnAfter(1ms, region)); // the pool is still busy
        QVERIFY(!whole);
        QCOMPARE(token.use_count(), 1);
        busy.release();
        QVERIFY(busy.pool.waitForDone());
        QVERIFY(!ran);
    }

    // B208, B84
    void cancelledWhileItRunsTheWaitLastsAndTheResultCounts()
    {
        QSemaphore entered;
        QSemaphore leave;
        Log log;
        auto work = [&] {
            entered.release();
            leave.acquire();
            return 5;
        };
        auto region = [&](CancelScope &scope) -> Task<> {
            // Comes in on the loop while the worker is inside.
            QTimer::singleShot(0ms, [&] {
                entered.acquire();
                scope.cancel();
                log += "cancelled";
                QTimer::singleShot(0ms, [&] {
                    log += "still waiting";
                    leave.release();
                });
            });
            log += QByteArray::number(co_await offload(work));
            try {
                co_await checkpointIfCancelled();
            } catch (const Cancelled &) {
                log += "the next wait throws";
                throw;
            }
        };
        auto host = [&]() -> Task<> {
            CancelScope scope;
            log += co_await scope.run(region) ? "?" : "absorbed";
        };
        run(host());
        QCOMPARE(log, (Log{"cancelled", "still waiting", "5", "the next wait throws", "absorbed"}));
    }

    // B208
    void aServiceThatStopsWaitsForTheWorker()
    {
        QSemaphore entered;
        QSemaphore leave;
        Log log;
        LoopServiceThread service(QStringLiteral("cruncher"));
        service.start();
        service.waitStarted();
        auto work = [&] {
            entered.release();
            leave.acquire();
        };
        auto host = [&]() -> Task<> {
            co_await offload(work);
            log += "the worker has ended";
        };
        QFuture<void> ended = service.submit(host);
        entered.acquire();
        service.stop();
        QVERIFY(!service.join(QDeadlineTimer(20)));
        QVERIFY(log.isEmpty());
        leave.release();
        QVERIFY(service.join());
        QCOMPARE(log, (Log{"the worker has ended"}));
        QVERIFY(ended.isFinished());
    }

    void workThatThePoolForgetsBreaksTheWait()
    {
        BusyPool busy;
        Log log;
        auto job = [&]() -> Task<> {
            auto work = [&] { log += "ran"; };
            try {
                co_await offload(&busy.pool, work);
            } catch (const BrokenResourceError &e) {
                log += e.what();
            }
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(job);
            co_await turns(2);
            busy.pool.clear();
        };
        const bool whole = run(moveOnAfter(10s, [&] { return withTaskGroup(body); }));
        QVERIFY(whole);
        QCOMPARE(log.size(), 1);
        QVERIFY2(log.at(0).contains("clear()"), log.at(0).constData());
    }

    void aFailingWorkerFailsItsGroup()
    {
        auto fails = []() -> Task<> {
            auto work = [] { throw std::runtime_error("disk full"); };
            co_await offload(work);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(fails);
            co_await sleepForever();
        };
        const QByteArray text = textOf<ExceptionGroup>([&] { run(withTaskGroup(body)); });
        QVERIFY2(text.contains("disk full"), text.constData());
    }
};

QTEST_GUILESS_MAIN(TestWait)
#include "tst_wait.moc"
