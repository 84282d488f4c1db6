// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/channel.h>

#include "logging_p.h"

namespace QMicroIO {

ChannelStatus::ChannelStatus(detail::ChannelBase &channel)
    : m_channel(channel)
{
}

ChannelStatus::~ChannelStatus() = default;

QString ChannelStatus::name() const
{
    return m_channel.name();
}

ChannelStats ChannelStatus::stats() const
{
    return m_channel.stats();
}

void ChannelStatus::setHighWaterMark(qsizetype items)
{
    m_channel.setHighWaterMark(items);
}

namespace detail {

namespace {

constexpr quint64 DefaultHighWater = 1024;

void check(const ChannelOptions &options, const char *maker)
{
    const auto refuse = [&](const char *why) { throw std::invalid_argument(std::string(maker) + ": " + why); };
    if (options.lateSend != LateSend::Throw && options.lateSend != LateSend::Drop)
        refuse("unknown LateSend; use LateSend::Throw or LateSend::Drop");
    if (options.overflow != Overflow::Wait && options.overflow != Overflow::DropOldest
        && options.overflow != Overflow::DropNewest)
        refuse("unknown Overflow; use Overflow::Wait, DropOldest or DropNewest");
    if (options.capacity < 0 && options.capacity != Unbounded)
        refuse("the capacity is negative; use 0 or more, or Unbounded");
}

} // namespace

ChannelBase::ChannelBase(const ChannelOptions &options, Receivers receivers, const char *maker)
    : m_plain(options.capacity == Unbounded)
    , m_options(options)
    , m_highWaterAt(options.capacity > 0 ? quint64(options.capacity) : DefaultHighWater)
    , m_receivers(receivers)
    , m_takesUnderLock(receivers == Receivers::Many || options.capacity != Unbounded)
{
    check(options, maker);
}

ChannelBase::~ChannelBase() = default;

QString ChannelBase::label() const
{
    return m_options.name.isEmpty() ? QStringLiteral("(unnamed)") : QStringLiteral("'%1'").arg(m_options.name);
}

void ChannelBase::report(const void *object, ListedState &into)
{
    const auto &channel = *static_cast<const ChannelBase *>(object);
    const ChannelStats stats = channel.stats();
    into.name = channel.m_options.name;
    into.sent = stats.sent;
    into.received = stats.received;
    into.dropped = stats.dropped;
    into.queued = stats.queued;
    into.peak = stats.peak;
    into.isClosed = stats.closed;
    const std::lock_guard lock(channel.m_mutex);
    into.error = channel.m_error;
}

// ---------------------------------------------------------------------------------------------------------------------
// How it ends

bool ChannelBase::close(Side side)
{
    Hold hold(*this);
    if (side == Side::Receiver)
        m_openReceivers = 0;
    if (m_end != End::Open)
        return false;
    finish(End::Closed, side, nullptr);
    return true;
}

bool ChannelBase::fail(Side side, std::exception_ptr error)
{
    if (!error)
        throw std::invalid_argument("Channel fail(): the error is null; use close() for a clean end");
    Hold hold(*this);
    if (m_end != End::Open)
        return false;
    finish(End::Failed, side, std::move(error));
    return true;
}

void ChannelBase::finish(End end, Side side, std::exception_ptr error)
{
    if (!m_lost) // otherwise the end of the receiver's loop came first
        m_endedBy = side;
    m_end = end;
    m_error = std::move(error);
    closeUp(side);
    if (m_receivers == Receivers::Many)
        offerOn();
    else if (m_parked)
        wakeOne();
}

// Nothing can be sent any more.
void ChannelBase::closeUp(Side side)
{
    reconsider();
    (side == Side::Sender ? m_openSenders : m_openReceivers) = 0;
    while (ParkedSend *send = firstParkedSend())
        settle(*send, ParkedSend::Result::Refused);
    emitLater(Ended);
}

void ChannelBase::reconsider()
{
    m_plain = m_plain && isOpen();
}

bool ChannelBase::leave(SendEnd &end)
{
    if (std::exchange(end.counted, false) && m_openSenders > 0)
        --m_openSenders;
    return m_openSenders == 0;
}

bool ChannelBase::closeSender(SendEnd &end)
{
    Hold hold(*this);
    const bool wasLast = leave(end);
    if (end.closed || m_end != End::Open)
        return false;
    end.closed = true;
    m_plain = false;
    if (wasLast) {
        finish(End::Closed, Side::Sender, nullptr);
        return true;
    }
    for (Parked *node = m_sends.first(); node;) {
        auto *send = static_cast<ParkedSend *>(node);
        node = m_sends.after(*node);
        if (&send->m_end == &end)
            settle(*send, ParkedSend::Result::Refused);
    }
    return true;
}

void ChannelBase::addSender(const SendEnd &beside)
{
    Hold hold(*this);
    if (isOpenFor(beside)) {
        ++m_openSenders;
        return;
    }
    hold.release();
    throw ClosedResourceError(QStringLiteral("channel %1: a closed sender cannot be cloned").arg(label()));
}

bool ChannelBase::isClosed(const SendEnd &end) const
{
    const std::lock_guard lock(m_mutex);
    return !isOpenFor(end);
}

bool ChannelBase::isClosed() const
{
    const std::lock_guard lock(m_mutex);
    return !isOpen();
}

void ChannelBase::abandonedBy(SendEnd &end) noexcept
{
    bool wasLast = false;
    {
        Hold hold(*this);
        wasLast = leave(end);
        if (!isOpenFor(end))
            return;
        if (wasLast)
            finish(End::Closed, Side::Sender, nullptr);
    }
    if (wasLast)
        qCWarning(lcChannel).noquote() << "the last sender of channel" << label()
                                       << "was destroyed without close(); the channel is closed now";
    else
        qCWarning(lcChannel).noquote() << "a sender of channel" << label() << "was destroyed without close()";
}

void ChannelBase::abandonedByReceiver() noexcept
{
    bool wasOpen = false;
    quint64 left = 0;
    {
        Hold hold(*this);
        wasOpen = isOpen();
        m_openReceivers = 0;
        left = m_sent - m_received.load(std::memory_order_relaxed);
        if (wasOpen)
            finish(End::Closed, Side::Receiver, nullptr);
        else if (m_parked)
            wakeOne();
        m_lost = true;
    }
    if (wasOpen)
        qCWarning(lcChannel).noquote() << "the receiver of channel" << label() << "was destroyed without close();"
                                       << left
                                       << "accepted items were never received, senders get BrokenResourceError now";
}

void ChannelBase::loopEnded()
{
    Hold hold(*this);
    if (isOpen())
        m_endedBy = Side::Receiver;
    m_lost = true;
    closeUp(Side::Receiver);
}

void ChannelBase::throwFailure() const
{
    std::exception_ptr error;
    {
        const std::lock_guard lock(m_mutex);
        error = m_error;
    }
    if (error)
        std::rethrow_exception(error);
}

void ChannelBase::throwEnd() const
{
    throwFailure();
    throw EndOfStream(QStringLiteral("channel %1 is closed and everything was received").arg(label()));
}

void ChannelBase::throwNothing(Hold &hold, bool endIsClosed) const
{
    const bool wouldCome = !endIsClosed && !isExhausted() && !m_lost;
    const bool closedHere = endIsClosed || (m_end == End::Closed && m_endedBy == Side::Receiver);
    hold.release();
    if (wouldCome || hasWaiter())
        throw WouldBlock(QStringLiteral("channel %1 has no item for a receive that does not wait").arg(label()));
    if (closedHere)
        throw ClosedResourceError(QStringLiteral("this receiver of channel %1 is closed").arg(label()));
    throwEnd();
}

// ---------------------------------------------------------------------------------------------------------------------
// Numbers and signals

ChannelStats ChannelBase::stats() const
{
    ChannelStats stats;
    // Received first: every item counted there was counted as sent before.
    stats.received = m_received.load(std::memory_order_acquire);
    const std::lock_guard lock(m_mutex);
    stats.sent = m_sent;
    stats.dropped = m_dropped;
    stats.queued = qsizetype(m_sent - stats.received);
    stats.closed = !isOpen();
    stats.peak = qsizetype(m_peak);
    stats.parkedSenders = m_sends.size();
    stats.parkedReceivers = m_receivers == Receivers::Many ? m_receives.size() : qsizetype(m_parked);
    stats.openSenders = m_openSenders;
    stats.openReceivers = m_receivers == Receivers::Many ? qsizetype(m_workEnds.size()) : m_openReceivers;
    return stats;
}

// Only the receiver lowers the number of queued items, so what was last seen of its count gives an upper bound, and the cache
// line that it writes is read only when that bound would be a new peak.
void ChannelBase::notePeak()
{
    m_receivedSeen = m_received.load(std::memory_order_acquire);
    const quint64 queued = m_sent - m_receivedSeen;
    if (queued <= m_peak)
        return;
    m_peak = queued;
    if (m_status && m_highWaterAt > 0 && queued >= m_highWaterAt) {
        m_highWater = queued;
        m_highWaterAt = queued * 2;
        m_events |= HighWater;
        m_hasToDo = true;
    }
}

void ChannelBase::setHighWaterMark(qsizetype items)
{
    if (items < 0)
        throw std::invalid_argument("ChannelStatus::setHighWaterMark(): a negative number; use 0 for no signal at all");
    const std::lock_guard lock(m_mutex);
    m_highWaterAt = quint64(items);
}

ChannelStatus *ChannelBase::status()
{
    const std::lock_guard lock(m_mutex);
    if (!m_status) {
        m_status.reset(new ChannelStatus(*this));
        m_watched.store(true, std::memory_order_relaxed);
        m_endTold = !isOpen(); // too late for that signal
        if (m_endTold)
            m_emitted |= Ended;
        if (m_endTold && isDrained())
            m_emitted |= Drained;
    }
    return m_status.get();
}

bool ChannelBase::isDrained() const
{
    return m_end != End::Open && m_sent == m_received.load(std::memory_order_acquire);
}

void ChannelBase::emitLater(Event event)
{
    if (!m_status || (m_emitted & event))
        return;
    m_emitted |= event;
    m_events |= event;
    m_hasToDo = true;
}

void ChannelBase::checkDrained()
{
    Hold hold(*this);
    if (m_endTold && isDrained())
        emitLater(Drained);
}

void ChannelBase::emitNow(unsigned events, quint64 queued)
{
    if (events & Bound)
        Q_EMIT m_status->bound();
    if (events & HighWater)
        Q_EMIT m_status->highWater(qsizetype(queued));
    if (events & Drained)
        Q_EMIT m_status->drained();
    if (!(events & Ended))
        return;
    std::exception_ptr error;
    {
        const std::lock_guard lock(m_mutex);
        error = m_error;
    }
    if (error)
        Q_EMIT m_status->failed(errorText(error));
    else
        Q_EMIT m_status->closed();
    {
        const std::lock_guard lock(m_mutex);
        m_endTold = true;
    }
    checkDrained(); // whoever took the last item meanwhile has left it to this thread
}

// ---------------------------------------------------------------------------------------------------------------------
// Senders

bool ChannelBase::refuse(Hold &hold, const SendEnd &end)
{
    ++m_dropped;
    if (m_options.lateSend == LateSend::Drop)
        return false;
    const bool byReceiver = !end.closed && m_endedBy == Side::Receiver;
    const std::exception_ptr cause = m_error;
    hold.release();
    if (!byReceiver)
        throw ClosedResourceError(
            QStringLiteral("channel %1 was closed by its sender; nothing can be sent any more").arg(label()));
    if (cause)
        throw BrokenResourceError(
            QStringLiteral("the receiver of channel %1 failed: %2").arg(label(), errorText(cause)), cause);
    throw BrokenResourceError(QStringLiteral("channel %1 has no receiver any more").arg(label()));
}

void ChannelBase::throwFull(Hold &hold) const
{
    hold.release();
    throw WouldBlock(
        m_options.capacity == 0
            ? QStringLiteral("channel %1: no receive waits for an item; use send() or sendBlocking() to wait for one")
                  .arg(label())
            : QStringLiteral("channel %1 is full with %2 items; use send() or sendBlocking() to wait for room")
                  .arg(label())
                  .arg(m_options.capacity));
}

void ChannelBase::throwTimedOut() const
{
    throw TimeoutError(QStringLiteral("channel %1: no room for the item in time; nothing was sent").arg(label()));
}

void ChannelBase::park(ParkedSend &send)
{
    if (send.m_gate) {
        const bool waitsForItself = m_receivers == Receivers::One ? m_seam && m_seam->isOwnThread()
                                                                  : !m_workEnds.empty()
                && std::all_of(m_workEnds.begin(), m_workEnds.end(),
                               [](const WorkEnd *end) { return end->m_seam && end->m_seam->isOwnThread(); });
        if (waitsForItself)
            throw LogicError(QStringLiteral("sendBlocking() on channel %1 would block the loop thread that receives "
                                            "from it; use co_await send() or sendNowait()")
                                 .arg(label()));
    }
    m_sends.append(send);
}

void ChannelBase::settle(ParkedSend &send, ParkedSend::Result result, std::exception_ptr error)
{
    send.m_result = result;
    send.m_error = std::move(error);
    tell(send);
    if (result == ParkedSend::Result::Accepted)
        accepted();
}

bool ChannelBase::waitAtGate(ParkedSend &send, Gate &gate, QDeadlineTimer deadline)
{
    std::shared_ptr<Seam> receiver;
    {
        const std::lock_guard lock(m_mutex);
        receiver = m_seam;
    }
    // Nobody but this thread can leave before its gate opens or the send is taken back.
    const auto takeBack = [&] {
        {
            const std::lock_guard lock(m_mutex);
            if (m_sends.holds(send)) {
                ParkedList::remove(send);
                return true;
            }
        }
        gate.wait(QDeadlineTimer::Forever);
        return false;
    };
    try {
        std::optional<WaitEdge> edge;
        if (receiver && !deadline.hasExpired())
            edge.emplace(receiver->thread(), "sendBlocking()", gate);
        if (gate.wait(deadline, wakeUpTime()))
            return true;
    } catch (...) {
        if (takeBack())
            throw;
        return true;
    }
    return !takeBack();
}

// ---------------------------------------------------------------------------------------------------------------------
// Who is woken, and how

void ChannelBase::tell(Parked &node)
{
    ParkedList::remove(node);
    m_toTell.append(node);
    m_hasToDo = true;
}

void ChannelBase::wakeOne()
{
    if (m_receivers == Receivers::One) {
        m_parked = false;
        m_wakesReceiver = true;
        m_hasToDo = true;
        return;
    }
    auto *receive = static_cast<ParkedReceive *>(m_receives.first());
    own(*receive);
    tell(*receive);
    m_parked = m_receives.size() > 0;
}

void ChannelBase::offerOn()
{
    if (m_receivers == Receivers::One)
        return;
    const quint64 queued = m_sent - m_received.load(std::memory_order_relaxed);
    for (quint64 free = queued - m_reserved; free > 0 && m_parked; --free)
        wakeOne();
    if (!isExhausted())
        return;
    while (Parked *receive = m_receives.first())
        tell(*receive);
    m_parked = false;
}

void ChannelBase::doAfterwards(std::unique_lock<std::mutex> &lock)
{
    m_hasToDo = false;
    const bool wakesReceiver = std::exchange(m_wakesReceiver, false);
    const unsigned events = std::exchange(m_events, 0U);
    const quint64 queued = m_highWater;
    // A slot, or whoever is told here, may destroy the last end of the channel.
    const std::shared_ptr<ChannelBase> keep = events || m_toTell.first() ? shared_from_this() : nullptr;
    while (Parked *node = m_toTell.first()) {
        ParkedList::remove(*node);
        if (Gate *gate = node->m_gate) {
            lock.unlock();
            gate->open();
        } else {
            const std::shared_ptr<Seam> seam = node->m_seam;
            m_told.append(*node);
            lock.unlock();
            if (seam->isOwnThread())
                arriveTold();
            else
                seam->post([keep](Fate) { keep->arriveTold(); }, Seam::From::Inside);
        }
        lock.lock();
    }
    lock.unlock();
    if (wakesReceiver)
        wakeReceiver();
    if (events)
        emitNow(events, queued);
}

void ChannelBase::arriveTold()
{
    ParkedList mine;
    {
        const std::lock_guard lock(m_mutex);
        for (Parked *node = m_told.first(); node;) {
            Parked *next = m_told.after(*node);
            if (node->m_seam->isOwnThread()) {
                ParkedList::remove(*node);
                mine.append(*node);
            }
            node = next;
        }
    }
    while (Parked *node = mine.first()) {
        ParkedList::remove(*node);
        node->arrive();
    }
}

void ChannelBase::wakeReceiver()
{
    if (m_seam->isOwnThread())
        arrive();
    else
        m_seam->post([self = shared_from_this()](Fate) { self->arrive(); }, Seam::From::Inside);
}

void ChannelBase::arrive()
{
    {
        // Asleep again: this wake-up was for an item that is gone, taken by a drain before it arrived.
        const std::lock_guard lock(m_mutex);
        if (m_parked)
            return;
    }
    if (m_waiter && m_waiter->isAsleep())
        m_waiter->wake();
}

// ---------------------------------------------------------------------------------------------------------------------
// The receiver

void ChannelBase::bind()
{
    requireBound(Loop::ensure());
}

void ChannelBase::bindTo(Loop &loop)
{
    if (m_loop) {
        throw LogicError(
            QStringLiteral("channel %1 is bound to another loop than that of %2; it has one receiver on one thread")
                .arg(label(), loop.name()));
    }
    loop.addObserver(std::weak_ptr<LoopObserver>(shared_from_this()));
    m_loop = &loop;
    Hold hold(*this);
    m_seam = loop.seam();
    emitLater(Bound);
}

QString ReceiveAwaiterBase::describe() const
{
    return QStringLiteral("an item of channel %1").arg(m_channel->label());
}

void ReceiveAwaiterBase::suspendForATurn(std::coroutine_handle<> leaf)
{
    m_kept = m_channel->shared_from_this();
    m_channel->m_waiter = this;
    m_inTurn = true;
    park(leaf);
    task().loop().makeReady(*this);
}

void ReceiveAwaiterBase::suspendToSleep(std::coroutine_handle<> leaf)
{
    m_kept = m_channel->shared_from_this();
    m_channel->m_waiter = this;
    m_channel->m_parked = true;
    m_channel->foundNothing();
    park(leaf);
}

void ReceiveAwaiterBase::resumeFromLoop()
{
    m_inTurn = false;
    {
        ChannelBase::Hold hold(*m_channel);
        if (!canTake() && !ended()) {
            m_channel->m_parked = true;
            m_channel->foundNothing();
            return;
        }
    }
    goOn();
}

bool ReceiveAwaiterBase::abort() noexcept
{
    task().loop().forget(*this);
    m_inTurn = false;
    m_channel->m_waiter = nullptr; // from here on it stands in nobody's way, though it has not gone on yet
    const std::lock_guard lock(m_channel->m_mutex);
    m_channel->m_parked = false;
    return true;
}

void ReceiveAwaiterBase::letGo() noexcept
{
    task().loop().forget(*this);
    if (m_channel->m_waiter == this) {
        m_channel->m_waiter = nullptr;
        if (task().parked() == this) { // its frame is destroyed in the middle of the wait
            const std::lock_guard lock(m_channel->m_mutex);
            m_channel->m_parked = false;
        }
    }
}

void ReceiveAwaiterBase::throwBusy() const
{
    throw BusyResourceError(
        QStringLiteral("channel %1: another receive already waits; a channel has one receiver at a time")
            .arg(m_channel->label()));
}

// ---------------------------------------------------------------------------------------------------------------------
// A task that sends

QString SendAwaiterBase::describe() const
{
    return QStringLiteral("room in channel %1").arg(m_channel.label());
}

void SendAwaiterBase::suspendForATurn(std::coroutine_handle<> leaf)
{
    park(leaf);
    task().loop().makeReady(*this);
}

void SendAwaiterBase::resumeFromLoop()
{
    if (sendNow())
        goOn();
}

void SendAwaiterBase::leave(ParkedSend &send) noexcept
{
    task().loop().forget(*this);
    const std::lock_guard lock(m_channel.m_mutex);
    ParkedList::remove(send);
}

bool SendAwaiterBase::abortSend(ParkedSend &send) noexcept
{
    task().loop().forget(*this);
    {
        const std::lock_guard lock(m_channel.m_mutex);
        ParkedList::remove(send);
        if (send.m_result == ParkedSend::Result::Pending)
            return true;
    }
    wake(); // it was accepted or refused before it could be cancelled
    return false;
}

// ---------------------------------------------------------------------------------------------------------------------
// The receivers of a work channel

WorkEnd::WorkEnd(std::shared_ptr<ChannelBase> channel)
    : m_channel(std::move(channel))
{
}

WorkEnd::~WorkEnd() = default;

void WorkEnd::loopEnded()
{
    m_channel->loopEndedOf(*this);
}

void ChannelBase::addReceiver(WorkEnd &end, const WorkEnd *beside)
{
    Hold hold(*this);
    if (beside && (beside->m_closed || !isOpen())) {
        hold.release();
        throw ClosedResourceError(QStringLiteral("channel %1: a closed receiver cannot be cloned").arg(label()));
    }
    m_workEnds.push_back(&end);
}

void ChannelBase::bind(WorkEnd &end, Loop &loop)
{
    if (end.m_loop == &loop)
        return;
    if (end.m_loop)
        throw LogicError(QStringLiteral("this receiver of channel %1 is bound to another loop than that of %2; make a "
                                        "clone() of it for each loop")
                             .arg(label(), loop.name()));
    loop.addObserver(std::weak_ptr<LoopObserver>(end.weak_from_this()));
    end.m_loop = &loop;
    Hold hold(*this);
    end.m_seam = loop.seam();
    emitLater(Bound);
}

bool ChannelBase::closeReceiver(WorkEnd &end)
{
    Hold hold(*this);
    if (end.m_closed)
        return false;
    end.m_closed = true;
    std::erase(m_workEnds, &end);
    for (Parked *node = m_receives.first(); node;) {
        auto *receive = static_cast<ParkedReceive *>(node);
        node = m_receives.after(*node);
        if (&receive->m_end == &end)
            tell(*receive);
    }
    m_parked = m_receives.size() > 0;
    const bool wasOpen = isOpen();
    if (wasOpen && m_workEnds.empty())
        finish(End::Closed, Side::Receiver, nullptr);
    return wasOpen;
}

bool ChannelBase::isClosed(const WorkEnd &end) const
{
    const std::lock_guard lock(m_mutex);
    return end.m_closed || !isOpen();
}

bool ChannelBase::isEndClosed(const WorkEnd &end) const
{
    const std::lock_guard lock(m_mutex);
    return end.m_closed;
}

void ChannelBase::abandonedBy(WorkEnd &end) noexcept
{
    if (!closeReceiver(end))
        return;
    const ChannelStats now = stats();
    if (now.openReceivers > 0) {
        qCWarning(lcChannel).noquote() << "a receiver of channel" << label() << "was destroyed without close()";
        return;
    }
    qCWarning(lcChannel).noquote() << "the last receiver of channel" << label() << "was destroyed without close();"
                                   << now.queued
                                   << "accepted items were never received, senders get BrokenResourceError now";
}

void ChannelBase::loopEndedOf(WorkEnd &end)
{
    closeReceiver(end);
}

WorkReceiveAwaiterBase::WorkReceiveAwaiterBase(TaskContext &task, std::shared_ptr<ChannelBase> channel,
                                               std::shared_ptr<WorkEnd> end)
    : Waiter(task)
    , ParkedReceive(*end)
    , m_kept(std::move(channel))
    , m_keptEnd(std::move(end))
{
    m_seam = task.loop().seam();
}

WorkReceiveAwaiterBase::~WorkReceiveAwaiterBase()
{
    leave();
}

QString WorkReceiveAwaiterBase::describe() const
{
    return QStringLiteral("an item of channel %1").arg(m_kept->label());
}

void WorkReceiveAwaiterBase::begin()
{
    throwIfCancelled();
    m_kept->bind(*m_keptEnd, task().loop());
    m_yields = m_keptEnd->mustYield(task().loop());
    if (isEndClosed())
        throwWhyNothing();
}

bool WorkReceiveAwaiterBase::isEndClosed() const
{
    return m_kept->isEndClosed(m_end);
}

bool WorkReceiveAwaiterBase::sleeps(std::coroutine_handle<> leaf)
{
    if (m_kept->isExhausted())
        return false;
    m_kept->m_receives.append(*this);
    m_kept->m_parked = true;
    park(leaf);
    return true;
}

bool WorkReceiveAwaiterBase::letsOthersRun(std::coroutine_handle<> leaf)
{
    if (!m_yields || !m_owns)
        return false;
    task().suspendAt(leaf);
    task().loop().makeReady(task());
    return true;
}

void WorkReceiveAwaiterBase::arrive()
{
    if (task().parked() == this)
        wake();
}

bool WorkReceiveAwaiterBase::abort() noexcept
{
    leave();
    return true;
}

void WorkReceiveAwaiterBase::leave() noexcept
{
    ChannelBase::Hold hold(*m_kept);
    ParkedList::remove(*this);
    m_kept->m_parked = m_kept->m_receives.size() > 0;
    if (m_owns) {
        m_kept->disown(*this);
        m_kept->offerOn();
    }
}

void WorkReceiveAwaiterBase::throwWhyNothing() const
{
    throwUnlessAtEnd();
    m_kept->throwEnd();
}

void WorkReceiveAwaiterBase::throwUnlessAtEnd() const
{
    if (isEndClosed())
        throw ClosedResourceError(QStringLiteral("this receiver of channel %1 is closed").arg(m_kept->label()));
    m_kept->throwFailure();
}

void throwMovedFrom(const char *what)
{
    throw LogicError(
        QStringLiteral("this %1 was moved from; use the object that it was moved to").arg(QString::fromUtf8(what)));
}

} // namespace detail
} // namespace QMicroIO
