// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "line.h"

#include <qmicroio/actor.h>
#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/requestregistry.h>

#include <QtCore/QRegularExpression>

namespace LogPipeline {

/// Keeps the lines that match. It ends when the chunks do, and closes the channel behind it.
class Filter : public QMicroIO::LoopServiceThread
{
public:
    Filter(QRegularExpression match, QMicroIO::ChannelReceiver<Chunk> chunks,
           QMicroIO::ChannelSender<Selection> selections, Progress &progress);
    ~Filter() override;

private:
    using Done = QMicroIO::ReplyHandle<quint64, bool>;
    struct Work
    {
        Chunk chunk;
        Done done;
    };
    QMicroIO::Task<> runAsync() override;
    QMicroIO::Task<> feed();
    QMicroIO::Task<> handle(Work work);
    Selection select(Chunk chunk);

    const QRegularExpression m_match;
    QMicroIO::ChannelReceiver<Chunk> m_chunks;
    QMicroIO::ChannelSender<Selection> m_selections;
    Progress &m_progress;
    QMicroIO::RequestRegistry<quint64, bool> m_underWay;
    QMicroIO::ActorCore<Work> m_actor;
};

} // namespace LogPipeline
