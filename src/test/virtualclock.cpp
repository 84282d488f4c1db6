// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/virtualclock.h>

#include "engine_p.h"

#include <qmicroio/detail/loop.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QPointer>
#include <QtCore/QProperty>
#include <QtCore/QThread>
#include <QtCore/QTimer>

#include <cmath>

namespace QMicroIO::Test {

using detail::Engine;

namespace {

// Takes the place of Qt's own timing of one QTimer: swallows Qt's timeouts and makes its own by the clock.
class TimerControl final : public QObject, private QMicroIO::detail::TimerNode
{
public:
    explicit TimerControl(QTimer *timer)
        : QObject(timer)
        , m_timer(timer)
        , m_loop(QMicroIO::detail::Loop::ensure())
    {
        timer->installEventFilter(this);
        m_active = timer->bindableActive().addNotifier([this] { restart(); });
        m_interval = timer->bindableInterval().addNotifier([this] { restart(); });
    }
    ~TimerControl() override { m_loop.removeTimer(*this); }

    void letGo()
    {
        m_active = {};
        m_interval = {};
        m_loop.removeTimer(*this);
        m_timer->removeEventFilter(this);
    }

private:
    bool eventFilter(QObject *, QEvent *event) override
    {
        if (event->type() != QEvent::Timer || m_isOurs || m_timer->interval() == 0)
            return false;
        return static_cast<QTimerEvent *>(event)->timerId() == m_timer->timerId();
    }
    void restart()
    {
        m_loop.removeTimer(*this);
        ++m_starts;
        if (m_timer->isActive() && m_timer->interval() > 0)
            arm(QMicroIO::detail::now());
    }
    void arm(QMicroIO::detail::TimePoint from)
    {
        m_loop.addTimer(*this, QMicroIO::detail::after(from, m_timer->intervalAsDuration()));
    }
    void timerFired() override
    {
        const QMicroIO::detail::TimePoint due = when();
        const quint64 starts = m_starts;
        const QPointer<TimerControl> alive(this);
        m_isOurs = true;
        QTimerEvent event(m_timer->timerId());
        QCoreApplication::sendEvent(m_timer, &event);
        if (!alive)
            return;
        m_isOurs = false;
        if (m_starts == starts && m_timer->isActive())
            arm(due);
    }

    QTimer *m_timer;
    QMicroIO::detail::Loop &m_loop;
    QPropertyNotifier m_active;
    QPropertyNotifier m_interval;
    quint64 m_starts = 0;
    bool m_isOurs = false;
};

} // namespace

struct VirtualClock::Private
{
    mutable std::mutex mutex;
    bool installed = false;
    Engine::Settings settings;
    std::vector<QPointer<TimerControl>> timers;

    void apply() const
    {
        if (installed)
            Engine::instance().change(settings);
    }
};

VirtualClock::VirtualClock()
    : d(std::make_unique<Private>())
{
}

VirtualClock::~VirtualClock()
{
    uninstall();
}

void VirtualClock::install()
{
    const std::lock_guard lock(d->mutex);
    if (d->installed)
        throw LogicError(QStringLiteral("VirtualClock::install(): this clock is installed already"));
    Engine::instance().start(Engine::Mode::Virtual, d->settings);
    d->installed = true;
}

void VirtualClock::uninstall()
{
    std::vector<QPointer<TimerControl>> timers;
    {
        const std::lock_guard lock(d->mutex);
        if (!std::exchange(d->installed, false))
            return;
        timers.swap(d->timers);
    }
    for (const QPointer<TimerControl> &timer : timers) {
        if (timer && timer->thread() == QThread::currentThread())
            timer->letGo();
        else if (timer)
            QMetaObject::invokeMethod(timer, [timer = timer.data()] { timer->letGo(); }, Qt::QueuedConnection);
    }
    Engine::instance().end();
}

bool VirtualClock::isInstalled() const
{
    const std::lock_guard lock(d->mutex);
    return d->installed;
}

std::chrono::nanoseconds VirtualClock::elapsed() const
{
    return isInstalled() ? Engine::instance().elapsed() : std::chrono::nanoseconds(0);
}

std::chrono::steady_clock::time_point VirtualClock::now() const
{
    return isInstalled() ? Engine::instance().now() : std::chrono::steady_clock::now();
}

void VirtualClock::advanceBy(std::chrono::nanoseconds span)
{
    if (!isInstalled())
        throw LogicError(
            QStringLiteral("VirtualClock::advance() of a clock that is not installed; call install() first"));
    Engine::instance().advance(span);
}

void VirtualClock::setRate(double rate)
{
    if (std::isnan(rate) || rate < 0)
        throw std::invalid_argument("VirtualClock::setRate(): the rate is negative or NaN; zero stops the flow");
    const std::lock_guard lock(d->mutex);
    d->settings.rate = rate;
    d->apply();
}

double VirtualClock::rate() const
{
    const std::lock_guard lock(d->mutex);
    return d->settings.rate;
}

void VirtualClock::setThreshold(std::chrono::nanoseconds threshold)
{
    const std::lock_guard lock(d->mutex);
    d->settings.autojump = threshold;
    d->apply();
}

void VirtualClock::stopAutojump()
{
    const std::lock_guard lock(d->mutex);
    d->settings.autojump.reset();
    d->apply();
}

quint64 VirtualClock::jumps() const
{
    return isInstalled() ? Engine::instance().jumps() : 0;
}

void VirtualClock::control(QTimer *timer)
{
    if (!timer)
        throw std::invalid_argument("VirtualClock::control(): the timer is null");
    if (!isInstalled())
        throw LogicError(
            QStringLiteral("VirtualClock::control() of a clock that is not installed; call install() first"));
    if (timer->thread() != QThread::currentThread())
        throw LogicError(
            QStringLiteral("VirtualClock::control() from %1; call it in the timer's own thread, for a service "
                           "through callSync()")
                .arg(QMicroIO::detail::currentThreadName()));
    auto *control = new TimerControl(timer);
    const std::lock_guard lock(d->mutex);
    d->timers.emplace_back(control);
}

void VirtualClock::controlTimersOf(QObject *owner)
{
    if (!owner)
        throw std::invalid_argument("VirtualClock::controlTimersOf(): the owner is null");
    const QList<QTimer *> timers = owner->findChildren<QTimer *>();
    for (QTimer *timer : timers)
        control(timer);
}

QString VirtualClock::describe()
{
    return Engine::instance().describe();
}

std::chrono::steady_clock::time_point now()
{
    return QMicroIO::detail::now();
}

} // namespace QMicroIO::Test
