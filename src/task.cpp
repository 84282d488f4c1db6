// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/task.h>

namespace QMicroIO::detail {

void runUntilDone(Loop &loop, TaskContext &context, ScopeState &scope, BlockingRun &run)
{
    loop.makeReady(context);
    QEventLoop events;
    run.events = &events;
    events.exec();
    run.events = nullptr;
    if (run.done)
        return;
    // An event loop that returns before the task's first turn still remembers a quit() from before this call.
    if (context.hasBegun()) {
        run.interrupted = true;
        scope.cancel({QStringLiteral("the event loop was told to quit"), Cancelled::Cause::Request, {}});
    }
    while (!run.done)
        events.processEvents(QEventLoop::WaitForMoreEvents);
}

void endBlockingRun(BlockingRun &run) noexcept
{
    run.done = true;
    if (run.events)
        run.events->quit();
    else
        wakeDispatcher();
}

} // namespace QMicroIO::detail
