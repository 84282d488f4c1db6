// floor 9: requests in flight: one outcome each, for the one who waits
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/closescope.h>
#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/life.h>
#include <qmicroio/detail/listing.h>
#include <qmicroio/detail/promise.h>
#include <qmicroio/detail/seam.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>
#include <qmicroio/task.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QDebug>
#include <QtCore/QHash>
#include <QtCore/QList>
#include <QtCore/QString>
#include <QtCore/QThread>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace QMicroIO {

template<class Key, class Value>
class ReplyHandle;
template<class Key, class Value>
class RequestRegistry;

namespace detail {

template<class Key>
QString keyText(const Key &key)
{
    if constexpr (std::is_convertible_v<const Key &, QString>) {
        return QStringLiteral("'%1'").arg(QString(key));
    } else if constexpr (requires(QDebug debug) { debug << key; }) {
        QString text;
        QDebug(&text).nospace() << key;
        return text;
    } else {
        return QStringLiteral("(a key that QDebug cannot print)");
    }
}

[[noreturn]] QMICROIO_EXPORT void throwDuplicateRequest(const QString &key);
[[noreturn]] QMICROIO_EXPORT void throwRegistryClosed(const std::exception_ptr &cause);
[[noreturn]] QMICROIO_EXPORT void throwRequestTimedOut(const QString &key);
[[noreturn]] QMICROIO_EXPORT void throwAnswerTaken(const QString &key);
[[noreturn]] QMICROIO_EXPORT void throwSomebodyWaits(const QString &key);
// A service's own loop may be the one that has to deliver the reply.
QMICROIO_EXPORT void requireMayBlock(const char *call, const char *instead);
// Who waits for a reply may save a wake-up; not on the core that has to answer, though.
QMICROIO_EXPORT std::chrono::nanoseconds timeToStayAwake(const std::atomic<int> &answersFrom, QDeadlineTimer deadline);
QMICROIO_EXPORT std::exception_ptr registryClosedError();
// How a closed scope has ended, as one error: its own, or ClosedResourceError with the reason.
QMICROIO_EXPORT std::exception_ptr endOf(const CloseScope &scope);
QMICROIO_EXPORT std::exception_ptr handlesDroppedError(const QString &key);
QMICROIO_EXPORT std::exception_ptr forgottenError(const QString &key);
QMICROIO_EXPORT void requireError(const std::exception_ptr &error, const char *call);

template<class Key, class Value>
struct RequestEntry;

// What is counted about requests. With the registry's lock held.
struct QMICROIO_EXPORT RequestCounts
{
    quint64 accepted = 0;
    quint64 answered = 0;
    quint64 failed = 0;
    LatencyBuckets latencies{};
    void add(std::chrono::nanoseconds latency, bool isAnswer) noexcept;
};

template<class Key, class Value>
struct RegistryCore
{
    using Entry = RequestEntry<Key, Value>;
    explicit RegistryCore(const QString &registryName = {})
        : name(registryName)
    {
    }
    const QString name;
    mutable std::mutex mutex;
    std::atomic<int> answersFrom{-1}; // the core from which the last answer to a blocked thread came
    QHash<Key, std::shared_ptr<Entry>> pending;
    bool closed = false;
    bool closedCleanly = false; // then closeError is what later registrations get as it is
    std::exception_ptr closeError;
    std::shared_ptr<ThreadNode> answerer;
    RequestCounts counts;

    static void report(const void *object, ListedState &into)
    {
        const auto &core = *static_cast<const RegistryCore *>(object);
        into.name = core.name;
        const TimePoint now = Clock::now();
        const std::lock_guard lock(core.mutex);
        into.isClosed = core.closed;
        into.error = core.closeError;
        into.pending = core.pending.size();
        into.accepted = core.counts.accepted;
        into.answered = core.counts.answered;
        into.failed = core.counts.failed;
        into.latencies = core.counts.latencies;
        for (const std::shared_ptr<Entry> &entry : core.pending)
            into.oldest = std::max<std::chrono::nanoseconds>(into.oldest, now - entry->since);
    }
    Listing listing{Listing::Kind::Registry, this, &report};
};

// One registration. Its own identity, not the key, decides whose reply it is.
//
// An outcome is claimed under the lock and moved in outside of it: exactly one claim succeeds, and no code of Key's or
// Value's owner but Key's hash and comparison runs under the lock. Model: tests/models/registry.pml, checked by tools/verify.
template<class Key, class Value>
struct RequestEntry : public std::enable_shared_from_this<RequestEntry<Key, Value>>
{
    using Core = RegistryCore<Key, Value>;
    enum class State { Pending, Claimed, Done, Taken };

    class Listener
    {
    public:
        virtual void replied() = 0; // the waiter's loop thread

    protected:
        ~Listener() = default;
    };

    RequestEntry(std::shared_ptr<Core> registry, Key requestKey)
        : core(std::move(registry))
        , key(std::move(requestKey))
    {
    }

    const std::shared_ptr<Core> core;
    const Key key;
    const TimePoint since = Clock::now();
    State state = State::Pending; // guarded by core->mutex, as are the two that wait
    Gate *gate = nullptr;
    std::shared_ptr<Seam> seam;
    Listener *listener = nullptr; // its loop's thread only
    Outcome<Value> outcome; // written by the claimer, read once Done
    RequestEntry *nextToTell = nullptr; // when everything is failed at once; the claimer's

    // With the lock held: takes it out of the registry and reserves the outcome for the caller.
    bool claimLocked()
    {
        if (state != State::Pending)
            return false;
        state = State::Claimed;
        ended(Life::Request, this);
        const auto it = core->pending.constFind(key);
        if (it != core->pending.cend() && it->get() == this)
            core->pending.erase(it);
        return true;
    }
    bool claim()
    {
        const std::lock_guard lock(core->mutex);
        return claimLocked();
    }
    // After a claim: publishes what is in `outcome`.
    void publish()
    {
        Gate *blocked = nullptr;
        std::shared_ptr<Seam> loop;
        const std::chrono::nanoseconds latency = Clock::now() - since;
        {
            const std::lock_guard lock(core->mutex);
            core->counts.add(latency, !outcome.error);
            state = State::Done;
            blocked = std::exchange(gate, nullptr);
            loop = std::exchange(seam, nullptr);
        }
        if (blocked) {
            core->answersFrom.store(currentCore(), std::memory_order_relaxed);
            blocked->open();
        }
        if (!loop)
            return;
        if (loop->isOwnThread())
            arrive();
        else
            loop->post([self = this->shared_from_this()](Fate) { self->arrive(); }, Seam::From::Inside);
    }
    void arrive()
    {
        if (Listener *waiting = std::exchange(listener, nullptr))
            waiting->replied();
    }
    bool resolve(Value &&value)
    {
        if (!claim())
            return false;
        try {
            outcome.value.emplace(std::move(value));
        } catch (...) {
            outcome.error = std::current_exception();
        }
        publish();
        return true;
    }
    bool fail(std::exception_ptr error)
    {
        if (!claim())
            return false;
        outcome.error = std::move(error);
        publish();
        return true;
    }
    // The waiter gives up: true when no outcome was on its way.
    bool abandon()
    {
        const std::lock_guard lock(core->mutex);
        if (!claimLocked())
            return false;
        ++core->counts.failed;
        state = State::Taken;
        gate = nullptr;
        seam.reset();
        return true;
    }
    Value take()
    {
        {
            const std::lock_guard lock(core->mutex);
            state = State::Taken;
        }
        return outcome.take();
    }
    void requireFree() const // with the lock held
    {
        if (state == State::Taken)
            throwAnswerTaken(keyText(key));
        if (gate || seam)
            throwSomebodyWaits(keyText(key));
    }
    Value wait(QDeadlineTimer deadline)
    {
        Gate own;
        std::shared_ptr<ThreadNode> answerer;
        {
            const std::lock_guard lock(core->mutex);
            requireFree();
            if (state == State::Done)
                own.open();
            else
                gate = &own;
            answerer = core->answerer;
        }
        std::optional<WaitEdge> edge;
        if (answerer && !own.isOpen()) {
            try {
                edge.emplace(answerer, "request()", own);
            } catch (...) {
                const std::lock_guard lock(core->mutex);
                if (gate) { // else the answer is on its way
                    gate = nullptr;
                    throw;
                }
            }
        }
        if (!own.wait(deadline, timeToStayAwake(core->answersFrom, deadline))) {
            if (abandon())
                throwRequestTimedOut(keyText(key));
            own.wait(QDeadlineTimer::Forever); // claimed: it comes now
        }
        return take();
    }
};

// Shared by the copies of one handle. When the last one goes unanswered, nobody is left who could answer.
template<class Key, class Value>
struct HandleToken
{
    explicit HandleToken(std::shared_ptr<RequestEntry<Key, Value>> request)
        : entry(std::move(request))
    {
    }
    HandleToken(const HandleToken &) = delete;
    HandleToken &operator=(const HandleToken &) = delete;
    ~HandleToken()
    {
        if (!armed.load(std::memory_order_relaxed))
            return;
        if (entry->claim()) {
            entry->outcome.error = handlesDroppedError(keyText(entry->key));
            entry->publish();
        }
    }
    const std::shared_ptr<RequestEntry<Key, Value>> entry;
    const QThread *const home = QThread::currentThread();
    std::atomic<bool> armed{true};
    std::atomic<bool> wentElsewhere{false}; // a copy died in another thread
};

template<class Key, class Value>
class ReplyAwaiter final : public Waiter, private RequestEntry<Key, Value>::Listener
{
    using Entry = RequestEntry<Key, Value>;

public:
    ReplyAwaiter(TaskContext &task, std::shared_ptr<Entry> entry)
        : Waiter(task)
        , m_entry(std::move(entry))
    {
    }
    ~ReplyAwaiter()
    {
        if (m_entry->listener == this)
            m_entry->listener = nullptr;
        if (task().parked() == this) // its frame is destroyed in the middle of the wait
            m_entry->abandon();
    }
    bool await_ready() const
    {
        // An answer that was accepted is delivered, also in a cancelled scope; the next wait throws.
        if (task().isCancelled() && m_entry->abandon())
            task().throwCancelled();
        return false;
    }
    bool await_suspend(std::coroutine_handle<> leaf)
    {
        const std::lock_guard lock(m_entry->core->mutex);
        m_entry->requireFree();
        if (m_entry->state == Entry::State::Done)
            return false;
        m_entry->listener = this;
        m_entry->seam = task().loop().seam();
        park(leaf);
        return true;
    }
    Value await_resume()
    {
        throwIfAborted();
        return m_entry->take();
    }
    QString describe() const override { return QStringLiteral("the reply to request %1").arg(keyText(m_entry->key)); }

private:
    bool abort() noexcept override
    {
        if (!m_entry->abandon())
            return false; // an outcome is on its way: it is delivered, the next wait throws
        m_entry->listener = nullptr;
        return true;
    }
    void replied() override { wake(); }
    std::shared_ptr<Entry> m_entry;
};

template<class Key, class Value>
class ReplyWait : public AmbientBase
{
public:
    explicit ReplyWait(std::shared_ptr<RequestEntry<Key, Value>> entry)
        : m_entry(std::move(entry))
    {
    }
    ReplyAwaiter<Key, Value> awaiter(TaskContext &task) const { return {task, m_entry}; }

private:
    std::shared_ptr<RequestEntry<Key, Value>> m_entry;
};

// A request that leaves its scope unanswered (send threw, the frame was destroyed) is taken out of the registry.
template<class Key, class Value>
struct RequestGuard
{
    std::shared_ptr<RequestEntry<Key, Value>> entry;
    explicit RequestGuard(std::shared_ptr<RequestEntry<Key, Value>> request)
        : entry(std::move(request))
    {
    }
    RequestGuard(const RequestGuard &) = delete;
    RequestGuard &operator=(const RequestGuard &) = delete;
    ~RequestGuard() { entry->abandon(); }
};

} // namespace detail

/// One registration of a request, for the side that answers and the side that waits.
///
/// It refers to this registration, not to its key: an answer that comes after a time-out never reaches a later request with the
/// same key. When the last copy goes unanswered, the waiter gets BrokenResourceError at once.
/// Thread: any, beside any other. Lifetime: copyable; outlives the registry. Fails: LogicError, every method, of a handle that was
/// moved from. Cost: one short lock a call; an answer wakes a thread or posts one event.
template<class Key, class Value>
class ReplyHandle
{
public:
    ReplyHandle(const ReplyHandle &) = default;
    ReplyHandle(ReplyHandle &&) noexcept = default;
    ReplyHandle &operator=(const ReplyHandle &other)
    {
        ReplyHandle copy(other);
        std::swap(m_token, copy.m_token);
        return *this;
    }
    ReplyHandle &operator=(ReplyHandle &&other) noexcept
    {
        std::swap(m_token, other.m_token);
        return *this;
    }
    ~ReplyHandle()
    {
        if (m_token && QThread::currentThread() != m_token->home)
            m_token->wentElsewhere.store(true, std::memory_order_relaxed);
    }

    /// Answers. False: it was answered, failed, timed out or cancelled before. Thread: any. What moving the value into the request
    /// throws, the waiter gets.
    bool resolve(Value value) { return token().entry->resolve(std::move(value)); }
    /// Answers with an error, which the waiter gets with its own type. Fails: std::invalid_argument for null.
    bool fail(std::exception_ptr error)
    {
        detail::requireError(error, "ReplyHandle::fail()");
        return token().entry->fail(std::move(error));
    }
    /// Waits for the answer and takes it.
    ///
    /// Thread: any but a service's own loop thread, which uses co_await reply(). Blocks: until the answer or the deadline.
    /// Fails: the error of fail(); TimeoutError naming the key, the request is then gone; BrokenResourceError when nobody is left
    ///        to answer; LogicError on a loop thread, and when the answer was taken before; BusyResourceError while somebody else
    ///        waits; DeadlockError when the thread of answeredHere() waits for the caller's.
    Value wait(QDeadlineTimer deadline = QDeadlineTimer::Forever)
    {
        detail::requireMayBlock("ReplyHandle::wait()", "co_await reply()");
        return token().entry->wait(deadline);
    }
    /// co_await reply(): the same for coroutines. Suspends: until the answer. Cancel point: yes, it removes the request.
    Task<Value> reply() { return replyTo(token().entry); }
    /// Removes the request; one who waits gets ClosedResourceError. Repeat: harmless.
    void forget() { token().entry->fail(detail::forgottenError(detail::keyText(token().entry->key))); }
    /// Thread: any.
    Key key() const { return token().entry->key; }

private:
    friend class RequestRegistry<Key, Value>;
    using Token = detail::HandleToken<Key, Value>;
    explicit ReplyHandle(std::shared_ptr<Token> token)
        : m_token(std::move(token))
    {
    }
    static Task<Value> replyTo(std::shared_ptr<detail::RequestEntry<Key, Value>> entry)
    {
        co_return co_await detail::ReplyWait<Key, Value>(std::move(entry));
    }
    Token &token() const
    {
        if (!m_token)
            throw LogicError(QStringLiteral("this ReplyHandle was moved from; use the one that it was moved to"));
        return *m_token;
    }
    std::shared_ptr<Token> m_token;
};

/// Requests in flight, by key. Each gets exactly one outcome: a value, an error, a time-out or the registry's end.
///
/// Thread: any, beside any other. Lifetime: destroying it closes it. Key needs == and qHash() or std::hash.
/// Cost: O(1) a call; two small allocations and two looks at the clock a request.
/// Source: the request registry of microio; identity of registrations as in Erlang's monitor references.
template<class Key, class Value>
class RequestRegistry
{
    static_assert(std::is_move_constructible_v<Value>, "QMicroIO: a reply is a movable value.");
    using Core = detail::RegistryCore<Key, Value>;
    using Entry = detail::RequestEntry<Key, Value>;
    using Token = detail::HandleToken<Key, Value>;

public:
    /// What registerRequest() gives.
    using Handle = ReplyHandle<Key, Value>;

    /// The name is for diagnostics.
    explicit RequestRegistry(const QString &name = {})
        : m_core(std::make_shared<Core>(name))
    {
    }
    ~RequestRegistry() { close(); }
    RequestRegistry(const RequestRegistry &) = delete;
    RequestRegistry &operator=(const RequestRegistry &) = delete;

    /// Registers a request. Thread: any.
    ///
    /// Fails: DuplicateRequestError while one with this key is pending; after close() ClosedResourceError, or BrokenResourceError
    ///        with the error given there.
    Handle registerRequest(Key key)
    {
        const std::shared_ptr<Entry> entry = add(m_core, std::move(key));
        try {
            return Handle(std::make_shared<Token>(entry));
        } catch (...) { // nobody would ever answer it, nor could its key be used again
            entry->abandon();
            throw;
        }
    }

    /// Answers the pending request with this key. False: there is none. Thread: any.
    bool resolve(const Key &key, Value value)
    {
        const std::shared_ptr<Entry> entry = find(key);
        return entry && entry->resolve(std::move(value));
    }
    /// Answers it with an error. Fails: std::invalid_argument for null.
    bool fail(const Key &key, std::exception_ptr error)
    {
        detail::requireError(error, "RequestRegistry::fail()");
        const std::shared_ptr<Entry> entry = find(key);
        return entry && entry->fail(std::move(error));
    }
    /// Says that the calling thread gives the answers: from then on a blocking request from a thread that the answering one waits
    /// for is a DeadlockError with the whole path, not a wait without end.
    ///
    /// Thread: the one that answers. Repeat: the last call counts.
    void answeredHere()
    {
        std::shared_ptr<detail::ThreadNode> node = detail::currentThreadNode();
        const std::lock_guard lock(m_core->mutex);
        m_core->answerer.swap(node);
    }
    /// Closes the registry once `scope` is closed: with its error, or with ClosedResourceError and its reason.
    ///
    /// So the requests that a service has not answered fail with the reason for which it ends, before its thread has.
    /// Thread: any. Lifetime: the scope may go first, or the registry. Repeat: the first of several scopes to close decides.
    void closeWith(CloseScope &scope)
    {
        const auto close = [core = m_core, &scope] { closeCore(core, detail::endOf(scope), !scope.isFailed()); };
        QObject::connect(&scope, &CloseScope::closedChanged, &scope, close, Qt::DirectConnection);
        if (scope.isClosed())
            close();
    }
    /// Fails everything that is pending now; how many that were. The registry stays usable. Fails: std::invalid_argument for null.
    /// Strong for std::bad_alloc: all are still pending.
    int failAll(std::exception_ptr error)
    {
        detail::requireError(error, "RequestRegistry::failAll()");
        return failEverything(m_core, error);
    }
    /// Fails everything that is pending (with `error`, or ClosedResourceError) and refuses later registrations. Repeat: 0.
    int close(std::exception_ptr error = nullptr) { return closeCore(m_core, std::move(error), false); }

    /// Registers, calls send(handle) and waits for the answer.
    ///
    /// Thread: any but a service's own loop thread. Blocks: until the answer or the deadline.
    /// Lifetime: send may answer at once, keep copies of the handle, or pass on the key only.
    /// Fails: LogicError on a service's own loop thread, which uses requestAsync(); as registerRequest() and as
    ///        ReplyHandle::wait(); what send throws, the request is then gone; BrokenResourceError when send kept copies of the
    ///        handle and all of them are gone unanswered.
    template<class Send>
    Value request(Key key, Send send, QDeadlineTimer deadline = QDeadlineTimer::Forever)
    {
        detail::requireMayBlock("RequestRegistry::request()", "co_await requestAsync()");
        const detail::SharedDeadline limit(deadline);
        const detail::RequestGuard<Key, Value> guard(add(m_core, std::move(key)));
        {
            Handle handle(std::make_shared<Token>(guard.entry));
            std::invoke(send, handle);
            settle(handle);
        }
        return guard.entry->wait(limit.left());
    }
    /// co_await requestAsync(key, send): the same for coroutines; send may be a coroutine too.
    ///
    /// Thread: a task's. Starts: at the co_await. Suspends: where send waits, and until the answer. Cancel point: yes, it removes
    /// the request.
    /// Fails: as request(), without TimeoutError.
    template<class Send>
    Task<Value> requestAsync(Key key, Send send)
    {
        return requestIn(m_core, std::move(key), std::move(send));
    }

    /// Thread: any.
    qsizetype size() const
    {
        const std::lock_guard lock(m_core->mutex);
        return m_core->pending.size();
    }
    /// Thread: any.
    bool contains(const Key &key) const { return find(key) != nullptr; }
    /// The keys, in no order. Thread: any.
    QList<Key> pending() const
    {
        const std::lock_guard lock(m_core->mutex);
        return m_core->pending.keys();
    }

private:
    static std::shared_ptr<Entry> add(const std::shared_ptr<Core> &core, Key key)
    {
        auto entry = std::make_shared<Entry>(core, std::move(key));
        std::unique_lock lock(core->mutex);
        if (core->closed) {
            const std::exception_ptr cause = core->closeError;
            const bool clean = core->closedCleanly;
            lock.unlock();
            if (clean)
                std::rethrow_exception(cause);
            detail::throwRegistryClosed(cause);
        }
        if (core->pending.contains(entry->key)) {
            lock.unlock();
            detail::throwDuplicateRequest(detail::keyText(entry->key));
        }
        core->pending.insert(entry->key, entry);
        ++core->counts.accepted;
        lock.unlock();
        if (Q_UNLIKELY(detail::isLifeWatched()))
            detail::born(detail::Life::Request, entry.get(), detail::keyText(entry->key));
        return entry;
    }
    std::shared_ptr<Entry> find(const Key &key) const
    {
        const std::lock_guard lock(m_core->mutex);
        return m_core->pending.value(key);
    }
    static int closeCore(const std::shared_ptr<Core> &core, std::exception_ptr error, bool cleanly)
    {
        const std::exception_ptr told =
            error ? error : detail::registryClosedError(); // before anything changes: needs memory
        {
            const std::lock_guard lock(core->mutex);
            if (!core->closed) {
                core->closed = true;
                core->closedCleanly = cleanly;
                core->closeError = std::move(error);
            }
        }
        return failEverything(core, told);
    }
    static int failEverything(const std::shared_ptr<Core> &core, const std::exception_ptr &error)
    {
        QHash<Key, std::shared_ptr<Entry>> all; // outlives the lock: keys are the user's
        Entry *waitedFor = nullptr;
        {
            const std::lock_guard lock(core->mutex);
            all.swap(core->pending);
            for (const std::shared_ptr<Entry> &entry : std::as_const(all)) {
                entry->state = Entry::State::Claimed;
                entry->outcome.error = error;
                if (entry->gate || entry->seam)
                    entry->nextToTell = std::exchange(waitedFor, entry.get());
                else
                    entry->state = Entry::State::Done;
            }
        }
        while (Entry *entry = waitedFor) {
            waitedFor = entry->nextToTell;
            entry->publish();
        }
        return int(all.size());
    }
    // After send: does anybody hold a handle now, or did one die elsewhere? Then the last one to go matters.
    static void settle(Handle &handle)
    {
        if (!handle.m_token)
            return; // moved into the hands of the one who answers
        const bool kept =
            handle.m_token.use_count() > 1 || handle.m_token->wentElsewhere.load(std::memory_order_relaxed);
        if (!kept)
            handle.m_token->armed.store(false, std::memory_order_relaxed);
    }
    template<class Send>
    static Task<Value> requestIn(std::shared_ptr<Core> core, Key key, Send send)
    {
        {
            detail::TaskContext &task = co_await detail::CurrentTask();
            if (task.isCancelled())
                task.throwCancelled();
        }
        const detail::RequestGuard<Key, Value> guard(add(core, std::move(key)));
        {
            Handle handle(std::make_shared<Token>(guard.entry));
            if constexpr (detail::IsAnyTask<std::invoke_result_t<Send &, Handle &>>)
                co_await std::invoke(send, handle);
            else
                std::invoke(send, handle);
            settle(handle);
        }
        co_return co_await detail::ReplyWait<Key, Value>(guard.entry);
    }

    std::shared_ptr<Core> m_core;
};

} // namespace QMicroIO
