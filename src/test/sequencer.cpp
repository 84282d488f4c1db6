// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/sequencer.h>

#include <map>
#include <set>
#include <utility>

namespace QMicroIO::Test {
namespace detail {

class SequenceState
{
public:
    void claim(int point)
    {
        if (point < 0)
            throw LogicError(QStringLiteral("Sequencer: point %1 is negative; points count from zero").arg(point));
        if (m_isBroken)
            throwBroken();
        if (!m_claimed.insert(point).second) {
            throw LogicError(
                QStringLiteral("Sequencer: point %1 was claimed before; each step needs a point of its own")
                    .arg(point));
        }
    }
    bool isTurnOf(int point) const { return m_next == point; }
    void enlist(int point, SequenceAwaiter *awaiter) { m_waiting[point] = awaiter; }
    void delist(int point) { m_waiting.erase(point); }
    bool isBroken() const { return m_isBroken; }
    [[noreturn]] static void throwBroken()
    {
        throw BrokenResourceError(
            QStringLiteral(
                "the sequence is broken: a step that waited for its turn was cancelled, or the Sequencer is gone"),
            nullptr);
    }
    void pass(int point)
    {
        m_next = point + 1;
        if (const auto next = m_waiting.find(m_next); next != m_waiting.end())
            wakeUp(next->first);
    }
    void breakUp()
    {
        m_isBroken = true;
        while (!m_waiting.empty())
            wakeUp(m_waiting.begin()->first);
    }

private:
    void wakeUp(int point)
    {
        SequenceAwaiter *awaiter = m_waiting[point];
        m_waiting.erase(point);
        awaiter->wake();
    }
    int m_next = 0;
    bool m_isBroken = false;
    std::set<int> m_claimed;
    std::map<int, SequenceAwaiter *> m_waiting;
};

SequenceAwaiter::SequenceAwaiter(QMicroIO::detail::TaskContext &task, std::shared_ptr<SequenceState> state, int point)
    : Waiter(task)
    , m_state(std::move(state))
    , m_point(point)
{
}

SequenceAwaiter::~SequenceAwaiter()
{
    if (task().parked() == this)
        m_state->delist(m_point);
}

bool SequenceAwaiter::await_ready()
{
    m_state->claim(m_point);
    if (task().isCancelled()) {
        m_state->breakUp();
        task().throwCancelled();
    }
    return m_state->isTurnOf(m_point);
}

void SequenceAwaiter::await_suspend(std::coroutine_handle<> leaf)
{
    m_state->enlist(m_point, this);
    park(leaf);
}

void SequenceAwaiter::await_resume()
{
    throwIfAborted();
    if (m_state->isBroken())
        SequenceState::throwBroken();
}

QString SequenceAwaiter::describe() const
{
    return QStringLiteral("its turn in a sequence, point %1").arg(m_point);
}

bool SequenceAwaiter::abort() noexcept
{
    m_state->delist(m_point);
    m_state->breakUp();
    return true;
}

SequenceTurn::SequenceTurn(std::shared_ptr<SequenceState> state, int point)
    : m_state(std::move(state))
    , m_point(point)
{
}

SequenceTurn::~SequenceTurn()
{
    m_state->pass(m_point);
}

} // namespace detail

Sequencer::Sequencer()
    : m_state(std::make_shared<detail::SequenceState>())
{
}

Sequencer::~Sequencer()
{
    m_state->breakUp();
}

} // namespace QMicroIO::Test
