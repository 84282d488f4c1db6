// SPDX-License-Identifier: Apache-2.0
#include "posix.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <memory>
#include <system_error>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Checksum::Posix {
namespace {

[[noreturn]] void throwErrno(int error = errno)
{
    throw std::system_error(error, std::generic_category());
}

Status statusFrom(const struct stat &raw)
{
    Status status;
    if (S_ISREG(raw.st_mode))
        status.kind = Kind::File;
    else if (S_ISDIR(raw.st_mode))
        status.kind = Kind::Folder;
    else if (S_ISLNK(raw.st_mode))
        status.kind = Kind::Link;
    status.size = static_cast<std::uint64_t>(raw.st_size);
    return status;
}

Status statusOfOpen(int descriptor)
{
    struct stat raw{};
    if (::fstat(descriptor, &raw) != 0)
        throwErrno();
    return statusFrom(raw);
}

int openForReading(const std::string &path, Follow follow, int flags)
{
    // What was a file when the folder was read may be a link or a pipe by now. A link is refused, and a pipe does not keep
    // the program waiting for somebody to open its other end.
    flags |= O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    if (follow == Follow::No)
        flags |= O_NOFOLLOW;
    for (;;) {
        const int descriptor = ::open(path.c_str(), flags);
        if (descriptor >= 0)
            return descriptor;
        if (errno != EINTR)
            throwErrno();
    }
}

} // namespace

Status statusOf(const std::string &path, Follow follow)
{
    struct stat raw{};
    if ((follow == Follow::Yes ? ::stat(path.c_str(), &raw) : ::lstat(path.c_str(), &raw)) != 0)
        throwErrno();
    return statusFrom(raw);
}

void NameList::add(std::string_view name)
{
    m_starts.push_back(m_bytes.size());
    m_bytes += name;
    m_bytes += '\0';
}

void NameList::sort()
{
    // std::string_view compares bytes as unsigned.
    std::ranges::sort(m_starts, {}, [this](std::size_t start) { return std::string_view(m_bytes.data() + start); });
}

NameList namesIn(const std::string &folder, Follow follow, const std::atomic<bool> &stop)
{
    const int descriptor = openForReading(folder, follow, O_DIRECTORY);
    struct CloseFolder
    {
        void operator()(DIR *open) const { ::closedir(open); }
    };
    const std::unique_ptr<DIR, CloseFolder> open(::fdopendir(descriptor));
    if (!open) {
        const int error = errno;
        ::close(descriptor);
        throwErrno(error);
    }
    NameList names;
    while (!stop.load(std::memory_order_relaxed)) {
        errno = 0;
        // Each DIR is used by one thread only, which is all that readdir() asks for.
        const dirent *entry = ::readdir(open.get()); // NOLINT(concurrency-mt-unsafe)
        if (!entry) {
            if (errno != 0)
                throwErrno();
            break;
        }
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..")
            names.add(name);
    }
    names.sort();
    return names;
}

File::File(const std::string &path, Follow follow)
    : m_descriptor(openForReading(path, follow, 0))
{
    try {
        const Kind kind = statusOfOpen(m_descriptor).kind;
        if (kind != Kind::File)
            throwErrno(kind == Kind::Folder ? EISDIR : EINVAL);
    } catch (...) {
        ::close(m_descriptor);
        throw;
    }
}

File::~File()
{
    ::close(m_descriptor);
}

std::uint64_t File::size() const
{
    return statusOfOpen(m_descriptor).size;
}

std::size_t File::read(char *buffer, std::size_t size) const
{
    for (;;) {
        const ssize_t count = ::read(m_descriptor, buffer, size);
        if (count >= 0)
            return static_cast<std::size_t>(count);
        if (errno != EINTR)
            throwErrno();
    }
}

void reserveStandardDescriptors()
{
    for (const int wanted : {0, StandardOutput, StandardError}) {
        // Open for the wrong direction on purpose: using a descriptor that was closed stays an error.
        if (::fcntl(wanted, F_GETFD) == -1 && errno == EBADF)
            ::open("/dev/null", wanted == 0 ? O_WRONLY : O_RDONLY); // takes the lowest free number: this one
    }
}

bool isTerminal(int descriptor)
{
    return ::isatty(descriptor) == 1;
}

int terminalWidth(int descriptor)
{
    winsize size{};
    return ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool writingMayBlock(int descriptor)
{
    struct stat raw{};
    return ::fstat(descriptor, &raw) == 0 && !S_ISREG(raw.st_mode);
}

bool isWritable(int descriptor)
{
    pollfd waited{descriptor, POLLOUT, 0};
    // Anything but "would wait" counts: an error is for write() to report.
    return ::poll(&waited, 1, 0) != 0;
}

std::size_t atOnce()
{
    return PIPE_BUF;
}

void writeAll(int descriptor, std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
        if (count >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
        } else if (errno == EAGAIN) {
            // Whoever gave us this descriptor made it non-blocking.
            pollfd waited{descriptor, POLLOUT, 0};
            ::poll(&waited, 1, -1);
        } else if (errno != EINTR) {
            throwErrno();
        }
    }
}

void close(int descriptor)
{
    // After EINTR the state of the descriptor is unspecified, and Linux has closed it: no second attempt.
    if (::close(descriptor) != 0 && errno != EINTR)
        throwErrno();
}

void ignoreClosedPipes()
{
    struct sigaction action{};
    ::sigemptyset(&action.sa_mask);
    action.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &action, nullptr);
}

} // namespace Checksum::Posix
