// SPDX-License-Identifier: Apache-2.0
//
// The programs of docs/channels.md, one after the other.
#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QTimer>

#include <cstdio>
#include <thread>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

// snippet: iterate
Task<int> addUp(ChannelReceiver<int> receiver)
{
    int sum = 0;
    while (auto item = co_await receiver.next()) // nullopt at the end; a failure is thrown
        sum += *item;
    co_return sum;
}

void sendFromAnyThread()
{
    LoopServiceThread service(QStringLiteral("adder"));
    service.start();
    service.waitStarted();
    auto [sender, receiver] = createChannel<int>({QStringLiteral("numbers")});
    QFuture<int> sum = service.submit([rx = std::move(receiver)]() mutable { return addUp(std::move(rx)); });
    for (int i = 1; i <= 100; ++i)
        sender.sendNowait(i); // never waits: the channel is unbounded
    sender.close();
    std::printf("the sum is %d\n", sum.result());
    service.stop(), service.join();
}
// end of snippet

// snippet: bounded
Task<> slowReader(ChannelReceiver<QByteArray> &receiver, int &lines)
{
    while (auto line = co_await receiver.next()) {
        ++lines;
        co_await checkpoint(); // work
    }
}

Task<> backpressure()
{
    auto [sender, receiver] = createChannel<QByteArray>({QStringLiteral("lines"), LateSend::Throw, 8});
    int lines = 0;
    // Not a task: it may block, but not in the thread that receives.
    std::thread file([tx = sender]() mutable {
        for (int i = 0; i < 1000; ++i)
            tx.sendBlocking(QByteArray::number(i)); // waits while 8 lines are queued
        tx.close();
    });
    co_await slowReader(receiver, lines);
    file.join();
    const bool neverMore = receiver.stats().peak <= 8;
    std::printf("%d lines, never more than 8 queued: %s\n", lines, neverMore ? "yes" : "no");
}
// end of snippet

// snippet: full
Task<> whenItIsFull()
{
    auto [sender, receiver] = createChannel<int>({QStringLiteral("small"), LateSend::Throw, 1});
    sender.sendNowait(1);
    try {
        sender.sendNowait(2);
    } catch (const WouldBlock &error) {
        std::printf("%s\n", error.what());
    }
    const auto body = [&, tx = &sender]() -> Task<> { co_await tx->send(3); }; // waits, and can be cancelled
    const bool sent = co_await moveOnAfter(1ms, body);
    std::printf("sent in time: %s, still queued: %d\n", sent ? "yes" : "no", int(receiver.stats().queued));
    sender.close();
}
// end of snippet

// snippet: latest
class Gauge : public QObject // no coroutine: an ordinary class with an ordinary function
{
public:
    void show(double value) { m_shown = value; }
    double shown() const { return m_shown; }

private:
    double m_shown = 0;
};

Task<> newestValueOnly()
{
    auto [sender, receiver] = createLatest(20.0);
    Gauge gauge;
    connectChannel(std::move(receiver), &gauge, &Gauge::show, 16ms); // in the gauge's thread, at most once a frame
    std::thread sensor([tx = sender]() mutable {
        for (int i = 1; i <= 100000; ++i)
            tx.sendNowait(20 + i * 1e-5);
    });
    while (gauge.shown() < 21)
        co_await sleep(1ms);
    sensor.join();
    sender.close();
    std::printf("the gauge shows %.0f\n", gauge.shown());
}
// end of snippet

// snippet: work
Task<int> worker(WorkReceiver<int> receiver)
{
    int done = 0;
    while (auto job = co_await receiver.next())
        done += *job;
    receiver.close();
    co_return done;
}

void shareTheWork()
{
    LoopServiceThread one(QStringLiteral("worker one"));
    LoopServiceThread two(QStringLiteral("worker two"));
    ServiceGroup services{&one, &two};
    services.start().waitStarted();
    auto [sender, receiver] = createWorkChannel<int>({QStringLiteral("jobs"), LateSend::Throw, 16});
    QFuture<int> first = one.submit([rx = receiver.clone()]() mutable { return worker(std::move(rx)); });
    QFuture<int> second = two.submit([rx = std::move(receiver)]() mutable { return worker(std::move(rx)); });
    for (int job = 1; job <= 100; ++job)
        sender.sendBlocking(job);
    sender.close();
    std::printf("together they did %d\n", first.result() + second.result());
    services.stopJoin();
}
// end of snippet

// snippet: broadcast
Task<> tellEveryone()
{
    auto news = createBroadcast<int>({QStringLiteral("news"), LateSend::Throw, 3});
    auto quick = news.subscribe();
    auto slow = news.subscribe();
    int heard = 0;
    for (int i = 1; i <= 10; ++i) {
        news.sendNowait(i);
        heard += (co_await quick.receive()).missed == 0 ? 1 : 0;
    }
    news.close();
    const Broadcasted<int> first = co_await slow.receive();
    std::printf("the quick one heard %d; the slow one missed %d and goes on with %d\n", heard, int(first.missed),
                first.value);
}
// end of snippet

// snippet: ends
Task<> howItEnds()
{
    auto [sender, receiver] = createChannel<int>({QStringLiteral("readings")});
    QObject::connect(receiver.channelStatus(), &ChannelStatus::failed,
                     [](const QString &message) { std::printf("status: %s\n", qPrintable(message)); });
    sender.sendNowait(1);
    sender.fail(std::make_exception_ptr(Error("the sensor broke")));
    std::printf("received %d\n", co_await receiver.receive()); // what was accepted comes first
    try {
        co_await receiver.receive();
    } catch (const Error &error) {
        std::printf("receive: %s\n", error.what());
    }
}
// end of snippet

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    sendFromAnyThread();
    run(backpressure());
    run(whenItIsFull());
    run(newestValueOnly());
    shareTheWork();
    run(tellEveryone());
    run(howItEnds());
    return 0;
}
