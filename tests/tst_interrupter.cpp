// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/channel.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/interrupter.h>
#include <qmicroio/test/testcase.h>

#include <QtTest/QTest>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

class tst_interrupter : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void anOperationIsCancelledAtEachOfItsSuspensions();
    void anOperationWithoutASuspensionRunsOnce();
    void receivingLosesNoItemWhereverItIsCancelled();
    void anAwaitedRequestLeavesNothingWhereverItIsCancelled();
    void aLostItemIsFound();
    void anErrorOfTheOperationPasses();
    void anOperationWithoutAnEndIsFound();
};

void tst_interrupter::anOperationIsCancelledAtEachOfItsSuspensions()
{
    runTest([]() -> Task<> {
        QStringList runs;
        QString trace;
        auto operation = [&]() -> Task<> {
            trace.clear();
            trace += u'a';
            co_await checkpoint();
            trace += u'b';
            co_await sleep(1h);
            trace += u'c';
            auto cleanUp = []() -> Task<> { co_await sleep(1min); };
            co_await shielded(cleanUp);
            trace += u'd';
        };
        auto check = [&](Interruption run) {
            runs += QStringLiteral("%1%2%3").arg(run.step).arg(trace, run.completed ? QStringLiteral("!") : QString());
        };
        QMICROIO_COMPARE(co_await interruptAtEachStep(operation, check), 3);
        // The third suspension is shielded: the operation completes although it was cancelled.
        QMICROIO_COMPARE(runs,
                         (QStringList{QStringLiteral("1a"), QStringLiteral("2ab"), QStringLiteral("3abcd!"),
                                      QStringLiteral("4abcd!")}));
    });
}

void tst_interrupter::anOperationWithoutASuspensionRunsOnce()
{
    runTest([]() -> Task<> {
        int runs = 0;
        auto operation = [&]() -> Task<int> { co_return ++runs; };
        QMICROIO_COMPARE(co_await interruptAtEachStep(operation), 0);
        QMICROIO_COMPARE(runs, 1);
    });
}

void tst_interrupter::receivingLosesNoItemWhereverItIsCancelled()
{
    runTest([]() -> Task<> {
        auto [sender, receiver] = createChannel<int>();
        int sent = 0;
        QList<int> received;
        auto operation = [&]() -> Task<> {
            co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
                group.startSoon([&]() -> Task<> {
                    co_await checkpoint();
                    sender.sendNowait(++sent);
                });
                for (int i = 0; i < 3; ++i) {
                    received += co_await receiver.receive();
                    sender.sendNowait(++sent);
                }
            });
        };
        auto check = [&](Interruption) {
            for (const int item : receiver.drainNowait())
                received += item;
            QMICROIO_COMPARE(received.size(), sent);
        };
        QMICROIO_VERIFY(co_await interruptAtEachStep(operation, check) > 0);
        for (int i = 0; i < received.size(); ++i)
            QMICROIO_COMPARE(received[i], i + 1);
    });
}

void tst_interrupter::anAwaitedRequestLeavesNothingWhereverItIsCancelled()
{
    runTest([]() -> Task<> {
        RequestRegistry<int, QString> registry;
        auto operation = [&]() -> Task<> {
            co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
                auto send = [&](auto &handle) {
                    group.startSoon([kept = handle]() mutable -> Task<> {
                        co_await sleep(1s);
                        kept.resolve(QStringLiteral("answer"));
                    });
                };
                co_await registry.requestAsync(1, send);
                co_await sleep(1s);
            });
        };
        auto check = [&](Interruption) { QMICROIO_COMPARE(registry.size(), 0); };
        QMICROIO_VERIFY(co_await interruptAtEachStep(operation, check) >= 2);
    });
}

void tst_interrupter::aLostItemIsFound()
{
    runTest([]() -> Task<> {
        auto [sender, receiver] = createChannel<int>();
        int handled = 0;
        auto careless = [&]() -> Task<> {
            sender.sendNowait(1);
            const int item = co_await receiver.receive();
            co_await checkpoint(); // cancelled here, the item is lost
            handled += item;
        };
        int expected = 0;
        auto check = [&](Interruption) {
            ++expected;
            handled += int(receiver.drainNowait().size());
            if (handled != expected)
                throw CheckFailed(QStringLiteral("lost"));
        };
        QMICROIO_VERIFY_THROWS(CheckFailed, co_await interruptAtEachStep(careless, check));
    });
}

void tst_interrupter::anErrorOfTheOperationPasses()
{
    runTest([]() -> Task<> {
        auto fails = []() -> Task<> {
            co_await checkpoint();
            throw EndOfStream(QStringLiteral("the end"));
        };
        QMICROIO_VERIFY_THROWS(EndOfStream, co_await interruptAtEachStep(fails));
    });
}

void tst_interrupter::anOperationWithoutAnEndIsFound()
{
    runTest([]() -> Task<> {
        auto endless = []() -> Task<> {
            for (;;) {
                co_await checkpoint();
            }
        };
        auto nothing = [](Interruption) { };
        QMICROIO_VERIFY_THROWS(CheckFailed, co_await interruptAtEachStep(endless, nothing, 20));
    });
}

QTEST_GUILESS_MAIN(tst_interrupter)
#include "tst_interrupter.moc"
