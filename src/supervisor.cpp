// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/supervisor.h>

#include "logging_p.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/channel.h>
#include <qmicroio/detail/clock.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <vector>

namespace QMicroIO {

using Health = SupervisedService::Health;
using detail::TimePoint;
using std::chrono::milliseconds;

namespace {

struct Event
{
    enum class Kind { Ready, Over };
    std::size_t index = 0;
    int generation = 0;
    Kind kind = Kind::Ready;
};

TimePoint later(milliseconds span)
{
    return detail::after(detail::now(), span);
}

TimePoint limit(milliseconds span)
{
    return span > span.zero() ? later(span) : TimePoint::max();
}

} // namespace

milliseconds SupervisorOptions::delayAfter(int failures) const
{
    if (failures <= 0 || backOff <= backOff.zero())
        return milliseconds::zero();
    const double ms = double(backOff.count()) * std::pow(std::max(backOffFactor, 1.0), failures - 1);
    return ms >= double(longestBackOff.count()) ? std::max(longestBackOff, milliseconds::zero())
                                                : milliseconds(qint64(ms));
}

struct Supervisor::Private
{
    // What others may ask for.
    struct Child
    {
        Factory make;
        Restart when = Restart::OnFailure;
        SupervisedService status;
        std::shared_ptr<ServiceThread> current;
    };
    const SupervisorOptions options;
    mutable std::mutex mutex;
    std::vector<Child> children;
    bool started = false;
    bool healthy = false;
    // Services that did not end in time. They end before this object does.
    std::vector<std::shared_ptr<ServiceThread>> leftBehind;

    explicit Private(const SupervisorOptions &given)
        : options(given)
    {
    }
    // With the mutex held.
    const Child *find(const QString &name) const
    {
        const auto found = std::find_if(children.begin(), children.end(),
                                        [&name](const Child &child) { return child.status.name == name; });
        return found == children.end() ? nullptr : &*found;
    }
};

// One life of the supervisor, on its own thread.
struct Supervisor::Run
{
    struct Watched
    {
        std::shared_ptr<ServiceThread> service;
        Health health = Health::Down;
        int generation = 0;
        int failures = 0; // in a row
        TimePoint due{}; // of the next start, while Down or Waiting
        TimePoint limit = TimePoint::max(); // of the start or the stop that is under way
        TimePoint readySince{};
        bool runs() const { return service != nullptr; }
        bool isSettled() const
        {
            return health == Health::Ready || health == Health::Ended || health == Health::Failed;
        }
    };

    Supervisor &self;
    Private &shared;
    const SupervisorOptions &options;
    Channel<Event> events = createChannel<Event>({QStringLiteral("supervision"), LateSend::Drop});
    std::vector<Watched> children;
    std::deque<TimePoint> restarts; // within the window, oldest first
    bool allWereReady = false;
    bool isEnding = false;

    explicit Run(Supervisor &supervisor)
        : self(supervisor)
        , shared(*supervisor.d)
        , options(shared.options)
        , children(shared.children.size())
    {
        events.receiver.bind();
    }

    void enter(std::size_t index, Health health)
    {
        Watched &child = children[index];
        if (child.health == health)
            return;
        child.health = health;
        const bool healthy = std::all_of(children.begin(), children.end(), [](const Watched &one) {
            return one.health == Health::Ready || one.health == Health::Ended;
        });
        QString name;
        bool changed = false;
        {
            const std::lock_guard lock(shared.mutex);
            Private::Child &known = shared.children[index];
            known.status.health = health;
            name = known.status.name;
            changed = std::exchange(shared.healthy, healthy) != healthy;
        }
        Q_EMIT self.healthChanged(name, health);
        if (changed)
            Q_EMIT self.healthyChanged(healthy);
    }

    QString nameOf(std::size_t index) const { return shared.children[index].status.name; }

    void publish(std::size_t index, std::shared_ptr<ServiceThread> service)
    {
        const std::lock_guard lock(shared.mutex);
        shared.children[index].current.swap(service); // the old one is destroyed without the lock
    }

    bool mayStart(std::size_t index) const
    {
        if (options.strategy == RestartStrategy::OneForOne && allWereReady)
            return true;
        const auto isStopping = [](const Watched &one) { return one.health == Health::Stopping; };
        const auto isSettled = [](const Watched &one) { return one.isSettled(); };
        return std::none_of(children.begin(), children.end(), isStopping)
            && std::all_of(children.begin(), children.begin() + std::ptrdiff_t(index), isSettled);
    }

    void startWhatMay()
    {
        for (std::size_t i = 0; i < children.size(); ++i) {
            const Watched &child = children[i];
            if ((child.health == Health::Down || child.health == Health::Waiting) && child.due <= detail::now()
                && mayStart(i))
                start(i);
        }
        const auto isSettled = [](const Watched &one) { return one.isSettled(); };
        if (!allWereReady && std::all_of(children.begin(), children.end(), isSettled)) {
            allWereReady = true;
            self.started();
        }
    }

    void start(std::size_t index)
    {
        Watched &child = children[index];
        const int generation = ++child.generation;
        try {
            std::shared_ptr<ServiceThread> service = shared.children[index].make();
            if (!service)
                throw LogicError(QStringLiteral("the factory of service %1 gave back nothing").arg(nameOf(index)));
            auto tell = [sender = events.sender, index, generation](Event::Kind kind) mutable {
                sender.sendNowait({index, generation, kind});
            };
            connect(
                service.get(), &ServiceThread::ready, service.get(), [tell]() mutable { tell(Event::Kind::Ready); },
                Qt::DirectConnection);
            connect(
                service.get(), &ServiceThread::stopped, service.get(), [tell]() mutable { tell(Event::Kind::Over); },
                Qt::DirectConnection);
            child.service = service;
            child.limit = limit(options.startTimeout);
            publish(index, service);
            enter(index, Health::Starting);
            service->start();
        } catch (...) {
            const std::exception_ptr error = std::current_exception();
            letGo(index);
            ended(index, error);
            return;
        }
        if (generation > 1) {
            int count = 0;
            {
                const std::lock_guard lock(shared.mutex);
                count = ++shared.children[index].status.restarts;
            }
            Q_EMIT self.restarted(nameOf(index), count);
        }
    }

    void letGo(std::size_t index)
    {
        publish(index, nullptr);
        children[index].service.reset();
        children[index].limit = TimePoint::max();
    }

    void stop(std::size_t index, const QString &reason)
    {
        Watched &child = children[index];
        child.limit = limit(options.stopTimeout);
        enter(index, Health::Stopping);
        child.service->stop(reason);
    }

    void handle(const Event &event)
    {
        Watched &child = children[event.index];
        if (event.generation != child.generation || !child.runs())
            return;
        if (event.kind == Event::Kind::Ready) {
            if (child.health != Health::Starting)
                return;
            child.limit = TimePoint::max();
            child.readySince = detail::now();
            enter(event.index, Health::Ready);
            return;
        }
        child.service->join(); // told by its thread as it ends
        const std::exception_ptr error = child.service->error();
        letGo(event.index);
        ended(event.index, error);
    }

    // Its thread has ended, or it is left behind.
    void ended(std::size_t index, const std::exception_ptr &error)
    {
        Watched &child = children[index];
        if (error) {
            const QString text = errorText(error);
            {
                const std::lock_guard lock(shared.mutex);
                shared.children[index].status.lastError = text;
            }
            qCWarning(detail::lcService).noquote()
                << "supervisor" << self.name() << "- service" << nameOf(index) << "failed:" << text;
            Q_EMIT self.serviceFailed(nameOf(index), text);
        }
        if (child.health == Health::Stopping) {
            enter(index, Health::Waiting); // as it was told: the restart is planned already
            return;
        }
        const Restart when = shared.children[index].when;
        if (when == Restart::Never || (when == Restart::OnFailure && !error)) {
            enter(index, error ? Health::Failed : Health::Ended);
            return;
        }
        plan(index, error);
    }

    void plan(std::size_t index, const std::exception_ptr &error)
    {
        Watched &child = children[index];
        const TimePoint time = detail::now();
        if (child.health == Health::Ready && time - child.readySince >= options.window)
            child.failures = 0;
        ++child.failures;
        while (!restarts.empty() && time - restarts.front() >= options.window)
            restarts.pop_front();
        restarts.push_back(time);
        if (qsizetype(restarts.size()) > options.maxRestarts) {
            enter(index, error ? Health::Failed : Health::Ended);
            const QString text =
                QStringLiteral(
                    "supervisor %1 gives up: more than %2 restarts within %3 ms; the last to end was service %4%5")
                    .arg(self.name())
                    .arg(options.maxRestarts)
                    .arg(options.window.count())
                    .arg(nameOf(index), error ? QStringLiteral(": ") + errorText(error) : QString());
            Q_EMIT self.escalated(text);
            throw BrokenResourceError(text, error);
        }
        child.due = detail::after(time, options.delayAfter(child.failures));
        enter(index, Health::Waiting);
        if (options.strategy == RestartStrategy::OneForOne)
            return;
        const std::size_t first = options.strategy == RestartStrategy::OneForAll ? 0 : index;
        for (std::size_t i = children.size(); i-- > first;) {
            Watched &other = children[i];
            if (i == index || shared.children[i].when == Restart::Never || other.health == Health::Down)
                continue;
            other.due = std::max(other.due, child.due);
            if (other.runs() && other.health != Health::Stopping)
                stop(i, QStringLiteral("restarted together with service %1").arg(nameOf(index)));
            else if (!other.runs())
                enter(i, Health::Waiting);
        }
    }

    TimePoint nextTime() const
    {
        TimePoint next = TimePoint::max();
        for (std::size_t i = 0; i < children.size(); ++i) {
            const Watched &child = children[i];
            next = std::min(next, child.limit);
            if (!isEnding && (child.health == Health::Down || child.health == Health::Waiting) && mayStart(i))
                next = std::min(next, child.due);
        }
        return next;
    }

    void enforceLimits()
    {
        for (std::size_t i = 0; i < children.size(); ++i) {
            Watched &child = children[i];
            if (child.limit > detail::now())
                continue;
            if (child.health == Health::Starting && !child.service->scope().isClosed()) {
                child.limit = limit(options.stopTimeout);
                child.service->fail(
                    std::make_exception_ptr(TimeoutError(QStringLiteral("service %1 was not ready within %2 ms")
                                                             .arg(nameOf(i))
                                                             .arg(options.startTimeout.count()))));
                continue;
            }
            leaveBehind(i);
        }
    }

    void leaveBehind(std::size_t index)
    {
        Watched &child = children[index];
        static_cast<void>(child.service->joinOrLog(QDeadlineTimer(0)));
        const std::exception_ptr error = child.service->error();
        {
            const std::lock_guard lock(shared.mutex);
            shared.leftBehind.push_back(child.service);
        }
        ++child.generation; // what it may still tell is no news
        letGo(index);
        ended(index,
              error ? error
                    : std::make_exception_ptr(
                          TimeoutError(QStringLiteral("service %1 did not end in time").arg(nameOf(index)))));
    }

    Task<Event> nextEvent() { co_return co_await events.receiver.receive(); }

    // Waits for the next event, until the next point in time at which there is something to do.
    Task<> step()
    {
        CancelScope untilDue;
        untilDue.setDeadline(nextTime());
        const auto receive = [this] { return nextEvent(); };
        const std::optional<Event> event = co_await untilDue.run(receive);
        if (event)
            handle(*event);
        enforceLimits();
    }

    Task<> supervise()
    {
        for (;;) {
            startWhatMay();
            co_await step();
        }
    }

    Task<> stopAll(QString reason)
    {
        isEnding = true;
        for (std::size_t i = children.size(); i-- > 0;) {
            if (children[i].runs() && children[i].health != Health::Stopping)
                stop(i, reason);
        }
        while (std::any_of(children.begin(), children.end(), [](const Watched &one) { return one.runs(); }))
            co_await step();
        for (std::size_t i = 0; i < children.size(); ++i) {
            if (children[i].health == Health::Waiting)
                enter(i, Health::Down);
        }
    }
};

Supervisor::Supervisor(const QString &name, const SupervisorOptions &options, QObject *parent)
    : LoopServiceThread(name, parent)
    , d(std::make_unique<Private>(options))
{
}

Supervisor::~Supervisor()
{
    stop(QStringLiteral("destroyed"));
    try {
        join();
    } catch (const std::exception &error) {
        qCCritical(detail::lcService).noquote() << "supervisor" << this->name() << "is destroyed:" << error.what();
    }
}

Supervisor &Supervisor::add(const QString &name, Factory make, Restart when)
{
    if (!make)
        throw std::invalid_argument("Supervisor::add(): the factory is empty; give a function that makes the service");
    if (state() != State::Created)
        throw LogicError(
            QStringLiteral("supervisor %1: add() after start(); add all services first").arg(this->name()));
    const std::lock_guard lock(d->mutex);
    if (d->find(name))
        throw LogicError(QStringLiteral("supervisor %1: there is a service %2 already; give each its own name")
                             .arg(this->name(), name));
    Private::Child child;
    child.make = std::move(make);
    child.when = when;
    child.status.name = name;
    d->children.push_back(std::move(child));
    return *this;
}

std::shared_ptr<ServiceThread> Supervisor::service(const QString &name) const
{
    QString why;
    {
        const std::lock_guard lock(d->mutex);
        const Private::Child *child = d->find(name);
        if (!child)
            throw LogicError(
                QStringLiteral("supervisor %1 has no service %2; add() it before start()").arg(this->name(), name));
        if (child->current)
            return child->current;
        why = child->status.lastError;
    }
    throw NotRunningError(
        QStringLiteral("supervisor %1: service %2 does not run now%3")
            .arg(this->name(), name, why.isEmpty() ? QString() : QStringLiteral("; it failed: ") + why));
}

void Supervisor::throwWrongType(const QString &name) const
{
    throw LogicError(
        QStringLiteral("supervisor %1: service %2 is of another class than the one asked for; ask for the one that "
                       "its factory makes")
            .arg(this->name(), name));
}

bool Supervisor::isHealthy() const
{
    const std::lock_guard lock(d->mutex);
    return d->healthy;
}

int Supervisor::restarts() const
{
    const std::lock_guard lock(d->mutex);
    int sum = 0;
    for (const Private::Child &child : d->children)
        sum += child.status.restarts;
    return sum;
}

QList<SupervisedService> Supervisor::services() const
{
    const std::lock_guard lock(d->mutex);
    QList<SupervisedService> all;
    all.reserve(qsizetype(d->children.size()));
    for (const Private::Child &child : d->children)
        all += child.status;
    return all;
}

Task<> Supervisor::runAsync()
{
    Run run(*this);
    std::exception_ptr end;
    try {
        co_await run.supervise();
    } catch (...) {
        end = std::current_exception();
    }
    const QString reason = scope().isClosed() ? scope().reason() : errorText(end);
    const auto stopAll = [&run, &reason] { return run.stopAll(reason); };
    co_await shielded(stopAll);
    if (end)
        std::rethrow_exception(end);
}

} // namespace QMicroIO
