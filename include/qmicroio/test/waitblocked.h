// floor 22: a wait until every task is blocked, in place of sleeping for a while
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/promise.h>
#include <qmicroio/test/testexport.h>

#include <chrono>
#include <memory>

namespace QMicroIO::Test {

namespace detail {

// What the thread that looks may touch: it outlives the coroutine that waits.
struct BlockedWaitLink;

class QMICROIO_TEST_EXPORT BlockedAwaiter final : public QMicroIO::detail::Waiter
{
public:
    BlockedAwaiter(QMicroIO::detail::TaskContext &task, std::chrono::nanoseconds cushion);
    ~BlockedAwaiter();
    bool await_ready() const;
    void await_suspend(std::coroutine_handle<> leaf);
    void await_resume() const;
    QString describe() const override;

private:
    friend struct BlockedWaitLink;
    bool abort() noexcept override;
    void release();
    void forget();
    std::chrono::nanoseconds m_cushion;
    std::shared_ptr<BlockedWaitLink> m_link;
};

class BlockedWait : public QMicroIO::detail::AmbientBase
{
public:
    explicit BlockedWait(std::chrono::nanoseconds cushion)
        : m_cushion(cushion)
    {
    }
    BlockedAwaiter awaiter(QMicroIO::detail::TaskContext &task) const { return {task, m_cushion}; }

private:
    std::chrono::nanoseconds m_cushion;
};

} // namespace detail

/// co_await waitAllTasksBlocked(): until every task of every loop, and every thread that counts, has nothing to do.
///
/// "Blocked" is what VirtualClock says, which need not be installed. A task at sleep(0) or checkpoint(), and one that
/// is cancelled and has not gone on yet, are not blocked; other tasks in this very wait are. With a cushion everything
/// must have been blocked that long; of several waits the one with the smallest cushion ends first.
///
/// Thread: a task's. Suspends: always. Cancel point: yes. Resumes: on the task's own thread, from its loop.
/// Units: real time, whatever the clock says. Fails: std::invalid_argument for a negative cushion or NaN.
/// Cost: a thread that looks, and a system call for each thread at each look.
template<class Rep = qint64, class Period = std::milli>
detail::BlockedWait waitAllTasksBlocked(std::chrono::duration<Rep, Period> cushion = {})
{
    return detail::BlockedWait(QMicroIO::detail::checkedDuration(cushion, "waitAllTasksBlocked()"));
}

} // namespace QMicroIO::Test
