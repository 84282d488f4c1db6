// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/channel.h>
#include <qmicroio/detail/listing.h>
#include <qmicroio/introspection.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/mailbox.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/scopegroup.h>
#include <qmicroio/statusprinter.h>
#include <qmicroio/wait.h>

#include <QtTest/QTest>

#include <QtCore/QCoreApplication>
#include <QtCore/QJsonArray>
#include <QtCore/QJsonDocument>
#include <QtCore/QSemaphore>

#include <atomic>
#include <csignal>
#include <thread>
#include <unistd.h>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

static_assert(std::is_copy_constructible_v<ProgramStatus> && std::is_move_constructible_v<ProgramStatus>);
static_assert(!std::is_copy_constructible_v<StatusPrinter>);

namespace {

template<class Infos>
auto named(const Infos &infos, const QString &name)
{
    for (const auto &info : infos) {
        if (info.name == name)
            return std::optional(info);
    }
    return std::optional<typename Infos::value_type>();
}

class Service : public LoopServiceThread
{
public:
    using LoopServiceThread::LoopServiceThread;
    ~Service() override { stop(), join(); }
};

// What is written to standard error while it lives.
class ErrorOutput
{
public:
    ErrorOutput()
        : m_before(::dup(STDERR_FILENO))
    {
        if (::pipe(m_pipe) != 0)
            qFatal("no pipe");
        ::dup2(m_pipe[1], STDERR_FILENO);
    }
    ~ErrorOutput()
    {
        ::dup2(m_before, STDERR_FILENO);
        ::close(m_before);
        ::close(m_pipe[0]);
        ::close(m_pipe[1]);
    }
    ErrorOutput(const ErrorOutput &) = delete;
    ErrorOutput &operator=(const ErrorOutput &) = delete;

    // Waits for it.
    QByteArray until(const QByteArray &end)
    {
        QByteArray text;
        while (!text.contains(end)) {
            char buffer[4096];
            const ssize_t got = ::read(m_pipe[0], buffer, sizeof(buffer));
            if (got <= 0)
                break;
            text.append(buffer, qsizetype(got));
        }
        return text;
    }

private:
    int m_before;
    int m_pipe[2] = {-1, -1};
};

} // namespace

class tst_introspection : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    // B400
    void aServiceIsListedFromConstructionToDestruction()
    {
        {
            Service service(QStringLiteral("listed"));
            auto info = named(programStatus().services, QStringLiteral("listed"));
            QVERIFY(info);
            QCOMPARE(info->state, ServiceThread::State::Created);
            QCOMPARE(info->uptime.count(), 0);
            service.start();
            service.waitStarted();
            service.callSync([] { });
            info = named(programStatus().services, QStringLiteral("listed"));
            QCOMPARE(info->state, ServiceThread::State::Ready);
            QVERIFY(info->uptime > 0ns);
            QVERIFY(info->calls >= 1);
            service.stop(QStringLiteral("enough"));
            service.join();
            info = named(programStatus().services, QStringLiteral("listed"));
            QCOMPARE(info->state, ServiceThread::State::Stopped);
            QCOMPARE(info->reason, QStringLiteral("enough"));
            const auto ran = info->uptime;
            QCOMPARE(named(programStatus().services, QStringLiteral("listed"))->uptime, ran);
        }
        QVERIFY(!named(programStatus().services, QStringLiteral("listed")));
    }

    // B400
    void aFailedServiceSaysWhy()
    {
        ServiceThread service(QStringLiteral("failing"),
                              [](ServiceThread &) { throw Error(QStringLiteral("no disk")); });
        service.start();
        service.join();
        const auto info = named(programStatus().services, QStringLiteral("failing"));
        QCOMPARE(info->state, ServiceThread::State::Failed);
        QVERIFY2(info->error.contains(QStringLiteral("no disk")), qPrintable(info->error));
        QCOMPARE(info->loop, quintptr(0));
    }

    // B401
    void aServiceOfTheSameNameCountsAsARestart()
    {
        quint64 lastId = 0;
        for (int before = 0; before < 3; ++before) {
            Service service(QStringLiteral("again"));
            service.start();
            const auto info = named(programStatus().services, QStringLiteral("again"));
            QCOMPARE(info->restarts, before);
            QVERIFY(info->id > lastId); // never that of another
            lastId = info->id;
        }
    }

    // B402
    void aChannelReportsItsStatsUntilItsLastEndIsGone()
    {
        {
            Channel<int> channel = createChannel<int>({QStringLiteral("numbers"), LateSend::Drop});
            channel.sender.sendNowait(1);
            channel.sender.sendNowait(2);
            QCOMPARE(int(channel.receiver.drainNowait(1).size()), 1);
            auto info = named(programStatus().channels, QStringLiteral("numbers"));
            QVERIFY(info);
            QCOMPARE(info->kind, ChannelInfo::Kind::Channel);
            QCOMPARE(info->stats.sent, quint64(2));
            QCOMPARE(info->stats.received, quint64(1));
            QCOMPARE(info->stats.queued, 1);
            QVERIFY(!info->stats.closed);
            channel.sender.fail(std::make_exception_ptr(Error(QStringLiteral("line cut"))));
            channel.receiver.close();
            info = named(programStatus().channels, QStringLiteral("numbers"));
            QVERIFY(info->stats.closed);
            QVERIFY(info->error.contains(QStringLiteral("line cut")));
        }
        QVERIFY(!named(programStatus().channels, QStringLiteral("numbers")));
    }

    // B402
    void aMailboxIsListedAsOne()
    {
        {
            Mailbox<int> mailbox(QStringLiteral("letters"));
            mailbox.submit(1);
            const auto info = named(programStatus().channels, QStringLiteral("letters"));
            QVERIFY(info);
            QCOMPARE(info->kind, ChannelInfo::Kind::Mailbox);
            QCOMPARE(info->stats.queued, 1);
            QVERIFY(programStatus().toString().contains(QStringLiteral("mailbox letters: 1 queued")));
            mailbox.close();
        }
        QVERIFY(!named(programStatus().channels, QStringLiteral("letters")));
    }

    // B403
    void aRegistryCountsItsRequestsAndTheirTimes()
    {
        RequestRegistry<int, int> registry(QStringLiteral("questions"));
        auto first = registry.registerRequest(1);
        auto second = registry.registerRequest(2);
        auto third = registry.registerRequest(3);
        auto fourth = registry.registerRequest(4);
        registry.resolve(1, 10);
        registry.fail(2, std::make_exception_ptr(Error(QStringLiteral("no"))));
        QVERIFY(throws<TimeoutError>([&] { fourth.wait(QDeadlineTimer(0)); }));
        const auto info = named(programStatus().registries, QStringLiteral("questions"));
        QVERIFY(info);
        QCOMPARE(info->pending, 1);
        QCOMPARE(info->accepted, quint64(4));
        QCOMPARE(info->answered, quint64(1));
        QCOMPARE(info->failed, quint64(2));
        QVERIFY(info->oldest > 0ns);
        quint64 counted = 0;
        for (const quint64 count : info->latencies)
            counted += count;
        QCOMPARE(counted, quint64(2)); // a request that was given up took no time that would mean anything
        QVERIFY(info->latency(0.5) > 0us);
        QVERIFY(info->latency(0.5) <= info->latency(1));
        registry.close();
        QVERIFY(named(programStatus().registries, QStringLiteral("questions"))->isClosed);
    }

    // B403
    void aLatencyOfNoRequestIsZeroAndASillyShareIsClamped()
    {
        RegistryInfo info;
        QCOMPARE(info.latency(0.5), 0us);
        info.latencies = {0, 0, 5, 0, 5, 0};
        QCOMPARE(info.latency(0.5), 4us);
        QCOMPARE(info.latency(0.51), 16us);
        QCOMPARE(info.latency(-3), 4us);
        QCOMPARE(info.latency(7), 16us);
    }

    // B404
    void aScopeGroupReportsItsRegionsAndItsLatch()
    {
        ScopeGroup group(QStringLiteral("transfers"));
        const auto seen = run([](ScopeGroup &regions) -> Task<std::optional<ScopeGroupInfo>> {
            std::optional<ScopeGroupInfo> inside;
            const auto body = [&]() -> Task<> {
                inside = named(programStatus().scopeGroups, QStringLiteral("transfers"));
                co_return;
            };
            co_await regions.run(body);
            co_return inside;
        }(group));
        QVERIFY(seen);
        QCOMPARE(seen->active, 1);
        QVERIFY(!seen->isLatched);
        group.cancel(QStringLiteral("offline"), Latch::Yes);
        const auto after = named(programStatus().scopeGroups, QStringLiteral("transfers"));
        QCOMPARE(after->active, 0);
        QVERIFY(after->isLatched);
        QCOMPARE(after->reason, QStringLiteral("offline"));
    }

    // B405
    void tasksBelongToTheServiceOnWhoseLoopTheyRun()
    {
        Service service(QStringLiteral("worker"));
        service.start();
        service.waitStarted();
        service.callSync([&] { service.taskGroup().startSoon(TaskName(QStringLiteral("nap")), [] { return nap(); }); });
        service.callSync([] { });
        const ProgramStatus status = programStatus();
        const auto info = named(status.services, QStringLiteral("worker"));
        const LoopInfo *loop = status.loopOf(*info);
        QVERIFY(loop);
        QVERIFY(loop->answered);
        QCOMPARE(loop->taskCount(), 2);
        QVERIFY(!status.loopOf(ServiceInfo()));
    }

    // B406
    void aTaskCountsItsTurnsAndWhileSomebodyWatchesItsTime()
    {
        const detail::Observation watching;
        Service service(QStringLiteral("counted"));
        service.start();
        service.waitStarted();
        std::atomic<int> turns{0};
        service.callSync([&] {
            service.taskGroup().startSoon(TaskName(QStringLiteral("turner")), [&turns] { return turn(turns); });
        });
        while (turns.load() < 10)
            std::this_thread::yield();
        const LoopInfo loop = service.taskTree();
        QVERIFY(loop.answered);
        bool found = false;
        for (const TaskInfo &task : loop.groups.at(0).children) {
            if (task.name != QStringLiteral("turner"))
                continue;
            found = true;
            QVERIFY(task.polls >= 10);
            QVERIFY(task.busy >= 10us); // it looked at the clock until then
        }
        QVERIFY(found);
        service.stop();
        service.join();
    }

    // B406
    void aLoopThatIsStuckIsBusy()
    {
        const detail::Observation watching;
        Service service(QStringLiteral("stuck"));
        service.start();
        service.waitStarted();
        QSemaphore begun;
        QSemaphore goOn;
        service.callSoon([&] {
            begun.release();
            goOn.acquire();
        });
        begun.acquire();
        const auto first = named(programStatus(QDeadlineTimer(0)).services, QStringLiteral("stuck"))->busy;
        const auto second = named(programStatus(QDeadlineTimer(0)).services, QStringLiteral("stuck"))->busy;
        goOn.release();
        QVERIFY(second > first);
    }

    // B407
    void theTextAndTheJsonNameEverything()
    {
        Service service(QStringLiteral("text service"));
        service.start();
        service.waitStarted();
        Channel<int> channel = createChannel<int>({QStringLiteral("text channel"), LateSend::Drop});
        const RequestRegistry<int, int> registry(QStringLiteral("text registry"));
        const ScopeGroup group(QStringLiteral("text group"));
        const ProgramStatus status = programStatus();
        const QString text = status.toString();
        for (const char *part :
             {"service text service: Ready", "channel text channel: 0 queued", "requests text registry: 0 pending",
              "scope group text group: 0 active", "service text service: 1 task", "main: waits for stop()"})
            QVERIFY2(text.contains(QString::fromUtf8(part)), qPrintable(QString::fromUtf8(part) + u'\n' + text));
        const QJsonObject json = status.toJson();
        for (const char *list : {"services", "channels", "registries", "scopeGroups", "loops"})
            QVERIFY2(!json[QString::fromUtf8(list)].toArray().isEmpty(), list);
        channel.sender.close();
    }

    // B408
    void objectsComeAndGoWhileOthersLook()
    {
        std::atomic<bool> enough{false};
        std::thread looker([&] {
            while (!enough)
                static_cast<void>(programStatus(QDeadlineTimer(0)));
        });
        for (int round = 0; round < 2000; ++round) {
            Channel<std::shared_ptr<int>> channel = createChannel<std::shared_ptr<int>>({{}, LateSend::Drop});
            channel.sender.sendNowait(std::make_shared<int>(round));
            RequestRegistry<int, int> registry;
            auto handle = registry.registerRequest(round);
            ServiceThread service;
            channel.sender.close();
            channel.receiver.close();
        }
        enough = true;
        looker.join();
    }

    // B408
    void anItemThatOwnsAnotherChannelMayDieUnderALook()
    {
        std::atomic<bool> enough{false};
        std::thread looker([&] {
            while (!enough)
                static_cast<void>(programStatus(QDeadlineTimer(0)));
        });
        for (int round = 0; round < 500; ++round) {
            Channel<ChannelReceiver<int>> outer = createChannel<ChannelReceiver<int>>({{}, LateSend::Drop});
            Channel<int> inner = createChannel<int>({{}, LateSend::Drop});
            inner.sender.close();
            outer.sender.sendNowait(std::move(inner.receiver));
            outer.sender.close();
            outer.receiver.close();
        }
        enough = true;
        looker.join();
    }

    // B409
    void aSignalPrintsTheStatusAlsoWhileThisThreadIsStuck()
    {
        Service service(QStringLiteral("printed"));
        service.start();
        service.waitStarted();
        for (const auto format : {StatusPrinter::Format::Text, StatusPrinter::Format::Json}) {
            const bool isText = format == StatusPrinter::Format::Text;
            ErrorOutput output; // it blocks in read(): no event loop turns
            StatusPrinter printer(format);
            std::raise(SIGUSR1);
            const QByteArray text = output.until(isText ? "--- end ---\n" : "\n");
            if (isText)
                QVERIFY2(text.contains("service printed: Ready"), text.constData());
            else
                QVERIFY2(QJsonDocument::fromJson(text).isObject(), text.constData());
            std::raise(SIGQUIT);
            QVERIFY(!output.until(isText ? "--- end ---\n" : "\n").isEmpty());
            printer.print();
            QVERIFY(!output.until(isText ? "--- end ---\n" : "\n").isEmpty());
        }
        QVERIFY(!named(programStatus().services, QStringLiteral("status printer")));
    }

    // B409
    void aSecondPrinterIsMisuseAndTheSignalsAreGivenBack()
    {
        {
            StatusPrinter printer;
            QVERIFY(throws<LogicError>([] { StatusPrinter second; }));
        }
        struct sigaction action = {};
        ::sigaction(SIGUSR1, nullptr, &action);
        QVERIFY(action.sa_handler == SIG_DFL);
    }

private:
    static Task<> nap() { co_await sleepForever(); }
    static Task<> turn(std::atomic<int> &turns)
    {
        for (;;) {
            const auto begin = std::chrono::steady_clock::now();
            while (std::chrono::steady_clock::now() - begin < 2us) { }
            ++turns;
            co_await checkpoint();
        }
    }
};

QTEST_GUILESS_MAIN(tst_introspection)
#include "tst_introspection.moc"
