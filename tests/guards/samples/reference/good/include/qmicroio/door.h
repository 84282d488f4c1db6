// floor 0: a door
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace QMicroIO {

/// A door.
///
/// Thread: that of the house; knock(): any.
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
};

/// A lock, whose methods speak for themselves.
class Lock
{
public:
    /// Turns the key. Thread: the owner's.
    void turn();
};

/// Closes all doors. Thread: any.
void closeAll();

} // namespace QMicroIO
