// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/errors.h>
#include <qmicroio/servicegroup.h>

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QSemaphore>

#include <mutex>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;
using State = ServiceThread::State;

static_assert(std::is_same_v<decltype(std::declval<ServiceGroup &>().add(nullptr)), ServiceGroup &>);
static_assert(std::is_same_v<decltype(std::declval<ServiceGroup &>().start()), ServiceGroup &>);
static_assert(std::is_same_v<decltype(std::declval<ServiceGroup &>().waitStarted()), ServiceGroup &>);
static_assert(std::is_same_v<decltype(std::declval<ServiceGroup &>().stop()), ServiceGroup &>);
static_assert(std::is_same_v<decltype(std::declval<ServiceGroup &>().joinOrLog()), bool>);
static_assert(std::is_same_v<decltype(std::declval<ServiceGroup &>().stopJoin()), bool>);

namespace {

void serve(ServiceThread &service)
{
    service.started();
    service.scope().wait();
}

void neverReady(ServiceThread &service)
{
    service.scope().wait();
}

// Ready at once, deaf to stop(); ends when it is released.
class Stuck
{
public:
    explicit Stuck(const QString &name)
        : service(name, [this](ServiceThread &self) {
            self.started();
            m_release.acquire();
        })
    {
    }
    ~Stuck() { release(); }
    void release()
    {
        if (std::exchange(m_released, true))
            return;
        m_release.release();
        service.join();
    }

private:
    QSemaphore m_release;
    bool m_released = false;

public:
    ServiceThread service;
};

} // namespace

class TestServiceGroup : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    // B36
    void nullPointersAreSkippedAndCallsChain()
    {
        ServiceThread first(QStringLiteral("first"), serve);
        ServiceThread second(QStringLiteral("second"), serve);
        ServiceGroup group{nullptr, &first, nullptr};
        QCOMPARE(&group.add(nullptr).add(&second), &group);
        QCOMPARE(group.services(), (QList<ServiceThread *>{&first, &second}));
        QCOMPARE(&group.start().waitStarted().stop(QStringLiteral("all")), &group);
        QVERIFY(group.joinOrLog());
        QCOMPARE(first.scope().reason(), QStringLiteral("all"));
        QCOMPARE(second.scope().reason(), QStringLiteral("all"));
    }

    // B36
    void everyOperationOnAnEmptyGroupSucceeds()
    {
        ServiceGroup group;
        ServiceGroup nulls{nullptr, nullptr};
        for (ServiceGroup *empty : {&group, &nulls}) {
            QVERIFY(empty->services().isEmpty());
            empty->start().waitStarted(QDeadlineTimer(0)).stop();
            QVERIFY(empty->joinOrLog(QDeadlineTimer(0)));
            QVERIFY(empty->stopJoin(QDeadlineTimer(0)));
        }
    }

    void servicesStartInOrderAndStopInReverse()
    {
        std::mutex mutex;
        QStringList order;
        const auto note = [&](const QString &what) {
            const std::lock_guard lock(mutex);
            order += what;
        };
        ServiceThread first(QStringLiteral("first"), serve);
        ServiceThread second(QStringLiteral("second"), serve);
        for (ServiceThread *service : {&first, &second}) {
            connect(
                service, &ServiceThread::stateChanged, this,
                [service, note](State state) {
                    if (state == State::Starting)
                        note(QStringLiteral("start ") + service->name());
                },
                Qt::DirectConnection);
            // Not by the state: a service's own thread may be the one that tells of it, later.
            connect(
                &service->scope(), &CloseScope::closedChanged, this,
                [service, note] { note(QStringLiteral("stop ") + service->name()); }, Qt::DirectConnection);
        }
        ServiceGroup group{&first, &second};
        group.start().waitStarted();
        QVERIFY(group.stopJoin());
        QCOMPARE(order,
                 (QStringList{QStringLiteral("start first"), QStringLiteral("start second"),
                              QStringLiteral("stop second"), QStringLiteral("stop first")}));
    }

    // B37
    void oneDeadlineCoversAllThatAreWaitedFor()
    {
        // The first becomes ready when most of the time has gone; each of the others would have all of it again.
        ServiceThread late(QStringLiteral("late"), [](ServiceThread &self) {
            self.scope().wait(QDeadlineTimer(400));
            self.started();
            self.scope().wait();
        });
        ServiceThread second(QStringLiteral("second"), neverReady);
        ServiceThread third(QStringLiteral("third"), neverReady);
        ServiceGroup group{&late, &second, &third};
        group.start();
        QElapsedTimer clock;
        clock.start();
        const QString text = thrownText<TimeoutError>([&] { group.waitStarted(QDeadlineTimer(500)); });
        const qint64 elapsed = clock.elapsed();
        QVERIFY2(text.contains(QStringLiteral("second")), qPrintable(text));
        QVERIFY2(elapsed >= 499 && elapsed < 850, qPrintable(QString::number(elapsed)));
        // Nothing of the group is left running.
        for (ServiceThread *service : group.services())
            QCOMPARE(service->state(), State::Stopped);
    }

    // B38
    void aFailureAtStartUpStopsAndJoinsTheOthers()
    {
        ServiceThread first(QStringLiteral("first"), serve);
        ServiceThread second(QStringLiteral("second"), [](ServiceThread &) { throw std::out_of_range("boom"); });
        ServiceThread third(QStringLiteral("third"), serve);
        ServiceGroup group{&first, &second, &third};
        group.start();
        QString text;
        std::exception_ptr cause;
        State states[3] = {};
        try {
            group.waitStarted();
        } catch (const StartupError &error) {
            text = error.message();
            cause = error.cause();
            states[0] = first.state();
            states[1] = second.state();
            states[2] = third.state();
        }
        QVERIFY2(text.contains(QStringLiteral("second")), qPrintable(text));
        QVERIFY(holds<std::out_of_range>(cause, "boom"));
        QCOMPARE(states[0], State::Stopped);
        QCOMPARE(states[1], State::Failed);
        QCOMPARE(states[2], State::Stopped);
        QVERIFY2(first.scope().reason().contains(QStringLiteral("did not start")), qPrintable(first.scope().reason()));
    }

    // B39
    void everyServiceIsToldBeforeAnyIsWaitedFor()
    {
        Stuck stuck(QStringLiteral("stuck"));
        ServiceThread second(QStringLiteral("second"), serve);
        ServiceThread third(QStringLiteral("third"), serve);
        LogCapture log;
        // The stuck one first, and last as well: neither place may keep the others from being told and joined.
        for (ServiceGroup group : {ServiceGroup{&stuck.service, &second}, ServiceGroup{&third, &stuck.service}}) {
            for (ServiceThread *service : group.services()) {
                if (service->state() == State::Created)
                    service->start();
                if (service != &stuck.service)
                    service->waitStarted();
            }
            QVERIFY(!group.stopJoin(QDeadlineTimer(50)));
            QCOMPARE(stuck.service.state(), State::Stopping);
        }
        QVERIFY(second.join(QDeadlineTimer(0)));
        QVERIFY(third.join(QDeadlineTimer(30s)));
        QCOMPARE(second.state(), State::Stopped);
        const QStringList critical = log.texts(QtCriticalMsg);
        QVERIFY(critical.filter(QStringLiteral("stuck")).size() >= 1);
        QCOMPARE(critical.filter(QStringLiteral("second")).size(), qsizetype(0));
        stuck.release();
        QVERIFY((ServiceGroup{&stuck.service, &second, &third}.stopJoin()));
    }

    // B40
    void oneDeadlineCoversAllThatAreJoined()
    {
        Stuck first(QStringLiteral("first"));
        Stuck second(QStringLiteral("second"));
        Stuck third(QStringLiteral("third"));
        ServiceGroup group{&first.service, &second.service, &third.service};
        group.start().waitStarted();
        LogCapture log;
        QElapsedTimer clock;
        clock.start();
        QVERIFY(!group.stopJoin(QDeadlineTimer(200)));
        const qint64 elapsed = clock.elapsed();
        QVERIFY2(elapsed >= 199 && elapsed < 380, qPrintable(QString::number(elapsed)));
        QCOMPARE(log.texts(QtCriticalMsg).size(), qsizetype(3));
    }

    void startingAServiceTwiceLeavesTheEarlierOnesRunning()
    {
        ServiceThread first(QStringLiteral("first"), serve);
        ServiceThread twice(QStringLiteral("twice"), serve);
        twice.start();
        ServiceGroup group{&first, &twice};
        const QString text = thrownText<LogicError>([&] { group.start(); });
        QVERIFY2(text.contains(QStringLiteral("twice")), qPrintable(text));
        first.waitStarted();
        QCOMPARE(first.state(), State::Ready);
        QVERIFY(group.stopJoin());
    }

    void waitingBeforeStartIsRefusedAndHarmless()
    {
        ServiceThread service(QStringLiteral("idle"), serve);
        ServiceGroup group{&service};
        QVERIFY(throws<NotRunningError>([&] { group.waitStarted(QDeadlineTimer(0)); }));
        QCOMPARE(service.state(), State::Created);
        QVERIFY(group.joinOrLog());
    }
};

QTEST_GUILESS_MAIN(TestServiceGroup)
#include "tst_servicegroup.moc"
