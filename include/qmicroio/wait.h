// floor 9: waiting for Qt: one signal, or blocking code on a thread pool
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/detail/promise.h>
#include <qmicroio/detail/signal.h>
#include <qmicroio/errors.h>

#include <QtConcurrent/QtConcurrentRun>
#include <QtCore/QPointer>
#include <QtCore/QThreadPool>

#include <atomic>
#include <memory>
#include <optional>
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
    SignalAwaiter<Sender, Signal, Tuple> awaiter(TaskContext &task) const { return {task, m_sender, m_signal}; }

private:
    QPointer<Sender> m_sender;
    Signal m_signal;
};

// Shared by the waiting task and the worker, which may outlive the wait.
template<class F>
class OffloadState : public std::enable_shared_from_this<OffloadState<F>>
{
public:
    using Result = std::invoke_result_t<F>;
    class Listener
    {
    public:
        virtual void offloaded() = 0; // loop thread

    protected:
        ~Listener() = default;
    };

    OffloadState(std::shared_ptr<Seam> seam, F &&fn)
        : m_seam(std::move(seam))
        , m_fn(std::move(fn))
    {
    }

    void work() noexcept // worker thread
    {
        int expected = Queued;
        if (!m_phase.compare_exchange_strong(expected, Running, std::memory_order_acq_rel))
            return;
        try {
            if constexpr (std::is_void_v<Result>)
                std::invoke(std::move(*m_fn));
            else
                outcome.value.emplace(std::invoke(std::move(*m_fn)));
        } catch (...) {
            outcome.error = std::current_exception();
        }
        m_fn.reset(); // what it captured goes with the job, not with the next one
        m_seam->post([self = this->shared_from_this()](Fate) { self->arrive(); }, Seam::From::Inside);
    }
    // True when the worker has not begun; it never will then.
    bool takeBack() noexcept
    {
        int expected = Queued;
        if (!m_phase.compare_exchange_strong(expected, TakenBack, std::memory_order_acq_rel))
            return false;
        m_fn.reset();
        return true;
    }

    // Any thread: the pool forgot the job, as QThreadPool::clear() does.
    void dropped() noexcept
    {
        if (!takeBack())
            return;
        outcome.error = std::make_exception_ptr(
            BrokenResourceError(QStringLiteral("offload(): the thread pool dropped the function before it ran; "
                                               "QThreadPool::clear() does that")));
        m_seam->post([self = this->shared_from_this()](Fate) { self->arrive(); }, Seam::From::Inside);
    }

    Outcome<Result> outcome;
    Listener *listener = nullptr; // loop thread

private:
    enum Phase { Queued, Running, TakenBack };
    void arrive()
    {
        if (Listener *waiting = std::exchange(listener, nullptr))
            waiting->offloaded();
    }
    std::shared_ptr<Seam> m_seam;
    std::optional<F> m_fn;
    std::atomic<int> m_phase{Queued};
};

// What the pool owns. A pool that destroys it unrun must not leave the task waiting for ever.
template<class F>
class OffloadJob
{
public:
    explicit OffloadJob(std::shared_ptr<OffloadState<F>> state)
        : m_state(std::move(state))
    {
    }
    OffloadJob(OffloadJob &&) noexcept = default;
    OffloadJob &operator=(OffloadJob &&) = delete;
    ~OffloadJob()
    {
        if (m_state)
            m_state->dropped();
    }
    void operator()() const { m_state->work(); }

private:
    std::shared_ptr<OffloadState<F>> m_state;
};

template<class F>
class OffloadAwaiter : public Waiter, private OffloadState<F>::Listener
{
public:
    OffloadAwaiter(TaskContext &task, QThreadPool *pool, F &&fn)
        : Waiter(task)
        , m_pool(pool)
        , m_state(std::make_shared<OffloadState<F>>(task.loop().seam(), std::move(fn)))
    {
    }
    ~OffloadAwaiter() { m_state->listener = nullptr; }
    bool await_ready() const
    {
        throwIfCancelled();
        return false;
    }
    void await_suspend(std::coroutine_handle<> leaf)
    {
        m_state->listener = this;
        // The future is not needed: the outcome comes back through the seam, which also works once the loop is closing.
        [[maybe_unused]] const QFuture<void> job = QtConcurrent::run(m_pool, OffloadJob<F>(m_state));
        park(leaf);
    }
    typename OffloadState<F>::Result await_resume()
    {
        throwIfAborted();
        return m_state->outcome.take();
    }
    QString describe() const override { return QStringLiteral("work on a thread pool"); }

private:
    bool abort() noexcept override { return m_state->takeBack(); }
    void offloaded() override { wake(); }
    QThreadPool *m_pool;
    std::shared_ptr<OffloadState<F>> m_state;
};

template<class F>
class OffloadWait : public AmbientBase
{
public:
    OffloadWait(QThreadPool *pool, F &&fn)
        : m_pool(pool)
        , m_fn(std::move(fn))
    {
    }
    OffloadAwaiter<F> awaiter(TaskContext &task) { return {task, m_pool, std::move(m_fn)}; }

private:
    QThreadPool *m_pool;
    F m_fn;
};

} // namespace detail

/// co_await nextSignal(sender, &Sender::signal): the next emission after the co_await began.
///
/// Gives nothing, the argument, or a tuple of the arguments, decayed. The sender may live in any thread.
/// Thread: the task's. Resumes: on the task's own thread, from its loop, never inside the emission.
/// Cancel point: yes; it disconnects. Order: emissions between the co_await and the resumption after the first are not seen.
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

/// co_await offload(fn): runs blocking code on the global thread pool, through QtConcurrent; gives its result or exception.
///
/// Thread: the task's; fn runs on a pool thread. Resumes: on the task's own thread, from its loop.
/// Cancel point: yes. Before a worker took it up, fn never runs and Cancelled is thrown at once. Once it runs, the wait lasts until
/// it has ended, its result is delivered, and the next wait throws.
/// Fails: what fn throws; BrokenResourceError when QThreadPool::clear() dropped it.
/// Lifetime: fn is destroyed when it has run. Cost: two allocations and a pool hand-over.
template<class F>
detail::OffloadWait<F> offload(F fn)
{
    return {QThreadPool::globalInstance(), std::move(fn)};
}

/// The same on a pool of one's own, whose size limits how many run at once. The pool must outlive the wait.
template<class F>
detail::OffloadWait<F> offload(QThreadPool *pool, F fn)
{
    if (!pool)
        throw std::invalid_argument("offload(): the thread pool is null");
    return {pool, std::move(fn)};
}

} // namespace QMicroIO
