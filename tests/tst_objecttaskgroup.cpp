// SPDX-License-Identifier: Apache-2.0
#include "thrown.h"

#include <qmicroio/taskgroup.h>

#include <qmicroio/channel.h>
#include <qmicroio/closescope.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/wait.h>

#include <qcoro/qcorotimer.h>

#include <QtTest/QTest>

#include <QtCore/QByteArrayList>
#include <QtCore/QEventLoop>
#include <QtCore/QPromise>
#include <QtCore/QRegularExpression>
#include <QtCore/QSemaphore>
#include <QtCore/QTimer>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

using namespace QMicroIO;
using namespace std::chrono_literals;

static_assert(std::is_base_of_v<QObject, ObjectTaskGroup>);
static_assert(!std::is_convertible_v<QObject *, ObjectTaskGroup>);
static_assert(!std::is_copy_constructible_v<ObjectTaskGroup>);
static_assert(std::is_same_v<decltype(std::declval<ObjectTaskGroup &>().size()), qsizetype>);

namespace {

using Log = QByteArrayList;

// Says in the log when it dies: a local of a coroutine that is unwound.
class Guard
{
public:
    Guard(Log &log, QByteArray name)
        : m_log(log)
        , m_name(std::move(name))
    {
    }
    Guard(const Guard &) = delete;
    Guard &operator=(const Guard &) = delete;
    ~Guard() { m_log += m_name + " unwound"; }

private:
    Log &m_log;
    QByteArray m_name;
};

// Stands for a window: its own thread's loop runs its tasks, and it may die at any time.
class Window : public QObject
{
    Q_OBJECT
public:
    explicit Window(Log &log)
        : log(log)
        , title(std::make_unique<QByteArray>("title"))
        , tasks(this)
    {
    }
    ~Window() override { log += "~Window"; }

    // Uses the object behind each wait: a resumption after its death is a use after free.
    Task<> blink(std::chrono::milliseconds pause)
    {
        const Guard guard(log, "blink");
        for (;;) {
            co_await sleep(pause);
            title->append('.');
        }
    }

    Log &log;
    std::unique_ptr<QByteArray> title;
    ObjectTaskGroup tasks;

Q_SIGNALS:
    void clicked();
};

void passTurns(int count = 6)
{
    run([](int turns) -> Task<> {
        for (int i = 0; i < turns; ++i)
            co_await checkpoint();
    }(count));
}

// Runs the event loop until the condition holds; the test's own time limit is the only one.
void untilTrue(const std::function<bool()> &condition)
{
    while (!condition())
        QCoreApplication::processEvents();
}

QCoro::Task<> qcoroWait(QTimer *timer)
{
    co_await *timer;
}

} // namespace

class TestObjectTaskGroup : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // ---- the group as such

    void childrenOfEveryKindRunInALaterTurn()
    {
        Log log;
        QObject owner;
        ObjectTaskGroup tasks(&owner);
        tasks.startSoon([&log] { log += "plain"; });
        tasks.startSoon(
            [&log](QByteArray text) -> Task<> {
                co_await checkpoint();
                log += text;
            },
            QByteArray("task"));
        tasks.startSoon([&log]() -> QCoro::Task<> {
            log += "qcoro";
            co_return;
        });
        auto parcel = std::make_unique<int>(7);
        tasks.startSoon(
            TaskName(QStringLiteral("named")),
            [&log](std::unique_ptr<int> number) { log += QByteArray::number(*number); }, std::move(parcel));
        QCOMPARE(tasks.size(), 4);
        QVERIFY(log.isEmpty());
        passTurns();
        QCOMPARE(tasks.size(), 0);
        QCOMPARE(log, (Log{"plain", "qcoro", "7", "task"}));
    }

    void cancelEndsTheChildrenOfTheMomentAndTheGroupStaysUsable()
    {
        Log log;
        QObject owner;
        ObjectTaskGroup tasks(&owner);
        QVERIFY(!tasks.cancel());
        tasks.startSoon([&log]() -> Task<> {
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                log += cancelled.reason().toUtf8();
                throw;
            }
        });
        // A shield holds as in every group.
        bool mayEnd = false;
        tasks.startSoon([&log, &mayEnd]() -> Task<> {
            co_await shielded([&log, &mayEnd]() -> Task<> {
                while (!mayEnd)
                    co_await checkpoint();
                log += "shielded";
            });
        });
        passTurns(2);
        QVERIFY(tasks.cancel(QStringLiteral("button")));
        QVERIFY(!tasks.cancel(QStringLiteral("again")));
        tasks.startSoon([&log]() -> Task<> {
            co_await checkpoint();
            log += "new";
        });
        QCOMPARE(tasks.size(), 3);
        mayEnd = true;
        untilTrue([&tasks] { return tasks.size() == 0; });
        QCOMPARE(log.count("button"), 1);
        QCOMPARE(log.count("shielded"), 1);
        QCOMPARE(log.count("new"), 1);
    }

    void aFailureIsAnnouncedAndLoggedAndTheOthersGoOn()
    {
        QTest::ignoreMessage(QtCriticalMsg,
                             QRegularExpression(QStringLiteral("loader .*QObject 'main window'.*no disk")));
        Log log;
        QObject owner;
        owner.setObjectName(QStringLiteral("main window"));
        ObjectTaskGroup tasks(&owner);
        connect(&tasks, &ObjectTaskGroup::failed, &owner, [&log](const QString &text) { log += text.toUtf8(); });
        tasks.startSoon(TaskName(QStringLiteral("loader")), []() -> Task<> {
            co_await checkpoint();
            throw Error("no disk");
        });
        tasks.startSoon([&log]() -> Task<> {
            for (int i = 0; i < 4; ++i)
                co_await checkpoint();
            log += "sibling done";
        });
        passTurns(8);
        QCOMPARE(log, (Log{"no disk", "sibling done"}));
        QCOMPARE(tasks.size(), 0);
    }

    void anotherThreadIsRefusedWithAdvice()
    {
        QObject owner;
        ObjectTaskGroup tasks(&owner);
        QByteArray start;
        QByteArray cancel;
        QByteArray make;
        std::thread([&] {
            start = textOf<LogicError>([&] { tasks.startSoon([] { }); });
            cancel = textOf<LogicError>([&] { tasks.cancel(); });
            make = textOf<LogicError>([&] { const ObjectTaskGroup other(&owner); });
        }).join();
        QVERIFY2(start.contains("invokeMethod"), start.constData());
        QVERIFY2(cancel.contains("invokeMethod"), cancel.constData());
        QVERIFY2(make.contains("invokeMethod"), make.constData());
        QCOMPARE(tasks.size(), 0);
        QVERIFY_THROWS_EXCEPTION(std::invalid_argument, const ObjectTaskGroup none(nullptr));
    }

    void withoutItsOwnerTheGroupTakesNoChildren()
    {
        auto owner = std::make_unique<QObject>();
        ObjectTaskGroup tasks(owner.get());
        owner.reset();
        auto token = std::make_shared<int>();
        const QByteArray text = textOf<NotRunningError>([&] { tasks.startSoon([token] { }); });
        QVERIFY2(text.contains("owner"), text.constData());
        QCOMPARE(token.use_count(), 1L);
    }

    // ---- destruction at each kind of wait

    void destroyingTheOwnerUnwindsAMemberGroupFirst()
    {
        Log log;
        auto window = std::make_unique<Window>(log);
        window->tasks.startSoon(&Window::blink, window.get(), 1ms);
        window->tasks.startSoon(&Window::blink, window.get(), 1h);
        passTurns();
        window.reset();
        QCOMPARE(log, (Log{"~Window", "blink unwound", "blink unwound"}));
        QCOMPARE(liveTaskFrames(), 0);
    }

    void destroyingTheOwnerUnwindsAGroupThatOutlivesIt()
    {
        Log log;
        auto owner = std::make_unique<QObject>();
        ObjectTaskGroup tasks(owner.get());
        tasks.startSoon([&log]() -> Task<> {
            const Guard guard(log, "child");
            try {
                co_await sleepForever();
            } catch (const Cancelled &cancelled) {
                log += cancelled.reason().toUtf8();
                throw;
            }
        });
        passTurns(2);
        owner.reset();
        QCOMPARE(log, (Log{"the owner was destroyed", "child unwound"}));
        QCOMPARE(tasks.size(), 0);
    }

    void shieldsAreNotHonoured()
    {
        Log log;
        QObject owner;
        {
            ObjectTaskGroup tasks(&owner);
            tasks.startSoon([&log]() -> Task<> {
                const Guard guard(log, "outer");
                co_await shielded([&log]() -> Task<> {
                    const Guard inner(log, "inner");
                    co_await sleep(1h);
                    log += "not reached";
                });
                log += "not reached";
            });
            passTurns(3);
        }
        QCOMPARE(log, (Log{"inner unwound", "outer unwound"}));
    }

    void everyKindOfWaitIsLeft()
    {
        Log log;
        QObject owner;
        QObject sender;
        QTimer timer;
        timer.start(1h);
        Channel<int> channel = createChannel<int>();
        QPromise<int> promise;
        promise.start();
        CloseScope scope;
        RequestRegistry<int, int> registry;
        QSemaphore workerMayEnd;
        QSemaphore workerRuns;
        {
            ObjectTaskGroup tasks(&owner);
            const auto at = [&](QByteArray name, auto wait) {
                tasks.startSoon([&log, name, wait]() -> Task<> {
                    const Guard guard(log, name);
                    co_await wait();
                    log += name + " went on";
                });
            };
            at("sleep", []() -> Task<> { co_await sleep(1h); });
            at("receive", [&]() -> Task<> { co_await channel.receiver.receive(); });
            at("signal", [&]() -> Task<> { co_await nextSignal(&sender, &QObject::objectNameChanged); });
            at("timer", [&]() -> Task<> { co_await timer; });
            at("future", [&]() -> Task<> { co_await promise.future(); });
            at("closed", [&]() -> Task<> { co_await untilClosed(scope); });
            at("reply", [&]() -> Task<> {
                std::optional<ReplyHandle<int, int>> kept;
                const auto send = [&kept](const ReplyHandle<int, int> &handle) { kept = handle; };
                co_await registry.requestAsync(1, send);
            });
            at("offload", [&]() -> Task<> {
                const auto work = [&] {
                    workerRuns.release();
                    workerMayEnd.acquire();
                };
                co_await offload(work);
            });
            at("qcoro", [&]() -> Task<> { co_await qcoroWait(&timer); });
            at("group", []() -> Task<> {
                co_await withTaskGroup([](TaskGroup &group) -> Task<> {
                    group.startSoon([]() -> Task<> { co_await sleepForever(); });
                    co_await sleepForever();
                });
            });
            at("group exit", []() -> Task<> {
                co_await withTaskGroup([](TaskGroup &group) -> Task<> {
                    group.startSoon([]() -> Task<> { co_await sleepForever(); });
                    co_return;
                });
            });
            at("start", []() -> Task<> {
                co_await withTaskGroup([](TaskGroup &group) -> Task<> {
                    const auto never = [](TaskStatus<int> &) -> Task<> { co_await sleepForever(); };
                    co_await group.start<int>(never);
                });
            });
            at("swallows", []() -> Task<> {
                for (int i = 0; i < 3; ++i) {
                    try {
                        co_await sleepForever();
                    } catch (const Cancelled &) {
                    }
                }
                co_await sleepForever();
            });
            at("yields for ever", []() -> Task<> {
                for (;;)
                    co_await cancelShieldedCheckpoint();
            });
            tasks.startSoon([&log] { log += "begun too late"; });
            passTurns();
            log.clear(); // the plain function has run
            at("not begun", []() -> Task<> { co_await sleepForever(); });
            workerRuns.acquire();
        }
        std::sort(log.begin(), log.end());
        QCOMPARE(log,
                 (Log{"closed unwound", "future unwound", "group exit unwound", "group unwound", "offload unwound",
                      "qcoro unwound", "receive unwound", "reply unwound", "signal unwound", "sleep unwound",
                      "start unwound", "swallows unwound", "timer unwound", "yields for ever unwound"}));
        QCOMPARE(liveTaskFrames(), 0);
        // What could not be interrupted ends late, and nobody is there to hear of it.
        workerMayEnd.release();
        QThreadPool::globalInstance()->waitForDone();
        timer.start(0);
        promise.addResult(1);
        promise.finish();
        sender.setObjectName(QStringLiteral("x"));
        channel.sender.sendNowait(1);
        QCOMPARE(channel.receiver.drainNowait().size(), std::size_t(1));
        channel.sender.close();
        scope.close();
        passTurns();
        QCOMPARE(log.size(), 14);
    }

    void aChildWhoseWaitIsOverDoesNotGoOn()
    {
        Log log;
        QObject sender;
        auto window = std::make_unique<Window>(log);
        window->tasks.startSoon([&log, &sender]() -> Task<> {
            const Guard guard(log, "signal");
            co_await nextSignal(&sender, &QObject::objectNameChanged);
            log += "went on";
        });
        passTurns(2);
        sender.setObjectName(QStringLiteral("x")); // the child is about to go on
        window.reset();
        passTurns();
        QCOMPARE(log, (Log{"~Window", "signal unwound"}));
    }

    void aQCoroChildKeepsItsFunctionUntilItEndsByItself()
    {
        Log log;
        QObject owner;
        QTimer timer;
        timer.start(1h);
        auto token = std::make_shared<int>();
        {
            ObjectTaskGroup tasks(&owner);
            tasks.startSoon([&log, &timer, token]() -> QCoro::Task<> {
                co_await timer;
                log += QByteArray::number(*token);
            });
            passTurns(2);
            QCOMPARE(tasks.size(), 1);
        }
        QCOMPARE(token.use_count(), 2L);
        timer.start(0);
        untilTrue([&token] { return token.use_count() == 1; });
        QCOMPARE(log, (Log{"0"}));
    }

    // B88
    void aQCoroChildOfANestedGroupKeepsWhatItWasCalledWithToo()
    {
        Log log;
        QObject owner;
        QTimer timer;
        timer.start(1h);
        auto token = std::make_shared<int>();
        const auto waits = [&log, &timer, token](const std::shared_ptr<int> &argument) -> QCoro::Task<int> {
            co_await timer;
            log += QByteArray::number(*token + *argument);
            co_return 1;
        };
        const auto waitsReady = [&log, &timer, token](TaskStatus<> &status) -> QCoro::Task<> {
            status.started();
            co_await timer;
            log += QByteArray::number(*token);
        };
        const auto body = [&](TaskGroup &group) -> Task<> {
            const auto quiet = [waits](std::shared_ptr<int> argument) -> QCoro::Task<> { co_await waits(argument); };
            group.startSoon(quiet, token);
            const TaskHandle<int> handle = group.spawn(waits, token);
            auto started = group.start<void>(waitsReady);
            co_await std::move(started);
            co_await handle.result();
        };
        {
            ObjectTaskGroup tasks(&owner);
            tasks.startSoon([&body]() -> Task<> { co_await withTaskGroup(body); });
            passTurns(5);
            QCOMPARE(tasks.size(), 1);
        }
        QCOMPARE(liveTaskFrames(), 0);
        timer.start(0);
        untilTrue([&log] { return log.size() == 3; });
        QCOMPARE(log, (Log{"0", "0", "0"}));
        untilTrue([&token] { return token.use_count() == 3; }); // here and in the two functions of this test
    }

    // ---- destruction from where it hurts

    void aChildMayDestroyTheOwner()
    {
        Log log;
        auto window = std::make_unique<Window>(log);
        window->tasks.startSoon(&Window::blink, window.get(), 1h);
        window->tasks.startSoon([&log, &window]() -> Task<> {
            const Guard guard(log, "killer");
            co_await checkpoint();
            window.reset();
            log += "after";
            try {
                co_await sleep(1h);
            } catch (const Cancelled &) {
                log += "cancelled";
                throw;
            }
        });
        passTurns();
        QVERIFY(!window);
        QCOMPARE(log, (Log{"~Window", "blink unwound", "after", "cancelled", "killer unwound"}));
    }

    void aPlainChildMayDestroyTheOwner()
    {
        Log log;
        auto window = std::make_unique<Window>(log);
        window->tasks.startSoon(&Window::blink, window.get(), 1h);
        window->tasks.startSoon([token = std::make_shared<int>(3), &log, &window] {
            window.reset();
            log += QByteArray::number(*token);
        });
        passTurns();
        QCOMPARE(log, (Log{"~Window", "blink unwound", "3"}));
    }

    void aGrandchildMayDestroyTheOwner()
    {
        Log log;
        auto window = std::make_unique<Window>(log);
        window->tasks.startSoon([&log, &window]() -> Task<> {
            const Guard host(log, "host");
            co_await withTaskGroup([&](TaskGroup &group) -> Task<> {
                group.startSoon([&log]() -> Task<> {
                    const Guard guard(log, "sibling");
                    for (;;)
                        co_await cancelShieldedCheckpoint();
                });
                group.startSoon([&log, &window]() -> Task<> {
                    const Guard guard(log, "killer");
                    co_await checkpoint();
                    window.reset();
                    co_await checkpoint();
                    log += "not reached";
                });
                co_return;
            });
            log += "not reached";
        });
        passTurns(8);
        QCOMPARE(log, (Log{"~Window", "sibling unwound", "killer unwound", "host unwound"}));
    }

    void aSlotOfASignalMayDestroyTheOwner()
    {
        Log log;
        auto window = std::make_unique<Window>(log);
        window->tasks.startSoon(
            [&log](Window *self) -> Task<> {
                const Guard guard(log, "waiting");
                for (;;) {
                    co_await nextSignal(self, &Window::clicked);
                    self->title->append('!');
                }
            },
            window.get());
        passTurns(2);
        connect(window.get(), &Window::clicked, this, [&window] { window.reset(); });
        Q_EMIT window->clicked();
        passTurns();
        QCOMPARE(log, (Log{"~Window", "waiting unwound"}));
    }

    void theSlotOfAFailureMayDestroyTheOwner()
    {
        QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("Window.*failed: bad")));
        Log log;
        auto window = std::make_unique<Window>(log);
        connect(&window->tasks, &ObjectTaskGroup::failed, this, [&window] { window.reset(); });
        window->tasks.startSoon(&Window::blink, window.get(), 1h);
        window->tasks.startSoon([]() -> Task<> {
            co_await checkpoint();
            throw Error("bad");
        });
        passTurns();
        QVERIFY(!window);
        QCOMPARE(log, (Log{"~Window", "blink unwound"}));
    }

    void aNestedEventLoopOfAChildMayDestroyTheOwner()
    {
        Log log;
        auto window = std::make_unique<Window>(log);
        window->tasks.startSoon(&Window::blink, window.get(), 1h);
        window->tasks.startSoon([&log, &window]() -> Task<> {
            const Guard guard(log, "dialog");
            QEventLoop dialog;
            QTimer::singleShot(0, &dialog, [&] {
                window.reset();
                dialog.quit();
            });
            dialog.exec();
            log += "closed";
            co_await checkpoint();
            log += "not reached";
        });
        passTurns();
        QCOMPARE(log, (Log{"~Window", "blink unwound", "closed", "dialog unwound"}));
    }

    void destructorsOfLocalsMayDestroyTheGroup()
    {
        Log log;
        auto window = std::make_unique<Window>(log);
        window->tasks.startSoon(&Window::blink, window.get(), 1h);
        window->tasks.startSoon([&window]() -> Task<> {
            const auto last = qScopeGuard([&window] { window.reset(); });
            co_await checkpoint();
        });
        passTurns();
        QCOMPARE(log, (Log{"~Window", "blink unwound"}));
    }

    void aFailureWhileUnwindingIsLoggedOnly()
    {
        QTest::ignoreMessage(QtCriticalMsg, QRegularExpression(QStringLiteral("failed: late")));
        Log log;
        QObject owner;
        {
            ObjectTaskGroup tasks(&owner);
            connect(&tasks, &ObjectTaskGroup::failed, &owner, [&log] { log += "announced"; });
            tasks.startSoon([]() -> Task<> {
                try {
                    co_await sleepForever();
                } catch (const Cancelled &) {
                }
                throw Error("late");
            });
            passTurns(2);
        }
        QVERIFY(log.isEmpty());
    }

    void manyChildrenAreUnwoundInOneGo()
    {
        QObject owner;
        int unwound = 0;
        {
            ObjectTaskGroup tasks(&owner);
            for (int i = 0; i < 5000; ++i) {
                tasks.startSoon([&unwound]() -> Task<> {
                    const auto count = qScopeGuard([&unwound] { ++unwound; });
                    co_await sleepForever();
                });
            }
            untilTrue([&tasks] { return liveTaskFrames() >= tasks.size(); });
        }
        QCOMPARE(unwound, 5000);
    }
};

QTEST_GUILESS_MAIN(TestObjectTaskGroup)
#include "tst_objecttaskgroup.moc"
