// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/diagnostics.h>

namespace QMicroIO::detail {

struct KnownLoop;
class TaskContext;

// Any thread; from the loop's own without waiting.
LoopInfo askLoop(const KnownLoop &loop, QDeadlineTimer deadline);
// The task with its groups, for a log. On its loop's thread.
QString textOfTask(const TaskContext &task);
// For a log: a tree of thousands of tasks says no more than its beginning.
QString limitedLines(const QString &text);

} // namespace QMicroIO::detail
