// SPDX-License-Identifier: Apache-2.0
//
// Broadcast channels against a model: one list of items, and a position in it for each subscriber.
#include "fuzzing.h"

#include <qmicroio/channelbroadcast.h>

#include <memory>
#include <stdexcept>
#include <vector>

using namespace QMicroIO;
using Fuzzing::Bytes;
using Fuzzing::require;
using Fuzzing::trace;

namespace {

constexpr std::size_t MostSubscribers = 4;

template<class T>
T itemOf(int number)
{
    if constexpr (std::is_same_v<T, QString>)
        return QString::number(number);
    else
        return number;
}

template<class T>
struct Subscriber
{
    std::unique_ptr<BroadcastReceiver<T>> real; // empty: gone
    std::size_t next; // of the model's list
    std::size_t missed = 0;
    bool closed = false;
    std::size_t end = std::size_t(-1); // once closed, nothing from here on
};

template<class T>
class Run
{
public:
    Run(Bytes &bytes, qsizetype backlog)
        : m_bytes(bytes)
        , m_backlog(std::size_t(backlog))
        , m_sender(createBroadcast<T>({QStringLiteral("fuzz"), LateSend::Drop, backlog}))
    {
    }
    ~Run() { m_sender.close(); }
    Run(const Run &) = delete;
    Run &operator=(const Run &) = delete;

    Task<> operator()()
    {
        while (!m_bytes.isEmpty()) {
            const unsigned operation = m_bytes.below(8);
            trace(QStringLiteral("operation %1").arg(operation));
            co_await step(operation);
        }
    }

private:
    Task<> step(unsigned operation)
    {
        if (operation < 3) {
            require(m_sender.sendNowait(itemOf<T>(int(m_items))) == m_open, QStringLiteral("send"));
            m_items += m_open ? 1 : 0;
        } else if (operation == 3 && m_subscribers.size() < MostSubscribers) {
            auto receiver = std::make_unique<BroadcastReceiver<T>>(m_sender.subscribe());
            m_subscribers.push_back({std::move(receiver), m_items});
        } else if (operation == 7) {
            if (m_bytes.below(8) == 0) {
                require(m_sender.close() == m_open, QStringLiteral("close"));
                m_open = false;
            } else if (!m_subscribers.empty()) {
                Subscriber<T> &who = m_subscribers[m_bytes.below(unsigned(m_subscribers.size()))];
                if (m_bytes.below(2) == 0) {
                    who.real.reset();
                } else if (who.real) {
                    require(who.real->close() == (m_open && !who.closed), QStringLiteral("close of a subscriber"));
                    if (!who.closed && m_open)
                        who.end = m_items;
                    who.closed = true;
                }
            }
        } else if (!m_subscribers.empty()) {
            Subscriber<T> &who = m_subscribers[m_bytes.below(unsigned(m_subscribers.size()))];
            if (who.real)
                co_await receive(who, operation);
        }
        std::size_t open = 0;
        for (const Subscriber<T> &who : m_subscribers) {
            if (who.real)
                require(who.real->stats().queued == qsizetype(queued(who)), QStringLiteral("queued"));
            open += who.real && !who.closed ? 1 : 0;
        }
        const BroadcastStats stats = m_sender.stats();
        require(stats.sent == m_items && stats.closed == !m_open, QStringLiteral("numbers"));
        require(!m_open || stats.subscribers == qsizetype(open), QStringLiteral("subscribers"));
    }

    std::size_t end(const Subscriber<T> &who) const { return std::min(who.end, m_items); }
    std::size_t queued(const Subscriber<T> &who) const { return std::min(end(who) - who.next, m_backlog); }

    void expect(Subscriber<T> &who, const Broadcasted<T> &got)
    {
        const std::size_t first = end(who) - queued(who);
        require(got.value == itemOf<T>(int(first)), QStringLiteral("the item"));
        require(got.missed == first - who.next, QStringLiteral("how many were missed"));
        who.next = first + 1;
    }
    Task<> receive(Subscriber<T> &who, unsigned operation)
    {
        const std::size_t there = queued(who);
        if (operation == 4) {
            const std::vector<Broadcasted<T>> items = who.real->drainNowait();
            require(items.size() == there, QStringLiteral("how many were drained"));
            for (const Broadcasted<T> &item : items)
                expect(who, item);
        } else if (there > 0) {
            if (operation == 5) {
                expect(who, who.real->receiveNowait());
            } else {
                const Broadcasted<T> item = co_await who.real->receive();
                expect(who, item);
            }
        } else if (!m_open || who.closed) {
            require(!(co_await who.real->next()), QStringLiteral("an item after the end"));
        }
    }

    Bytes &m_bytes;
    const std::size_t m_backlog;
    BroadcastSender<T> m_sender;
    std::vector<Subscriber<T>> m_subscribers;
    std::size_t m_items = 0;
    bool m_open = true;
};

} // namespace

Task<> fuzzOne(Bytes &bytes)
{
    const qsizetype backlog = 1 + qsizetype(bytes.below(4));
    if (bytes.below(2) == 0) {
        Run<int> plain(bytes, backlog);
        co_await plain();
    } else {
        Run<QString> shared(bytes, backlog);
        co_await shared();
    }
}
