// SPDX-License-Identifier: Apache-2.0
#include "lines.h"

#include <QtNetwork/QTcpServer>
#include <QtNetwork/QTcpSocket>

#include <memory>
#include <utility>

namespace Lines {

using namespace QMicroIO;

namespace {

bool isConnected(const QTcpSocket &socket)
{
    return socket.state() == QAbstractSocket::ConnectedState;
}

void write(QTcpSocket &socket, const Limits &limits, const QByteArray &line)
{
    if (!isConnected(socket))
        return; // it has gone meanwhile
    if (socket.bytesToWrite() + line.size() >= limits.unreadAnswers)
        socket.abort(); // what it does not fetch would pile up here
    else
        socket.write(line + '\n');
}

Task<> reply(QTcpSocket &socket, const Limits &limits, const Answer &answer, QByteArray line)
{
    const QByteArray text = co_await answer(std::move(line));
    write(socket, limits, text);
}

Task<> converse(std::unique_ptr<QTcpSocket> socket, const Limits &limits, const Answer &answer)
{
    socket->setReadBufferSize(limits.longestLine); // the rest waits in the system, and then at the peer
    const auto listen = [&](TaskGroup &answers) -> Task<> {
        const std::function<bool()> answersAreUnderWay = [&] { return answers.size() > 0; };
        try {
            while (const auto line = co_await nextLine(*socket, limits, answersAreUnderWay)) {
                if (answers.size() < limits.answersAtOnce)
                    answers.startSoon(TaskName(QStringLiteral("answer")), &reply, std::ref(*socket), std::cref(limits),
                                      std::cref(answer), *line);
                else
                    write(*socket, limits, line->left(line->indexOf(' ')) + " !busy");
            }
        } catch (const Error &) {
            // It took more than its share. That is no failure of the server.
        }
        answers.cancel(QStringLiteral("the connection is closed"));
    };
    co_await withTaskGroup(listen); // the socket outlives all who write to it
}

} // namespace

namespace {

// Until there is something new to read, or the connection is gone. The wait begins at once, so nothing that happens before the next
// turn of the loop is missed, as it would be by whenAny(), whose parts begin with that turn.
Task<> somethingHappens(QTcpSocket &socket)
{
    CancelScope gone;
    QObject watch;
    QObject::connect(&socket, &QTcpSocket::disconnected, &watch, [&gone] { gone.cancel(); });
    const auto ready = [&socket]() -> Task<> { co_await nextSignal(&socket, &QTcpSocket::readyRead); };
    co_await gone.run(ready);
}

} // namespace

Task<std::optional<QByteArray>> nextLine(QTcpSocket &socket, const Limits &limits,
                                         const std::function<bool()> &maySayNothing)
{
    const auto anything = [&]() -> Task<> { return somethingHappens(socket); };
    while (isConnected(socket) && socket.bytesAvailable() == 0) {
        if (!co_await moveOnAfter(limits.silence, anything) && !maySayNothing())
            throw TimeoutError(QStringLiteral("the peer has said nothing for too long"));
    }
    const auto isWhole = [&]() -> Task<> {
        while (!socket.canReadLine() && isConnected(socket)) {
            if (socket.bytesAvailable() >= limits.longestLine)
                throw Error(QStringLiteral("the peer has sent too long a line"));
            co_await somethingHappens(socket);
        }
    };
    co_await failAfter(limits.wholeLine, isWhole); // also for a peer that sends a byte from time to time
    if (!socket.canReadLine())
        co_return std::nullopt;
    QByteArray line = socket.readLine();
    line.chop(1);
    co_return line;
}

Task<> serve(QTcpServer &server, const Limits &limits, const Answer &answer)
{
    // A group inside, so that all conversations have ended before `server` goes.
    const auto accept = [&](TaskGroup &conversations) -> Task<> {
        for (;;) {
            while (auto socket = std::unique_ptr<QTcpSocket>(server.nextPendingConnection())) {
                if (conversations.size() < limits.connections) {
                    conversations.startSoon(TaskName(QStringLiteral("connection")), &converse, std::move(socket),
                                            std::cref(limits), std::cref(answer));
                } else {
                    socket->write("! too many connections\n");
                    socket->flush(); // as far as the system takes it: nobody waits for this peer
                }
            }
            co_await nextSignal(&server, &QTcpServer::newConnection);
        }
    };
    co_await withTaskGroup(accept);
}

} // namespace Lines
