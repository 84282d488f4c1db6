// SPDX-License-Identifier: Apache-2.0
#include "fuzzing.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/mailbox.h>
#include <qmicroio/taskgroup.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace QMicroIO;
using namespace Fuzzing;

namespace {

enum class End { Open, Closed, Failed };

struct Item
{
    int level;
    int number;
    bool operator==(const Item &) const = default;
};

struct LevelOf
{
    int operator()(const Item &item) const { return item.level; }
};

// The model keeps the items in a plain list and looks for the one that comes next. What a get does it does when the program
// settles; a cancellation, a drain or a floor of before comes before it.
class Program
{
public:
    Task<> run(Bytes &bytes, TaskGroup &group)
    {
        while (!bytes.isEmpty()) {
            switch (bytes.below(9)) {
            case 0:
            case 1:
                submit(int(bytes.below(4)));
                break;
            case 2:
                startGet(group);
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
                setFloor(int(bytes.below(6)) - 1);
                break;
            case 7:
                co_await settleBoth();
                break;
            default:
                checkStats();
            }
        }
        cancelGet();
        co_await settleBoth();
        drain(-1);
        require(m_sorted.empty() && m_arrived.empty(), QStringLiteral("the last drain gives what is left"));
        require(m_seen == m_accepted, QStringLiteral("the gate has seen each item once, in the order of arrival"));
        checkStats();
    }

private:
    struct Gate
    {
        Program *program;
        bool operator()(const Item &item) const
        {
            program->m_seen.push_back(item);
            return passes(item);
        }
    };
    static bool passes(const Item &item) { return item.number % 5 != 0; }

    void submit(int level)
    {
        const Item item{level, ++m_last};
        trace(QStringLiteral("submit %1 at level %2").arg(item.number).arg(level));
        const bool accepted = m_mailbox.submit(item);
        require(accepted == (m_end == End::Open), QStringLiteral("what submit() answers"));
        if (accepted) {
            m_accepted.push_back(item);
            m_arrived.push_back(item);
        } else {
            ++m_dropped;
        }
    }
    void sortModel()
    {
        for (; !m_arrived.empty(); m_arrived.pop_front()) {
            if (passes(m_arrived.front()))
                m_sorted.push_back(m_arrived.front());
            else
                ++m_consumed;
        }
    }
    bool isTakeable() const
    {
        return std::any_of(m_sorted.begin(), m_sorted.end(),
                           [this](const Item &item) { return !m_floor || item.level > *m_floor; });
    }
    std::optional<Item> takeFromModel(bool overFloor)
    {
        const auto first = std::max_element(m_sorted.begin(), m_sorted.end(), [](const Item &a, const Item &b) {
            return a.level < b.level || (a.level == b.level && a.number > b.number);
        });
        if (first == m_sorted.end() || (overFloor && m_floor && first->level <= *m_floor))
            return std::nullopt;
        const Item item = *first;
        m_sorted.erase(first);
        ++m_taken;
        return item;
    }
    void startGet(TaskGroup &group)
    {
        if (m_isGetting)
            return;
        trace(QStringLiteral("get"));
        m_isGetting = true;
        m_isCancelled = false;
        m_got.reset();
        m_sawEnd = End::Open;
        m_scope.emplace();
        group.startSoon(&Program::get, this);
    }
    Task<> get()
    {
        const auto region = [&]() -> Task<> {
            try {
                m_got = co_await m_mailbox.get();
            } catch (const EndOfStream &) {
                m_sawEnd = End::Closed;
            } catch (const std::domain_error &) {
                m_sawEnd = End::Failed;
            }
        };
        const bool ranToItsEnd = co_await m_scope->run(region);
        require(ranToItsEnd != m_isCancelled, QStringLiteral("what was asked to is cancelled, and nothing else"));
        m_isGetting = false;
    }
    void cancelGet()
    {
        if (!m_isGetting)
            return;
        trace(QStringLiteral("cancel"));
        m_isCancelled = true;
        m_isParked = false;
        m_scope->cancel();
    }
    Task<> settleBoth()
    {
        trace(QStringLiteral("settle"));
        std::optional<Item> wanted;
        const bool gets = m_isGetting && !m_isCancelled;
        if (gets) {
            sortModel();
            wanted = takeFromModel(true);
        }
        co_await settle();
        require(m_got == wanted, QStringLiteral("what the get gives"));
        m_got.reset();
        const End wantedEnd = gets && !wanted ? m_end : End::Open;
        require(m_sawEnd == wantedEnd, QStringLiteral("how the get ends"));
        m_sawEnd = End::Open;
        require(m_isGetting == (gets && !wanted && m_end == End::Open), QStringLiteral("whether the get waits"));
        m_isParked = m_isGetting;
        checkStats();
    }
    void drain(int most)
    {
        trace(QStringLiteral("drain %1").arg(most));
        sortModel();
        const std::vector<Item> items = m_mailbox.drainNowait(most);
        if (m_isParked && isTakeable()) {
            require(items.empty(), QStringLiteral("a drain leaves a get its item"));
            return;
        }
        for (const Item &item : items) {
            require(item == takeFromModel(false), QStringLiteral("%1 is the next item").arg(item.number));
            --most;
        }
        require(most == 0 || m_sorted.empty(), QStringLiteral("a drain takes what is there, up to its maximum"));
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
    void setFloor(int level)
    {
        trace(QStringLiteral("floor %1").arg(level));
        m_floor = level < 0 ? std::nullopt : std::optional(level);
        m_mailbox.setFloor(m_floor);
        require(m_mailbox.floor() == m_floor, QStringLiteral("the floor is what was set"));
    }
    void checkStats()
    {
        const MailboxStats stats = m_mailbox.stats();
        require(stats.sent == m_accepted.size(), QStringLiteral("sent"));
        require(stats.dropped == m_dropped, QStringLiteral("dropped"));
        require(stats.consumed == m_consumed, QStringLiteral("consumed"));
        require(stats.received == m_taken + m_consumed, QStringLiteral("received"));
        require(stats.queued == qsizetype(m_sorted.size() + m_arrived.size()), QStringLiteral("queued"));
        require(stats.closed == (m_end != End::Open), QStringLiteral("closed"));
    }

    PriorityMailbox<Item, LevelOf, Gate> m_mailbox{LevelOf(), Gate{this}};
    std::deque<Item> m_arrived;
    std::vector<Item> m_sorted;
    std::vector<Item> m_accepted;
    std::vector<Item> m_seen;
    std::optional<int> m_floor;
    End m_end = End::Open;
    int m_last = 0;
    quint64 m_dropped = 0;
    quint64 m_consumed = 0;
    quint64 m_taken = 0;
    bool m_isGetting = false;
    bool m_isParked = false; // a get that has begun and waits
    bool m_isCancelled = false;
    std::optional<Item> m_got;
    End m_sawEnd = End::Open;
    std::optional<CancelScope> m_scope;
};

} // namespace

Task<> fuzzOne(Bytes &bytes)
{
    Program program;
    const auto body = [&](TaskGroup &group) -> Task<> { co_await program.run(bytes, group); };
    co_await withTaskGroup(body);
}
