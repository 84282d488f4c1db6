// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "walk.h"

#include <QtCore/QCryptographicHash>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace Checksum {

/// What became of one entry.
struct Result
{
    Entry::Kind kind = Entry::Kind::File;
    std::string path;
    std::string text; ///< of a file the checksum in hexadecimal digits, otherwise the message
};

/// Files and bytes, counted by some threads and read by others meanwhile.
struct Tally
{
    std::atomic<std::uint64_t> files{0};
    std::atomic<std::uint64_t> bytes{0};
};

/// Hashes files one after the other, in blocks, on the calling thread, and counts them in `done`. Between two blocks it looks
/// whether to stop; a file that is not finished by then gives no result, nor do those after it.
std::vector<Result> hashFiles(std::vector<Entry> entries, QCryptographicHash::Algorithm algorithm,
                              const std::atomic<bool> &stop, Tally &done);

} // namespace Checksum
