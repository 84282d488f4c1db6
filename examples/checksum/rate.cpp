// SPDX-License-Identifier: Apache-2.0
//
// How fast the service of this example is beside a plain QThreadPool loop that hashes the same files with the same code:
//   checksum_rate [--rounds N] [OPTIONS OF CHECKSUM] PATH...
// The rounds of both alternate, so that what else the machine does hits both; the median counts.
#include "line.h"
#include "options.h"
#include "service.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QElapsedTimer>
#include <QtCore/QThreadPool>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace QMicroIO;
using namespace Checksum;

namespace {

// What a round produced: to be the same for both.
struct Produced
{
    std::size_t files = 0;
    std::size_t bytes = 0;
    std::size_t lineBytes = 0;
    void add(const Result &result)
    {
        files += result.kind == Entry::Kind::File ? 1 : 0;
        lineBytes += checksumLine(result.text, result.path).size();
    }
    bool operator==(const Produced &) const = default;
};

Produced withService(const Options &options)
{
    Produced produced;
    Channel<HashedBatch> results = createChannel<HashedBatch>();
    HashService service(options, results.sender, HashService::Count::No);
    service.start();
    const auto receive = [&]() -> Task<> {
        while (const std::optional<HashedBatch> batch = co_await results.receiver.next()) {
            for (const Result &result : batch->results)
                produced.add(result);
            service.batchPrinted();
        }
    };
    run(receive());
    service.join();
    produced.bytes = service.done().bytes;
    return produced;
}

Produced withPool(const Options &options)
{
    Produced produced;
    std::mutex mutex;
    const std::atomic<bool> stop{false};
    Tally done;
    QThreadPool pool;
    pool.setMaxThreadCount(options.jobs);
    TreeWalk tree(options.paths, stop);
    while (std::optional<Entry> entry = tree.next()) {
        pool.start([&, file = std::move(*entry)] {
            const std::vector<Result> results = hashFiles({file}, options.algorithm, stop, done);
            const std::lock_guard lock(mutex);
            produced.add(results.front());
        });
    }
    pool.waitForDone();
    produced.bytes = done.bytes;
    return produced;
}

double median(std::vector<double> values)
{
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

} // namespace

int main(int argc, char **argv)
{
    const QCoreApplication app(argc, argv);
    std::vector<std::string> arguments(argv + 1, argv + argc);
    int rounds = 15;
    if (arguments.size() > 1 && arguments[0] == "--rounds") {
        rounds = std::max(1, std::atoi(arguments[1].c_str()));
        arguments.erase(arguments.begin(), arguments.begin() + 2);
    }
    const auto parsed = parseOptions(arguments);
    const auto *const options = std::get_if<Options>(&parsed);
    if (!options) {
        std::fputs("Usage: checksum_rate [--rounds N] [--algorithm NAME] [--jobs N] PATH...\n", stderr);
        return 2;
    }

    const Produced expected = withPool(*options); // also brings the files into memory
    std::vector<double> service;
    std::vector<double> pool;
    std::vector<double> ratios;
    for (int round = 0; round < rounds; ++round) {
        const auto measure = [&](Produced (*work)(const Options &), std::vector<double> &seconds) {
            QElapsedTimer clock;
            clock.start();
            const bool same = work(*options) == expected;
            seconds.push_back(static_cast<double>(clock.nsecsElapsed()) / 1e9);
            return same;
        };
        // Who goes first changes: the second may find a warmer or a hotter machine.
        const bool same = round % 2 == 0 ? measure(withService, service) && measure(withPool, pool)
                                         : measure(withPool, pool) && measure(withService, service);
        if (!same) {
            std::fputs("The two did not do the same work; did the files change?\n", stderr);
            return 1;
        }
        ratios.push_back(pool.back() / service.back());
    }
    const double megabytes = static_cast<double>(expected.bytes) / 1e6;
    std::printf("%zu files, %.1f MB, %d at once, median of %d rounds: service %.1f MB/s, QThreadPool loop %.1f MB/s, "
                "ratio %.2f\n",
                expected.files, megabytes, options->jobs, rounds, megabytes / median(service), megabytes / median(pool),
                median(ratios));
}
