// SPDX-License-Identifier: Apache-2.0
#include "journal.h"

#include <QtCore/QDateTime>
#include <QtCore/QScopeGuard>
#include <QtSql/QSqlDatabase>
#include <QtSql/QSqlError>
#include <QtSql/QSqlQuery>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace Demo {
namespace {

void require(bool done, const QSqlError &error)
{
    if (!done)
        throw Error(QStringLiteral("journal: ") + error.text());
}

} // namespace

Journal::Journal(const QString &file)
    : LoopServiceThread(QStringLiteral("journal"))
    , m_file(file)
    , m_entries(createChannel<Entry>({QStringLiteral("journal entries"), LateSend::Drop}))
{
}

Journal::~Journal()
{
    stop();
    join();
    m_entries.sender.close();
    m_entries.receiver.close();
}

Task<> Journal::runAsync()
{
    // A connection belongs to the thread that made it.
    const QString connection = QStringLiteral("journal %1").arg(reinterpret_cast<quintptr>(this));
    const auto atEnd = qScopeGuard([&] { QSqlDatabase::removeDatabase(connection); });
    co_await writeAll(connection);
}

Task<> Journal::writeAll(const QString &connection)
{
    QSqlDatabase database = QSqlDatabase::addDatabase(QStringLiteral("QSQLITE"), connection);
    database.setDatabaseName(m_file);
    require(database.open(), database.lastError());
    QSqlQuery query(database);
    require(query.exec(QStringLiteral("CREATE TABLE IF NOT EXISTS entries (at TEXT, source TEXT, text TEXT)")),
            query.lastError());
    require(query.prepare(QStringLiteral("INSERT INTO entries VALUES (?, ?, ?)")), query.lastError());
    started();
    while (std::optional<Entry> first = co_await m_entries.receiver.next()) {
        std::vector<Entry> entries = m_entries.receiver.drainNowait(1000);
        entries.insert(entries.begin(), std::move(*first));
        require(database.transaction(), database.lastError());
        for (const Entry &entry : entries) {
            query.bindValue(0, QDateTime::currentDateTimeUtc().toString(Qt::ISODateWithMs));
            query.bindValue(1, entry.source);
            query.bindValue(2, entry.text);
            require(query.exec(), query.lastError());
        }
        require(database.commit(), database.lastError());
        m_written += entries.size();
        co_await sleep(20ms); // meanwhile more come, which then share one transaction
    }
}

} // namespace Demo
