// SPDX-License-Identifier: Apache-2.0
#include "callstack_p.h"

namespace QMicroIO::Test::detail {

// Addresses alone would be of no use: what finds lines for them, addr2line, reads no debug information of MSVC.
int callStack(std::span<void *>) noexcept
{
    return 0;
}

std::optional<CodePlace> placeOf(void *) noexcept
{
    return std::nullopt;
}

} // namespace QMicroIO::Test::detail
