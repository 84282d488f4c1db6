// SPDX-License-Identifier: Apache-2.0
//
// The matrix of waits must find what is wrong: it is run as a program with a fault planted in it.
#include <QtCore/QProcess>
#include <QtCore/QRegularExpression>
#include <QtTest/QTest>

class TestTorture : public QObject
{
    Q_OBJECT

    // Its output, and whether it ended with code 0.
    static QString torture(const QStringList &arguments, bool *passed)
    {
        QProcess program;
        program.setProcessChannelMode(QProcess::MergedChannels);
        program.start(QStringLiteral(TORTURE_PROGRAM), QStringList(QStringLiteral("matrix")) + arguments);
        if (!program.waitForFinished(60'000))
            program.kill();
        program.waitForFinished();
        *passed = program.exitStatus() == QProcess::NormalExit && program.exitCode() == 0;
        return QString::fromUtf8(program.readAll());
    }

private Q_SLOTS:
    // B513
    void aCellThatHangsIsNamedWithTheTasksThatWait()
    {
        bool passed = true;
        const QString output = torture({QStringLiteral("--plant"), QStringLiteral("hang"), QStringLiteral("--way"),
                                        QStringLiteral("stopped"), QStringLiteral("--limit"), QStringLiteral("2000"),
                                        QStringLiteral("--seeds"), QStringLiteral("1")},
                                       &passed);
        QVERIFY2(!passed, qPrintable(output));
        QVERIFY2(output.contains(QStringLiteral("HANGS: planted × stopped, seed 1\n")), qPrintable(output));
        // The service in which it hangs, and where in the source it waits for what.
        static const QRegularExpression waits(QStringLiteral("home[^$]*matrix\\.cpp:\\d+"));
        QVERIFY2(output.contains(waits), qPrintable(output));
        QVERIFY2(output.contains(QStringLiteral("nothing but cancellation")), qPrintable(output));
        QVERIFY2(!output.contains(QStringLiteral("wrong cells")), qPrintable(output));
    }

    // B513
    void aCellWithAnotherErrorThanTheDocumentedOneIsWrong()
    {
        bool passed = true;
        const QString output = torture({QStringLiteral("--plant"), QStringLiteral("wrong"), QStringLiteral("--way"),
                                        QStringLiteral("stopped"), QStringLiteral("--seeds"), QStringLiteral("1")},
                                       &passed);
        QVERIFY2(!passed, qPrintable(output));
        static const QRegularExpression line(
            QStringLiteral("planted +\\| stopped +\\| TimeoutError ×1  WRONG: seed 1; documented: value\n"));
        QVERIFY2(output.contains(line), qPrintable(output));
        QVERIFY2(output.contains(QStringLiteral("1 runs")) && output.contains(QStringLiteral("1 wrong cells")),
                 qPrintable(output));
    }

    // B513
    void aMatrixInWhichNothingRanIsNoSuccess()
    {
        bool passed = true;
        torture(
            {QStringLiteral("--row"), QStringLiteral("no such row"), QStringLiteral("--seeds"), QStringLiteral("1")},
            &passed);
        QVERIFY(!passed);
        const QString output = torture({QStringLiteral("--row"), QStringLiteral("receive"), QStringLiteral("--way"),
                                        QStringLiteral("stopped"), QStringLiteral("--seeds"), QStringLiteral("3")},
                                       &passed);
        QVERIFY2(passed, qPrintable(output));
        QVERIFY2(output.contains(QStringLiteral("3 runs")) && output.contains(QStringLiteral("0 wrong cells")),
                 qPrintable(output));
    }
};

QTEST_GUILESS_MAIN(TestTorture)
#include "tst_torture.moc"
