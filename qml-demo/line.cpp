// SPDX-License-Identifier: Apache-2.0
#include "line.h"

#include <QtCore/QRandomGenerator>
#include <QtCore/QScopeGuard>
#include <QtNetwork/QHostAddress>
#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

#include <cmath>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace Demo {
namespace {

// Most are quick and some are slow, as in life.
std::chrono::microseconds someTime(double median)
{
    const double factor = std::exp2(QRandomGenerator::global()->generateDouble() * 6 - 3);
    return std::chrono::microseconds(qint64(median * 1000 * factor));
}

} // namespace

LineServer::LineServer(std::shared_ptr<Board> board)
    : LoopServiceThread(QStringLiteral("line server"))
    , m_board(std::move(board))
{
}

LineServer::~LineServer()
{
    stop();
    join();
}

Task<> LineServer::runAsync()
{
    QTcpServer server;
    if (!server.listen(QHostAddress(QHostAddress::LocalHost)))
        throw Error(QStringLiteral("line server: ") + server.errorString());
    // The analyzer does not see that the end of the frame calls it. NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores)
    const auto atEnd = qScopeGuard([this] { m_board->port = 0; });
    m_board->port = server.serverPort();
    started();
    for (;;) {
        while (QPointer<QTcpSocket> socket = server.nextPendingConnection())
            taskGroup().startSoon(TaskName(QStringLiteral("connection")), &LineServer::serve, socket);
        co_await nextSignal(&server, &QTcpServer::newConnection);
    }
}

Task<> LineServer::serve(QPointer<QTcpSocket> socket)
{
    if (!socket || socket->state() != QAbstractSocket::ConnectedState)
        co_return;
    // With the socket its waits end, whoever closes the connection.
    QObject::connect(socket, &QTcpSocket::disconnected, socket, &QObject::deleteLater);
    const auto work = [&socket](TaskGroup &group) -> Task<> {
        for (;;) {
            while (socket && socket->canReadLine())
                group.startSoon(TaskName(QStringLiteral("answer")), &LineServer::answer, socket, socket->readLine());
            if (!socket)
                break;
            try {
                co_await nextSignal(socket.data(), &QTcpSocket::readyRead);
            } catch (const BrokenResourceError &) {
                break;
            }
        }
        group.cancel(QStringLiteral("the connection is closed"));
    };
    co_await withTaskGroup(work);
}

Task<> LineServer::answer(QPointer<QTcpSocket> socket, QByteArray line)
{
    co_await sleep(someTime(8));
    // A sleep that ends in the turn in which the socket goes is not cancelled any more.
    if (socket)
        socket->write(line.toUpper());
}

LineClient::LineClient(std::shared_ptr<Board> board)
    : LoopServiceThread(QStringLiteral("line client"))
    , m_board(std::move(board))
{
}

LineClient::~LineClient()
{
    stop();
    join();
}

void LineClient::cancelTasks()
{
    m_asking.cancel(QStringLiteral("cancelled in the dashboard"));
}

Task<> LineClient::runAsync()
{
    started();
    for (;;) {
        if (const quint16 port = m_board->port; port != 0) {
            QTcpSocket socket;
            socket.connectToHost(QHostAddress(QHostAddress::LocalHost), port);
            const auto wait = [&]() -> Task<> { co_await nextSignal(&socket, &QTcpSocket::connected); };
            if (co_await moveOnAfter(1s, wait)) {
                const auto work = [&] { return askThrough(socket); };
                co_await m_asking.run(work);
            }
            m_requests.failAll(std::make_exception_ptr(BrokenResourceError(QStringLiteral("no connection"))));
        }
        co_await sleep(500ms); // then it tries again
    }
}

Task<> LineClient::askThrough(QTcpSocket &socket)
{
    const auto work = [&](TaskGroup &group) -> Task<> {
        QObject::connect(&socket, &QTcpSocket::readyRead, &socket, [&] { readAnswers(socket); });
        for (int asker = 1; asker <= 6; ++asker)
            group.startSoon(TaskName(QStringLiteral("asker %1").arg(asker)), &LineClient::ask, this, std::ref(socket),
                            asker);
        co_await nextSignal(&socket, &QTcpSocket::disconnected);
        group.cancel(QStringLiteral("the server closed the connection"));
    };
    co_await withTaskGroup(work);
}

Task<> LineClient::ask(QTcpSocket &socket, int asker)
{
    for (;;) {
        const int id = ++m_lastId;
        const auto send = [&](ReplyHandle<int, QString> &) {
            socket.write(QByteArray::number(id) + " hello from asker " + QByteArray::number(asker) + '\n');
        };
        const auto request = [&] { return m_requests.requestAsync(id, send); };
        QString text;
        try {
            text = co_await failAfter(2s, request);
        } catch (const TimeoutError &) {
            text = QStringLiteral("no answer");
        }
        m_board->write({name(), text});
        co_await sleep(someTime(30));
    }
}

void LineClient::readAnswers(QTcpSocket &socket)
{
    while (socket.canReadLine()) {
        const QByteArray line = socket.readLine().trimmed();
        const qsizetype space = line.indexOf(' ');
        m_requests.resolve(line.left(space).toInt(), QString::fromUtf8(line.mid(space + 1)));
    }
}

} // namespace Demo
