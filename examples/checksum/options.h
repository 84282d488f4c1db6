// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/statusprinter.h>

#include <QtCore/QCryptographicHash>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace Checksum {

struct Options
{
    QCryptographicHash::Algorithm algorithm = QCryptographicHash::Sha256;
    int jobs = 1; ///< files hashed at once
    std::optional<QMicroIO::StatusPrinter::Format> status; ///< how to print what the program does, when it is asked
    std::vector<std::string> paths; ///< as typed: bytes, which need not be valid text
};

struct HelpWanted
{
};
struct UsageError
{
    std::string message;
};

/// Reads the arguments after the program's name. Jobs default to the number of cores.
std::variant<Options, HelpWanted, UsageError> parseOptions(const std::vector<std::string> &arguments);

/// The line that follows a message about wrong use.
std::string usageLine();
std::string helpText();

} // namespace Checksum
