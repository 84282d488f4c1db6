// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/recorder.h>
#include <qmicroio/test/testcase.h>

#include <QtTest/QTest>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<Recorder>);

class tst_recorder : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void itWritesDownTheLifeOfAService();
    void itWritesDownScopesAndSignals();
    void itWritesDownTheLifeOfAChannel();
    void itMayGoBeforeWhatItWatches();
    void aDifferenceShowsWhatIsMissingAndWhatIsTooMuch();
    void theSameTestGivesTheSameLogEachTime();
};

void tst_recorder::itWritesDownTheLifeOfAService()
{
    runTest([]() -> Task<> {
        Recorder recorder;
        LoopServiceThread service(QStringLiteral("printer"));
        recorder.watch(service);
        service.start();
        service.waitStarted();
        co_await sleep(1500ms);
        service.callSync([&recorder] { recorder.note(QStringLiteral("here"), QStringLiteral("called")); });
        service.stop(QStringLiteral("enough"));
        service.join();
        // The thread that stops it also tells of the scope, and the service may have ended by then.
        QStringList lines = recorder.lines(Recorder::Column::Time);
        QMICROIO_VERIFY(lines.removeOne(QStringLiteral("1500 ms printer scope: closed: enough")));
        const QStringList life{QStringLiteral("0 ms printer: state Starting"),
                               QStringLiteral("0 ms printer: state Ready"),
                               QStringLiteral("0 ms printer: ready"),
                               QStringLiteral("1500 ms here: called"),
                               QStringLiteral("1500 ms printer: state Stopping"),
                               QStringLiteral("1500 ms printer: state Stopped"),
                               QStringLiteral("1500 ms printer: stopped")};
        QMICROIO_COMPARE(lines, life);
        // Not so for the changes: the thread that stops the service may tell of its end as well.
        QMICROIO_VERIFY(recorder.lines().contains(QStringLiteral("1500 ms [printer] here: called")));
    });
}

void tst_recorder::itWritesDownScopesAndSignals()
{
    runTest([]() -> Task<> {
        Recorder recorder;
        CloseScope closed;
        CloseScope failed;
        QObject object;
        recorder.watch(closed, QStringLiteral("closed"));
        recorder.watch(failed, QStringLiteral("failed"));
        recorder.watch(&object, &QObject::destroyed, QStringLiteral("object"));
        recorder.watch(&closed, &CloseScope::closedChanged, QStringLiteral("signal"));
        CancelScope scope;
        scope.setTimeout(5s);
        auto forever = []() -> Task<> { co_await sleepForever(); };
        co_await recorder.run(QStringLiteral("region"), scope, forever);
        closed.close();
        failed.fail(std::make_exception_ptr(EndOfStream(QStringLiteral("the end"))));
        recorder.note(QStringLiteral("test"), QStringLiteral("a note"));
        CancelScope failing;
        auto fails = []() -> Task<> {
            co_await checkpoint();
            throw EndOfStream(QStringLiteral("no more"));
        };
        QMICROIO_VERIFY_THROWS(EndOfStream, co_await recorder.run(QStringLiteral("failing"), failing, fails));
        QStringList lines = recorder.lines({});
        QMICROIO_COMPARE(lines.mid(0, 6),
                         (QStringList{QStringLiteral("region: entered"), QStringLiteral("region: left by its deadline"),
                                      QStringLiteral("closed: closed"), QStringLiteral("signal: signalled"),
                                      QStringLiteral("failed: failed: the end"), QStringLiteral("test: a note")}));
        QMICROIO_COMPARE(lines.size(), 8);
        QMICROIO_VERIFY(lines.last().startsWith(QStringLiteral("failing: left by an error: ")));
        recorder.clear();
        recorder.compare({});
    });
}

void tst_recorder::itWritesDownTheLifeOfAChannel()
{
    runTest([]() -> Task<> {
        Recorder recorder;
        ChannelOptions options;
        options.name = QStringLiteral("lines");
        auto [sender, receiver] = createChannel<int>(options);
        recorder.watch(sender.channelStatus());
        sender.channelStatus()->setHighWaterMark(2);
        sender.sendNowait(1);
        sender.sendNowait(2);
        QMICROIO_COMPARE(co_await receiver.receive(), 1);
        co_await sleep(1s);
        sender.close();
        QMICROIO_COMPARE(co_await receiver.receive(), 2);
        QMICROIO_VERIFY_THROWS(EndOfStream, co_await receiver.receive());
        recorder.compare({QStringLiteral("0 ms lines: 2 queued"), QStringLiteral("0 ms lines: bound"),
                          QStringLiteral("1000 ms lines: closed"), QStringLiteral("1000 ms lines: drained")},
                         Recorder::Column::Time);
    });
}

void tst_recorder::itMayGoBeforeWhatItWatches()
{
    CloseScope scope;
    {
        Recorder recorder;
        recorder.watch(scope, QStringLiteral("scope"));
    }
    scope.close();
}

void tst_recorder::aDifferenceShowsWhatIsMissingAndWhatIsTooMuch()
{
    const QStringList expected{QStringLiteral("a"), QStringLiteral("b"), QStringLiteral("c")};
    const QStringList actual{QStringLiteral("a"), QStringLiteral("x"), QStringLiteral("c"), QStringLiteral("d")};
    QCOMPARE(Recorder::difference(actual, expected), QStringLiteral("  a\n- b\n+ x\n  c\n+ d"));
    QCOMPARE(Recorder::difference(expected, expected), QString());
    Recorder recorder;
    recorder.note(QStringLiteral("n"), QStringLiteral("one"));
    try {
        recorder.compare({QStringLiteral("n: two")}, {});
        QFAIL("the recorder took it for equal");
    } catch (const CheckFailed &failed) {
        QCOMPARE(QString::fromUtf8(failed.what()),
                 QStringLiteral("what was recorded differs (- missing, + too many):\n- n: two\n+ n: one"));
        QVERIFY(QString::fromUtf8(failed.place().file_name()).endsWith(QStringLiteral("tst_recorder.cpp")));
    }
}

void tst_recorder::theSameTestGivesTheSameLogEachTime()
{
    QString first;
    for (int round = 0; round < 1000; ++round) {
        QString log;
        runTest([&]() -> Task<> {
            Recorder recorder;
            const auto client = [&](int number) -> Task<> {
                const QString name = QStringLiteral("client %1").arg(number);
                for (int attempt = 0; attempt < 3; ++attempt) {
                    CancelScope scope;
                    scope.setTimeout(std::chrono::seconds(number));
                    auto call = [&]() -> Task<> { co_await sleep(std::chrono::seconds(7 - number)); };
                    co_await recorder.run(name, scope, call);
                    co_await sleep(std::chrono::milliseconds(100 << attempt));
                }
            };
            co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
                for (int number = 1; number < 7; ++number)
                    group.startSoon(client, number);
                co_await group.untilEmpty();
            });
            log = recorder.lines().join(u'\n');
        });
        if (round == 0)
            first = log;
        if (log != first)
            QFAIL(qPrintable(QStringLiteral("round %1:\n").arg(round)
                             + Recorder::difference(log.split(u'\n'), first.split(u'\n'))));
    }
    QCOMPARE(first.count(u'\n'), 35);
}

QTEST_GUILESS_MAIN(tst_recorder)
#include "tst_recorder.moc"
