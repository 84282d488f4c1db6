// SPDX-License-Identifier: Apache-2.0
#include "walk.h"

#include <system_error>
#include <utility>

namespace Checksum {
namespace {

std::string joined(const std::string &folder, const char *name)
{
    if (folder.empty())
        return name;
    return folder.back() == '/' ? folder + name : folder + '/' + name;
}

} // namespace

TreeWalk::TreeWalk(const std::vector<std::string> &paths, const std::atomic<bool> &stop)
    : m_stop(stop)
{
    Posix::NameList names;
    for (const std::string &path : paths)
        names.add(path);
    m_folders.push_back({{}, std::move(names), 0});
}

std::optional<Entry> TreeWalk::next()
{
    while (!m_folders.empty() && !m_stop.load(std::memory_order_relaxed)) {
        Folder &folder = m_folders.back();
        if (folder.next == folder.names.size()) {
            m_folders.pop_back();
            continue;
        }
        // Who names a link wants what it points to; below a folder links would lead in circles.
        const auto follow = m_folders.size() == 1 ? Posix::Follow::Yes : Posix::Follow::No;
        std::string path = joined(folder.path, folder.names[folder.next++]);
        if (std::optional<Entry> entry = visit(std::move(path), follow))
            return entry;
    }
    return std::nullopt;
}

std::optional<Entry> TreeWalk::visit(std::string path, Posix::Follow follow)
{
    using Posix::Follow;
    Entry entry;
    entry.follow = follow;
    entry.path = std::move(path);
    try {
        const Posix::Status status = Posix::statusOf(entry.path, follow);
        switch (status.kind) {
        case Posix::Kind::File:
            entry.size = status.size;
            return entry;
        case Posix::Kind::Folder:
            m_folders.push_back({entry.path, Posix::namesIn(entry.path, follow, m_stop), 0});
            return std::nullopt;
        case Posix::Kind::Link:
            ++m_skippedLinks;
            return std::nullopt;
        case Posix::Kind::Special:
            // Nobody asked for this one if it lies in a folder; one that was named is missing from the list.
            entry.kind = follow == Follow::No ? Entry::Kind::Note : Entry::Kind::Trouble;
            entry.message = follow == Follow::No ? "skipped, not a regular file" : "not a regular file or folder";
            return entry;
        }
    } catch (const std::system_error &error) {
        entry.kind = Entry::Kind::Trouble;
        entry.message = error.code().message();
    }
    return entry;
}

} // namespace Checksum
