// SPDX-License-Identifier: Apache-2.0
#include "torture.h"

#include <qmicroio/diagnostics.h>

#include <QtCore/QCommandLineParser>
#include <QtCore/QCoreApplication>
#include <QtCore/QLoggingCategory>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace Torture {

namespace {

struct Guarded
{
    std::mutex mutex;
    QString what;
    std::chrono::steady_clock::time_point limit = std::chrono::steady_clock::time_point::max();
};

Guarded &guarded()
{
    static auto *instance = new Guarded;
    return *instance;
}

// Looks twice a second; ends with the program.
void watch()
{
    for (;;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        QString what;
        {
            const std::lock_guard lock(guarded().mutex);
            if (std::chrono::steady_clock::now() < guarded().limit)
                continue;
            what = guarded().what;
        }
        std::fprintf(stderr, "HANGS: %s\n%s\n", qPrintable(what), qPrintable(QMicroIO::taskTree().toString()));
        std::abort();
    }
}

} // namespace

Overdue::Overdue(const QString &what, std::chrono::milliseconds limit)
{
    static std::once_flag once;
    std::call_once(once, [] { std::thread(&watch).detach(); });
    const std::lock_guard lock(guarded().mutex);
    guarded().what = what;
    guarded().limit = std::chrono::steady_clock::now() + limit;
}

Overdue::~Overdue()
{
    const std::lock_guard lock(guarded().mutex);
    guarded().limit = std::chrono::steady_clock::time_point::max();
}

} // namespace Torture

int main(int argc, char **argv)
{
    using namespace Torture;
    QLoggingCategory::setFilterRules(QStringLiteral("qmicroio.*.warning=false"));
    QStringList arguments;
    for (int i = 0; i < argc; ++i)
        arguments += QString::fromLocal8Bit(argv[i]);

    QCommandLineParser parser;
    parser.addPositionalArgument(QStringLiteral("part"), QStringLiteral("matrix, soak or crashes"));
    const QCommandLineOption seeds(QStringLiteral("seeds"), QString(), QStringLiteral("count"), QStringLiteral("20"));
    const QCommandLineOption seed(QStringLiteral("seed"), QString(), QStringLiteral("first"), QStringLiteral("1"));
    const QCommandLineOption minutes(QStringLiteral("minutes"), QString(), QStringLiteral("n"), QStringLiteral("0"));
    const QCommandLineOption seconds(QStringLiteral("seconds"), QString(), QStringLiteral("n"), QStringLiteral("10"));
    const QCommandLineOption row(QStringLiteral("row"), QString(), QStringLiteral("name"));
    const QCommandLineOption way(QStringLiteral("way"), QString(), QStringLiteral("name"));
    const QCommandLineOption svg(QStringLiteral("svg"), QString(), QStringLiteral("file"));
    const QCommandLineOption limit(QStringLiteral("limit"), QString(), QStringLiteral("ms"), QStringLiteral("25000"));
    const QCommandLineOption plant(QStringLiteral("plant"), QString(), QStringLiteral("what"));
    parser.addOptions({seeds, seed, minutes, seconds, row, way, svg, limit, plant});
    if (!parser.parse(arguments) || parser.positionalArguments().size() != 1) {
        std::fprintf(stderr, "torture: wrong arguments; use tools/torture\n");
        return 2;
    }
    Options options;
    options.seeds = parser.value(seeds).toInt();
    options.firstSeed = parser.value(seed).toInt();
    options.minutes = std::chrono::minutes(parser.value(minutes).toInt());
    options.row = parser.value(row);
    options.way = parser.value(way);
    options.limit = std::chrono::milliseconds(parser.value(limit).toInt());
    options.plant = parser.value(plant);
    options.program = arguments.constFirst();

    const QString part = parser.positionalArguments().constFirst();
    if (part == QStringLiteral("ends-process"))
        return endsProcess(options);
    const QCoreApplication app(argc, argv);
    options.program = QCoreApplication::applicationFilePath();
    const std::chrono::seconds duration(parser.value(seconds).toInt());
    if (part == QStringLiteral("matrix"))
        return matrix(options);
    if (part == QStringLiteral("soak"))
        return soak(duration, parser.value(svg));
    if (part == QStringLiteral("crashes"))
        return crashes(duration);
    std::fprintf(stderr, "torture: no part named %s\n", qPrintable(part));
    return 2;
}
