// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/whenall.h>

namespace QMicroIO::detail {

TaskName Parts::name(std::size_t index) const
{
    return TaskName(QStringLiteral("%1 part %2").arg(QString::fromUtf8(m_call)).arg(index));
}

void Parts::caught(TaskContext &task, TaskGroup &group, std::exception_ptr error)
{
    if (task.isCancelled() || !isCancellation(error))
        return; // the group knows what to do
    m_cancelled = std::move(error);
    group.cancel(QStringLiteral("%1 was cancelled by itself").arg(task.name()));
}

void Parts::throwMissing() const
{
    if (m_cancelled)
        std::rethrow_exception(m_cancelled);
    throw ClosedResourceError(
        QStringLiteral("%1 was cancelled by one of its own parts").arg(QString::fromUtf8(m_call)));
}

} // namespace QMicroIO::detail
