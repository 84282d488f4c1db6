// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <system_error>

// What a system has to offer for SystemSignals; one implementation a system, in a file of its own, which needs no Qt.
namespace QMicroIO::detail::StopSignals {

// What kept the system from it, if anything did.
std::error_code install(int exitCode, std::chrono::nanoseconds repeat);
void uninstall(); // nothing, unless install() has succeeded
// Blocks until the first signal has come, or interrupt() was called; its number, or zero.
int wait();
void interrupt();
const char *nameOf(int number);

} // namespace QMicroIO::detail::StopSignals
