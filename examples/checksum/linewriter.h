// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/task.h>

#include <string_view>

namespace Checksum {

/// Writes whole lines to a descriptor. While nobody reads what a pipe or a terminal holds, the task waits and not the thread.
class LineWriter
{
public:
    explicit LineWriter(int descriptor);
    /// Cancelled, it stops between two lines. Throws std::system_error.
    QMicroIO::Task<> write(std::string_view lines);

private:
    const int m_descriptor;
    const bool m_mayBlock;
};

} // namespace Checksum
