// SPDX-License-Identifier: Apache-2.0
//
// Compiled alone by mingw-w64 (tools/check-portability --windows), but never run: no Windows was at hand.
#include "statusprinter_p.h"

namespace QMicroIO::detail::StatusRequests {

// Windows has no signal that means nothing else.
std::error_code install()
{
    return std::make_error_code(std::errc::function_not_supported);
}

void uninstall() { }

void ask() noexcept { }

bool wait()
{
    return false;
}

void write(const char *, std::size_t) { }

} // namespace QMicroIO::detail::StatusRequests
