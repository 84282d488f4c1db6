// floor 9: what a cancelled scope does to an operation that this library does not own
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/detail/awaited.h>
#include <qmicroio/detail/foreign.h>
#include <qmicroio/detail/promise.h>

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace QMicroIO {
namespace detail {

// Cancellation asks the operation to end and then waits for that: its frame may refer to ours.
template<class A, class F>
class CancellableAwaiter : public Waiter, private BridgeState<Awaited<A>>::Listener, private ReadyNode
{
    using State = BridgeState<Awaited<A>>;

public:
    CancellableAwaiter(TaskContext &task, A &&awaited, F &&onCancel)
        : Waiter(task)
        , m_awaited(std::move(awaited))
        , m_onCancel(std::move(onCancel))
    {
    }
    ~CancellableAwaiter()
    {
        task().loop().forget(*this);
        if (!m_state || m_state->isDone())
            return;
        m_state->listener = nullptr;
        if (!m_hookCalled)
            ask(); // the frame is destroyed in the middle of the wait
    }

    bool await_ready()
    {
        m_lateEntry = task().isCancelled();
        if (m_lateEntry && (!HasBegun<A> || task().loop().isEnding()))
            task().throwCancelled();
        m_state = std::make_shared<State>(task().loop().seam());
        State::run(qcoroTaskOf(std::move(m_awaited)), m_state);
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
        if (m_lateEntry)
            task().deliverCancel();
    }
    Awaited<A> await_resume()
    {
        if (m_error)
            std::rethrow_exception(m_error);
        if (m_lateEntry && !m_state->outcome.error)
            throwIfCancelled();
        return m_state->outcome.take();
    }
    QString describe() const override
    {
        return m_hookCalled ? QStringLiteral("a foreign operation, asked to end,")
                            : QStringLiteral("a foreign operation");
    }

private:
    bool abort() noexcept override
    {
        try {
            task().throwCancelled();
        } catch (...) {
            m_cancelled = std::current_exception(); // what is announced now holds, whatever shields are raised later
        }
        // Not from here: this is the middle of a walk through the scopes, and it is the user's code.
        task().loop().makeReady(*this);
        return false;
    }
    void resumeFromLoop() override
    {
        if (ask() && !m_error)
            m_error = m_cancelled;
    }
    bool ask() noexcept
    {
        m_hookCalled = true;
        try {
            if constexpr (std::is_same_v<std::invoke_result_t<F &>, bool>) {
                return std::invoke(m_onCancel);
            } else {
                std::invoke(m_onCancel);
                return true;
            }
        } catch (...) {
            m_error = std::current_exception();
            return true;
        }
    }
    void bridged() override
    {
        task().loop().forget(*this); // it ended before it could be asked to: its result counts
        wake();
    }
    A m_awaited;
    F m_onCancel;
    std::shared_ptr<State> m_state;
    std::exception_ptr m_cancelled;
    std::exception_ptr m_error;
    bool m_hookCalled = false;
    bool m_lateEntry = false;
};

template<class A, class F>
class CancellableWait : public AmbientBase
{
public:
    CancellableWait(A &&awaitable, F &&onCancel)
        : m_awaitable(std::move(awaitable))
        , m_onCancel(std::move(onCancel))
    {
    }
    CancellableAwaiter<A, F> awaiter(TaskContext &task)
    {
        return {task, std::move(m_awaitable), std::move(m_onCancel)};
    }

private:
    A m_awaitable;
    F m_onCancel;
};

} // namespace detail

/// co_await cancellable(awaitable, onCancel): awaits a QCoro::Task, a QFuture or whatever QCoro can await; when the scope is
/// cancelled, onCancel() asks the operation to end, as QNetworkReply::abort() does.
///
/// The wait lasts until the operation has ended, because it may refer to the frames of this task. It then throws the Cancelled
/// that was announced, also when a shield was raised meanwhile; what the operation gave or threw is dropped. An onCancel
/// that returns bool decides: false says that the operation goes on to its natural end, its outcome counts, and the next
/// wait throws.
///
/// Thread: the task's; onCancel runs there, from the loop, once at most, however many scopes are cancelled. Cancel point: yes.
/// In a cancelled scope what has not begun never begins; a QCoro::Task or QFuture, which has, is asked to end and waited for.
/// Suspends: until the operation has ended, if it has not yet. Resumes: on the task's own thread, from its loop.
/// Cost: one allocation, and the frame of a QCoro::Task around the operation. Lifetime: both arguments are kept until the wait
/// has ended. Pass pointers for what cannot be copied or moved.
/// Fails: what the operation throws, unless it was asked to end; what onCancel throws, once the operation has ended.
template<class A, class F>
    requires std::is_invocable_v<F &>
detail::CancellableWait<A, F> cancellable(A awaitable, F onCancel)
{
    return {std::move(awaitable), std::move(onCancel)};
}

/// co_await uncancellable(awaitable): waits until the operation has ended, cancelled or not; for what must not be left running.
///
/// Its result is delivered and the next wait throws. A QCoro::Task is awaited like this anyway; a QFuture or a timer is not:
/// their waits end at once, and the future is cancelled. The future is left alone here and waited for until its work has
/// ended. shielded() does the same for a whole region.
///
/// Thread: the task's. Suspends: until the operation has ended. Cancel point: no, not at the start either.
/// Fails: what the operation throws; as shielded(). Cost: a scope and a frame.
/// Lifetime: the argument is kept until the wait has ended. Pass pointers for what cannot be copied or moved.
template<class A>
Task<detail::Awaited<A>> uncancellable(A awaitable)
{
    auto body = [&] { return detail::taskOf(std::move(awaitable)); };
    co_return co_await shielded(body);
}

} // namespace QMicroIO
