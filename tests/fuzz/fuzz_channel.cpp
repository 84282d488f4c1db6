// SPDX-License-Identifier: Apache-2.0
//
// Channels of every kind with one receiver or several, against a model without tasks, locks or threads.
#include "fuzzing.h"

#include <qmicroio/channelwork.h>
#include <qmicroio/taskgroup.h>

#include <QtCore/QPointer>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace QMicroIO;
using Fuzzing::Bytes;
using Fuzzing::require;
using Fuzzing::settle;
using Fuzzing::trace;

namespace {

enum class Outcome {
    Pending,
    Item,
    Sent,
    Dropped,
    End,
    Failed,
    Closed,
    Broken,
    WouldBlock,
    Busy,
    Cancelled,
    TimedOut,
    Misuse
};

QString nameOf(Outcome outcome)
{
    static const char *const names[] = {"pending", "item",        "sent", "dropped",   "end",       "failed", "closed",
                                        "broken",  "would block", "busy", "cancelled", "timed out", "misuse"};
    return QString::fromLatin1(names[int(outcome)]);
}

struct Result
{
    Outcome outcome = Outcome::Pending;
    int value = 0;
    bool operator==(const Result &) const = default;
};

QString textOf(const Result &result)
{
    return QStringLiteral("%1 %2").arg(nameOf(result.outcome)).arg(result.value);
}

// What an operation of the real channel did.
template<class F>
Result resultOf(F &&operation)
{
    try {
        return operation();
    } catch (const EndOfStream &) {
        return {Outcome::End};
    } catch (const WouldBlock &) {
        return {Outcome::WouldBlock};
    } catch (const BusyResourceError &) {
        return {Outcome::Busy};
    } catch (const TimeoutError &) {
        return {Outcome::TimedOut};
    } catch (const LogicError &) {
        return {Outcome::Misuse};
    } catch (const BrokenResourceError &) {
        return {Outcome::Broken};
    } catch (const ClosedResourceError &) {
        return {Outcome::Closed};
    } catch (const std::out_of_range &) {
        return {Outcome::Failed};
    }
}

constexpr std::size_t MostEnds = 3;
constexpr std::size_t Slots = 4;
// Below the number after which a receive lets others run when it took long, which a model cannot know.
constexpr int MostReceives = 60;

// ---------------------------------------------------------------------------------------------------------------------

class Model
{
public:
    Model(qsizetype capacity, Overflow overflow, LateSend late, bool work)
        : m_capacity(capacity)
        , m_overflow(overflow)
        , m_late(late)
        , m_work(work)
        , senders(1)
        , receivers(1)
    {
    }

    struct End
    {
        bool there = true;
        bool closed = false;
        bool counted = true;
        bool bound = false;
    };

private:
    const qsizetype m_capacity; // negative: none
    const Overflow m_overflow;
    const LateSend m_late;
    const bool m_work;

public:
    std::vector<End> senders;
    std::vector<End> receivers;
    std::array<std::optional<Result>, Slots> sends; // empty: no task
    std::array<std::optional<Result>, Slots> receives;

    Result sendNowait(std::size_t end, int value)
    {
        const Result result = trySend(end, value);
        return result.outcome == Outcome::Pending ? Result{Outcome::WouldBlock} : result;
    }
    Result sendBlocking(std::size_t end, int value)
    {
        const Result result = trySend(end, value);
        if (result.outcome != Outcome::Pending)
            return result;
        bool allBound = false;
        for (const End &receiver : receivers) {
            if (receiver.there && (!m_work || !receiver.closed)) {
                allBound = receiver.bound;
                if (!allBound)
                    break;
            }
        }
        return {allBound ? Outcome::Misuse : Outcome::TimedOut};
    }
    void startSend(std::size_t slot, std::size_t end, int value)
    {
        sends[slot] = trySend(end, value);
        if (sends[slot]->outcome == Outcome::Pending)
            m_parkedSends.push_back({slot, end, value});
    }
    void startReceive(std::size_t slot, std::size_t end)
    {
        receives[slot] = Result();
        receivers[end].bound = true;
        if (m_work && receivers[end].closed) {
            receives[slot] = Result{Outcome::Closed};
            return;
        }
        if (!m_work && (!m_parkedReceives.empty() || !m_woken.empty())) {
            receives[slot] = Result{Outcome::Busy};
            return;
        }
        if (available() > 0)
            take(slot);
        else if (isExhausted())
            receives[slot] = ending();
        else
            m_parkedReceives.push_back({slot, end});
    }
    Result receiveNowait(std::size_t end)
    {
        if (m_work && receivers[end].closed)
            return {Outcome::Closed};
        if (!m_work && (!m_parkedReceives.empty() || !m_woken.empty()))
            return {Outcome::WouldBlock};
        if (available() > 0) {
            const Result result{Outcome::Item, takeFront()};
            return result;
        }
        if (!isExhausted())
            return {Outcome::WouldBlock};
        if (!m_work && !m_failed && m_endedByReceiver)
            return {Outcome::Closed};
        return ending();
    }
    std::vector<int> drain(std::size_t end, std::size_t most)
    {
        std::vector<int> items;
        if (m_work ? receivers[end].closed : !m_woken.empty())
            return items;
        const std::size_t there = m_queue.size() + m_parkedSends.size();
        while (items.size() < std::min(most, there) && available() > 0)
            items.push_back(takeFront());
        return items;
    }
    void cancelSend(std::size_t slot)
    {
        if (std::erase_if(m_parkedSends, [&](const Send &send) { return send.slot == slot; }) > 0)
            sends[slot] = Result{Outcome::Cancelled};
    }
    void cancelReceive(std::size_t slot)
    {
        if (std::erase_if(m_parkedReceives, [&](const Receive &receive) { return receive.slot == slot; }) > 0)
            receives[slot] = Result{Outcome::Cancelled};
    }
    // Everyone who was woken goes on.
    void settleAll()
    {
        for (const Send &send : std::exchange(m_refused, {}))
            sends[send.slot] = refuse(send.end);
        while (!m_woken.empty()) {
            const Woken woken = m_woken.front();
            m_woken.pop_front();
            if (woken.owns) {
                --m_reserved;
                take(woken.slot);
            } else if (m_work && receivers[woken.end].closed) {
                receives[woken.slot] = Result{Outcome::Closed};
            } else {
                receives[woken.slot] = m_work || available() == 0 ? ending() : Result{Outcome::Item, takeFront()};
            }
        }
    }

    bool closeSender(std::size_t index)
    {
        End &end = senders[index];
        leave(end);
        if (end.closed || !m_open)
            return false;
        end.closed = true;
        if (m_openSenders == 0) {
            finish(false, false);
        } else {
            std::deque<Send> kept;
            for (const Send &send : m_parkedSends)
                (send.end == index ? m_refused : kept).push_back(send);
            m_parkedSends = kept;
        }
        return true;
    }
    bool closeReceiver(std::size_t index)
    {
        End &end = receivers[index];
        if (!m_work) {
            end.closed = true;
            if (!m_open)
                return false;
            finish(true, false);
            return true;
        }
        if (end.closed)
            return false;
        end.closed = true;
        std::deque<Receive> kept;
        for (const Receive &receive : m_parkedReceives) {
            if (receive.end == index)
                m_woken.push_back({receive.slot, receive.end, false});
            else
                kept.push_back(receive);
        }
        m_parkedReceives = kept;
        const bool wasOpen = m_open;
        if (wasOpen && openReceivers() == 0)
            finish(true, false);
        return wasOpen;
    }
    bool fail(bool byReceiver)
    {
        if (!m_open)
            return false;
        finish(byReceiver, true);
        return true;
    }
    void destroySender(std::size_t index)
    {
        End &end = senders[index];
        end.there = false;
        leave(end);
        if (!end.closed && m_open && m_openSenders == 0)
            finish(false, false);
        end.closed = true;
    }
    void destroyReceiver(std::size_t index)
    {
        closeReceiver(index);
        receivers[index].there = false;
    }
    bool cloneSender(std::size_t index)
    {
        if (!m_open || senders[index].closed)
            return false;
        senders.emplace_back();
        ++m_openSenders;
        return true;
    }
    bool cloneReceiver(std::size_t index)
    {
        if (!m_open || receivers[index].closed)
            return false;
        receivers.emplace_back();
        return true;
    }

    ChannelStats stats() const
    {
        ChannelStats stats;
        stats.sent = m_sent;
        stats.received = m_received;
        stats.dropped = m_dropped;
        stats.queued = qsizetype(m_queue.size());
        stats.closed = !m_open;
        stats.peak = qsizetype(m_peak);
        stats.parkedSenders = qsizetype(m_parkedSends.size());
        stats.parkedReceivers = qsizetype(m_parkedReceives.size());
        stats.openSenders = m_openSenders;
        stats.openReceivers = openReceivers();
        return stats;
    }
    bool isWork() const { return m_work; }

private:
    struct Send
    {
        std::size_t slot, end;
        int value;
    };
    struct Receive
    {
        std::size_t slot, end;
    };
    struct Woken
    {
        std::size_t slot, end;
        bool owns;
    };

    bool isFull() const
    {
        if (m_capacity < 0)
            return false;
        return m_capacity == 0 ? m_parkedReceives.empty() : m_queue.size() >= std::size_t(m_capacity);
    }
    Result trySend(std::size_t end, int value)
    {
        if (!m_open || senders[end].closed)
            return refuse(end);
        if (!isFull()) {
            accept(value);
            return {Outcome::Sent};
        }
        if (m_overflow == Overflow::Wait)
            return {Outcome::Pending};
        ++m_dropped;
        if (m_overflow == Overflow::DropNewest || m_queue.empty())
            return {Outcome::Dropped};
        m_queue.pop_front();
        m_queue.push_back(value);
        return {Outcome::Sent};
    }
    Result refuse(std::size_t end)
    {
        ++m_dropped;
        if (m_late == LateSend::Drop)
            return {Outcome::Dropped};
        return {!senders[end].closed && m_endedByReceiver ? Outcome::Broken : Outcome::Closed};
    }
    void accept(int value)
    {
        m_queue.push_back(value);
        ++m_sent;
        m_peak = std::max(m_peak, m_queue.size());
        if (!m_parkedReceives.empty())
            wakeOne();
    }
    void wakeOne()
    {
        const Receive receive = m_parkedReceives.front();
        m_parkedReceives.pop_front();
        m_woken.push_back({receive.slot, receive.end, m_work});
        m_reserved += m_work ? 1 : 0;
    }
    void admit(std::size_t room)
    {
        while (!m_parkedSends.empty() && m_queue.size() < room) {
            const Send send = m_parkedSends.front();
            m_parkedSends.pop_front();
            sends[send.slot] = Result{Outcome::Sent};
            accept(send.value);
        }
    }
    std::size_t available()
    {
        if (m_queue.size() == m_reserved && m_capacity >= 0)
            admit(m_capacity > 0 ? std::size_t(m_capacity) : m_reserved + 1);
        return m_queue.size() - m_reserved;
    }
    int takeFront()
    {
        const int value = m_queue.front();
        m_queue.pop_front();
        ++m_received;
        if (m_capacity > 0)
            admit(std::size_t(m_capacity));
        wakeAllAtTheEnd();
        return value;
    }
    void take(std::size_t slot)
    {
        const int value = takeFront();
        receives[slot] = Result{Outcome::Item, value};
    }
    bool isExhausted() const { return !m_open && m_queue.empty(); }
    Result ending() const { return {m_failed ? Outcome::Failed : Outcome::End}; }
    void wakeAllAtTheEnd()
    {
        if (!isExhausted())
            return;
        for (const Receive &receive : std::exchange(m_parkedReceives, {}))
            m_woken.push_back({receive.slot, receive.end, false});
    }
    void finish(bool byReceiver, bool failed)
    {
        m_open = false;
        m_endedByReceiver = byReceiver;
        m_failed = failed;
        if (!byReceiver)
            m_openSenders = 0;
        else if (!m_work)
            receivers.front().closed = true;
        m_refused.insert(m_refused.end(), m_parkedSends.begin(), m_parkedSends.end());
        m_parkedSends.clear();
        wakeAllAtTheEnd();
    }
    void leave(End &end)
    {
        if (std::exchange(end.counted, false) && m_openSenders > 0)
            --m_openSenders;
    }
    qsizetype openReceivers() const
    {
        return std::count_if(receivers.begin(), receivers.end(), [](const End &end) { return !end.closed; });
    }

    std::deque<int> m_queue;
    std::deque<Send> m_parkedSends;
    std::deque<Send> m_refused;
    std::deque<Receive> m_parkedReceives;
    std::deque<Woken> m_woken;
    std::size_t m_reserved = 0;
    std::size_t m_peak = 0;
    quint64 m_sent = 0;
    quint64 m_received = 0;
    quint64 m_dropped = 0;
    qsizetype m_openSenders = 1;
    bool m_open = true;
    bool m_endedByReceiver = false;
    bool m_failed = false;
};

// ---------------------------------------------------------------------------------------------------------------------

// A task of the real channel, in a scope of its own.
struct RealTask
{
    std::unique_ptr<CancelScope> scope;
    Result result;
    bool active = false;
};

class Real
{
public:
    Real(const ChannelOptions &options, bool latest, bool work)
    {
        if (work) {
            WorkChannel<int> channel = createWorkChannel<int>(options);
            senders.push_back(std::make_unique<ChannelSender<int>>(std::move(channel.sender)));
            works.push_back(std::make_unique<WorkReceiver<int>>(std::move(channel.receiver)));
            return;
        }
        Channel<int> channel = latest ? createLatest<int>(0) : createChannel<int>(options);
        senders.push_back(std::make_unique<ChannelSender<int>>(std::move(channel.sender)));
        single = std::make_unique<ChannelReceiver<int>>(std::move(channel.receiver));
    }

    std::vector<std::unique_ptr<ChannelSender<int>>> senders;
    std::unique_ptr<ChannelReceiver<int>> single;
    std::vector<std::unique_ptr<WorkReceiver<int>>> works;
    std::array<RealTask, Slots> sends;
    std::array<RealTask, Slots> receives;

    // Applies a function to the receiver `index`, whichever kind it is.
    template<class F>
    auto withReceiver(std::size_t index, F function)
    {
        return single || works.empty() ? function(*single) : function(*works[index]);
    }
};

Task<> runSend(RealTask &task, ChannelSender<int> sender, int value)
{
    const auto body = [&]() -> Task<> {
        try {
            const bool accepted = co_await sender.send(value);
            task.result = {accepted ? Outcome::Sent : Outcome::Dropped};
        } catch (const BrokenResourceError &) {
            task.result = {Outcome::Broken};
        } catch (const ClosedResourceError &) {
            task.result = {Outcome::Closed};
        } catch (const Cancelled &) {
            task.result = {Outcome::Cancelled};
            throw;
        }
    };
    co_await task.scope->run(body);
}

template<class Receiver>
Task<> runReceive(RealTask &task, Receiver &receiver, bool next)
{
    const auto body = [&]() -> Task<> {
        std::exception_ptr error;
        try {
            if (next) {
                const std::optional<int> item = co_await receiver.next();
                task.result = item ? Result{Outcome::Item, *item} : Result{Outcome::End};
            } else {
                const int item = co_await receiver.receive();
                task.result = {Outcome::Item, item};
            }
        } catch (const Cancelled &) {
            task.result = {Outcome::Cancelled};
            throw;
        } catch (...) {
            error = std::current_exception();
        }
        if (error)
            task.result = resultOf([&]() -> Result { std::rethrow_exception(error); });
    };
    co_await task.scope->run(body);
}

class Run
{
public:
    Run(Bytes &bytes, const ChannelOptions &options, bool latest, bool work)
        : m_bytes(bytes)
        , m_capacity(options.capacity)
        , m_model(options.capacity, options.overflow, options.lateSend, work)
        , m_real(options, latest, work)
        , m_stats(m_real.senders.front()->channelStatus())
    {
        if (latest)
            m_model.sendNowait(0, 0);
    }

    Task<> operator()(TaskGroup &group)
    {
        while (!m_bytes.isEmpty())
            co_await step(group);
        // What is left is cancelled and taken, so that the numbers have to come out.
        for (std::size_t slot = 0; slot < Slots; ++slot) {
            cancelSend(slot);
            cancelReceive(slot);
        }
        co_await settleBoth();
    }

private:
    Task<> step(TaskGroup &group)
    {
        const unsigned operation = m_bytes.below(16);
        const std::size_t sender = m_bytes.below(unsigned(m_real.senders.size()));
        const bool hasSender = m_model.senders[sender].there;
        const std::size_t receiver = m_bytes.below(unsigned(m_model.receivers.size()));
        const bool hasReceiver = m_model.receivers[receiver].there;
        trace(QStringLiteral("operation %1, sender %2, receiver %3").arg(operation).arg(sender).arg(receiver));
        const int value = ++m_lastValue;
        switch (operation) {
        case 0:
        case 1:
            if (hasSender)
                compare(resultOf([&]() -> Result { return sent(m_real.senders[sender]->sendNowait(value)); }),
                        m_model.sendNowait(sender, value), "sendNowait");
            break;
        case 2:
        case 3:
            co_await settleBoth();
            if (hasSender)
                startSend(group, sender, value);
            co_await settleBoth();
            break;
        case 4:
        case 5:
        case 6:
            co_await settleBoth();
            if (hasReceiver)
                startReceive(group, receiver, operation == 4);
            co_await settleBoth();
            break;
        case 7:
            if (hasReceiver)
                compare(resultOf([&]() -> Result {
                            return {Outcome::Item,
                                    m_real.withReceiver(receiver, [](auto &end) { return end.receiveNowait(); })};
                        }),
                        m_model.receiveNowait(receiver), "receiveNowait");
            break;
        case 8:
            if (hasReceiver) {
                const auto most = qsizetype(m_bytes.below(4)) - 1;
                const auto taken = m_real.withReceiver(receiver, [&](auto &end) { return end.drainNowait(most); });
                require(taken == m_model.drain(receiver, most < 0 ? std::size_t(-1) : std::size_t(most)),
                        QStringLiteral("drainNowait"));
            }
            break;
        case 9:
            cancelSend(m_bytes.below(Slots));
            break;
        case 10:
            cancelReceive(m_bytes.below(Slots));
            break;
        case 11:
            co_await settleBoth();
            break;
        case 12:
            if (m_bytes.below(2) == 0) {
                if (hasSender)
                    require(m_real.senders[sender]->close() == m_model.closeSender(sender),
                            QStringLiteral("close of a sender"));
            } else if (hasReceiver) {
                require(m_real.withReceiver(receiver, [](auto &end) { return end.close(); })
                            == m_model.closeReceiver(receiver),
                        QStringLiteral("close of a receiver"));
            }
            break;
        case 13:
            if (m_bytes.below(4) == 0) {
                const auto error = std::make_exception_ptr(std::out_of_range("fuzz"));
                const bool byReceiver = m_bytes.below(2) == 1;
                if (byReceiver ? hasReceiver : hasSender)
                    require((byReceiver ? m_real.withReceiver(receiver, [&](auto &end) { return end.fail(error); })
                                        : m_real.senders[sender]->fail(error))
                                == m_model.fail(byReceiver),
                            QStringLiteral("fail"));
            } else if (hasSender) {
                compare(resultOf([&]() -> Result {
                            return sent(m_real.senders[sender]->sendBlocking(value, QDeadlineTimer(0)));
                        }),
                        m_model.sendBlocking(sender, value), "sendBlocking");
            }
            break;
        case 14:
            clone(sender, receiver);
            break;
        default:
            co_await settleBoth(); // an end that a task uses is not gone before the task
            destroy(sender, receiver);
            co_await settleBoth();
        }
        compareStats();
    }

    static Result sent(bool accepted) { return {accepted ? Outcome::Sent : Outcome::Dropped}; }

    void startSend(TaskGroup &group, std::size_t sender, int value)
    {
        const std::size_t slot = m_bytes.below(Slots);
        RealTask &task = m_real.sends[slot];
        if (task.active)
            return;
        task = {std::make_unique<CancelScope>(), Result(), true};
        group.startSoon(&runSend, std::ref(task), *m_real.senders[sender], value);
        m_model.startSend(slot, sender, value);
    }
    void startReceive(TaskGroup &group, std::size_t receiver, bool next)
    {
        const std::size_t slot = m_bytes.below(Slots);
        RealTask &task = m_real.receives[slot];
        if (task.active || ++m_receives > MostReceives)
            return;
        task = {std::make_unique<CancelScope>(), Result(), true};
        m_real.withReceiver(receiver, [&](auto &end) {
            group.startSoon(&runReceive<std::decay_t<decltype(end)>>, std::ref(task), std::ref(end), next);
        });
        m_model.startReceive(slot, receiver);
    }
    void cancelSend(std::size_t slot)
    {
        if (!m_real.sends[slot].active)
            return;
        m_real.sends[slot].scope->cancel();
        m_model.cancelSend(slot);
    }
    void cancelReceive(std::size_t slot)
    {
        if (!m_real.receives[slot].active)
            return;
        m_real.receives[slot].scope->cancel();
        m_model.cancelReceive(slot);
    }
    void clone(std::size_t sender, std::size_t receiver)
    {
        if (m_bytes.below(2) == 0) {
            if (!m_model.senders[sender].there || m_real.senders.size() == MostEnds)
                return;
            bool cloned = true;
            try {
                m_real.senders.push_back(std::make_unique<ChannelSender<int>>(m_real.senders[sender]->clone()));
            } catch (const ClosedResourceError &) {
                cloned = false;
            }
            require(cloned == m_model.cloneSender(sender), QStringLiteral("clone of a sender"));
        } else if (m_model.isWork() && m_model.receivers[receiver].there && m_real.works.size() < MostEnds) {
            bool cloned = true;
            try {
                m_real.works.push_back(std::make_unique<WorkReceiver<int>>(m_real.works[receiver]->clone()));
            } catch (const ClosedResourceError &) {
                cloned = false;
            }
            require(cloned == m_model.cloneReceiver(receiver), QStringLiteral("clone of a receiver"));
        }
    }
    void destroy(std::size_t sender, std::size_t receiver)
    {
        if (m_bytes.below(2) == 0) {
            const bool inUse =
                std::any_of(m_real.sends.begin(), m_real.sends.end(), [](const RealTask &task) { return task.active; });
            if (!m_model.senders[sender].there || inUse)
                return;
            m_real.senders[sender].reset();
            m_model.destroySender(sender);
        } else if (m_model.receivers[receiver].there) {
            if (m_model.isWork())
                m_real.works[receiver].reset();
            else
                m_real.single.reset();
            m_model.destroyReceiver(receiver);
        }
    }

    Task<> settleBoth()
    {
        co_await settle();
        m_model.settleAll();
        for (std::size_t slot = 0; slot < Slots; ++slot) {
            compareTask(m_real.sends[slot], m_model.sends[slot], "send");
            compareTask(m_real.receives[slot], m_model.receives[slot], "receive");
        }
        compareStats();
    }
    static void compareTask(RealTask &real, std::optional<Result> &model, const char *what)
    {
        if (!real.active)
            return;
        compare(real.result, *model, what);
        real.active = real.result.outcome == Outcome::Pending;
        if (!real.active)
            model.reset();
    }
    static void compare(const Result &real, const Result &model, const char *what)
    {
        require(real == model,
                QStringLiteral("%1: %2 instead of %3").arg(QString::fromLatin1(what), textOf(real), textOf(model)));
    }
    void compareStats() const
    {
        if (m_stats.isNull())
            return; // no end is left
        const ChannelStats real = m_stats->stats();
        const ChannelStats model = m_model.stats();
        const auto same = [](const char *what, auto ours, auto theirs) {
            require(ours == theirs,
                    QStringLiteral("%1: %2 instead of %3").arg(QString::fromLatin1(what)).arg(ours).arg(theirs));
        };
        same("sent", real.sent, model.sent);
        same("received", real.received, model.received);
        same("dropped", real.dropped, model.dropped);
        same("queued", real.queued, model.queued);
        same("closed", real.closed, model.closed);
        same("peak", real.peak, model.peak);
        same("parked senders", real.parkedSenders, model.parkedSenders);
        same("parked receivers", real.parkedReceivers, model.parkedReceivers);
        same("open senders", real.openSenders, model.openSenders);
        same("open receivers", real.openReceivers, model.openReceivers);
        require(real.sent == real.received + quint64(real.queued), QStringLiteral("the numbers do not add up"));
        require(m_capacity <= 0 || real.peak <= m_capacity, QStringLiteral("more items than there is room for"));
    }

    Bytes &m_bytes;
    const qsizetype m_capacity;
    Model m_model;
    Real m_real;
    QPointer<ChannelStatus> m_stats;
    int m_lastValue = 0;
    int m_receives = 0;
};

} // namespace

Task<> fuzzOne(Bytes &bytes)
{
    const unsigned kind = bytes.below(5); // unbounded, bounded, latest, work, bounded work
    const LateSend late = bytes.below(2) == 0 ? LateSend::Throw : LateSend::Drop;
    ChannelOptions options{QStringLiteral("fuzz"), late};
    if (kind == 1 || kind == 4) {
        options.capacity = qsizetype(bytes.below(4));
        options.overflow = Overflow(bytes.below(3));
    } else if (kind == 2) {
        options = {QString(), LateSend::Throw, 1, Overflow::DropOldest};
    }
    Run once(bytes, options, kind == 2, kind >= 3);
    const auto body = [&](TaskGroup &group) -> Task<> { co_await once(group); };
    co_await withTaskGroup(body);
}
