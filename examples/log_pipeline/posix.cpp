// SPDX-License-Identifier: Apache-2.0
#include "posix.h"

#include <QtCore/QFile>

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace LogPipeline {

OpenFile::OpenFile(const QString &path)
    : m_descriptor(::open(QFile::encodeName(path).constData(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY))
{
    if (m_descriptor < 0)
        throw std::system_error(errno, std::generic_category(), QFile::encodeName(path).toStdString());
}

OpenFile::~OpenFile()
{
    ::close(m_descriptor);
}

FileStatus OpenFile::status() const
{
    struct stat status{};
    if (::fstat(m_descriptor, &status) != 0)
        throw std::system_error(errno, std::generic_category(), "fstat");
    return {status.st_dev, status.st_ino, status.st_size};
}

QByteArray OpenFile::read(qint64 offset, qsizetype most) const
{
    QByteArray bytes(most, Qt::Uninitialized);
    const ssize_t got = ::pread(m_descriptor, bytes.data(), std::size_t(most), offset);
    if (got < 0)
        throw std::system_error(errno, std::generic_category(), "pread");
    bytes.truncate(got);
    return bytes;
}

bool isReplaced(const QString &path, const FileStatus &open)
{
    struct stat now{};
    return ::stat(QFile::encodeName(path).constData(), &now) == 0
        && (now.st_dev != open.device || now.st_ino != open.inode);
}

bool isErrorOnTerminal()
{
    return ::isatty(STDERR_FILENO) == 1;
}

} // namespace LogPipeline
