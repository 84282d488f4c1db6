// SPDX-License-Identifier: Apache-2.0
#include "retryingclient.h"

#include <qmicroio/test/test.h>

#include <QtTest/QTest>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

class tst_retryingclient : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    // snippet: first
    void anAnswerIsPassedOn()
    {
        runTest([]() -> Task<> {
            RetryingClient client([]() -> Task<QString> {
                co_await sleep(2s);
                co_return QStringLiteral("hello");
            });
            client.start();
            client.waitStarted(1s);
            QMICROIO_COMPARE(co_await client.submit([&] { return client.fetch(); }), QStringLiteral("hello"));
        });
    }
    // end of snippet

    // snippet: hour
    void aServerThatIsAwayForAnHourIsAskedLessAndLess()
    {
        runTest([]() -> Task<> {
            const auto begin = QMicroIO::Test::now();
            QList<qint64> attempts; // in seconds
            RetryingClient client([&]() -> Task<QString> {
                const auto time = QMicroIO::Test::now() - begin;
                attempts += std::chrono::duration_cast<std::chrono::seconds>(time).count();
                if (time < 1h)
                    throw BrokenResourceError(QStringLiteral("connection refused"));
                co_return QStringLiteral("back");
            });
            client.start();
            const QString answer = co_await client.submit([&] { return client.fetch(); });
            QMICROIO_COMPARE(answer, QStringLiteral("back"));
            QMICROIO_COMPARE(attempts.mid(0, 10), (QList<qint64>{0, 1, 3, 7, 15, 31, 63, 127, 255, 511}));
            QMICROIO_COMPARE(attempts.last(), 3811);
        });
    }
    // end of snippet

    // snippet: data
    void eachAttemptHasTenSeconds_data()
    {
        QTest::addColumn<int>("seconds");
        QTest::addColumn<int>("failures");
        QTest::newRow("in time") << 9 << 0;
        QTest::newRow("too late") << 11 << 3;
    }
    void eachAttemptHasTenSeconds()
    {
        QFETCH(int, seconds);
        QFETCH(int, failures);
        runTest([&]() -> Task<> {
            RetryingClient client([&]() -> Task<QString> {
                co_await sleep(std::chrono::seconds(seconds));
                co_return QStringLiteral("slow");
            });
            client.start();
            auto patient = [&]() -> Task<> { co_await client.submit([&] { return client.fetch(); }); };
            co_await moveOnAfter(40s, patient);
            QMICROIO_COMPARE(client.callSync([&] { return client.failures(); }), failures);
        });
    }
    // end of snippet

    // snippet: stop
    void stoppingEndsItInAnyPause()
    {
        runTest([]() -> Task<> {
            for (const auto pause : {500ms, 2000ms, 100000ms}) {
                RetryingClient client([]() -> Task<QString> {
                    co_await checkpoint();
                    throw BrokenResourceError(QStringLiteral("connection refused"));
                });
                client.start();
                QFuture<QString> answer = client.submit([&] { return client.fetch(); });
                co_await sleep(pause);
                client.stop();
                QMICROIO_VERIFY(client.join(1s));
                QMICROIO_VERIFY(answer.isCanceled());
            }
        });
    }
    // end of snippet

    // snippet: interrupter
    void fetchingCanBeCancelledAnywhere()
    {
        runTest([]() -> Task<> {
            int attempts = 0;
            RetryingClient client([&]() -> Task<QString> {
                co_await sleep(1s);
                if (++attempts % 3 != 0)
                    throw BrokenResourceError(QStringLiteral("connection refused"));
                co_return QStringLiteral("third time lucky");
            });
            client.start();
            client.waitStarted(1s); // what it creates to begin with is not the operation's
            auto cancelledEverywhere = [&]() -> Task<int> {
                auto fetch = [&]() -> Task<QString> {
                    attempts = 0;
                    return client.fetch();
                };
                return interruptAtEachStep(fetch);
            };
            // Three attempts and two pauses.
            QMICROIO_COMPARE(co_await client.submit(cancelledEverywhere), 5);
        });
    }
    // end of snippet

    // snippet: timer
    void itSaysHowThingsAreOnceAMinute()
    {
        VirtualClock clock;
        clock.setAutojump(0ms);
        clock.install();
        runTest([&]() -> Task<> {
            RetryingClient client([]() -> Task<QString> { co_return QString(); });
            Recorder recorder;
            recorder.watch(&client, &RetryingClient::alive, QStringLiteral("client"));
            client.start();
            client.waitStarted(1s);
            client.callSync([&] {
                clock.control(client.heartbeat());
                client.heartbeat()->start();
            });
            co_await sleep(150s);
            recorder.compare({QStringLiteral("60000 ms client: 0"), QStringLiteral("120000 ms client: 0")},
                             Recorder::Column::Time);
        });
    }
    // end of snippet
};

QTEST_GUILESS_MAIN(tst_retryingclient)
#include "tst_retryingclient.moc"
