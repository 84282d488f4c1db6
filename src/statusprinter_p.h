// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <system_error>

// What a system has to offer for StatusPrinter; one implementation a system, in a file of its own, which needs no Qt.
namespace QMicroIO::detail::StatusRequests {

// From now on the signals ask. What kept the system from it, if anything did.
std::error_code install();
void uninstall(); // nothing, unless install() has succeeded
// From any thread, and from a handler. A thread that waits returns; if none does, the next wait returns at once.
void ask() noexcept;
// Blocks until somebody asks; false: the system does not let it wait any more.
bool wait();
// To standard error, all of it, without a buffer that another thread may have locked.
void write(const char *text, std::size_t size);

} // namespace QMicroIO::detail::StatusRequests
