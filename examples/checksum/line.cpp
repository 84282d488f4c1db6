// SPDX-License-Identifier: Apache-2.0
#include "line.h"

namespace Checksum {

std::string checksumLine(std::string_view digest, std::string_view name)
{
    std::string line;
    line.reserve(digest.size() + name.size() + 4);
    if (name.find_first_of("\\\n\r") != std::string_view::npos)
        line += '\\';
    line += digest;
    line += "  ";
    for (const char byte : name) {
        switch (byte) {
        case '\\':
            line += "\\\\";
            break;
        case '\n':
            line += "\\n";
            break;
        case '\r':
            line += "\\r";
            break;
        default:
            line += byte;
        }
    }
    line += '\n';
    return line;
}

std::string quoted(std::string_view name)
{
    constexpr std::string_view Hex = "0123456789abcdef";
    std::string text = "'";
    for (const char byte : name) {
        const auto code = static_cast<unsigned char>(byte);
        if (byte == '\n') {
            text += "\\n";
        } else if (code < 0x20 || code == 0x7f) {
            text += "\\x";
            text += Hex[code >> 4];
            text += Hex[code & 15];
        } else {
            text += byte; // bytes above 0x7f too: mostly UTF-8, which people want to read
        }
    }
    text += '\'';
    return text;
}

} // namespace Checksum
