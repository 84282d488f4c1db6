// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/diagnostics.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QCoreApplication>
#include <QtCore/QLoggingCategory>
#include <QtCore/QRegularExpression>
#include <QtCore/QSemaphore>

#include <thread>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

static_assert(std::is_copy_constructible_v<TaskTree> && std::is_move_constructible_v<TaskTree>);
static_assert(std::is_same_v<decltype(taskTree()), TaskTree>);
static_assert(std::is_same_v<decltype(std::declval<const LoopServiceThread &>().taskTree()), LoopInfo>);
static_assert(
    std::is_same_v<decltype(std::declval<const Cancelled &>().when()), std::chrono::steady_clock::time_point>);

namespace {

class Service : public LoopServiceThread
{
public:
    using Body = std::function<Task<>(Service &)>;
    explicit Service(const QString &name, Body body = {})
        : LoopServiceThread(name)
        , m_body(std::move(body))
    {
    }
    ~Service() override { stop(), join(); }
    using LoopServiceThread::started;

protected:
    Task<> runAsync() override
    {
        if (m_body)
            return m_body(*this);
        return LoopServiceThread::runAsync();
    }

private:
    Body m_body;
};

const LoopInfo *loopNamed(const TaskTree &tree, const QString &name)
{
    for (const LoopInfo &loop : tree.loops) {
        if (loop.name == name)
            return &loop;
    }
    return nullptr;
}

const TaskInfo *taskNamed(const std::vector<TaskInfo> &tasks, const QString &name)
{
    for (const TaskInfo &task : tasks) {
        if (task.name == name)
            return &task;
        for (const GroupInfo &group : task.groups) {
            if (const TaskInfo *found = taskNamed(group.children, name))
                return found;
        }
    }
    return nullptr;
}

// The own loop, looked at from inside of one of its tasks.
LoopInfo ownLoop()
{
    return *loopNamed(taskTree(), QStringLiteral("main thread"));
}

Task<> turns(int count)
{
    for (int i = 0; i < count; ++i)
        co_await checkpoint();
}

Task<TaskTree> offloaded()
{
    const auto ask = [] { return taskTree(QDeadlineTimer(5000)); };
    co_return co_await offload(ask);
}

Task<> sleepsForever()
{
    co_await sleepForever();
}

Task<> inner()
{
    co_await sleepForever();
}

Task<> middle()
{
    co_await inner();
}

Task<> outer()
{
    co_await middle();
}

// Of the debug messages about tasks, while it lives.
class DebugMessages
{
public:
    DebugMessages() { QLoggingCategory::setFilterRules(QStringLiteral("qmicroio.task.debug=true")); }
    ~DebugMessages() { QLoggingCategory::setFilterRules(QString()); }
    DebugMessages(const DebugMessages &) = delete;
    DebugMessages &operator=(const DebugMessages &) = delete;
    LogCapture log;
};

} // namespace

class tst_diagnostics : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void cleanup()
    {
        QCOMPARE(liveTaskFrames(), qsizetype(0));
        QCOMPARE(slowExitWarning(), 10000ms);
    }

    // ---- the tree

    // B125
    void aTaskShowsItsNameStateAndWhatItWaitsFor()
    {
        LoopInfo early;
        LoopInfo late;
        auto runs = [&]() -> Task<> {
            co_await turns(2);
            late = ownLoop();
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("sleeper")), sleepsForever);
            group.startSoon(TaskName(QStringLiteral("runner")), runs);
            early = ownLoop();
            co_await turns(5);
            group.cancel();
        };
        run(withTaskGroup(body));

        const TaskInfo *sleeper = taskNamed(early.tasks, QStringLiteral("sleeper"));
        QVERIFY(sleeper);
        QCOMPARE(int(sleeper->state), int(TaskInfo::State::NotBegun));
        QVERIFY(sleeper->awaitChain.empty() && sleeper->waitsFor.isEmpty());
        QCOMPARE(int(taskNamed(early.tasks, QStringLiteral("run"))->state), int(TaskInfo::State::Running));

        sleeper = taskNamed(late.tasks, QStringLiteral("sleeper"));
        QVERIFY(sleeper);
        QCOMPARE(int(sleeper->state), int(TaskInfo::State::Waiting));
        QCOMPARE(sleeper->waitsFor, QStringLiteral("nothing but cancellation"));
        QVERIFY(sleeper->site().file.endsWith(QStringLiteral("tst_diagnostics.cpp")));
        QVERIFY(sleeper->site().line > 0);
        QVERIFY2(sleeper->site().function.contains(QStringLiteral("sleepsForever")),
                 qPrintable(sleeper->site().function));
        QCOMPARE(int(taskNamed(late.tasks, QStringLiteral("runner"))->state), int(TaskInfo::State::Running));
        QCOMPARE(int(taskNamed(late.tasks, QStringLiteral("run"))->state), int(TaskInfo::State::Ready));
        QVERIFY(sleeper->id != 0 && sleeper->id != taskNamed(late.tasks, QStringLiteral("runner"))->id);
    }

    // B125
    void theChainOfAwaitsGoesDownToTheOneThatWaits()
    {
        LoopInfo loop;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("deep")), outer);
            co_await turns(2);
            loop = ownLoop();
            group.cancel();
        };
        run(withTaskGroup(body));
        const TaskInfo *deep = taskNamed(loop.tasks, QStringLiteral("deep"));
        QVERIFY(deep);
        QCOMPARE(deep->awaitChain.size(), std::size_t(3));
        QVERIFY2(deep->awaitChain[0].function.contains(QStringLiteral("outer")),
                 qPrintable(deep->awaitChain[0].function));
        QVERIFY2(deep->awaitChain[1].function.contains(QStringLiteral("middle")),
                 qPrintable(deep->awaitChain[1].function));
        QVERIFY2(deep->awaitChain[2].function.contains(QStringLiteral("inner")),
                 qPrintable(deep->awaitChain[2].function));
        QCOMPARE(deep->site().line, deep->awaitChain[2].line);
    }

    // B125
    void groupsStandUnderTheTaskThatOpenedThem()
    {
        LoopInfo inBody;
        LoopInfo atExit;
        auto looks = [&]() -> Task<> {
            co_await turns(4);
            atExit = ownLoop();
        };
        auto innerBody = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("grandchild")), sleepsForever);
            co_await turns(1);
            inBody = ownLoop();
            group.cancel(QStringLiteral("enough"));
        };
        auto host = [&]() -> Task<> { co_await withTaskGroup(innerBody); };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("host")), host);
            group.startSoon(looks);
            co_return;
        };
        run(withTaskGroup(body));

        QCOMPARE(inBody.taskCount(), qsizetype(4));
        QCOMPARE(inBody.tasks.size(), std::size_t(1));
        const TaskInfo &root = inBody.tasks.front();
        QCOMPARE(root.name, QStringLiteral("run"));
        QCOMPARE(root.groups.size(), std::size_t(1));
        QCOMPARE(int(root.groups[0].state), int(GroupInfo::State::Exit));
        QCOMPARE(root.groups[0].parentTask, QStringLiteral("run"));
        QCOMPARE(root.groups[0].children.size(), std::size_t(2));
        const TaskInfo &hostTask = root.groups[0].children[0];
        QCOMPARE(hostTask.name, QStringLiteral("host"));
        QCOMPARE(hostTask.groups.size(), std::size_t(1));
        QCOMPARE(int(hostTask.groups[0].state), int(GroupInfo::State::Body));
        QCOMPARE(hostTask.groups[0].parentTask, QStringLiteral("host"));
        QCOMPARE(hostTask.groups[0].children.size(), std::size_t(1));
        QCOMPARE(hostTask.groups[0].children[0].name, QStringLiteral("grandchild"));

        // The inner group has ended and is listed no more.
        QVERIFY(!taskNamed(atExit.tasks, QStringLiteral("grandchild")));
        QVERIFY2(atExit.toString().contains(QStringLiteral("waits for them to end")), qPrintable(atExit.toString()));
    }

    void anEmptyGroupIsListedToo()
    {
        LoopInfo loop;
        auto body = [&](TaskGroup &) -> Task<> {
            loop = ownLoop();
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(loop.tasks.front().groups.size(), std::size_t(1));
        QVERIFY(loop.tasks.front().groups[0].children.empty());
    }

    void scopesShowDeadlineShieldAndCancellation()
    {
        LoopInfo loop;
        LoopInfo cancelled;
        auto patient = []() -> Task<> { co_await moveOnAfter(1h, sleepsForever); };
        auto cleansUp = []() -> Task<> {
            const auto body = []() -> Task<> { co_await turns(6); };
            co_await shielded(body);
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("patient")), patient);
            group.startSoon(TaskName(QStringLiteral("cleaner")), cleansUp);
            co_await turns(2);
            loop = ownLoop();
            group.cancel(QStringLiteral("enough"));
            cancelled = ownLoop();
        };
        run(withTaskGroup(body));
        const TaskInfo *patientTask = taskNamed(loop.tasks, QStringLiteral("patient"));
        QVERIFY(patientTask && patientTask->scope.timeLeft);
        QVERIFY(*patientTask->scope.timeLeft > 50min && *patientTask->scope.timeLeft <= 1h);
        QVERIFY(!patientTask->scope.isCancelled && !patientTask->scope.isShielded);
        const TaskInfo *cleaner = taskNamed(loop.tasks, QStringLiteral("cleaner"));
        QVERIFY(cleaner->scope.isShielded && !cleaner->scope.timeLeft);

        patientTask = taskNamed(cancelled.tasks, QStringLiteral("patient"));
        QVERIFY(patientTask->scope.isCancelled);
        QCOMPARE(patientTask->scope.reason, QStringLiteral("enough"));
        QCOMPARE(patientTask->scope.origin, QStringLiteral("run"));
        QVERIFY(!taskNamed(cancelled.tasks, QStringLiteral("cleaner"))->scope.isCancelled);
        QVERIFY(cancelled.tasks.front().groups.front().scope.isCancelled);
        const QString text = cancelled.toString();
        QVERIFY2(text.contains(QStringLiteral("cancelled by run: enough")), qPrintable(text));
        QVERIFY2(text.contains(QStringLiteral("shielded")), qPrintable(text));
    }

    void ageCountsFromTheTurnInWhichATaskWasMade()
    {
        LoopInfo loop;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("old")), sleepsForever);
            co_await sleep(20ms);
            group.startSoon(TaskName(QStringLiteral("young")), sleepsForever);
            loop = ownLoop();
            group.cancel();
        };
        run(withTaskGroup(body));
        const TaskInfo *old = taskNamed(loop.tasks, QStringLiteral("old"));
        const TaskInfo *young = taskNamed(loop.tasks, QStringLiteral("young"));
        QVERIFY(old && young);
        QVERIFY(old->age >= 20ms && old->age < 1min);
        QVERIFY(young->age >= 0ns && young->age < old->age);
    }

    // B125
    void theTextIndentsByDepth()
    {
        QString text;
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("deep")), outer);
            co_await turns(2);
            text = ownLoop().toString();
            group.cancel();
        };
        run(withTaskGroup(body));
        const QRegularExpression expected(QStringLiteral(
            "\\Aloop of main thread: 2 tasks\n"
            "  run: running, last waited at tst_diagnostics\\.cpp:\\d+, age \\d+ ms\n"
            "    \\[group: 1 child\\]\n"
            "      deep: waits for nothing but cancellation at tst_diagnostics\\.cpp:\\d+ < tst_diagnostics\\.cpp:\\d+"
            " < tst_diagnostics\\.cpp:\\d+, age \\d+ ms\\z"));
        QVERIFY2(expected.match(text).hasMatch(), qPrintable(text));
    }

    // ---- other threads

    void everyLoopIsAskedFromAnyThread()
    {
        QSemaphore parked;
        Service service(QStringLiteral("pump"), [&](Service &self) -> Task<> {
            self.started();
            self.taskGroup().startSoon(TaskName(QStringLiteral("valve")), sleepsForever);
            co_await turns(2);
            parked.release();
            co_await sleepForever();
        });
        service.start();
        service.waitStarted();
        parked.acquire();
        service.callSync([] { });

        // From a thread without a loop, while this one's loop answers as well.
        const TaskTree tree = run(offloaded());
        QVERIFY(loopNamed(tree, QStringLiteral("main thread"))->answered);
        const LoopInfo *loop = loopNamed(tree, QStringLiteral("pump"));
        QVERIFY(loop);
        QVERIFY2(loop->answered && loop->isService, qPrintable(loop->toString()));
        QVERIFY(loop->tasks.empty());
        QCOMPARE(loop->groups.size(), std::size_t(1));
        QVERIFY(loop->groups[0].parentTask.isEmpty());
        QCOMPARE(loop->groups[0].children.size(), std::size_t(2));
        QCOMPARE(loop->groups[0].children[0].name, QStringLiteral("main"));
        QCOMPARE(loop->groups[0].children[1].name, QStringLiteral("valve"));
        QCOMPARE(int(loop->groups[0].children[1].state), int(TaskInfo::State::Waiting));
        QVERIFY(
            tree.toString().contains(QStringLiteral("service pump: 2 tasks\n  [root group: 2 children]\n    main: ")));

        const LoopInfo one = service.taskTree(QDeadlineTimer(5000));
        QCOMPARE(one.name, QStringLiteral("pump"));
        QCOMPARE(one.taskCount(), qsizetype(2));

        QVERIFY(service.stop() && service.join());
        QVERIFY(!loopNamed(taskTree(), QStringLiteral("pump")));
        QVERIFY(!service.taskTree().answered);
        QVERIFY2(service.taskTree().note.contains(QStringLiteral("does not run")), qPrintable(service.taskTree().note));
    }

    void aLoopThatDoesNotAnswerIsListedWithWhatIsKnown()
    {
        QSemaphore inside;
        QSemaphore goOn;
        Service service(QStringLiteral("busy"), [&](Service &self) -> Task<> {
            self.started();
            co_await checkpoint();
            inside.release();
            goOn.acquire();
        });
        service.start();
        inside.acquire();
        const TaskTree tree = taskTree(QDeadlineTimer(20));
        const LoopInfo one = service.taskTree(QDeadlineTimer(20));
        goOn.release();
        const LoopInfo *loop = loopNamed(tree, QStringLiteral("busy"));
        QVERIFY(loop);
        QVERIFY(!loop->answered && !one.answered);
        QVERIFY2(loop->note.contains(QStringLiteral("a task that last waited at tst_diagnostics.cpp:")),
                 qPrintable(loop->note));
        QVERIFY(loop->lastWait.file.endsWith(QStringLiteral("tst_diagnostics.cpp")));
        QVERIFY(tree.toString().contains(QStringLiteral("service busy: no answer, ")));
        QVERIFY(service.join());
    }

    void aLoopThatWaitsForTheOneThatAsksIsNotWaitedFor()
    {
        Service asker(QStringLiteral("asker"));
        Service blocked(QStringLiteral("blocked"));
        asker.start();
        blocked.start();
        asker.waitStarted();
        blocked.waitStarted();
        // With a wait for the one that asks this would never end.
        const TaskTree tree = blocked.callSync(
            [&] { return asker.callSync([] { return taskTree(QDeadlineTimer(QDeadlineTimer::Forever)); }); });
        const LoopInfo *loop = loopNamed(tree, QStringLiteral("blocked"));
        QVERIFY(loop);
        QVERIFY(!loop->answered);
        QVERIFY2(loop->note.contains(QStringLiteral("waits for the one that asks")), qPrintable(loop->note));
        QVERIFY(loopNamed(tree, QStringLiteral("asker"))->answered);
    }

    void askingWhileServicesComeAndGoIsSafe()
    {
        std::atomic<bool> stopAsking{false};
        std::thread asks([&] {
            while (!stopAsking)
                static_cast<void>(taskTree(QDeadlineTimer(5)).toString());
        });
        for (int i = 0; i < 30; ++i) {
            Service service(QStringLiteral("short"));
            service.start();
            service.waitStarted();
            service.submit(sleepsForever);
        }
        stopAsking = true;
        asks.join();
    }

    // B17
    void aJoinThatTimesOutPrintsTheTree()
    {
        QSemaphore parked;
        QSemaphore leave;
        const auto cleanUp = [&]() -> Task<> {
            co_await turns(1);
            parked.release();
            while (!leave.tryAcquire())
                co_await sleep(1ms);
        };
        const auto stubborn = [&]() -> Task<> { co_await shielded(cleanUp); };
        const auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("stubborn")), stubborn);
            co_return;
        };
        Service service(QStringLiteral("mill"), [&](Service &self) -> Task<> {
            self.started();
            co_await withTaskGroup(body);
        });
        service.start();
        parked.acquire();
        service.stop(QStringLiteral("closing time"));
        QString text;
        {
            LogCapture log;
            QVERIFY(!service.joinOrLog(QDeadlineTimer(10)));
            text = log.texts(QtCriticalMsg).value(0);
        }
        leave.release();
        QVERIFY(service.join());
        QVERIFY2(text.contains(QRegularExpression(QStringLiteral(
                     "\n  \\[root group: 1 child.*closing time\\]\n    main: waits for .*\n      \\[group: 1 child, "
                     "waits for "
                     "them to end.*closing time\\]\n        stubborn: .* at tst_diagnostics\\.cpp:\\d+.*shielded"))),
                 qPrintable(text));
    }

    // ---- a group that does not end

    void aCancelledGroupThatDoesNotEndSaysSoOnce_data()
    {
        QTest::addColumn<bool>("cancelledAtTheExit");
        QTest::newRow("cancelled before the exit") << false;
        QTest::newRow("cancelled at the exit") << true;
    }
    // B105
    void aCancelledGroupThatDoesNotEndSaysSoOnce()
    {
        QFETCH(const bool, cancelledAtTheExit);
        setSlowExitWarning(5ms);
        bool goOn = false;
        const auto cleanUp = [&]() -> Task<> {
            while (!goOn)
                co_await sleep(1ms);
        };
        const auto stubborn = [&]() -> Task<> { co_await shielded(cleanUp); };
        const auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("stubborn")), stubborn);
            co_await turns(2);
            if (!cancelledAtTheExit)
                group.cancel(QStringLiteral("enough"));
            else
                group.startSoon([group]() mutable { group.cancel(QStringLiteral("enough")); });
        };
        LogCapture log;
        const auto ends = [&]() -> Task<> {
            while (log.count() == 0)
                co_await sleep(1ms);
            co_await sleep(20ms);
            goOn = true;
        };
        const auto both = [&](TaskGroup &group) -> Task<> {
            group.startSoon(ends);
            co_await withTaskGroup(body);
        };
        run(withTaskGroup(both));
        setSlowExitWarning(10s);
        const QList<QString> warnings = log.texts(QtWarningMsg);
        QCOMPARE(warnings.size(), qsizetype(1));
        const QString text = warnings.front();
        QVERIFY2(
            text.contains(QStringLiteral("was cancelled (enough) and has waited for its children to end for 5 ms")),
            qPrintable(text));
        QVERIFY2(text.contains(QRegularExpression(QStringLiteral("\n +stubborn: .*tst_diagnostics\\.cpp:"))),
                 qPrintable(text));
    }

    void anExitThatNobodyCancelledMayTakeItsTime()
    {
        setSlowExitWarning(1ms);
        const auto slow = []() -> Task<> { co_await sleep(20ms); };
        const auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(slow);
            co_return;
        };
        LogCapture log;
        run(withTaskGroup(body));
        setSlowExitWarning(0ms);
        QCOMPARE(log.count(), qsizetype(0));

        // Turned off: not even a cancelled one warns.
        const auto stubborn = [&]() -> Task<> { co_await shielded(slow); };
        const auto cancelled = [&](TaskGroup &group) -> Task<> {
            group.startSoon(stubborn);
            co_await turns(2);
            group.cancel();
        };
        run(withTaskGroup(cancelled));
        setSlowExitWarning(10s);
        QCOMPARE(log.count(), qsizetype(0));
        const QString misuse = thrownText<std::invalid_argument>([] { setSlowExitWarning(-1ms); });
        QVERIFY2(misuse.contains(QStringLiteral("zero turns the warning off")), qPrintable(misuse));
    }

    // ---- what a Cancelled says

    // B87
    void cancelledSaysWhenAndThroughWhichScopes()
    {
        std::optional<Cancelled> seen;
        CancelScope scope;
        const auto waits = [&]() -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                seen = cancelled;
                throw;
            }
        };
        const auto child = [&]() -> Task<> { co_await moveOnAfter(1h, waits); };
        const auto group = [&](TaskGroup &children) -> Task<> {
            children.startSoon(child);
            co_await turns(2);
            scope.cancel(QStringLiteral("the user left"));
        };
        const auto region = [&]() -> Task<> { co_await withTaskGroup(group); };
        const auto root = [&]() -> Task<> { co_await scope.run(region); };
        const auto before = std::chrono::steady_clock::now();
        run(root());
        const auto after = std::chrono::steady_clock::now();

        QVERIFY(seen);
        QVERIFY(seen->when() >= before && seen->when() <= after);
        QCOMPARE(seen->path(), QStringLiteral("a region > a group > a region with a deadline"));
        const QRegularExpression expected(QStringLiteral(
            "\\Acancelled: the user left \\(request of run\\), \\d+ ms ago, through a region > a group > "
            "a region with a deadline\\z"));
        QVERIFY2(expected.match(seen->describe()).hasMatch(), qPrintable(seen->describe()));
    }

    // B87
    void theEndOfALoopExplainsItselfToo()
    {
        std::optional<Cancelled> seen;
        const auto before = std::chrono::steady_clock::now();
        const auto waits = [&]() -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                seen = cancelled;
            }
        };
        const auto root = [&]() -> Task<> { co_await moveOnAfter(1h, waits); };
        // A QCoro coroutine without an owner: the task that it awaits belongs to no group that would end it before.
        const auto detached = [&]() -> QCoro::Task<> { co_await root(); };
        std::thread other([&] {
            QEventLoop events;
            const auto task = detached();
            events.processEvents();
            detail::Loop::current()->close();
        });
        other.join();
        QVERIFY(seen);
        QCOMPARE(seen->cause(), Cancelled::Cause::LoopEnd);
        QCOMPARE(seen->path(), QStringLiteral("a region with a deadline"));
        QVERIFY(seen->when() >= before);
        QVERIFY2(seen->describe().contains(QStringLiteral("(end of the loop)")), qPrintable(seen->describe()));
        QVERIFY2(seen->reason().contains(QStringLiteral("event loop")), qPrintable(seen->reason()));
    }

    // B87
    void deadlineAndSiblingFailureAreToldApart()
    {
        QStringList seen;
        const auto waits = [&]() -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                seen += cancelled.describe().section(QStringLiteral(", "), 0, 0);
                seen += cancelled.path();
                throw;
            }
        };
        const auto timed = [&]() -> Task<> { co_await moveOnAfter(1ms, waits); };
        run(timed());
        const auto fails = []() -> Task<> {
            co_await turns(2);
            throw Error("disk full");
        };
        const auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("writer")), fails);
            group.startSoon(waits);
            co_return;
        };
        QVERIFY(throws<ExceptionGroup>([&] { run(withTaskGroup(body)); }));
        QCOMPARE(seen.value(0), QStringLiteral("cancelled: deadline passed (deadline)"));
        QCOMPARE(seen.value(1), QStringLiteral("a region with a deadline"));
        QCOMPARE(seen.value(2), QStringLiteral("cancelled: writer failed: disk full (failure of writer)"));
        QCOMPARE(seen.value(3), QStringLiteral("a group"));
    }

    // B87
    void aLongPathKeepsItsOuterEnd()
    {
        QString path;
        CancelScope scope;
        scope.setShielded(true);
        std::function<Task<>(int)> nest = [&](int depth) -> Task<> {
            if (depth > 0) {
                const auto deeper = [&, depth]() -> Task<> { return nest(depth - 1); };
                CancelScope region;
                co_await region.run(deeper);
                co_return;
            }
            scope.cancel();
            try {
                co_await checkpoint();
            } catch (const Cancelled &cancelled) {
                path = cancelled.path();
                throw;
            }
        };
        const auto root = [&]() -> Task<> {
            const auto body = [&]() -> Task<> { return nest(30); };
            co_await scope.run(body);
        };
        run(root());
        QVERIFY2(path.startsWith(QStringLiteral("a region with a shield > a region > ")), qPrintable(path));
        QVERIFY2(path.endsWith(QStringLiteral(" > ...")), qPrintable(path));
        QCOMPARE(path.count(u'>'), qsizetype(16));
    }

    // B87
    void oneMadeByHandKnowsNoScopes()
    {
        const Cancelled plain(QStringLiteral("no reason"));
        QCOMPARE(plain.when(), std::chrono::steady_clock::time_point());
        QCOMPARE(plain.path(), QString());
        QCOMPARE(plain.describe(), QStringLiteral("cancelled: no reason (request)"));
    }

    // B87
    void theLogTellsOfCancellationsWhenAsked()
    {
        const auto body = [](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("reader")), sleepsForever);
            co_await turns(2);
            group.cancel(QStringLiteral("enough"));
        };
        {
            LogCapture silent;
            run(withTaskGroup(body));
            QCOMPARE(silent.count(), qsizetype(0));
        }
        DebugMessages messages;
        run(withTaskGroup(body));
        const QList<QString> texts = messages.log.texts(QtDebugMsg);
        QCOMPARE(texts.size(), qsizetype(2));
        QVERIFY2(texts[0].contains(QStringLiteral("cancel of a group | cancelled: enough (request of run)")),
                 qPrintable(texts[0]));
        QVERIFY2(texts[1].contains(
                     QRegularExpression(QStringLiteral("reader: cancelled in its wait for nothing but cancellation at "
                                                       "tst_diagnostics\\.cpp:\\d+ \\| it ends"))),
                 qPrintable(texts[1]));
    }
};

QTEST_GUILESS_MAIN(tst_diagnostics)
#include "tst_diagnostics.moc"
