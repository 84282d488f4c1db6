// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/closescope.h>
#include <qmicroio/errors.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/systemsignals.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QProcess>
#include <QtTest/QTest>

#include <array>
#include <csignal>
#include <cstdio>
#include <optional>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

namespace {

// The program in its other part: never ends by itself, says what it sees.
int runChild(int exitCode)
{
    SystemSignalOptions options;
    options.exitCode = exitCode;
    options.repeat = 0ms;
    CloseScope scope;
    SystemSignals signals(options);
    const SystemSignals::Binding binding = signals.closes(scope);
    std::puts("ready");
    std::fflush(stdout);
    scope.wait();
    std::puts("closed");
    std::fflush(stdout);
    CloseScope never;
    never.wait();
    return 0;
}

bool saysLine(QProcess &process, const char *line)
{
    while (!process.canReadLine()) {
        if (!process.waitForReadyRead(20'000))
            return false;
    }
    return process.readLine().trimmed() == line;
}

} // namespace

class TestSystemSignals : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void aSignalCancelsClosesAndStopsWhatIsBound_data()
    {
        QTest::addColumn<int>("number");
        QTest::addColumn<QString>("name");
        QTest::addRow("SIGINT") << SIGINT << QStringLiteral("SIGINT");
        QTest::addRow("SIGTERM") << SIGTERM << QStringLiteral("SIGTERM");
    }
    // B505
    void aSignalCancelsClosesAndStopsWhatIsBound()
    {
        QFETCH(int, number);
        QFETCH(QString, name);
        CancelScope cancelScope;
        CloseScope closeScope;
        LoopServiceThread service(QStringLiteral("s"));
        service.start();
        service.waitStarted();
        SystemSignals signals;
        std::atomic<int> received = 0;
        connect(
            &signals, &SystemSignals::received, &signals, [&](int which) { received = which; }, Qt::DirectConnection);
        const std::array bindings{signals.cancels(cancelScope), signals.closes(closeScope), signals.stops(service)};
        QCOMPARE(signals.number(), 0);
        std::raise(number);
        // Without this thread's event loop: it is blocked here.
        QVERIFY(closeScope.wait(QDeadlineTimer(20s)));
        QVERIFY(service.join(QDeadlineTimer(20s)));
        QCOMPARE(closeScope.reason(), name);
        QCOMPARE(service.scope().reason(), name);
        QVERIFY(cancelScope.isCancelCalled());
        QCOMPARE(cancelScope.reason(), name);
        QCOMPARE(signals.number(), number);
        QVERIFY(QTest::qWaitFor([&] { return received == number; }));
    }

    // B505
    void whatIsBoundAfterTheSignalIsCancelledAtOnce()
    {
        SystemSignals signals;
        CloseScope first;
        const SystemSignals::Binding one = signals.closes(first);
        std::raise(SIGINT);
        QVERIFY(first.wait(QDeadlineTimer(20s)));
        CloseScope second;
        const SystemSignals::Binding other = signals.closes(second);
        QVERIFY(second.isClosed());
    }

    void whatIsNoLongerBoundIsLeftAlone()
    {
        SystemSignals signals;
        CloseScope unbound;
        CloseScope moved;
        CloseScope last;
        {
            const SystemSignals::Binding binding = signals.closes(unbound);
        }
        SystemSignals::Binding first = signals.closes(moved);
        SystemSignals::Binding second = std::move(first);
        const SystemSignals::Binding third = signals.closes(last);
        std::raise(SIGINT);
        QVERIFY(last.wait(QDeadlineTimer(20s)));
        QVERIFY(!unbound.isClosed());
        QVERIFY(moved.isClosed());
        second = signals.closes(unbound); // the one before is released
        QVERIFY(unbound.isClosed());
    }

    void unbindingWaitsForACancellationThatIsUnderWay()
    {
        SystemSignals signals;
        auto scope = std::make_unique<CloseScope>();
        std::atomic<bool> inSlot = false;
        std::atomic<bool> slotEnded = false;
        std::atomic<bool> mayEnd = false;
        connect(
            scope.get(), &CloseScope::closedChanged, scope.get(),
            [&] {
                inSlot = true;
                while (!mayEnd)
                    std::this_thread::yield();
                slotEnded = true;
            },
            Qt::DirectConnection);
        std::optional<SystemSignals::Binding> binding = signals.closes(*scope);
        std::raise(SIGINT);
        while (!inSlot)
            std::this_thread::yield();
        std::thread releaser([&] { mayEnd = true; });
        binding.reset();
        QVERIFY(slotEnded);
        releaser.join();
    }

    // B505
    void theHandlersFromBeforeComeBack()
    {
        struct sigaction before{};
        ::sigaction(SIGINT, nullptr, &before);
        {
            SystemSignals signals;
            struct sigaction during{};
            ::sigaction(SIGINT, nullptr, &during);
            QVERIFY(during.sa_handler != before.sa_handler);
        }
        struct sigaction after{};
        ::sigaction(SIGINT, nullptr, &after);
        QVERIFY(after.sa_handler == before.sa_handler);
    }

    void aSecondOneIsMisuse()
    {
        SystemSignals signals;
        QVERIFY(throws<LogicError>([] { SystemSignals another; }));
    }

    void aSecondSignalEndsTheProgramAtOnce_data()
    {
        QTest::addColumn<int>("exitCode");
        QTest::addColumn<int>("expected");
        QTest::addRow("as shells do") << 0 << 128 + SIGTERM;
        QTest::addRow("as told") << 7 << 7;
    }
    // B505
    void aSecondSignalEndsTheProgramAtOnce()
    {
        QFETCH(int, exitCode);
        QFETCH(int, expected);
        QProcess child;
        child.start(QCoreApplication::applicationFilePath(), {QStringLiteral("--child"), QString::number(exitCode)});
        QVERIFY(child.waitForStarted());
        QVERIFY(saysLine(child, "ready"));
        ::kill(pid_t(child.processId()), SIGINT);
        QVERIFY(saysLine(child, "closed"));
        ::kill(pid_t(child.processId()), SIGTERM);
        QVERIFY(child.waitForFinished(20'000));
        QCOMPARE(child.exitStatus(), QProcess::NormalExit);
        QCOMPARE(child.exitCode(), expected);
    }
};

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    if (argc == 3 && qstrcmp(argv[1], "--child") == 0)
        return runChild(QByteArray(argv[2]).toInt());
    TestSystemSignals test;
    return QTest::qExec(&test, argc, argv);
}
#include "tst_systemsignals.moc"
