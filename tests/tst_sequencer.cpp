// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/sequencer.h>
#include <qmicroio/test/testcase.h>

#include <QtTest/QTest>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<Sequencer>);

class tst_sequencer : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    // B220
    void pointsRunInTheirOrder();
    // B220
    void aPointClaimedTwiceIsMisuse();
    // B220
    void aStepThatFailsPassesTheTurnOn();
    // B220
    void aCancelledWaiterBreaksTheSequence();
    void waitersOfASequencerThatIsGoneGetAnError();
};

void tst_sequencer::pointsRunInTheirOrder()
{
    runTest([]() -> Task<> {
        QList<int> order;
        Sequencer sequence;
        auto claim = [&](QList<int> points) -> Task<> {
            for (const int point : points) {
                auto step = [&, point]() -> Task<> {
                    co_await checkpoint();
                    order += point;
                };
                co_await sequence.at(point, std::move(step));
            }
        };
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon(claim, QList<int>{1, 3, 4});
            group.startSoon(claim, QList<int>{0, 2});
            co_await group.untilEmpty();
        });
        QMICROIO_COMPARE(order, (QList<int>{0, 1, 2, 3, 4}));
        co_await sequence.at(5);
    });
}

void tst_sequencer::aPointClaimedTwiceIsMisuse()
{
    runTest([]() -> Task<> {
        Sequencer sequence;
        co_await sequence.at(0);
        QMICROIO_VERIFY_THROWS(LogicError, co_await sequence.at(0));
        QMICROIO_VERIFY_THROWS(LogicError, co_await sequence.at(-1));
        co_await sequence.at(1); // unharmed
    });
}

void tst_sequencer::aStepThatFailsPassesTheTurnOn()
{
    runTest([]() -> Task<> {
        Sequencer sequence;
        auto failing = []() -> Task<> {
            co_await checkpoint();
            throw EndOfStream(QStringLiteral("the end"));
        };
        QMICROIO_VERIFY_THROWS(EndOfStream, co_await sequence.at(0, failing));
        int ran = 0;
        co_await sequence.at(1, [&] { ++ran; });
        QMICROIO_COMPARE(ran, 1);
    });
}

void tst_sequencer::aCancelledWaiterBreaksTheSequence()
{
    runTest([]() -> Task<> {
        Sequencer sequence;
        CancelScope scope;
        int broken = 0;
        auto other = [&](int point) -> Task<> {
            try {
                co_await sequence.at(point);
            } catch (const BrokenResourceError &) {
                ++broken;
            }
        };
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon(other, 2);
            group.startSoon(other, 3);
            group.startSoon([&]() -> Task<> {
                auto body = [&]() -> Task<> { co_await sequence.at(1); };
                const bool completed = co_await scope.run(body);
                QMICROIO_VERIFY(!completed);
            });
            co_await waitAllTasksBlocked();
            QMICROIO_COMPARE(broken, 0);
            scope.cancel();
            co_await group.untilEmpty();
        });
        QMICROIO_COMPARE(broken, 2);
        QMICROIO_VERIFY_THROWS(BrokenResourceError, co_await sequence.at(0));
    });
}

void tst_sequencer::waitersOfASequencerThatIsGoneGetAnError()
{
    runTest([]() -> Task<> {
        auto sequence = std::make_unique<Sequencer>();
        bool broken = false;
        co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
            group.startSoon([&]() -> Task<> {
                try {
                    co_await sequence->at(1);
                } catch (const BrokenResourceError &) {
                    broken = true;
                }
            });
            co_await waitAllTasksBlocked();
            sequence.reset();
        });
        QMICROIO_VERIFY(broken);
    });
}

QTEST_GUILESS_MAIN(tst_sequencer)
#include "tst_sequencer.moc"
