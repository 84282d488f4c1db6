// SPDX-License-Identifier: Apache-2.0
#include "systemsignals_p.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <utility>

namespace QMicroIO::detail::StopSignals {
namespace {

// What the handler uses. It may run at any instant, in any thread, between any two instructions: it must not allocate, lock or
// touch Qt. The pipe is made once and stays open, since a handler may still be about to write to it.
std::atomic<int> s_writeEnd{-1};
int s_readEnd = -1;
std::atomic<int> s_exitCode{0};
std::atomic<std::int64_t> s_repeat{0};
std::atomic<std::int64_t> s_first{0};
std::array<struct sigaction, 2> s_before{};
bool s_installed = false;
constexpr std::array Numbers{SIGINT, SIGTERM};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<std::int64_t>::is_always_lock_free);

void send(unsigned char byte)
{
    [[maybe_unused]] const ssize_t written = ::write(s_writeEnd.load(), &byte, 1);
}

extern "C" void onStopSignal(int number)
{
    const int savedErrno = errno;
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    const std::int64_t now = std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    std::int64_t first = 0;
    if (s_first.compare_exchange_strong(first, now)) {
        send(static_cast<unsigned char>(number));
    } else if (now - first > s_repeat.load()) {
        const int code = s_exitCode.load();
        ::_exit(code != 0 ? code : 128 + number);
    }
    errno = savedErrno;
}

void drain()
{
    std::array<char, 16> bytes{};
    while (::read(s_readEnd, bytes.data(), bytes.size()) > 0) { }
}

void setNonBlocking(bool on)
{
    ::fcntl(s_readEnd, F_SETFL, on ? O_NONBLOCK : 0);
}

} // namespace

std::error_code install(int exitCode, std::chrono::nanoseconds repeat)
{
    if (s_readEnd < 0) {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0)
            return {errno, std::generic_category()};
        for (const int end : ends)
            ::fcntl(end, F_SETFD, FD_CLOEXEC);
        ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
        s_readEnd = ends[0];
        s_writeEnd = ends[1];
    }
    setNonBlocking(true);
    drain();
    setNonBlocking(false);
    s_exitCode = exitCode;
    s_repeat = repeat.count();
    s_first = 0;
    struct sigaction action{};
    ::sigemptyset(&action.sa_mask);
    // No SA_RESTART: what a thread is blocked in ends with EINTR, so that it may look whether it has been asked to stop.
    action.sa_handler = onStopSignal;
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

int wait()
{
    unsigned char byte = 0;
    for (;;) {
        const ssize_t count = ::read(s_readEnd, &byte, 1);
        if (count == 1)
            return byte;
        if (count == 0 || errno != EINTR)
            return 0;
    }
}

void interrupt()
{
    send(0);
}

const char *nameOf(int number)
{
    return number == SIGINT ? "SIGINT" : number == SIGTERM ? "SIGTERM" : "a signal";
}

} // namespace QMicroIO::detail::StopSignals
