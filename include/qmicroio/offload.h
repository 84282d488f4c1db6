// floor 6: blocking code on a thread pool, awaited
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/promise.h>
#include <qmicroio/detail/scope.h>
#include <qmicroio/errors.h>
#include <qmicroio/export.h>

#include <QtConcurrent/QtConcurrentRun>
#include <QtCore/QThreadPool>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace QMicroIO {

/// What a cancellation does to a function of offload() that runs already; nothing can stop a thread from outside.
enum class OnCancel {
    Wait, ///< wait until it has ended; its result counts, and the next wait throws
    Abandon, ///< throw Cancelled at once; its result or error is dropped whenever it comes
};

namespace detail {

// What a worker can ask about the task that waits for it.
class QMICROIO_EXPORT OffloadBase
{
public:
    OffloadBase(const OffloadBase &) = delete;
    OffloadBase &operator=(const OffloadBase &) = delete;

    // The one whose function this thread runs. LogicError, which names the call, when there is none.
    static const OffloadBase &current(const char *call);
    bool isCancelled() const noexcept { return m_isCancelled.load(std::memory_order_acquire); }
    const Cancelled &why() const { return *m_why; } // once it is cancelled
    void cancel(const Cancelled &why); // loop thread, once

protected:
    OffloadBase() = default;
    ~OffloadBase() = default;

    class QMICROIO_EXPORT Inside
    {
    public:
        explicit Inside(const OffloadBase &state);
        ~Inside();
        Inside(const Inside &) = delete;
        Inside &operator=(const Inside &) = delete;

    private:
        const OffloadBase *m_outer;
        const CallLocals m_locals;
    };

private:
    const LocalsRef m_locals = currentLocals(); // of the task that waits
    std::optional<Cancelled> m_why;
    std::atomic<bool> m_isCancelled{false};
};

// Shared by the waiting task and the worker, which may outlive the wait.
template<class F>
class OffloadState : public OffloadBase, public std::enable_shared_from_this<OffloadState<F>>
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
        if (!advance(Queued, Running))
            return;
        try {
            const Inside inside(*this);
            if constexpr (std::is_void_v<Result>)
                std::invoke(std::move(*m_fn));
            else
                outcome.value.emplace(std::invoke(std::move(*m_fn)));
        } catch (...) {
            outcome.error = std::current_exception();
        }
        m_fn.reset(); // what it captured goes with the job, not with the next one
        if (advance(Running, Ended))
            m_seam->post([self = this->shared_from_this()](Fate) { self->arrive(); }, Seam::From::Inside);
        else
            dropOutcome();
    }
    // True when the worker has not begun; it never will then.
    bool takeBack() noexcept
    {
        if (!advance(Queued, TakenBack))
            return false;
        m_fn.reset();
        return true;
    }
    // True when the worker had not ended: what it gives is dropped where it ends.
    bool abandon() noexcept { return advance(Running, Abandoned); }

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
    enum Phase { Queued, Running, Ended, TakenBack, Abandoned };
    bool advance(int from, Phase to) noexcept
    {
        return m_phase.compare_exchange_strong(from, to, std::memory_order_acq_rel);
    }
    void dropOutcome() noexcept // abandoned
    {
        outcome.error = nullptr;
        if constexpr (!std::is_void_v<Result>)
            outcome.value.reset();
    }
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
    ClockHold m_hold; // until the outcome is on its way
};

template<class F>
class OffloadAwaiter : public Waiter, private OffloadState<F>::Listener
{
public:
    OffloadAwaiter(TaskContext &task, QThreadPool *pool, F &&fn, OnCancel onCancel)
        : Waiter(task)
        , m_pool(pool)
        , m_onCancel(onCancel)
        , m_state(std::make_shared<OffloadState<F>>(task.loop().seam(), std::move(fn)))
    {
    }
    ~OffloadAwaiter()
    {
        m_state->listener = nullptr;
        // The frame is destroyed in the middle of the wait: nobody is there to take a result.
        if (!m_state->takeBack() && m_state->abandon() && !m_state->isCancelled())
            m_state->cancel(Cancelled(QStringLiteral("the task that waited for this worker is gone")));
    }
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
    bool abort() noexcept override
    {
        if (m_state->takeBack())
            return true;
        try {
            task().throwCancelled();
        } catch (const Cancelled &why) {
            m_state->cancel(why);
        }
        if (m_onCancel == OnCancel::Wait || !m_state->abandon())
            return false;
        m_state->listener = nullptr;
        return true;
    }
    void offloaded() override { wake(); }
    QThreadPool *m_pool;
    OnCancel m_onCancel;
    std::shared_ptr<OffloadState<F>> m_state;
};

template<class F>
class OffloadWait : public AmbientBase
{
public:
    OffloadWait(QThreadPool *pool, F &&fn, OnCancel onCancel)
        : m_pool(pool)
        , m_onCancel(onCancel)
        , m_fn(std::move(fn))
    {
        if (!pool)
            throw std::invalid_argument("offload(): the thread pool is null");
    }
    OffloadAwaiter<F> awaiter(TaskContext &task) { return {task, m_pool, std::move(m_fn), m_onCancel}; }

private:
    QThreadPool *m_pool;
    OnCancel m_onCancel;
    F m_fn;
};

} // namespace detail

/// co_await offload(fn): runs blocking code on the global thread pool, through QtConcurrent; gives its result or exception.
///
/// Thread: the task's; fn runs on a pool thread. Suspends: until fn has run. Resumes: on the task's own thread, from its loop.
/// Cancel point: yes. Before a worker took it up, fn never runs and Cancelled is thrown at once. Once it runs, `onCancel`
/// decides: by default the wait lasts until it has ended, its result is delivered, and the next wait throws. An
/// abandoned fn must own all that it uses. Either way fn can ask with checkOffloadCancelled() and end early.
/// Fails: what fn throws; BrokenResourceError when QThreadPool::clear() dropped it.
/// Lifetime: fn is destroyed when it has run. Cost: two allocations and a pool hand-over.
template<class F>
    requires std::is_invocable_v<F>
detail::OffloadWait<F> offload(F fn, OnCancel onCancel = OnCancel::Wait)
{
    return {QThreadPool::globalInstance(), std::move(fn), onCancel};
}

/// The same on a pool of one's own: QThreadPool::setMaxThreadCount() limits how many run at once, for all who share the pool.
///
/// Lifetime: the pool must outlive the wait. Fails: std::invalid_argument for a null pool.
/// Thread: the task's; fn runs on a thread of the pool.
template<class F>
    requires std::is_invocable_v<F>
detail::OffloadWait<F> offload(QThreadPool *pool, F fn, OnCancel onCancel = OnCancel::Wait)
{
    return {pool, std::move(fn), onCancel};
}

/// For the function inside offload(): throws the Cancelled of the task that waits for it, once that task is cancelled.
///
/// Thread: the worker's. Also throws after the function was abandoned. Let it leave the function: it ends the wait as
/// Cancelled. Fails: LogicError in a thread that runs no function of offload(). Cost: one atomic load.
QMICROIO_EXPORT void checkOffloadCancelled();

/// The same as a question. Cost: one atomic load. Thread: the worker's. Fails: LogicError in a thread that runs no function of
/// offload().
QMICROIO_EXPORT bool isOffloadCancelled();

} // namespace QMicroIO
