// floor 12: what there is in the program: services, tasks, channels, registries, scope groups
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/channel.h>
#include <qmicroio/diagnostics.h>
#include <qmicroio/export.h>
#include <qmicroio/servicethread.h>

#include <QtCore/QDeadlineTimer>
#include <QtCore/QJsonObject>
#include <QtCore/QString>

#include <chrono>
#include <optional>
#include <vector>

namespace QMicroIO {

/// One service. Thread: any. Lifetime: a copy of its own, like all that is in a ProgramStatus.
struct ServiceInfo
{
    quint64 id = 0; ///< never given twice
    QString name; ///< for people; empty where it was given none
    ServiceThread::State state = ServiceThread::State::Created; ///< when it was asked
    QString reason; ///< why it stops or stopped
    QString error; ///< what made it fail
    std::chrono::nanoseconds uptime{}; ///< since start(); of one that has ended, how long it ran
    int restarts = 0; ///< how many services of its name were started before it
    quintptr loop = 0; ///< the LoopInfo::id of its loop; 0 if it has none
    quint64 calls = 0; ///< of callSoon(), callSync() and submit() that its loop has accepted
    /// How long its loop was at work for calls, timers and tasks, while somebody watched (models do, and a StatusPrinter).
    std::chrono::nanoseconds busy{};
};

/// One channel or mailbox. Thread: any.
struct ChannelInfo
{
    /// What it is.
    enum class Kind { Channel, Mailbox };
    quint64 id = 0; ///< never given twice
    QString name; ///< for people; empty where it was given none
    Kind kind = Kind::Channel; ///< what it is
    ChannelStats stats; ///< its counts
    QString error; ///< what it was failed with
};

/// One request registry. Thread: any.
struct RegistryInfo
{
    quint64 id = 0; ///< never given twice
    QString name; ///< for people; empty where it was given none
    qsizetype pending = 0; ///< without an outcome so far
    quint64 accepted = 0; ///< registered, ever
    quint64 answered = 0; ///< with a value
    quint64 failed = 0; ///< with an error, given up or cancelled
    std::chrono::nanoseconds oldest{}; ///< age of the request that has been pending longest
    /// How many requests took less than 2^i microseconds, but not less than half of that; the last one: longer.
    std::vector<quint64> latencies;
    bool isClosed = false; ///< takes no requests any more
    QString error; ///< what it was closed with

    /// The time within which that share of the requests, from 0 to 1, had their outcome: the upper end of a bucket.
    /// Fails: zero when there was none.
    QMICROIO_EXPORT std::chrono::microseconds latency(double share) const;
};

/// One ScopeGroup. Thread: any.
struct ScopeGroupInfo
{
    quint64 id = 0; ///< never given twice
    QString name; ///< for people; empty where it was given none
    qsizetype active = 0; ///< regions that tasks are in
    bool isLatched = false; ///< new regions are cancelled at once
    QString reason; ///< of the latch
};

/// Everything, each thing as it was when it was asked. Oldest first. Thread: any.
struct QMICROIO_EXPORT ProgramStatus
{
    std::vector<ServiceInfo> services; ///< ServiceThreads
    std::vector<ChannelInfo> channels; ///< and mailboxes
    std::vector<RegistryInfo> registries; ///< of requests
    std::vector<ScopeGroupInfo> scopeGroups; ///< with their regions
    TaskTree tasks; ///< of every loop

    /// The loop of a service; null when it has none or was not asked.
    const LoopInfo *loopOf(const ServiceInfo &service) const;
    /// For people: a line for each thing, and the tree of tasks.
    QString toString() const;
    /// For programs: objects "services", "channels", "registries", "scopeGroups" and "loops", times in milliseconds.
    QJsonObject toJson() const;
};

/// Asks everything in the program.
///
/// Services, channels, registries and scope groups are listed from their construction to their destruction, whether
/// somebody looks or not; tasks are asked of their loops.
/// Thread:   any.
/// Blocks:   as taskTree(), for loops that do not answer.
/// Lifetime: a copy that refers to nothing. An object that is destroyed meanwhile is in it, or is not.
/// Cost:     linear in the objects and tasks. Being listed costs an object two short locks in its life.
/// Source:   the resources of tokio's console.
QMICROIO_EXPORT ProgramStatus programStatus(QDeadlineTimer deadline = QDeadlineTimer(100));

} // namespace QMicroIO
