// floor 0: a door
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace QMicroIO {

namespace detail {
class RingWait;
}

/// A door.
///
/// Thread: that of the house; knock(): any. Fails: LogicError, every method, after a fire. Cost: one lock a call.
class Door
{
public:
    Door(const Door &other);
    Door &operator=(const Door &other);
    ~Door();
    /// Opens it.
    void open();
    /// Thread: any.
    void knock();
    /// Breaks it.
    void force();
    /// Picks the lock. Fails: BusyResourceError when somebody else does.
    void pick();
    /// The same.
    void pickQuietly() { pick(); }
    /// As pick(), for all who cannot.
    void pickFor() { pick(); }
    /// What goes wrong inside stays inside.
    void tryPick();
    /// Waits until it is open. Blocks: until then or the deadline.
    bool waitOpen(QDeadlineTimer deadline);
    /// The next ring. Suspends: always. Cancel point: yes. Resumes: on its own thread.
    detail::RingWait ring();
    /// Whether it rings. Suspends: never. Cancel point: no.
    detail::RingWait rings();
};

/// A lock, whose methods speak for themselves.
class Lock
{
public:
    /// Turns the key. Thread: the owner's. Cost: O(pins).
    void turn();
};

/// How a door stands; a value costs what its copy costs.
struct Angle
{
    /// In words. Thread: any.
    int words() const;
};

/// Closes all doors. Thread: any. Cost: O(doors).
void closeAll();

} // namespace QMicroIO
