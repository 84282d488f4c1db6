// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/errors.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/servicegroup.h>
#include <qmicroio/supervisor.h>

#include <QtCore/QSemaphore>
#include <QtTest/QTest>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;
using Health = SupervisedService::Health;
using State = ServiceThread::State;

static_assert(std::is_base_of_v<LoopServiceThread, Supervisor>);

namespace {

std::exception_ptr errorOf(const char *text)
{
    return std::make_exception_ptr(Error(text));
}

SupervisorOptions quick(RestartStrategy strategy = RestartStrategy::OneForOne)
{
    SupervisorOptions options;
    options.strategy = strategy;
    options.backOff = 0ms;
    return options;
}

class Echo : public LoopServiceThread
{
public:
    explicit Echo(const QString &name)
        : LoopServiceThread(name)
    {
        requests.closeWith(scope());
    }
    ~Echo() override
    {
        stop();
        join();
    }
    RequestRegistry<int, int> requests;
};

// What a supervisor told, by condition instead of by time.
class Told : public QObject
{
public:
    explicit Told(Supervisor &supervisor)
    {
        connect(
            &supervisor, &Supervisor::healthChanged, this,
            [this](const QString &name, Health health) { note(name + u':' + QString::number(int(health))); },
            Qt::DirectConnection);
        connect(
            &supervisor, &Supervisor::restarted, this,
            [this](const QString &name, int count) { note(name + u'#' + QString::number(count)); },
            Qt::DirectConnection);
        connect(
            &supervisor, &Supervisor::healthyChanged, this,
            [this](bool healthy) { note(healthy ? QStringLiteral("healthy") : QStringLiteral("unhealthy")); },
            Qt::DirectConnection);
        connect(
            &supervisor, &Supervisor::escalated, this, [this](const QString &) { note(QStringLiteral("escalated")); },
            Qt::DirectConnection);
    }
    // Waits until it was told `count` times.
    bool waitFor(const QString &what, int count = 1)
    {
        std::unique_lock lock(m_mutex);
        return m_more.wait_for(lock, 20s, [&] { return m_all.count(what) >= count; });
    }
    QStringList all() const
    {
        const std::lock_guard lock(m_mutex);
        return m_all;
    }

private:
    void note(const QString &what)
    {
        const std::lock_guard lock(m_mutex);
        m_all += what;
        m_more.notify_all();
    }
    mutable std::mutex m_mutex;
    std::condition_variable m_more;
    QStringList m_all;
};

QString text(const char *name, Health health)
{
    return QString::fromUtf8(name) + u':' + QString::number(int(health));
}

// A supervisor of services a, b and c that run.
struct Family
{
    explicit Family(const SupervisorOptions &options)
        : supervisor(QStringLiteral("family"), options)
    {
        for (const char *name : {"a", "b", "c"}) {
            const QString text = QString::fromUtf8(name);
            supervisor.add(text, [this, text] {
                const std::lock_guard lock(mutex);
                ++made[text];
                order += text;
                return std::make_unique<Echo>(text);
            });
        }
    }
    void start()
    {
        supervisor.start();
        supervisor.waitStarted(QDeadlineTimer(20s));
    }
    std::shared_ptr<Echo> at(const char *name) { return supervisor.service<Echo>(QString::fromUtf8(name)); }
    int madeOf(const char *name)
    {
        const std::lock_guard lock(mutex);
        return made[QString::fromUtf8(name)];
    }
    std::mutex mutex;
    std::map<QString, int> made;
    QStringList order;
    Supervisor supervisor;
};

} // namespace

class TestSupervisor : public QObject
{
    Q_OBJECT

    LogCapture *m_log = nullptr;

private Q_SLOTS:
    void init() { m_log = new LogCapture; } // failures are logged as warnings
    void cleanup() { delete std::exchange(m_log, nullptr); }

    void itIsReadyWhenAllServicesAreInTheirOrder()
    {
        Family family(quick());
        Told told(family.supervisor);
        QVERIFY(!family.supervisor.isHealthy());
        family.start();
        QVERIFY(family.supervisor.isHealthy());
        QCOMPARE(family.order, (QStringList{QStringLiteral("a"), QStringLiteral("b"), QStringLiteral("c")}));
        const QStringList all = told.all();
        QVERIFY(all.indexOf(text("a", Health::Ready)) < all.indexOf(text("b", Health::Starting)));
        QVERIFY(all.indexOf(text("b", Health::Ready)) < all.indexOf(text("c", Health::Starting)));
        const QList<SupervisedService> services = family.supervisor.services();
        QCOMPARE(services.size(), 3);
        QCOMPARE(services.at(1).name, QStringLiteral("b"));
        QCOMPARE(services.at(1).health, Health::Ready);
        const std::shared_ptr<Echo> b = family.at("b");
        family.supervisor.stop(QStringLiteral("enough"));
        QVERIFY(family.supervisor.join(QDeadlineTimer(20s)));
        QCOMPARE(family.supervisor.state(), State::Stopped);
        QCOMPARE(b->state(), State::Stopped);
        QCOMPARE(b->scope().reason(), QStringLiteral("enough"));
        QVERIFY(!family.supervisor.isHealthy());
    }

    // B503
    void oneForOneReplacesTheFailedServiceByAFreshOne()
    {
        Family family(quick());
        Told told(family.supervisor);
        family.start();
        const std::shared_ptr<Echo> a = family.at("a");
        const std::shared_ptr<Echo> old = family.at("b");
        const auto threadOf = [](Echo &echo) { return echo.callSync([] { return QThread::currentThread(); }); };
        QThread *const oldThread = threadOf(*old);
        old->fail(errorOf("broken"));
        QVERIFY(told.waitFor(QStringLiteral("b#1")));
        QVERIFY(told.waitFor(text("b", Health::Ready), 2));
        const std::shared_ptr<Echo> fresh = family.at("b");
        QVERIFY(fresh != old);
        QVERIFY(threadOf(*fresh) != oldThread); // the old object still holds its own
        QCOMPARE(family.at("a"), a);
        QCOMPARE(family.madeOf("a"), 1);
        QCOMPARE(family.madeOf("c"), 1);
        QCOMPARE(family.supervisor.restarts(), 1);
        QCOMPARE(family.supervisor.services().at(1).lastError, QStringLiteral("broken"));
        QVERIFY(told.waitFor(QStringLiteral("healthy"), 2));
        QVERIFY(throws<NotRunningError>([&] { old->callSync([] { }); }));
    }

    // B503
    void oneForAllReplacesEveryServiceInOrder()
    {
        Family family(quick(RestartStrategy::OneForAll));
        Told told(family.supervisor);
        family.start();
        const std::shared_ptr<Echo> a = family.at("a");
        const std::shared_ptr<Echo> c = family.at("c");
        family.at("b")->fail(errorOf("broken"));
        for (const char *name : {"a", "b", "c"})
            QVERIFY(told.waitFor(text(name, Health::Ready), 2));
        QCOMPARE(a->scope().reason(), QStringLiteral("restarted together with service b"));
        QCOMPARE(a->state(), State::Stopped);
        QCOMPARE(c->state(), State::Stopped);
        QCOMPARE(family.order.mid(3), (QStringList{QStringLiteral("a"), QStringLiteral("b"), QStringLiteral("c")}));
        const QStringList all = told.all();
        QVERIFY(all.indexOf(text("c", Health::Stopping)) < all.indexOf(text("a", Health::Stopping))); // last one first
    }

    // B503
    void restForOneReplacesThoseThatCameAfterIt()
    {
        Family family(quick(RestartStrategy::RestForOne));
        Told told(family.supervisor);
        family.start();
        const std::shared_ptr<Echo> a = family.at("a");
        family.at("b")->fail(errorOf("broken"));
        QVERIFY(told.waitFor(text("b", Health::Ready), 2));
        QVERIFY(told.waitFor(text("c", Health::Ready), 2));
        QCOMPARE(family.at("a"), a);
        QCOMPARE(family.madeOf("a"), 1);
        QCOMPARE(family.madeOf("b"), 2);
        QCOMPARE(family.madeOf("c"), 2);
    }

    // B503
    void howItEndedDecidesWhetherAServiceIsRestarted()
    {
        std::atomic<int> always = 0;
        std::atomic<int> onFailure = 0;
        std::atomic<int> never = 0;
        const auto shortLived = [](std::atomic<int> &count, bool fails) {
            return [&count, fails] {
                const int number = ++count;
                return std::make_unique<ServiceThread>(QStringLiteral("s"), [number, fails](ServiceThread &self) {
                    self.started();
                    if (number > 1)
                        self.scope().wait();
                    else if (fails)
                        throw Error("once");
                });
            };
        };
        Supervisor supervisor(QStringLiteral("s"), quick());
        supervisor.add(QStringLiteral("always"), shortLived(always, false), Restart::Always);
        supervisor.add(QStringLiteral("onFailure"), shortLived(onFailure, false), Restart::OnFailure);
        supervisor.add(QStringLiteral("never"), shortLived(never, true), Restart::Never);
        Told told(supervisor);
        supervisor.start();
        QVERIFY(told.waitFor(QStringLiteral("always#1")));
        QVERIFY(told.waitFor(text("onFailure", Health::Ended)));
        QVERIFY(told.waitFor(text("never", Health::Failed)));
        supervisor.stop();
        QVERIFY(supervisor.join(QDeadlineTimer(20s)));
        QCOMPARE(always.load(), 2);
        QCOMPARE(onFailure.load(), 1);
        QCOMPARE(never.load(), 1);
    }

    // B503
    void aSpentBudgetStopsEverythingAndFailsTheSupervisor()
    {
        SupervisorOptions options = quick();
        options.maxRestarts = 2;
        options.window = 1h;
        Family family(options);
        Told told(family.supervisor);
        family.start();
        const std::shared_ptr<Echo> a = family.at("a");
        for (int i = 1; i <= 3; ++i) {
            QVERIFY(told.waitFor(text("b", Health::Ready), i));
            family.at("b")->fail(errorOf("again"));
        }
        QVERIFY(family.supervisor.join(QDeadlineTimer(20s)));
        QCOMPARE(family.supervisor.state(), State::Failed);
        QVERIFY(told.all().contains(QStringLiteral("escalated")));
        QCOMPARE(a->state(), State::Stopped);
        try {
            std::rethrow_exception(family.supervisor.error());
        } catch (const BrokenResourceError &error) {
            QVERIFY2(error.message().contains(QStringLiteral("more than 2 restarts")), error.what());
            QVERIFY(holds<Error>(error.cause(), "again"));
        }
    }

    // B503
    void theBackOffGrowsWithEachFailureUpToTheLongest()
    {
        SupervisorOptions options;
        options.backOff = 100ms;
        options.backOffFactor = 2;
        options.longestBackOff = 500ms;
        QCOMPARE(options.delayAfter(0), 0ms);
        QCOMPARE(options.delayAfter(1), 100ms);
        QCOMPARE(options.delayAfter(2), 200ms);
        QCOMPARE(options.delayAfter(3), 400ms);
        QCOMPARE(options.delayAfter(4), 500ms);
        QCOMPARE(options.delayAfter(1000), 500ms);
        options.backOff = 0ms;
        QCOMPARE(options.delayAfter(7), 0ms);
    }

    void theBackOffIsWaitedAndAStopEndsIt()
    {
        SupervisorOptions options;
        options.backOff = 1h;
        options.longestBackOff = 1h;
        Family family(options);
        Told told(family.supervisor);
        family.start();
        family.at("a")->fail(errorOf("broken"));
        QVERIFY(told.waitFor(text("a", Health::Waiting)));
        const QString why = thrownText<NotRunningError>([&] { family.at("a"); });
        QVERIFY2(why.contains(QStringLiteral("it failed: broken")), qPrintable(why));
        // The others are looked after meanwhile.
        family.at("b")->fail(errorOf("broken too"));
        QVERIFY(told.waitFor(text("b", Health::Waiting)));
        QVERIFY(!family.supervisor.isHealthy());
        family.supervisor.stop();
        QVERIFY(family.supervisor.join(QDeadlineTimer(20s)));
        QCOMPARE(family.madeOf("a"), 1);
        QCOMPARE(family.supervisor.state(), State::Stopped);
    }

    // B504
    void pendingRequestsOfTheOldOneFailWithTheReason()
    {
        Family family(quick());
        Told told(family.supervisor);
        family.start();
        const std::shared_ptr<Echo> old = family.at("a");
        QSemaphore sent;
        std::exception_ptr seen;
        std::thread client([&] {
            try {
                old->requests.request(1, [&](ReplyHandle<int, int> &) { sent.release(); });
            } catch (...) {
                seen = std::current_exception();
            }
        });
        sent.acquire();
        old->fail(errorOf("the disk is gone"));
        client.join();
        QVERIFY(holds<Error>(seen, "the disk is gone"));
        QVERIFY(told.waitFor(text("a", Health::Ready), 2));
        const std::shared_ptr<Echo> fresh = family.at("a");
        fresh->stop(QStringLiteral("by hand")); // a clean end: with its reason
        const QString text = thrownText<ClosedResourceError>([&] { fresh->requests.registerRequest(1); });
        QVERIFY2(!text.startsWith(u'('), qPrintable(text));
    }

    // B504
    void aFactoryThatThrowsOrGivesNothingCountsAsAFailure()
    {
        std::atomic<int> made = 0;
        Supervisor supervisor(QStringLiteral("s"), quick());
        supervisor.add(QStringLiteral("late"), [&]() -> std::unique_ptr<ServiceThread> {
            switch (++made) {
            case 1:
                throw Error("no memory");
            case 2:
                return nullptr;
            default:
                return std::make_unique<Echo>(QStringLiteral("late"));
            }
        });
        supervisor.start();
        supervisor.waitStarted(QDeadlineTimer(20s));
        QCOMPARE(made.load(), 3);
        QVERIFY(supervisor.isHealthy());
    }

    void aSupervisorThatCannotStartItsServicesFailsItsWaiters()
    {
        SupervisorOptions options = quick();
        options.maxRestarts = 3;
        Supervisor supervisor(QStringLiteral("s"), options);
        supervisor.add(QStringLiteral("never"),
                       []() -> std::unique_ptr<ServiceThread> { throw Error("no such device"); });
        supervisor.start();
        const QString text = thrownText<StartupError>([&] { supervisor.waitStarted(QDeadlineTimer(20s)); });
        QVERIFY2(text.contains(QStringLiteral("no such device")), qPrintable(text));
    }

    // B503
    void supervisorsNestAndEscalateUpwards()
    {
        SupervisorOptions options = quick();
        options.maxRestarts = 0;
        std::atomic<int> inner = 0;
        std::shared_ptr<Supervisor> first;
        Supervisor outer(QStringLiteral("outer"), quick());
        outer.add(QStringLiteral("inner"), [&] {
            ++inner;
            auto made = std::make_unique<Supervisor>(QStringLiteral("inner"), options);
            made->add(QStringLiteral("leaf"), [] { return std::make_unique<Echo>(QStringLiteral("leaf")); });
            return made;
        });
        Told told(outer);
        outer.start();
        outer.waitStarted(QDeadlineTimer(20s));
        outer.service<Supervisor>(QStringLiteral("inner"))
            ->service(QStringLiteral("leaf"))
            ->fail(errorOf("leaf broke"));
        QVERIFY(told.waitFor(text("inner", Health::Ready), 2));
        QCOMPARE(inner.load(), 2);
        QVERIFY(outer.services().constFirst().lastError.contains(QStringLiteral("leaf broke")));
        outer.stop();
        QVERIFY(outer.join(QDeadlineTimer(20s)));
    }

    // B504
    void aServiceThatIsNotReadyInTimeIsReplaced()
    {
        SupervisorOptions options = quick();
        options.startTimeout = 5ms;
        std::atomic<int> made = 0;
        Supervisor supervisor(QStringLiteral("s"), options);
        supervisor.add(QStringLiteral("slow"), [&]() -> std::unique_ptr<ServiceThread> {
            if (++made == 1) {
                return std::make_unique<ServiceThread>(QStringLiteral("slow"),
                                                       [](ServiceThread &self) { self.scope().wait(); });
            }
            return std::make_unique<ServiceThread>(QStringLiteral("slow"), [](ServiceThread &self) {
                self.started();
                self.scope().wait();
            });
        });
        Told told(supervisor);
        supervisor.start();
        QVERIFY(told.waitFor(QStringLiteral("slow#1")));
        QVERIFY2(supervisor.services().constFirst().lastError.contains(QStringLiteral("not ready within 5 ms")),
                 qPrintable(supervisor.services().constFirst().lastError));
    }

    // B504
    void aServiceThatDoesNotEndIsLeftBehindAndReplaced()
    {
        SupervisorOptions options = quick(RestartStrategy::OneForAll);
        options.stopTimeout = 5ms;
        QSemaphore release;
        std::atomic<int> stuckMade = 0;
        {
            Supervisor supervisor(QStringLiteral("s"), options);
            supervisor.add(QStringLiteral("a"), [] { return std::make_unique<Echo>(QStringLiteral("a")); });
            supervisor.add(QStringLiteral("stuck"), [&]() -> std::unique_ptr<ServiceThread> {
                const bool first = ++stuckMade == 1;
                return std::make_unique<ServiceThread>(QStringLiteral("stuck"), [&release, first](ServiceThread &self) {
                    self.started();
                    if (first)
                        release.acquire(); // deaf to stop()
                    self.scope().wait();
                });
            });
            Told told(supervisor);
            supervisor.start();
            supervisor.waitStarted(QDeadlineTimer(20s));
            supervisor.service(QStringLiteral("a"))->fail(errorOf("broken"));
            QVERIFY(told.waitFor(text("stuck", Health::Ready), 2));
            QVERIFY(told.waitFor(text("a", Health::Ready), 2));
            QCOMPARE(stuckMade.load(), 2);
            QVERIFY(!m_log->texts(QtCriticalMsg).isEmpty());
            release.release();
        }
    }

    void misuseIsRefused()
    {
        Supervisor supervisor(QStringLiteral("s"), quick());
        const auto make = [] { return std::make_unique<Echo>(QStringLiteral("e")); };
        QVERIFY(throws<std::invalid_argument>([&] { supervisor.add(QStringLiteral("a"), {}); }));
        supervisor.add(QStringLiteral("a"), make);
        QVERIFY(throws<LogicError>([&] { supervisor.add(QStringLiteral("a"), make); }));
        QVERIFY(throws<LogicError>([&] { static_cast<void>(supervisor.service(QStringLiteral("b"))); }));
        QVERIFY(throws<NotRunningError>([&] { static_cast<void>(supervisor.service(QStringLiteral("a"))); }));
        supervisor.start();
        supervisor.waitStarted();
        QVERIFY(throws<LogicError>([&] { supervisor.add(QStringLiteral("b"), make); }));
        QVERIFY(throws<LogicError>([&] { static_cast<void>(supervisor.service<Supervisor>(QStringLiteral("a"))); }));
    }

    void destroyingItEndsEveryService()
    {
        std::weak_ptr<Echo> a;
        {
            Family family(quick());
            family.start();
            a = family.at("a");
        }
        QVERIFY(a.expired());
    }

    void aServiceGroupSupervisesTheServicesGivenAsFactories()
    {
        ServiceThread plain(QStringLiteral("plain"), [](ServiceThread &self) {
            self.started();
            self.scope().wait();
        });
        ServiceGroup group{&plain};
        QVERIFY(!group.supervisor());
        group.supervise(quick()).add(QStringLiteral("a"), [] { return std::make_unique<Echo>(QStringLiteral("a")); });
        group.add(QStringLiteral("b"), [] { return std::make_unique<Echo>(QStringLiteral("b")); });
        QVERIFY(throws<LogicError>([&] { group.supervise(quick()); }));
        Told told(*group.supervisor());
        group.start().waitStarted(QDeadlineTimer(20s));
        group.supervisor()->service(QStringLiteral("b"))->fail(errorOf("broken"));
        QVERIFY(told.waitFor(text("b", Health::Ready), 2));
        QVERIFY(group.stopJoin(QDeadlineTimer(20s)));
        QCOMPARE(plain.state(), State::Stopped);
        QCOMPARE(group.supervisor()->state(), State::Stopped);
    }
};

QTEST_MAIN(TestSupervisor)
#include "tst_supervisor.moc"
