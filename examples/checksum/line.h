// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace Checksum {

/// One line of a checksum list, with its end of line, as GNU coreutils write and read it.
///
/// A name with a newline, a carriage return or a backslash is escaped, and a backslash at the start of the line says so.
/// All other bytes stay as they are, whether they are valid text or not.
std::string checksumLine(std::string_view digest, std::string_view name);

/// A name for messages to people: in quotes, and without bytes that a terminal would obey.
std::string quoted(std::string_view name);

} // namespace Checksum
