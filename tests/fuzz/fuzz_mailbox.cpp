// SPDX-License-Identifier: Apache-2.0
#include "fuzzing.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/mailbox.h>
#include <qmicroio/taskgroup.h>

#include <deque>
#include <optional>
#include <stdexcept>

using namespace QMicroIO;
using namespace Fuzzing;

namespace {

enum class End { Open, Closed, Failed };

// A mailbox whose gets may stand at any step when something else happens. The model holds what was accepted and has not come
// out yet: whatever comes out, by a get or a drain, has to be its front.
class Program
{
public:
    Task<> run(Bytes &bytes, TaskGroup &group)
    {
        while (!bytes.isEmpty()) {
            switch (bytes.below(9)) {
            case 0:
            case 1:
                submit();
                break;
            case 2:
                startGet(group, bytes.below(2) == 0);
                break;
            case 3:
                cancelGet();
                break;
            case 4:
                drain(int(bytes.below(5)) - 1);
                break;
            case 5:
                end(bytes.below(8));
                break;
            case 6:
                trace(QStringLiteral("one turn"));
                co_await checkpoint();
                break;
            case 7:
                co_await settle();
                checkSettled();
                break;
            default:
                checkStats();
            }
        }
        co_await settle();
        checkSettled();
        drain(-1);
        require(m_model.empty(), QStringLiteral("the last drain gives what is left"));
        cancelGet();
        co_await settle();
        require(!m_isGetting, QStringLiteral("a cancelled get ends"));
        checkStats();
    }

private:
    void submit()
    {
        const int item = ++m_last;
        trace(QStringLiteral("submit %1").arg(item));
        const bool accepted = m_mailbox.submit(item);
        require(accepted == (m_end == End::Open), QStringLiteral("what submit() answers"));
        if (accepted) {
            m_model.push_back(item);
            ++m_sent;
        } else {
            ++m_dropped;
        }
    }
    void cameOut(int item)
    {
        trace(QStringLiteral("    %1 comes out").arg(item));
        require(!m_model.empty() && m_model.front() == item, QStringLiteral("%1 is the next item").arg(item));
        m_model.pop_front();
        ++m_received;
    }
    void cameToTheEnd(End end)
    {
        trace(QStringLiteral("    the end comes out"));
        require(m_model.empty(), QStringLiteral("the end comes after the items"));
        require(m_end == end, QStringLiteral("which end it is"));
    }
    void startGet(TaskGroup &group, bool byNext)
    {
        if (m_isGetting) {
            group.startSoon(&Program::getTooMany, this);
            return;
        }
        trace(byNext ? QStringLiteral("next") : QStringLiteral("get"));
        m_isGetting = true;
        m_scope.emplace();
        m_isCancelled = false;
        group.startSoon(&Program::get, this, byNext);
    }
    Task<> get(bool byNext)
    {
        const auto region = [&]() -> Task<> {
            try {
                if (byNext) {
                    const std::optional<int> item = co_await m_mailbox.next();
                    if (item)
                        cameOut(*item);
                    else
                        cameToTheEnd(End::Closed);
                } else {
                    cameOut(co_await m_mailbox.get());
                }
            } catch (const EndOfStream &) {
                cameToTheEnd(End::Closed);
            } catch (const std::domain_error &) {
                cameToTheEnd(End::Failed);
            }
        };
        const bool ranToItsEnd = co_await m_scope->run(region);
        require(ranToItsEnd || m_isCancelled, QStringLiteral("only what was asked to is cancelled"));
        m_isGetting = false;
    }
    Task<> getTooMany()
    {
        // Whether the other one still waits when this one begins is a matter of turns; it must not take its place.
        const bool isGetting = m_isGetting && !m_isCancelled;
        try {
            const auto region = [&]() -> Task<> { cameOut(co_await m_mailbox.get()); };
            CancelScope scope;
            scope.setTimeout(std::chrono::seconds(0));
            co_await scope.run(region);
        } catch (const BusyResourceError &) {
            require(isGetting, QStringLiteral("the mailbox is free"));
        } catch (const EndOfStream &) {
            cameToTheEnd(End::Closed);
        } catch (const std::domain_error &) {
            cameToTheEnd(End::Failed);
        }
    }
    void cancelGet()
    {
        if (!m_isGetting)
            return;
        trace(QStringLiteral("cancel"));
        m_isCancelled = true;
        m_scope->cancel();
    }
    void drain(int most)
    {
        trace(QStringLiteral("drain %1").arg(most));
        const std::size_t before = m_model.size();
        const std::vector<int> items = m_mailbox.drainNowait(most);
        for (const int item : items)
            cameOut(item);
        require(most < 0 || items.size() <= std::size_t(most), QStringLiteral("a drain honours its maximum"));
        if (!m_isGetting) {
            const std::size_t wanted = most < 0 ? before : std::min(before, std::size_t(most));
            require(items.size() == wanted, QStringLiteral("a drain takes what is there"));
        }
    }
    void end(unsigned how)
    {
        if (how > 1)
            return; // seldom, or most programs are over at once
        trace(how ? QStringLiteral("fail") : QStringLiteral("close"));
        const bool first =
            how ? m_mailbox.fail(std::make_exception_ptr(std::domain_error("failed"))) : m_mailbox.close();
        require(first == (m_end == End::Open), QStringLiteral("the first end counts"));
        if (first)
            m_end = how ? End::Failed : End::Closed;
    }
    void checkSettled()
    {
        if (m_isGetting)
            require(m_model.empty() && m_end == End::Open, QStringLiteral("a get waits only for what is not there"));
        checkStats();
    }
    void checkStats()
    {
        const MailboxStats stats = m_mailbox.stats();
        require(stats.sent == m_sent, QStringLiteral("sent"));
        require(stats.dropped == m_dropped, QStringLiteral("dropped"));
        require(stats.received == m_received, QStringLiteral("received"));
        require(stats.queued == qsizetype(m_model.size()), QStringLiteral("queued"));
        require(stats.closed == (m_end != End::Open), QStringLiteral("closed"));
    }

    Mailbox<int> m_mailbox;
    std::deque<int> m_model;
    End m_end = End::Open;
    int m_last = 0;
    quint64 m_sent = 0;
    quint64 m_dropped = 0;
    quint64 m_received = 0;
    bool m_isGetting = false;
    bool m_isCancelled = false;
    std::optional<CancelScope> m_scope;
};

} // namespace

Task<> fuzzOne(Bytes &bytes)
{
    Program program;
    const auto body = [&](TaskGroup &group) -> Task<> { co_await program.run(bytes, group); };
    co_await withTaskGroup(body);
}
