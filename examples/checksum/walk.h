// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "posix.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace Checksum {

/// Something that the walk came across: a file to hash, or the reason why there is none.
struct Entry
{
    enum class Kind {
        File,
        Note, ///< left out on purpose
        Trouble, ///< could not be read
    };
    Kind kind = Kind::File;
    std::string path;
    std::uint64_t size = 0; ///< as it was then; only good for planning
    Posix::Follow follow = Posix::Follow::No;
    std::string message; ///< of a note or trouble
};

/// Visits files depth first, one at a time: the named paths in the given order, the contents of each folder in the order of
/// the bytes of the names.
///
/// It holds the names of the folders that it is in, and nothing else, so a large tree costs no more than its largest folders.
class TreeWalk
{
public:
    /// Once `stop` is set the walk ends early.
    TreeWalk(const std::vector<std::string> &paths, const std::atomic<bool> &stop);

    /// Nothing at the end.
    std::optional<Entry> next();
    /// Symbolic links that were left out so far.
    std::uint64_t skippedLinks() const { return m_skippedLinks; }

private:
    struct Folder
    {
        std::string path; // empty for the named paths
        Posix::NameList names;
        std::size_t next = 0;
    };
    std::optional<Entry> visit(std::string path, Posix::Follow follow);

    const std::atomic<bool> &m_stop;
    std::vector<Folder> m_folders; // the innermost is the last
    std::uint64_t m_skippedLinks = 0;
};

} // namespace Checksum
