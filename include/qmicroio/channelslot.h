// floor 10: a channel whose items go to an ordinary slot, for classes that are no coroutines
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/channel.h>
#include <qmicroio/taskgroup.h>

#include <QtCore/QObject>

#include <chrono>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace QMicroIO {

namespace detail {

// The slot's object is gone, which is a good reason to receive no more: no warning.
struct ClosingDeleter
{
    template<class T>
    void operator()(ChannelReceiver<T> *receiver) const
    {
        receiver->close();
        delete receiver;
    }
};
template<class T>
using ClosingReceiver = std::unique_ptr<ChannelReceiver<T>, ClosingDeleter>;

template<class T, class Context, class Slot>
Task<> deliverToSlot(ClosingReceiver<T> receiver, Context *context, Slot slot, std::chrono::nanoseconds pause,
                     ObjectTaskGroup *tasks)
{
    struct Leaving
    {
        ~Leaving() { tasks->deleteLater(); }
        ObjectTaskGroup *tasks;
    } leaving{tasks};
    while (auto item = co_await receiver->next()) {
        if constexpr (std::is_invocable_v<Slot &, T>)
            std::invoke(slot, std::move(*item));
        else
            std::invoke(slot, context, std::move(*item));
        co_await sleep(pause);
    }
}

} // namespace detail

/// Calls `slot` with each item of the channel, in the thread of `context`, until the channel ends or `context` is destroyed.
///
///     connectChannel(std::move(temperatures.receiver), label, &Thermometer::show, 16ms);
///
/// The slot is a function of the item, or a member function of the context. After each call Qt's events have their turn, and
/// `pause` passes at least. With createLatest() and a pause of one frame, a display shows the newest value and is drawn no
/// more often than it can be seen.
///
/// Thread:   that of `context`.
/// Lifetime: the receiver is closed when the context is destroyed: senders then get BrokenResourceError.
/// Suspends: never. Units: the pause is any duration.
/// Cost:     a task with its group, made once; a turn of the loop for each item, and a timer for a pause.
/// Fails:    std::invalid_argument for a null context or a negative pause; LogicError in another thread than the context's or one
///           without an event loop; NotRunningError when that has ended. What the slot throws, and the failure of the channel,
///           is logged (qmicroio.task) and ends it.
template<class T, class Context, class Slot, class Rep = int, class Period = std::milli>
void connectChannel(ChannelReceiver<T> receiver, Context *context, Slot slot,
                    std::chrono::duration<Rep, Period> pause = std::chrono::milliseconds(0))
{
    static_assert(std::is_invocable_v<Slot &, T> || std::is_invocable_v<Slot &, Context *, T>,
                  "QMicroIO: the slot of connectChannel() takes one item of the channel.");
    const std::chrono::nanoseconds checked = detail::checkedDuration(pause, "connectChannel()");
    // Deleted with its owner, whose children have ended by then.
    auto tasks = std::make_unique<ObjectTaskGroup>(context);
    detail::ClosingReceiver<T> owned(new ChannelReceiver<T>(std::move(receiver)));
    tasks->startSoon(TaskName(QStringLiteral("connectChannel")), &detail::deliverToSlot<T, Context, Slot>,
                     std::move(owned), context, std::move(slot), checked, tasks.get());
    tasks.release()->setParent(context);
}

} // namespace QMicroIO
