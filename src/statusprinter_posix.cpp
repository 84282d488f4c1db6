// SPDX-License-Identifier: Apache-2.0
#include "statusprinter_p.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

namespace QMicroIO::detail::StatusRequests {
namespace {

// For the handler, which may touch nothing else. The pipe is made once and stays open, since a handler may still be about to
// write to it.
std::atomic<int> s_writeEnd{-1};
int s_readEnd = -1;
static_assert(std::atomic<int>::is_always_lock_free);
constexpr std::array Numbers{SIGUSR1, SIGQUIT};
std::array<struct sigaction, 2> s_before{};
bool s_installed = false;

extern "C" void onStatusSignal(int)
{
    ask();
}

} // namespace

std::error_code install()
{
    if (s_readEnd < 0) {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0)
            return {errno, std::generic_category()};
        for (const int end : ends)
            ::fcntl(end, F_SETFD, FD_CLOEXEC);
        ::fcntl(ends[1], F_SETFL, O_NONBLOCK); // a handler never waits: so many prints are asked for already
        s_readEnd = ends[0];
        s_writeEnd = ends[1];
    }
    // What was asked of the printer before this one and came too late.
    ::fcntl(s_readEnd, F_SETFL, O_NONBLOCK);
    for (std::array<char, 16> old{}; ::read(s_readEnd, old.data(), old.size()) > 0;) { }
    ::fcntl(s_readEnd, F_SETFL, 0);
    struct sigaction action{};
    action.sa_handler = onStatusSignal;
    action.sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < Numbers.size(); ++i)
        ::sigaction(Numbers.at(i), &action, &s_before.at(i));
    s_installed = true;
    return {};
}

void uninstall()
{
    if (!std::exchange(s_installed, false))
        return;
    for (std::size_t i = 0; i < Numbers.size(); ++i)
        ::sigaction(Numbers.at(i), &s_before.at(i), nullptr);
}

void ask() noexcept
{
    const char what = 0;
    const int before = errno;
    while (::write(s_writeEnd.load(std::memory_order_relaxed), &what, 1) < 0 && errno == EINTR) { }
    errno = before; // the handler may have come between a call and the look at its result
}

bool wait()
{
    char what = 0;
    for (;;) {
        const ssize_t got = ::read(s_readEnd, &what, 1);
        if (got > 0)
            return true;
        if (got == 0 || errno != EINTR)
            return false;
    }
}

void write(const char *text, std::size_t size)
{
    while (size > 0) {
        const ssize_t written = ::write(STDERR_FILENO, text, size);
        if (written < 0 && errno != EINTR)
            return; // nobody reads
        if (written > 0) {
            text += written;
            size -= static_cast<std::size_t>(written);
        }
    }
}

} // namespace QMicroIO::detail::StatusRequests
