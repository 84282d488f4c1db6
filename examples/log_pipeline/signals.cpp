// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace LogPipeline {
namespace {

std::array<int, 2> g_pipe{-1, -1};

void stopLater(int)
{
    const int error = errno;
    const ssize_t written = ::write(g_pipe[1], "!", 1);
    static_cast<void>(written); // it cannot be full: a signal is caught once
    errno = error;
}

} // namespace

int catchStopSignals()
{
    if (::pipe2(g_pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0)
        throw std::system_error(errno, std::generic_category(), "pipe2");
    struct sigaction action{};
    action.sa_handler = &stopLater;
    action.sa_flags = SA_RESTART | SA_RESETHAND;
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    return g_pipe[0];
}

} // namespace LogPipeline
