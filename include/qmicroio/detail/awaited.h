// floor 8: what a co_await inside a Task gives, and everything that can be awaited as a Task
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/foreign.h>
#include <qmicroio/task.h>

#include <QtCore/QFuture>

#include <type_traits>
#include <utility>
#include <variant>

namespace QMicroIO::detail {

template<class A>
using AwaiterInTask = decltype(std::declval<TaskPromiseBase &>().await_transform(std::declval<A>()));

template<class A>
using Awaited = std::remove_cvref_t<decltype(std::declval<AwaiterInTask<A> &>().await_resume())>;

// For results that stand in tuples and variants.
template<class T>
using NotVoid = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template<class X>
struct IsFuture : std::false_type
{
};
template<class T>
struct IsFuture<QFuture<T>> : std::true_type
{
};

// Work that goes on by itself, whether somebody awaits it or not.
template<class A>
inline constexpr bool HasBegun = IsQCoroTask<A>::value || IsFuture<A>::value;

// A cancelled future counts as over only when its work has ended.
template<class T>
class WholeFutureWait : public AmbientBase
{
public:
    explicit WholeFutureWait(QFuture<T> future)
        : m_future(std::move(future))
    {
    }
    FutureAwaiter<T> awaiter(TaskContext &task) const { return {task, m_future, FutureEnd::Finished}; }

private:
    QFuture<T> m_future;
};

template<class T>
WholeFutureWait<T> whole(QFuture<T> future)
{
    return WholeFutureWait<T>(std::move(future));
}
template<class A>
A whole(A awaitable)
{
    return awaitable;
}

template<class A>
Task<Awaited<A>> taskOf(A awaitable)
{
    co_return co_await whole(std::move(awaitable));
}

template<class T>
QCoro::Task<T> rootTask(Task<T> task)
{
    co_return co_await std::move(task);
}

// QCoro awaits futures by blocking on them and knows no waits of ours: those run as tasks of their own.
template<class A>
QCoro::Task<Awaited<A>> qcoroTaskOf(A awaitable)
{
    if constexpr (IsQCoroTask<A>::value)
        return awaitable;
    else if constexpr (IsTask<A>::value)
        return rootTask(std::move(awaitable));
    else if constexpr (Ambient<A> || IsFuture<A>::value)
        return rootTask(taskOf(std::move(awaitable)));
    else
        return throughQCoro<A>(std::move(awaitable));
}

} // namespace QMicroIO::detail
