// SPDX-License-Identifier: Apache-2.0
//
// The option --status[=json] of the programs that run for long: with it they print what they do on Ctrl-\ and SIGUSR1.
#pragma once

#include <qmicroio/statusprinter.h>

#include <QtCore/QStringList>

#include <optional>
#include <string_view>

namespace Example {

inline constexpr const char *StatusHelp =
    "on Ctrl-\\ or SIGUSR1, print to standard error what the program does: services, "
    "channels, tasks; --status=json prints it as JSON";

/// Nothing if the argument is another one.
inline std::optional<QMicroIO::StatusPrinter::Format> statusFormat(std::string_view argument)
{
    using Format = QMicroIO::StatusPrinter::Format;
    if (argument == "--status")
        return Format::Text;
    if (argument == "--status=json")
        return Format::Json;
    return std::nullopt;
}

/// Takes the option out of the arguments: a QCommandLineParser knows none whose value may be left out. The last one counts.
inline std::optional<QMicroIO::StatusPrinter::Format> takeStatusFormat(QStringList &arguments)
{
    std::optional<QMicroIO::StatusPrinter::Format> format;
    for (qsizetype i = 0; i < arguments.size() && arguments[i] != QLatin1String("--");) {
        const auto asked = statusFormat(arguments[i].toStdString());
        if (!asked) {
            ++i;
            continue;
        }
        format = asked;
        arguments.removeAt(i);
    }
    return format;
}

} // namespace Example
