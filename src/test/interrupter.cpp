// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/interrupter.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace QMicroIO::Test::detail {

namespace {

class Triggers final : public QMicroIO::detail::StepWatcher
{
public:
    static Triggers &instance()
    {
        static auto *triggers = new Triggers;
        return *triggers;
    }
    void add(StepTrigger *trigger)
    {
        const std::lock_guard lock(m_mutex);
        m_triggers.push_back(trigger);
        QMicroIO::detail::stepWatcher.store(this, std::memory_order_release);
    }
    // Whether another trigger watches the same task.
    bool remove(StepTrigger *trigger)
    {
        const std::lock_guard lock(m_mutex);
        std::erase(m_triggers, trigger);
        return std::any_of(m_triggers.begin(), m_triggers.end(),
                           [&](const StepTrigger *other) { return &other->task() == &trigger->task(); });
    }
    void suspended(QMicroIO::detail::TaskContext &task) override
    {
        std::vector<StepTrigger *> told;
        {
            const std::lock_guard lock(m_mutex);
            for (StepTrigger *trigger : m_triggers) {
                if (&trigger->task() == &task)
                    told.push_back(trigger);
            }
        }
        for (StepTrigger *trigger : told) // the task's own thread: none goes meanwhile
            trigger->suspended();
    }

private:
    std::mutex m_mutex;
    std::vector<StepTrigger *> m_triggers;
};

} // namespace

StepTrigger::StepTrigger(QMicroIO::detail::TaskContext &task, CancelScope &scope, int step)
    : m_task(task)
    , m_scope(scope)
    , m_left(step)
{
    Triggers::instance().add(this);
    task.setWatched(true);
}

StepTrigger::~StepTrigger()
{
    m_task.setWatched(Triggers::instance().remove(this));
}

void StepTrigger::suspended()
{
    if (m_left == 0)
        return;
    --m_left;
    if (m_left > 0)
        return;
    m_reached = true;
    m_scope.cancel(QStringLiteral("interrupted by the test"));
}

StepAccounts::StepAccounts() = default;
StepAccounts::~StepAccounts() = default;

void StepAccounts::require(int step, std::source_location place) const
{
    const QStringList left = m_guard.leaksOfThisThread();
    if (!left.isEmpty()) {
        throw CheckFailed(QStringLiteral("cancelled at suspension %1, the operation has left behind:\n  %2")
                              .arg(step)
                              .arg(left.join(QStringLiteral("\n  "))),
                          place);
    }
}

} // namespace QMicroIO::Test::detail
