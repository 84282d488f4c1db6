// SPDX-License-Identifier: Apache-2.0
#include "refusedthreads.h"
#include "servicetesting.h"

#include <qmicroio/errors.h>
#include <qmicroio/servicethread.h>

#include <QtTest/QTest>

#include <QtCore/QElapsedTimer>
#include <QtCore/QMetaEnum>
#include <QtCore/QSemaphore>
#include <QtCore/QThread>

#include <atomic>
#include <latch>
#include <thread>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;
using State = ServiceThread::State;

static_assert(std::is_base_of_v<QObject, ServiceThread>);
static_assert(!std::is_base_of_v<QThread, ServiceThread>);
static_assert(!std::is_copy_constructible_v<ServiceThread>);
static_assert(std::is_same_v<decltype(std::declval<ServiceThread &>().stop()), bool>);
static_assert(std::is_same_v<decltype(std::declval<ServiceThread &>().scope()), CloseScope &>);
static_assert(std::has_virtual_destructor_v<ServiceThread>);

namespace {

std::exception_ptr boom()
{
    return std::make_exception_ptr(std::out_of_range("boom"));
}

// Ready at once, then stays until it is stopped.
void serve(ServiceThread &service)
{
    service.started();
    service.scope().wait();
}

std::exception_ptr causeOf(ServiceThread &service)
{
    try {
        service.waitStarted();
    } catch (const StartupError &error) {
        return error.cause();
    }
    return nullptr;
}

// Every signal of a service in the order of its emission, whichever thread emits.
class SignalLog : public QObject
{
public:
    explicit SignalLog(ServiceThread &service)
    {
        connect(
            &service, &ServiceThread::stateChanged, this,
            [this](State state) { add(QString::fromUtf8(QMetaEnum::fromType<State>().valueToKey(int(state)))); },
            Qt::DirectConnection);
        connect(
            &service, &ServiceThread::ready, this, [this] { add(QStringLiteral("ready()")); }, Qt::DirectConnection);
        connect(
            &service, &ServiceThread::failed, this,
            [this](const QString &message) { add(QStringLiteral("failed(%1)").arg(message)); }, Qt::DirectConnection);
        connect(
            &service, &ServiceThread::stopped, this, [this] { add(QStringLiteral("stopped()")); },
            Qt::DirectConnection);
    }
    QString text() const
    {
        const std::lock_guard lock(m_mutex);
        return m_seen.join(u' ');
    }

private:
    void add(const QString &what)
    {
        const std::lock_guard lock(m_mutex);
        m_seen += what;
    }
    mutable std::mutex m_mutex;
    QStringList m_seen;
};

// A thread that waits for readiness and keeps what came of it.
class Parent
{
public:
    explicit Parent(ServiceThread &service)
        : m_thread([this, &service] {
            m_id = threadId();
            m_begun.count_down();
            m_text = thrownText<StartupError>([&] { service.waitStarted(); });
        })
    {
        m_begun.wait();
    }
    ~Parent() { result(); }
    long id() const { return m_id; }
    QString result()
    {
        if (m_thread.joinable())
            m_thread.join();
        return m_text;
    }

private:
    std::latch m_begun{1};
    std::atomic<long> m_id{0};
    QString m_text;
    std::thread m_thread;
};

class RefusesToStart : public ServiceThread
{
public:
    using ServiceThread::ServiceThread;
    bool refuse = true;

protected:
    void aboutToStart() override
    {
        if (refuse)
            throw LogicError("not yet");
    }
};

} // namespace

class TestServiceThread : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    // B9
    void startedLetsTheParentGoOn()
    {
        QThread *ranOn = nullptr;
        QString threadName;
        ServiceThread service(QStringLiteral("looper"), [&](ServiceThread &self) {
            ranOn = QThread::currentThread();
            threadName = ranOn->objectName();
            self.started();
            self.started();
            while (!self.scope().wait(QDeadlineTimer(1)))
                ;
        });
        QCOMPARE(service.state(), State::Created);
        service.start();
        service.waitStarted(QDeadlineTimer(30s));
        QCOMPARE(service.state(), State::Ready);
        service.started();
        QCOMPARE(service.state(), State::Ready);
        QVERIFY(service.stop());
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Stopped);
        QVERIFY(ranOn != QThread::currentThread());
        QCOMPARE(threadName, QStringLiteral("looper"));
        QVERIFY(!service.error());
        QVERIFY(service.errorString().isEmpty());
        QVERIFY(service.scope().isClosed());
        QVERIFY(!service.scope().isFailed());
        service.waitStarted(); // it was ready once; a clean stop does not change that
    }

    // B10
    void aFailureBeforeReadinessReachesTheParent()
    {
        const std::exception_ptr error = boom();
        ServiceThread service(QStringLiteral("broken one"), [&](ServiceThread &) { std::rethrow_exception(error); });
        SignalLog log(service);
        service.start();
        QString text;
        std::exception_ptr cause;
        bool scopeFailed = false;
        std::exception_ptr stored;
        try {
            service.waitStarted();
        } catch (const StartupError &startup) {
            // As soon as the parent knows, everything else is known as well.
            scopeFailed = service.scope().isFailed();
            stored = service.error();
            text = startup.message();
            cause = startup.cause();
        }
        QVERIFY2(text.contains(QStringLiteral("broken one")) && text.contains(QStringLiteral("boom")),
                 qPrintable(text));
        QCOMPARE(cause, error);
        QCOMPARE(stored, error);
        QVERIFY(scopeFailed);
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
        QCOMPARE(service.errorString(), QStringLiteral("boom"));
        QCOMPARE(service.scope().error(), error);
        QCOMPARE(service.scope().reason(), QStringLiteral("boom"));
        QCOMPARE(log.text(), QStringLiteral("Starting Failed failed(boom) stopped()"));
    }

    // B11
    void aFailureReachesAParentThatAlreadyWaits()
    {
        for (int round = 0; round < 30; ++round) {
            QSemaphore go;
            ServiceThread service(QStringLiteral("late"), [&](ServiceThread &) {
                go.acquire();
                throw std::out_of_range("boom");
            });
            service.start();
            Parent parent(service);
            waitUntilAsleep(parent.id());
            go.release();
            const QString result = parent.result();
            QVERIFY2(result.contains(QStringLiteral("boom")), qPrintable(result));
            QVERIFY(service.join());
        }
    }

    // B11
    void aFailureThatOvertakesReadinessIsNotReportedAsReady()
    {
        // Ready and failed before the parent had a chance to run: the failure is what it must hear of.
        for (int round = 0; round < 30; ++round) {
            QSemaphore go;
            ServiceThread service(QStringLiteral("flicker"), [&](ServiceThread &self) {
                go.acquire();
                self.started();
                self.fail(boom());
            });
            service.start();
            go.release();
            QVERIFY(service.join());
            QVERIFY(throws<StartupError>([&] { service.waitStarted(); }));
        }
    }

    // B12
    void returningWithoutStartedIsAStartupError()
    {
        ServiceThread service(QStringLiteral("hasty"), [](ServiceThread &) { });
        service.start();
        const QString text = thrownText<StartupError>([&] { service.waitStarted(); });
        QVERIFY2(text.contains(QStringLiteral("hasty")) && text.contains(QStringLiteral("started()")),
                 qPrintable(text));
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
        QVERIFY(service.scope().isFailed());
    }

    // B12
    void aStopBeforeReadinessIsAStartupErrorWithTheReason()
    {
        ServiceThread service(QStringLiteral("called off"), [](ServiceThread &self) { self.scope().wait(); });
        service.start();
        service.stop(QStringLiteral("changed my mind"));
        const QString text = thrownText<StartupError>([&] { service.waitStarted(); });
        QVERIFY2(text.contains(QStringLiteral("called off")) && text.contains(QStringLiteral("changed my mind")),
                 qPrintable(text));
        QVERIFY(!causeOf(service));
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Stopped);
        QVERIFY(!service.error());
        QVERIFY(throws<StartupError>([&] { service.waitStarted(); }));
    }

    // B12
    void startedAfterAStopHasNoEffect()
    {
        QSemaphore stopped;
        ServiceThread service(QStringLiteral("too late"), [&](ServiceThread &self) {
            stopped.acquire();
            self.started();
        });
        SignalLog log(service);
        service.start();
        service.stop(QStringLiteral("no"));
        stopped.release();
        QVERIFY(service.join());
        QVERIFY(throws<StartupError>([&] { service.waitStarted(); }));
        QCOMPARE(log.text(), QStringLiteral("Starting Stopping Stopped stopped()"));
    }

    // B13
    void aLateFailureShowsInTheNextWait()
    {
        QSemaphore go;
        ServiceThread service(QStringLiteral("worker"), [&](ServiceThread &self) {
            self.started();
            go.acquire();
            throw std::out_of_range("boom");
        });
        SignalLog log(service);
        service.start();
        service.waitStarted();
        QVERIFY(!service.error());
        go.release();
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
        QVERIFY(holds<std::out_of_range>(causeOf(service), "boom"));
        QCOMPARE(log.text(), QStringLiteral("Starting Ready ready() Failed failed(boom) stopped()"));
    }

    // B14
    void waitingForReadinessTimesOut()
    {
        QSemaphore go;
        ServiceThread service(QStringLiteral("slow starter"), [&](ServiceThread &self) {
            go.acquire();
            serve(self);
        });
        service.start();
        QElapsedTimer clock;
        clock.start();
        const QString text = thrownText<TimeoutError>([&] { service.waitStarted(QDeadlineTimer(30)); });
        QVERIFY(clock.elapsed() >= 29);
        QVERIFY2(text.contains(QStringLiteral("slow starter")), qPrintable(text));
        QCOMPARE(service.state(), State::Starting);
        QVERIFY(!service.scope().isClosed());
        go.release();
        service.waitStarted();
        service.stop();
        QVERIFY(service.join());
    }

    // B15
    void theFirstStopDecides()
    {
        ServiceThread service(QStringLiteral("s"), serve);
        service.start();
        service.waitStarted();
        QVERIFY(service.stop(QStringLiteral("why")));
        QCOMPARE(service.scope().reason(), QStringLiteral("why"));
        QVERIFY(!service.stop(QStringLiteral("other")));
        QCOMPARE(service.scope().reason(), QStringLiteral("why"));
        QVERIFY(service.join());
        QVERIFY(!service.stop());
    }

    // B15
    void aFailureKeepsItsReasonThroughALaterStop()
    {
        ServiceThread service(QStringLiteral("s"), [](ServiceThread &) { throw std::out_of_range("boom"); });
        service.start();
        QVERIFY(service.join());
        QVERIFY(!service.stop(QStringLiteral("why")));
        QCOMPARE(service.scope().reason(), QStringLiteral("boom"));
        QCOMPARE(service.state(), State::Failed);
    }

    // B15, B12
    void aStopBeforeStartIsRemembered()
    {
        bool closedAtFirstLook = false;
        ServiceThread service(QStringLiteral("stillborn"), [&](ServiceThread &self) {
            closedAtFirstLook = self.scope().isClosed();
            self.started();
        });
        SignalLog log(service);
        QVERIFY(service.stop(QStringLiteral("early")));
        service.start();
        const QString text = thrownText<StartupError>([&] { service.waitStarted(); });
        QVERIFY2(text.contains(QStringLiteral("early")), qPrintable(text));
        QVERIFY(service.join());
        QVERIFY(closedAtFirstLook);
        QCOMPARE(service.scope().reason(), QStringLiteral("early"));
        QCOMPARE(service.state(), State::Stopped);
        QCOMPARE(log.text(), QStringLiteral("Starting Stopping Stopped stopped()"));
    }

    // B16
    void aServiceWithNothingToRunFails()
    {
        ServiceThread bare(QStringLiteral("bare"));
        ServiceThread null(QStringLiteral("null"), std::function<void(ServiceThread &)>());
        for (ServiceThread *service : {&bare, &null}) {
            service->start();
            const std::exception_ptr cause = causeOf(*service);
            QVERIFY(cause);
            const QString text = thrownText<LogicError>([&] { std::rethrow_exception(cause); });
            QVERIFY2(text.contains(QStringLiteral("runService()")) && text.contains(service->name()), qPrintable(text));
            QVERIFY(service->join());
            QCOMPARE(service->state(), State::Failed);
        }
    }

    // B17
    void joinOrLogReportsAServiceThatDoesNotEnd()
    {
        QSemaphore release;
        ServiceThread service(QStringLiteral("stubborn"), [&](ServiceThread &self) {
            self.started();
            release.acquire();
        });
        service.start();
        service.waitStarted();
        service.stop(QStringLiteral("please"));
        LogCapture log;
        QElapsedTimer clock;
        clock.start();
        QVERIFY(!service.joinOrLog(QDeadlineTimer(30)));
        QVERIFY(clock.elapsed() >= 29);
        const QList<QString> critical = log.texts(QtCriticalMsg);
        QCOMPARE(critical.size(), qsizetype(1));
        for (const char *part : {"stubborn", "Stopping", "please", "target"})
            QVERIFY2(critical.front().contains(QString::fromUtf8(part)), qPrintable(critical.front()));
        release.release();
        QVERIFY(service.joinOrLog());
        QCOMPARE(log.count(), qsizetype(1));
    }

    // B18
    void joiningAServiceThatNeverStartedIsTrueAtOnce()
    {
        ServiceThread service(QStringLiteral("idle"), serve);
        LogCapture log;
        QVERIFY(service.join());
        QVERIFY(service.joinOrLog());
        QCOMPARE(log.count(), qsizetype(0));
        QVERIFY(throws<NotRunningError>([&] { service.waitStarted(); }));
        const QString text = thrownText<NotRunningError>([&] { service.waitStarted(QDeadlineTimer(0)); });
        QVERIFY2(text.contains(QStringLiteral("call start()")), qPrintable(text));
    }

    // B18
    void waitingForItselfIsMisuse()
    {
        QString join, joinOrLog, waitStarted;
        ServiceThread service(QStringLiteral("self"), [&](ServiceThread &self) {
            waitStarted = thrownText<LogicError>([&] { self.waitStarted(); });
            join = thrownText<LogicError>([&] { self.join(); });
            joinOrLog = thrownText<LogicError>([&] { self.joinOrLog(QDeadlineTimer(0)); });
            serve(self);
        });
        service.start();
        service.waitStarted();
        service.stop();
        QVERIFY(service.join());
        QVERIFY2(join.contains(QStringLiteral("stop()")) && join.contains(QStringLiteral("self")), qPrintable(join));
        QCOMPARE(joinOrLog, join);
        QVERIFY2(waitStarted.contains(QStringLiteral("own thread")), qPrintable(waitStarted));
        QVERIFY(!service.error());
    }

    // B18
    void startingTwiceIsMisuse()
    {
        ServiceThread service(QStringLiteral("once"), serve);
        service.start();
        const QString running = thrownText<LogicError>([&] { service.start(); });
        QVERIFY2(running.contains(QStringLiteral("once")) && running.contains(QStringLiteral("make a new one")),
                 qPrintable(running));
        service.waitStarted(); // the misuse has changed nothing
        service.stop();
        QVERIFY(service.join());
        QVERIFY(throws<LogicError>([&] { service.start(); }));
        QCOMPARE(service.state(), State::Stopped);
    }

    // B19
    void aFailureIsOnlyStoredUnlessReraiseIsOn()
    {
        std::exception_ptr handled;
        QString handledName;
        QThread *handledOn = nullptr;
        auto previous = ServiceThread::setUnhandledErrorHandler([&](ServiceThread &service, std::exception_ptr error) {
            handled = error;
            handledName = service.name();
            handledOn = QThread::currentThread();
        });
        const auto restore = qScopeGuard([&] { ServiceThread::setUnhandledErrorHandler(std::move(previous)); });
        LogCapture log;
        {
            ServiceThread quiet(QStringLiteral("quiet"), [](ServiceThread &) { throw std::out_of_range("boom"); });
            quiet.start();
            QVERIFY(quiet.join());
            QVERIFY(!handled);
            QVERIFY(quiet.error());
        }
        QThread *ranOn = nullptr;
        ServiceThread loud(QStringLiteral("loud"), [&](ServiceThread &) {
            ranOn = QThread::currentThread();
            throw std::out_of_range("boom");
        });
        loud.setReraise(true);
        loud.start();
        QVERIFY(loud.join());
        QCOMPARE(handled, loud.error());
        QCOMPARE(handledName, QStringLiteral("loud"));
        QCOMPARE(handledOn, ranOn);
        QCOMPARE(log.count(), qsizetype(0));
    }

    // B19
    void theDefaultHandlerLogsTheFailure()
    {
        LogCapture log;
        ServiceThread service(QStringLiteral("loud"), [](ServiceThread &) { throw std::out_of_range("boom"); });
        service.setReraise(true);
        service.start();
        QVERIFY(service.join());
        const QList<QString> critical = log.texts(QtCriticalMsg);
        QCOMPARE(critical.size(), qsizetype(1));
        QVERIFY2(critical.front().contains(QStringLiteral("loud")) && critical.front().contains(QStringLiteral("boom")),
                 qPrintable(critical.front()));
    }

    void everyWayOutWakesTheParents_data()
    {
        QTest::addColumn<QString>("how");
        QTest::newRow("return") << QStringLiteral("return");
        QTest::newRow("throw") << QStringLiteral("throw");
        QTest::newRow("throw no std::exception") << QStringLiteral("throw 42");
        QTest::newRow("fail") << QStringLiteral("fail");
        QTest::newRow("stop") << QStringLiteral("stop");
    }

    // B20
    void everyWayOutWakesTheParents()
    {
        QFETCH(QString, how);
        QSemaphore go;
        ServiceThread service(QStringLiteral("s"), [&](ServiceThread &self) {
            go.acquire();
            if (how == QStringLiteral("throw"))
                throw std::out_of_range("boom");
            if (how == QStringLiteral("throw 42"))
                throw 42;
            if (how == QStringLiteral("fail"))
                self.fail(boom());
        });
        SignalLog log(service);
        service.start();
        Parent first(service);
        Parent second(service);
        waitUntilAsleep(first.id());
        waitUntilAsleep(second.id());
        if (how == QStringLiteral("stop"))
            service.stop(QStringLiteral("why")); // the target still runs: readiness is decided all the same
        else
            go.release();
        for (Parent *parent : {&first, &second}) {
            const QString result = parent->result();
            QVERIFY2(result.startsWith(QStringLiteral("service s")), qPrintable(result));
        }
        go.release();
        QVERIFY(service.join());
        QCOMPARE(service.state(), how == QStringLiteral("stop") ? State::Stopped : State::Failed);
        QVERIFY(log.text().endsWith(QStringLiteral("stopped()")));
        QVERIFY(service.scope().isClosed());
    }

    void signalsComeInTheOrderOfTheChanges()
    {
        ServiceThread service(QStringLiteral("s"), serve);
        SignalLog log(service);
        service.start();
        service.waitStarted();
        service.stop();
        QVERIFY(service.join());
        QCOMPARE(log.text(), QStringLiteral("Starting Ready ready() Stopping Stopped stopped()"));
    }

    void failCallsForTheEndAndIsAnnouncedBeforeStopped()
    {
        ServiceThread service(QStringLiteral("s"), serve);
        SignalLog log(service);
        service.start();
        service.waitStarted();
        const std::exception_ptr error = boom();
        service.fail(error);
        service.fail(std::make_exception_ptr(std::runtime_error("second")));
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
        QCOMPARE(service.error(), error);
        QCOMPARE(service.scope().error(), error);
        const QString text = log.text();
        QCOMPARE(text, QStringLiteral("Starting Ready ready() failed(boom) Stopping Failed stopped()"));
        service.fail(error); // after the end: no effect
        QCOMPARE(log.text(), text);
    }

    void failingTheScopeIsFailingTheService()
    {
        ServiceThread service(QStringLiteral("s"), serve);
        SignalLog log(service);
        service.start();
        service.waitStarted();
        const std::exception_ptr error = boom();
        QVERIFY(service.scope().fail(error));
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
        QCOMPARE(service.error(), error);
        QCOMPARE(log.text(), QStringLiteral("Starting Ready ready() failed(boom) Stopping Failed stopped()"));
    }

    void aFailureAfterAStopIsStillAFailure()
    {
        ServiceThread service(QStringLiteral("s"), [](ServiceThread &self) {
            serve(self);
            throw std::out_of_range("boom");
        });
        service.start();
        service.waitStarted();
        service.stop(QStringLiteral("why"));
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
        QCOMPARE(service.scope().reason(), QStringLiteral("why"));
        QVERIFY(holds<std::out_of_range>(service.error(), "boom"));
    }

    void slotsRunWithNoLockHeld()
    {
        ServiceThread service(QStringLiteral("s"), serve);
        QStringList states;
        connect(
            &service, &ServiceThread::stateChanged, this,
            [&](State) {
                // Any method: what they find is at least as new as the change that is announced.
                states += service.errorString() + service.scope().reason();
                static_cast<void>(service.state());
            },
            Qt::DirectConnection);
        connect(
            &service, &ServiceThread::ready, this, [&] { service.stop(QStringLiteral("from the slot")); },
            Qt::DirectConnection);
        service.start();
        QVERIFY(service.join());
        QCOMPARE(service.scope().reason(), QStringLiteral("from the slot"));
        QCOMPARE(states.size(), qsizetype(4));
    }

    void aNullFailureIsRefused()
    {
        ServiceThread service(QStringLiteral("s"), serve);
        const QString text = thrownText<std::invalid_argument>([&] { service.fail(nullptr); });
        QVERIFY2(text.contains(QStringLiteral("stop()")), qPrintable(text));
        QCOMPARE(service.state(), State::Created);
        QVERIFY(!service.scope().isClosed());
    }

    void aFailureBeforeStartIsRemembered()
    {
        ServiceThread service(QStringLiteral("s"), [](ServiceThread &self) { self.scope().wait(); });
        service.fail(boom());
        service.start();
        QVERIFY(holds<std::out_of_range>(causeOf(service), "boom"));
        QVERIFY(service.join());
        QCOMPARE(service.state(), State::Failed);
    }

    void requestStopIsASlotForConnections()
    {
        ServiceThread first(QStringLiteral("first"), serve);
        ServiceThread second(QStringLiteral("second"), serve);
        connect(&first, &ServiceThread::stopped, &second, &ServiceThread::requestStop, Qt::DirectConnection);
        first.start();
        second.start();
        first.waitStarted();
        second.waitStarted();
        QVERIFY(QMetaObject::invokeMethod(&first, "requestStop"));
        QVERIFY(first.join());
        QVERIFY(second.join());
        QCOMPARE(first.scope().reason(), QStringLiteral("stop"));
        QCOMPARE(second.state(), State::Stopped);
    }

    void closingTheScopeIsStopping()
    {
        ServiceThread service(QStringLiteral("s"), serve);
        SignalLog log(service);
        service.start();
        service.waitStarted();
        QVERIFY(service.scope().close(QStringLiteral("closed")));
        QVERIFY(!service.stop());
        QVERIFY(service.join());
        QCOMPARE(log.text(), QStringLiteral("Starting Ready ready() Stopping Stopped stopped()"));
    }

    void propertiesShowStateNameAndError()
    {
        ServiceThread service(QStringLiteral("shown"), [](ServiceThread &) { throw std::out_of_range("boom"); });
        QCOMPARE(service.property("name"), QVariant(QStringLiteral("shown")));
        QCOMPARE(service.property("state").value<State>(), State::Created);
        QCOMPARE(service.property("errorString"), QVariant(QString()));
        service.start();
        QVERIFY(service.join());
        QCOMPARE(service.property("state").value<State>(), State::Failed);
        QCOMPARE(service.property("errorString"), QVariant(QStringLiteral("boom")));
    }

    void destroyingARunningServiceStopsJoinsAndLogs()
    {
        LogCapture log;
        std::atomic<bool> ended = false;
        QString reason;
        {
            ServiceThread service(QStringLiteral("orphan"), [&](ServiceThread &self) {
                serve(self);
                reason = self.scope().reason();
                // Runs on until it is reported, so that whoever destroys it does find it running.
                for (const QDeadlineTimer limit(30s); log.count() == 0 && !limit.hasExpired();)
                    std::this_thread::yield();
                ended = true;
            });
            service.start();
            service.waitStarted();
        }
        QVERIFY(ended);
        QVERIFY(!reason.isEmpty());
        const QList<QString> warnings = log.texts(QtWarningMsg);
        QCOMPARE(warnings.size(), qsizetype(1));
        QVERIFY2(warnings.front().contains(QStringLiteral("orphan")), qPrintable(warnings.front()));
        QCOMPARE(log.count(), qsizetype(1));
    }

    void destroyingAServiceThatDoesNotRunIsSilent()
    {
        LogCapture log;
        {
            ServiceThread neverStarted(QStringLiteral("a"), serve);
            ServiceThread stoppedAndJoined(QStringLiteral("b"), serve);
            stoppedAndJoined.start();
            stoppedAndJoined.waitStarted();
            stoppedAndJoined.stop();
            QVERIFY(stoppedAndJoined.join());
            ServiceThread endedByItself(QStringLiteral("c"), [](ServiceThread &self) { self.started(); });
            endedByItself.start();
            QVERIFY(endedByItself.join());
        }
        QCOMPARE(log.count(), qsizetype(0));
    }

    void aStartThatWasRefusedCanBeRepeated()
    {
        RefusesToStart service(QStringLiteral("later"), serve);
        QCOMPARE(thrownText<LogicError>([&] { service.start(); }), QStringLiteral("not yet"));
        QCOMPARE(service.state(), State::Created);
        QVERIFY(service.join());
        QVERIFY(throws<NotRunningError>([&] { service.waitStarted(QDeadlineTimer(0)); }));
        service.refuse = false;
        service.start();
        service.waitStarted();
        service.stop();
        QVERIFY(service.join());
    }

    void aThreadThatTheSystemRefusesIsAFailedService()
    {
#ifndef THREADS_CAN_BE_REFUSED
        QSKIP("the sanitizer has its own pthread_create()");
#else
        ServiceThread service(QStringLiteral("one too many"), serve);
        SignalLog log(service);
        {
            LogCapture fromQt;
            const ThreadsRefused refused;
            service.start();
        }
        const QString text = thrownText<StartupError>([&] { service.waitStarted(); });
        QVERIFY2(text.contains(QStringLiteral("one too many")) && text.contains(QStringLiteral("refused")),
                 qPrintable(text));
        QCOMPARE(service.state(), State::Failed);
        QVERIFY(service.scope().isFailed());
        QVERIFY(service.join());
        QVERIFY(log.text().endsWith(QStringLiteral("stopped()")));
        QVERIFY(!service.stop());
#endif
    }
};

QTEST_GUILESS_MAIN(TestServiceThread)
#include "tst_servicethread.moc"
