// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/diagnostics.h>

#include <memory>

namespace QMicroIO::detail {

struct KnownLoop;
class Seam;
class TaskContext;

// Asks all loops again and again. One that has not answered is not asked anew, so that nothing piles up in it.
class LoopSurvey
{
public:
    LoopSurvey();
    ~LoopSurvey();
    LoopSurvey(const LoopSurvey &) = delete;
    LoopSurvey &operator=(const LoopSurvey &) = delete;
    // Without the loop of `leftOut`. An answer that came after the patience had ended is used the next time.
    TaskTree ask(std::chrono::milliseconds patience, const Seam *leftOut);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

// Any thread; from the loop's own without waiting.
LoopInfo askLoop(const KnownLoop &loop, QDeadlineTimer deadline);
// The task with its groups, for a log. On its loop's thread.
QString textOfTask(const TaskContext &task);
// For a log: a tree of thousands of tasks says no more than its beginning.
QString limitedLines(const QString &text);

} // namespace QMicroIO::detail
