// floor 22: one order for steps of several tasks
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/detail/promise.h>
#include <qmicroio/task.h>
#include <qmicroio/test/testexport.h>

#include <functional>
#include <memory>
#include <type_traits>

namespace QMicroIO::Test {

namespace detail {

class SequenceState;

class QMICROIO_TEST_EXPORT SequenceAwaiter final : public QMicroIO::detail::Waiter
{
public:
    SequenceAwaiter(QMicroIO::detail::TaskContext &task, std::shared_ptr<SequenceState> state, int point);
    ~SequenceAwaiter();
    bool await_ready();
    void await_suspend(std::coroutine_handle<> leaf);
    void await_resume();
    QString describe() const override;

private:
    friend class SequenceState;
    bool abort() noexcept override;
    std::shared_ptr<SequenceState> m_state;
    int m_point;
};

class SequenceWait : public QMicroIO::detail::AmbientBase
{
public:
    SequenceWait(std::shared_ptr<SequenceState> state, int point)
        : m_state(std::move(state))
        , m_point(point)
    {
    }
    SequenceAwaiter awaiter(QMicroIO::detail::TaskContext &task) const { return {task, m_state, m_point}; }

private:
    std::shared_ptr<SequenceState> m_state;
    int m_point;
};

// Passes the turn on however the step ends.
class QMICROIO_TEST_EXPORT SequenceTurn
{
public:
    SequenceTurn(std::shared_ptr<SequenceState> state, int point);
    ~SequenceTurn();
    SequenceTurn(const SequenceTurn &) = delete;
    SequenceTurn &operator=(const SequenceTurn &) = delete;

private:
    std::shared_ptr<SequenceState> m_state;
    int m_point;
};

} // namespace detail

/// Runs steps of several tasks in one order: co_await sequence.at(2, step) waits until the steps at 0 and 1 have ended.
///
/// Thread: the tasks of one loop, that of the first step. Lifetime: may go before the steps that wait; those get an
/// error.
/// Cost:    O(log steps) a step; one allocation, and another when it has to wait.
/// Source:  the Sequencer of Trio's testing module.
class QMICROIO_TEST_EXPORT Sequencer
{
public:
    Sequencer();
    ~Sequencer();
    Sequencer(const Sequencer &) = delete;
    Sequencer &operator=(const Sequencer &) = delete;

    /// Waits for its turn, runs step(), which may be a coroutine, and passes the turn on, also when the step fails.
    ///
    /// Suspends: unless it is its turn. Cancel point: yes; a wait that is cancelled breaks the sequence.
    /// Fails: what the step throws; LogicError for a point that was claimed before, and for a negative one;
    /// BrokenResourceError once the sequence is broken: for the others that wait and for all that come later.
    template<class F>
    Task<> at(int point, F step)
    {
        return run(m_state, point, std::move(step));
    }
    /// Nothing but the place in the order. As at().
    Task<> at(int point)
    {
        return run(m_state, point, [] { });
    }

private:
    template<class F>
    static Task<> run(std::shared_ptr<detail::SequenceState> state, int point, F step)
    {
        detail::SequenceWait wait(state, point);
        co_await wait;
        const detail::SequenceTurn turn(state, point);
        if constexpr (std::is_void_v<std::invoke_result_t<F &>>)
            std::invoke(step);
        else
            co_await std::invoke(step);
    }
    std::shared_ptr<detail::SequenceState> m_state;
};

} // namespace QMicroIO::Test
