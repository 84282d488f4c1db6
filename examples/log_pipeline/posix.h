// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QByteArray>
#include <QtCore/QString>

// What this program asks of the system and Qt does not offer: which file it is that lies behind a name.
namespace LogPipeline {

struct FileStatus
{
    quint64 device;
    quint64 inode;
    qint64 size;
};

/// A file that is open for reading. What fails throws std::system_error.
class OpenFile
{
public:
    explicit OpenFile(const QString &path);
    ~OpenFile();
    OpenFile(const OpenFile &) = delete;
    OpenFile &operator=(const OpenFile &) = delete;

    FileStatus status() const;
    QByteArray read(qint64 offset, qsizetype most) const;

private:
    const int m_descriptor;
};

/// Whether another file has taken the name.
bool isReplaced(const QString &path, const FileStatus &open);

bool isErrorOnTerminal();

} // namespace LogPipeline
