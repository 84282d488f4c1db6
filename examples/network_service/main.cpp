// SPDX-License-Identifier: Apache-2.0
//
// A server and a client, each a thread of its own, that talk over TCP: a line is a question, "ID TEXT", and a line with the
// same ID is its answer. Answers come in any order; a registry of requests gives each to the one who asked.
#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QScopeGuard>
#include <QtCore/QStringList>
#include <QtNetwork/QHostAddress>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

constexpr qint64 LongestLine = 1024; // nobody fills the memory of the other side
constexpr qsizetype MostAtOnce = 16;

// Waits until there is something to read; false when the other side has gone.
Task<bool> readable(QTcpSocket &socket)
{
    if (socket.state() != QAbstractSocket::ConnectedState)
        co_return false;
    if (!socket.canReadLine())
        co_await whenAny(nextSignal(&socket, &QTcpSocket::readyRead), nextSignal(&socket, &QTcpSocket::disconnected));
    co_return socket.canReadLine() || socket.bytesAvailable() < LongestLine;
}

class Server : public LoopServiceThread
{
public:
    Server()
        : LoopServiceThread(QStringLiteral("server"))
    {
    }
    ~Server() override { stop(), join(); }
    quint16 port() const { return m_port; } // once it is ready

protected:
    Task<> runAsync() override
    {
        QTcpServer server;
        if (!server.listen(QHostAddress::LocalHost))
            throw Error(QStringLiteral("cannot listen: ") + server.errorString()); // waitStarted() throws it
        m_port = server.serverPort();
        started();
        // A group inside, so that all conversations have ended before `server` goes.
        const auto accept = [&](TaskGroup &conversations) -> Task<> {
            for (;;) {
                while (QTcpSocket *socket = server.nextPendingConnection())
                    conversations.startSoon(&Server::converse, this, std::unique_ptr<QTcpSocket>(socket));
                co_await nextSignal(&server, &QTcpServer::newConnection);
            }
        };
        co_await withTaskGroup(accept);
    }

private:
    Task<> converse(std::unique_ptr<QTcpSocket> socket)
    {
        socket->setReadBufferSize(LongestLine);
        const auto listen = [&](TaskGroup &answers) -> Task<> {
            while (co_await readable(*socket)) {
                while (socket->canReadLine()) {
                    const QByteArray line = socket->readLine();
                    if (answers.size() < MostAtOnce)
                        answers.startSoon(&Server::answer, this, socket.get(), line);
                    else
                        socket->write(line.left(line.indexOf(' ')) + " !busy\n");
                }
            }
            answers.cancel(QStringLiteral("the client has gone"));
        };
        co_await withTaskGroup(listen); // ends when all answers are given, or cancelled
    }
    Task<> answer(QTcpSocket *socket, QByteArray line)
    {
        const qsizetype space = line.indexOf(' ');
        const QByteArray text = line.mid(space + 1).trimmed();
        if (text == "slow")
            co_await sleep(100ms); // other questions are answered meanwhile
        if (text == "never")
            co_await sleepForever(); // until the client goes, or the server
        socket->write(line.left(space + 1) + text.toUpper() + '\n');
    }

    quint16 m_port = 0; // written before started()
};

class Client : public LoopServiceThread
{
public:
    explicit Client(quint16 port)
        : LoopServiceThread(QStringLiteral("client"))
        , m_port(port)
    {
    }
    ~Client() override { stop(), join(); }

    // Any thread. The future fails when the server does not answer or goes.
    QFuture<QString> ask(const QString &text)
    {
        return submit([this, text] { return exchange(text); });
    }

protected:
    Task<> runAsync() override
    {
        QTcpSocket socket;
        socket.connectToHost(QHostAddress::LocalHost, m_port);
        auto connected = nextSignal(&socket, &QTcpSocket::connected);
        const auto first = co_await whenAny(connected, nextSignal(&socket, &QTcpSocket::errorOccurred));
        if (first.index != 0)
            throw Error(QStringLiteral("no connection: ") + socket.errorString());
        m_socket = &socket;
        // However this ends: who still waits for an answer hears why, and nobody writes to a socket that is gone.
        [[maybe_unused]] const auto atEnd = qScopeGuard([this] {
            m_socket = nullptr;
            m_answers.close(std::make_exception_ptr(BrokenResourceError(QStringLiteral("the server has gone"))));
        });
        started();
        while (co_await readable(socket)) {
            while (socket.canReadLine()) {
                const QByteArray line = socket.readLine();
                const qsizetype space = line.indexOf(' ');
                m_answers.resolve(line.left(space).toInt(), QString::fromUtf8(line.mid(space + 1)).trimmed());
            }
        }
        throw BrokenResourceError(QStringLiteral("the server has gone")); // the service's own end: Failed
    }

private:
    Task<QString> exchange(QString text)
    {
        const int id = ++m_lastId;
        // Registered before it is sent, so no answer can come too early.
        const auto send = [&](ReplyHandle<int, QString> &) {
            m_socket->write(QByteArray::number(id) + ' ' + text.toUtf8() + '\n');
        };
        const auto request = [&]() -> Task<QString> { return m_answers.requestAsync(id, send); };
        co_return co_await failAfter(5s, request); // a wait with an end, whatever the server does
    }

    const quint16 m_port;
    RequestRegistry<int, QString> m_answers;
    QTcpSocket *m_socket = nullptr; // the service's thread, as is what follows
    int m_lastId = 0;
};

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    Server server;
    server.start();
    server.waitStarted(5s);
    Client client(server.port());
    client.start();
    client.waitStarted(5s);
    std::puts("connected");

    // Two questions under way at once; the second is answered first.
    std::mutex mutex;
    QStringList order;
    const auto remember = [&](const QString &answer) {
        const std::lock_guard lock(mutex);
        order += answer;
    };
    QFuture<void> slow = client.ask(QStringLiteral("slow")).then(remember);
    QFuture<void> fast = client.ask(QStringLiteral("fast")).then(remember);
    slow.waitForFinished();
    fast.waitForFinished();
    std::printf("answers: %s\n", qPrintable(order.join(QStringLiteral(", "))));

    // The server goes while a question waits: the one who asked hears of it at once, not after a time-out.
    QFuture<QString> unanswered = client.ask(QStringLiteral("never"));
    server.stop();
    try {
        unanswered.waitForFinished();
    } catch (const BrokenResourceError &error) {
        std::printf("unanswered: %s\n", error.what());
    }
    client.join();
    std::printf("the client has failed: %s\n", qPrintable(client.errorString()));
    return server.join(5s) ? 0 : 1;
}
