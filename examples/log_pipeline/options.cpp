// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include "../statusoption.h"

#include <QtCore/QCommandLineParser>

#include <cstdio>
#include <cstdlib>

namespace LogPipeline {
namespace {

[[noreturn]] void wrongUse(const QString &text)
{
    std::fprintf(stderr, "log_pipeline: %s; see log_pipeline --help\n", qPrintable(text));
    std::exit(2); // NOLINT(concurrency-mt-unsafe): there is one thread yet
}

int number(const QCommandLineParser &parser, const QString &name)
{
    bool ok = false;
    const int value = parser.value(name).toInt(&ok);
    if (!ok || value < 1)
        wrongUse(QStringLiteral("--%1 takes a number from 1 up").arg(name));
    return value;
}

} // namespace

Options parseOptions(QStringList arguments)
{
    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral(
        "Follows text files and stores their lines in an SQLite database. Stopped or killed at any moment, it "
        "goes on where the database ends."));
    parser.addHelpOption();
    parser.addPositionalArgument(QStringLiteral("files"), QStringLiteral("the files to follow"),
                                 QStringLiteral("FILE..."));
    parser.addOptions({
        {QStringLiteral("database"), QStringLiteral("the database, made if need be"), QStringLiteral("file"),
         QStringLiteral("log.sqlite")},
        {QStringLiteral("match"), QStringLiteral("store only lines that match"), QStringLiteral("regex")},
        {QStringLiteral("capacity"), QStringLiteral("chunks that may wait between two stages"), QStringLiteral("n"),
         QStringLiteral("16")},
        {QStringLiteral("batch"), QStringLiteral("chunks of one transaction at most"), QStringLiteral("n"),
         QStringLiteral("64")},
        {QStringLiteral("once"), QStringLiteral("end at the end of the files")},
        {QStringLiteral("acknowledge"),
         QStringLiteral("print a line for each file in each transaction, once it is on disk")},
        {QStringLiteral("progress"), QStringLiteral("show the progress line also when stderr is no terminal")},
        {QStringLiteral("status"), QLatin1String(Example::StatusHelp)},
    });
    const auto status = Example::takeStatusFormat(arguments);
    if (!parser.parse(arguments))
        wrongUse(parser.errorText());
    if (parser.isSet(QStringLiteral("help")))
        parser.showHelp();

    Options options;
    options.files = parser.positionalArguments();
    if (options.files.isEmpty())
        wrongUse(QStringLiteral("name the files to follow"));
    options.files.removeDuplicates();
    options.database = parser.value(QStringLiteral("database"));
    options.match.setPattern(parser.value(QStringLiteral("match")));
    if (!options.match.isValid())
        wrongUse(QStringLiteral("--match: %1").arg(options.match.errorString()));
    options.capacity = number(parser, QStringLiteral("capacity"));
    options.batch = number(parser, QStringLiteral("batch"));
    options.once = parser.isSet(QStringLiteral("once"));
    options.acknowledge = parser.isSet(QStringLiteral("acknowledge"));
    options.progress = parser.isSet(QStringLiteral("progress"));
    options.status = status;
    return options;
}

} // namespace LogPipeline
