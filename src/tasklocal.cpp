// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/tasklocal.h>

#include <algorithm>

namespace QMicroIO::detail {

namespace {

// What the function that runs here sees when it is no task.
constinit thread_local LocalsRef *t_call = nullptr;

TaskContext *runningTask() noexcept
{
    const Loop *loop = Loop::current();
    return loop ? static_cast<TaskContext *>(loop->running()) : nullptr;
}

// False where there is neither a task nor a call that could see them.
bool setCurrentLocals(LocalsRef locals)
{
    if (TaskContext *task = runningTask())
        task->setLocals(std::move(locals));
    else if (t_call)
        *t_call = std::move(locals);
    else
        return false;
    return true;
}

} // namespace

const void *Locals::find(quint64 key) const noexcept
{
    const auto found = std::find_if(m_entries.begin(), m_entries.end(), [key](const Entry &e) { return e.key == key; });
    return found == m_entries.end() ? nullptr : found->value.get();
}

void Locals::insert(quint64 key, std::shared_ptr<const void> value)
{
    std::erase_if(m_entries, [key](const Entry &entry) { return entry.key == key; });
    m_entries.push_back({key, std::move(value)});
}

quint64 nextLocalKey() noexcept
{
    static std::atomic<quint64> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

LocalsRef currentLocals() noexcept
{
    if (const TaskContext *task = runningTask())
        return task->locals();
    return t_call ? *t_call : LocalsRef();
}

void setLocal(quint64 key, std::shared_ptr<const void> value)
{
    const LocalsRef before = currentLocals();
    auto changed = before.get() ? std::make_unique<Locals>(*before.get()) : std::make_unique<Locals>();
    changed->insert(key, std::move(value));
    if (!setCurrentLocals(LocalsRef(changed.release()))) {
        throw LogicError(
            QStringLiteral("TaskLocal::set() in %1 outside of a task; set it in the task, before it starts what "
                           "is to see it")
                .arg(currentThreadName()));
    }
}

CallLocals::CallLocals(LocalsRef locals) noexcept
    : m_locals(std::move(locals))
    , m_outer(std::exchange(t_call, &m_locals))
{
}

CallLocals::~CallLocals()
{
    t_call = m_outer;
}

KeptLocals::KeptLocals() noexcept
    : m_before(currentLocals())
{
}

KeptLocals::~KeptLocals()
{
    setCurrentLocals(std::move(m_before)); // what was there before had its memory
}

} // namespace QMicroIO::detail
