// SPDX-License-Identifier: Apache-2.0
//
// A server and a client, each a thread of its own, that talk over TCP: a line is a question, "ID TEXT", and a line with the
// same ID is its answer. Answers come in any order; a registry of requests gives each to the one who asked.
#include "lines.h"
#include "server.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QScopeGuard>
#include <QtCore/QStringList>
#include <QtNetwork/QHostAddress>
#include <QtNetwork/QTcpSocket>

#include <cstdio>
#include <exception>
#include <functional>
#include <mutex>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

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
        // The parts of whenAny() begin with the next turn, so the one that causes the signals comes last.
        const auto connect = [&]() -> Task<> {
            socket.connectToHost(QHostAddress::LocalHost, m_port);
            co_await nextSignal(&socket, &QTcpSocket::connected);
        };
        auto failed = nextSignal(&socket, &QTcpSocket::errorOccurred);
        const auto first = co_await whenAny(failed, connect());
        if (first.index == 0)
            throw Error(QStringLiteral("no connection: ") + socket.errorString());
        m_socket = &socket;
        // However this ends: who still waits for an answer hears why, and nobody writes to a socket that is gone.
        [[maybe_unused]] const auto atEnd = qScopeGuard([this] {
            m_socket = nullptr;
            m_answers.close(std::make_exception_ptr(BrokenResourceError(QStringLiteral("the server has gone"))));
        });
        started();
        const Lines::Limits limits; // the server is a stranger as well
        socket.setReadBufferSize(limits.longestLine);
        const std::function<bool()> always = [] { return true; };
        while (const auto line = co_await Lines::nextLine(socket, limits, always)) {
            const qsizetype space = line->indexOf(' ');
            m_answers.resolve(line->left(space).toInt(), QString::fromUtf8(line->mid(space + 1)));
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
