// floor 9: which tasks there are, in which groups, and what each waits for
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/errors.h>
#include <qmicroio/export.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QString>

#include <chrono>
#include <optional>
#include <vector>

namespace QMicroIO {

struct GroupInfo;

/// The place of one co_await. Thread: any. Lifetime: a copy of its own, like all that is in a tree.
struct QMICROIO_EXPORT AwaitSite
{
    QString file; ///< as the compiler was given it
    int line = 0; ///< 0: no wait yet
    QString function; ///< of the coroutine that waits, as the compiler writes it

    /// "main.cpp:12"; empty without a line.
    QString toString() const;
};

/// How cancellation stands for a task or a group. Thread: any.
struct ScopeInfo
{
    bool isCancelled = false; ///< its next wait throws Cancelled
    bool isShielded = false; ///< a shield is around it
    /// Of the cancellation, once there is one.
    QString reason;
    std::chrono::nanoseconds cancelledFor{}; ///< since then
    Cancelled::Cause cause = Cancelled::Cause::Request; ///< of the cancellation
    QString origin; ///< of the cancellation: where it was called, or which child has failed
    /// Until the first deadline that reaches it; negative when that has passed.
    std::optional<std::chrono::nanoseconds> timeLeft;
};

/// One task as it was when its loop was asked. Thread: any.
struct TaskInfo
{
    /// What it is doing.
    enum class State {
        NotBegun, ///< its first turn is still to come
        Ready, ///< goes on in the next turn
        Running, ///< runs now, or runs a nested event loop
        Waiting, ///< parked in a wait
    };
    quintptr id = 0; ///< its own among the tasks that exist at that moment
    QString name; ///< for people
    State state = State::NotBegun; ///< what it is doing
    QString waitsFor; ///< "sleep", "a QFuture"; empty unless it waits
    /// From its outermost coroutine down to the one that waits, without this library's own. A task that runs or is ready
    /// has been there last.
    std::vector<AwaitSite> awaitChain;
    std::chrono::nanoseconds age{}; ///< since the turn of the loop in which it was made
    /// That turn. Together with the id it tells a task from every other one that two trees have seen.
    std::chrono::steady_clock::time_point since{};
    quint64 polls = 0; ///< how often it was resumed
    /// How long it ran, while somebody watched (models do, and a StatusPrinter). Of many short turns it is an estimate.
    std::chrono::nanoseconds busy{};
    ScopeInfo scope; ///< the one it is in
    std::vector<GroupInfo> groups; ///< that it has opened, outermost first

    /// Where it waits, or waited last: the end of awaitChain.
    QMICROIO_EXPORT AwaitSite site() const;
};

/// One task group with its children. Thread: any.
struct GroupInfo
{
    /// What it is doing.
    enum class State {
        Body, ///< its body runs
        Exit, ///< its body has ended; it waits for the children
    };
    quintptr id = 0; ///< its own among the groups that exist at that moment
    QString parentTask; ///< the name of the task that opened it; empty for the root group of a service
    State state = State::Body; ///< what it is doing
    ScopeInfo scope; ///< the one it is in
    std::vector<TaskInfo> children; ///< oldest first
};

/// One loop: what runs on it, or what is known of it when it does not answer. Thread: any.
struct QMICROIO_EXPORT LoopInfo
{
    quintptr id = 0; ///< its own among the loops that exist at that moment
    QString name; ///< of its thread
    bool isService = false; ///< of a LoopServiceThread
    bool answered = false; ///< within the deadline; otherwise there is a note instead of tasks
    QString note; ///< what is known of a loop that did not answer
    AwaitSite lastWait; ///< of the task that runs on a loop that did not answer, where known
    std::vector<TaskInfo> tasks; ///< outside of every group, oldest first
    std::vector<GroupInfo> groups; ///< that no task has opened: the root group of a service

    /// Of all tasks in it.
    qsizetype taskCount() const;
    /// A line for each loop, group and task, indented by depth.
    QString toString() const;
};

/// Every loop that there was. Thread: any.
struct QMICROIO_EXPORT TaskTree
{
    std::vector<LoopInfo> loops; ///< oldest first
    /// A line for each loop, group and task, indented by depth.
    QString toString() const;
};

/// Asks every loop of the program for its tree of groups and tasks.
///
/// Thread:   any, also one without a loop; a loop's own thread looks at itself without waiting.
/// Blocks:   until all have answered, or the deadline. A loop that is busy with something else, or that waits for this very
///           thread, is listed as such. Each loop answers for one moment; the moments of two loops differ.
/// Lifetime: a copy that refers to nothing.
/// Cost:     nothing until it is called; then about a microsecond a task.
/// Source:   the task trees of asyncio's call graphs and of tokio's dumps.
QMICROIO_EXPORT TaskTree taskTree(QDeadlineTimer deadline = QDeadlineTimer(100));

/// The name of the task that runs on this thread right now.
///
/// Thread: any. Fails: LogicError outside of a task: in a plain slot, in a function given to callSoon(), on a thread without tasks.
/// A slot that an event loop inside a task calls counts as that task's code. Cost: a copy of the name; for a task without one, a
/// text that is made for this call.
QMICROIO_EXPORT QString currentTaskName();
/// The same as a question. Thread: any. Cost: a look at two pointers; no lock.
QMICROIO_EXPORT bool isInTask();

/// How long a cancelled group may wait for its children before it logs its part of the tree as a warning, once.
///
/// Counts from the moment when the body has ended and the group is cancelled: a group that nobody cancelled may take for ever.
/// Zero: never. The default is 10 s. For the whole program; groups that wait already keep their time.
/// Thread: any. Units: milliseconds. Fails: std::invalid_argument for a negative time. Cost: one atomic store; a group that waits
/// in cancellation has one timer.
QMICROIO_EXPORT void setSlowExitWarning(std::chrono::milliseconds time);
/// As set. Thread: any. Cost: one atomic load.
QMICROIO_EXPORT std::chrono::milliseconds slowExitWarning();

} // namespace QMicroIO
