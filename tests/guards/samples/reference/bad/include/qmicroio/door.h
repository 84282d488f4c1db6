// floor 0: a door
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace QMicroIO {

/// A door.
///
/// Lifetime: as long as the house.
class Door
{
public:
    /// Opens it.
    void open(); // expect: QMicroIO::Door::open() does not say "Thread:"
    void shut(); // expect: does not say "Thread:" && is not documented
    /// See #window. Thread: any. expect: could not be resolved
    void look();
    /// Thread: any.
    void knock();

protected:
    /// No public method.
    void swing();
};

class Window // expect: Window is not documented
{
public:
    /// Opens it. Thread: any.
    void open();
};

template<class T>
class Task;

/// A bell. Thread: any.
class Bell : public QObject
{
    Q_OBJECT
public:
    /// Waits until it rings.
    Task<int> ring(); // expect: QMicroIO::Bell::ring() is awaited and does not say "Cancel point:"

Q_SIGNALS:
    /// It rang.
    void rang(); // expect: QMicroIO::Bell::rang() does not say "Emitted:"
};

/// Closes all doors.
void closeAll(); // expect: QMicroIO::closeAll() does not say "Thread:"

} // namespace QMicroIO
