// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/mailbox.h>

#include "logging_p.h"

#include <algorithm>

namespace QMicroIO {
namespace detail {

// Between a mailbox and one of its watchers; may outlive both.
class MailboxWatch : public std::enable_shared_from_this<MailboxWatch>
{
public:
    MailboxWatch(MailboxWatcher *face, std::shared_ptr<Seam> seam)
        : m_face(face)
        , m_seam(std::move(seam))
    {
    }
    void post()
    {
        m_seam->post(
            [self = shared_from_this()](Fate fate) {
                if (fate == Fate::Run)
                    self->tell();
            },
            Seam::From::Inside);
    }
    void forget() { m_face = nullptr; } // its thread
    bool told = false; // guarded by the mailbox's lock: word of a dead letter is on its way

private:
    void tell()
    {
        if (m_face)
            Q_EMIT m_face->deadLettersChanged(m_face->m_mailbox->deadLetters(*this));
    }
    MailboxWatcher *m_face; // its thread only
    const std::shared_ptr<Seam> m_seam;
};

MailboxBase::MailboxBase(const QString &name)
    : m_name(name)
{
}

MailboxBase::~MailboxBase()
{
    if (m_sent > m_received) {
        qCWarning(lcChannel).noquote() << "mailbox" << label() << "is gone with" << m_sent - m_received
                                       << "accepted items that nobody took";
    }
}

QString MailboxBase::label() const
{
    return m_name.isEmpty() ? QStringLiteral("(unnamed)") : QStringLiteral("'%1'").arg(m_name);
}

bool MailboxBase::close()
{
    return finish(End::Closed, nullptr);
}

bool MailboxBase::fail(std::exception_ptr error)
{
    if (!error)
        throw std::invalid_argument("Mailbox fail(): the error is null; use close() for a clean end");
    return finish(End::Failed, std::move(error));
}

bool MailboxBase::finish(End end, std::exception_ptr error)
{
    Lock lock(m_mutex);
    if (m_end != End::Open)
        return false;
    m_end = end;
    m_error = std::move(error);
    if (m_asleep)
        wake(lock);
    return true;
}

bool MailboxBase::isClosed() const
{
    const std::lock_guard lock(m_mutex);
    return !isOpen();
}

void MailboxBase::report(const void *object, ListedState &into)
{
    const auto &mailbox = *static_cast<const MailboxBase *>(object);
    const MailboxStats stats = mailbox.stats();
    into.name = mailbox.m_name;
    into.sent = stats.sent;
    into.received = stats.received;
    into.dropped = stats.dropped;
    into.queued = stats.queued;
    into.isClosed = stats.closed;
    const std::lock_guard lock(mailbox.m_mutex);
    into.error = mailbox.m_error;
}

MailboxStats MailboxBase::stats() const
{
    MailboxStats stats;
    const std::scoped_lock both(m_takeMutex, m_mutex);
    stats.sent = m_sent;
    stats.received = m_received;
    stats.consumed = m_consumed;
    stats.dropped = m_dropped;
    stats.queued = qsizetype(m_sent - m_received);
    stats.closed = !isOpen();
    return stats;
}

bool MailboxBase::refuse(Lock &lock)
{
    ++m_dropped;
    std::vector<std::shared_ptr<MailboxWatch>> untold;
    for (const std::shared_ptr<MailboxWatch> &watch : m_watches) {
        if (!std::exchange(watch->told, true))
            untold.push_back(watch);
    }
    lock.unlock();
    for (const std::shared_ptr<MailboxWatch> &watch : untold)
        watch->post();
    return false;
}

void MailboxBase::addWatch(std::shared_ptr<MailboxWatch> watch)
{
    const std::lock_guard lock(m_mutex);
    m_watches.push_back(std::move(watch));
}

void MailboxBase::removeWatch(const MailboxWatch &watch) noexcept
{
    const std::lock_guard lock(m_mutex);
    std::erase_if(m_watches, [&](const std::shared_ptr<MailboxWatch> &other) { return other.get() == &watch; });
}

quint64 MailboxBase::deadLetters(MailboxWatch &watch)
{
    const std::lock_guard lock(m_mutex);
    watch.told = false;
    return m_dropped;
}

void MailboxBase::throwFailure() const
{
    std::exception_ptr error;
    {
        const std::lock_guard lock(m_mutex);
        error = m_error;
    }
    if (error)
        std::rethrow_exception(error);
}

void MailboxBase::throwEnd() const
{
    throwFailure();
    throw EndOfStream(QStringLiteral("mailbox %1 is closed and everything was taken").arg(label()));
}

void MailboxBase::wake(Lock &lock)
{
    const std::shared_ptr<Seam> seam = std::exchange(m_asleep, nullptr);
    const quint64 ticket = m_ticket; // a waiter that sleeps keeps its ticket
    lock.unlock();
    if (seam->isOwnThread())
        arrive(ticket);
    else
        seam->post([self = shared_from_this(), ticket](Fate) { self->look(ticket); }, Seam::From::Inside);
}

void MailboxBase::wakeTaker()
{
    Lock lock(m_mutex);
    if (m_asleep)
        wake(lock);
}

// Inside a call of the waiter's own thread: a gate must not run inside that.
void MailboxBase::arrive(quint64 ticket)
{
    const std::lock_guard take(m_takeMutex);
    if (m_waiter && m_ticket == ticket)
        m_waiter->lookLater();
}

// The waiter's thread, from its loop.
void MailboxBase::look(quint64 ticket)
{
    std::exception_ptr error;
    Lock take(m_takeMutex);
    // The ticket first: only with the right one this is the waiter's thread.
    const auto isThere = [&] { return m_waiter && m_ticket == ticket && m_waiter->isParked(); };
    if (!isThere())
        return;
    for (;;) {
        bool found = false;
        try {
            found = prepare(take);
        } catch (...) {
            error = std::current_exception();
        }
        // A gate may have cancelled the wait, or destroyed the frame that waits.
        if (!isThere())
            return;
        if (found || error) {
            m_reserved = !error;
            break;
        }
        const std::lock_guard lock(m_mutex);
        if (hasMore())
            continue;
        if (!isOpen())
            break;
        m_asleep = m_waiter->task().loop().seam();
        return;
    }
    GetAwaiterBase *waiter = m_waiter; // stays: only this thread removes it
    waiter->m_gateError = error;
    take.unlock();
    waiter->wake();
}

QString GetAwaiterBase::describe() const
{
    return QStringLiteral("an item of mailbox %1").arg(m_box->label());
}

void GetAwaiterBase::requireAlone() const
{
    if (!m_box->m_waiter)
        return;
    throw BusyResourceError(
        QStringLiteral("mailbox %1: another get already waits; one task at a time takes from a mailbox")
            .arg(m_box->label()));
}

bool GetAwaiterBase::begin()
{
    requireAlone();
    // Work on a message takes longer than that on a channel's item, so the clock is read more often.
    return (++m_box->m_sinceLook & 7) != 0 || !task().loop().sliceIsOver();
}

void GetAwaiterBase::suspend(std::coroutine_handle<> leaf)
{
    throwIfCancelled(); // a gate may have asked for it
    const std::lock_guard take(m_box->m_takeMutex);
    requireAlone();
    const std::lock_guard lock(m_box->m_mutex);
    m_kept = m_box->shared_from_this();
    m_isWaiting = true;
    m_box->m_waiter = this;
    ++m_box->m_ticket;
    park(leaf);
    if (m_box->hasMore() || !m_box->isOpen())
        lookLater();
    else
        m_box->m_asleep = task().loop().seam();
}

void GetAwaiterBase::lookLater()
{
    task().loop().makeReady(*this);
}

void GetAwaiterBase::resumeFromLoop()
{
    const std::shared_ptr<MailboxBase> box = m_kept; // this may be destroyed by a gate
    box->look(box->m_ticket);
}

bool GetAwaiterBase::resumed()
{
    throwIfAborted(); // then it has let go before
    m_isWaiting = false;
    m_box->m_waiter = nullptr;
    const bool reserved = std::exchange(m_box->m_reserved, false);
    if (m_gateError)
        std::rethrow_exception(m_gateError);
    return reserved;
}

bool GetAwaiterBase::abort() noexcept
{
    letGo();
    return true;
}

void GetAwaiterBase::letGo() noexcept
{
    task().loop().forget(*this);
    m_isWaiting = false;
    const std::lock_guard take(m_box->m_takeMutex);
    m_box->m_waiter = nullptr;
    m_box->m_reserved = false; // the item stays where it is
    const std::lock_guard lock(m_box->m_mutex);
    m_box->m_asleep = nullptr;
}

void throwLevelIsNan(const char *what)
{
    throw std::invalid_argument(std::string(what) + " is NaN, which has no place in any order; give a number");
}

void throwGateTakes(const QString &label)
{
    throw LogicError(
        QStringLiteral("mailbox %1: its gate takes from it; a gate only looks at the one item it is given").arg(label));
}

} // namespace detail

MailboxWatcher::MailboxWatcher(std::shared_ptr<detail::MailboxBase> mailbox, QObject *parent)
    : QObject(parent)
    , m_mailbox(std::move(mailbox))
    , m_watch(std::make_shared<detail::MailboxWatch>(this, detail::Loop::ensure().seam()))
{
    m_mailbox->addWatch(m_watch);
}

MailboxWatcher::~MailboxWatcher()
{
    m_mailbox->removeWatch(*m_watch);
    m_watch->forget();
}

quint64 MailboxWatcher::deadLetters() const
{
    return m_mailbox->stats().dropped;
}

} // namespace QMicroIO
