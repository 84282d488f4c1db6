// floor 1: how a channel is to behave, and how it stands
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QString>

namespace QMicroIO {

/// What sending does once the channel is closed.
enum class LateSend {
    Throw, ///< ClosedResourceError or BrokenResourceError
    Drop, ///< returns false; the item is counted as dropped
};

/// What sending does while a bounded channel is full.
enum class Overflow {
    Wait, ///< send() and sendBlocking() wait for room, sendNowait() throws WouldBlock
    DropOldest, ///< the oldest queued item makes room; no send waits
    DropNewest, ///< the item that is sent is dropped: false; no send waits
};

/// The capacity of a channel that always has room.
inline constexpr qsizetype Unbounded = -1;

/// How a channel behaves. Thread: any.
struct ChannelOptions
{
    QString name = {}; ///< for diagnostics
    LateSend lateSend = LateSend::Throw; ///< what sending does after the end
    /// In items. 0 is a rendezvous: an item is accepted only when a receive waits for it.
    qsizetype capacity = Unbounded;
    Overflow overflow = Overflow::Wait; ///< of a bounded channel
};

/// A snapshot: sent == received + queued, always. A dropped item was not accepted, or Overflow::DropOldest took it back: it
/// then moved from sent to dropped.
struct ChannelStats
{
    quint64 sent = 0; ///< accepted items
    quint64 received = 0; ///< drained items included
    quint64 dropped = 0; ///< not accepted, or taken back
    qsizetype queued = 0; ///< accepted and not received yet
    bool closed = false; ///< nothing can be sent any more
    qsizetype peak = 0; ///< the most that were ever queued
    qsizetype parkedSenders = 0; ///< sends that wait for room, tasks and threads
    qsizetype parkedReceivers = 0; ///< receives that wait for an item
    qsizetype openSenders = 0; ///< ends, not their copies
    qsizetype openReceivers = 0; ///< receiving ends that are not closed
};

} // namespace QMicroIO
