// SPDX-License-Identifier: Apache-2.0
//
// A server with one number, in a thread of its own. Requests reach it through a channel, answers come back through a
// request registry, and its close scope says whether it has ended.
#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QScopeGuard>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

struct Request
{
    quint64 id = 0;
    QString operation;
    int value = 0;
};

class CounterServer : public LoopServiceThread
{
public:
    CounterServer()
        : LoopServiceThread(QStringLiteral("counter"))
    {
    }
    ~CounterServer() override
    {
        // Here, not in the base class: serve() uses the members below, which are gone by then.
        stop();
        join();
    }

    // Any thread. Blocks until the server has answered; throws what the server answered with, or why there is none.
    int request(const QString &operation, int value = 0)
    {
        const quint64 id = ++m_lastId;
        const auto send = [&] { m_requests.sender.sendNowait(Request{id, operation, value}); };
        return m_replies.request(id, [&](auto &) { send(); }, 5s);
    }
    // The server's own thread: through callSync().
    int total() const { return m_total; }

protected:
    Task<> runAsync() override
    {
        // stop() ends the wait for requests with Cancelled. Whoever waits for an answer then must hear of it.
        const auto atEnd = qScopeGuard([this] {
            m_requests.receiver.close();
            m_replies.close();
        });
        m_requests.receiver.bind(); // from now on requests have somewhere to go
        started();
        while (const auto request = co_await m_requests.receiver.next())
            answer(*request);
    }

private:
    void answer(const Request &request)
    {
        if (request.operation == QLatin1String("add")) {
            m_total += request.value;
        } else if (request.operation != QLatin1String("get")) {
            // Only this request fails; the server goes on.
            m_replies.fail(request.id,
                           std::make_exception_ptr(Error(QStringLiteral("unknown operation: ") + request.operation)));
            return;
        }
        m_replies.resolve(request.id, m_total);
    }

    Channel<Request> m_requests = createChannel<Request>();
    RequestRegistry<quint64, int> m_replies;
    std::atomic<quint64> m_lastId{0};
    int m_total = 0; // only the server's thread touches it
};

const char *yesOrNo(bool value)
{
    return value ? "true" : "false";
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);

    std::puts("starting server");
    CounterServer server;
    server.start();
    server.waitStarted();

    std::printf("add 3 -> %d\n", server.request(QStringLiteral("add"), 3));
    std::printf("add 7 -> %d\n", server.request(QStringLiteral("add"), 7));
    std::printf("get -> %d\n", server.request(QStringLiteral("get")));
    std::printf("loop-thread peek -> %d\n", server.callSync([&] { return server.total(); }));
    try {
        server.request(QStringLiteral("missing"));
    } catch (const Error &error) {
        std::printf("bad request -> %s\n", error.what());
    }

    server.stop();
    std::printf("closed scope -> %s\n", yesOrNo(server.scope().isClosed()));
    std::printf("joined -> %s\n", yesOrNo(server.join(5s)));
}
