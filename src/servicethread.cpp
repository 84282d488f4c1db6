// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/servicethread.h>

#include "logging_p.h"

#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/life.h>
#include <qmicroio/detail/listing.h>
#include <qmicroio/detail/seam.h>
#include <qmicroio/errors.h>

#include <QtCore/QMetaEnum>
#include <QtCore/QThread>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <variant>

namespace QMicroIO {

namespace {

struct ReadyEvent
{
};
struct StoppedEvent
{
};
using Event = std::variant<ServiceThread::State, ReadyEvent, QString, StoppedEvent>;

class WorkerThread final : public QThread
{
public:
    explicit WorkerThread(std::function<void()> body)
        : m_body(std::move(body))
    {
    }

private:
    void run() override { m_body(); }
    std::function<void()> m_body;
};

std::mutex &handlerMutex()
{
    static std::mutex mutex;
    return mutex;
}

ServiceThread::UnhandledErrorHandler &unhandledErrorHandler()
{
    static ServiceThread::UnhandledErrorHandler handler = [](ServiceThread &service, std::exception_ptr error) {
        qCCritical(detail::lcService).noquote()
            << "service" << service.name() << "ended by an error that nobody handled:" << errorText(error);
    };
    return handler;
}

// How many services of that name were started before. Of so many names only, so that a program that makes up new ones
// for ever does not grow.
int countStart(const QString &name)
{
    constexpr std::size_t MostNames = 4096;
    static std::mutex mutex;
    static auto *starts = new std::map<QString, int>; // services may start while static objects are being destroyed
    if (name.isEmpty())
        return 0;
    const std::lock_guard lock(mutex);
    const auto known = starts->find(name);
    if (known != starts->end())
        return known->second++;
    if (starts->size() < MostNames)
        starts->emplace(name, 1);
    return 0;
}

} // namespace

struct ServiceThread::Private
{
    explicit Private(const QString &serviceName)
        : name(serviceName)
    {
        node->name = name;
    }

    const QString name; // before `listing`: who looks reads it without a lock
    const std::shared_ptr<detail::ThreadNode> node = std::make_shared<detail::ThreadNode>();
    std::function<void(ServiceThread &)> target;
    CloseScope scope;
    bool reraise = false;

    mutable std::mutex mutex;
    std::condition_variable readiness;
    State state = State::Created;
    bool startCalled = false;
    bool ready = false;
    bool ending = false; // runService() has returned: closing the scope is no stop request any more
    bool over = false;
    // What waiters look at before they sleep.
    std::atomic<bool> isDecided{false};
    std::atomic<bool> isOver{false};
    std::atomic<bool> hasLeft{false}; // the thread has nothing to do any more
    std::atomic<int> core{-1}; // where the service's thread began; -1 before, and where the system does not say
    std::exception_ptr error;
    std::unique_ptr<QThread> thread;

    // What others may see of it.
    std::weak_ptr<detail::Seam> seam;
    detail::TimePoint startedAt{};
    detail::TimePoint endedAt{};
    int restarts = 0;

    // Changes are announced in order by one thread at a time, with no lock held: a slot never sees Stopping after Stopped.
    std::deque<Event> events;
    bool announcing = false;

    void enter(State next)
    {
        events.emplace_back(next);
        state = next;
    }

    void announce(ServiceThread &service)
    {
        std::unique_lock lock(mutex);
        if (announcing)
            return;
        announcing = true;
        while (!events.empty()) {
            const Event event = std::move(events.front());
            events.pop_front();
            lock.unlock();
            struct Emit
            {
                ServiceThread &service;
                void operator()(State entered) const { Q_EMIT service.stateChanged(entered); }
                void operator()(ReadyEvent) const { Q_EMIT service.ready(); }
                void operator()(const QString &message) const { Q_EMIT service.failed(message); }
                void operator()(StoppedEvent) const { Q_EMIT service.stopped(); }
            };
            std::visit(Emit{service}, event);
            lock.lock();
        }
        announcing = false;
    }

    QString label() const { return name.isEmpty() ? QStringLiteral("(unnamed)") : name; }

    // A short wait without sleep, unless it would keep the service's thread from running on this very core.
    bool spin(const std::atomic<bool> &flag, std::chrono::nanoseconds longest) const
    {
        const int other = core.load(std::memory_order_relaxed);
        return other >= 0 && other != detail::currentCore()
            && detail::spinUntil([&flag] { return flag.load(std::memory_order_acquire); }, longest);
    }
    // With the mutex held.
    void decided()
    {
        isDecided.store(true, std::memory_order_release);
        readiness.notify_all();
    }
    // The last act of the thread. Who joins by the clock of a test waits for this first: while the thread ends, that clock
    // must not move.
    void leave()
    {
        detail::ended(detail::Life::Service, this);
        hasLeft.store(true);
        detail::ClockHook *clock = detail::clockHook();
        if (Q_LIKELY(!clock))
            return;
        {
            const std::lock_guard lock(mutex);
            readiness.notify_all();
        }
        clock->threadEnds(this);
    }
    // With the mutex held.
    bool recordError(std::exception_ptr failure)
    {
        if (error || !failure)
            return false;
        error = std::move(failure);
        return true;
    }

    // With the mutex held.
    void noteFailure(const std::exception_ptr &failure)
    {
        if (error || !failure)
            return;
        events.emplace_back(errorText(failure)); // before the rest: this may get no memory
        recordError(failure);
    }

    // With the mutex held, once the scope is closed. By the closing thread or by the service's as it ends, whichever
    // comes first: a service that stops at once goes through Stopping as well.
    void noteClosed()
    {
        noteFailure(scope.error());
        if (state == State::Starting || state == State::Ready)
            enter(State::Stopping);
        decided();
    }

    static void report(const void *object, detail::ListedState &into)
    {
        const auto &service = *static_cast<const Private *>(object);
        into.name = service.name;
        into.isClosed = service.scope.isClosed();
        into.reason = service.scope.reason();
        const std::lock_guard lock(service.mutex);
        into.serviceState = int(service.state);
        into.error = service.error;
        into.restarts = service.restarts;
        into.seam = service.seam;
        if (service.startedAt != detail::TimePoint())
            into.uptime = (service.over ? service.endedAt : detail::Clock::now()) - service.startedAt;
    }
    detail::Listing listing{detail::Listing::Kind::Service, this, &report};
};

ServiceThread::ServiceThread(const QString &name, QObject *parent)
    : ServiceThread(name, {}, parent)
{
}

ServiceThread::ServiceThread(const QString &name, std::function<void(ServiceThread &)> target, QObject *parent)
    : QObject(parent)
    , d(std::make_shared<Private>(name))
{
    d->target = std::move(target);
    connect(
        &d->scope, &CloseScope::closedChanged, this,
        [this] {
            // The scope closes once only, so the service must hear of it now: without memory for that this waits.
            for (bool told = false; !told;) {
                try {
                    {
                        const std::lock_guard lock(d->mutex);
                        if (!d->ending)
                            d->noteClosed();
                    }
                    stopRequested(d->scope.reason());
                    told = true;
                } catch (const std::bad_alloc &) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                }
            }
            d->announce(*this);
        },
        Qt::DirectConnection);
}

ServiceThread::~ServiceThread()
{
    shutDown();
}

void ServiceThread::shutDown() noexcept
{
    {
        const std::lock_guard lock(d->mutex);
        if (!d->thread)
            return;
    }
    if (d->thread->isFinished() || !d->thread->isRunning()) {
        d->thread->wait();
        return;
    }
    if (QThread::currentThread() == d->thread.get()) {
        qCCritical(detail::lcService).noquote()
            << "service" << d->label()
            << "is destroyed by its own thread, which cannot wait for itself; destroy it elsewhere";
        stop(QStringLiteral("destroyed"));
        // Whoever still runs in that thread keeps its QThread; leaking it is the lesser evil.
        static_cast<void>(d->thread.release());
        return;
    }
    stop(QStringLiteral("destroyed"));
    if (d->thread->wait(QDeadlineTimer(0)))
        return;
    if (!d->scope.isClosed() || d->scope.reason() == QStringLiteral("destroyed")) {
        qCWarning(detail::lcService).noquote()
            << "service" << d->label() << "is destroyed while it runs; it was told to stop, waiting for its end";
    }
    std::optional<detail::WaitEdge> edge;
    try {
        edge.emplace(d->node, "~ServiceThread()");
    } catch (const std::exception &error) {
        // Its members may be in use over there, so there is nothing to do but wait.
        qCCritical(detail::lcService).noquote()
            << "service" << d->label() << "is destroyed by a thread that it waits for:" << error.what();
    }
    d->thread->wait();
}

void ServiceThread::start()
{
    {
        const std::lock_guard lock(d->mutex);
        if (d->startCalled) {
            throw LogicError(
                QStringLiteral("service %1: start() was called before; a service runs once, make a new one")
                    .arg(d->label()));
        }
        d->startCalled = true;
    }
    try {
        aboutToStart();
    } catch (...) {
        const std::lock_guard lock(d->mutex);
        d->startCalled = false; // nothing was begun, so nobody may wait for it
        throw;
    }
    QThread *thread = nullptr;
    {
        const std::lock_guard lock(d->mutex);
        d->startedAt = d->endedAt = detail::Clock::now();
        d->restarts = countStart(d->name);
        d->enter(State::Starting);
        if (d->scope.isClosed())
            d->noteClosed(); // stopped before it began: it never becomes ready
        d->thread = std::make_unique<WorkerThread>([this] { runThread(); });
        d->thread->setObjectName(d->name);
        thread = d->thread.get();
    }
    if (detail::ClockHook *clock = detail::clockHook(); Q_UNLIKELY(clock != nullptr))
        clock->threadPromised(d.get());
    detail::born(detail::Life::Service, d.get(), d->label());
    thread->start();
    if (!thread->isRunning() && !thread->isFinished()) {
        if (detail::ClockHook *clock = detail::clockHook(); Q_UNLIKELY(clock != nullptr))
            clock->threadEnds(d.get());
        detail::ended(detail::Life::Service, d.get());
        const auto error = std::make_exception_ptr(
            StartupError(QStringLiteral("service %1: the system refused another thread (limit on threads or memory)")
                             .arg(d->label())));
        {
            const std::lock_guard lock(d->mutex);
            d->ending = true;
        }
        couldNotStart();
        d->scope.fail(error);
        const std::lock_guard lock(d->mutex);
        end(error);
    }
    d->announce(*this);
}

void ServiceThread::runThread()
{
    detail::adoptThreadNode(d->node);
    const std::shared_ptr<Private> kept = d; // a slot may delete the service
    if (detail::ClockHook *clock = detail::clockHook(); Q_UNLIKELY(clock != nullptr))
        clock->threadBegins(kept.get());
    d->core.store(detail::currentCore(), std::memory_order_relaxed);
    std::exception_ptr error;
    try {
        runService();
    } catch (...) {
        error = std::current_exception();
    }
    {
        const std::lock_guard lock(d->mutex);
        if (d->scope.isClosed()) {
            d->noteClosed();
        } else if (!error && !d->ready && !d->error) {
            error = std::make_exception_ptr(StartupError(
                QStringLiteral("service %1 returned before it became ready: call started()").arg(d->label())));
        }
        if (d->error)
            error = d->error;
        d->ending = true;
    }
    // Before the end is told: who hears of it finds the scope closed.
    if (error)
        d->scope.fail(error);
    else
        d->scope.close(QStringLiteral("the service ended"));
    {
        const std::lock_guard lock(d->mutex);
        if (!error)
            error = d->scope.error(); // another thread failed the scope meanwhile
        end(error);
    }
    if (error && d->reraise) {
        UnhandledErrorHandler handler;
        {
            const std::lock_guard lock(handlerMutex());
            handler = unhandledErrorHandler();
        }
        if (handler)
            handler(*this, error);
    }
    d->announce(*this);
    kept->leave();
}

void ServiceThread::end(const std::exception_ptr &error)
{
    const bool isNews = d->recordError(error);
    d->endedAt = detail::Clock::now();
    d->over = true;
    d->isOver.store(true, std::memory_order_release);
    d->enter(d->error ? State::Failed : State::Stopped);
    if (isNews)
        d->events.emplace_back(errorText(error));
    d->events.emplace_back(StoppedEvent());
    d->decided();
}

void ServiceThread::started()
{
    {
        const std::lock_guard lock(d->mutex);
        if (d->state != State::Starting || d->scope.isClosed())
            return;
        d->ready = true;
        d->enter(State::Ready);
        d->events.emplace_back(ReadyEvent());
        d->readiness.notify_all();
    }
    d->isDecided.store(true, std::memory_order_release); // only now: who sees it takes the lock at once
    d->announce(*this);
}

void ServiceThread::fail(std::exception_ptr error)
{
    if (!error)
        throw std::invalid_argument("ServiceThread::fail(): the error is null; use stop() for a clean end");
    {
        const std::lock_guard lock(d->mutex);
        if (d->ending || d->error)
            return;
    }
    if (!d->scope.fail(error)) {
        // Closed before: by a stop, which this failure does not undo, or by a failure, which came first.
        const std::lock_guard lock(d->mutex);
        if (d->ending)
            return;
        d->noteFailure(d->scope.error() ? d->scope.error() : error);
        d->decided();
    }
    d->announce(*this);
}

void ServiceThread::waitStarted(QDeadlineTimer deadline)
{
    const detail::SharedDeadline limit(deadline);
    if (!deadline.hasExpired()) {
        // Not spin(): a thread that has not begun yet may be in the queue of any core.
        detail::yieldUntil([this] { return d->isDecided.load(std::memory_order_acquire); }, 2 * detail::wakeUpTime());
    }
    std::unique_lock lock(d->mutex);
    if (!d->startCalled)
        throw NotRunningError(
            QStringLiteral("service %1: waitStarted() before start(); call start() first").arg(d->label()));
    if (d->thread && QThread::currentThread() == d->thread.get())
        throw LogicError(
            QStringLiteral("service %1: waitStarted() on its own thread would wait for itself").arg(d->label()));
    const auto decided = [this] { return d->error || d->ready || d->over || d->state == State::Stopping; };
    std::optional<detail::WaitEdge> edge;
    if (!decided() && !deadline.hasExpired())
        edge.emplace(d->node, "waitStarted()", d->isDecided);
    const bool inTime = detail::waitUntil(d->readiness, lock, limit.left(), decided);
    // Readiness that a failure has overtaken does not count.
    if (d->error) {
        const std::exception_ptr cause = d->error;
        lock.unlock();
        throw StartupError(QStringLiteral("service %1 failed: %2").arg(d->label(), errorText(cause)), cause);
    }
    if (d->ready)
        return;
    if (!inTime)
        throw TimeoutError(QStringLiteral("service %1 did not become ready in time").arg(d->label()));
    lock.unlock();
    throw StartupError(
        QStringLiteral("service %1 was stopped before it became ready: %2").arg(d->label(), d->scope.reason()));
}

bool ServiceThread::stop(const QString &reason)
{
    return d->scope.close(reason);
}

void ServiceThread::requestStop()
{
    stop();
}

bool ServiceThread::join(QDeadlineTimer deadline)
{
    QThread *thread = nullptr;
    {
        const std::lock_guard lock(d->mutex);
        thread = d->thread.get();
    }
    if (!thread)
        return true;
    if (QThread::currentThread() == thread) {
        throw LogicError(
            QStringLiteral("service %1: join() on its own thread would wait for itself; stop() is enough here")
                .arg(d->label()));
    }
    if (!thread->isRunning() && !thread->isFinished())
        return true; // the system refused the thread
    if (Q_UNLIKELY(detail::clockHook() != nullptr)) {
        std::unique_lock lock(d->mutex);
        if (!detail::waitUntil(d->readiness, lock, deadline, [this] { return d->hasLeft.load(); }))
            return false;
        lock.unlock();
        return thread->wait();
    }
    if (!deadline.hasExpired() && d->spin(d->isOver, 2 * detail::wakeUpTime())
        && detail::spinUntil([thread] { return thread->wait(QDeadlineTimer(0)); }, detail::wakeUpTime()))
        return true;
    if (deadline.hasExpired() || thread->isFinished())
        return thread->wait(deadline);
    const detail::WaitEdge edge(d->node, "join()");
    return thread->wait(deadline);
}

bool ServiceThread::joinOrLog(QDeadlineTimer deadline)
{
    QString running;
    try {
        if (join(deadline))
            return true;
        running = describeRunning();
    } catch (const DeadlockError &error) {
        running = error.message();
    }
    qCCritical(detail::lcService).noquote()
        << "service" << d->label() << "did not end in time; state" << stateName(state())
        << (d->scope.isClosed() ? QStringLiteral("(stop: %1)").arg(d->scope.reason())
                                : QStringLiteral("(stop not called)"))
        << "still running:" << running;
    return false;
}

ServiceThread::State ServiceThread::state() const
{
    const std::lock_guard lock(d->mutex);
    return d->state;
}

QString ServiceThread::name() const
{
    return d->name;
}

const std::shared_ptr<detail::ThreadNode> &ServiceThread::threadNode() const
{
    return d->node;
}

QString ServiceThread::errorString() const
{
    return errorText(error());
}

CloseScope &ServiceThread::scope()
{
    return d->scope;
}

const CloseScope &ServiceThread::scope() const
{
    return d->scope;
}

std::exception_ptr ServiceThread::error() const
{
    const std::lock_guard lock(d->mutex);
    return d->error;
}

void ServiceThread::setReraise(bool on)
{
    d->reraise = on;
}

ServiceThread::UnhandledErrorHandler ServiceThread::setUnhandledErrorHandler(UnhandledErrorHandler handler)
{
    const std::lock_guard lock(handlerMutex());
    return std::exchange(unhandledErrorHandler(), std::move(handler));
}

void ServiceThread::runService()
{
    if (!d->target) {
        throw LogicError(
            QStringLiteral("service %1 has nothing to run: give a target or override runService()").arg(d->label()));
    }
    d->target(*this);
}

void ServiceThread::setLoop(const std::shared_ptr<detail::Seam> &seam)
{
    const std::lock_guard lock(d->mutex);
    d->seam = seam;
}

void ServiceThread::setUnlisted()
{
    d->listing.withdraw();
}

QString ServiceThread::stateName(State state)
{
    return QString::fromUtf8(QMetaEnum::fromType<State>().valueToKey(int(state)));
}

void ServiceThread::aboutToStart() { }

void ServiceThread::couldNotStart() { }

void ServiceThread::stopRequested(const QString &reason)
{
    Q_UNUSED(reason);
}

QString ServiceThread::describeRunning()
{
    return QStringLiteral("its target function (it should look at scope().isClosed())");
}

} // namespace QMicroIO
