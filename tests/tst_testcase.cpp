// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/testcase.h>

#include <QtTest/QTest>

#include <QtCore/QFile>
#include <QtCore/QProcess>
#include <QtCore/QTimer>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

namespace {

struct Outcome
{
    int code = -1;
    QProcess::ExitStatus status = QProcess::NormalExit;
    QString text;
};

Outcome runMustFail(const QString &function)
{
    QProcess process;
    process.setProcessChannelMode(QProcess::MergedChannels);
    process.start(QStringLiteral(MUSTFAIL_PROGRAM), {function, QStringLiteral("-o"), QStringLiteral("-,txt")});
    Outcome outcome;
    if (process.waitForFinished(60000)) {
        outcome.code = process.exitCode();
        outcome.status = process.exitStatus();
    }
    outcome.text = QString::fromUtf8(process.readAll());
    return outcome;
}

// The line of mustfail.cpp that a comment marks.
int lineOf(const QString &mark)
{
    QFile source(QStringLiteral(MUSTFAIL_SOURCE));
    if (!source.open(QIODevice::ReadOnly))
        return -1;
    int line = 0;
    while (!source.atEnd()) {
        ++line;
        if (QString::fromUtf8(source.readLine()).trimmed().endsWith(QStringLiteral("// line: ") + mark))
            return line;
    }
    return -1;
}

// A helper that checks, called by a test.
Task<int> checkedSum(int one, int other)
{
    co_await checkpoint();
    QMICROIO_VERIFY(one > 0);
    co_return one + other;
}

} // namespace

class tst_testcase : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void aBodyThatEndsPasses();
    void everyCheckPassesWhenItHolds();
    void dataRowsAreFetchedInTheBody_data();
    void dataRowsAreFetchedInTheBody();
    void aSkippedBodyIsSkipped();
    void tryWaitsOnTheClock();
    void eachGuardFires_data();
    void eachGuardFires();
    void theWatchdogPrintsTheTaskTree();
    void theWatchdogEndsABodyThatIgnoresCancellation();
    void aTestInATestIsMisuse();
};

void tst_testcase::aBodyThatEndsPasses()
{
    int steps = 0;
    runTest([&]() -> Task<> {
        ++steps;
        co_await checkpoint();
        ++steps;
    });
    QCOMPARE(steps, 2);
    runTest([]() -> Task<> { co_return; });
}

void tst_testcase::everyCheckPassesWhenItHolds()
{
    runTest([]() -> Task<> {
        QMICROIO_VERIFY(true);
        QMICROIO_VERIFY2(true, "never shown");
        QMICROIO_VERIFY2(true, qPrintable(QStringLiteral("never shown")));
        QMICROIO_COMPARE(co_await checkedSum(1, 2), 3);
        QMICROIO_COMPARE(0.1 + 0.2, 0.3);
        QMICROIO_COMPARE(QStringLiteral("a"), QStringLiteral("a"));
        QMICROIO_COMPARE(QList<int>({1, 2}), (QList<int>{1, 2}));
        QMICROIO_VERIFY_THROWS(std::invalid_argument, sleep(-1ms));
        QMICROIO_VERIFY_THROWS(std::exception, throw EndOfStream(QStringLiteral("the end")));
        QMICROIO_VERIFY_THROWS(Cancelled, throw Cancelled(QStringLiteral("by hand")));
        auto forever = []() -> Task<> { co_await sleepForever(); };
        QMICROIO_VERIFY_THROWS(TimeoutError, co_await failAfter(1h, forever));
    });
}

void tst_testcase::dataRowsAreFetchedInTheBody_data()
{
    QTest::addColumn<int>("hours");
    QTest::addColumn<QString>("text");
    QTest::newRow("one") << 1 << QStringLiteral("1 h");
    QTest::newRow("two") << 2 << QStringLiteral("2 h");
}

void tst_testcase::dataRowsAreFetchedInTheBody()
{
    runTest([]() -> Task<> {
        const auto begin = QMicroIO::Test::now();
        QFETCH(int, hours);
        QFETCH(QString, text);
        co_await sleep(std::chrono::hours(hours));
        QMICROIO_COMPARE(QMicroIO::Test::now() - begin, std::chrono::hours(hours));
        QMICROIO_COMPARE(QStringLiteral("%1 h").arg(hours), text);
    });
}

void tst_testcase::aSkippedBodyIsSkipped()
{
    bool reached = false;
    runTest([&]() -> Task<> {
        co_await checkpoint();
        QMICROIO_SKIP("this is what a skip looks like");
        reached = true;
    });
    if (reached)
        QFAIL("QMICROIO_SKIP() did not leave the body");
}

void tst_testcase::tryWaitsOnTheClock()
{
    runTest([]() -> Task<> {
        const auto begin = QMicroIO::Test::now();
        bool set = false;
        int value = 0;
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon([&]() -> Task<> {
                co_await sleep(3s);
                set = true;
                co_await sleep(1h);
                value = 5;
            });
            QMICROIO_TRY_VERIFY(set);
            QMICROIO_VERIFY(QMicroIO::Test::now() - begin < 4s);
            QMICROIO_TRY_COMPARE_WITH_TIMEOUT(value, 5, 2h);
        });
        // Without any time: what happens by itself has happened.
        bool turned = false;
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            const auto now = QMicroIO::Test::now();
            group.startSoon([&]() -> Task<> {
                for (int i = 0; i < 10; ++i)
                    co_await checkpoint();
                turned = true;
            });
            QMICROIO_TRY_VERIFY(turned);
            QMICROIO_COMPARE(QMicroIO::Test::now(), now);
        });
    });
    // A clock that stands still is enough for it, too.
    VirtualClock clock;
    clock.install();
    runTest([]() -> Task<> {
        bool set = false;
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon([&]() -> Task<> {
                co_await checkpoint();
                set = true;
            });
            QMICROIO_TRY_VERIFY(set);
        });
    });
}

void tst_testcase::eachGuardFires_data()
{
    QTest::addColumn<QString>("function");
    QTest::addColumn<QStringList>("texts");
    const auto row = [](const char *function, const QStringList &texts) {
        QTest::newRow(function) << QString::fromUtf8(function) << texts;
    };
    row("verify", {QStringLiteral("'three == 4' returned FALSE"), QStringLiteral("mustfail.cpp(@)")});
    row("verify2", {QStringLiteral("'false' returned FALSE. (the description)"), QStringLiteral("mustfail.cpp(@)")});
    row("compare",
        {QStringLiteral("Compared values are not the same"), QStringLiteral("Actual   (2 + 2): 4"),
         QStringLiteral("Expected (5)    : 5"), QStringLiteral("mustfail.cpp(@)")});
    row("compareInAChild", {QStringLiteral("\"should be\""), QStringLiteral("mustfail.cpp(@)")});
    row("compareInAService",
        {QStringLiteral("Actual   (1): 1"), QStringLiteral("Expected (2): 2"), QStringLiteral("mustfail.cpp(@)")});
    row("fail", {QStringLiteral("said so"), QStringLiteral("mustfail.cpp(@)")});
    row("throwsNothing", {QStringLiteral("threw nothing, expected: TimeoutError"), QStringLiteral("mustfail.cpp(@)")});
    row("throwsSomethingElse",
        {QStringLiteral("threw something else than TimeoutError"), QStringLiteral("the end"),
         QStringLiteral("mustfail.cpp(@)")});
    row("tryVerifyRunsOutOfTime", {QStringLiteral("'false' returned FALSE"), QStringLiteral("mustfail.cpp(@)")});
    row("tryCompareOnAClockThatStandsStill",
        {QStringLiteral("Compared values are not the same"), QStringLiteral("mustfail.cpp(@)")});
    row("anExceptionLeaves", {QStringLiteral("an exception left the test: "), QStringLiteral("out of paper")});
    row("rows",
        {QStringLiteral("FAIL!  : mustfail::rows(bad)"), QStringLiteral("PASS   : mustfail::rows(good)"),
         QStringLiteral("mustfail.cpp(@)")});
    row("noCheckpoint",
        {QStringLiteral("it asked whether it is cancelled but never let others run"),
         QStringLiteral("mustfail.cpp(@)")});
    // Whether the coroutine's own line comes first or the line of its caller is the compiler's choice of inlining. Clang
    // may give the frame of a call that it has inlined another line, or none.
    const QString frameCreated = QStringLiteral("a coroutine frame, created at mustfail");
#if defined(Q_CC_CLANG)
    const QString creator = frameCreated;
#else
    const QString creator = QStringLiteral("mustfail.cpp:@ (mustfail::");
#endif
    row("leakedFrame", {QStringLiteral("the test has left behind"), frameCreated, creator});
    row("leakedTask",
        {QStringLiteral("service forgotten runs, created at mustfail.cpp:@"),
         QStringLiteral("on forgotten: waits for nothing but cancellation at mustfail.cpp:")});
    row("leakedRequest", {QStringLiteral("request 42 is pending, created at mustfail.cpp:@")});
    row("leakedCall", {QStringLiteral("calls to busy that its loop has not taken")});
    row("interruptedOperationLeaks",
        {QStringLiteral("cancelled at suspension 1, the operation has left behind"), frameCreated, creator});
}

void tst_testcase::eachGuardFires()
{
    QFETCH(QString, function);
    QFETCH(QStringList, texts);
    const Outcome outcome = runMustFail(function);
    QVERIFY2(outcome.status == QProcess::NormalExit && outcome.code == 1, qPrintable(outcome.text));
    for (QString text : texts) {
        if (text.contains(u'@')) {
            const int line = lineOf(function);
            QVERIFY2(line > 0, qPrintable(function));
            text.replace(u'@', QString::number(line));
        }
        QVERIFY2(outcome.text.contains(text), qPrintable(QStringLiteral("no \"%1\" in\n%2").arg(text, outcome.text)));
    }
    QVERIFY2(!outcome.text.contains(QStringLiteral("not reached")), qPrintable(outcome.text));
}

void tst_testcase::theWatchdogPrintsTheTaskTree()
{
    const Outcome outcome = runMustFail(QStringLiteral("watchdog"));
    QVERIFY2(outcome.code == 1, qPrintable(outcome.text));
    for (const char *text : {"the test did not end within 150 ms", "main thread: has nothing to do",
                             "stuck: waits for nothing but cancellation", "mustfail.cpp:", "[group: 1 child"})
        QVERIFY2(outcome.text.contains(QString::fromUtf8(text)), qPrintable(outcome.text));
}

void tst_testcase::theWatchdogEndsABodyThatIgnoresCancellation()
{
    const Outcome outcome = runMustFail(QStringLiteral("watchdogOfABodyThatIgnoresCancellation"));
    QVERIFY2(outcome.code != 0 || outcome.status == QProcess::CrashExit, qPrintable(outcome.text));
    for (const char *text : {"the test did not end within 150 ms", "did not end by that either"})
        QVERIFY2(outcome.text.contains(QString::fromUtf8(text)), qPrintable(outcome.text));
}

void tst_testcase::aTestInATestIsMisuse()
{
    runTest([]() -> Task<> {
        auto empty = []() -> Task<> { co_return; };
        QMICROIO_VERIFY_THROWS(LogicError, runTest(empty));
        co_return;
    });
}

QTEST_GUILESS_MAIN(tst_testcase)
#include "tst_testcase.moc"
