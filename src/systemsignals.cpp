// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/systemsignals.h>

#include "systemsignals_p.h"

#include <qmicroio/errors.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace QMicroIO {

namespace {

std::atomic<bool> exists{false};

} // namespace

struct SystemSignals::State
{
    struct Bound
    {
        quint64 id;
        std::function<void(const QString &)> act;
        bool told = false;
        std::thread::id by; // the thread that tells it right now
    };
    std::mutex mutex;
    std::condition_variable told;
    std::vector<std::shared_ptr<Bound>> bound;
    quint64 lastId = 0;
    int number = 0;
    QString reason;

    // Takes the lock for its own steps only: user code runs in `act`.
    void tell(const std::shared_ptr<Bound> &one)
    {
        {
            const std::lock_guard lock(mutex);
            if (one->told)
                return;
            one->told = true;
            one->by = std::this_thread::get_id();
        }
        one->act(reason);
        const std::lock_guard lock(mutex);
        one->by = {};
        told.notify_all();
    }
    std::vector<std::shared_ptr<Bound>> all()
    {
        const std::lock_guard lock(mutex);
        return bound;
    }
    void forget(quint64 id) noexcept
    {
        std::shared_ptr<Bound> gone; // destroyed without the lock
        std::unique_lock lock(mutex);
        const auto found = std::find_if(bound.begin(), bound.end(), [id](const auto &one) { return one->id == id; });
        if (found == bound.end())
            return;
        gone = *found;
        bound.erase(found);
        gone->told = true;
        told.wait(lock, [&gone] { return gone->by == std::thread::id() || gone->by == std::this_thread::get_id(); });
    }
};

SystemSignals::Binding &SystemSignals::Binding::operator=(Binding &&other) noexcept
{
    release();
    m_state = std::move(other.m_state);
    m_id = other.m_id;
    return *this;
}

SystemSignals::Binding::~Binding()
{
    release();
}

void SystemSignals::Binding::release() noexcept
{
    if (const std::shared_ptr<State> state = std::move(m_state))
        state->forget(m_id);
}

SystemSignals::SystemSignals(const SystemSignalOptions &options, QObject *parent)
    : QObject(parent)
    , d(std::make_shared<State>())
{
    if (exists.exchange(true))
        throw LogicError(QStringLiteral("a second SystemSignals; a program has one, bind everything to that"));
    try {
        m_listener = std::make_unique<ServiceThread>(QStringLiteral("system signals"),
                                                     [this](ServiceThread &self) { listen(self); });
        if (const std::error_code refused = detail::StopSignals::install(options.exitCode, options.repeat))
            throw Error(QStringLiteral("SystemSignals: the system refuses what it takes to catch a signal: %1")
                            .arg(QString::fromLocal8Bit(refused.message())));
        m_listener->start();
        m_listener->waitStarted();
    } catch (...) {
        detail::StopSignals::uninstall();
        exists = false;
        throw;
    }
}

SystemSignals::~SystemSignals()
{
    detail::StopSignals::uninstall();
    m_listener->stop();
    detail::StopSignals::interrupt();
    m_listener->join();
    exists = false;
}

void SystemSignals::listen(ServiceThread &self)
{
    self.started();
    const int number = detail::StopSignals::wait();
    if (number == 0)
        return;
    {
        const std::lock_guard lock(d->mutex);
        d->number = number;
        d->reason = QString::fromUtf8(detail::StopSignals::nameOf(number));
    }
    for (const auto &one : d->all())
        d->tell(one);
    Q_EMIT received(number);
}

SystemSignals::Binding SystemSignals::bind(std::function<void(const QString &)> act)
{
    auto one = std::make_shared<State::Bound>();
    one->act = std::move(act);
    bool tooLate = false;
    {
        const std::lock_guard lock(d->mutex);
        one->id = ++d->lastId;
        d->bound.push_back(one);
        tooLate = d->number != 0;
    }
    Binding binding(d, one->id);
    if (tooLate)
        d->tell(one);
    return binding;
}

SystemSignals::Binding SystemSignals::cancels(CancelScope &scope)
{
    return bind([&scope](const QString &reason) { scope.cancel(reason); });
}

SystemSignals::Binding SystemSignals::closes(CloseScope &scope)
{
    return bind([&scope](const QString &reason) { scope.close(reason); });
}

SystemSignals::Binding SystemSignals::stops(ServiceThread &service)
{
    return bind([&service](const QString &reason) { service.stop(reason); });
}

int SystemSignals::number() const
{
    const std::lock_guard lock(d->mutex);
    return d->number;
}

} // namespace QMicroIO
