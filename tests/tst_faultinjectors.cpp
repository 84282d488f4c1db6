// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/faultinjectors.h>
#include <qmicroio/test/testcase.h>

#include "servicetesting.h"

#include <QtTest/QTest>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

class tst_faultinjectors : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void aServiceDiesAtEachPoint();
    void aServiceThatNeverStopsEndsWhenLetGo();
    void theErrorIsTheTestsOwn();
    void aChannelFailsAfterSomeItems();
    void aStalledLoopAnswersNobodyUntilReleased();
};

void tst_faultinjectors::aServiceDiesAtEachPoint()
{
    runTest([]() -> Task<> {
        using Point = FaultyService::Point;
        const auto begin = QMicroIO::Test::now();
        FaultyService early(Point::BeforeReady, QStringLiteral("early"), 10s);
        early.start();
        QMICROIO_VERIFY_THROWS(StartupError, early.waitStarted());
        QMICROIO_COMPARE(QMicroIO::Test::now() - begin, 10s);
        QMICROIO_VERIFY(ServiceTesting::holds<InjectedFault>(early.error(), "a fault of the test"));

        FaultyService unready(Point::ReturnsUnready);
        unready.start();
        QMICROIO_VERIFY_THROWS(StartupError, unready.waitStarted());

        FaultyService hangs(Point::NeverReady);
        hangs.start();
        QMICROIO_VERIFY_THROWS(TimeoutError, hangs.waitStarted(1h));
        hangs.stop();
        QMICROIO_VERIFY(hangs.join(1h));

        FaultyService later(Point::AfterReady, QStringLiteral("later"), 1min);
        later.start();
        later.waitStarted();
        QMICROIO_VERIFY(later.join(1h));
        QMICROIO_COMPARE(later.state(), ServiceThread::State::Failed);

        FaultyService called(Point::OnCall);
        called.start();
        called.waitStarted();
        called.dieNow();
        QMICROIO_VERIFY(called.join(1h));
        QMICROIO_COMPARE(called.state(), ServiceThread::State::Failed);

        FaultyService stopping(Point::OnStop);
        stopping.start();
        stopping.waitStarted();
        stopping.stop();
        QMICROIO_VERIFY(stopping.join(1h));
        QMICROIO_COMPARE(stopping.state(), ServiceThread::State::Failed);
        co_return;
    });
}

void tst_faultinjectors::aServiceThatNeverStopsEndsWhenLetGo()
{
    runTest([]() -> Task<> {
        FaultyService stuck(FaultyService::Point::NeverStops);
        stuck.start();
        stuck.waitStarted();
        stuck.stop();
        QMICROIO_VERIFY(!stuck.join(1h));
        stuck.letGo();
        QMICROIO_VERIFY(stuck.join(1h));
        QMICROIO_COMPARE(stuck.state(), ServiceThread::State::Stopped);
        co_return;
    });
}

void tst_faultinjectors::theErrorIsTheTestsOwn()
{
    runTest([]() -> Task<> {
        FaultyService service(FaultyService::Point::BeforeReady, QStringLiteral("own"), 0s,
                              std::make_exception_ptr(EndOfStream(QStringLiteral("mine"))));
        service.start();
        QMICROIO_VERIFY_THROWS(StartupError, service.waitStarted());
        QMICROIO_VERIFY(ServiceTesting::holds<EndOfStream>(service.error(), "mine"));
        co_return;
    });
}

void tst_faultinjectors::aChannelFailsAfterSomeItems()
{
    runTest([]() -> Task<> {
        auto [sender, receiver] = createChannel<int>();
        FailingSender<int> failing(sender, 2);
        FailingSender<int> copy = failing;
        QMICROIO_VERIFY(failing.sendNowait(1));
        QMICROIO_VERIFY(copy.sendNowait(2));
        QMICROIO_VERIFY_THROWS(ClosedResourceError, failing.sendNowait(3));
        QMICROIO_VERIFY(failing.isClosed());
        QMICROIO_COMPARE(co_await receiver.receive(), 1);
        QMICROIO_COMPARE(co_await receiver.receive(), 2);
        QMICROIO_VERIFY_THROWS(InjectedFault, co_await receiver.receive());
    });
}

void tst_faultinjectors::aStalledLoopAnswersNobodyUntilReleased()
{
    runTest([]() -> Task<> {
        LoopServiceThread service(QStringLiteral("service"));
        service.start();
        service.waitStarted();
        {
            StalledLoop stall(service);
            const auto begin = QMicroIO::Test::now();
            QMICROIO_VERIFY_THROWS(TimeoutError, service.callSync([] { return 1; }, 1h));
            const auto passed = QMicroIO::Test::now() - begin;
            // A QDeadlineTimer counts by the system's clock until the call has begun.
            QMICROIO_VERIFY(passed <= 1h && passed > 1h - 1s);
            stall.release();
            stall.release();
        }
        QMICROIO_COMPARE(service.callSync([] { return 1; }, 1h), 1);
        service.stop();
        QMICROIO_VERIFY(service.join(1h));
        co_return;
    });
}

QTEST_GUILESS_MAIN(tst_faultinjectors)
#include "tst_faultinjectors.moc"
