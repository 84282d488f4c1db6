// SPDX-License-Identifier: Apache-2.0

#include <qmicroio/test/test.h>

#include <QtTest/QTest>

class ConsumerTest : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void anHourPasses()
    {
        QMicroIO::Test::runTest([]() -> QMicroIO::Task<> {
            const auto begin = QMicroIO::Test::now();
            co_await QMicroIO::sleep(std::chrono::hours(1));
            QMICROIO_COMPARE(QMicroIO::Test::now() - begin, std::chrono::hours(1));
        });
    }
};

QTEST_GUILESS_MAIN(ConsumerTest)
#include "test.moc"
