// SPDX-License-Identifier: Apache-2.0
#include "linewriter.h"

#include "posix.h"

#include <qmicroio/wait.h>

#include <QtCore/QSocketNotifier>

#include <algorithm>

using namespace QMicroIO;

namespace Checksum {
namespace {

// As many whole lines as a pipe takes at once, but at least one.
std::size_t nextPart(std::string_view lines)
{
    const std::size_t most = Posix::atOnce();
    if (lines.size() <= most)
        return lines.size();
    const std::size_t end = lines.rfind('\n', most - 1);
    return std::min(lines.size(), (end != std::string_view::npos ? end : lines.find('\n', most)) + 1);
}

} // namespace

LineWriter::LineWriter(int descriptor)
    : m_descriptor(descriptor)
    , m_mayBlock(Posix::writingMayBlock(descriptor))
{
}

Task<> LineWriter::write(std::string_view lines)
{
    while (!lines.empty()) {
        if (m_mayBlock && !Posix::isWritable(m_descriptor)) {
            QSocketNotifier writable(m_descriptor, QSocketNotifier::Write);
            co_await nextSignal(&writable, &QSocketNotifier::activated);
        }
        const std::size_t count = m_mayBlock ? nextPart(lines) : lines.size();
        Posix::writeAll(m_descriptor, lines.substr(0, count));
        lines.remove_prefix(count);
    }
}

} // namespace Checksum
