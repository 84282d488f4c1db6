// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/statusprinter.h>

#include <QtCore/QRegularExpression>
#include <QtCore/QStringList>

#include <optional>

namespace LogPipeline {

struct Options
{
    QStringList files;
    QString database;
    QRegularExpression match;
    qsizetype capacity = 16; // chunks between two stages
    int batch = 64; // selections of one transaction
    bool once = false;
    bool acknowledge = false;
    bool progress = false;
    std::optional<QMicroIO::StatusPrinter::Format> status; // how to print what the program does, when it is asked
};

/// Ends the program when it is told to (--help) or the command line is wrong (exit code 2).
Options parseOptions(QStringList arguments);

} // namespace LogPipeline
