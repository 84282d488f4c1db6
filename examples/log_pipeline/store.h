// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "line.h"

#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>

#include <QtCore/QHash>
#include <QtSql/QSqlDatabase>
#include <QtSql/QSqlQuery>

#include <optional>

namespace LogPipeline {

/// Writes what arrives into the database, as much as there is in one transaction: the lines and how far each file was read. So a
/// line is stored if and only if it will not be read again, at whatever moment the program is killed.
class Store : public QMicroIO::LoopServiceThread
{
public:
    struct Settings
    {
        QString database;
        int batch = 64;
        bool acknowledge = false;
    };
    Store(Settings settings, QMicroIO::ChannelReceiver<Selection> selections, Progress &progress);
    ~Store() override;

    /// From any thread once it has started.
    QHash<QString, Position> positions();

private:
    QMicroIO::Task<> runAsync() override;
    void open();
    void write(const std::vector<Selection> &selections);
    void acknowledge(const QHash<QString, Position> &positions) const;

    const Settings m_settings;
    QMicroIO::ChannelReceiver<Selection> m_selections;
    Progress &m_progress;
    // The service's thread only: a connection belongs to the thread that made it.
    QSqlDatabase m_database;
    std::optional<QSqlQuery> m_insert;
    std::optional<QSqlQuery> m_update;
};

} // namespace LogPipeline
