// floor 6: awaiting what this library does not own: QFuture, QCoro tasks, and whatever else QCoro can await
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/promise.h>
#include <qmicroio/errors.h>

#include <QtCore/QException>
#include <QtCore/QFuture>
#include <QtCore/QFutureWatcher>

#include <qcoro/qcorotask.h>

#include <chrono>
#include <memory>

namespace QMicroIO::detail {

template<class X>
struct IsQCoroTask : std::false_type
{
};
template<class T>
struct IsQCoroTask<QCoro::Task<T>> : std::true_type
{
    using Result = T;
};

// A coroutine nobody owns: it runs until its one await is over and then frees itself.
struct Bridge
{
    struct promise_type
    {
        Bridge get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept { }
        void unhandled_exception() const noexcept { std::terminate(); } // the body catches everything
    };
};

template<class T>
class BridgeState : public std::enable_shared_from_this<BridgeState<T>>
{
public:
    class Listener
    {
    public:
        virtual void bridged() = 0; // loop thread

    protected:
        ~Listener() = default;
    };
    explicit BridgeState(std::shared_ptr<Seam> seam)
        : m_seam(std::move(seam))
    {
    }
    Outcome<T> outcome;
    Listener *listener = nullptr;
    bool isDone() const { return m_done; }

    static Bridge run(QCoro::Task<T> task, std::shared_ptr<BridgeState> state)
    {
        try {
            if constexpr (std::is_void_v<T>)
                co_await std::move(task);
            else
                state->outcome.value.emplace(co_await std::move(task));
        } catch (...) {
            state->outcome.error = std::current_exception();
        }
        state->arrive();
    }

private:
    // QCoro resumes inside the finishing coroutine, on whatever thread that is.
    void arrive()
    {
        if (m_seam->isOwnThread())
            finish();
        else
            m_seam->post([self = this->shared_from_this()](Fate) { self->finish(); }, Seam::From::Inside);
    }
    void finish()
    {
        m_done = true;
        if (Listener *waiting = std::exchange(listener, nullptr))
            waiting->bridged();
    }
    std::shared_ptr<Seam> m_seam;
    bool m_done = false; // loop thread
};

// A QCoro coroutine cannot be interrupted and its frame may refer to ours: cancellation waits until it has ended,
// its result is delivered, and the next wait throws. It has begun before it is awaited, so that holds in a cancelled scope
// too; there the wait itself throws in the end, or a loop of such waits would never be left.
template<class T>
class QCoroAwaiter : public Waiter, private BridgeState<T>::Listener
{
public:
    QCoroAwaiter(TaskContext &task, QCoro::Task<T> &&awaited)
        : Waiter(task)
        , m_awaited(std::move(awaited))
    {
    }
    ~QCoroAwaiter()
    {
        if (m_state)
            m_state->listener = nullptr;
    }
    bool await_ready()
    {
        m_lateEntry = task().isCancelled();
        if (task().loop().isEnding())
            task().throwCancelled(); // nothing would ever resume us
        m_state = std::make_shared<BridgeState<T>>(task().loop().seam());
        BridgeState<T>::run(std::move(m_awaited), m_state);
        return m_state->isDone() && !task().loop().sliceIsOver();
    }
    void await_suspend(std::coroutine_handle<> leaf)
    {
        if (m_state->isDone()) {
            letOthersGoOn(leaf);
            return;
        }
        m_state->listener = this;
        park(leaf);
    }
    T await_resume()
    {
        if (m_lateEntry && !m_state->outcome.error)
            throwIfCancelled();
        return m_state->outcome.take();
    }
    QString describe() const override { return QStringLiteral("a QCoro task"); }

private:
    bool abort() noexcept override { return false; }
    void bridged() override { wake(); }
    QCoro::Task<T> m_awaited;
    std::shared_ptr<BridgeState<T>> m_state;
    bool m_lateEntry = false;
};

// Deletion through the event loop: deleting a watcher while events for it are queued searches the whole queue, which
// makes many finished futures quadratic.
template<class T>
struct DeleteWatcherLater
{
    void operator()(QFutureWatcher<T> *watcher) const
    {
        watcher->disconnect();
        watcher->setFuture(QFuture<T>());
        watcher->deleteLater();
    }
};
template<class T>
using WatcherPtr = std::unique_ptr<QFutureWatcher<T>, DeleteWatcherLater<T>>;

// When the wait for a cancelled future ends: at once, or when its work has.
enum class FutureEnd { Cancelled, Finished };

template<class T>
class FutureAwaiter : public Waiter, private TimerNode
{
public:
    FutureAwaiter(TaskContext &task, QFuture<T> future, FutureEnd end = FutureEnd::Cancelled)
        : Waiter(task)
        , m_future(std::move(future))
        , m_end(end)
    {
    }
    ~FutureAwaiter() { task().loop().removeTimer(*this); }

    bool await_ready()
    {
        const bool finished = m_future.isFinished();
        if (!finished && task().isCancelled())
            m_future.cancel(); // as if the cancellation had come during the wait
        throwIfCancelled();
        return finished && !task().loop().sliceIsOver();
    }
    void await_suspend(std::coroutine_handle<> leaf)
    {
        if (m_future.isFinished()) {
            letOthersGoOn(leaf);
            return;
        }
        m_watcher.reset(new QFutureWatcher<T>);
        QObject::connect(m_watcher.get(), &QFutureWatcherBase::finished, m_watcher.get(), [this] { end(); });
        // A failing promise is first cancelled and finished right after: give it that moment to bring its exception.
        QObject::connect(m_watcher.get(), &QFutureWatcherBase::canceled, m_watcher.get(), [this] {
            if (m_watcher && !isArmed() && m_end == FutureEnd::Cancelled)
                task().loop().addTimer(*this, after(now(), std::chrono::milliseconds(10)));
        });
        m_watcher->setFuture(m_future);
        park(leaf);
    }
    T await_resume()
    {
        throwIfAborted();
        if (!m_future.isFinished())
            throw Cancelled(QStringLiteral("the awaited future was cancelled"));
        try {
            m_future.waitForFinished(); // finished: it only rethrows
        } catch (const QUnhandledException &wrapped) { // QtConcurrent's wrapping of what is no QException
            if (const std::exception_ptr original = wrapped.exception())
                std::rethrow_exception(original);
            throw;
        }
        if (m_future.isCanceled())
            throw Cancelled(QStringLiteral("the awaited future was cancelled"));
        if constexpr (!std::is_void_v<T>) {
            if (m_future.resultCount() == 0)
                throw BrokenResourceError(QStringLiteral("the awaited future finished without a result"));
            if constexpr (std::is_copy_constructible_v<T>)
                return m_future.result();
            else
                return m_future.takeResult();
        }
    }
    QString describe() const override { return QStringLiteral("a QFuture"); }

private:
    bool abort() noexcept override
    {
        m_future.cancel();
        task().loop().removeTimer(*this);
        m_watcher.reset();
        return true;
    }
    void timerFired() override { end(); }
    void end()
    {
        if (!m_watcher)
            return;
        m_watcher.reset();
        task().loop().removeTimer(*this);
        wake();
    }
    QFuture<T> m_future;
    FutureEnd m_end;
    WatcherPtr<T> m_watcher;
};

// What co_await on A gives inside a QCoro::Task.
template<class A>
using InQCoro = decltype(std::declval<QCoro::detail::TaskPromise<void> &>().await_transform(std::declval<A>()));
template<class A>
concept QCoroAwaitable = requires { typename InQCoro<A>; };

template<class X>
decltype(auto) awaiterOf(X &&x)
{
    if constexpr (requires { std::forward<X>(x).operator co_await(); })
        return std::forward<X>(x).operator co_await();
    else if constexpr (requires { operator co_await(std::forward<X>(x)); })
        return operator co_await(std::forward<X>(x));
    else
        return std::forward<X>(x);
}
template<class A>
using QCoroResult = decltype(awaiterOf(std::declval<InQCoro<A>>()).await_resume());

template<class A>
QCoro::Task<std::remove_cvref_t<QCoroResult<A>>> throughQCoro(
    std::conditional_t<std::is_lvalue_reference_v<A>, A, std::remove_cvref_t<A>> awaitable)
{
    if constexpr (std::is_lvalue_reference_v<A>)
        co_return co_await awaitable;
    else
        co_return co_await std::move(awaitable);
}

} // namespace QMicroIO::detail
