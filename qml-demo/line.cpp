// SPDX-License-Identifier: Apache-2.0
#include "line.h"

#include "lines.h"

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
    m_board->port = server.serverPort();
    // The analyzer does not see that the end of the frame calls it. NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores)
    const auto atEnd = qScopeGuard([this] { m_board->port = 0; });
    started();
    const Lines::Limits limits;
    const Lines::Answer give = &LineServer::answer;
    co_await Lines::serve(server, limits, give);
}

Task<QByteArray> LineServer::answer(QByteArray line)
{
    co_await sleep(someTime(8));
    co_return line.toUpper();
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
        const Lines::Limits limits; // the server is a stranger as well
        socket.setReadBufferSize(limits.longestLine);
        const auto readAnswers = [&]() -> Task<> {
            const std::function<bool()> always = [] { return true; };
            while (const auto line = co_await Lines::nextLine(socket, limits, always)) {
                const qsizetype space = line->indexOf(' ');
                m_requests.resolve(line->left(space).toInt(), QString::fromUtf8(line->mid(space + 1)));
            }
        };
        for (int asker = 1; asker <= 6; ++asker)
            group.startSoon(TaskName(QStringLiteral("asker %1").arg(asker)), &LineClient::ask, this, std::ref(socket),
                            asker);
        try {
            co_await readAnswers();
        } catch (const Error &) {
            // The same as a connection that is lost.
        }
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

} // namespace Demo
