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
#include <utility>

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

    explicit SignalState(std::shared_ptr<Seam> seam)
        : m_seam(std::move(seam))
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
    // Loop thread, both. One that is over tells nobody any more.
    void setListener(Listener *listener) { m_listener = listener; }
    bool isOver() const { return m_isOver; }
    std::optional<Tuple> take()
    {
        const std::lock_guard lock(m_mutex);
        return std::move(m_arguments);
    }

private:
    void tell()
    {
        m_isOver = true;
        if (Listener *listener = std::exchange(m_listener, nullptr))
            listener->signalled();
    }
    std::shared_ptr<Seam> m_seam;
    Listener *m_listener = nullptr;
    bool m_isOver = false;
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

class OwnConnection
{
public:
    explicit OwnConnection(QMetaObject::Connection connection)
        : m_connection(std::move(connection))
    {
    }
    ~OwnConnection() { end(); }
    OwnConnection(const OwnConnection &) = delete;
    OwnConnection &operator=(const OwnConnection &) = delete;
    void end() noexcept { QObject::disconnect(m_connection); }

private:
    QMetaObject::Connection m_connection;
};

// Listens to a sender from when it is made. Made and destroyed on the loop's thread.
template<class Sender, class Signal, class Tuple>
class SignalListening
{
public:
    using State = SignalState<Tuple>;

    SignalListening(Loop &loop, Sender *sender, Signal signal)
        : m_state(std::make_shared<State>(loop.seam()))
        // Direct: the arguments are copied where the signal is emitted; only the wake-up crosses threads, by the seam.
        , m_connection(
              QObject::connect(sender, signal, loop.context(), SignalSlot<Tuple>{m_state}, Qt::DirectConnection))
        , m_destroyed(QObject::connect(
              sender, &QObject::destroyed, loop.context(), [state = m_state] { state->fire(std::nullopt); },
              Qt::DirectConnection))
    {
    }
    ~SignalListening() { m_state->setListener(nullptr); }
    SignalListening(const SignalListening &) = delete;
    SignalListening &operator=(const SignalListening &) = delete;

    State &state() const { return *m_state; }
    void end() noexcept
    {
        m_connection.end();
        m_destroyed.end();
        m_state->setListener(nullptr);
    }

private:
    std::shared_ptr<State> m_state;
    OwnConnection m_connection;
    OwnConnection m_destroyed;
};

template<class Sender, class Signal, class Tuple>
class SignalAwaiter : public Waiter, private SignalState<Tuple>::Listener
{
public:
    using Listening = SignalListening<Sender, Signal, Tuple>;

    // With what has listened since before the wait, or nothing.
    SignalAwaiter(TaskContext &task, QPointer<Sender> sender, Signal signal, std::shared_ptr<Listening> early = {})
        : Waiter(task)
        , m_sender(std::move(sender))
        , m_signal(signal)
        , m_description(m_sender
                            ? QStringLiteral("a signal of %1 '%2'")
                                  .arg(QString::fromUtf8(m_sender->metaObject()->className()), m_sender->objectName())
                            : QStringLiteral("a signal of an object that is gone"))
        , m_early(std::move(early))
    {
    }
    ~SignalAwaiter()
    {
        if (m_early)
            m_early->end(); // what the wait was made of may live longer
    }

    bool await_ready() const
    {
        throwIfCancelled();
        if (m_early)
            return m_early->state().isOver();
        if (!m_sender)
            throw BrokenResourceError(QStringLiteral("nextSignal(): the sender was destroyed before the wait began"));
        return false;
    }
    void await_suspend(std::coroutine_handle<> leaf)
    {
        if (!m_early)
            m_own.emplace(task().loop(), m_sender.data(), m_signal);
        listening().state().setListener(this);
        park(leaf);
    }
    typename SignalResult<Tuple>::Type await_resume()
    {
        throwIfAborted();
        std::optional<Tuple> arguments = listening().state().take();
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
        listening().end();
        return true;
    }
    void signalled() override
    {
        listening().end();
        wake();
    }
    Listening &listening() { return m_early ? *m_early : *m_own; }

    QPointer<Sender> m_sender;
    Signal m_signal;
    QString m_description;
    std::shared_ptr<Listening> m_early;
    std::optional<Listening> m_own;
};

} // namespace QMicroIO::detail
