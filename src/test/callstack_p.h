// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace QMicroIO::Test::detail {

// The return addresses of the callers; how many. Zero where the system does not say.
int callStack(std::span<void *> calls) noexcept;

// In which file some code lies, and where: inside the call, since a return address may belong to the line after it.
struct CodePlace
{
    const char *module;
    std::uint64_t offset;
};
std::optional<CodePlace> placeOf(void *call) noexcept;

} // namespace QMicroIO::Test::detail
