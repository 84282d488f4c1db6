// floor 13: the program says what it does when it is asked from outside
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <memory>

namespace QMicroIO {

/// While it lives, SIGUSR1 (`kill -USR1 PID`) and the key Ctrl-\ print programStatus() on standard error.
///
/// A thread of its own prints, so that it also works while the thread of the GUI or a service is stuck.
/// Thread: any, with Qt set up. Lifetime: afterwards the two signals do again what they did before.
/// Fails:  LogicError while there is another one, and where the system gives no such signal, as Windows does not; StartupError
///         when it refuses the thread.
/// Cost:   a thread that sleeps; a print asks the whole program, as programStatus() does. While it lives, the busy time of tasks
///         is measured.
/// Blocks: the destructor until a print that is under way is done.
class QMICROIO_EXPORT StatusPrinter
{
public:
    /// How it prints.
    enum class Format {
        Text, ///< as ProgramStatus::toString(), with a line before and after
        Json, ///< as ProgramStatus::toJson(), on one line
    };
    explicit StatusPrinter(Format format = Format::Text); ///< Thread: any.
    ~StatusPrinter();
    StatusPrinter(const StatusPrinter &) = delete;
    StatusPrinter &operator=(const StatusPrinter &) = delete;

    /// Prints now. Thread: any. Suspends: never, it does not wait for the print.
    void print();

private:
    struct Private;
    const std::unique_ptr<Private> d;
};

} // namespace QMicroIO
