// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/checkpoints.h>
#include <qmicroio/test/testcase.h>

#include <QtTest/QTest>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

class tst_checkpoints : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    // B221
    void bothHalvesMakeACheckpoint();
    // B221
    void eitherHalfAloneFails();
    // B221
    void anErrorOfTheBodyPassesUnchecked();
    // B221
    void noCheckpointMayHappenWhereNoneIsAllowed();
    void assertionsNest();
};

void tst_checkpoints::bothHalvesMakeACheckpoint()
{
    runTest([]() -> Task<> {
        auto yields = []() -> Task<int> {
            co_await checkpoint();
            co_return 5;
        };
        QMICROIO_COMPARE(co_await assertCheckpoints(yields), 5);
        auto halves = []() -> Task<> {
            co_await checkpointIfCancelled();
            co_await cancelShieldedCheckpoint();
        };
        co_await assertCheckpoints(halves);
        auto sleeps = []() -> Task<> { co_await sleep(1h); };
        co_await assertCheckpoints(sleeps);
    });
}

void tst_checkpoints::eitherHalfAloneFails()
{
    runTest([]() -> Task<> {
        auto onlyAsks = []() -> Task<> { co_await checkpointIfCancelled(); };
        auto onlyYields = []() -> Task<> { co_await cancelShieldedCheckpoint(); };
        auto neither = []() -> Task<> { co_return; };
        QMICROIO_VERIFY_THROWS(CheckFailed, co_await assertCheckpoints(onlyAsks));
        QMICROIO_VERIFY_THROWS(CheckFailed, co_await assertCheckpoints(onlyYields));
        QMICROIO_VERIFY_THROWS(CheckFailed, co_await assertCheckpoints(neither));
    });
}

void tst_checkpoints::anErrorOfTheBodyPassesUnchecked()
{
    runTest([]() -> Task<> {
        auto fails = []() -> Task<> {
            throw EndOfStream(QStringLiteral("the end"));
            co_return;
        };
        QMICROIO_VERIFY_THROWS(EndOfStream, co_await assertCheckpoints(fails));
        auto failsLater = []() -> Task<> {
            co_await checkpoint();
            throw EndOfStream(QStringLiteral("the end"));
        };
        QMICROIO_VERIFY_THROWS(EndOfStream, co_await assertNoCheckpoints(failsLater));
    });
}

void tst_checkpoints::noCheckpointMayHappenWhereNoneIsAllowed()
{
    runTest([]() -> Task<> {
        auto asks = []() -> Task<> { co_await checkpointIfCancelled(); };
        auto yields = []() -> Task<> { co_await cancelShieldedCheckpoint(); };
        auto neither = []() -> Task<int> { co_return 1; };
        QMICROIO_VERIFY_THROWS(CheckFailed, co_await assertNoCheckpoints(asks));
        QMICROIO_VERIFY_THROWS(CheckFailed, co_await assertNoCheckpoints(yields));
        QMICROIO_COMPARE(co_await assertNoCheckpoints(neither), 1);
    });
}

void tst_checkpoints::assertionsNest()
{
    runTest([]() -> Task<> {
        auto outer = []() -> Task<> {
            co_await checkpoint();
            auto inner = []() -> Task<> { co_return; };
            co_await assertNoCheckpoints(inner);
        };
        co_await assertCheckpoints(outer);
        auto outside = []() -> Task<> {
            auto inside = []() -> Task<> { co_await checkpoint(); };
            co_await assertCheckpoints(inside);
        };
        co_await assertCheckpoints(outside);
    });
}

QTEST_GUILESS_MAIN(tst_checkpoints)
#include "tst_checkpoints.moc"
