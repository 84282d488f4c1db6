// floor 5: what every frame of a task knows: its task, who awaits it, and where it waits
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/frame.h>
#include <qmicroio/detail/scope.h>

#include <coroutine>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace QMicroIO::detail {

class PromiseBase : public FrameInfo
{
public:
    static void *operator new(std::size_t size) { return allocate(size, Memory::Frame); }
    static void operator delete(void *frame, std::size_t size) noexcept { release(frame, size, Memory::Frame); }

    PromiseBase() = default;
    PromiseBase(const PromiseBase &) = delete;
    PromiseBase &operator=(const PromiseBase &) = delete;

    std::suspend_always initial_suspend() const noexcept { return {}; }

    struct FinalAwaiter
    {
        bool await_ready() const noexcept { return false; }
        template<class Promise>
        void await_suspend(std::coroutine_handle<Promise> ended) const noexcept
        {
            PromiseBase &promise = ended.promise();
            if (Q_LIKELY(promise.isNested()))
                promise.m_task->nestedFrameEnded(promise);
            else
                promise.m_task->frameEnded(promise.m_continuation, &promise);
        }
        void await_resume() const noexcept { }
    };
    FinalAwaiter final_suspend() const noexcept { return {}; }

    void unhandled_exception() noexcept { m_error = std::current_exception(); }

    TaskContext &task() const { return *m_task; }
    void belongsTo(TaskContext &task) { m_task = &task; }
    void awaitedBy(PromiseBase &parent)
    {
        m_task = parent.m_task;
        m_parent = &parent;
    }
    void continuesWith(std::coroutine_handle<> continuation) noexcept { m_continuation = continuation; }
    const std::exception_ptr &error() const { return m_error; }

protected:
    void waitsAt(std::source_location site) noexcept { m_site = site; }
    void rethrow()
    {
        if (m_error)
            std::rethrow_exception(std::exchange(m_error, nullptr));
    }

    TaskContext *m_task = nullptr;
    std::coroutine_handle<> m_continuation;
    std::exception_ptr m_error;
};

// An awaitable that asks its task for scope and loop: a movable description, of which await_transform makes the awaiter.
//
// A QCoro::Task has neither, so there it does not compile; the text says what to do.
class AmbientBase
{
public:
    template<class Never = void>
    auto operator co_await() const
    {
        static_assert(
            !std::is_void_v<Never>,
            "QMicroIO: this wait needs the cancel scope of a QMicroIO::Task. Write the function as a coroutine "
            "that returns QMicroIO::Task<>; a QCoro::Task can then co_await that function.");
        return std::suspend_never();
    }

protected:
    AmbientBase() = default;
    ~AmbientBase() = default;
    AmbientBase(const AmbientBase &) = default;
    AmbientBase(AmbientBase &&) = default;
    AmbientBase &operator=(const AmbientBase &) = default;
    AmbientBase &operator=(AmbientBase &&) = default;
};

template<class A>
concept Ambient = std::is_base_of_v<AmbientBase, std::remove_cvref_t<A>>;

// The task that awaits it; never suspends.
class CurrentTask : public AmbientBase
{
public:
    CurrentTask() { } // no aggregate: GCC 12 destroys aggregates inside co_await expressions twice
    struct Awaiter
    {
        TaskContext &task;
        bool await_ready() const noexcept { return true; }
        void await_suspend(std::coroutine_handle<>) const noexcept { }
        TaskContext &await_resume() const noexcept { return task; }
    };
    Awaiter awaiter(TaskContext &task) const { return {task}; }
};

// A result that may be void.
template<class T>
struct Outcome
{
    std::optional<T> value;
    std::exception_ptr error;
    T take()
    {
        if (error)
            std::rethrow_exception(std::exchange(error, nullptr));
        return std::move(*value);
    }
};
template<>
struct Outcome<void>
{
    std::exception_ptr error;
    void take()
    {
        if (error)
            std::rethrow_exception(std::exchange(error, nullptr));
    }
};

} // namespace QMicroIO::detail
