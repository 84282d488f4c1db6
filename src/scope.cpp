// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/scope.h>

#include "logging_p.h"

#include <QtCore/QFileInfo>

#include <algorithm>
#include <new>
#include <string_view>

namespace QMicroIO::detail {

constinit std::atomic<StepWatcher *> stepWatcher{nullptr};

QString currentOrigin()
{
    const Loop *loop = Loop::current();
    return loop && loop->running() ? loop->running()->name() : currentThreadName();
}

ScopeState::~ScopeState()
{
    delete m_info.load(std::memory_order_relaxed);
}

bool ScopeState::cancel(CancelInfo info)
{
    if (isCancelCalled())
        return false;
    if (info.origin.isEmpty() && info.cause == Cancelled::Cause::Request)
        info.origin = currentOrigin();
    info.when = now();
    auto made = std::make_unique<CancelInfo>(std::move(info));
    CancelInfo *none = nullptr;
    if (!m_info.compare_exchange_strong(none, made.get(), std::memory_order_acq_rel))
        return false;
    const CancelInfo *decided = made.release();
    // From here on nothing may throw: it was asked for, and those who wait have to hear of it.
    logIfPossible([&] {
        qCDebug(lcTask).noquote() << "cancel of" << nameOf(kind) << "|"
                                  << Cancelled(decided->reason, decided->cause, decided->origin).describe();
    });
    std::shared_ptr<Seam> seam;
    {
        const std::lock_guard lock(m_seamMutex);
        seam = m_seam;
    }
    if (!seam)
        return true;
    if (seam->isOwnThread())
        recheck();
    else
        seam->postRecheck(*this);
    return true;
}

void ScopeState::enter(Loop &loop, ScopeState *parent)
{
    m_entered = true;
    m_loop = &loop;
    m_parent = parent;
    if (parent) {
        m_nextSibling = parent->m_firstChild;
        if (m_nextSibling)
            m_nextSibling->m_previousSibling = this;
        parent->m_firstChild = this;
    }
    {
        const std::lock_guard lock(m_seamMutex);
        m_seam = loop.seam();
    }
    ref(); // the tree's own reference, given back in leave()
    m_forced = parent && parent->m_forced;
    m_effective = isCancelCalled() || parentIsEffective();
    if (const TimePoint end = deadline(); end != TimePoint::max() && !isCancelCalled()) {
        if (end <= now())
            cancelByDeadline();
        else
            loop.addTimer(*this, end);
    }
}

void ScopeState::leave() noexcept
{
    if (!m_loop)
        return;
    m_loop->removeTimer(*this);
    while (m_firstChild) { // only when frames are destroyed out of order
        ScopeState *child = m_firstChild;
        m_firstChild = child->m_nextSibling;
        child->m_parent = child->m_previousSibling = child->m_nextSibling = nullptr;
    }
    while (m_firstTask)
        m_firstTask->setScope(m_parent);
    if (m_parent) {
        (m_previousSibling ? m_previousSibling->m_nextSibling : m_parent->m_firstChild) = m_nextSibling;
        if (m_nextSibling)
            m_nextSibling->m_previousSibling = m_previousSibling;
        m_parent = m_previousSibling = m_nextSibling = nullptr;
    }
    m_loop = nullptr;
    m_left.store(true, std::memory_order_relaxed);
    {
        const std::lock_guard lock(m_seamMutex);
        m_seam.reset();
    }
    deref();
}

const ScopeState *ScopeState::effectiveScope() const
{
    const ScopeState *found = nullptr;
    for (const ScopeState *scope = this; scope; scope = scope->m_parent) {
        if (scope->isCancelCalled())
            found = scope;
        if (scope->m_shielded && found)
            break;
    }
    return found;
}

const ScopeState &ScopeState::outermost() const noexcept
{
    const ScopeState *scope = this;
    while (scope->m_parent)
        scope = scope->m_parent;
    return *scope;
}

quint64 ScopeState::pathTo(const ScopeState &outermost) const noexcept
{
    quint64 path = 0;
    for (const ScopeState *scope = this; scope; scope = scope->m_parent) {
        quint64 step = quint64(scope->kind);
        if (scope->deadline() != TimePoint::max())
            step |= PathStep::Deadline;
        if (scope->m_shielded)
            step |= PathStep::Shield;
        path = path << PathStep::Bits | step; // in a long path the innermost ones fall out
        if (scope == &outermost)
            break;
    }
    return path;
}

void ScopeState::setDeadline(TimePoint deadline)
{
    m_deadline.store(deadline, std::memory_order_relaxed);
    if (!m_loop) {
        checkDeadline(); // before the entry the past cancels at once as well
        return;
    }
    m_loop->removeTimer(*this);
    if (isCancelCalled() || deadline == TimePoint::max())
        return;
    if (deadline <= now())
        cancelByDeadline();
    else
        m_loop->addTimer(*this, deadline);
}

void ScopeState::setShielded(bool shielded)
{
    m_shielded = shielded;
    if (m_loop)
        recheck();
}

void ScopeState::force(CancelInfo info)
{
    cancel(std::move(info));
    for (ScopeState *scope = this; scope; scope = scope->nextInTree(this, true))
        scope->m_forced = true;
    for (ScopeState *scope = this; scope; scope = scope->nextInTree(this, true)) {
        if (!std::exchange(scope->m_effective, true))
            scope->tellTasks();
    }
}

TimePoint ScopeState::effectiveDeadline() const
{
    TimePoint soonest = TimePoint::max();
    for (const ScopeState *scope = this; scope; scope = scope->m_parent) {
        if (scope->m_effective || scope->isCancelCalled())
            return TimePoint::min();
        soonest = std::min(soonest, scope->deadline());
        if (scope->m_shielded && !scope->m_forced)
            break;
    }
    return soonest;
}

const ScopeState *ScopeState::innermostCancelled() const
{
    for (const ScopeState *scope = this; scope; scope = scope->m_parent) {
        if (scope->isCancelCalled())
            return scope;
        if (scope->m_shielded && !scope->m_forced)
            break;
    }
    return nullptr;
}

void ScopeState::checkDeadline()
{
    const TimePoint end = deadline();
    if (end != TimePoint::max() && !isCancelCalled() && !m_left.load(std::memory_order_relaxed) && end <= now())
        cancelByDeadline();
}

void ScopeState::timerFired()
{
    try {
        cancelByDeadline();
    } catch (const std::bad_alloc &) {
        // Nobody calls that could be told, and a deadline is not to be lost. It just left its place, so this takes no memory.
        constexpr auto Later = std::chrono::milliseconds(1);
        m_loop->addTimer(*this, after(now(), Later));
    }
}

void ScopeState::cancelByDeadline()
{
    cancel({QStringLiteral("deadline passed"), Cancelled::Cause::Deadline, {}});
}

void ScopeState::requireOwnThread(const char *call) const
{
    {
        const std::lock_guard lock(m_seamMutex);
        if (!m_seam || m_seam->isOwnThread())
            return;
    }
    throw LogicError(
        QStringLiteral("%1 from %2, but the scope is in use on another thread; only cancel() may be called "
                       "from there. Use LoopServiceThread::callSoon() to get to the scope's own thread")
            .arg(QString::fromUtf8(call), currentThreadName()));
}

ScopeState *ScopeState::nextInTree(ScopeState *top, bool descend) const
{
    if (descend && m_firstChild)
        return m_firstChild;
    const ScopeState *scope = this;
    while (scope != top && !scope->m_nextSibling)
        scope = scope->m_parent;
    return scope == top ? nullptr : scope->m_nextSibling;
}

void ScopeState::recheck()
{
    if (!m_loop)
        return; // left meanwhile: a cancellation that comes too late has no effect
    for (ScopeState *scope = this; scope;) {
        const bool effective = scope->isCancelCalled() || scope->parentIsEffective();
        const bool changed = effective != scope->m_effective;
        scope->m_effective = effective;
        if (changed && effective)
            scope->tellTasks();
        scope = scope->nextInTree(this, changed);
    }
}

void ScopeState::tellTasks()
{
    for (TaskContext *task = m_firstTask; task;) {
        TaskContext *next = task->m_nextInScope;
        task->deliverCancel();
        task = next;
    }
}

TaskContext::TaskContext(Loop &loop, ScopeState *scope)
    : m_loop(&loop)
    , m_since(loop.turnTime())
{
    if (LocalsRef inherited = currentLocals(); Q_UNLIKELY(inherited.get() != nullptr))
        setLocals(std::move(inherited)); // before the task is in any list: this may throw
    loop.linkTask(*this);
    setScope(scope);
}

TaskContext::~TaskContext()
{
    setScope(nullptr);
    m_loop->forget(*this);
    m_loop->unlinkTask(*this);
}

void TaskContext::setScope(ScopeState *scope) noexcept
{
    if (m_scope) {
        (m_previousInScope ? m_previousInScope->m_nextInScope : m_scope->m_firstTask) = m_nextInScope;
        if (m_nextInScope)
            m_nextInScope->m_previousInScope = m_previousInScope;
    }
    m_scope = scope;
    m_previousInScope = nullptr;
    m_nextInScope = nullptr;
    if (scope) {
        m_nextInScope = scope->m_firstTask;
        if (m_nextInScope)
            m_nextInScope->m_previousInScope = this;
        scope->m_firstTask = this;
    }
}

void TaskContext::throwCancelled() const
{
    if (const ScopeState *scope = m_scope ? m_scope->effectiveScope() : nullptr) {
        const CancelInfo *info = scope->info();
        Cancelled cancelled(info->reason, info->cause, info->origin);
        cancelled.m_when = info->when;
        cancelled.m_path = m_scope->pathTo(*scope);
        throw cancelled;
    }
    Cancelled cancelled(QStringLiteral("the event loop of %1 ended").arg(m_loop->name()), Cancelled::Cause::LoopEnd);
    cancelled.m_when = m_loop->endingSince();
    if (m_scope)
        cancelled.m_path = m_scope->pathTo(m_scope->outermost());
    throw cancelled;
}

void TaskContext::deliverCancel()
{
    Waiter *waiter = m_parked;
    if (!waiter || waiter->m_asked)
        return;
    waiter->m_asked = true;
    QString told; // made before the wait lets go of what it describes
    logIfPossible([&] {
        if (lcTask().isDebugEnabled())
            told = QStringLiteral("%1: cancelled in its wait for %2 at %3")
                       .arg(name(), waiter->describe(), placeOf(site()));
    });
    const bool ends = waiter->abort();
    if (!told.isEmpty()) {
        logIfPossible([&] {
            qCDebug(lcTask).noquote() << told << (ends ? "| it ends" : "| it cannot be interrupted and goes on");
        });
    }
    if (!ends)
        return;
    waiter->m_aborted = true;
    m_throwsNext = true;
    waiter->wake();
}

void TaskContext::resumeFromLoop()
{
    LoopTask *outer = m_loop->setRunning(this, m_leaf ? m_leaf->site() : std::source_location());
    const bool first = !m_begun;
    const int weight = m_loop->pollWeight();
    const TimePoint resumedAt = Q_UNLIKELY(weight > 0) ? Clock::now() : TimePoint();
    ++m_polls;
    m_hasNext = m_begun;
    m_onStack = true;
    m_yielded = true;
    if (Q_UNLIKELY(m_throwsNext))
        m_throwsNext = m_scope && m_scope->isForced(); // then every later wait throws as well
    if (first) {
        m_begun = true;
        begin();
    }
    while (m_hasNext) {
        m_hasNext = false;
        m_next.resume();
    }
    m_loop->setRunning(outer, std::source_location());
    if (Q_UNLIKELY(weight > 0) && !m_done) {
        if (Rare *kept = rare())
            kept->busy += (Clock::now() - resumedAt) * weight;
    }
    if (m_done) {
        finished(); // still on the stack: the locals' destructors and those who are told run user code
        return;
    }
    m_onStack = false;
    if (first)
        suspendedFirst();
    if (Q_UNLIKELY(m_isWatched)) {
        if (StepWatcher *watcher = stepWatcher.load(std::memory_order_acquire))
            watcher->suspended(*this);
    }
}

bool isOwnFrame(const std::source_location &site) noexcept
{
    std::string_view file = site.file_name();
    const std::size_t slash = file.find_last_of("/\\");
    if (slash == std::string_view::npos)
        return false;
    file = file.substr(0, slash);
    return file.ends_with("/qmicroio") || file.ends_with("\\qmicroio");
}

QString placeOf(const std::source_location &site)
{
    return QStringLiteral("%1:%2").arg(QFileInfo(QString::fromUtf8(site.file_name())).fileName()).arg(site.line());
}

std::source_location TaskContext::site() const
{
    const FrameInfo *frame = m_done ? nullptr : m_leaf; // its last frame may be gone
    while (frame && frame->parent() && isOwnFrame(frame->site()))
        frame = frame->parent();
    return frame ? frame->site() : std::source_location();
}

TaskContext::Rare *TaskContext::rare() noexcept
{
    if (!m_rare)
        m_rare.reset(new (std::nothrow) Rare);
    return m_rare.get();
}

void TaskContext::setName(const QString &name) noexcept
{
    if (name.isEmpty() && !m_rare)
        return;
    if (Rare *kept = rare())
        kept->name = name;
}

void TaskContext::setLocals(LocalsRef locals)
{
    if (!locals.get() && !m_rare)
        return;
    Rare *kept = rare();
    if (!kept)
        throw std::bad_alloc();
    kept->locals = std::move(locals);
}

void TaskContext::couldNotBegin(std::exception_ptr error) noexcept
{
    m_done = true;
    if (Rare *kept = rare())
        kept->beginError = std::move(error);
    else
        m_beginErrorLost = true;
}

std::exception_ptr TaskContext::beginError() const noexcept
{
    if (m_beginErrorLost)
        return std::make_exception_ptr(std::bad_alloc());
    return m_rare ? m_rare->beginError : nullptr;
}

QString TaskContext::name() const
{
    if (m_rare && !m_rare->name.isEmpty())
        return m_rare->name;
    return QStringLiteral("task 0x%1").arg(reinterpret_cast<quintptr>(this), 0, 16);
}

QString TaskContext::describe() const
{
    const QString who = QStringLiteral("%1: ").arg(name());
    const std::source_location where = site();
    const QString place = where.line() == 0 ? QString() : QStringLiteral(" at ") + placeOf(where);
    if (m_parked) {
        return who
            + QStringLiteral("waits for %1%2%3")
                  .arg(m_parked->describe(), place,
                       isCancelled() ? QStringLiteral(" (cancelled, cannot be interrupted here)") : QString());
    }
    if (m_loop->running() == this)
        return who + QStringLiteral("running, last waited%1").arg(place);
    return who + (m_begun ? QStringLiteral("about to go on%1").arg(place) : QStringLiteral("not begun"));
}

} // namespace QMicroIO::detail
