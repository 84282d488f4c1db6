// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "journal.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QByteArray>
#include <QtCore/QString>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

QT_BEGIN_NAMESPACE
class QTcpSocket;
QT_END_NAMESPACE

namespace Demo {

/// What the services know of each other. Any thread.
class Board
{
public:
    std::atomic<quint16> port{0}; ///< of the line server; 0 while it does not run

    void setJournal(const QMicroIO::ChannelSender<Entry> &sender)
    {
        const std::lock_guard lock(m_mutex);
        m_journal = sender;
    }
    void write(const Entry &entry)
    {
        std::optional<QMicroIO::ChannelSender<Entry>> journal;
        {
            const std::lock_guard lock(m_mutex);
            journal = m_journal;
        }
        if (journal)
            journal->sendNowait(entry);
    }

private:
    std::mutex m_mutex;
    std::optional<QMicroIO::ChannelSender<Entry>> m_journal;
};

/// Listens on 127.0.0.1 and answers each line "ID TEXT" with "ID text in capitals", after a while.
class LineServer : public QMicroIO::LoopServiceThread
{
public:
    explicit LineServer(std::shared_ptr<Board> board);
    ~LineServer() override;

protected:
    QMicroIO::Task<> runAsync() override;

private:
    static QMicroIO::Task<QByteArray> answer(QByteArray line);
    const std::shared_ptr<Board> m_board;
};

/// Asks the line server, several requests at a time, and writes the answers to the journal.
class LineClient : public QMicroIO::LoopServiceThread
{
public:
    explicit LineClient(std::shared_ptr<Board> board);
    ~LineClient() override;

    /// Cancels the tasks that ask; they begin anew after a moment. Any thread.
    void cancelTasks();

protected:
    QMicroIO::Task<> runAsync() override;

private:
    QMicroIO::Task<> askThrough(QTcpSocket &socket);
    QMicroIO::Task<> ask(QTcpSocket &socket, int asker);

    const std::shared_ptr<Board> m_board;
    QMicroIO::RequestRegistry<int, QString> m_requests{QStringLiteral("line requests")};
    QMicroIO::ScopeGroup m_asking{QStringLiteral("line askers")};
    int m_lastId = 0;
};

} // namespace Demo
