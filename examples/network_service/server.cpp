// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <QtNetwork/QHostAddress>
#include <QtNetwork/QTcpServer>

using namespace QMicroIO;
using namespace std::chrono_literals;

Server::Server(const Lines::Limits &limits)
    : LoopServiceThread(QStringLiteral("server"))
    , m_limits(limits)
{
}

Server::~Server()
{
    stop();
    join();
}

Task<> Server::runAsync()
{
    QTcpServer server;
    if (!server.listen(QHostAddress::LocalHost))
        throw Error(QStringLiteral("cannot listen: ") + server.errorString()); // waitStarted() throws it
    m_port = server.serverPort();
    started();
    const Lines::Answer give = &Server::answer;
    co_await Lines::serve(server, m_limits, give);
}

Task<QByteArray> Server::answer(QByteArray line)
{
    const qsizetype space = line.indexOf(' ');
    const QByteArray text = line.mid(space + 1).trimmed();
    if (text == "slow")
        co_await sleep(100ms); // other questions are answered meanwhile
    if (text == "never")
        co_await sleepForever(); // until the client goes, or the server
    co_return line.left(space + 1) + text.toUpper();
}
