// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

// What a system has to offer for SystemSignals; one implementation a system, in a file of its own.
namespace QMicroIO::detail::StopSignals {

// Throws Error where there is nothing to install.
void install(int exitCode, std::chrono::nanoseconds repeat);
void uninstall();
// Blocks until the first signal has come, or interrupt() was called; its number, or zero.
int wait();
void interrupt();
const char *nameOf(int number);

} // namespace QMicroIO::detail::StopSignals
