// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/qmicroio.h>

#include <QtCore/QString>

#include <atomic>

namespace Demo {

struct Entry
{
    QString source;
    QString text;
};

/// Writes entries to an SQLite database, in the order in which they came, one transaction for all that wait.
class Journal : public QMicroIO::LoopServiceThread
{
public:
    explicit Journal(const QString &file);
    ~Journal() override;

    /// For those who write to it. Late entries are dropped. Any thread.
    QMicroIO::ChannelSender<Entry> sender() const { return m_entries.sender; }
    /// How many rows it has written. Any thread.
    quint64 written() const { return m_written; }

protected:
    QMicroIO::Task<> runAsync() override;

private:
    QMicroIO::Task<> writeAll(const QString &connection);

    const QString m_file;
    QMicroIO::Channel<Entry> m_entries;
    std::atomic<quint64> m_written{0};
};

} // namespace Demo
