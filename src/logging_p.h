// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QLoggingCategory>

namespace QMicroIO::detail {

Q_DECLARE_LOGGING_CATEGORY(lcService)
Q_DECLARE_LOGGING_CATEGORY(lcTask)
Q_DECLARE_LOGGING_CATEGORY(lcChannel)
Q_DECLARE_LOGGING_CATEGORY(lcRequest)

// For lines of the log in the middle of something that has to go on: without memory for the line it is left out.
template<class Line>
void logIfPossible(const Line &line) noexcept
{
    try {
        line();
    } catch (...) {
        // Nothing is owed to anybody: what the line tells of happens all the same.
    }
}

} // namespace QMicroIO::detail
