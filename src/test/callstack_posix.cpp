// SPDX-License-Identifier: Apache-2.0
#include "callstack_p.h"

// Not in POSIX itself, but glibc, the BSDs and macOS have both; musl does not.
#if __has_include(<execinfo.h>) && __has_include(<dlfcn.h>)
#  include <dlfcn.h>
#  include <execinfo.h>

namespace QMicroIO::Test::detail {

int callStack(std::span<void *> calls) noexcept
{
    return backtrace(calls.data(), int(calls.size()));
}

std::optional<CodePlace> placeOf(void *call) noexcept
{
    Dl_info info{};
    if (dladdr(call, &info) == 0 || !info.dli_fname)
        return std::nullopt;
    return CodePlace{info.dli_fname,
                     reinterpret_cast<std::uintptr_t>(call) - reinterpret_cast<std::uintptr_t>(info.dli_fbase) - 1};
}

} // namespace QMicroIO::Test::detail

#else

namespace QMicroIO::Test::detail {

int callStack(std::span<void *>) noexcept
{
    return 0;
}

std::optional<CodePlace> placeOf(void *) noexcept
{
    return std::nullopt;
}

} // namespace QMicroIO::Test::detail

#endif
