// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/testcase.h>

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>

#include <atomic>
#include <memory>
#include <vector>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

class tst_virtualday : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void aHundredServicesWithTenThousandSleepersPassADay();
};

void tst_virtualday::aHundredServicesWithTenThousandSleepersPassADay()
{
    constexpr int Services = 100;
    constexpr int Sleepers = 100; // on each
    constexpr auto Day = 24h;
    QElapsedTimer real;
    real.start();
    TestOptions options;
    options.checkLeaks = false; // it would take longer than the day
    runTest(
        [&]() -> Task<> {
            const auto begin = QMicroIO::Test::now();
            std::vector<std::unique_ptr<LoopServiceThread>> services;
            std::vector<QFuture<void>> days;
            std::atomic<int> wakeUps = 0;
            std::atomic<int> wrong = 0;
            for (int number = 0; number < Services; ++number) {
                services.push_back(std::make_unique<LoopServiceThread>(QStringLiteral("service %1").arg(number)));
                services.back()->start();
                days.push_back(services.back()->submit([&, number]() -> Task<> {
                    co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
                        for (int sleeper = 0; sleeper < Sleepers; ++sleeper) {
                            // Some wake every six minutes, some once a day.
                            const std::chrono::minutes span(6 * (1 + (number * Sleepers + sleeper) % 240));
                            group.startSoon([&, span]() -> Task<> {
                                for (auto wake = begin + span; wake <= begin + Day; wake += span) {
                                    co_await sleepUntil(wake);
                                    ++wakeUps;
                                    if (QMicroIO::Test::now() != wake)
                                        ++wrong;
                                }
                            });
                        }
                        co_await group.untilEmpty();
                    });
                }));
            }
            for (QFuture<void> &day : days)
                co_await day;
            QMICROIO_COMPARE(QMicroIO::Test::now() - begin, Day);
            QMICROIO_COMPARE(wrong.load(), 0);
            QMICROIO_VERIFY(wakeUps > Services * Sleepers);
            for (const auto &service : services)
                service->stop();
            for (const auto &service : services)
                QMICROIO_VERIFY(service->join(1h));
        },
        options);
    const qint64 took = real.elapsed();
    qInfo("a virtual day took %lld ms", took);
#ifdef __OPTIMIZE__
    QVERIFY(took < 5000);
#endif
}

QTEST_GUILESS_MAIN(tst_virtualday)
#include "tst_virtualday.moc"
