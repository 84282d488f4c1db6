// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include <qmicroio/errors.h>

#include <QtSql/QSqlError>

#include <cstdio>

using namespace QMicroIO;

namespace LogPipeline {
namespace {

const QString ConnectionName = QStringLiteral("log_pipeline");

[[noreturn]] void throwError(const QString &what, const QSqlError &error)
{
    throw Error(QStringLiteral("%1: %2").arg(what, error.text()));
}

void execute(QSqlDatabase &database, const QString &statement)
{
    QSqlQuery query(database);
    if (!query.exec(statement))
        throwError(statement, query.lastError());
}

QSqlQuery prepared(QSqlDatabase &database, const QString &statement)
{
    QSqlQuery query(database);
    if (!query.prepare(statement))
        throwError(statement, query.lastError());
    return query;
}

} // namespace

Store::Store(Settings settings, ChannelReceiver<Selection> selections, Progress &progress)
    : LoopServiceThread(QStringLiteral("store"))
    , m_settings(std::move(settings))
    , m_selections(std::move(selections))
    , m_progress(progress)
{
}

Store::~Store()
{
    stop();
    join();
}

Task<> Store::runAsync()
{
    struct CloseAtTheEnd
    {
        Store &store;
        ~CloseAtTheEnd()
        {
            store.m_insert.reset();
            store.m_update.reset();
            store.m_database = QSqlDatabase();
            QSqlDatabase::removeDatabase(ConnectionName);
        }
    } closeAtTheEnd{*this};
    open();
    started();
    while (std::optional<Selection> first = co_await m_selections.next()) {
        std::vector<Selection> batch = m_selections.drainNowait(m_settings.batch - 1);
        batch.insert(batch.begin(), std::move(*first));
        write(batch); // this thread is there for nothing else
    }
}

void Store::open()
{
    m_database = QSqlDatabase::addDatabase(QStringLiteral("QSQLITE"), ConnectionName);
    m_database.setDatabaseName(m_settings.database);
    m_database.setConnectOptions(QStringLiteral("QSQLITE_BUSY_TIMEOUT=60000"));
    if (!m_database.open())
        throwError(m_settings.database, m_database.lastError());
    // Committed means written to the disk, not only handed to the system.
    execute(m_database, QStringLiteral("PRAGMA journal_mode = WAL"));
    execute(m_database, QStringLiteral("PRAGMA synchronous = FULL"));
    execute(m_database,
            QStringLiteral("CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, device INTEGER, inode INTEGER, "
                           "offset INTEGER)"));
    execute(m_database,
            QStringLiteral("CREATE TABLE IF NOT EXISTS lines (id INTEGER PRIMARY KEY, path TEXT, offset INTEGER, "
                           "text TEXT)"));
    m_insert =
        prepared(m_database, QStringLiteral("INSERT INTO lines (path, offset, text) VALUES (?, ?, CAST(? AS TEXT))"));
    m_update = prepared(
        m_database, QStringLiteral("INSERT OR REPLACE INTO files (path, device, inode, offset) VALUES (?, ?, ?, ?)"));
}

QHash<QString, Position> Store::positions()
{
    return callSync([this] {
        QHash<QString, Position> positions;
        QSqlQuery query(m_database);
        if (!query.exec(QStringLiteral("SELECT path, device, inode, offset FROM files")))
            throwError(m_settings.database, query.lastError());
        while (query.next()) {
            positions.insert(query.value(0).toString(),
                             {query.value(1).toULongLong(), query.value(2).toULongLong(), query.value(3).toLongLong()});
        }
        return positions;
    });
}

void Store::write(const std::vector<Selection> &selections)
{
    QHash<QString, Position> positions;
    quint64 count = 0;
    execute(m_database, QStringLiteral("BEGIN IMMEDIATE"));
    for (const Selection &selection : selections) {
        for (const auto &[offset, text] : selection.lines) {
            m_insert->bindValue(0, selection.file);
            m_insert->bindValue(1, offset);
            m_insert->bindValue(2, text);
            if (!m_insert->exec())
                throwError(QStringLiteral("INSERT"), m_insert->lastError());
            ++count;
        }
        positions.insert(selection.file, selection.end);
    }
    for (auto it = positions.cbegin(); it != positions.cend(); ++it) {
        m_update->bindValue(0, it.key());
        m_update->bindValue(1, it->device);
        m_update->bindValue(2, it->inode);
        m_update->bindValue(3, it->offset);
        if (!m_update->exec())
            throwError(QStringLiteral("INSERT OR REPLACE"), m_update->lastError());
    }
    execute(m_database, QStringLiteral("COMMIT"));
    m_progress.linesStored += count;
    ++m_progress.transactions;
    if (m_settings.acknowledge)
        acknowledge(positions);
}

void Store::acknowledge(const QHash<QString, Position> &positions) const
{
    for (auto it = positions.cbegin(); it != positions.cend(); ++it)
        std::printf("%lld %s\n", static_cast<long long>(it->offset), it.key().toLocal8Bit().constData());
    std::fflush(stdout);
}

} // namespace LogPipeline
