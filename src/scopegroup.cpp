// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/listing.h>
#include <qmicroio/scopegroup.h>

#include <mutex>
#include <optional>
#include <vector>

namespace QMicroIO {
namespace detail {

// Shared with the regions, so that they may outlive the group.
//
// Entering looks at the latch under the lock that registers, cancelling sets it under the lock that collects: each
// region is either collected or sees the latch. Scopes are cancelled outside the lock, since that ends waits.
class ScopeGroupCore
{
public:
    explicit ScopeGroupCore(const QString &name)
        : m_name(name)
    {
    }
    void enter(ScopeGroupMember &member)
    {
        std::optional<CancelInfo> latched;
        {
            const std::lock_guard lock(m_mutex);
            member.m_next = m_first;
            if (m_first)
                m_first->m_previous = &member;
            m_first = &member;
            ++m_count;
            latched = m_latched;
        }
        if (latched)
            member.m_scope->cancel(std::move(*latched));
    }
    void leave(ScopeGroupMember &member) noexcept
    {
        const std::lock_guard lock(m_mutex);
        (member.m_previous ? member.m_previous->m_next : m_first) = member.m_next;
        if (member.m_next)
            member.m_next->m_previous = member.m_previous;
        --m_count;
    }
    bool cancel(const CancelInfo &info, Latch latch)
    {
        std::vector<ScopeRef> active;
        {
            const std::lock_guard lock(m_mutex);
            if (latch == Latch::Yes && !m_latched)
                m_latched = info;
            active.reserve(m_count);
            for (const ScopeGroupMember *member = m_first; member; member = member->m_next)
                active.push_back(member->m_scope);
        }
        for (const ScopeRef &scope : active)
            scope->cancel(info);
        return !active.empty();
    }
    void clear()
    {
        const std::lock_guard lock(m_mutex);
        m_latched.reset();
    }
    bool isActive() const
    {
        const std::lock_guard lock(m_mutex);
        return m_first != nullptr;
    }
    bool isLatched() const
    {
        const std::lock_guard lock(m_mutex);
        return m_latched.has_value();
    }

private:
    mutable std::mutex m_mutex;
    ScopeGroupMember *m_first = nullptr;
    std::size_t m_count = 0;
    std::optional<CancelInfo> m_latched; // what a region that enters now is cancelled with
    const QString m_name;

    static void report(const void *object, ListedState &into)
    {
        const auto &core = *static_cast<const ScopeGroupCore *>(object);
        into.name = core.m_name;
        const std::lock_guard lock(core.m_mutex);
        into.pending = qsizetype(core.m_count);
        into.isClosed = core.m_latched.has_value();
        if (core.m_latched)
            into.reason = core.m_latched->reason;
    }
    const Listing m_listing{Listing::Kind::ScopeGroup, this, &report};
};

ScopeGroupMember::ScopeGroupMember(std::shared_ptr<ScopeGroupCore> group, const CancelScope &scope)
    : m_group(std::move(group))
    , m_scope(scope.m_state)
{
    m_group->enter(*this);
}

ScopeGroupMember::~ScopeGroupMember()
{
    m_group->leave(*this);
}

} // namespace detail

ScopeGroup::ScopeGroup(const QString &name)
    : m_core(std::make_shared<detail::ScopeGroupCore>(name))
{
}

ScopeGroup::~ScopeGroup() = default;

bool ScopeGroup::cancel(const QString &reason, Latch latch)
{
    return m_core->cancel({reason, Cancelled::Cause::Request, detail::currentOrigin()}, latch);
}

void ScopeGroup::clear()
{
    m_core->clear();
}

bool ScopeGroup::isActive() const
{
    return m_core->isActive();
}

bool ScopeGroup::isLatched() const
{
    return m_core->isLatched();
}

} // namespace QMicroIO
