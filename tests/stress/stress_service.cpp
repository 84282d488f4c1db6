// SPDX-License-Identifier: Apache-2.0
#include "../servicetesting.h"
#include "../stresstesting.h"

#include <qmicroio/loopservicethread.h>

#include <QtTest/QTest>

#include <QtCore/QDir>
#include <QtCore/QElapsedTimer>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <memory>
#include <thread>

using namespace QMicroIO;
using namespace StressTesting;
using namespace ServiceTesting;
using namespace std::chrono_literals;

#if defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#    define SANITIZER_KEEPS_MEMORY
#  endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define SANITIZER_KEEPS_MEMORY
#endif

namespace {

qsizetype entries(const char *folder)
{
    return QDir(QString::fromUtf8(folder)).entryList(QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot).size();
}

qint64 residentKiB()
{
    QFile file(QStringLiteral("/proc/self/status"));
    if (!file.open(QIODevice::ReadOnly))
        return -1;
    for (const QByteArray &line : file.readAll().split('\n')) {
        if (line.startsWith("VmRSS:"))
            return line.mid(6).trimmed().split(' ').front().toLongLong();
    }
    return -1;
}

// A thread that was joined leaves /proc a moment later.
bool fallsTo(const char *folder, qsizetype count)
{
    for (const QDeadlineTimer limit(10s); entries(folder) > count; std::this_thread::yield()) {
        if (limit.hasExpired())
            return false;
    }
    return true;
}

template<class T>
bool endsInTime(const QFuture<T> &future)
{
    for (const QDeadlineTimer limit(30s); !future.isFinished(); std::this_thread::yield()) {
        if (limit.hasExpired())
            return false;
    }
    return true;
}

// One service from its beginning to its end, with every kind of call. False: something gave a wrong result.
bool useOnce(int number)
{
    LoopServiceThread service(QStringLiteral("service %1").arg(number));
    service.start();
    service.waitStarted();
    std::atomic<int> soon = 0;
    auto coroutine = [number]() -> Task<int> {
        co_await sleep(0ms);
        co_return number;
    };
    auto sleeper = []() -> Task<> { co_await sleepForever(); };
    service.callSoon([&soon] { ++soon; });
    QFuture<int> result = service.submit(coroutine);
    QFuture<void> cancelledByStop = service.submit(sleeper);
    QFuture<void> cancelledByHand = service.submit(sleeper);
    const bool synced = service.callSync([number] { return number + 1; }) == number + 1
        && service.callSync([] { return 1; }, QDeadlineTimer(30s)) == 1;
    cancelledByHand.cancel();
    const bool gave = endsInTime(result) && result.result() == number;
    service.stop();
    return service.join() && synced && gave && soon == 1 && cancelledByStop.isCanceled() && cancelledByStop.isFinished()
        && cancelledByHand.isFinished() && service.state() == ServiceThread::State::Stopped;
}

} // namespace

class StressService : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { m_threads = entries("/proc/self/task"); }
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B32
    void stopRightAfterStartAlwaysEnds()
    {
        const int rounds = scaled(10'000, 1);
        qInfo("%d services", rounds);
        QElapsedTimer clock;
        clock.start();
        for (int i = 0; i < rounds; ++i) {
            LoopServiceThread service(QStringLiteral("brief"));
            if (i % 4 == 3)
                service.stop(QStringLiteral("before"));
            service.start();
            // From no delay at all to one that lets the thread get well into its loop.
            for (int spin = (i % 64) * (i % 64); spin > 0; --spin)
                std::atomic_signal_fence(std::memory_order_seq_cst);
            service.stop(QStringLiteral("at once"));
            QVERIFY2(service.join(QDeadlineTimer(30s)), qPrintable(QString::number(i)));
            QCOMPARE(service.state(), ServiceThread::State::Stopped);
        }
        qInfo("%.1f us each", double(clock.nsecsElapsed()) / 1000.0 / rounds);
    }

    void usedAndDestroyedServicesLeaveNothingBehind()
    {
        const int services = scaled(1'000, 1);
        // What is made once and kept: caches of the C library, of Qt and of ours.
        for (int i = 0; i < std::max(100, services / 4); ++i)
            QVERIFY(useOnce(i));
        const qsizetype files = entries("/proc/self/fd");
        const qint64 before = residentKiB();
        for (int i = 0; i < services; ++i)
            QVERIFY2(useOnce(i), qPrintable(QString::number(i)));
        QVERIFY2(fallsTo("/proc/self/task", m_threads), qPrintable(QString::number(entries("/proc/self/task"))));
        QCOMPARE(entries("/proc/self/fd"), files);
        const qint64 growth = residentKiB() - before;
        qInfo("%d services, %lld threads and %lld files before and after, memory %lld KiB, growth %lld KiB", services,
              qlonglong(m_threads), qlonglong(files), qlonglong(before), qlonglong(growth));
#ifndef SANITIZER_KEEPS_MEMORY
        // A service that leaked as little as its thread's event loop would cost several KiB each.
        QVERIFY2(growth < 1024 + services / 2, qPrintable(QString::number(growth)));
#endif
    }

    // B29
    void callsAcceptedWhileTheLoopEndsRunOrFail()
    {
        constexpr int Callers = 4;
        const int rounds = scaled(1'000, 1);
        std::unique_ptr<LoopServiceThread> service;
        std::atomic<qint64> soonAccepted = 0;
        std::atomic<qint64> soonRan = 0;
        std::atomic<qint64> values = 0;
        std::atomic<qint64> cancelled = 0;
        std::atomic<qint64> refused = 0;
        std::atomic<qint64> wrong = 0;
        std::barrier begin(Callers + 1);
        std::barrier end(Callers + 1);
        std::vector<std::thread> callers;
        for (int caller = 0; caller < Callers; ++caller) {
            callers.emplace_back([&, caller] {
                auto coroutine = [caller]() -> Task<int> {
                    co_await checkpoint();
                    co_return caller;
                };
                for (int round = 0; round < rounds; ++round) {
                    begin.arrive_and_wait();
                    std::vector<QFuture<int>> futures;
                    try {
                        for (int calls = caller;; ++calls) {
                            service->callSoon([&soonRan] { ++soonRan; });
                            ++soonAccepted;
                            futures.push_back(service->submit(coroutine));
                            futures.push_back(service->submit([caller] { return caller; }));
                            if (calls % 8 == 0 && service->callSync([caller] { return caller; }) != caller)
                                ++wrong;
                        }
                    } catch (const NotRunningError &) {
                        ++refused;
                    } catch (...) {
                        ++wrong;
                    }
                    for (const QFuture<int> &future : futures) {
                        if (!endsInTime(future))
                            ++wrong;
                        else if (future.isCanceled())
                            ++cancelled;
                        else if (future.result() == caller)
                            ++values;
                        else
                            ++wrong;
                    }
                    end.arrive_and_wait();
                }
            });
        }
        qint64 notStopped = 0;
        for (int round = 0; round < rounds; ++round) {
            service = std::make_unique<LoopServiceThread>(QStringLiteral("closing"));
            service->start();
            if (round % 2)
                service->waitStarted();
            begin.arrive_and_wait();
            for (int spin = (round % 128) * 64; spin > 0; --spin)
                std::atomic_signal_fence(std::memory_order_seq_cst);
            service->stop();
            notStopped += !service->join(QDeadlineTimer(30s));
            end.arrive_and_wait();
            notStopped += service->state() != ServiceThread::State::Stopped;
            service.reset();
        }
        for (std::thread &caller : callers)
            caller.join();
        qInfo("%d rounds with %d callers: %lld values, %lld cancelled, %lld of callSoon()", rounds, Callers,
              qlonglong(values), qlonglong(cancelled), qlonglong(soonRan));
        QCOMPARE(wrong.load(), 0);
        QCOMPARE(notStopped, 0);
        QCOMPARE(soonRan.load(), soonAccepted.load());
        QCOMPARE(refused.load(), qint64(rounds) * Callers);
    }

private:
    qsizetype m_threads = 0;
};

QTEST_GUILESS_MAIN(StressService)
#include "stress_service.moc"
