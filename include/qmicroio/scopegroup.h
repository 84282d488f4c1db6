// floor 9: regions of many tasks that are cancelled together, also those that are still to come
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/export.h>
#include <qmicroio/task.h>

#include <QtCore/QString>

#include <memory>

namespace QMicroIO {
namespace detail {

class ScopeGroupCore;

// A scope is in the group while this lives; also when the frame that holds it is destroyed in the middle of a wait.
class QMICROIO_EXPORT ScopeGroupMember
{
public:
    // Under a latch it cancels the scope at once.
    ScopeGroupMember(std::shared_ptr<ScopeGroupCore> group, const CancelScope &scope);
    ~ScopeGroupMember();
    ScopeGroupMember(const ScopeGroupMember &) = delete;
    ScopeGroupMember &operator=(const ScopeGroupMember &) = delete;

private:
    friend class ScopeGroupCore;
    const std::shared_ptr<ScopeGroupCore> m_group;
    const ScopeRef m_scope;
    ScopeGroupMember *m_previous = nullptr;
    ScopeGroupMember *m_next = nullptr;
};

template<class F>
Task<ScopeResult<typename BodyOf<F>::Result>> runInScopeGroup(std::shared_ptr<ScopeGroupCore> group, F body)
{
    CancelScope scope;
    const ScopeGroupMember member(std::move(group), scope);
    co_return co_await scope.run(std::move(body));
}

} // namespace detail

/// Whether a cancellation also holds for what comes later.
enum class Latch {
    No, ///< only for what is there now
    Yes, ///< also for what enters later, until clear()
};

/// Regions of any number of tasks, on any loops, that can be cancelled with one call.
///
///     const bool finished = co_await transfers.run(download); // in each task
///     transfers.cancel(QStringLiteral("offline"), Latch::Yes); // from anywhere: nothing is transferred until clear()
///
/// Thread:   run(): the thread of the task's loop; everything else: any.
/// Lifetime: destroying it leaves active regions to themselves; it cancels none of them.
class QMICROIO_EXPORT ScopeGroup
{
public:
    /// The same type, for those who look for it here.
    using Latch = QMicroIO::Latch;

    /// The name is for diagnostics.
    explicit ScopeGroup(const QString &name = {});
    ~ScopeGroup();
    ScopeGroup(const ScopeGroup &) = delete;
    ScopeGroup &operator=(const ScopeGroup &) = delete;

    /// Runs `body` in a scope of its own that belongs to the group while it lasts; gives what CancelScope::run() gives.
    ///
    /// Under a latch the region is entered cancelled: its first wait throws, and without a wait it runs to its end.
    /// Thread: the task's. Suspends, Cancel point: where the body waits. Lifetime: the body is kept until its coroutine
    /// has ended. Fails: with the body's own errors, after the region has left the group. Cost: two frames.
    template<class F>
    Task<detail::ScopeResult<typename detail::BodyOf<F>::Result>> run(F body)
    {
        return detail::runInScopeGroup(m_core, std::move(body));
    }

    /// Cancels every active region; with Latch::Yes also each one that is entered later.
    ///
    /// Thread: any. Suspends: never. True when a region was active. Repeat: harmless; a region, and the latch until clear(),
    /// keep the reason of the first call. Cost: one posted event at most for each region.
    bool cancel(const QString &reason = {}, Latch latch = Latch::No);
    /// Takes the latch off: new regions are normal again, those already cancelled stay cancelled. Thread: any.
    void clear();

    /// Whether a task is inside a region. Thread: any.
    bool isActive() const;
    /// Whether a region that is entered now would be cancelled. Thread: any.
    bool isLatched() const;

private:
    const std::shared_ptr<detail::ScopeGroupCore> m_core;
};

} // namespace QMicroIO
