// SPDX-License-Identifier: Apache-2.0
#include "threadstate_p.h"

#include <QtCore/QString>

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace QMicroIO::Test::detail {

namespace {

int openOfThread(long id, const char *name)
{
    return ::open(QStringLiteral("/proc/self/task/%1/%2").arg(id).arg(QLatin1String(name)).toLatin1().constData(),
                  O_RDONLY | O_CLOEXEC);
}

} // namespace

ThreadState::ThreadState()
{
    const long id = syscall(SYS_gettid);
    m_stat = openOfThread(id, "stat");
    m_schedule = openOfThread(id, "schedstat");
}

ThreadState::~ThreadState()
{
    ::close(m_stat);
    ::close(m_schedule);
}

bool ThreadState::isAsleep() const
{
    std::array<char, 128> text{};
    const ssize_t size = pread(m_stat, text.data(), text.size(), 0);
    if (size <= 0)
        return true; // it has ended
    for (ssize_t i = size - 1; i > 1; --i) {
        if (text[std::size_t(i) - 2] == ')')
            return text[std::size_t(i)] == 'S';
    }
    return false;
}

QByteArray ThreadState::schedule() const
{
    QByteArray text(128, '\0');
    const ssize_t size = pread(m_schedule, text.data(), std::size_t(text.size()), 0);
    text.truncate(std::max<qsizetype>(size, 0));
    return text;
}

} // namespace QMicroIO::Test::detail
