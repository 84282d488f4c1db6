// SPDX-License-Identifier: Apache-2.0
#include "refusedthreads.h"
#include "servicetesting.h"

#include <qmicroio/loopservicethread.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QEventLoop>
#include <QtCore/QSemaphore>
#include <QtCore/QThread>
#include <QtCore/QTimer>

#include <qcoro/qcorotask.h>

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <memory>
#include <thread>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;
using State = ServiceThread::State;

static_assert(std::is_base_of_v<ServiceThread, LoopServiceThread>);
static_assert(std::is_same_v<decltype(std::declval<LoopServiceThread &>().submit([] { return 1; })), QFuture<int>>);
static_assert(std::is_same_v<decltype(std::declval<LoopServiceThread &>().submit([] { })), QFuture<void>>);
static_assert(std::is_same_v<decltype(std::declval<LoopServiceThread &>().submit(std::declval<Task<QString> (*)()>())),
                             QFuture<QString>>);
static_assert(
    std::is_same_v<decltype(std::declval<LoopServiceThread &>().submit(std::declval<QCoro::Task<QString> (*)()>())),
                   QFuture<QString>>);
static_assert(std::is_same_v<
              decltype(std::declval<LoopServiceThread &>().callSync(std::declval<const QString &(*)()>())), QString>);
static_assert(std::is_same_v<decltype(std::declval<LoopServiceThread &>().taskGroup()), TaskGroup &>);
static_assert(std::is_same_v<decltype(std::declval<const LoopServiceThread &>().context()), QObject *>);

namespace {

// A service with a main coroutine of the test's own.
class Service : public LoopServiceThread
{
public:
    using Main = std::function<Task<>(Service &)>;
    Service(const QString &name, Main main)
        : LoopServiceThread(name)
        , m_main(std::move(main))
    {
    }
    ~Service() override
    {
        stop();
        join();
    }

protected:
    Task<> runAsync() override { return m_main(*this); }

private:
    Main m_main;
};

// Started and ready; stopped and joined at the end.
class Running : public LoopServiceThread
{
public:
    explicit Running(const QString &name = QStringLiteral("running"))
        : LoopServiceThread(name)
    {
        start();
        waitStarted();
    }
    ~Running() override
    {
        stop();
        join();
    }
    QThread *loopThread()
    {
        return callSync([] { return QThread::currentThread(); });
    }
};

// Keeps a loop from turning while it lives.
class Blocked
{
public:
    explicit Blocked(LoopServiceThread &service)
    {
        service.callSoon([begun = m_begun, go = m_go] {
            begun->release();
            go->acquire();
        });
        m_begun->acquire();
    }
    ~Blocked() { release(); }
    void release()
    {
        if (!std::exchange(m_released, true))
            m_go->release();
    }

private:
    std::shared_ptr<QSemaphore> m_begun = std::make_shared<QSemaphore>();
    std::shared_ptr<QSemaphore> m_go = std::make_shared<QSemaphore>();
    bool m_released = false;
};

class Counted
{
public:
    explicit Counted(std::atomic<int> &alive)
        : m_alive(&alive)
    {
        ++*m_alive;
    }
    Counted(const Counted &other)
        : m_alive(other.m_alive)
    {
        ++*m_alive;
    }
    Counted &operator=(const Counted &) = delete;
    ~Counted() { --*m_alive; }

private:
    std::atomic<int> *m_alive;
};

template<class T>
bool endsInTime(QFuture<T> future)
{
    // Not waitForFinished(): a future that never ends has to fail the test, not to hang it.
    for (const QDeadlineTimer limit(30s); !future.isFinished(); std::this_thread::yield()) {
        if (limit.hasExpired())
            return false;
    }
    return true;
}

template<class Done>
bool comesTrue(Done done)
{
    for (const QDeadlineTimer limit(30s); !done(); std::this_thread::yield()) {
        if (limit.hasExpired())
            return false;
    }
    return true;
}

} // namespace

class TestLoopServiceThread : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B21
    void theMainCoroutineRunsOnAThreadOfItsOwn()
    {
        QThread *ranOn = nullptr;
        bool hasLoop = false;
        Service service(QStringLiteral("own"), [&](Service &self) -> Task<> {
            ranOn = QThread::currentThread();
            bool fired = false;
            QTimer::singleShot(0, self.context(), [&] { fired = true; });
            while (!fired)
                co_await checkpoint();
            hasLoop = true;
            self.started();
            co_await sleepForever();
        });
        service.start();
        service.waitStarted();
        QVERIFY(ranOn && ranOn != QThread::currentThread());
        QCOMPARE(ranOn->objectName(), QStringLiteral("own"));
        QVERIFY(hasLoop);
    }

    // B21
    void theDefaultMainIsReadyAndStaysUntilStopped()
    {
        LoopServiceThread service(QStringLiteral("plain"));
        service.start();
        service.waitStarted();
        QCOMPARE(service.state(), State::Ready);
        QVERIFY(!service.join(QDeadlineTimer(20)));
        service.stop(QStringLiteral("done"));
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Stopped);
        QVERIFY(!service.error());
    }

    // B22
    void callSyncGivesTheResultOfTheLoopsThread()
    {
        Running service;
        QThread *ranOn = nullptr;
        const int result = service.callSync([&, value = 41] {
            ranOn = QThread::currentThread();
            return value + 1;
        });
        QCOMPARE(result, 42);
        QVERIFY(ranOn != QThread::currentThread());
        QCOMPARE(ranOn, service.context()->thread());
        const std::unique_ptr<int> moved =
            service.callSync([] { return std::make_unique<int>(7); }, QDeadlineTimer(30s));
        QCOMPARE(*moved, 7);
        QString text = QStringLiteral("kept on the loop");
        const QString copy = service.callSync([&]() -> const QString & { return text; });
        QCOMPARE(copy, text);
    }

    // B22, B196
    void callSyncThrowsTheOriginalExceptionAndTheLoopLivesOn()
    {
        Running service;
        for (const QDeadlineTimer deadline : {QDeadlineTimer(QDeadlineTimer::Forever), QDeadlineTimer(30s)}) {
            QCOMPARE(thrownText<std::out_of_range>(
                         [&] { service.callSync([]() -> int { throw std::out_of_range("boom"); }, deadline); }),
                     QStringLiteral("boom"));
            QCOMPARE(service.callSync([] { return 1; }, deadline), 1);
        }
        QCOMPARE(service.state(), State::Ready);
    }

    // B23
    void callSyncOnTheLoopsOwnThreadRunsInline()
    {
        Running service;
        QStringList order;
        const int result = service.callSync([&] {
            order += QStringLiteral("before");
            const int inner = service.callSync([&] {
                order += QStringLiteral("inner");
                return 5;
            });
            order += QStringLiteral("after");
            return inner;
        });
        QCOMPARE(result, 5);
        QCOMPARE(order, (QStringList{QStringLiteral("before"), QStringLiteral("inner"), QStringLiteral("after")}));
        auto inTask = [&]() -> Task<int> {
            const int value = service.callSync([] { return 6; }, QDeadlineTimer(0));
            co_return value;
        };
        QCOMPARE(service.submit(inTask).result(), 6);
    }

    // B24
    void callSyncTimesOutAndWhatHasNotBegunNeverRuns()
    {
        Running service(QStringLiteral("busy"));
        std::atomic<int> alive = 0;
        bool ran = false;
        {
            Blocked blocked(service);
            QElapsedTimer clock;
            clock.start();
            const QString text = thrownText<TimeoutError>(
                [&] { service.callSync([&ran, held = Counted(alive)] { ran = true; }, QDeadlineTimer(30)); });
            QVERIFY(clock.elapsed() >= 29);
            QVERIFY2(text.contains(QStringLiteral("busy")) && text.contains(QStringLiteral("will not run")),
                     qPrintable(text));
        }
        QCOMPARE(service.callSync([] { return 1; }), 1); // the loop is past it now
        QVERIFY(!ran);
        QCOMPARE(alive.load(), 0);
    }

    // B24
    void aCallThatHasBegunOutlivesItsCaller()
    {
        Running service(QStringLiteral("slow"));
        auto begun = std::make_shared<QSemaphore>();
        auto go = std::make_shared<QSemaphore>();
        std::atomic<int> alive = 0;
        auto slow = [begun, go, held = Counted(alive)] {
            begun->release();
            go->acquire();
            return QString(10'000, u'x'); // a result that nobody takes
        };
        // The short deadline counts from the call, so it can pass before the function begins; then it is tried again.
        QString text;
        do {
            text = thrownText<TimeoutError>([&] { service.callSync(slow, QDeadlineTimer(50)); });
            QVERIFY2(text.contains(QStringLiteral("slow")), qPrintable(text));
        } while (begun->available() == 0);
        QVERIFY2(text.contains(QStringLiteral("still running")), qPrintable(text));
        go->release();
        QCOMPARE(service.callSync([] { return 1; }), 1);
        QCOMPARE(alive.load(), 1); // only ours
    }

    // B25
    void callSoonKeepsTheOrderOfTheCaller()
    {
        Running service;
        QThread *loopThread = service.loopThread();
        QList<int> order;
        bool elsewhere = false;
        {
            Blocked blocked(service);
            for (int i = 0; i < 1000; ++i) {
                service.callSoon([&, i] {
                    order += i;
                    elsewhere = elsewhere || QThread::currentThread() != loopThread;
                });
            }
            QVERIFY(order.isEmpty()); // the calls do not wait
        }
        service.callSync([] { });
        QCOMPARE(order.size(), qsizetype(1000));
        QVERIFY(std::is_sorted(order.cbegin(), order.cend()));
        QVERIFY(!elsewhere);
    }

    // B25
    void callSoonTakesLargeAndMoveOnlyFunctions()
    {
        Running service;
        std::array<char, 1000> large{};
        large.back() = 'z';
        auto unique = std::make_unique<int>(3);
        QList<int> seen;
        service.callSoon([&seen, large] { seen += large.back(); });
        service.callSoon([&seen, unique = std::move(unique)] { seen += *unique; });
        service.callSync([] { });
        QCOMPARE(seen, (QList<int>{'z', 3}));
    }

    void whatLeavesAFunctionOfCallSoonIsLoggedAndTheLoopGoesOn()
    {
        Running service(QStringLiteral("sturdy"));
        LogCapture log;
        service.callSoon([] { throw std::out_of_range("boom"); });
        service.callSoon([] { throw Cancelled(QStringLiteral("alone")); });
        QCOMPARE(service.callSync([] { return 1; }), 1);
        const QList<QString> critical = log.texts(QtCriticalMsg);
        QCOMPARE(critical.size(), qsizetype(2));
        QVERIFY2(critical.at(0).contains(QStringLiteral("boom")) && critical.at(0).contains(QStringLiteral("sturdy")),
                 qPrintable(critical.at(0)));
        QVERIFY2(critical.at(1).contains(QStringLiteral("alone")), qPrintable(critical.at(1)));
        QCOMPARE(service.state(), State::Ready);
    }

    // B26
    void callsToAServiceThatDoesNotRunAreRefusedAtOnce()
    {
        std::atomic<int> alive = 0;
        std::atomic<int> ran = 0;
        LoopServiceThread service(QStringLiteral("gatekeeper"));
        const auto refused = [&](const char *state, const QString &reason) {
            auto coroutine = [&ran, held = Counted(alive)]() -> Task<> {
                ++ran;
                co_return;
            };
            const QStringList texts{
                thrownText<NotRunningError>([&] { service.callSoon([&ran, held = Counted(alive)] { ++ran; }); }),
                thrownText<NotRunningError>([&] { service.callSync([&ran, held = Counted(alive)] { ++ran; }); }),
                thrownText<NotRunningError>([&] { service.callSync([&ran] { ++ran; }, QDeadlineTimer(30s)); }),
                thrownText<NotRunningError>([&] { service.submit(coroutine); }),
                thrownText<NotRunningError>([&] { service.submit([&ran] { ++ran; }); }),
            };
            for (const QString &text : texts) {
                if (!text.contains(QStringLiteral("gatekeeper")) || !text.contains(QString::fromUtf8(state))
                    || !text.contains(reason))
                    return text;
            }
            return QString();
        };
        QCOMPARE(refused("Created", {}), QString());
        service.start();
        service.waitStarted();
        {
            Blocked blocked(service);
            service.stop(QStringLiteral("closing time"));
            QCOMPARE(refused("Stopping", QStringLiteral("closing time")), QString());
        }
        QVERIFY(service.join());
        QCOMPARE(refused("Stopped", QStringLiteral("closing time")), QString());
        QCOMPARE(ran.load(), 0);
        QCOMPARE(alive.load(), 0);
    }

    // B26
    void callsToAFailedServiceSayWhy()
    {
        Service service(QStringLiteral("broken"), [](Service &) -> Task<> {
            throw std::out_of_range("boom");
            co_return;
        });
        service.start();
        QVERIFY(service.join());
        const QString text = thrownText<NotRunningError>([&] { service.callSync([] { }); });
        QVERIFY2(text.contains(QStringLiteral("Failed")) && text.contains(QStringLiteral("boom")), qPrintable(text));
    }

    // B26
    void aNewThreadIsNeverTakenForTheOneThatEnded()
    {
        // The system gives ended threads' memory to new ones: who recognises a thread by an address in it is fooled.
        for (int round = 0; round < 20; ++round) {
            LoopServiceThread ended(QStringLiteral("ended"));
            ended.start();
            ended.waitStarted();
            ended.stop();
            QVERIFY(ended.join());
            Running next(QStringLiteral("next"));
            const QString text =
                next.callSync([&] { return thrownText<NotRunningError>([&] { ended.callSync([] { }); }); });
            QVERIFY2(text.contains(QStringLiteral("ended")), qPrintable(text));
            QVERIFY(next.callSync([&] { return throws<LogicError>([&] { ended.taskGroup(); }); }));
        }
    }

    // B26
    void callsFromStartOnAreAcceptedAndRunOnceTheLoopTurns()
    {
        QSemaphore go;
        Service service(QStringLiteral("s"), [&](Service &self) -> Task<> {
            go.acquire();
            self.started();
            co_await sleepForever();
        });
        service.start();
        std::atomic<bool> ran = false;
        service.callSoon([&] { ran = true; });
        QFuture<int> future = service.submit([] { return 4; });
        go.release();
        QVERIFY(endsInTime(future));
        QCOMPARE(future.result(), 4);
        QVERIFY(ran);
    }

    // B26, B29
    void callsToAServiceWhoseThreadWasRefusedAreRefusedToo()
    {
#ifndef THREADS_CAN_BE_REFUSED
        QSKIP("the sanitizer has its own pthread_create()");
#else
        LoopServiceThread service(QStringLiteral("one too many"));
        LogCapture log;
        QFuture<int> future;
        bool ran = false;
        {
            // Accepted while start() is at it, so it has to be answered.
            const ThreadsRefused refused([&] {
                future = service.submit([&ran] {
                    ran = true;
                    return 1;
                });
                service.callSoon([&ran] { ran = true; });
            });
            service.start();
        }
        QVERIFY(future.isFinished() && future.isCanceled());
        QVERIFY(!ran);
        const QStringList warnings = log.texts(QtWarningMsg);
        QCOMPARE(warnings.filter(QStringLiteral("never ran")).size(), qsizetype(1));
        QVERIFY(throws<NotRunningError>([&] { service.callSync([] { }); }));
        QVERIFY(throws<StartupError>([&] { service.waitStarted(); }));
        QVERIFY(service.join());
#endif
    }

    // B27, B196
    void submitGivesTheValueOfATask()
    {
        Running service;
        QThread *ranOn = nullptr;
        auto slow = [&]() -> Task<QString> {
            co_await sleep(1ms);
            ranOn = QThread::currentThread();
            co_return QStringLiteral("value");
        };
        QCOMPARE(service.submit(slow).result(), QStringLiteral("value"));
        QCOMPARE(ranOn, service.loopThread());
        auto moveOnly = []() -> Task<std::unique_ptr<int>> {
            co_await checkpoint();
            co_return std::make_unique<int>(8);
        };
        QFuture<std::unique_ptr<int>> future = service.submit(moveOnly);
        QCOMPARE(*future.takeResult(), 8);
        auto none = [&]() -> Task<> { co_await checkpoint(); };
        QFuture<void> done = service.submit(none);
        done.waitForFinished();
        QVERIFY(!done.isCanceled());
    }

    // B27
    void submitGivesTheValueOfAQCoroTask()
    {
        Running service;
        QThread *ranOn = nullptr;
        auto inner = []() -> Task<int> {
            co_await sleep(1ms);
            co_return 9;
        };
        auto eager = [&]() -> QCoro::Task<int> {
            ranOn = QThread::currentThread();
            const int value = co_await inner();
            co_return value;
        };
        QCOMPARE(service.submit(eager).result(), 9);
        QCOMPARE(ranOn, service.loopThread());
    }

    // B27
    void submitGivesTheValueOfAPlainFunction()
    {
        Running service;
        QCOMPARE(service.submit([] { return QThread::currentThread(); }).result(), service.loopThread());
        QCOMPARE(*service.submit([] { return std::make_unique<int>(2); }).takeResult(), 2);
        bool ran = false;
        service.submit([&] { ran = true; }).waitForFinished();
        QVERIFY(ran);
    }

    // B27, B196
    void submitRethrowsTheErrorWithItsType()
    {
        Running service;
        auto fails = []() -> Task<int> {
            co_await checkpoint();
            throw std::out_of_range("boom");
        };
        auto failsToo = []() -> QCoro::Task<int> {
            throw std::out_of_range("boom");
            co_return 1;
        };
        QFuture<int> futures[] = {service.submit(fails), service.submit(failsToo),
                                  service.submit([]() -> int { throw std::out_of_range("boom"); })};
        for (QFuture<int> &future : futures)
            QCOMPARE(thrownText<std::out_of_range>([&] { future.waitForFinished(); }), QStringLiteral("boom"));
        auto empty = [] { return Task<>(); };
        QFuture<void> invalid = service.submit(empty);
        QVERIFY(throws<LogicError>([&] { invalid.waitForFinished(); }));
        QCOMPARE(service.state(), State::Ready); // a submitted failure is the caller's, not the service's
    }

    // B28
    void stoppingCancelsWhatWasSubmitted()
    {
        LoopServiceThread service(QStringLiteral("s"));
        service.start();
        service.waitStarted();
        QSemaphore asleep;
        QThread *cleanedUpOn = nullptr;
        QString reason;
        auto sleeper = [&]() -> Task<int> {
            try {
                asleep.release();
                co_await sleep(1h);
            } catch (const Cancelled &cancelled) {
                cleanedUpOn = QThread::currentThread();
                reason = cancelled.reason();
                throw;
            }
            co_return 1;
        };
        QThread *loopThread = service.callSync([] { return QThread::currentThread(); });
        QFuture<int> future = service.submit(sleeper);
        asleep.acquire();
        std::latch begun(1);
        std::atomic<long> id = 0;
        std::thread blocked([&] {
            id = threadId();
            begun.count_down();
            future.waitForFinished();
        });
        begun.wait();
        waitUntilAsleep(id);
        service.stop(QStringLiteral("enough"));
        blocked.join();
        QVERIFY(service.join());
        QVERIFY(future.isFinished());
        QVERIFY(future.isCanceled());
        QCOMPARE(cleanedUpOn, loopThread);
        QCOMPARE(reason, QStringLiteral("enough"));
        QCOMPARE(service.state(), State::Stopped);
    }

    // B28
    void whatWasNotBegunWhenTheLoopEndedIsCancelledToo()
    {
        LoopServiceThread service(QStringLiteral("s"));
        service.start();
        service.waitStarted();
        bool ran = false;
        auto coroutine = [&]() -> Task<> {
            co_await checkpoint();
            ran = true;
        };
        QFuture<void> future;
        {
            Blocked blocked(service);
            future = service.submit(coroutine);
            service.stop();
        }
        QVERIFY(endsInTime(future));
        QVERIFY(future.isCanceled());
        QVERIFY(service.join());
        QVERIFY(!ran);
    }

    // B29
    void aCallThatWasAcceptedIsRunOrFailsWhenTheLoopEnds()
    {
        constexpr int Rounds = 60;
        constexpr int Callers = 3;
        for (int round = 0; round < Rounds; ++round) {
            LoopServiceThread service(QStringLiteral("closing"));
            service.start();
            service.waitStarted();
            std::atomic<int> accepted = 0;
            std::atomic<int> ran = 0;
            std::atomic<int> wrong = 0;
            std::latch go(Callers + 1);
            std::vector<std::thread> callers;
            for (int i = 0; i < Callers; ++i) {
                callers.emplace_back([&] {
                    std::vector<QFuture<int>> futures;
                    auto coroutine = []() -> Task<int> {
                        co_await checkpoint();
                        co_return 1;
                    };
                    go.arrive_and_wait();
                    try {
                        for (;;) {
                            service.callSoon([&] { ++ran; });
                            ++accepted;
                            futures.push_back(service.submit(coroutine));
                            if (service.callSync([] { return 3; }) != 3)
                                ++wrong;
                        }
                    } catch (const NotRunningError &) {
                    } catch (...) {
                        ++wrong;
                    }
                    for (QFuture<int> &future : futures) {
                        future.waitForFinished();
                        if (!future.isCanceled() && future.result() != 1)
                            ++wrong;
                    }
                });
            }
            go.arrive_and_wait();
            service.callSync([] { });
            service.stop();
            for (std::thread &caller : callers)
                caller.join();
            QVERIFY(service.join());
            QCOMPARE(ran.load(), accepted.load());
            QCOMPARE(wrong.load(), 0);
            QCOMPARE(service.state(), State::Stopped);
        }
    }

    // B29, B33
    void callsThatMeetTheNaturalEndOfTheServiceDoNotMakeItFail()
    {
        // Nobody stops it: the main coroutine returns while others still submit.
        for (int round = 0; round < 100; ++round) {
            Service service(QStringLiteral("short"), [&](Service &self) -> Task<> {
                self.started();
                co_await checkpoint();
            });
            int unfinished = 0;
            std::latch go(2);
            std::thread caller([&] {
                auto coroutine = []() -> Task<> { co_await checkpoint(); };
                go.arrive_and_wait();
                try {
                    // One at a time: the group is empty again and again, which is when the service may end.
                    while (unfinished == 0) {
                        if (!endsInTime(service.submit(coroutine)))
                            ++unfinished;
                    }
                } catch (const NotRunningError &) {
                }
            });
            service.start();
            go.arrive_and_wait();
            caller.join();
            QVERIFY(service.join());
            QCOMPARE(unfinished, 0);
            QVERIFY2(service.state() == State::Stopped, qPrintable(service.errorString()));
        }
    }

    // B29, B33
    void whatMainSubmitsAsItsLastActDoesNotMakeTheServiceFail()
    {
        QFuture<int> coroutine;
        QFuture<int> plain;
        Service service(QStringLiteral("afterthought"), [&](Service &self) -> Task<> {
            auto child = []() -> Task<int> {
                co_await checkpoint();
                co_return 1;
            };
            self.started();
            coroutine = self.submit(child);
            plain = self.submit([] { return 2; });
            co_return;
        });
        service.start();
        QVERIFY(service.join());
        QVERIFY(coroutine.isFinished() && plain.isFinished());
        QVERIFY2(service.state() == State::Stopped, qPrintable(service.errorString()));
        QCOMPARE(plain.isCanceled() ? 2 : plain.result(), 2);
        QCOMPARE(coroutine.isCanceled() ? 1 : coroutine.result(), 1);
    }

    // B33
    void aChildThatComesAsTheLastOneEndsKeepsTheServiceAlive()
    {
        CloseScope gate;
        std::atomic<bool> childRan = false;
        Service service(QStringLiteral("relay"), [&](Service &self) -> Task<> {
            auto child = [&childRan]() -> Task<> {
                co_await sleep(1ms);
                childRan = true;
            };
            auto slot = [&self, child] { self.taskGroup().startSoon(child); };
            // The loop gets the call that ends main and, in the same batch of Qt's events, the slot that starts a child.
            auto batch = [&self, &gate, slot] {
                self.callSoon([&gate] { gate.close(); });
                QMetaObject::invokeMethod(self.context(), slot, Qt::QueuedConnection);
            };
            QMetaObject::invokeMethod(self.context(), batch, Qt::QueuedConnection);
            self.started();
            co_await untilClosed(gate);
        });
        service.start();
        QVERIFY(service.join());
        QVERIFY2(service.state() == State::Stopped, qPrintable(service.errorString()));
        QVERIFY(childRan);
    }

    // B30
    void stopCancelsMainAndChildrenAndLetsThemCleanUp()
    {
        QStringList cleaned; // the loop's thread only, until it is joined
        Service service(QStringLiteral("family"), [&](Service &self) -> Task<> {
            auto child = [&cleaned]() -> Task<> {
                const auto cleanUp = qScopeGuard([&] { cleaned += QStringLiteral("child"); });
                for (;;)
                    co_await sleep(1ms);
            };
            self.taskGroup().startSoon(child);
            const auto cleanUp = qScopeGuard([&] { cleaned += QStringLiteral("main"); });
            self.started();
            co_await sleepForever();
        });
        service.start();
        service.waitStarted();
        QCOMPARE(service.callSync([&] { return service.taskGroup().size(); }), 2); // both live in the group
        QVERIFY(service.stop());
        QVERIFY(service.join());
        cleaned.sort();
        QCOMPARE(cleaned, (QStringList{QStringLiteral("child"), QStringLiteral("main")}));
        QCOMPARE(service.state(), State::Stopped);
        QVERIFY(!service.error());
        QVERIFY(!service.scope().isFailed());
    }

    // B31
    void aServiceMayStopItself()
    {
        bool stopped = false;
        Service byMain(QStringLiteral("main"), [&](Service &self) -> Task<> {
            self.started();
            stopped = self.stop(QStringLiteral("myself"));
            co_await sleepForever();
        });
        byMain.start();
        QVERIFY(byMain.join());
        QVERIFY(stopped);
        QCOMPARE(byMain.state(), State::Stopped);
        QCOMPARE(byMain.scope().reason(), QStringLiteral("myself"));

        stopped = false;
        Service byChild(QStringLiteral("child"), [&](Service &self) -> Task<> {
            auto child = [&stopped, &self]() -> Task<> {
                stopped = self.stop();
                co_return;
            };
            self.taskGroup().startSoon(child);
            self.started();
            co_await sleepForever();
        });
        byChild.start();
        QVERIFY(byChild.join());
        QVERIFY(stopped);
        QCOMPARE(byChild.state(), State::Stopped);
    }

    // B32
    void stopRightAfterStartEndsTheThread()
    {
        for (int round = 0; round < 300; ++round) {
            LoopServiceThread service(QStringLiteral("brief"));
            service.start();
            service.stop(QStringLiteral("at once"));
            QVERIFY(service.join(QDeadlineTimer(30s)));
            QCOMPARE(service.state(), State::Stopped);
        }
    }

    // B32, B15
    void stopBeforeStartStillEndsTheThread()
    {
        bool waited = false;
        Service service(QStringLiteral("stillborn"), [&](Service &self) -> Task<> {
            self.started();
            waited = true;
            co_await sleepForever();
        });
        QVERIFY(service.stop(QStringLiteral("early")));
        service.start();
        QVERIFY(service.join(QDeadlineTimer(30s)));
        QVERIFY(waited);
        QCOMPARE(service.state(), State::Stopped);
        const QString text = thrownText<StartupError>([&] { service.waitStarted(); });
        QVERIFY2(text.contains(QStringLiteral("early")), qPrintable(text));
        QVERIFY(throws<NotRunningError>([&] { service.callSoon([] { }); }));
    }

    // B33
    void theServiceLivesUntilItsLastChildHasEnded()
    {
        CloseScope gate;
        std::atomic<bool> childEnded = false;
        Service service(QStringLiteral("s"), [&](Service &self) -> Task<> {
            auto child = [&gate, &childEnded]() -> Task<> {
                co_await untilClosed(gate);
                childEnded = true;
            };
            self.taskGroup().startSoon(child);
            self.started();
            co_return;
        });
        service.start();
        service.waitStarted();
        QVERIFY(comesTrue([&] { return service.callSync([&] { return service.taskGroup().size(); }) == 1; }));
        QVERIFY(!service.join(QDeadlineTimer(20)));
        QCOMPARE(service.state(), State::Ready);
        gate.close();
        QVERIFY(service.join());
        QVERIFY(childEnded);
        QCOMPARE(service.state(), State::Stopped);
        QVERIFY(!service.error());
    }

    void aFailureBeforeReadinessIsTheErrorItself_data()
    {
        QTest::addColumn<bool>("inChild");
        QTest::newRow("main") << false;
        QTest::newRow("child") << true;
    }

    // B34
    void aFailureBeforeReadinessIsTheErrorItself()
    {
        QFETCH(bool, inChild);
        std::atomic<bool> otherCleanedUp = false;
        Service service(QStringLiteral("s"), [&](Service &self) -> Task<> {
            auto other = [&otherCleanedUp]() -> Task<> {
                const auto cleanUp = qScopeGuard([&] { otherCleanedUp = true; });
                co_await sleepForever();
            };
            auto failing = []() -> Task<> {
                co_await checkpoint();
                throw std::out_of_range("boom");
            };
            self.taskGroup().startSoon(other);
            if (inChild)
                self.taskGroup().startSoon(failing);
            else
                co_await failing();
            co_await sleepForever();
        });
        service.start();
        std::exception_ptr cause;
        bool cleanedFirst = false;
        try {
            service.waitStarted();
        } catch (const StartupError &error) {
            cleanedFirst = otherCleanedUp;
            cause = error.cause();
        }
        QVERIFY(holds<std::out_of_range>(cause, "boom"));
        QVERIFY(cleanedFirst);
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
        QCOMPARE(service.errorString(), QStringLiteral("boom"));
    }

    // B34
    void severalFailuresComeAsOneGroup()
    {
        Service service(QStringLiteral("s"), [&](Service &self) -> Task<> {
            auto failsInCleanUp = []() -> Task<> {
                try {
                    co_await sleepForever();
                } catch (const Cancelled &) {
                }
                throw std::runtime_error("second");
            };
            self.taskGroup().startSoon(failsInCleanUp);
            self.started();
            co_await checkpoint();
            throw std::out_of_range("first");
        });
        service.start();
        QVERIFY(service.join());
        std::size_t count = 0;
        try {
            std::rethrow_exception(service.error());
        } catch (const ExceptionGroup &group) {
            count = group.exceptions().size();
            QVERIFY(holds<std::out_of_range>(group.exceptions().front(), "first"));
            QVERIFY(holds<std::runtime_error>(group.exceptions().back(), "second"));
        }
        QCOMPARE(count, std::size_t(2));
    }

    void anUnaskedCancellationIsAFailure_data()
    {
        QTest::addColumn<QString>("how");
        QTest::newRow("main throws Cancelled") << QStringLiteral("throw");
        QTest::newRow("the group is cancelled") << QStringLiteral("group");
    }

    // B35
    void anUnaskedCancellationIsAFailure()
    {
        QFETCH(QString, how);
        Service service(QStringLiteral("victim"), [&](Service &self) -> Task<> {
            self.started();
            if (how == QStringLiteral("throw"))
                throw Cancelled(QStringLiteral("on my own"));
            self.taskGroup().cancel(QStringLiteral("whole group"));
            co_await sleepForever();
        });
        service.start();
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
        QVERIFY2(service.errorString().contains(QStringLiteral("victim"))
                     && service.errorString().contains(QStringLiteral("stop()")),
                 qPrintable(service.errorString()));
        if (how == QStringLiteral("group"))
            QVERIFY2(service.errorString().contains(QStringLiteral("whole group")), qPrintable(service.errorString()));
        QVERIFY(service.scope().isFailed());
    }

    // B35
    void quittingTheEventLoopLeavesNoTaskBehindAndIsAFailure()
    {
        bool cleanedUp = false;
        Service service(QStringLiteral("quitter"), [&](Service &self) -> Task<> {
            const auto cleanUp = qScopeGuard([&] { cleanedUp = true; });
            self.started();
            co_await sleepForever();
        });
        service.start();
        service.waitStarted();
        service.callSoon([] { QThread::currentThread()->quit(); });
        QVERIFY(service.join());
        QVERIFY(cleanedUp);
        QCOMPARE(service.state(), State::Failed);
        QVERIFY2(service.errorString().contains(QStringLiteral("quit")), qPrintable(service.errorString()));
    }

    // B199
    void cancellingTheFutureCancelsTheCoroutineAtItsWait()
    {
        Running service;
        QSemaphore asleep;
        QThread *cancelledOn = nullptr;
        auto sleeper = [&]() -> Task<int> {
            try {
                asleep.release();
                co_await sleepForever();
            } catch (const Cancelled &) {
                cancelledOn = QThread::currentThread();
                throw;
            }
            co_return 1;
        };
        QFuture<int> future = service.submit(sleeper);
        asleep.acquire();
        future.cancel();
        QVERIFY(endsInTime(future));
        QVERIFY(future.isCanceled());
        QCOMPARE(cancelledOn, service.loopThread());
        QCOMPARE(service.callSync([&] { return service.taskGroup().size(); }), 1); // main only
        QCOMPARE(service.state(), State::Ready);
    }

    // B199
    void aCoroutineThatThrowsCancelledByItselfCancelsItsFutureQuietly()
    {
        Running service;
        LogCapture log;
        auto gone = []() -> Task<int> {
            co_await checkpoint();
            throw Cancelled(QStringLiteral("by itself"));
        };
        QFuture<int> future = service.submit(gone);
        QVERIFY(endsInTime(future));
        QVERIFY(future.isCanceled());
        QCOMPARE(service.callSync([] { return 1; }), 1);
        QCOMPARE(service.state(), State::Ready);
        QCOMPARE(log.count(), qsizetype(0));
    }

    // B199
    void aFutureCancelledDuringCleanUpFinishesAfterIt()
    {
        Running service;
        QSemaphore asleep;
        CloseScope gate;
        std::atomic<bool> cleaned = false;
        auto careful = [&]() -> Task<> {
            asleep.release();
            auto cleanUp = [&]() -> Task<> {
                co_await untilClosed(gate);
                cleaned = true;
            };
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
            }
            co_await shielded(cleanUp);
        };
        QFuture<void> future = service.submit(careful);
        asleep.acquire();
        future.cancel();
        service.callSync([] { });
        QVERIFY(!future.isFinished());
        gate.close();
        QVERIFY(endsInTime(future));
        QVERIFY(cleaned);
        QVERIFY(future.isCanceled());
    }

    // B200
    void aFutureCancelledBeforeTheFirstTurnKeepsTheCoroutineFromRunning()
    {
        Running service;
        std::atomic<int> begun = 0;
        std::atomic<int> alive = 0;
        auto coroutine = [&begun, held = Counted(alive)]() -> Task<> {
            ++begun;
            co_return;
        };
        std::vector<QFuture<void>> futures;
        {
            Blocked blocked(service);
            for (int i = 0; i < 100; ++i) {
                futures.push_back(service.submit(coroutine));
                futures.back().cancel();
                futures.push_back(service.submit([&] { ++begun; }));
                futures.back().cancel();
            }
        }
        for (const QFuture<void> &future : futures) {
            QVERIFY(endsInTime(future));
            QVERIFY(future.isCanceled());
        }
        service.callSync([] { });
        QCOMPARE(begun.load(), 0);
        QCOMPARE(alive.load(), 1); // the one here
    }

    // B200
    void aFutureCancelledRightAwayNeverSeesTheCoroutineComplete()
    {
        Running service;
        std::atomic<int> completed = 0;
        auto coroutine = [&]() -> Task<> {
            co_await sleep(1h);
            ++completed;
        };
        std::vector<QFuture<void>> futures;
        for (int i = 0; i < 1000; ++i) {
            QFuture<void> future = service.submit(coroutine);
            future.cancel();
            futures.push_back(future);
        }
        for (const QFuture<void> &future : futures)
            QVERIFY(endsInTime(future));
        QCOMPARE(completed.load(), 0);
        QCOMPARE(service.callSync([&] { return service.taskGroup().size(); }), 1);
    }

    // B201
    void aFutureCancelledAfterTheStopStillCancels()
    {
        LoopServiceThread service(QStringLiteral("s"));
        service.start();
        service.waitStarted();
        QSemaphore inCleanUp;
        CloseScope gate;
        std::atomic<bool> wentOn = false;
        auto coroutine = [&]() -> Task<int> {
            auto cleanUp = [&]() -> Task<> {
                inCleanUp.release();
                co_await untilClosed(gate);
            };
            co_await shielded(cleanUp);
            co_await sleep(1h);
            wentOn = true;
            co_return 1;
        };
        QFuture<int> future = service.submit(coroutine);
        inCleanUp.acquire();
        service.stop();
        QVERIFY(throws<NotRunningError>([&] { service.submit(coroutine); }));
        future.cancel();
        QVERIFY(!future.isFinished()); // the shield holds
        gate.close();
        QVERIFY(endsInTime(future));
        QVERIFY(future.isCanceled());
        QVERIFY(!wentOn);
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Stopped);
    }

    // B201
    void aFutureOfAServiceWhoseMainHasReturnedCanStillBeCancelled()
    {
        QSemaphore asleep;
        CloseScope mainMayReturn;
        Service service(QStringLiteral("s"), [&](Service &self) -> Task<> {
            self.started();
            co_await untilClosed(mainMayReturn);
        });
        service.start();
        service.waitStarted();
        auto sleeper = [&]() -> Task<> {
            asleep.release();
            co_await sleepForever();
        };
        QFuture<void> future = service.submit(sleeper);
        asleep.acquire();
        mainMayReturn.close();
        QVERIFY(comesTrue([&] { return service.callSync([&] { return service.taskGroup().size(); }) == 1; }));
        future.cancel();
        QVERIFY(service.join());
        QVERIFY(future.isFinished() && future.isCanceled());
        QCOMPARE(service.state(), State::Stopped);
    }

    void twoServicesThatCallEachOtherGetADeadlockError()
    {
        Running left(QStringLiteral("left"));
        Running right(QStringLiteral("right"));
        QString text;
        const int result = left.callSync([&] {
            return right.callSync([&] {
                text = thrownText<DeadlockError>([&] { left.callSync([] { return 1; }); });
                return 2;
            });
        });
        QCOMPARE(result, 2);
        QVERIFY2(text.contains(QStringLiteral("right -> left -> right")), qPrintable(text));
        QVERIFY2(text.contains(QStringLiteral("submit()")), qPrintable(text));
        // The refusal left nothing behind: each can call the other again.
        QCOMPARE(right.callSync([&] { return left.callSync([] { return 3; }); }), 3);
        QCOMPARE(left.callSync([&] { return right.callSync([] { return 4; }); }), 4);
    }

    void twoServicesThatCallEachOtherAtOnceNeverHang()
    {
        Running left(QStringLiteral("left"));
        Running right(QStringLiteral("right"));
        int deadlocks = 0;
        for (int round = 0; round < 50; ++round) {
            std::latch both(2);
            const auto callOther = [&both](LoopServiceThread &other) {
                both.arrive_and_wait();
                return throws<DeadlockError>([&] { other.callSync([] { }); });
            };
            QFuture<bool> leftFailed = left.submit([&] { return callOther(right); });
            QFuture<bool> rightFailed = right.submit([&] { return callOther(left); });
            QVERIFY(endsInTime(leftFailed) && endsInTime(rightFailed));
            QVERIFY(!(leftFailed.result() && rightFailed.result())); // refusing one is enough
            deadlocks += leftFailed.result() + rightFailed.result();
        }
        QCOMPARE(deadlocks, 50);
    }

    void aLongerCycleIsNamedInFull()
    {
        Running a(QStringLiteral("a"));
        Running b(QStringLiteral("b"));
        Running c(QStringLiteral("c"));
        QString text;
        a.callSync([&] {
            b.callSync([&] {
                c.callSync([&] { text = thrownText<DeadlockError>([&] { a.callSync([] { }, QDeadlineTimer(30s)); }); });
            });
        });
        QVERIFY2(text.contains(QStringLiteral("c -> a -> b -> c")), qPrintable(text));
    }

    void contextIsAReceiverOnTheLoopsThread()
    {
        LoopServiceThread service(QStringLiteral("s"));
        const QString before = thrownText<NotRunningError>([&] { service.context(); });
        QVERIFY2(before.contains(QStringLiteral("context()")), qPrintable(before));
        service.start();
        service.waitStarted();
        QObject sender;
        QSemaphore received;
        QThread *receivedOn = nullptr;
        connect(&sender, &QObject::objectNameChanged, service.context(), [&] {
            receivedOn = QThread::currentThread();
            received.release();
        });
        sender.setObjectName(QStringLiteral("changed"));
        received.acquire();
        QCOMPARE(receivedOn, service.callSync([] { return QThread::currentThread(); }));
        service.callSync([&] { QTimer::singleShot(1, service.context(), [&] { received.release(); }); });
        received.acquire();
        service.stop();
        QVERIFY(service.join());
        QVERIFY(throws<NotRunningError>([&] { service.context(); }));
        sender.setObjectName(QStringLiteral("again")); // the receiver is gone; so is the connection
    }

    void theGroupBelongsToTheLoopsThread()
    {
        Running service(QStringLiteral("owner"));
        const QString text = thrownText<LogicError>([&] { service.taskGroup(); });
        QVERIFY2(text.contains(QStringLiteral("owner")) && text.contains(QStringLiteral("submit()")), qPrintable(text));
        QSemaphore ran;
        service.callSoon([&] {
            auto child = [&ran]() -> Task<> {
                ran.release();
                co_return;
            };
            service.taskGroup().startSoon(child);
        });
        ran.acquire();
    }

    void busyPollChangesNoResult()
    {
        Running service;
        QVERIFY(throws<std::invalid_argument>([&] { service.setBusyPoll(-1us); }));
        service.setBusyPoll(200us);
        QList<int> order;
        for (int i = 0; i < 300; ++i) {
            service.callSoon([&, i] { order += i; });
            QCOMPARE(service.callSync([&] { return order.size(); }), i + 1);
        }
        auto sleeper = []() -> Task<int> {
            co_await sleep(2ms);
            co_return 5;
        };
        QCOMPARE(service.submit(sleeper).result(), 5);
        QSemaphore rang;
        service.callSync([&] { QTimer::singleShot(2, service.context(), [&] { rang.release(); }); });
        rang.acquire();
        QVERIFY(throws<std::out_of_range>([&] { service.callSync([] { throw std::out_of_range("boom"); }); }));
        {
            Blocked blocked(service);
            QVERIFY(throws<TimeoutError>([&] { service.callSync([] { }, QDeadlineTimer(10)); }));
        }
        service.setBusyPoll(0us);
        QCOMPARE(service.callSync([] { return 6; }), 6);
        service.setBusyPoll(200us);
        QFuture<int> future = service.submit(sleeper);
        service.stop();
        QVERIFY(service.join());
        QVERIFY(future.isFinished());
    }

    void busyPollDoesNotKeepAServiceThatStops()
    {
        Running service;
        service.setBusyPoll(60s);
        QCOMPARE(service.callSync([] { return 1; }), 1);
        service.stop();
        QVERIFY(service.join(QDeadlineTimer(30s)));
    }

    // B17
    void joinOrLogNamesTheTasksAndWhereTheyWait()
    {
        CloseScope gate;
        QSemaphore waiting;
        Service service(QStringLiteral("hanging"), [&](Service &self) -> Task<> {
            self.started();
            auto cleanUp = [&]() -> Task<> {
                waiting.release();
                co_await untilClosed(gate);
            };
            co_await shielded(cleanUp);
        });
        service.start();
        waiting.acquire();
        service.stop(QStringLiteral("why"));
        {
            LogCapture log;
            QVERIFY(!service.joinOrLog(QDeadlineTimer(20)));
            const QList<QString> critical = log.texts(QtCriticalMsg);
            QCOMPARE(critical.size(), qsizetype(1));
            for (const char *part : {"hanging", "Stopping", "why", "main", "CloseScope", "tst_loopservicethread.cpp:"})
                QVERIFY2(critical.front().contains(QString::fromUtf8(part)), qPrintable(critical.front()));
            QCOMPARE(log.count(), qsizetype(1));
        }
        gate.close();
        LogCapture log;
        QVERIFY(service.joinOrLog());
        QCOMPARE(log.count(), qsizetype(0));
    }

    // B17
    void joinOrLogSaysWhenTheLoopIsStuckInCode()
    {
        Running service(QStringLiteral("stuck"));
        Blocked blocked(service);
        service.stop();
        LogCapture log;
        QVERIFY(!service.joinOrLog(QDeadlineTimer(10)));
        const QList<QString> critical = log.texts(QtCriticalMsg);
        QCOMPARE(critical.size(), qsizetype(1));
        QVERIFY2(critical.front().contains(QStringLiteral("does not return to the event loop")),
                 qPrintable(critical.front()));
    }

    // B17
    void joinOrLogSaysWhereATaskThatNoLongerWaitsLastWaited()
    {
        QSemaphore inside;
        QSemaphore goOn;
        Service service(QStringLiteral("busy"), [&](Service &self) -> Task<> {
            self.started();
            co_await checkpoint();
            inside.release();
            goOn.acquire();
        });
        service.start();
        inside.acquire();
        service.stop();
        {
            LogCapture log;
            QVERIFY(!service.joinOrLog(QDeadlineTimer(10)));
            const QString text = log.texts(QtCriticalMsg).value(0);
            QVERIFY2(text.contains(QStringLiteral("a task that last waited at tst_loopservicethread.cpp:")),
                     qPrintable(text));
        }
        goOn.release();
        QVERIFY(service.join());
    }

    void destroyingARunningLoopServiceStopsJoinsAndLogs()
    {
        LogCapture log;
        std::atomic<bool> cleanedUp = false;
        {
            LoopServiceThread service(QStringLiteral("orphan"));
            service.start();
            service.waitStarted();
            auto child = [&]() -> Task<> {
                const auto cleanUp = qScopeGuard([&] {
                    for (const QDeadlineTimer limit(30s); log.count() == 0 && !limit.hasExpired();)
                        std::this_thread::yield();
                    cleanedUp = true;
                });
                co_await sleepForever();
            };
            QSemaphore begun;
            service.callSoon([&] {
                service.taskGroup().startSoon(child);
                service.taskGroup().startSoon([&] { begun.release(); });
            });
            begun.acquire();
        }
        QVERIFY(cleanedUp);
        const QList<QString> warnings = log.texts(QtWarningMsg);
        QCOMPARE(warnings.size(), qsizetype(1));
        QVERIFY2(warnings.front().contains(QStringLiteral("orphan")), qPrintable(warnings.front()));
    }

    // B197
    void everyBlockingCallOnTheLoopsOwnThreadRunsInlineOrIsRefused()
    {
        Running service;
        const QStringList answers = service.callSync([&] {
            QStringList texts;
            texts += QString::number(service.callSync([] { return 7; }));
            texts += thrownText<LogicError>([&] { service.join(); });
            texts += thrownText<LogicError>([&] { service.joinOrLog(); });
            texts += thrownText<LogicError>([&] { service.waitStarted(); });
            texts += thrownText<LogicError>(
                [&] { static_cast<void>(service.startSync([](TaskStatus<> &) -> Task<> { co_return; })); });
            return texts;
        });
        QCOMPARE(answers.size(), 5);
        QCOMPARE(answers.at(0), QStringLiteral("7"));
        for (qsizetype i = 1; i < answers.size(); ++i)
            QVERIFY2(answers.at(i).contains(QStringLiteral("wait for itself")), qPrintable(answers.at(i)));
    }

    // B198
    void theOwnerSeesWhyALoopEndedNotThatItTakesNoCalls()
    {
        Service service(QStringLiteral("failing"), [](Service &self) -> Task<> {
            self.started();
            co_await checkpoint();
            throw TimeoutError(QStringLiteral("disk gone"));
        });
        service.start();
        QVERIFY(service.join());
        const QString refused = thrownText<NotRunningError>([&] { service.callSync([] { }); });
        QVERIFY2(refused.contains(QStringLiteral("disk gone")), qPrintable(refused));
        QVERIFY(holds<TimeoutError>(service.error(), "disk gone"));
    }

    // B202
    void stopCancelsWhatIsLeftAndFinishLetsItEnd_data()
    {
        QTest::addColumn<bool>("finishes");
        QTest::newRow("stop") << false;
        QTest::newRow("finish") << true;
    }
    // B202
    void stopCancelsWhatIsLeftAndFinishLetsItEnd()
    {
        QFETCH(const bool, finishes);
        Running service;
        QSemaphore begun;
        auto works = [&](int value) -> Task<int> {
            begun.release();
            co_await sleep(20ms);
            co_return value;
        };
        QList<QFuture<int>> calls;
        for (int i = 0; i < 3; ++i)
            calls += service.submit([&works, i] { return works(i); });
        begun.acquire(3);
        if (finishes)
            service.finish(QStringLiteral("no more work"));
        else
            service.stop();
        const QString refused = thrownText<NotRunningError>([&] { service.callSoon([] { }); });
        QVERIFY2(refused.contains(finishes ? QStringLiteral("no more work") : QStringLiteral("stop")),
                 qPrintable(refused));
        for (int i = 0; i < 3; ++i) {
            QVERIFY(endsInTime(calls.at(i)));
            QCOMPARE(calls.at(i).isCanceled(), !finishes);
            if (finishes)
                QCOMPARE(calls.at(i).result(), i);
        }
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Stopped);
        QVERIFY(!service.error());
    }

    // B202
    void aServiceThatFinishesCanStillBeStopped()
    {
        Running service;
        QSemaphore begun;
        auto waits = [&]() -> Task<> {
            begun.release();
            co_await sleepForever();
        };
        const QFuture<void> left = service.submit(waits);
        begun.acquire();
        service.finish();
        QVERIFY(!service.join(QDeadlineTimer(5)));
        QVERIFY(service.stop());
        QVERIFY(service.join());
        QVERIFY(left.isCanceled());
        QCOMPARE(service.state(), State::Stopped);
    }

    // B202
    void finishEndsAMainCoroutineOfOnesOwnAndComesAlsoBeforeStart()
    {
        bool mainCleanedUp = false;
        Service service(QStringLiteral("serving"), [&](Service &self) -> Task<> {
            const auto leaves = qScopeGuard([&] { mainCleanedUp = true; });
            self.started();
            co_await sleepForever();
        });
        service.start();
        service.waitStarted();
        service.finish();
        QVERIFY(service.join());
        QVERIFY(mainCleanedUp);
        QCOMPARE(service.state(), State::Stopped);

        LoopServiceThread never(QStringLiteral("never"));
        never.finish(QStringLiteral("not needed"));
        never.start();
        QVERIFY(never.join());
        QCOMPARE(never.scope().reason(), QStringLiteral("not needed"));
    }

    // B202
    void anOwnerThatLeavesByAnErrorCancelsTheCalls()
    {
        QSemaphore fail;
        Service service(QStringLiteral("leaving"), [&](Service &self) -> Task<> {
            self.started();
            auto block = [&] { fail.acquire(); };
            co_await offload(block);
            throw Error("out of memory");
        });
        service.start();
        service.waitStarted();
        QFuture<void> call = service.submit([]() -> Task<> { co_await sleepForever(); });
        fail.release();
        QVERIFY(endsInTime(call));
        QVERIFY(call.isCanceled());
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
    }

    // B203
    void startSyncGivesTheReadyValueAndTheFutureOfTheRest()
    {
        Running service;
        QSemaphore go;
        auto child = [&](TaskStatus<QString> &status) -> Task<int> {
            co_await checkpoint();
            status.started(QStringLiteral("port 80"));
            auto block = [&] { go.acquire(); };
            co_await offload(block);
            co_return 9;
        };
        auto [ready, rest] = service.startSync<QString>(child);
        QCOMPARE(ready, QStringLiteral("port 80"));
        QVERIFY(!rest.isFinished());
        go.release();
        QCOMPARE(rest.result(), 9);

        auto foreign = [](TaskStatus<> &status) -> QCoro::Task<int> {
            status.started();
            co_return 10;
        };
        QFuture<int> onlyRest = service.startSync(foreign);
        QCOMPARE(onlyRest.result(), 10);
    }

    // B203
    void startSyncThrowsWhatComesBeforeReadinessAndTheFutureWhatComesAfter()
    {
        Running service;
        auto before = [](TaskStatus<int> &) -> Task<> {
            co_await checkpoint();
            throw TimeoutError(QStringLiteral("too early"));
        };
        QCOMPARE(thrownText<TimeoutError>([&] { static_cast<void>(service.startSync<int>(before)); }),
                 QStringLiteral("too early"));
        auto never = [](TaskStatus<int> &) -> Task<> { co_return; };
        const QString text = thrownText<StartupError>([&] { static_cast<void>(service.startSync<int>(never)); });
        QVERIFY2(text.contains(QStringLiteral("without calling started()")), qPrintable(text));
        for (const bool atOnce : {true, false}) {
            auto after = [atOnce](TaskStatus<int> &status) -> Task<> {
                status.started(3);
                if (!atOnce)
                    co_await sleep(1ms);
                throw TimeoutError(QStringLiteral("later"));
            };
            auto [value, rest] = service.startSync<int>(after);
            QCOMPARE(value, 3);
            QFuture<void> failed = rest;
            QCOMPARE(thrownText<TimeoutError>([&] { failed.waitForFinished(); }), QStringLiteral("later"));
        }
        QCOMPARE(service.state(), State::Ready);
    }

    // B203
    void startSyncEndsWithTheServiceTheFutureAndItsDeadline()
    {
        std::atomic<int> begun{0};
        std::atomic<int> cancelled{0};
        auto slow = [&](TaskStatus<> &status) -> Task<> {
            ++begun;
            try {
                co_await sleepForever();
            } catch (const Cancelled &) {
                ++cancelled;
                throw;
            }
            status.started();
        };
        {
            Running service;
            QVERIFY(throws<TimeoutError>([&] { static_cast<void>(service.startSync(slow, QDeadlineTimer(5))); }));
            std::thread stops([&, before = begun.load()] {
                while (begun.load() == before)
                    std::this_thread::yield();
                service.stop(QStringLiteral("closing"));
            });
            const QString text = thrownText<NotRunningError>([&] { static_cast<void>(service.startSync(slow)); });
            stops.join();
            QVERIFY2(text.contains(QStringLiteral("closing")), qPrintable(text));
        }
        // What has not begun when its time is up does not begin any more.
        QVERIFY(begun.load() >= 1);
        QCOMPARE(cancelled.load(), begun.load());
        LoopServiceThread idle;
        QVERIFY(throws<NotRunningError>([&] { static_cast<void>(idle.startSync(slow)); }));

        Running service;
        auto ready = [&](TaskStatus<> &status) -> Task<> {
            status.started();
            co_await sleepForever();
        };
        QFuture<void> rest = service.startSync(ready);
        rest.cancel();
        QVERIFY(endsInTime(rest));
        QVERIFY(rest.isCanceled());
    }

    // B205
    void aCallThatPostsItselfAgainStarvesNobody()
    {
        std::atomic<bool> enough{false};
        std::function<void()> again; // outlives the service, which still runs one call of it at the end
        Running service;
        again = [&] {
            if (!enough)
                service.callSoon([&] { again(); });
        };
        service.callSoon([&] { again(); });
        auto task = []() -> Task<int> {
            co_await checkpoint();
            co_await sleep(1ms);
            co_return 6;
        };
        QFuture<int> future = service.submit(task);
        QVERIFY(endsInTime(future));
        QTimer *timer = service.callSync([&] {
            auto *made = new QTimer(service.context());
            made->setSingleShot(true);
            made->start(1ms);
            return made;
        });
        for (const QDeadlineTimer limit(30s);
             service.callSync([&] { return timer->isActive(); }) && !limit.hasExpired();)
            std::this_thread::yield();
        QVERIFY(!service.callSync([&] { return timer->isActive(); }));
        enough = true;
        QCOMPARE(future.result(), 6);
    }

    // B205
    void aThousandCallsOfOneThreadRunInOrderAlsoAroundOneThatThrows()
    {
        LogCapture log;
        Running service;
        QList<int> order;
        for (int i = 0; i < 1000; ++i) {
            service.callSoon([&order, i] {
                order += i;
                if (i == 500)
                    throw Error("in the middle");
            });
        }
        service.callSync([] { });
        QCOMPARE(order.size(), 1000);
        QVERIFY(std::is_sorted(order.cbegin(), order.cend()));
        QCOMPARE(log.texts(QtCriticalMsg).size(), 1);
        QCOMPARE(service.state(), State::Ready);
    }

    void objectsMadeOnTheLoopLiveThere()
    {
        Running service;
        std::unique_ptr<QObject> object = service.callSync([] { return std::make_unique<QObject>(); });
        QCOMPARE(object->thread(), service.loopThread());
        QVERIFY(object->thread() != thread());
        service.callSync([&] { object.reset(); });
    }
};

QTEST_GUILESS_MAIN(TestLoopServiceThread)
#include "tst_loopservicethread.moc"
