// SPDX-License-Identifier: Apache-2.0
#include "thrown.h"

#include <qmicroio/loopservicethread.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QByteArrayList>
#include <QtCore/QSemaphore>
#include <QtCore/QThreadPool>
#include <QtCore/QTimer>

#include <atomic>
#include <memory>
#include <stdexcept>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

using Log = QByteArrayList;

// What test and worker share; an abandoned worker outlives the test's locals.
struct Shared
{
    QSemaphore entered;
    QSemaphore leave;
    QSemaphore gone;
    std::atomic<int> seen = 0;
    std::atomic<int> resultsDropped = 0;
};

// A result whose end can be observed.
class Result
{
public:
    explicit Result(std::shared_ptr<Shared> shared)
        : m_shared(std::move(shared))
    {
    }
    Result(Result &&) noexcept = default;
    Result &operator=(Result &&) noexcept = default;
    ~Result()
    {
        if (m_shared) {
            ++m_shared->resultsDropped;
            m_shared->gone.release();
        }
    }

private:
    std::shared_ptr<Shared> m_shared;
};

// Runs `region` in a scope that is cancelled once the worker is inside; true when it ran to its end.
template<class F>
bool cancelledInside(Shared &shared, F region)
{
    CancelScope scope;
    auto host = [&]() -> Task<bool> {
        QTimer::singleShot(0ms, [&] {
            shared.entered.acquire();
            scope.cancel(QStringLiteral("enough"));
        });
        co_return co_await scope.run(region);
    };
    return run(host());
}

} // namespace

class TestOffload : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void init()
    {
        pool = std::make_unique<QThreadPool>();
        pool->setMaxThreadCount(2);
        shared = std::make_shared<Shared>();
    }
    void cleanup()
    {
        shared->leave.release(100);
        pool->waitForDone();
        QCOMPARE(liveTaskFrames(), 0);
    }

    // B208
    void anAbandonedWorkerEndsTheWaitAtOnceAndItsResultIsDropped()
    {
        Log log;
        auto region = [&]() -> Task<> {
            auto work = [shared = shared] {
                shared->entered.release();
                shared->leave.acquire();
                return Result(shared);
            };
            auto wait = offload(pool.get(), std::move(work), OnCancel::Abandon);
            try {
                co_await std::move(wait);
                log += "?";
            } catch (const Cancelled &cancelled) {
                log += cancelled.reason().toUtf8();
                throw;
            }
        };
        QVERIFY(!cancelledInside(*shared, region)); // the worker is still inside
        QCOMPARE(log, (Log{"enough"}));
        QCOMPARE(shared->resultsDropped.load(), 0);
        shared->leave.release();
        shared->gone.acquire();
        QVERIFY(pool->waitForDone());
        QCOMPARE(shared->resultsDropped.load(), 1);
        QCOMPARE(shared.use_count(), 1L); // the function and all it captured are gone too
    }

    // B208
    void theErrorOfAnAbandonedWorkerIsDropped()
    {
        auto region = [&]() -> Task<> {
            auto work = [shared = shared] {
                shared->entered.release();
                shared->leave.acquire();
                throw std::runtime_error("nobody hears this");
            };
            auto wait = offload(pool.get(), std::move(work), OnCancel::Abandon);
            co_await std::move(wait);
        };
        QVERIFY(!cancelledInside(*shared, region));
        shared->leave.release();
        QVERIFY(pool->waitForDone());
        QCOMPARE(shared.use_count(), 1L);
    }

    // B208
    void anAbandonedWorkerMayOutliveTheLoop()
    {
        LoopServiceThread service(QStringLiteral("cruncher"));
        service.start();
        service.waitStarted();
        auto host = [&]() -> Task<> {
            auto work = [shared = shared] {
                shared->entered.release();
                shared->leave.acquire();
                return Result(shared);
            };
            auto wait = offload(pool.get(), std::move(work), OnCancel::Abandon);
            co_await std::move(wait);
        };
        QFuture<void> ended = service.submit(host);
        shared->entered.acquire();
        service.stop();
        QVERIFY(service.join()); // although the worker has not ended
        QVERIFY(ended.isCanceled());
        shared->leave.release();
        shared->gone.acquire();
        QVERIFY(pool->waitForDone());
        QCOMPARE(shared->resultsDropped.load(), 1);
    }

    // B208
    void abandonedBeforeAWorkerIsFreeTheFunctionNeverRuns()
    {
        pool->setMaxThreadCount(1);
        pool->start([shared = shared] {
            shared->entered.release();
            shared->leave.acquire();
        });
        shared->entered.acquire();
        auto region = [&]() -> Task<> {
            auto work = [shared = shared] { ++shared->seen; };
            auto wait = offload(pool.get(), std::move(work), OnCancel::Abandon);
            co_await std::move(wait);
        };
        QVERIFY(!run(moveOnAfter(1ms, region)));
        shared->leave.release();
        QVERIFY(pool->waitForDone());
        QCOMPARE(shared->seen.load(), 0);
    }

    // B208
    void aResultThatIsThereIsDeliveredThoughAbandonIsAllowed()
    {
        Log log;
        auto region = [&](CancelScope &scope) -> Task<> {
            auto work = [] { return 5; };
            QTimer::singleShot(0ms, [&] {
                pool->waitForDone(); // it has ended, the loop has not heard of it yet
                scope.cancel();
            });
            log += QByteArray::number(co_await offload(pool.get(), work, OnCancel::Abandon));
            co_await checkpoint();
            log += "?";
        };
        CancelScope scope;
        QVERIFY(!run(scope.run(region)));
        QCOMPARE(log, (Log{"5"}));
    }

    // B208
    void byDefaultTheWaitLastsUntilTheWorkerHasEnded()
    {
        Log log;
        auto region = [&]() -> Task<> {
            auto work = [&] {
                shared->entered.release();
                while (!isOffloadCancelled())
                    QThread::yieldCurrentThread();
                log += "worker"; // safe: the task waits
                return 3;
            };
            log += QByteArray::number(co_await offload(pool.get(), work));
            co_await checkpoint();
            log += "?";
        };
        QVERIFY(!cancelledInside(*shared, region));
        QCOMPARE(log, (Log{"worker", "3"}));
    }

    // B209
    void aWorkerThatChecksEndsOnceItsTaskIsCancelled()
    {
        QString reason;
        auto region = [&]() -> Task<> {
            auto work = [&] {
                checkOffloadCancelled(); // not yet
                ++shared->seen;
                shared->entered.release();
                for (;;)
                    checkOffloadCancelled();
            };
            try {
                co_await offload(pool.get(), work);
            } catch (const Cancelled &cancelled) {
                reason = cancelled.reason();
                throw;
            }
        };
        QVERIFY(!cancelledInside(*shared, region));
        QCOMPARE(reason, QStringLiteral("enough"));
        QCOMPARE(shared->seen.load(), 1);
    }

    // B209
    void anAbandonedWorkerThatChecksEndsToo()
    {
        auto region = [&]() -> Task<> {
            auto work = [shared = shared] {
                shared->entered.release();
                shared->leave.acquire();
                try {
                    for (;;)
                        checkOffloadCancelled();
                } catch (const Cancelled &cancelled) {
                    shared->seen = cancelled.reason() == QStringLiteral("enough") ? 1 : -1;
                    shared->gone.release();
                    throw;
                }
            };
            auto wait = offload(pool.get(), std::move(work), OnCancel::Abandon);
            co_await std::move(wait);
        };
        QVERIFY(!cancelledInside(*shared, region));
        shared->leave.release(); // only now it looks
        shared->gone.acquire();
        QVERIFY(pool->waitForDone());
        QCOMPARE(shared->seen.load(), 1);
    }

    // B209
    void aCheckSaysNothingWhileTheTaskIsNotCancelled()
    {
        bool asked = true;
        auto host = [&]() -> Task<int> {
            auto work = [&] {
                checkOffloadCancelled();
                asked = isOffloadCancelled();
                return 6;
            };
            co_return co_await offload(work);
        };
        QCOMPARE(run(host()), 6);
        QVERIFY(!asked);
    }

    // B209
    void aShieldKeepsTheWorkerUndisturbed()
    {
        bool asked = true;
        auto region = [&](CancelScope &scope) -> Task<> {
            scope.cancel();
            auto inside = [&]() -> Task<> {
                auto work = [&] { asked = isOffloadCancelled(); };
                co_await offload(work);
            };
            co_await shielded(inside);
        };
        CancelScope scope;
        run(scope.run(region));
        QVERIFY(!asked);
    }

    // B209
    void askingOutsideAWorkerIsMisuse()
    {
        QByteArray text = textOf<LogicError>([] { checkOffloadCancelled(); });
        QVERIFY2(text.contains("checkpointIfCancelled"), text.constData());
        text = textOf<LogicError>([] { static_cast<void>(isOffloadCancelled()); });
        QVERIFY2(text.contains("isOffloadCancelled()"), text.constData());
        // A pool thread that has worked for offload() before is none any more.
        pool->setMaxThreadCount(1);
        auto host = [&]() -> Task<> {
            auto work = [] { checkOffloadCancelled(); };
            co_await offload(pool.get(), work);
        };
        run(host());
        QByteArray later;
        pool->start([&] { later = textOf<LogicError>([] { checkOffloadCancelled(); }); });
        QVERIFY(pool->waitForDone());
        QVERIFY(!later.isEmpty());
    }

    // B209
    void eachWorkerHearsOfItsOwnTaskOnly()
    {
        Log log;
        auto patient = [&]() -> Task<> {
            auto work = [&] {
                shared->entered.release();
                shared->leave.acquire();
                return isOffloadCancelled();
            };
            const bool asked = co_await offload(pool.get(), work);
            log += asked ? "?" : "undisturbed";
        };
        CancelScope scope;
        auto hasty = [&]() -> Task<> {
            auto work = [&] {
                shared->entered.acquire(); // the other one is inside
                shared->seen = 1;
                for (;;)
                    checkOffloadCancelled();
            };
            auto region = [&]() -> Task<> { co_await offload(pool.get(), work); };
            QTimer::singleShot(0ms, [&] { scope.cancel(); });
            log += co_await scope.run(region) ? "?" : "ended";
            shared->leave.release();
        };
        run(whenAll(patient(), hasty()));
        QCOMPARE(log, (Log{"ended", "undisturbed"}));
    }

    // B208
    void abandoningAndEndingMayMeet()
    {
        constexpr int Rounds = 300;
        int delivered = 0;
        int cancelled = 0;
        for (int round = 0; round < Rounds; ++round) {
            CancelScope scope;
            auto region = [&]() -> Task<> {
                auto work = [shared = shared, &scope] {
                    scope.cancel();
                    return Result(shared);
                };
                auto wait = offload(pool.get(), std::move(work), OnCancel::Abandon);
                try {
                    co_await std::move(wait);
                    ++delivered;
                } catch (const Cancelled &) {
                    ++cancelled;
                }
            };
            run(scope.run(region));
            QVERIFY(pool->waitForDone()); // it refers to the scope
        }
        QCOMPARE(delivered + cancelled, Rounds);
        QCOMPARE(shared->resultsDropped.load(), Rounds);
    }

    // B208
    void aServiceOnThePoolsWayOutHarmsNobody()
    {
        constexpr int Rounds = 100;
        for (int round = 0; round < Rounds; ++round) {
            LoopServiceThread service(QStringLiteral("cruncher"));
            service.start();
            service.waitStarted();
            auto host = [&]() -> Task<> {
                auto work = [shared = shared] {
                    shared->entered.release();
                    return Result(shared);
                };
                auto wait = offload(pool.get(), std::move(work), OnCancel::Abandon);
                co_await std::move(wait);
            };
            service.submit(host);
            shared->entered.acquire();
            service.stop(); // while the result is on its way
            QVERIFY(service.join());
        }
        QVERIFY(pool->waitForDone());
        QCOMPARE(shared->resultsDropped.load(), Rounds);
        QCOMPARE(shared.use_count(), 1L);
    }

private:
    std::unique_ptr<QThreadPool> pool;
    std::shared_ptr<Shared> shared;
};

QTEST_GUILESS_MAIN(TestOffload)
#include "tst_offload.moc"
