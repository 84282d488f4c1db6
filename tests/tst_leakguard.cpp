// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/loopservicethread.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/taskgroup.h>
#include <qmicroio/test/leakguard.h>
#include <qmicroio/test/testcase.h>

#include <QtTest/QTest>

using namespace QMicroIO;
using namespace QMicroIO::Test;
using namespace std::chrono_literals;

namespace {

// Not inlined: Clang may then keep the frame on the stack, where it is no leak.
Q_NEVER_INLINE Task<> neverAwaited()
{
    co_return;
}

} // namespace

class tst_leakguard : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void whatEndsInTimeIsNoLeak();
    void eachKindIsFoundAndGoneWhenItEnds();
    void whatWasThereBeforeIsNoLeak();
    void anInnerGuardCountsItsOwn();
};

void tst_leakguard::whatEndsInTimeIsNoLeak()
{
    const LeakGuard guard;
    {
        LoopServiceThread service(QStringLiteral("service"));
        service.start();
        service.waitStarted();
        RequestRegistry<int, int> registry;
        auto handle = registry.registerRequest(1);
        service.submit([handle]() mutable -> Task<> {
            co_await sleep(1ms);
            handle.resolve(2);
        });
        QCOMPARE(handle.wait(QDeadlineTimer(60s)), 2);
        service.stop();
        QVERIFY(service.join());
    }
    guard.check();
}

void tst_leakguard::eachKindIsFoundAndGoneWhenItEnds()
{
    const LeakGuard guard;
    const QDeadlineTimer now(0);
    std::optional<Task<>> task(neverAwaited());
    QStringList left = guard.leaks(now);
    QCOMPARE(left.size(), 1);
    QVERIFY2(left[0].startsWith(QStringLiteral("a coroutine frame, created at ")), qPrintable(left[0]));
    QVERIFY_THROWS_EXCEPTION(CheckFailed, guard.check(now));
    task.reset();
    QCOMPARE(guard.leaks(now), QStringList());

    RequestRegistry<QString, int> registry;
    auto handle = registry.registerRequest(QStringLiteral("key"));
    left = guard.leaks(now);
    QCOMPARE(left.size(), 1);
    QVERIFY2(left[0].contains(QStringLiteral("is pending")) && left[0].contains(QStringLiteral("key")),
             qPrintable(left[0]));
    handle.forget();
    QCOMPARE(guard.leaks(now), QStringList());

    LoopServiceThread service(QStringLiteral("named"));
    service.start();
    service.waitStarted();
    left = guard.leaks(now);
    QVERIFY2(left.filter(QStringLiteral("service named runs")).size() == 1, qPrintable(left.join(u'\n')));
    QVERIFY2(left.filter(QStringLiteral("task main on named: waits for stop()")).size() == 1,
             qPrintable(left.join(u'\n')));
    service.stop();
    QVERIFY(service.join());
    QCOMPARE(guard.leaks(), QStringList());
}

void tst_leakguard::whatWasThereBeforeIsNoLeak()
{
    LoopServiceThread service(QStringLiteral("older"));
    service.start();
    service.waitStarted();
    const Task<> task = neverAwaited();
    const LeakGuard guard;
    QCOMPARE(guard.leaks(), QStringList());
    service.stop();
    QVERIFY(service.join());
    QCOMPARE(guard.leaks(), QStringList());
}

void tst_leakguard::anInnerGuardCountsItsOwn()
{
    const LeakGuard outer;
    const Task<> older = neverAwaited();
    {
        const LeakGuard inner;
        QCOMPARE(inner.leaks(QDeadlineTimer(0)), QStringList());
        const Task<> newer = neverAwaited();
        QCOMPARE(inner.leaks(QDeadlineTimer(0)).size(), 1);
    }
    QCOMPARE(outer.leaks(QDeadlineTimer(0)).size(), 1);
}

QTEST_GUILESS_MAIN(tst_leakguard)
#include "tst_leakguard.moc"
