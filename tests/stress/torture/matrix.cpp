// SPDX-License-Identifier: Apache-2.0
//
// The matrix: a row is a way to wait, a column a way for the other side to go. What a task waits for lives in the main coroutine of
// another service, so that each way for that service to end is one column for all rows.
#include "torture.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QProcess>
#include <QtCore/QPromise>
#include <QtCore/QScopeGuard>
#include <QtCore/QSemaphore>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

namespace Torture {

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

enum class Way {
    Returns,
    Quits,
    FailsEarly,
    FailsLate,
    Stopped,
    Closed,
    Failed,
    Destroyed,
    FutureCancelled,
    RegistryClosedBefore,
    RegistryClosedAfter,
    ScopeCancelled,
    HomeStopped,
    Deadline,
    AppDestroyed,
    ProcessExit,
    Count,
};

struct WayText
{
    const char *name;
    const char *text;
};
constexpr std::array<WayText, std::size_t(Way::Count)> WayTexts{{
    {"returns", "the other service's main coroutine returns"},
    {"quits", "the other service's event loop is told to quit"},
    {"fails early", "the other service throws before it is ready"},
    {"fails late", "the other service throws once it is ready"},
    {"stopped", "stop() of the other service"},
    {"closed", "the channel or CloseScope is closed"},
    {"failed", "the channel or CloseScope is failed"},
    {"destroyed", "what is waited for is destroyed"},
    {"future cancelled", "the QFuture is cancelled unfinished"},
    {"registry closed before", "the registry is closed before the request"},
    {"registry closed after", "the registry is closed after it"},
    {"scope cancelled", "the waiter's scope is cancelled"},
    {"own stop", "stop() of the service in which the waiter runs"},
    {"deadline", "the waiter's deadline passes"},
    {"app destroyed", "the QCoreApplication is destroyed"},
    {"process exit", "the process calls exit()"},
}};

class Emitter : public QObject
{
    Q_OBJECT
Q_SIGNALS:
    void emitted();
};

using Registry = RequestRegistry<int, int>;
using Handle = ReplyHandle<int, int>;

struct World;

// The other side: what is waited for lives as long as its main coroutine.
class Other : public LoopServiceThread
{
public:
    explicit Other(World &world)
        : LoopServiceThread(QStringLiteral("other"))
        , m_world(world)
    {
    }
    ~Other() override
    {
        stop();
        join();
    }

private:
    Task<> runAsync() override;
    World &m_world;
};

struct World
{
    World(Way how, unsigned seed)
        : way(how)
        , random(seed)
    {
    }
    ~World();

    // For up to some 200 µs, so that each side comes first at times.
    void jitter()
    {
        const unsigned kind = random() % 4;
        if (kind == 0)
            return;
        if (kind == 1) {
            std::this_thread::yield();
            return;
        }
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 200);
        while (std::chrono::steady_clock::now() < end) { }
    }
    // The other side keeps it unanswered until it goes.
    void giveToOther(const Handle &handle);
    void over(const QString &what)
    {
        outcome = what;
        done.release();
    }

    const Way way;
    std::minstd_rand random;
    bool startsOther = true; // else the row does
    bool otherIsReady = true; // else it never says so

    CloseScope go; // the other side goes now
    QSemaphore prepared;
    std::unique_ptr<CloseScope> closeScope = std::make_unique<CloseScope>();
    std::optional<ChannelReceiver<int>> receiver;
    std::optional<ChannelSender<int>> sender;
    std::unique_ptr<Registry> registry = std::make_unique<Registry>();
    std::optional<Handle> handle; // answered by nobody
    std::weak_ptr<std::vector<Handle>> taken; // owned by the other side
    std::optional<ChannelSender<int>> sendsToFull; // of a channel that is full and that the other side never empties
    std::optional<ChannelReceiver<int>> full;
    Mailbox<int> mailbox;
    Emitter *emitter = nullptr; // owned by the other side
    std::optional<QPromise<int>> promise;
    QFuture<int> future;
    QFuture<void> submitted;
    WorkTracker tracker;
    CancelScope scope;
    std::unique_ptr<Other> other;
    std::unique_ptr<LoopServiceThread> home = std::make_unique<LoopServiceThread>(QStringLiteral("home"));
    std::thread client;

    QSemaphore begun;
    QSemaphore done;
    QString outcome;
};

void World::giveToOther(const Handle &handle)
{
    other->callSoon([this, handle] {
        if (const auto all = taken.lock())
            all->push_back(handle);
    });
}

World::~World()
{
    go.close();
    if (other)
        other->stop();
    home->stop();
    if (client.joinable())
        client.join();
    home->join();
    if (other)
        other->join();
}

Task<> Other::runAsync()
{
    // Everything that is waited for, alive as long as this.
    const WorkGuard work = m_world.tracker.track();
    std::optional<ChannelSender<int>> sender = std::exchange(m_world.sender, {});
    std::optional<ChannelReceiver<int>> full = std::exchange(m_world.full, {});
    full->bind();
    const auto closesMailbox = qScopeGuard([mailbox = m_world.mailbox] { mailbox.close(); });
    std::optional<Handle> handle = m_world.handle;
    const auto taken = std::make_shared<std::vector<Handle>>();
    m_world.taken = taken;
    std::optional<QPromise<int>> promise = std::exchange(m_world.promise, {});
    const auto emitter = std::make_unique<Emitter>();
    m_world.emitter = emitter.get();
    if (m_world.way != Way::FailsEarly && m_world.otherIsReady)
        started();
    m_world.prepared.release();
    co_await untilClosed(m_world.go);
    switch (m_world.way) {
    case Way::FailsEarly:
    case Way::FailsLate:
        throw Error("torture");
    case Way::Quits:
        QThread::currentThread()->quit();
        break;
    case Way::Closed:
        sender->close();
        full->close();
        m_world.mailbox.close();
        break;
    case Way::Failed:
        sender->fail(std::make_exception_ptr(Error("torture")));
        full->fail(std::make_exception_ptr(Error("torture")));
        m_world.mailbox.fail(std::make_exception_ptr(Error("torture")));
        break;
    case Way::Destroyed:
        co_return;
    case Way::Returns:
        co_return;
    default:
        break;
    }
    co_await sleepForever();
}

QString nameOf(const std::exception_ptr &error)
{
    try {
        std::rethrow_exception(error);
    } catch (const Cancelled &) {
        return QStringLiteral("Cancelled");
    } catch (const NotRunningError &) {
        return QStringLiteral("NotRunningError");
    } catch (const ClosedResourceError &) {
        return QStringLiteral("ClosedResourceError");
    } catch (const BrokenResourceError &) {
        return QStringLiteral("BrokenResourceError");
    } catch (const EndOfStream &) {
        return QStringLiteral("EndOfStream");
    } catch (const StartupError &) {
        return QStringLiteral("StartupError");
    } catch (const TimeoutError &) {
        return QStringLiteral("TimeoutError");
    } catch (const ExceptionGroup &group) {
        return QStringLiteral("ExceptionGroup(%1)").arg(nameOf(group.exceptions().front()));
    } catch (const LogicError &e) {
        return QStringLiteral("LogicError: %1").arg(e.message());
    } catch (const DeadlockError &) {
        return QStringLiteral("DeadlockError");
    } catch (const Error &e) {
        const bool ofTheService = e.message() == QStringLiteral("torture")
            || e.message().contains(QStringLiteral("although nobody called stop()"));
        return ofTheService ? QStringLiteral("its error") : e.message();
    } catch (const std::exception &e) {
        return QString::fromUtf8(e.what());
    }
}

using Outcomes = QStringList; // that are right; one that begins with "n/a" says why the cell cannot exist

struct Row
{
    QString name;
    std::function<Task<>(World &)> task; // either this, in the service `home`
    std::function<QString(World &)> block; // or this, in a plain thread; gives the outcome
    // For the columns in which the other service ends, in any of its ways.
    Outcomes otherEnds;
    std::map<Way, Outcomes> others;
};

Outcomes notHere(const char *why)
{
    return {QStringLiteral("n/a: ") + QString::fromUtf8(why)};
}

Outcomes one(const char *text)
{
    return {QString::fromUtf8(text)};
}

bool otherServiceEnds(Way way)
{
    return way <= Way::Stopped;
}

// What a row gives in a column.
Outcomes outcomesOf(const Row &row, Way way)
{
    if (const auto found = row.others.find(way); found != row.others.end())
        return found->second;
    if (otherServiceEnds(way))
        return row.otherEnds;
    switch (way) {
    case Way::ScopeCancelled:
    case Way::HomeStopped:
        return row.task ? one("Cancelled") : notHere("a plain thread has no scope");
    case Way::Deadline:
        return row.task ? one("Cancelled") : one("TimeoutError");
    case Way::Closed:
    case Way::Failed:
        return notHere("neither channel nor CloseScope in it");
    case Way::FutureCancelled:
        return notHere("no future in it");
    case Way::RegistryClosedBefore:
    case Way::RegistryClosedAfter:
        return notHere("no registry in it");
    case Way::AppDestroyed: // the services are stopped afterwards
        return row.task ? Outcomes{QStringLiteral("Cancelled")} + row.otherEnds : row.otherEnds;
    case Way::ProcessExit:
        return one("ended");
    default:
        return notHere("nothing in it can be destroyed");
    }
}

QDeadlineTimer deadlineOf(const World &world)
{
    return world.way == Way::Deadline ? QDeadlineTimer(2) : QDeadlineTimer(QDeadlineTimer::Forever);
}

QString text(bool ended)
{
    return ended ? QStringLiteral("value") : QStringLiteral("false");
}

Task<> receiveOne(World &world)
{
    co_await world.receiver->receive();
}

Task<> waitForever()
{
    co_await sleepForever();
}

QString futureText(const QFuture<void> &future)
{
    QFuture<void> copy = future;
    copy.waitForFinished();
    return copy.isCanceled() ? QStringLiteral("cancelled") : QStringLiteral("value");
}

std::vector<Row> makeRows()
{
    std::vector<Row> rows;
    const auto addTask = [&rows](const char *name, std::function<Task<>(World &)> task, Outcomes otherEnds,
                                 std::map<Way, Outcomes> others = {}) {
        rows.push_back({QString::fromUtf8(name), std::move(task), {}, std::move(otherEnds), std::move(others)});
    };
    const auto addBlocking = [&rows](const char *name, std::function<QString(World &)> block, Outcomes otherEnds,
                                     std::map<Way, Outcomes> others = {}) {
        rows.push_back({QString::fromUtf8(name), {}, std::move(block), std::move(otherEnds), std::move(others)});
    };

    addTask("sleep", [](World &) -> Task<> { co_await sleep(1h); }, notHere("nobody else takes part"));
    addTask("untilClosed",
            [](World &world) -> Task<> {
                const bool own = world.way == Way::Closed || world.way == Way::Failed || world.way == Way::Destroyed;
                co_await untilClosed(own ? *world.closeScope : world.other->scope());
            },
            one("value"),
            {{Way::Closed, one("value")}, {Way::Failed, one("value")}, {Way::Destroyed, one("BrokenResourceError")}});
    addTask("nextSignal", [](World &world) -> Task<> { co_await nextSignal(world.emitter, &Emitter::emitted); },
            one("BrokenResourceError"), {{Way::Destroyed, one("BrokenResourceError")}});
    const std::map<Way, Outcomes> ofChannel{
        {Way::Closed, one("EndOfStream")}, {Way::Failed, one("its error")}, {Way::Destroyed, one("EndOfStream")}};
    addTask(
        "receive", [](World &world) -> Task<> { co_await world.receiver->receive(); }, one("EndOfStream"), ofChannel);
    addTask("next", [](World &world) -> Task<> { co_await world.receiver->next(); }, one("value"),
            {{Way::Closed, one("value")}, {Way::Failed, one("its error")}, {Way::Destroyed, one("value")}});
    const Outcomes broken = one("BrokenResourceError");
    const std::map<Way, Outcomes> ofFullChannel{{Way::Closed, broken}, {Way::Failed, broken}, {Way::Destroyed, broken}};
    addTask("send", [](World &world) -> Task<> { co_await world.sendsToFull->send(2); }, broken, ofFullChannel);
    addTask(
        "Mailbox::get", [](World &world) -> Task<> { co_await world.mailbox.get(); }, one("EndOfStream"), ofChannel);
    const Outcomes closed = one("ClosedResourceError");
    addTask("requestAsync",
            [](World &world) -> Task<> {
                const auto send = [&world](Handle &handle) { world.giveToOther(handle); };
                co_await world.registry->requestAsync(1, send);
            },
            {QStringLiteral("BrokenResourceError"), QStringLiteral("NotRunningError")},
            {
                {Way::RegistryClosedBefore, closed},
                {Way::RegistryClosedAfter, closed},
            });
    addTask("reply", [](World &world) -> Task<> { co_await world.handle->reply(); }, one("BrokenResourceError"),
            {{Way::RegistryClosedBefore, closed}, {Way::RegistryClosedAfter, closed}, {Way::Destroyed, closed}});
    addTask("QFuture", [](World &world) -> Task<> { co_await world.future; }, one("Cancelled"),
            {{Way::FutureCancelled, one("Cancelled")}, {Way::Destroyed, one("Cancelled")}});
    addTask("QFuture of submit", [](World &world) -> Task<> { co_await world.submitted; }, one("Cancelled"),
            {{Way::FutureCancelled, one("Cancelled")},
             {Way::Destroyed, one("Cancelled")},
             {Way::Returns, notHere("what was submitted keeps the service alive")}});
    addTask(
        "offload",
        [](World &world) -> Task<> {
            const auto wait = [&world] {
                while (!world.other->scope().wait(QDeadlineTimer(1)))
                    checkOffloadCancelled();
            };
            co_await offload(wait);
        },
        one("value"));
    addTask("untilIdle", [](World &world) -> Task<> { co_await world.tracker.untilIdle(); }, one("value"));
    const auto grouped = [](const char *error) {
        return std::map<Way, Outcomes>{{Way::Closed, one("ExceptionGroup(EndOfStream)")},
                                       {Way::Failed, one(error)},
                                       {Way::Destroyed, one("ExceptionGroup(EndOfStream)")}};
    };
    addTask(
        "group exit",
        [](World &world) -> Task<> {
            const auto body = [&world](TaskGroup &group) -> Task<> {
                group.startSoon(&receiveOne, std::ref(world));
                co_return;
            };
            co_await withTaskGroup(body);
        },
        one("ExceptionGroup(EndOfStream)"), grouped("ExceptionGroup(its error)"));
    addTask(
        "untilEmpty",
        [](World &world) -> Task<> {
            const auto body = [&world](TaskGroup &group) -> Task<> {
                group.startSoon(&receiveOne, std::ref(world));
                co_await group.untilEmpty();
            };
            co_await withTaskGroup(body);
        },
        one("ExceptionGroup(EndOfStream)"), grouped("ExceptionGroup(its error)"));
    addTask(
        "start",
        [](World &world) -> Task<> {
            const auto body = [&world](TaskGroup &group) -> Task<> {
                const auto child = [&world](TaskStatus<> &status) -> Task<> {
                    co_await world.receiver->receive();
                    status.started();
                };
                co_await group.start<void>(child);
            };
            co_await withTaskGroup(body);
        },
        one("ExceptionGroup(EndOfStream)"), grouped("ExceptionGroup(its error)"));
    addTask(
        "whenAny", [](World &world) -> Task<> { co_await whenAny(receiveOne(world), waitForever()); },
        one("ExceptionGroup(EndOfStream)"), grouped("ExceptionGroup(its error)"));

    addBlocking(
        "callSync",
        [](World &world) {
            for (;;)
                world.other->callSync([] { }, deadlineOf(world));
            return QString();
        },
        one("NotRunningError"),
        {{Way::Deadline, notHere("a loop that runs answers at once; tst_loopservicethread has one that does not")},
         {Way::Destroyed, notHere("the service must outlive its callers")}});
    addBlocking("future of submit", [](World &world) { return futureText(world.submitted); }, one("cancelled"),
                {{Way::FutureCancelled, one("cancelled")},
                 {Way::Destroyed, one("cancelled")},
                 {Way::Returns, notHere("what was submitted keeps the service alive")},
                 {Way::Deadline, notHere("QFuture has no wait with a deadline")}});
    addBlocking(
        "sendBlocking",
        [](World &world) {
            world.sendsToFull->sendBlocking(2, deadlineOf(world));
            return QString();
        },
        broken, ofFullChannel);
    addBlocking("request",
                [](World &world) {
                    world.registry->request(
                        1, [&world](Handle &handle) { world.giveToOther(handle); }, deadlineOf(world));
                    return QString();
                },
                {QStringLiteral("BrokenResourceError"), QStringLiteral("NotRunningError")},
                {{Way::RegistryClosedBefore, closed},
                 {Way::RegistryClosedAfter, closed},
                 {Way::Destroyed, notHere("the registry must outlive its callers")}});
    addBlocking(
        "ReplyHandle::wait",
        [](World &world) {
            world.handle->wait(deadlineOf(world));
            return QString();
        },
        // Whoever waits holds a handle, so nobody can say that none is left: the registry ends with its service.
        {QStringLiteral("ClosedResourceError"), QStringLiteral("its error")},
        {{Way::RegistryClosedBefore, closed}, {Way::RegistryClosedAfter, closed}, {Way::Destroyed, closed}});
    addBlocking("waitStarted",
                [](World &world) {
                    world.other->waitStarted(deadlineOf(world));
                    return QStringLiteral("value");
                },
                one("StartupError"), {{Way::Destroyed, notHere("the service must outlive its callers")}});
    addBlocking("join", [](World &world) { return text(world.other->join(deadlineOf(world))); }, one("value"),
                {{Way::Deadline, one("false")}, {Way::Destroyed, notHere("the service must outlive its callers")}});
    addBlocking("CloseScope::wait",
                [](World &world) {
                    const bool own = world.way == Way::Closed || world.way == Way::Failed;
                    return text((own ? *world.closeScope : world.other->scope()).wait(deadlineOf(world)));
                },
                one("value"),
                {{Way::Closed, one("value")},
                 {Way::Failed, one("value")},
                 {Way::Deadline, one("false")},
                 {Way::Destroyed, notHere("the scope must outlive the threads in it")}});
    addBlocking(
        "WorkTracker::waitIdle", [](World &world) { return text(world.tracker.waitIdle(deadlineOf(world))); },
        one("value"),
        {{Way::Deadline, one("false")}, {Way::Destroyed, notHere("the tracker must outlive the threads in it")}});
    return rows;
}

// Rows that must be found out, so that a matrix without a complaint means something.
std::vector<Row> rowsOf(const Options &options)
{
    if (options.plant.isEmpty())
        return makeRows();
    const auto never = [](World &) -> Task<> { co_await sleepForever(); };
    if (options.plant == QStringLiteral("hang"))
        return {{QStringLiteral("planted"), never, {}, one("value"), {}}};
    const auto throwsAnother = [](World &world) -> Task<> {
        co_await untilClosed(world.other->scope());
        throw TimeoutError(QStringLiteral("planted"));
    };
    return {{QStringLiteral("planted"), throwsAnother, {}, one("value"), {}}};
}

bool cannotExist(const Outcomes &outcomes)
{
    return outcomes.front().startsWith(QStringLiteral("n/a"));
}

void prepare(World &world, const Row &row)
{
    Channel<int> channel = createChannel<int>({QStringLiteral("c"), LateSend::Drop});
    world.receiver.emplace(std::move(channel.receiver));
    world.sender.emplace(channel.sender);
    Channel<int> full = createChannel<int>({QStringLiteral("full"), LateSend::Throw, 1});
    full.sender.sendNowait(1);
    world.full.emplace(std::move(full.receiver));
    world.sendsToFull.emplace(std::move(full.sender));
    if (row.name == QStringLiteral("reply") || row.name == QStringLiteral("ReplyHandle::wait"))
        world.handle.emplace(world.registry->registerRequest(1));
    world.promise.emplace();
    world.promise->start();
    world.future = world.promise->future();
    world.otherIsReady = row.name != QStringLiteral("waitStarted");
    world.other = std::make_unique<Other>(world);
    if (row.name == QStringLiteral("ReplyHandle::wait"))
        world.registry->closeWith(world.other->scope());
    world.other->start();
    world.home->start();
    world.home->waitStarted();
    world.prepared.acquire();
    if (row.name.contains(QStringLiteral("of submit")))
        world.submitted = world.other->submit([]() -> Task<> { co_await sleepForever(); });
    if (world.way == Way::RegistryClosedBefore)
        world.registry->close();
}

void beginWaiting(World &world, const Row &row, unsigned seed)
{
    if (row.block) {
        world.client = std::thread([&world, &row, seed] {
            std::minstd_rand random(seed);
            world.begun.release();
            for (unsigned i = random() % 64; i > 0; --i)
                std::this_thread::yield();
            try {
                world.over(row.block(world));
            } catch (...) {
                world.over(nameOf(std::current_exception()));
            }
        });
        world.begun.acquire();
        if (seed % 2 == 0) // else the other side mostly goes first
            std::this_thread::sleep_for(std::chrono::microseconds(world.random() % 1500));
        return;
    }
    const auto wait = [&world, &row]() -> Task<> {
        std::exception_ptr error;
        world.begun.release();
        try {
            co_await row.task(world);
        } catch (...) {
            error = std::current_exception();
        }
        // A group that was cancelled ends without an exception.
        const bool isCancelled = co_await isCancelPending();
        world.outcome = error ? nameOf(error) : isCancelled ? QStringLiteral("Cancelled") : QStringLiteral("value");
        if (error && world.outcome == QStringLiteral("Cancelled"))
            std::rethrow_exception(error);
    };
    const auto inScope = [&world, wait]() -> Task<> {
        const auto atEnd = qScopeGuard([&world] { world.done.release(); });
        if (world.way == Way::Deadline)
            world.scope.setTimeout(2ms);
        try {
            co_await world.scope.run(wait);
        } catch (...) {
            world.outcome = nameOf(std::current_exception());
            throw;
        }
    };
    world.home->submit(inScope);
    world.begun.acquire();
    // What lives elsewhere may go once somebody waits for it. Its children begin in later turns.
    for (int i = 0; i < 4; ++i)
        world.home->callSync([] { });
    world.handle.reset(); // the other side has its own
}

void letGo(World &world)
{
    switch (world.way) {
    case Way::Stopped:
        world.other->stop(QStringLiteral("torture"));
        break;
    case Way::Closed:
        world.closeScope->close();
        world.go.close();
        break;
    case Way::Failed:
        world.closeScope->fail(std::make_exception_ptr(Error("torture")));
        world.go.close();
        break;
    case Way::Destroyed:
        world.closeScope.reset();
        world.registry.reset();
        world.go.close();
        world.other.reset();
        break;
    case Way::FutureCancelled:
        world.future.cancel();
        world.submitted.cancel();
        break;
    case Way::RegistryClosedAfter:
        world.registry->close();
        break;
    case Way::ScopeCancelled:
        world.scope.cancel(QStringLiteral("torture"));
        break;
    case Way::HomeStopped:
        world.home->stop(QStringLiteral("torture"));
        break;
    case Way::Deadline:
    case Way::RegistryClosedBefore:
        break;
    default:
        world.go.close();
        break;
    }
}

QString runCell(const Row &row, Way way, unsigned seed)
{
    World world(way, seed);
    prepare(world, row);
    beginWaiting(world, row, seed);
    world.jitter();
    letGo(world);
    world.done.acquire();
    return world.outcome;
}

// In a process of its own, since it does not come back.
QString runCellInProcess(const Options &options, const Row &row, Way way, unsigned seed)
{
    QProcess process;
    process.setProcessChannelMode(QProcess::MergedChannels);
    // It ends with everything running, and Qt delivers no more events without its application: what they hold is no leak of ours.
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("ASAN_OPTIONS"), QStringLiteral("detect_leaks=0"));
    process.setProcessEnvironment(environment);
    QStringList arguments{QStringLiteral("ends-process"),
                          QStringLiteral("--row"),
                          row.name,
                          QStringLiteral("--way"),
                          QString::fromUtf8(WayTexts.at(std::size_t(way)).name),
                          QStringLiteral("--seed"),
                          QString::number(seed)};
    if (!options.plant.isEmpty())
        arguments += {QStringLiteral("--plant"), options.plant};
    process.start(options.program, arguments);
    if (!process.waitForFinished(int(options.limit.count() * 3 / 5))) { // before this process is overdue itself
        process.kill();
        process.waitForFinished();
        return QStringLiteral("HANGS: ") + QString::fromUtf8(process.readAll());
    }
    const QString output = QString::fromUtf8(process.readAll());
    if (process.exitStatus() != QProcess::NormalExit || process.exitCode() != 0)
        return QStringLiteral("exit code %1: %2").arg(process.exitCode()).arg(output);
    const qsizetype at = output.lastIndexOf(QStringLiteral("outcome: "));
    return at < 0 ? QStringLiteral("ended") : output.mid(at + 9).trimmed();
}

bool endsItsProcess(Way way)
{
    return way == Way::AppDestroyed || way == Way::ProcessExit;
}

struct CellResult
{
    int runs = 0;
    std::map<QString, int> seen;
    QString wrong;
    double slowestMs = 0;
};

QStringList linesOf(const std::vector<Row> &rows, const std::map<std::pair<std::size_t, Way>, CellResult> &results)
{
    QStringList lines;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (int w = 0; w < int(Way::Count); ++w) {
            const Way way = Way(w);
            const Outcomes outcomes = outcomesOf(rows[r], way);
            QString cell;
            if (cannotExist(outcomes)) {
                cell = outcomes.front();
            } else if (const auto found = results.find({r, way}); found != results.end()) {
                QStringList seen;
                for (const auto &[what, count] : found->second.seen)
                    seen += QStringLiteral("%1 ×%2").arg(what).arg(count);
                cell = seen.join(QStringLiteral(", "));
                if (!found->second.wrong.isEmpty())
                    cell += QStringLiteral("  WRONG: ") + found->second.wrong;
            } else {
                continue;
            }
            lines += QStringLiteral("%1 | %2 | %3")
                         .arg(rows[r].name, -22)
                         .arg(QString::fromUtf8(WayTexts.at(std::size_t(way)).name), -22)
                         .arg(cell);
        }
    }
    return lines;
}

} // namespace

int matrix(const Options &options)
{
    const std::vector<Row> rows = rowsOf(options);
    std::map<std::pair<std::size_t, Way>, CellResult> results;
    const auto end = std::chrono::steady_clock::now() + options.minutes;
    int wrong = 0;
    qint64 runs = 0;
    for (int round = 0;; ++round) {
        if (options.minutes > 0min ? std::chrono::steady_clock::now() >= end : round >= options.seeds)
            break;
        const unsigned seed = unsigned(options.firstSeed + round);
        for (std::size_t r = 0; r < rows.size(); ++r) {
            if (!options.row.isEmpty() && rows[r].name != options.row)
                continue;
            for (int w = 0; w < int(Way::Count); ++w) {
                const Way way = Way(w);
                const WayText &wayText = WayTexts.at(std::size_t(w));
                const Outcomes outcomes = outcomesOf(rows[r], way);
                if (cannotExist(outcomes) || (!options.way.isEmpty() && options.way != QString::fromUtf8(wayText.name)))
                    continue;
                if (endsItsProcess(way) && round % 20 != 0)
                    continue; // a process each: not for every seed
                const Overdue overdue(
                    QStringLiteral("%1 × %2, seed %3").arg(rows[r].name, QString::fromUtf8(wayText.name)).arg(seed),
                    options.limit);
                CellResult &result = results[{r, way}];
                const auto begin = std::chrono::steady_clock::now();
                const QString seen =
                    endsItsProcess(way) ? runCellInProcess(options, rows[r], way, seed) : runCell(rows[r], way, seed);
                const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
                result.slowestMs = std::max(result.slowestMs, took.count());
                ++result.runs;
                ++result.seen[seen];
                ++runs;
                if (!outcomes.contains(seen) && result.wrong.isEmpty()) {
                    result.wrong =
                        QStringLiteral("seed %1; documented: %2").arg(seed).arg(outcomes.join(QStringLiteral(" or ")));
                    ++wrong;
                }
            }
        }
    }
    double slowest = 0;
    for (const auto &[cell, result] : results)
        slowest = std::max(slowest, result.slowestMs);
    for (const WayText &way : WayTexts)
        std::printf("%-24s %s\n", way.name, way.text);
    std::printf("\n");
    for (const QString &line : linesOf(rows, results))
        std::printf("%s\n", qPrintable(line));
    std::printf("\n%zu ways to wait, %d ways to go, %lld runs, slowest %.0f ms, %d wrong cells\n", rows.size(),
                int(Way::Count), static_cast<long long>(runs), slowest, wrong);
    return wrong == 0 && runs > 0 ? 0 : 1;
}

int endsProcess(const Options &options)
{
    static const std::vector<Row> rows = rowsOf(options);
    const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row &one) { return one.name == options.row; });
    const auto way = std::find_if(WayTexts.begin(), WayTexts.end(),
                                  [&](const WayText &one) { return options.way == QString::fromUtf8(one.name); });
    if (row == rows.end() || way == WayTexts.end())
        return 2;
    static int argc = 1;
    static char name[] = "torture";
    static char *argv[] = {name, nullptr};
    auto *app = new QCoreApplication(argc, argv);
    auto *world = new World(Way(way - WayTexts.begin()), unsigned(options.firstSeed));
    prepare(*world, *row);
    beginWaiting(*world, *row, unsigned(options.firstSeed));
    world->jitter();
    if (world->way == Way::ProcessExit)
        std::exit(0); // with everything still running
    delete app;
    world->go.close();
    world->other->stop();
    world->home->stop();
    world->done.acquire();
    const QString outcome = world->outcome;
    delete world;
    std::printf("outcome: %s\n", qPrintable(outcome));
    return 0;
}

} // namespace Torture

#include "matrix.moc"
