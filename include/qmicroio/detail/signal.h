// floor 5: one emission of a Qt signal, handed to a waiting task
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/scope.h>
#include <qmicroio/errors.h>

#include <QtCore/QMetaObject>
#include <QtCore/QObject>
#include <QtCore/QPointer>

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <tuple>

namespace QMicroIO::detail {

// Qt marks signals that only their class may emit by a last argument of a private type, which cannot be named here.
template<class T>
constexpr bool isPrivateSignalMark()
{
#if defined(_MSC_VER)
    return std::string_view(__FUNCSIG__).find("QPrivateSignal") != std::string_view::npos;
#else
    return std::string_view(__PRETTY_FUNCTION__).find("QPrivateSignal") != std::string_view::npos;
#endif
}

template<class... Args>
struct SignalArguments;
template<>
struct SignalArguments<>
{
    using Tuple = std::tuple<>;
};
template<class Head, class... Tail>
struct SignalArguments<Head, Tail...>
{
    using Rest = typename SignalArguments<Tail...>::Tuple;
    template<class T>
    struct Prepend;
    template<class... T>
    struct Prepend<std::tuple<T...>>
    {
        using Type = std::tuple<std::decay_t<Head>, T...>;
    };
    using Tuple = std::conditional_t<sizeof...(Tail) == 0 && isPrivateSignalMark<Head>(), std::tuple<>,
                                     typename Prepend<Rest>::Type>;
};

template<class Tuple>
struct SignalResult
{
    using Type = Tuple;
};
template<>
struct SignalResult<std::tuple<>>
{
    using Type = void;
};
template<class T>
struct SignalResult<std::tuple<T>>
{
    using Type = T;
};

// Shared between the waiting task and the connections, which may be running in another thread while the task goes on.
template<class Tuple>
class SignalState : public std::enable_shared_from_this<SignalState<Tuple>>
{
public:
    class Listener
    {
    public:
        virtual void signalled() = 0; // loop thread

    protected:
        ~Listener() = default;
    };

    SignalState(std::shared_ptr<Seam> seam, Listener *listener)
        : m_seam(std::move(seam))
        , m_listener(listener)
    {
    }
    void fire(std::optional<Tuple> arguments) // empty: the sender died
    {
        {
            const std::lock_guard lock(m_mutex);
            if (m_fired)
                return;
            m_fired = true;
            m_arguments = std::move(arguments);
        }
        if (m_seam->isOwnThread())
            tell();
        else
            m_seam->post([self = this->shared_from_this()](Fate) { self->tell(); }, Seam::From::Inside);
    }
    void forgetListener() { m_listener = nullptr; } // loop thread
    std::optional<Tuple> take()
    {
        const std::lock_guard lock(m_mutex);
        return std::move(m_arguments);
    }

private:
    void tell()
    {
        if (Listener *listener = std::exchange(m_listener, nullptr))
            listener->signalled();
    }
    std::shared_ptr<Seam> m_seam;
    Listener *m_listener;
    std::mutex m_mutex;
    bool m_fired = false;
    std::optional<Tuple> m_arguments;
};

template<class Tuple>
struct SignalSlot;
template<class... Args>
struct SignalSlot<std::tuple<Args...>>
{
    std::shared_ptr<SignalState<std::tuple<Args...>>> state;
    void operator()(const Args &...args) const { state->fire(std::tuple<Args...>(args...)); }
};

template<class Sender, class Signal, class Tuple>
class SignalAwaiter : public Waiter, private SignalState<Tuple>::Listener
{
public:
    SignalAwaiter(TaskContext &task, QPointer<Sender> sender, Signal signal)
        : Waiter(task)
        , m_sender(std::move(sender))
        , m_signal(signal)
        , m_description(m_sender
                            ? QStringLiteral("a signal of %1 '%2'")
                                  .arg(QString::fromUtf8(m_sender->metaObject()->className()), m_sender->objectName())
                            : QStringLiteral("a signal of an object that is gone"))
    {
    }
    ~SignalAwaiter() { letGo(); }

    bool await_ready() const
    {
        throwIfCancelled();
        if (!m_sender)
            throw BrokenResourceError(QStringLiteral("nextSignal(): the sender was destroyed before the wait began"));
        return false;
    }
    void await_suspend(std::coroutine_handle<> leaf)
    {
        m_state = std::make_shared<SignalState<Tuple>>(task().loop().seam(),
                                                       static_cast<typename SignalState<Tuple>::Listener *>(this));
        QObject *context = task().loop().context();
        // Direct: the arguments are copied where the signal is emitted; only the wake-up crosses threads, by the seam.
        m_connection =
            QObject::connect(m_sender.data(), m_signal, context, SignalSlot<Tuple>{m_state}, Qt::DirectConnection);
        m_destroyed = QObject::connect(
            m_sender.data(), &QObject::destroyed, context, [state = m_state] { state->fire(std::nullopt); },
            Qt::DirectConnection);
        park(leaf);
    }
    typename SignalResult<Tuple>::Type await_resume()
    {
        throwIfAborted();
        std::optional<Tuple> arguments = m_state->take();
        if (!arguments)
            throw BrokenResourceError(QStringLiteral("%1 never came: the sender was destroyed").arg(m_description));
        if constexpr (std::tuple_size_v<Tuple> == 1)
            return std::get<0>(std::move(*arguments));
        else if constexpr (std::tuple_size_v<Tuple> > 1)
            return std::move(*arguments);
    }
    QString describe() const override { return m_description; }

private:
    bool abort() noexcept override
    {
        letGo();
        return true;
    }
    void signalled() override
    {
        letGo();
        wake();
    }
    void letGo() noexcept
    {
        QObject::disconnect(m_connection);
        QObject::disconnect(m_destroyed);
        if (m_state)
            m_state->forgetListener();
    }
    QPointer<Sender> m_sender;
    Signal m_signal;
    QString m_description;
    std::shared_ptr<SignalState<Tuple>> m_state;
    QMetaObject::Connection m_connection;
    QMetaObject::Connection m_destroyed;
};

} // namespace QMicroIO::detail
