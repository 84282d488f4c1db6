// SPDX-License-Identifier: Apache-2.0
//
// Tests that must fail, each by another guard of the test kit. tst_testcase runs them one by one and compares what they print.
#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/checkpoints.h>
#include <qmicroio/test/interrupter.h>
#include <qmicroio/test/testcase.h>

#include <QtTest/QTest>

#include <QtCore/QSemaphore>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

namespace {

TestOptions shortWatchdog()
{
    TestOptions options;
    options.watchdog = 150ms;
    return options;
}

Task<> waitsForNothing()
{
    co_await sleepForever();
}

Task<> neverAwaited()
{
    co_return;
}

// What a leak guard must find lives until the process ends.
template<class T>
T &leaked(T thing)
{
    return *new T(std::move(thing));
}

} // namespace

class mustfail : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void verify()
    {
        runTest([]() -> Task<> {
            co_await checkpoint();
            const int three = 3;
            QMICROIO_VERIFY(three == 4); // line: verify
            QMICROIO_FAIL("not reached");
        });
    }
    void verify2()
    {
        runTest([]() -> Task<> {
            co_await checkpoint();
            QMICROIO_VERIFY2(false, "the description"); // line: verify2
        });
    }
    void compare()
    {
        runTest([]() -> Task<> {
            co_await checkpoint();
            QMICROIO_COMPARE(2 + 2, 5); // line: compare
        });
    }
    void compareInAChild()
    {
        runTest([]() -> Task<> {
            co_await withTaskGroup([](TaskGroup &group) -> Task<> {
                group.startSoon([]() -> Task<> {
                    co_await sleep(1s);
                    QMICROIO_COMPARE(QStringLiteral("is"), QStringLiteral("should be")); // line: compareInAChild
                });
                co_await sleepForever();
            });
        });
    }
    void compareInAService()
    {
        runTest([]() -> Task<> {
            LoopServiceThread service(QStringLiteral("service"));
            service.start();
            auto failing = service.submit([]() -> Task<> {
                co_await checkpoint();
                QMICROIO_COMPARE(1, 2); // line: compareInAService
            });
            co_await sleepForever();
        });
    }
    void fail()
    {
        runTest([]() -> Task<> {
            co_await checkpoint();
            QMICROIO_FAIL("said so"); // line: fail
        });
    }
    void throwsNothing()
    {
        runTest([]() -> Task<> {
            QMICROIO_VERIFY_THROWS(TimeoutError, co_await checkpoint()); // line: throwsNothing
        });
    }
    void throwsSomethingElse()
    {
        runTest([]() -> Task<> {
            auto body = []() -> Task<> {
                co_await checkpoint();
                throw EndOfStream(QStringLiteral("the end"));
            };
            QMICROIO_VERIFY_THROWS(TimeoutError, co_await body()); // line: throwsSomethingElse
        });
    }
    void tryVerifyRunsOutOfTime()
    {
        runTest([]() -> Task<> {
            QMICROIO_TRY_VERIFY_WITH_TIMEOUT(false, 1h); // line: tryVerifyRunsOutOfTime
        });
    }
    void tryCompareOnAClockThatStandsStill()
    {
        VirtualClock clock;
        clock.install();
        runTest([]() -> Task<> {
            int value = 1;
            QMICROIO_TRY_COMPARE(value, 2); // line: tryCompareOnAClockThatStandsStill
        });
    }
    void anExceptionLeaves()
    {
        runTest([]() -> Task<> {
            co_await checkpoint();
            throw BrokenResourceError(QStringLiteral("out of paper"));
        }); // line: anExceptionLeaves
    }
    void rows_data()
    {
        QTest::addColumn<int>("number");
        QTest::newRow("good") << 1;
        QTest::newRow("bad") << 2;
    }
    void rows()
    {
        QFETCH(int, number);
        runTest([&]() -> Task<> {
            QFETCH(int, number);
            co_await checkpoint();
            QMICROIO_COMPARE(number, 1); // line: rows
        });
        Q_UNUSED(number);
    }
    void watchdog()
    {
        runTest(
            []() -> Task<> {
                co_await withTaskGroup([](TaskGroup &group) -> Task<> {
                    group.startSoon(TaskName(QStringLiteral("stuck")), waitsForNothing);
                    co_await group.untilEmpty();
                });
            },
            shortWatchdog());
    }
    void watchdogOfABodyThatIgnoresCancellation()
    {
        TestOptions options = shortWatchdog();
        runTest(
            []() -> Task<> {
                QSemaphore never;
                never.acquire();
                co_return;
            },
            options);
    }
    void noCheckpoint()
    {
        runTest([]() -> Task<> {
            co_await assertCheckpoints([]() -> Task<> { co_await checkpointIfCancelled(); }); // line: noCheckpoint
        });
    }
    void leakedFrame()
    {
        runTest([]() -> Task<> {
            leaked(neverAwaited()); // line: leakedFrame
            co_await checkpoint();
        });
    }
    void leakedTask()
    {
        runTest([]() -> Task<> {
            auto &service = leaked(std::make_unique<LoopServiceThread>(QStringLiteral("forgotten")));
            service->start(); // line: leakedTask
            service->waitStarted();
            service->submit([]() -> Task<> {
                co_await sleepForever(); // line: leakedWaiter
            });
            co_await checkpoint();
        });
    }
    void leakedRequest()
    {
        runTest([]() -> Task<> {
            auto &registry = leaked(std::make_unique<RequestRegistry<int, int>>());
            leaked(registry->registerRequest(42)); // line: leakedRequest
            co_await checkpoint();
        });
    }
    void leakedCall()
    {
        runTest([]() -> Task<> {
            auto &service = leaked(std::make_unique<LoopServiceThread>(QStringLiteral("busy")));
            auto &never = leaked(std::make_unique<QSemaphore>());
            service->start();
            service->waitStarted();
            service->callSoon([&] { never->acquire(); });
            co_await waitAllTasksBlocked();
            service->callSoon([] { });
        });
    }
    void interruptedOperationLeaks()
    {
        runTest([]() -> Task<> {
            auto leaky = []() -> Task<> {
                Task<> *kept = &leaked(neverAwaited()); // line: interruptedOperationLeaks
                co_await checkpoint();
                delete kept;
            };
            co_await interruptAtEachStep(leaky);
        });
    }
};

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    mustfail tests;
    const int failures = QTest::qExec(&tests, argc, argv);
    std::fflush(stdout);
    std::_Exit(failures); // what was leaked on purpose still runs
}
#include "mustfail.moc"
