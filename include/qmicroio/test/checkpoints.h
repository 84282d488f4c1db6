// floor 22: whether a piece of a task lets others run and can be cancelled
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/detail/promise.h>
#include <qmicroio/task.h>
#include <qmicroio/test/check.h>
#include <qmicroio/test/testexport.h>

#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>

namespace QMicroIO::Test {

namespace detail {

// What a stretch of the task does; afterwards the task also knows what it did before.
class DoingsOf
{
public:
    explicit DoingsOf(QMicroIO::detail::TaskContext &task)
        : m_task(task)
        , m_before(task.exchangeDoings({}))
    {
    }
    ~DoingsOf() { take(); }
    DoingsOf(const DoingsOf &) = delete;
    DoingsOf &operator=(const DoingsOf &) = delete;
    QMicroIO::detail::TaskContext::Doings take()
    {
        const auto seen = m_task.exchangeDoings({});
        m_before = {m_before.yielded || seen.yielded, m_before.askedCancel || seen.askedCancel};
        static_cast<void>(m_task.exchangeDoings(m_before));
        return seen;
    }

private:
    QMicroIO::detail::TaskContext &m_task;
    QMicroIO::detail::TaskContext::Doings m_before;
};

QMICROIO_TEST_EXPORT void requireCheckpoint(QMicroIO::detail::TaskContext::Doings doings, std::source_location place);
QMICROIO_TEST_EXPORT void requireNoCheckpoint(QMicroIO::detail::TaskContext::Doings doings, std::source_location place);

using Require = void (*)(QMicroIO::detail::TaskContext::Doings, std::source_location);

template<class F>
Task<typename QMicroIO::detail::BodyOf<F>::Result> runAndRequire(F body, Require require, std::source_location place)
{
    using Result = typename QMicroIO::detail::BodyOf<F>::Result;
    QMicroIO::detail::TaskContext &task = co_await QMicroIO::detail::CurrentTask();
    DoingsOf doings(task);
    if constexpr (std::is_void_v<Result>) {
        co_await std::invoke(body);
        require(doings.take(), place);
    } else {
        Result result = co_await std::invoke(body);
        require(doings.take(), place);
        co_return std::move(result);
    }
}

} // namespace detail

/// Runs `body`, a coroutine, and requires that it let other tasks run and asked whether it is cancelled; either alone
/// is not enough.
///
/// Gives the body's result. An error of the body passes, unchecked. What tasks that it starts do does not count.
/// Thread: a task's. Suspends, Cancel point: where the body waits. Fails: CheckFailed, which names what is missing.
/// Cost: a frame; two numbers of the task are counted anyway.
template<class F>
auto assertCheckpoints(F body, std::source_location place = std::source_location::current())
{
    return detail::runAndRequire(std::move(body), &detail::requireCheckpoint, place);
}

/// Runs `body`, a coroutine, and requires that it neither let others run nor asked whether it is cancelled. Else as
/// assertCheckpoints().
/// Thread: a task's. Fails: CheckFailed, which names what it did. Cost: as assertCheckpoints().
template<class F>
auto assertNoCheckpoints(F body, std::source_location place = std::source_location::current())
{
    return detail::runAndRequire(std::move(body), &detail::requireNoCheckpoint, place);
}

} // namespace QMicroIO::Test
