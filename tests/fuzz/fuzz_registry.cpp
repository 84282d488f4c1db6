// SPDX-License-Identifier: Apache-2.0
#include "fuzzing.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/taskgroup.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace QMicroIO;
using namespace Fuzzing;

namespace {

using Registry = RequestRegistry<int, int>;
using Handle = ReplyHandle<int, int>;

enum class State { Pending, Answered, Failed, Closed, Forgotten, Lost, Gone };

// One registration, as the model sees it.
struct Request
{
    int key = 0;
    State state = State::Pending;
    int value = 0;
    std::vector<Handle> handles; // the real ones
    bool isAwaited = false; // a task waits, or is about to
    bool isTaken = false; // the outcome was taken, or nobody can get it any more
    bool isCancelled = false;
    std::optional<CancelScope> scope;
};

class Program
{
public:
    Task<> run(Bytes &bytes, TaskGroup &group)
    {
        while (!bytes.isEmpty()) {
            const unsigned operation = bytes.below(14);
            const int key = int(bytes.below(Keys));
            switch (operation) {
            case 0:
            case 1:
                registerRequest(key);
                break;
            case 2:
                answer(key);
                break;
            case 3:
                trace(QStringLiteral("fail key %1").arg(key));
                require(m_registry->fail(key, error()) == ends(pending(key), State::Failed),
                        QStringLiteral("what fail() of a key answers"));
                break;
            case 4:
                answerByHandle(bytes);
                break;
            case 5:
                forget(bytes);
                break;
            case 6:
                copyOrDrop(bytes);
                break;
            case 7:
                startWait(group, bytes);
                co_await settle(); // so that it waits, or is over
                break;
            case 8:
                cancelWait(bytes);
                break;
            case 9:
                waitBlocking(bytes);
                break;
            case 10:
                failAll(bytes.below(8));
                break;
            case 11:
                close(bytes.below(16));
                break;
            case 12:
                co_await settle();
                break;
            default:
                check();
            }
        }
        check();
        trace(QStringLiteral("the end"));
        m_registry.reset();
        endAll(State::Closed);
        co_await settle();
        for (const auto &request : m_requests)
            require(!request->isAwaited, QStringLiteral("nobody waits any more"));
    }

private:
    static constexpr int Keys = 4;

    static std::exception_ptr error() { return std::make_exception_ptr(std::domain_error("failed")); }
    Request *pending(int key)
    {
        const auto found = std::find_if(m_requests.begin(), m_requests.end(), [&](const auto &request) {
            return request->key == key && request->state == State::Pending;
        });
        return found == m_requests.end() ? nullptr : found->get();
    }
    // Any registration that has a handle.
    Request *any(Bytes &bytes)
    {
        if (m_requests.empty())
            return nullptr;
        Request *request = m_requests[bytes.next() % m_requests.size()].get();
        return request->handles.empty() ? nullptr : request;
    }
    static bool ends(Request *request, State how, int value = 0)
    {
        if (!request || request->state != State::Pending)
            return false;
        request->state = how;
        request->value = value;
        return true;
    }
    int endAll(State how)
    {
        int count = 0;
        for (const auto &request : m_requests)
            count += ends(request.get(), how) ? 1 : 0;
        return count;
    }
    void registerRequest(int key)
    {
        trace(QStringLiteral("register %1").arg(key));
        try {
            Handle handle = m_registry->registerRequest(key);
            require(!m_isClosed && !pending(key), QStringLiteral("the key is free"));
            require(handle.key() == key, QStringLiteral("the handle's key"));
            auto request = std::make_unique<Request>();
            request->key = key;
            request->handles.push_back(std::move(handle));
            m_requests.push_back(std::move(request));
        } catch (const DuplicateRequestError &) {
            require(!m_isClosed && pending(key), QStringLiteral("the key is taken"));
        } catch (const ClosedResourceError &) {
            require(m_isClosed && !m_isFailed, QStringLiteral("the registry is closed"));
        } catch (const BrokenResourceError &) {
            require(m_isFailed, QStringLiteral("the registry was closed by a failure"));
        }
    }
    void answer(int key)
    {
        const int value = ++m_last;
        trace(QStringLiteral("resolve key %1 with %2").arg(key).arg(value));
        const bool accepted = m_registry->resolve(key, value);
        require(accepted == ends(pending(key), State::Answered, value),
                QStringLiteral("what resolve() of a key answers"));
    }
    void answerByHandle(Bytes &bytes)
    {
        Request *request = any(bytes);
        if (!request)
            return;
        const bool fails = bytes.below(2) == 0;
        const int value = ++m_last;
        trace(QStringLiteral("%1 by a handle of %2")
                  .arg(fails ? QStringLiteral("fail") : QStringLiteral("resolve"))
                  .arg(request->key));
        const bool accepted = fails ? request->handles.back().fail(error()) : request->handles.back().resolve(value);
        require(accepted == ends(request, fails ? State::Failed : State::Answered, value),
                QStringLiteral("what a handle answers"));
    }
    void forget(Bytes &bytes)
    {
        if (Request *request = any(bytes)) {
            trace(QStringLiteral("forget %1").arg(request->key));
            request->handles.back().forget();
            ends(request, State::Forgotten);
        }
    }
    void copyOrDrop(Bytes &bytes)
    {
        Request *request = any(bytes);
        if (!request)
            return;
        if (bytes.below(2) == 0) {
            const Handle copy = request->handles.back();
            request->handles.push_back(copy);
            return;
        }
        trace(QStringLiteral("drop a handle of %1").arg(request->key));
        request->handles.pop_back();
        if (request->handles.empty())
            ends(request, State::Lost);
    }
    void startWait(TaskGroup &group, Bytes &bytes)
    {
        Request *request = any(bytes);
        if (!request || request->isAwaited)
            return;
        trace(QStringLiteral("await %1").arg(request->key));
        request->isAwaited = true;
        request->isCancelled = false;
        request->scope.emplace();
        group.startSoon(&Program::waitFor, this, request, request->handles.back().reply());
    }
    Task<> waitFor(Request *request, Task<int> reply)
    {
        const auto region = [&]() -> Task<> {
            try {
                const int value = co_await std::move(reply);
                tookOutcome(*request, State::Answered);
                require(value == request->value, QStringLiteral("the value"));
            } catch (const std::domain_error &) {
                tookOutcome(*request, State::Failed);
            } catch (const BrokenResourceError &) {
                tookOutcome(*request, State::Lost);
            } catch (const ClosedResourceError &) {
                require(request->state == State::Closed || request->state == State::Forgotten,
                        QStringLiteral("closed or forgotten"));
                tookOutcome(*request, request->state);
            } catch (const LogicError &) {
                require(request->isTaken, QStringLiteral("the outcome was taken before"));
            }
        };
        const bool ranToItsEnd = co_await request->scope->run(region);
        require(ranToItsEnd || request->isCancelled, QStringLiteral("only what was asked to is cancelled"));
        request->isAwaited = false;
    }
    static void tookOutcome(Request &request, State how)
    {
        trace(QStringLiteral("    the outcome of %1").arg(request.key));
        require(request.state == how, QStringLiteral("which outcome it is"));
        require(!request.isTaken, QStringLiteral("an outcome is taken once"));
        request.isTaken = true;
    }
    void cancelWait(Bytes &bytes)
    {
        if (m_requests.empty())
            return;
        Request *request = m_requests[bytes.next() % m_requests.size()].get();
        if (!request->isAwaited || request->isCancelled)
            return;
        trace(QStringLiteral("cancel the wait for %1").arg(request->key));
        request->isCancelled = true;
        if (ends(request, State::Gone)) // an outcome that is on its way is delivered
            request->isTaken = true;
        request->scope->cancel();
    }
    void waitBlocking(Bytes &bytes)
    {
        Request *request = any(bytes);
        if (!request || request->isAwaited)
            return;
        trace(QStringLiteral("wait for %1").arg(request->key));
        try {
            const int value = request->handles.back().wait(QDeadlineTimer(0));
            tookOutcome(*request, State::Answered);
            require(value == request->value, QStringLiteral("the value"));
        } catch (const std::domain_error &) {
            tookOutcome(*request, State::Failed);
        } catch (const TimeoutError &) {
            require(ends(request, State::Gone), QStringLiteral("only a pending request times out"));
            request->isTaken = true;
        } catch (const BrokenResourceError &) {
            tookOutcome(*request, State::Lost);
        } catch (const ClosedResourceError &) {
            require(request->state == State::Closed || request->state == State::Forgotten,
                    QStringLiteral("closed or forgotten"));
            tookOutcome(*request, request->state);
        } catch (const LogicError &) {
            require(request->isTaken, QStringLiteral("the outcome was taken before"));
        }
    }
    void failAll(unsigned how)
    {
        if (how > 1)
            return;
        trace(QStringLiteral("fail all"));
        const int count = m_registry->failAll(error());
        require(count == endAll(State::Failed), QStringLiteral("how many were failed"));
    }
    void close(unsigned how)
    {
        if (how > 1)
            return;
        trace(QStringLiteral("close"));
        const int count = how ? m_registry->close(error()) : m_registry->close();
        require(count == endAll(how ? State::Failed : State::Closed), QStringLiteral("how many were closed"));
        m_isFailed = m_isFailed || (!m_isClosed && how == 1);
        m_isClosed = true;
    }
    void check()
    {
        std::array<bool, Keys> wanted{};
        for (const auto &request : m_requests) {
            if (request->state == State::Pending)
                wanted[std::size_t(request->key)] = true;
        }
        require(m_registry->size() == std::count(wanted.begin(), wanted.end(), true), QStringLiteral("the size"));
        QList<int> keys = m_registry->pending();
        std::sort(keys.begin(), keys.end());
        QList<int> wantedKeys;
        for (int key = 0; key < Keys; ++key) {
            require(m_registry->contains(key) == wanted[std::size_t(key)], QStringLiteral("contains()"));
            if (wanted[std::size_t(key)])
                wantedKeys += key;
        }
        require(keys == wantedKeys, QStringLiteral("the pending keys"));
    }

    std::optional<Registry> m_registry{std::in_place};
    std::vector<std::unique_ptr<Request>> m_requests;
    bool m_isClosed = false;
    bool m_isFailed = false; // closed by a failure
    int m_last = 0;
};

} // namespace

Task<> fuzzOne(Bytes &bytes)
{
    Program program;
    const auto body = [&](TaskGroup &group) -> Task<> { co_await program.run(bytes, group); };
    co_await withTaskGroup(body);
}
