// floor 10: a mailbox and the one task that works it off
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/errors.h>
#include <qmicroio/export.h>
#include <qmicroio/mailbox.h>
#include <qmicroio/task.h>
#include <qmicroio/taskgroup.h>

#include <QtCore/QString>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace QMicroIO {

/// Messages may be worked on side by side: the next one starts once the one before has called its Release.
enum class Concurrent { Yes };

namespace detail {

class BatonAwaiter;
template<class T>
class ConcurrentServer;
[[noreturn]] QMICROIO_EXPORT void throwActorRuns();

// Who of an actor's handlers keeps the next message from starting. Loop thread only, but for Release.
class QMICROIO_EXPORT Baton : public std::enable_shared_from_this<Baton>
{
public:
    explicit Baton(Loop &loop);
    quint64 give() // to the handler that is about to start
    {
        m_isHeld = true;
        return ++m_holder;
    }
    void release(quint64 holder); // any thread

private:
    friend class BatonAwaiter;
    void pass(quint64 holder);
    const std::shared_ptr<Seam> m_seam;
    quint64 m_holder = 0;
    bool m_isHeld = false;
    BatonAwaiter *m_waiter = nullptr;
};

class QMICROIO_EXPORT BatonAwaiter : public Waiter
{
public:
    BatonAwaiter(TaskContext &task, Baton &baton)
        : Waiter(task)
        , m_baton(baton)
    {
    }
    ~BatonAwaiter();
    bool await_ready() const
    {
        throwIfCancelled();
        return !m_baton.m_isHeld;
    }
    void await_suspend(std::coroutine_handle<> leaf)
    {
        m_baton.m_waiter = this;
        park(leaf);
    }
    void await_resume() const { throwIfAborted(); }
    QString describe() const override;

private:
    friend class Baton;
    bool abort() noexcept override;
    Baton &m_baton;
};

class BatonWait : public AmbientBase
{
public:
    explicit BatonWait(Baton &baton)
        : m_baton(baton)
    {
    }
    BatonAwaiter awaiter(TaskContext &task) const { return {task, m_baton}; }

private:
    Baton &m_baton;
};

} // namespace detail

/// Given to each handler of a concurrent actor: release() lets the next message start before this handler has ended.
///
/// Thread: any. Cost: nothing is allocated in the actor's own thread; a posted event from others. Lifetime: copyable; may outlive
/// the handler and the actor. Repeat: harmless, also after the handler has ended, which releases by itself.
class QMICROIO_EXPORT Release
{
public:
    /// Lets the next message begin.
    void operator()() const { m_baton->release(m_holder); }

private:
    template<class>
    friend class detail::ConcurrentServer;
    explicit Release(std::shared_ptr<detail::Baton> baton, quint64 holder)
        : m_baton(std::move(baton))
        , m_holder(holder)
    {
    }
    std::shared_ptr<detail::Baton> m_baton;
    quint64 m_holder;
};

namespace detail {

// What an actor does, apart from the handle that users hold; kept alive by its run().
template<class T>
class Actor
{
public:
    explicit Actor(std::shared_ptr<MailboxCore<T>> mailbox)
        : m_mailbox(std::move(mailbox))
    {
    }
    Actor(const Actor &) = delete;
    Actor &operator=(const Actor &) = delete;
    virtual ~Actor() = default;
    virtual Task<> serve() = 0;

    std::atomic<bool> isRunning{false};

protected:
    GetWait<T, true> next() const { return GetWait<T, true>(*m_mailbox); }

private:
    const std::shared_ptr<MailboxCore<T>> m_mailbox;
};

template<class R>
inline constexpr bool HandlerMayReturn =
    std::is_void_v<R> || std::is_same_v<R, Task<>> || std::is_same_v<R, QCoro::Task<>>;

template<class T, class H>
class SerialActor final : public Actor<T>
{
    using Returned = std::invoke_result_t<H &, T>;

public:
    SerialActor(std::shared_ptr<MailboxCore<T>> mailbox, H &&handler)
        : Actor<T>(std::move(mailbox))
        , m_handler(std::move(handler))
    {
    }
    Task<> serve() override
    {
        while (std::optional<T> item = co_await this->next()) {
            if constexpr (std::is_void_v<Returned>) {
                std::invoke(m_handler, std::move(*item));
            } else {
                Returned handling = std::invoke(m_handler, std::move(*item));
                co_await std::move(handling);
            }
        }
    }

private:
    H m_handler;
};

// What does not depend on the handler.
template<class T>
class ConcurrentServer : public Actor<T>
{
public:
    using Actor<T>::Actor;
    Task<> serve() override
    {
        std::shared_ptr<Baton> baton;
        {
            const TaskContext &task = co_await CurrentTask();
            baton = std::make_shared<Baton>(task.loop());
        }
        std::exception_ptr end; // of the mailbox; it comes out once the handlers have ended
        // As a std::function, since GCC 12 warns when a coroutine of a header keeps a lambda that depends on a type of an unnamed
        // namespace, as T may be.
        const std::function<Task<>(TaskGroup &)> body = [&](TaskGroup &group) -> Task<> {
            for (;;) {
                std::optional<T> item;
                try {
                    item = co_await this->next();
                } catch (const Cancelled &) {
                    throw;
                } catch (...) {
                    end = std::current_exception();
                }
                if (!item)
                    co_return;
                group.startSoon(&ConcurrentServer::handleOne, this, std::move(*item), Release(baton, baton->give()));
                co_await BatonWait(*baton);
            }
        };
        co_await withTaskGroup(body);
        if (end)
            std::rethrow_exception(end);
    }

private:
    virtual Task<> handle(T item, const Release &release) = 0;
    Task<> handleOne(T item, Release release)
    {
        struct AtTheEnd
        {
            const Release &release;
            ~AtTheEnd() { release(); }
        } atTheEnd{release};
        co_await handle(std::move(item), release);
    }
};

template<class T, class H>
class ConcurrentActor final : public ConcurrentServer<T>
{
    using Returned = std::invoke_result_t<H &, T, Release>;

public:
    ConcurrentActor(std::shared_ptr<MailboxCore<T>> mailbox, H &&handler)
        : ConcurrentServer<T>(std::move(mailbox))
        , m_handler(std::move(handler))
    {
    }

private:
    Task<> handle(T item, const Release &release) override
    {
        if constexpr (std::is_void_v<Returned>) {
            std::invoke(m_handler, std::move(item), release);
            co_return;
        } else {
            Returned handling = std::invoke(m_handler, std::move(item), release);
            co_await std::move(handling);
        }
    }
    H m_handler;
};

} // namespace detail

/// A mailbox and a handler for its messages, one at a time, or side by side with Concurrent::Yes.
///
///     ActorCore<Line> writer([&](Line line) -> Task<> { co_await write(line); });
///     ...                                                       // in a service: co_await writer.run();
///     writer.submit(Line(...));                                  // any thread
///
/// handler(T) returns Task<>, QCoro::Task<> or void; what it takes by reference lasts until it has ended. A
/// concurrent handler is called as handler(T, Release): the next message starts when the release is called or the handler ends,
/// so messages start in order, one after the other.
/// Thread:   run(): a task's; one at a time. The handler is called there. Everything else: any.
/// Lifetime: not movable. run() keeps what it needs, so this may be destroyed before run() has ended: its mailbox is then
///           closed unless others have handles to it.
/// Cost:     as its mailbox; a serial handler adds its own frame to each message, a concurrent one a child of a group.
/// Source:   the actor core of microio; the release as in its concurrent actors.
template<class T>
class ActorCore
{
public:
    /// With a Mailbox of its own.
    template<class H>
    explicit ActorCore(H handler)
        : ActorCore(std::move(handler), Mailbox<T>())
    {
    }
    /// With the mailbox given, of any kind; other handles to it stay good.
    template<class H>
    ActorCore(H handler, const MailboxHandle<T> &mailbox)
        : m_end(mailbox.m_end)
        , m_mailbox(mailbox.state())
    {
        static_assert(
            std::is_invocable_v<H &, T>,
            "QMicroIO: the handler of an ActorCore<T> is called as handler(T); one that takes a Release too needs "
            "Concurrent::Yes as the last argument.");
        if constexpr (std::is_invocable_v<H &, T>) {
            static_assert(detail::HandlerMayReturn<std::invoke_result_t<H &, T>>,
                          "QMicroIO: the handler of an actor returns Task<>, QCoro::Task<> or void.");
            m_actor = std::make_shared<detail::SerialActor<T, H>>(m_mailbox, std::move(handler));
        }
    }
    /// The same for a handler (T, Release), whose messages may be under way side by side.
    template<class H>
    ActorCore(H handler, Concurrent concurrent)
        : ActorCore(std::move(handler), Mailbox<T>(), concurrent)
    {
    }
    /// The same with the mailbox given.
    template<class H>
    ActorCore(H handler, const MailboxHandle<T> &mailbox, Concurrent)
        : m_end(mailbox.m_end)
        , m_mailbox(mailbox.state())
    {
        static_assert(std::is_invocable_v<H &, T, Release>,
                      "QMicroIO: the handler of a concurrent ActorCore<T> is called as handler(T, Release).");
        if constexpr (std::is_invocable_v<H &, T, Release>) {
            static_assert(detail::HandlerMayReturn<std::invoke_result_t<H &, T, Release>>,
                          "QMicroIO: the handler of an actor returns Task<>, QCoro::Task<> or void.");
            m_actor = std::make_shared<detail::ConcurrentActor<T, H>>(m_mailbox, std::move(handler));
        }
    }
    ActorCore(const ActorCore &) = delete;
    ActorCore &operator=(const ActorCore &) = delete;

    /// Works off the mailbox until its end: co_await actor.run().
    ///
    /// Thread: a task's. Suspends: where it waits for a message, and where a handler waits. Cancel point: yes; messages that have
    /// not started stay queued. Repeat: after an error or a cancellation
    /// another run(), also on another loop, goes on with what is queued.
    /// Fails: what a handler throws, with its own type: the message is gone, the later ones stay and submits are accepted; from a
    ///        concurrent actor an ExceptionGroup, after the handlers that were under way were cancelled and have ended; the failure of
    ///        fail() after everything queued; BusyResourceError while it runs already.
    Task<> run() { return runOf(m_actor); }
    /// Thread: any.
    bool isRunning() const { return m_actor->isRunning.load(std::memory_order_relaxed); }
    /// See MailboxHandle::submit().
    bool submit(T item) const { return m_mailbox->submit(std::move(item)); }
    /// The same.
    bool put(T item) const { return submit(std::move(item)); }
    /// No more messages; run() handles those that are queued, waits for handlers under way and returns.
    bool close() const { return m_mailbox->close(); }
    /// The same, and run() then throws `error`. Fails: std::invalid_argument for null.
    bool fail(std::exception_ptr error) const { return m_mailbox->fail(std::move(error)); }
    /// Messages that have not started; see MailboxHandle::drainNowait().
    std::vector<T> drainNowait(qsizetype maxItems = -1) const { return m_mailbox->drain(maxItems); }
    /// Thread: any.
    bool isClosed() const { return m_mailbox->isClosed(); }
    /// Thread: any.
    MailboxStats stats() const { return m_mailbox->stats(); }

private:
    friend class MailboxWatcher;
    static Task<> runOf(std::shared_ptr<detail::Actor<T>> actor)
    {
        if (actor->isRunning.exchange(true))
            detail::throwActorRuns();
        struct AtTheEnd
        {
            detail::Actor<T> &actor;
            ~AtTheEnd() { actor.isRunning.store(false); }
        } atTheEnd{*actor};
        co_await actor->serve();
    }

    std::shared_ptr<detail::MailboxEnd<T>> m_end;
    std::shared_ptr<detail::MailboxCore<T>> m_mailbox;
    std::shared_ptr<detail::Actor<T>> m_actor;
};

} // namespace QMicroIO
