// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/listing.h>

#include <QtCore/QScopeGuard>

#include <condition_variable>
#include <mutex>

namespace QMicroIO::detail {

namespace {

struct List
{
    std::mutex mutex;
    std::condition_variable unpinned;
    Listing *first = nullptr;
    Listing *last = nullptr;
    quint64 lastId = 0;
};

// Leaked on purpose: listed objects may still end while static objects are being destroyed.
List &list()
{
    static auto *instance = new List;
    return *instance;
}

} // namespace

std::atomic<int> Observation::s_count{0};

Listing::Listing(Kind kind, const void *object, Report report)
    : m_kind(kind)
    , m_object(object)
    , m_report(report)
{
    const std::lock_guard lock(list().mutex);
    m_id = ++list().lastId;
    m_previous = list().last;
    (m_previous ? m_previous->m_next : list().first) = this;
    list().last = this;
}

Listing::~Listing()
{
    withdraw();
}

void Listing::withdraw() noexcept
{
    std::unique_lock lock(list().mutex);
    if (!m_isListed)
        return;
    m_isListed = false; // nobody begins another report
    list().unpinned.wait(lock, [this] { return m_pins == 0; });
    (m_previous ? m_previous->m_next : list().first) = m_next;
    (m_next ? m_next->m_previous : list().last) = m_previous;
}

void Listing::visitAll(Visitor &visitor)
{
    std::unique_lock lock(list().mutex);
    for (Listing *node = list().first; node;) {
        if (!node->m_isListed) {
            node = node->m_next;
            continue;
        }
        ++node->m_pins;
        lock.unlock();
        const auto unpin = qScopeGuard([&] {
            lock.lock();
            Listing *next = node->m_next; // still linked, since it is pinned
            if (--node->m_pins == 0 && !node->m_isListed)
                list().unpinned.notify_all();
            node = next;
        });
        ListedState state;
        node->m_report(node->m_object, state);
        visitor.visit(node->m_id, node->m_kind, state);
    }
}

} // namespace QMicroIO::detail
