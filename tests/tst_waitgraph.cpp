// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/detail/seam.h>
#include <qmicroio/errors.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/requestregistry.h>

#include <QtTest/QTest>

#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <random>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;
using detail::ThreadNode;
using detail::WaitEdge;

static_assert(!std::is_copy_constructible_v<WaitEdge>);

namespace {

// Services that run, named "s0", "s1" and so on.
class Ring
{
public:
    explicit Ring(int size)
    {
        for (int i = 0; i < size; ++i) {
            services.push_back(std::make_unique<LoopServiceThread>(QStringLiteral("s%1").arg(i)));
            services.back()->start();
            services.back()->waitStarted();
        }
    }
    ~Ring()
    {
        for (const auto &service : services)
            service->stop();
    }
    LoopServiceThread &at(int index) { return *services.at(std::size_t(index)); }
    std::vector<std::unique_ptr<LoopServiceThread>> services;
};

// Calls service 0, which calls service 1, and so on; the last one runs `innermost`.
void callThrough(Ring &ring, int index, const std::function<void()> &innermost)
{
    ring.at(index).callSync([&] {
        if (index + 1 < int(ring.services.size()))
            callThrough(ring, index + 1, innermost);
        else
            innermost();
    });
}

bool endsInTime(const QFuture<void> &future)
{
    return QTest::qWaitFor([&] { return future.isFinished(); }, 20'000);
}

} // namespace

class TestWaitGraph : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    // B500
    void aThreadThatWouldWaitForItselfIsACycleOfOne()
    {
        const QString text =
            thrownText<DeadlockError>([] { const WaitEdge edge(detail::currentThreadNode(), "test()"); });
        QVERIFY2(text.contains(QStringLiteral("test() would wait for itself: main thread -> main thread (by test())")),
                 qPrintable(text));
    }

    void everyPlantedCycleIsFoundAndNamedInFull_data()
    {
        QTest::addColumn<int>("length");
        for (int length = 2; length <= 8; ++length)
            QTest::addRow("%d", length) << length;
    }
    // B500
    void everyPlantedCycleIsFoundAndNamedInFull()
    {
        QFETCH(int, length);
        Ring ring(length);
        QString text;
        callThrough(ring, 0, [&] { text = thrownText<DeadlockError>([&] { ring.at(0).callSync([] { }); }); });
        QString path = QStringLiteral("s%1").arg(length - 1);
        for (int i = 0; i < length; ++i)
            path += QStringLiteral(" -> s%1").arg(i);
        QVERIFY2(text.contains(path), qPrintable(text));
        // The refusal left nothing behind.
        int ran = 0;
        callThrough(ring, 0, [&] { ++ran; });
        QCOMPARE(ran, 1);
    }

    void aCycleThatAllCloseAtOnceIsBrokenOnce_data() { everyPlantedCycleIsFoundAndNamedInFull_data(); }
    // B500
    void aCycleThatAllCloseAtOnceIsBrokenOnce()
    {
        QFETCH(int, length);
        Ring ring(length);
        for (int round = 0; round < 20; ++round) {
            std::latch all(length);
            std::atomic<int> refused = 0;
            std::vector<QFuture<void>> calls;
            for (int i = 0; i < length; ++i) {
                calls.push_back(ring.at(i).submit([&all, &refused, &next = ring.at((i + 1) % length)] {
                    all.arrive_and_wait();
                    if (throws<DeadlockError>([&] { next.callSync([] { }); }))
                        ++refused;
                }));
            }
            for (const QFuture<void> &call : calls)
                QVERIFY(endsInTime(call));
            QCOMPARE(refused.load(), 1); // the last edge closes the cycle; then the others are answered
        }
    }

    // The answer of a call may be on its way to a thread that still sleeps: it keeps nobody waiting any more.
    // B501
    void whoIsAnsweredCanBeCalledAtOnce()
    {
        LoopServiceThread left(QStringLiteral("left"));
        LoopServiceThread right(QStringLiteral("right"));
        for (LoopServiceThread *service : {&left, &right}) {
            service->start();
            service->waitStarted();
        }
        std::atomic<int> falseAlarms = 0;
        for (int round = 0; round < 1'000; ++round) {
            QFuture<void> done = left.submit([&] {
                right.callSync([&] {
                    right.callSoon([&] { // runs right after the call is answered
                        if (throws<DeadlockError>([&] { left.callSync([] { }); }))
                            ++falseAlarms;
                    });
                });
            });
            done.waitForFinished();
            right.callSync([] { }); // else the next round would meet the call from right to left: a cycle
        }
        QCOMPARE(falseAlarms.load(), 0);
        left.stop();
        right.stop();
    }

    // B500
    void aJoinThatWouldCloseACycleIsRefused()
    {
        Ring ring(2);
        QString text;
        ring.at(0).callSync(
            [&] { ring.at(1).callSync([&] { text = thrownText<DeadlockError>([&] { ring.at(0).join(); }); }); });
        QVERIFY2(text.contains(QStringLiteral("join() would wait for itself: s1 -> s0 -> s1 (by join(), callSync())")),
                 qPrintable(text));
    }

    // B500
    void joinOrLogTellsTheCycleInsteadOfWaiting()
    {
        Ring ring(2);
        LogCapture log;
        bool joined = true;
        ring.at(0).callSync(
            [&] { ring.at(1).callSync([&] { joined = ring.at(0).joinOrLog(QDeadlineTimer::Forever); }); });
        QVERIFY(!joined);
        const QList<QString> critical = log.texts(QtCriticalMsg);
        QCOMPARE(critical.size(), 1);
        QVERIFY2(critical.first().contains(QStringLiteral("s1 -> s0 -> s1")), qPrintable(critical.first()));
    }

    void aServiceCannotCallTheThreadThatJoinsIt()
    {
        Ring ring(1);
        LoopServiceThread &caller = ring.at(0);
        LoopServiceThread service(QStringLiteral("joined"));
        service.start();
        service.waitStarted();
        std::atomic<bool> refused = false;
        QFuture<void> tries = service.submit([&] {
            while (!refused) { // until the join has begun
                try {
                    caller.callSync([] { }, QDeadlineTimer(1));
                } catch (const DeadlockError &) {
                    refused = true;
                } catch (const TimeoutError &) {
                }
            }
        });
        QFuture<void> joining = caller.submit([&] {
            while (!refused) {
                try {
                    service.join(QDeadlineTimer(20s));
                } catch (const DeadlockError &) {
                    // It came between the service's calls to this thread; the next time it is the other way round.
                }
            }
        });
        const bool ended = endsInTime(tries);
        refused = refused || !ended;
        QVERIFY(ended);
        service.stop();
        QVERIFY(endsInTime(joining));
        QVERIFY(refused);
    }

    // B500
    void waitingForAServiceThatWaitsForTheCallerIsRefused()
    {
        Ring ring(1);
        class Service : public LoopServiceThread
        {
        public:
            Service(LoopServiceThread &parent, QString &text)
                : LoopServiceThread(QStringLiteral("child"))
                , m_parent(parent)
                , m_text(text)
            {
            }
            ~Service() override { join(); }

        private:
            Task<> runAsync() override
            {
                m_parent.callSync([this] { m_text = thrownText<DeadlockError>([this] { waitStarted(); }); });
                co_return;
            }
            LoopServiceThread &m_parent;
            QString &m_text;
        };
        QString text;
        Service service(ring.at(0), text);
        service.start();
        QVERIFY(service.join(QDeadlineTimer(20s)));
        QVERIFY2(text.contains(QStringLiteral("waitStarted() would wait for itself: s0 -> child -> s0")),
                 qPrintable(text));
    }

    // B500
    void aBlockingRequestToAThreadThatWaitsForTheCallerIsRefused()
    {
        for (int round = 0; round < 50; ++round) {
            Ring ring(1);
            LoopServiceThread &answerer = ring.at(0);
            RequestRegistry<int, int> registry;
            answerer.callSync([&] { registry.answeredHere(); });
            std::atomic<int> refused = 0;
            std::unique_ptr<ServiceThread> client;
            client = std::make_unique<ServiceThread>(QStringLiteral("client"), [&](ServiceThread &self) {
                self.started();
                const auto send = [&](ReplyHandle<int, int> &handle) {
                    answerer.callSoon([&, handle]() mutable {
                        if (throws<DeadlockError>([&] { client->join(); }))
                            ++refused;
                        handle.resolve(1);
                    });
                };
                if (throws<DeadlockError>([&] { static_cast<void>(registry.request(1, send)); }))
                    ++refused;
            });
            client->start();
            QVERIFY(client->join(QDeadlineTimer(20s)));
            answerer.callSync([] { });
            QCOMPARE(refused.load(), 1);
            QCOMPARE(registry.size(), 0);
        }
    }

    // Threads that only ever wait for one with a higher number cannot wait in a circle.
    // B501
    void aMillionRandomCallsWithoutACycleRaiseNoAlarm()
    {
        constexpr int Threads = 4;
        constexpr int Nodes = 8;
        constexpr int Edges = 1'000'000 / Threads;
        std::vector<std::shared_ptr<ThreadNode>> nodes(Nodes);
        for (auto &node : nodes)
            node = std::make_shared<ThreadNode>();
        std::atomic<int> alarms = 0;
        std::vector<std::thread> threads;
        for (int number = 0; number < Threads; ++number) {
            threads.emplace_back([&, number] {
                detail::adoptThreadNode(nodes.at(std::size_t(number)));
                std::minstd_rand random(unsigned(number) + 1);
                std::uniform_int_distribution<std::size_t> target(std::size_t(number) + 1, Nodes - 1);
                for (int i = 0; i < Edges; ++i) {
                    try {
                        const WaitEdge edge(nodes.at(target(random)), "call");
                    } catch (const DeadlockError &) {
                        ++alarms;
                    }
                }
            });
        }
        for (std::thread &thread : threads)
            thread.join();
        QCOMPARE(alarms.load(), 0);
    }

    // B501
    void randomNestedCallsOfServicesRaiseNoAlarm()
    {
        Ring ring(4);
        std::atomic<int> alarms = 0;
        std::atomic<int> calls = 0;
        // Upwards only, so no cycle; each level calls on at random.
        std::function<void(int, unsigned)> callUp = [&](int from, unsigned seed) {
            std::minstd_rand random(seed);
            for (int to = from + 1; to < 4; ++to) {
                if (random() % 2 == 0)
                    continue;
                try {
                    ring.at(to).callSync([&, to, next = unsigned(random())] { callUp(to, next); });
                    ++calls;
                } catch (const DeadlockError &) {
                    ++alarms;
                }
            }
        };
        std::vector<QFuture<void>> running;
        for (unsigned seed = 1; seed <= 2'000; ++seed) {
            running.push_back(ring.at(int(seed % 3)).submit([&, seed] { callUp(int(seed % 3), seed); }));
        }
        for (const QFuture<void> &one : running)
            QVERIFY(endsInTime(one));
        QCOMPARE(alarms.load(), 0);
        QVERIFY(calls.load() > 1'000);
    }
};

QTEST_MAIN(TestWaitGraph)
#include "tst_waitgraph.moc"
