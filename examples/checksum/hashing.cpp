// SPDX-License-Identifier: Apache-2.0
#include "hashing.h"

#include <QtCore/QByteArray>

#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace Checksum {
namespace {

// Large enough that reading costs nothing beside hashing, small enough that Ctrl-C is answered within milliseconds.
constexpr std::size_t BlockSize = 256 * 1024;

// The checksum; nothing when it was stopped.
std::optional<std::string> hashFile(const Entry &entry, QCryptographicHash::Algorithm algorithm,
                                    const std::atomic<bool> &stop, Tally &done)
{
    // One block a thread, not one a file: clearing it would take longer than hashing a small file.
    thread_local std::vector<char> block(BlockSize);

    const Posix::File file(entry.path, entry.follow);
    const std::uint64_t sizeBefore = file.size();
    QCryptographicHash hash(algorithm);
    for (;;) {
        if (stop.load(std::memory_order_relaxed))
            return std::nullopt;
        const std::size_t count = file.read(block.data(), block.size());
        if (count == 0)
            break;
        hash.addData(QByteArrayView(block.data(), static_cast<qsizetype>(count)));
        done.bytes.fetch_add(count, std::memory_order_relaxed);
    }
    // A checksum of a file that was cut off meanwhile belongs to no state that the file ever had. What was appended is no
    // such case: the rest is as it was. (The number of bytes read says nothing: for files in /sys it never is the size.)
    if (file.size() < sizeBefore)
        throw std::runtime_error("became shorter while it was read");
    return hash.result().toHex().toStdString();
}

} // namespace

std::vector<Result> hashFiles(std::vector<Entry> entries, QCryptographicHash::Algorithm algorithm,
                              const std::atomic<bool> &stop, Tally &done)
{
    std::vector<Result> results;
    results.reserve(entries.size());
    for (Entry &entry : entries) {
        Result result{entry.kind, {}, std::move(entry.message)};
        if (entry.kind == Entry::Kind::File) {
            try {
                std::optional<std::string> digest = hashFile(entry, algorithm, stop, done);
                if (!digest)
                    break;
                result.text = std::move(*digest);
            } catch (const std::system_error &error) {
                result.kind = Entry::Kind::Trouble;
                result.text = error.code().message();
            } catch (const std::runtime_error &error) {
                result.kind = Entry::Kind::Trouble;
                result.text = error.what();
            }
            done.files.fetch_add(1, std::memory_order_relaxed);
        }
        result.path = std::move(entry.path);
        results.push_back(std::move(result));
    }
    return results;
}

} // namespace Checksum
