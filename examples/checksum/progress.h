// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QElapsedTimer>

#include <cstdint>
#include <optional>
#include <string>

namespace Checksum {

/// Files and bytes at one instant.
struct Amount
{
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
};

/// One line without its end, at most `width` columns: how far it has come, how fast, how long it still takes. What is not known
/// without a total is left out.
std::string progressLine(Amount done, std::optional<Amount> total, double seconds, int width);
/// "12 files, 3.4 MB in 0.5 s, 6.8 MB/s"; the time is not zero.
std::string summary(Amount done, double seconds);

/// The last line of the terminal behind standard error. Nothing at all when that is no terminal.
class ProgressBar
{
public:
    ProgressBar();
    bool isShown() const { return m_isTerminal; }
    void draw(Amount done, std::optional<Amount> total);
    /// So that other text can take its place.
    void erase();
    double seconds() const;

private:
    bool m_isTerminal;
    bool m_isDrawn = false;
    QElapsedTimer m_clock;
};

} // namespace Checksum
