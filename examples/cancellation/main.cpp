// SPDX-License-Identifier: Apache-2.0
//
// The rules of cancellation, one function each. docs/cancellation.md shows what stands between the snippet lines.
#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QDebug>
#include <QtCore/QLoggingCategory>
#include <QtCore/QPromise>
#include <QtCore/QTimer>

#include <qcoro/qcorotask.h>
#include <qcoro/qcorotimer.h>

#include <cstdio>
#include <thread>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

const char *yesOrNo(bool value)
{
    return value ? "yes" : "no";
}

// snippet: level
Task<> askTwice()
{
    CancelScope scope;
    const auto region = [&]() -> Task<> {
        scope.cancel(QStringLiteral("enough"));
        std::puts("still running"); // cancel() interrupts nothing by itself, the next wait throws
        try {
            co_await sleep(1h);
        } catch (const Cancelled &) {
            std::puts("swallowed"); // changes nothing: the scope is still cancelled
        }
        co_await sleep(1h); // throws again
        std::puts("never");
    };
    const bool completed = co_await scope.run(region);
    std::printf("completed: %s, caught: %s\n", yesOrNo(completed), yesOrNo(scope.isCancelledCaught()));
    co_await sleep(1ms); // outside of the scope all is normal again
}
// end of snippet

// snippet: timeouts
Task<int> measure()
{
    co_await sleep(1h);
    co_return 42;
}

Task<> timeouts()
{
    const std::optional<int> value = co_await moveOnAfter(2ms, measure);
    std::printf("a value: %s\n", yesOrNo(value.has_value()));

    try {
        co_await failAfter(2ms, measure);
    } catch (const TimeoutError &error) {
        std::printf("failed: %s\n", error.what());
    }

    // The earlier of two deadlines counts; it ends the region that it belongs to.
    const auto inner = []() -> Task<> {
        co_await moveOnAfter(1h, measure);
        std::puts("never");
    };
    const bool completed = co_await moveOnAfter(2ms, inner);
    std::printf("the outer one completed: %s\n", yesOrNo(completed));
}
// end of snippet

// snippet: cleanup
Task<> session()
{
    std::exception_ptr ended;
    try {
        co_await sleepForever();
    } catch (...) {
        ended = std::current_exception(); // C++ allows no co_await in a handler
    }
    const auto goodbye = []() -> Task<> {
        co_await sleep(1ms); // without the shield this would throw
        std::puts("said goodbye");
    };
    const auto inTime = [&]() -> Task<> { co_await moveOnAfter(5s, goodbye); };
    co_await shielded(inTime);
    if (ended)
        std::rethrow_exception(ended); // what was cancelled stays cancelled
}
// end of snippet

// snippet: foreign
QCoro::Task<> blink()
{
    QTimer timer;
    timer.start(10ms);
    co_await timer;
    std::puts("blinked");
}

Task<> foreign()
{
    QPromise<int> promise;
    promise.start();
    const auto awaitsFuture = [&]() -> Task<> { co_await promise.future(); };
    co_await moveOnAfter(2ms, awaitsFuture);
    std::printf("the future was cancelled too: %s\n", yesOrNo(promise.isCanceled()));

    const auto awaitsQCoro = []() -> Task<> {
        co_await blink(); // cannot be interrupted, so it is waited for
        std::puts("after blink()");
        co_await checkpoint(); // here it throws
        std::puts("never");
    };
    co_await moveOnAfter(2ms, awaitsQCoro);
}
// end of snippet

// snippet: groups
Task<> reads()
{
    try {
        co_await sleepForever();
    } catch (const Cancelled &cancelled) {
        std::printf("reads() ends: %s\n", qPrintable(cancelled.reason()));
        throw;
    }
}

Task<> writes()
{
    co_await sleep(1ms);
    throw Error("disk full");
}

Task<> groups()
{
    const auto byHand = [](TaskGroup &group) -> Task<> {
        group.startSoon(reads);
        co_await sleep(1ms);
        group.cancel(QStringLiteral("not needed"));
    };
    co_await withTaskGroup(byHand); // ends normally

    const auto byFailure = [](TaskGroup &group) -> Task<> {
        group.startSoon(reads);
        group.startSoon(TaskName(QStringLiteral("writer")), writes);
        co_return;
    };
    try {
        co_await withTaskGroup(byFailure);
    } catch (const ExceptionGroup &error) {
        std::printf("%s\n", error.what());
    }
}
// end of snippet

Task<> sleepsForever()
{
    co_await sleepForever();
}

// snippet: threads
Task<> fromAnotherThread()
{
    CancelScope scope;
    std::thread button([&] { scope.cancel(QStringLiteral("button pressed")); });
    co_await scope.run(reads); // resumed here, on its own thread
    button.join();

    LoopServiceThread service(QStringLiteral("worker"));
    service.start();
    QFuture<void> job = service.submit(sleepsForever);
    job.cancel();
    service.stop(QStringLiteral("closing time")); // cancels the rest of the service's tasks
    service.join();
    std::printf("job cancelled: %s\n", yesOrNo(job.isCanceled()));
}
// end of snippet

// snippet: read
Task<> explains()
{
    const auto waits = []() -> Task<> {
        try {
            co_await sleepForever();
        } catch (const Cancelled &cancelled) {
            std::printf("%s\n", cancelled.cause() == Cancelled::Cause::Deadline ? "too late" : "told to end");
            std::printf("%s\n", qPrintable(cancelled.path()));
            qDebug().noquote() << cancelled.describe(); // all of it in one line, for a log
            throw;
        }
    };
    const auto body = [&](TaskGroup &group) -> Task<> {
        group.startSoon(waits);
        co_return;
    };
    const auto region = [&]() -> Task<> { co_await withTaskGroup(body); };
    co_await moveOnAfter(2ms, region);
}
// end of snippet

Task<> all()
{
    co_await askTwice();
    co_await timeouts();
    co_await moveOnAfter(2ms, session);
    co_await foreign();
    co_await groups();
    co_await fromAnotherThread();
    co_await explains();
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    QLoggingCategory::setFilterRules(QStringLiteral("default.debug=false"));
    run(all());
}
