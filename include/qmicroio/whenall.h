// floor 10: several awaitables as one: all of them, or the first
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/awaited.h>
#include <qmicroio/export.h>
#include <qmicroio/taskgroup.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace QMicroIO {

/// Which part of whenAny() ended first, and what it gave: std::monostate for a part without a result.
template<class... T>
struct WhenAnyResult
{
    /// Thread: any.
    WhenAnyResult(qsizetype which, std::variant<T...> result)
        : index(which)
        , value(std::move(result))
    {
    }
    qsizetype index; ///< the position among the arguments; the same as value.index()
    std::variant<T...> value; ///< what that part gave
};

namespace detail {

template<class... A>
struct AllResult
{
    using Type = std::tuple<NotVoid<Awaited<A>>...>;
};
template<class T>
struct AllResult<std::vector<Task<T>>>
{
    // None: this is the other overload.
};

// The parts are children of one group. What a group cannot know: a part that throws Cancelled by itself has no result.
class QMICROIO_EXPORT Parts
{
public:
    Parts(const char *call, const TaskContext &host)
        : m_call(call)
        , m_frame(host.leaf())
        , m_loop(host.loop())
    {
    }
    Loop &loop() const { return m_loop; }
    FrameInfo *frame() const { return m_frame; }
    TaskName name(std::size_t index) const;
    void caught(TaskContext &task, TaskGroup &group, std::exception_ptr error);
    [[noreturn]] void throwMissing() const;

private:
    const char *m_call;
    FrameInfo *m_frame;
    Loop &m_loop;
    std::exception_ptr m_cancelled;
};

// Runs one part as a child and hands its result, or std::monostate, to `give`.
template<class A, class Give>
Task<> runPart(TaskGroup group, Parts &parts, A awaitable, Give give)
{
    TaskContext &task = co_await CurrentTask();
    task.leaf()->standsFor(parts.frame());
    try {
        if constexpr (std::is_void_v<Awaited<A>>) {
            co_await std::move(awaitable);
            give(group, std::monostate());
        } else {
            give(group, co_await std::move(awaitable));
        }
    } catch (...) {
        parts.caught(task, group, std::current_exception());
        throw;
    }
}

template<class A, class Give>
void startPart(TaskGroup &group, Parts &parts, std::size_t index, A &&awaitable, Give give)
{
    // A part begins with the loop's next turn; what comes once and before that would be lost.
    if constexpr (requires { awaitable.listen(parts.loop()); })
        awaitable.listen(parts.loop());
    group.startSoon(parts.name(index), &runPart<A, Give>, group, std::ref(parts), std::forward<A>(awaitable), give);
}

} // namespace detail

/// co_await whenAll(awaitables...): runs them side by side and gives a tuple of their results, std::monostate for void.
///
/// Takes whatever a Task can await: Tasks, waits of this library, QFutures, QCoro's tasks. They are children of a group, so
/// none outlives the call.
/// Thread: the task's. Suspends: always, at least for one turn. Cancel point: yes; the parts are cancelled and waited for.
/// Lifetime: the arguments are kept until all have ended. Pass pointers for what cannot be copied or moved.
/// Fails: as a task group does: the first failure cancels the rest, and when all have ended the failures are thrown as one
/// ExceptionGroup, also a single one. A part that throws Cancelled by itself, as a cancelled QFuture does, cancels the rest
/// and its Cancelled is thrown; ClosedResourceError when a part cancelled the others by hand, so that a result is missing.
/// Cost: one frame for the group, and for each part a child of it: one block and a frame.
template<class... A>
Task<typename detail::AllResult<A...>::Type> whenAll(A... awaitables)
{
    std::tuple<std::optional<detail::NotVoid<detail::Awaited<A>>>...> results;
    detail::Parts parts("whenAll()", co_await detail::CurrentTask());
    auto body = [&](TaskGroup &group) -> Task<> {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (detail::startPart(group, parts, I, std::move(awaitables),
                               [&results]<class R>(TaskGroup &, R &&result) {
                                   std::get<I>(results).emplace(std::forward<R>(result));
                               }),
             ...);
        }(std::index_sequence_for<A...>());
        co_return;
    };
    co_await withTaskGroup(body);
    co_return std::apply(
        [&](auto &...result) {
            if (!(result && ...))
                parts.throwMissing();
            return typename detail::AllResult<A...>::Type(std::move(*result)...);
        },
        results);
}

/// The same for any number of Tasks of one type; gives a vector of their results in the same order, nothing for void.
/// Thread: the task's.
template<class T>
Task<std::conditional_t<std::is_void_v<T>, void, std::vector<detail::NotVoid<T>>>> whenAll(std::vector<Task<T>> tasks)
{
    std::vector<std::optional<detail::NotVoid<T>>> results(tasks.size());
    detail::Parts parts("whenAll()", co_await detail::CurrentTask());
    auto body = [&](TaskGroup &group) -> Task<> {
        for (std::size_t i = 0; i < tasks.size(); ++i) {
            detail::startPart(
                group, parts, i, std::move(tasks[i]),
                [&result = results[i]]<class R>(TaskGroup &, R &&given) { result.emplace(std::forward<R>(given)); });
        }
        co_return;
    };
    co_await withTaskGroup(body);
    for (const auto &result : results) {
        if (!result)
            parts.throwMissing();
    }
    if constexpr (!std::is_void_v<T>) {
        std::vector<T> values;
        values.reserve(results.size());
        for (auto &result : results)
            values.push_back(std::move(*result));
        co_return values;
    }
}

/// co_await whenAny(awaitables...): runs them side by side; the first to end decides, and the rest are cancelled and waited for.
///
/// Takes what whenAll() takes. What a later part gives is dropped, so a result that must not be lost needs its own wait.
/// Order: the parts begin with the loop's next turn, but a nextSignal() that is itself an argument listens at once. One
/// inside a Task that is an argument does not see a signal that comes before that turn.
/// Thread: the task's. Suspends: always, at least for one turn. Cancel point: yes, but a result that is there is delivered.
/// Lifetime: the arguments are kept until all have ended. Pass pointers for what cannot be copied or moved.
/// Fails: as whenAll(): ExceptionGroup when the first to end failed, or when one of the rest failed while it ended; a
/// Cancelled that the first threw by itself. Cost: as whenAll().
template<class... A>
Task<WhenAnyResult<detail::NotVoid<detail::Awaited<A>>...>> whenAny(A... awaitables)
{
    static_assert(sizeof...(A) > 0, "QMicroIO: whenAny() of nothing would never end.");
    std::optional<std::variant<detail::NotVoid<detail::Awaited<A>>...>> first;
    detail::Parts parts("whenAny()", co_await detail::CurrentTask());
    auto body = [&](TaskGroup &group) -> Task<> {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (detail::startPart(group, parts, I, std::move(awaitables),
                               [&first]<class R>(TaskGroup &all, R &&result) {
                                   if (first)
                                       return;
                                   first.emplace(std::in_place_index<I>, std::forward<R>(result));
                                   all.cancel(QStringLiteral("whenAny(): another part ended first"));
                               }),
             ...);
        }(std::index_sequence_for<A...>());
        co_return;
    };
    try {
        co_await withTaskGroup(body);
    } catch (const Cancelled &) {
        if (!first)
            throw; // otherwise the next wait throws
    }
    if (!first)
        parts.throwMissing();
    const auto index = qsizetype(first->index());
    co_return WhenAnyResult<detail::NotVoid<detail::Awaited<A>>...>(index, std::move(*first));
}

} // namespace QMicroIO
