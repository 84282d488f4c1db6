// SPDX-License-Identifier: Apache-2.0
//
// Mailboxes, actors and requests, one function each. docs/actors.md shows what stands between the snippet lines.
#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>

#include <cstdio>
#include <stdexcept>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

// snippet: service
class Journal : public LoopServiceThread
{
public:
    ~Journal() override { stop(), join(); }
    void note(const QString &line) { m_actor.submit(line); } // any thread
    void finish() { m_actor.close(); } // what was noted before is still written

private:
    Task<> runAsync() override
    {
        started();
        co_await m_actor.run(); // until finish(), or stop()
    }
    Task<> write(QString line)
    {
        co_await sleep(1ms); // the next line is not begun before this one has ended
        std::printf("%d: %s\n", ++m_count, qPrintable(line));
    }
    int m_count = 0; // only the handler touches it
    ActorCore<QString> m_actor{[this](QString line) { return write(std::move(line)); }};
};

void journal()
{
    Journal journal;
    journal.start();
    journal.note(QStringLiteral("first"));
    journal.note(QStringLiteral("second"));
    journal.finish();
    journal.join();
}
// end of snippet

// snippet: restart
Task<> supervised(ActorCore<int> &actor)
{
    for (;;) {
        try {
            co_await actor.run();
            co_return; // closed
        } catch (const std::exception &error) {
            std::printf("%s; %lld messages wait\n", error.what(), static_cast<long long>(actor.stats().queued));
        }
    }
}

void restart()
{
    ActorCore<int> actor([](int divisor) {
        if (divisor == 0)
            throw std::domain_error("divided by zero");
        std::printf("%d\n", 12 / divisor);
    });
    for (const int divisor : {3, 0, 4})
        actor.submit(divisor);
    actor.close();
    run(supervised(actor));
}
// end of snippet

// snippet: priority
struct Job
{
    int urgency;
    const char *name;
};

void priorities()
{
    const auto urgency = [](const Job &job) { return job.urgency; };
    const PriorityMailbox<Job, decltype(urgency)> jobs(urgency);
    ActorCore<Job> worker([](const Job &job) { std::printf("%s ", job.name); }, jobs);
    for (const Job &job : {Job{0, "tidy"}, Job{2, "save"}, Job{1, "print"}, Job{2, "send"}})
        worker.submit(job);
    jobs.setFloor(0); // nothing at or below 0 from now on
    jobs.close();
    run(worker.run());
    std::printf("left: %s\n", jobs.drainNowait().front().name);
}
// end of snippet

// snippet: gate
struct Message
{
    enum Kind { Load, Cancel } kind;
    int document;
};

// Takes a cancellation out of the queue at once, however many loads are in front of it.
void gate()
{
    QSet<int> cancelled;
    const auto key = [](const Message &) { return 0; };
    const auto noteCancel = [&](const Message &message) {
        if (message.kind == Message::Cancel)
            cancelled.insert(message.document);
        return message.kind == Message::Load;
    };
    const PriorityMailbox<Message, decltype(key), decltype(noteCancel)> messages(key, noteCancel);
    ActorCore<Message> loader(
        [&](const Message &message) {
            std::printf("%d: %s\n", message.document, cancelled.contains(message.document) ? "skipped" : "loaded");
        },
        messages);
    for (const Message &message : {Message{Message::Load, 1}, {Message::Load, 2}, {Message::Cancel, 2}})
        loader.submit(message);
    loader.close();
    run(loader.run());
}
// end of snippet

// snippet: concurrent
void concurrent()
{
    const auto handle = [](int order, Release release) -> Task<> {
        std::printf("%d begins\n", order);
        if (order == 1) {
            release(); // what follows needs no order: the next message may begin
            co_await sleep(20ms);
        }
        std::printf("%d ends\n", order);
    };
    ActorCore<int> actor(handle, Concurrent::Yes);
    for (const int order : {1, 2, 3})
        actor.submit(order);
    actor.close();
    run(actor.run());
}
// end of snippet

// snippet: deadletters
void deadLetters()
{
    const Mailbox<int> mailbox;
    mailbox.close();
    const MailboxWatcher watcher(mailbox);
    QEventLoop loop;
    QObject::connect(&watcher, &MailboxWatcher::deadLettersChanged, &loop, [&](quint64 total) {
        std::printf("%llu messages came too late\n", static_cast<unsigned long long>(total));
        loop.quit();
    });
    for (int i = 0; i < 1000; ++i)
        mailbox.submit(i); // false each time
    loop.exec();
}
// end of snippet

// snippet: request
using Replies = RequestRegistry<int, QString>;

// The connection to some device: it sends a number with each question and gets it back with the answer.
class Device
{
public:
    Task<QString> ask(int number, QString question)
    {
        const auto send = [&](ReplyHandle<int, QString> &) {
            std::printf("%d -> %s\n", number, qPrintable(question));
            m_sent.submit(number);
        };
        co_return co_await m_replies.requestAsync(number, send); // cancelled, it takes the request away
    }
    Task<> read() // what arrives, in any order
    {
        while (const std::optional<int> number = co_await m_sent.next())
            m_replies.resolve(*number, QStringLiteral("answer to %1").arg(*number)); // false: nobody waits any more
        m_replies.close(); // who still waits is told, and so is who asks later
    }
    void hangUp() { m_sent.close(); }

private:
    Replies m_replies;
    Mailbox<int> m_sent; // stands for the device
};

void requests()
{
    Device device;
    const auto talk = [&](TaskGroup &group) -> Task<> {
        group.startSoon(&Device::read, &device);
        const QString answer = co_await device.ask(1, QStringLiteral("how warm?"));
        std::printf("1 <- %s\n", qPrintable(answer));
        device.hangUp();
        co_await group.untilEmpty();
        try {
            co_await device.ask(2, QStringLiteral("still there?"));
        } catch (const ClosedResourceError &error) {
            std::printf("2 <- %s\n", error.what());
        }
    };
    run(withTaskGroup(talk));
}
// end of snippet

} // namespace

int main(int argc, char **argv)
{
    const QCoreApplication app(argc, argv);
    const auto show = [](const char *title, auto program) {
        std::printf("-- %s\n", title);
        program();
    };
    show("service", journal);
    show("restart", restart);
    show("priority", priorities);
    show("gate", gate);
    show("concurrent", concurrent);
    show("dead letters", deadLetters);
    show("request", requests);
}
