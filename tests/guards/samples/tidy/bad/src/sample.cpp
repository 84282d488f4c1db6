// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

int *nothing()
{
    return 0; // expect: modernize-use-nullptr
}

std::string::size_type moved(std::string text)
{
    const std::string other = std::move(text);
    return other.size() + text.size(); // expect: bugprone-use-after-move
}
