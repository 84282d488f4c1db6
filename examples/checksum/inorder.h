// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace Checksum {

/// Takes numbered items in any order and gives them back by number, from 0 on.
template<class T>
class InOrder
{
public:
    void put(std::uint64_t number, T item) { m_waiting.emplace(number, std::move(item)); }
    /// The next one, once it is there.
    std::optional<T> take()
    {
        if (m_waiting.empty() || m_waiting.begin()->first != m_next)
            return std::nullopt;
        return takeAfterGap();
    }
    /// For when no more will come: the next one that is there, whether or not some before it are missing.
    std::optional<T> takeAfterGap()
    {
        if (m_waiting.empty())
            return std::nullopt;
        const auto first = m_waiting.begin();
        std::optional<T> item(std::move(first->second));
        m_next = first->first + 1;
        m_waiting.erase(first);
        return item;
    }

private:
    std::map<std::uint64_t, T> m_waiting;
    std::uint64_t m_next = 0;
};

} // namespace Checksum
