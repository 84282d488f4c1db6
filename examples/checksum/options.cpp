// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include "../statusoption.h"
#include "line.h"

#include <QtCore/QThread>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

namespace Checksum {
namespace {

// More would only cost memory: each job may have results that wait for their turn.
constexpr int MostJobs = 1024;

struct Named
{
    std::string_view name;
    QCryptographicHash::Algorithm algorithm;
};

// The names are those of the tools that check such lists: sha256sum, b2sum (blake2b) and so on.
constexpr std::array Algorithms{
    Named{"sha256", QCryptographicHash::Sha256},       Named{"sha224", QCryptographicHash::Sha224},
    Named{"sha384", QCryptographicHash::Sha384},       Named{"sha512", QCryptographicHash::Sha512},
    Named{"sha1", QCryptographicHash::Sha1},           Named{"md5", QCryptographicHash::Md5},
    Named{"blake2b", QCryptographicHash::Blake2b_512}, Named{"sha3-256", QCryptographicHash::Sha3_256},
    Named{"sha3-512", QCryptographicHash::Sha3_512},
};

std::string algorithmNames()
{
    std::string names;
    for (const Named &known : Algorithms) {
        if (!names.empty())
            names += ' ';
        names += known.name;
    }
    return names;
}

// True when it was understood.
bool setAlgorithm(Options &options, std::string_view name)
{
    const auto *const found = std::ranges::find(Algorithms, name, &Named::name);
    if (found == Algorithms.end())
        return false;
    options.algorithm = found->algorithm;
    return true;
}

bool setJobs(Options &options, std::string_view text)
{
    int jobs = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), jobs);
    if (error != std::errc() || end != text.data() + text.size() || jobs < 1 || jobs > MostJobs)
        return false;
    options.jobs = jobs;
    return true;
}

} // namespace

std::variant<Options, HelpWanted, UsageError> parseOptions(const std::vector<std::string> &arguments)
{
    Options options;
    options.jobs = std::clamp(QThread::idealThreadCount(), 1, MostJobs);

    bool onlyPaths = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string &argument = arguments[i];
        if (onlyPaths || argument.empty() || argument.front() != '-') {
            options.paths.push_back(argument);
            continue;
        }
        if (argument == "--") {
            onlyPaths = true;
            continue;
        }
        if (argument == "-h" || argument == "--help")
            return HelpWanted{};
        if (argument == "-") {
            // In a list of checksums "-" means standard input, so the name must not get there by accident.
            return UsageError{"standard input is not read; a file of the name \"-\" is ./-"};
        }

        if (const auto format = Example::statusFormat(argument)) {
            options.status = format;
            continue;
        }

        // "--jobs 4" and "--jobs=4"
        const std::size_t equals = argument.find('=');
        const std::string name = argument.substr(0, equals);
        const bool isAlgorithm = name == "--algorithm" || name == "-a";
        const bool isJobs = name == "--jobs" || name == "-j";
        if (!isAlgorithm && !isJobs)
            return UsageError{"unknown option " + quoted(argument)};
        std::string value;
        if (equals != std::string::npos)
            value = argument.substr(equals + 1);
        else if (i + 1 < arguments.size())
            value = arguments[++i];
        else
            return UsageError{name + " needs a value"};

        if (isAlgorithm && !setAlgorithm(options, value))
            return UsageError{"unknown algorithm " + quoted(value) + "; known are: " + algorithmNames()};
        if (isJobs && !setJobs(options, value)) {
            return UsageError{name + " takes a number from 1 to " + std::to_string(MostJobs) + ", not "
                              + quoted(value)};
        }
    }
    if (options.paths.empty())
        return UsageError{"no file or folder is named"};
    return options;
}

std::string usageLine()
{
    return "Usage: checksum [--algorithm NAME] [--jobs N] [--status[=json]] PATH...\n";
}

std::string helpText()
{
    return usageLine()
        + "\n"
          "Prints a checksum for each PATH and for each file below each PATH that is a folder. What it prints is what\n"
          "`sha256sum -c` (or the tool of the chosen algorithm) reads. Files of a folder come in the order of the "
          "bytes of\n"
          "their names. Symbolic links are followed where they are named, and left out below folders.\n"
          "\n"
          "  -a, --algorithm NAME   one of: "
        + algorithmNames()
        + " [sha256]\n"
          "  -j, --jobs N           hash at most N files at once [the number of cores]\n"
          "      --status[=json]    on Ctrl-\\ or SIGUSR1, print to standard error what the program does: services, "
          "channels, tasks\n"
          "  -h, --help             this text\n"
          "\n"
          "Exit code: 0 all done, 1 something could not be read or written, 2 wrong use or a PATH that does not "
          "exist,\n"
          "130 interrupted; what was finished by then is printed.\n";
}

} // namespace Checksum
