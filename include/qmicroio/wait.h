// floor 11: waiting for Qt and for others: a signal, and all that the headers below it offer
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancellable.h>
#include <qmicroio/cancelscope.h>
#include <qmicroio/detail/promise.h>
#include <qmicroio/detail/signal.h>
#include <qmicroio/offload.h>
#include <qmicroio/whenall.h>

#include <QtCore/QPointer>

#include <stdexcept>
#include <type_traits>

namespace QMicroIO {
namespace detail {

template<class Sender, class Signal, class Tuple>
class SignalWait : public AmbientBase
{
public:
    SignalWait(Sender *sender, Signal signal)
        : m_sender(sender)
        , m_signal(signal)
    {
    }
    SignalAwaiter<Sender, Signal, Tuple> awaiter(TaskContext &task) const
    {
        return {task, m_sender, m_signal, m_early};
    }
    // Where the wait itself begins later: emissions count from now on.
    void listen(Loop &loop)
    {
        if (m_sender)
            m_early = std::make_shared<SignalListening<Sender, Signal, Tuple>>(loop, m_sender.data(), m_signal);
    }

private:
    QPointer<Sender> m_sender;
    Signal m_signal;
    std::shared_ptr<SignalListening<Sender, Signal, Tuple>> m_early;
};

} // namespace detail

/// co_await nextSignal(sender, &Sender::signal): the next emission after the co_await began; as an argument of whenAll()
/// or whenAny(), after the co_await of that began.
///
/// Gives nothing, the argument, or a tuple of the arguments, decayed. The sender may live in any thread. qOverload picks
/// one of several signals of a name; Qt's mark on private signals is no argument.
/// Thread: the task's. Suspends: until the emission. Resumes: on the task's own thread, from its loop, never inside the emission.
/// Cancel point: yes; it disconnects. Order: emissions between the co_await and the resumption after the first are not seen.
/// Cost: an allocation, a text for diagnostics, two connections; a posted event when the signal comes from another thread.
/// Lifetime: the sender may go before the signal comes.
/// Fails: BrokenResourceError when the sender dies; std::invalid_argument for a null sender or signal.
template<class Object, class Sender, class... Args>
    requires std::is_base_of_v<Sender, Object>
detail::SignalWait<Object, void (Sender::*)(Args...), typename detail::SignalArguments<Args...>::Tuple> nextSignal(
    Object *sender, void (Sender::*signal)(Args...))
{
    if (!sender || !signal)
        throw std::invalid_argument("nextSignal(): the sender or the signal is null");
    return {sender, signal};
}

/// The same for a signal that is declared const.
/// Thread: the task's.
template<class Object, class Sender, class... Args>
    requires std::is_base_of_v<Sender, Object>
detail::SignalWait<Object, void (Sender::*)(Args...) const, typename detail::SignalArguments<Args...>::Tuple>
nextSignal(Object *sender, void (Sender::*signal)(Args...) const)
{
    if (!sender || !signal)
        throw std::invalid_argument("nextSignal(): the sender or the signal is null");
    return {sender, signal};
}

} // namespace QMicroIO
