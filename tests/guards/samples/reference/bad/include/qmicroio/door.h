// floor 0: a door
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace QMicroIO {

/// A door.
///
/// Lifetime: as long as the house. Cost: little.
class Door // expect: QMicroIO::Door: neither the class nor a function of it says "Cost:"
{
public:
    /// Opens it.
    void open(); // expect: QMicroIO::Door::open() does not say "Thread:"
    void shut(); // expect: does not say "Thread:" && is not documented
    /// See #window. Thread: any. expect: could not be resolved
    void look();
    /// Thread: any.
    void knock();
    /// Breaks it. Thread: any. Fails: StartupError.
    void force(); // expect: QMicroIO::Door::force() throws and does not say "Fails:" with LogicError
    /// Picks the lock: force() in two steps down. Thread: any. Fails: never.
    void pick(); // expect: QMicroIO::Door::pick() throws and does not say "Fails:" with BusyResourceError
    /// Opens it a bit. Thread: any.
    void open(int degrees) { m_degrees = checked(degrees); } // expect: throws and does not say "Fails:" with invalid_argument
    /// Waits until it is open. Thread: any. Blocks: never.
    bool waitOpen(QDeadlineTimer deadline); // expect: QMicroIO::Door::waitOpen() blocks and does not say "Blocks:"
    /// Leans on it until it opens. Thread: any.
    void lean(); // expect: QMicroIO::Door::lean() blocks and does not say "Blocks:"

protected:
    /// No public method.
    void swing();

private:
    int m_degrees = 0;
};

class Window // expect: Window is not documented && QMicroIO::Window: neither the class nor a function of it says "Cost:"
{
public:
    /// Opens it. Thread: any.
    void open();
};

template<class T>
class Task;

namespace detail {
class RingWait;
}

/// A bell. Thread: any. Cost: one event a ring.
class Bell : public QObject
{
    Q_OBJECT
public:
    /// Waits until it rings.
    Task<int> ring(); // expect: QMicroIO::Bell::ring() is awaited and does not say "Cancel point:" && does not say "Suspends:"
    /// Waits until it is struck. Suspends: always. Cancel point: yes.
    detail::RingWait struck(); // expect: QMicroIO::Bell::struck() is awaited and does not say "Resumes:"

Q_SIGNALS:
    /// It rang.
    void rang(); // expect: QMicroIO::Bell::rang() does not say "Emitted:"
};

/// Closes all doors.
void closeAll(); // expect: QMicroIO::closeAll() does not say "Thread:" && QMicroIO::closeAll() does not say "Cost:"

} // namespace QMicroIO
