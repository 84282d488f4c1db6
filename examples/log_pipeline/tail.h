// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "line.h"

#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>

#include <QtCore/QHash>
#include <QtCore/QStringList>

namespace LogPipeline {

/// Reads the files side by side and sends their lines in chunks; waits while the channel is full. It ends at the end of the
/// files with Follow::No, and otherwise when it is stopped. Either way it closes the channel.
class Tail : public QMicroIO::LoopServiceThread
{
public:
    enum class Follow { No, Yes };
    Tail(QStringList files, QHash<QString, Position> positions, Follow follow, QMicroIO::ChannelSender<Chunk> chunks,
         Progress &progress);
    ~Tail() override;

private:
    QMicroIO::Task<> runAsync() override;
    QMicroIO::Task<> readFile(QString file);

    const QStringList m_files;
    const QHash<QString, Position> m_positions;
    const Follow m_follow;
    QMicroIO::ChannelSender<Chunk> m_chunks;
    Progress &m_progress;
};

} // namespace LogPipeline
