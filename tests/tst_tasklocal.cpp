// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>
#include <qmicroio/diagnostics.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/tasklocal.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>
#include <QtCore/QSemaphore>

#include <memory>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

template<class F>
QString textOf(F &&call)
{
    try {
        call();
    } catch (const LogicError &error) {
        return error.message();
    } catch (...) {
    }
    return {};
}

// Started and ready; stopped and joined at the end.
class Running : public LoopServiceThread
{
public:
    Running()
        : LoopServiceThread(QStringLiteral("elsewhere"))
    {
        start();
        waitStarted();
    }
    ~Running() override
    {
        stop();
        join();
    }
};

} // namespace

class TestTaskLocal : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B204
    void aTaskBeginsWithTheValuesOfItsStarterAndKeepsItsOwn()
    {
        const TaskLocal<QString> user(QStringLiteral("nobody"));
        QStringList seen;
        auto grandchild = [&]() -> Task<> {
            seen += QStringLiteral("grandchild ") + user.get();
            co_return;
        };
        auto child = [&](TaskGroup group) -> Task<> {
            seen += QStringLiteral("child ") + user.get();
            user.set(QStringLiteral("child's own"));
            group.startSoon(grandchild);
            co_await checkpoint();
            seen += QStringLiteral("later ") + user.get();
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            seen += QStringLiteral("before ") + user.get();
            user.set(QStringLiteral("host"));
            group.startSoon(child, group);
            user.set(QStringLiteral("changed after the start"));
            co_await group.untilEmpty();
            seen += QStringLiteral("after ") + user.get();
        };
        run(withTaskGroup(body));
        QCOMPARE(seen,
                 (QStringList{QStringLiteral("before nobody"), QStringLiteral("child host"),
                              QStringLiteral("grandchild child's own"), QStringLiteral("later child's own"),
                              QStringLiteral("after changed after the start")}));
        QCOMPARE(user.get(), QStringLiteral("nobody"));
    }

    // B204
    void whatIsCalledElsewhereSeesTheCallersValuesAndKeepsItsChanges()
    {
        const TaskLocal<int> number(1);
        Running service;
        QList<int> seen;
        QSemaphore ran;
        auto look = [&] {
            const int before = number.get();
            number.set(100);
            return before * 1000 + number.get();
        };
        auto lookLater = [&]() -> Task<int> {
            const int before = number.get();
            number.set(100);
            co_await checkpoint();
            co_return before * 1000 + number.get();
        };
        auto lookSoon = [&] {
            seen += look();
            ran.release();
        };
        auto caller = [&]() -> Task<> {
            number.set(5);
            seen += service.callSync(look);
            seen += service.callSync(look, QDeadlineTimer(60s));
            service.callSoon(lookSoon);
            ran.acquire();
            seen += co_await service.submit(lookLater);
            seen += co_await service.submit(look);
            seen += co_await offload(look);
            seen += number.get();
        };
        run(caller());
        QCOMPARE(seen, (QList<int>{5100, 5100, 5100, 5100, 5100, 5100, 5}));
        QCOMPARE(service.callSync([&] { return number.get(); }), 1);
    }

    // B204
    void aCallToTheLoopsOwnThreadGivesNoChangesBackEither()
    {
        const TaskLocal<int> number(1);
        Running service;
        int inside = 0;
        auto change = [&] {
            inside = number.get();
            number.set(7);
        };
        auto caller = [&]() -> Task<int> {
            number.set(5);
            service.callSync(change); // runs inline
            co_return number.get();
        };
        QCOMPARE(service.submit(caller).result(), 5);
        QCOMPARE(inside, 5);
    }

    // B204, B213
    void theGivenNameShowsUpInTheTask()
    {
        QString name;
        auto child = [&]() -> Task<> {
            name = currentTaskName();
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(TaskName(QStringLiteral("reader")), child);
            co_return;
        };
        run(withTaskGroup(body));
        QCOMPARE(name, QStringLiteral("reader"));
    }

    // B204
    void severalLocalsDoNotDisturbEachOther()
    {
        const TaskLocal<int> first(1);
        const TaskLocal<QString> second(QStringLiteral("one"));
        QList<int> firsts;
        QStringList seconds;
        auto look = [&] {
            firsts += first.get();
            seconds += second.get();
        };
        auto body = [&]() -> Task<> {
            look();
            first.set(2);
            look();
            second.set(QStringLiteral("two"));
            first.set(3);
            look();
            co_return;
        };
        run(body());
        QCOMPARE(firsts, (QList<int>{1, 2, 3}));
        QCOMPARE(seconds, (QStringList{QStringLiteral("one"), QStringLiteral("one"), QStringLiteral("two")}));
    }

    // B204
    void aNewLocalNeverSeesWhatAnEndedOneLeftBehind()
    {
        auto body = []() -> Task<int> {
            auto old = std::make_unique<TaskLocal<QString>>();
            old->set(QStringLiteral("left behind"));
            old.reset();
            const TaskLocal<int> next(3); // possibly at the same address
            co_return next.get();
        };
        QCOMPARE(run(body()), 3);
    }

    // B204
    void theValuesGoWithTheTask()
    {
        auto token = std::make_shared<int>(1);
        const TaskLocal<std::shared_ptr<int>> local;
        auto child = [&]() -> Task<> {
            local.set(token);
            co_return;
        };
        auto body = [&](TaskGroup &group) -> Task<> {
            group.startSoon(child);
            co_await group.untilEmpty();
            if (token.use_count() != 1)
                throw Error("kept");
        };
        run(withTaskGroup(body));
        QCOMPARE(token.use_count(), 1);
    }

    // B204
    void settingOutsideOfATaskIsMisuse()
    {
        const TaskLocal<int> number(1);
        const QString text = textOf([&] { number.set(2); });
        QVERIFY2(text.contains(QStringLiteral("outside of a task")), qPrintable(text));
        QCOMPARE(number.get(), 1);
    }

    // B213
    void aSlotIsInNoTaskAndATaskIsItselfAgainAfterIt()
    {
        QStringList seen;
        QString text;
        auto slot = [&] {
            seen += isInTask() ? QStringLiteral("in a task") : QStringLiteral("slot");
            text = textOf([] { static_cast<void>(currentTaskName()); });
        };
        auto task = [&]() -> Task<> {
            seen += currentTaskName();
            QMetaObject::invokeMethod(qApp, slot, Qt::QueuedConnection);
            while (text.isEmpty())
                co_await checkpoint();
            seen += currentTaskName();
        };
        run(task());
        QCOMPARE(seen, (QStringList{QStringLiteral("run"), QStringLiteral("slot"), QStringLiteral("run")}));
        QVERIFY2(text.contains(QStringLiteral("outside of a task")), qPrintable(text));
    }

    // B213
    void aCallThatANestedEventLoopRunsIsInNoTask()
    {
        Running service;
        bool inTask = true;
        bool inTaskAfterwards = false;
        auto task = [&]() -> Task<> {
            QEventLoop nested;
            auto call = [&] {
                inTask = isInTask();
                nested.quit();
            };
            service.callSoon(call);
            nested.exec();
            inTaskAfterwards = isInTask();
            co_return;
        };
        service.submit(task).waitForFinished();
        QVERIFY(!inTask);
        QVERIFY(inTaskAfterwards);
    }
};

QTEST_GUILESS_MAIN(TestTaskLocal)
#include "tst_tasklocal.moc"
