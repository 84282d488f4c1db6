// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/diagnostics.h>
#include <qmicroio/loopservicethread.h>

#include "diagnostics_p.h"
#include "logging_p.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>

namespace QMicroIO {
namespace detail {

void logEscaped(const std::exception_ptr &error)
{
    qCCritical(lcService).noquote() << "an exception left a function given to callSoon() on" << currentThreadName()
                                    << ":" << errorText(error);
}

void logRefusedCall()
{
    qCWarning(lcService) << "a function given to callSoon() never ran: the service's loop did not come up";
}

namespace {

// The service's main coroutine, told apart from other children: its cancellation ends the service.
class MainChild final : public ChildBase
{
public:
    MainChild(const std::shared_ptr<GroupState> &group, ScopeRef scope, std::function<Task<>()> fn)
        : ChildBase(group, scope.get())
        , m_scope(std::move(scope))
        , m_fn(std::move(fn))
    {
    }
    ~MainChild() override
    {
        setScope(nullptr);
        m_scope->leave();
    }
    static inline constexpr auto Name = "main";
    bool *wasCancelled = nullptr;

private:
    void begin() override
    {
        try {
            m_task = m_fn();
            if (!m_task.isValid())
                throw LogicError(QStringLiteral("runAsync() gave back an empty Task"));
            TaskAccess::begin(*this, m_task);
        } catch (...) {
            couldNotBegin(std::current_exception());
        }
    }
    std::exception_ptr outcome() noexcept override
    {
        std::exception_ptr error = beginError();
        return error ? error : TaskAccess::error(m_task);
    }
    void destroyFrames() noexcept override { TaskAccess::destroy(m_task); }
    void report(std::exception_ptr error) override
    {
        loop().applyRechecks();
        *wasCancelled = isCancellation(error) && !m_scope->absorbs();
        ChildBase::report(std::move(error));
    }
    ScopeRef m_scope;
    std::function<Task<>()> m_fn;
    Task<> m_task;
};

// How a service that has nothing to clean up waits for its end: with an exception its whole life would cost 5 % more.
class UntilCancelled : public AmbientBase
{
public:
    UntilCancelled() { } // no aggregate: GCC 12 destroys aggregates inside co_await expressions twice
    class Awaiter final : public Waiter
    {
    public:
        explicit Awaiter(TaskContext &task)
            : Waiter(task)
        {
        }
        bool await_ready() const { return task().isCancelled(); }
        void await_suspend(std::coroutine_handle<> leaf) { park(leaf); }
        void await_resume() const { }
        QString describe() const override { return QStringLiteral("stop()"); }

    private:
        bool abort() noexcept override { return true; }
    };
    Awaiter awaiter(TaskContext &task) const { return Awaiter(task); }
};

class QuitWhenEmpty final : public GroupState::EmptyListener
{
public:
    QuitWhenEmpty(Loop &loop, QEventLoop &events)
        : m_loop(loop)
        , m_events(events)
    {
    }

    bool sawEmpty = false;

private:
    void groupIsEmpty() override
    {
        sawEmpty = true;
        m_events.quit();
        m_loop.endWatch();
        wakeDispatcher();
    }
    Loop &m_loop;
    QEventLoop &m_events;
};

} // namespace
} // namespace detail

LoopServiceThread::LoopServiceThread(const QString &name, QObject *parent)
    : ServiceThread(name, parent)
    , m_seam(std::make_shared<detail::Seam>(threadNode()))
    , m_group(std::make_shared<detail::GroupState>(detail::ScopeRef::create()))
    , m_mainScope(detail::ScopeRef::create())
    , m_groupHandle(TaskGroup(m_group))
{
    setLoop(m_seam);
}

LoopServiceThread::~LoopServiceThread()
{
    shutDown();
}

void LoopServiceThread::aboutToStart()
{
    if (!QCoreApplication::instance()) {
        throw LogicError(
            QStringLiteral("service %1: create the QCoreApplication before starting a service with an event loop")
                .arg(name()));
    }
    m_seam->callerCore.store(detail::currentCore(), std::memory_order_relaxed);
    m_seam->open();
    if (scope().isClosed()) // a stop() that comes later than this look narrows by itself
        m_seam->narrow(detail::Seam::Admit::OwnThread);
}

void LoopServiceThread::stopRequested(const QString &reason)
{
    m_seam->narrow(detail::Seam::Admit::OwnThread);
    m_group->scope()->cancel({reason, Cancelled::Cause::Request, {}});
}

void LoopServiceThread::finish(const QString &reason)
{
    if (state() == State::Created) {
        stop(reason);
        return;
    }
    m_seam->narrow(detail::Seam::Admit::OwnThread);
    m_mainScope->cancel({reason, Cancelled::Cause::Request, {}});
}

void LoopServiceThread::couldNotStart()
{
    m_seam->narrow(detail::Seam::Admit::Nobody);
    detail::WorkBatch refused; // its end tells those who called
    std::vector<detail::Recheckable *> rechecks;
    static_cast<void>(m_seam->take(refused, rechecks));
    for (detail::Recheckable *scope : rechecks)
        scope->deref();
}

void LoopServiceThread::runService()
{
    detail::Loop loop(m_seam, detail::Loop::Owner::Service);
    m_context.store(loop.context(), std::memory_order_release);
    m_group->open(loop, nullptr, nullptr);
    loop.setStop([this] { stop(QStringLiteral("the QCoreApplication was destroyed")); });

    bool mainCancelled = false;
    m_mainScope->kind = detail::ScopeKind::Task;
    m_mainScope->enter(loop, m_group->scope().get());
    auto *main = new detail::MainChild(m_group, m_mainScope, [this] { return runAsync(); });
    main->setName(QString::fromUtf8(detail::MainChild::Name));
    main->wasCancelled = &mainCancelled;
    loop.startWith([&] { m_group->adopt(*main); });

    QEventLoop events;
    detail::QuitWhenEmpty quit(loop, events);
    // Events of the same batch may start a child after the last one has ended: the service then goes on with it.
    for (quit.sawEmpty = true; quit.sawEmpty && m_group->size() > 0;) {
        quit.sawEmpty = false;
        m_group->addListener(quit);
        events.exec();
    }
    if (m_group->size() > 0) {
        // Somebody called quit() on the thread: an unexpected end, but no reason to leave tasks behind.
        m_group->scope()->cancel(
            {QStringLiteral("the event loop of the service was told to quit"), Cancelled::Cause::Request, {}});
        while (m_group->size() > 0)
            events.processEvents(QEventLoop::WaitForMoreEvents);
    }

    const detail::CancelInfo *cancelled = m_group->scope()->info();
    const QString reason = cancelled ? cancelled->reason : QString();
    m_group->close(m_group->scope()->absorbs());
    loop.close();
    m_context.store(nullptr, std::memory_order_release);

    std::vector<std::exception_ptr> errors = m_group->takeErrors();
    if (errors.size() == 1)
        std::rethrow_exception(errors.front());
    if (!errors.empty())
        throw ExceptionGroup(std::move(errors));
    if ((mainCancelled || cancelled) && !scope().isClosed()) {
        throw Error(QStringLiteral("service %1 was cancelled although nobody called stop()%2")
                        .arg(name(), reason.isEmpty() ? QString() : QStringLiteral(": ") + reason));
    }
}

Task<> LoopServiceThread::runAsync()
{
    started();
    co_await detail::UntilCancelled();
}

void LoopServiceThread::setBusyPoll(std::chrono::microseconds duration)
{
    if (duration.count() < 0)
        throw std::invalid_argument("LoopServiceThread::setBusyPoll(): the time is negative; zero turns it off");
    m_seam->busyPollNs.store(std::chrono::nanoseconds(duration).count(), std::memory_order_relaxed);
}

TaskGroup &LoopServiceThread::taskGroup()
{
    if (!m_seam->isOwnThread()) {
        throw LogicError(
            QStringLiteral("service %1: taskGroup() from %2; it belongs to the service's own thread. Use submit() or "
                           "callSoon() to get there")
                .arg(name(), detail::currentThreadName()));
    }
    return m_groupHandle;
}

QObject *LoopServiceThread::context() const
{
    QObject *context = m_context.load(std::memory_order_acquire);
    if (!context)
        throwNotRunning("context()");
    return context;
}

void LoopServiceThread::throwNotRunning(const char *call) const
{
    QString what = stateName(state());
    QString reason = scope().reason();
    if (const detail::CancelInfo *finishing = m_mainScope->info(); finishing && !scope().isClosed()) {
        what += QStringLiteral(", but it finishes");
        reason = finishing->reason;
    }
    throw NotRunningError(QStringLiteral("%1: service %2 takes no calls; its state is %3%4")
                              .arg(QString::fromUtf8(call), name().isEmpty() ? QStringLiteral("(unnamed)") : name(),
                                   what, reason.isEmpty() ? QString() : QStringLiteral(", reason: ") + reason));
}

void LoopServiceThread::throwTimedOut(bool neverBegins) const
{
    throw TimeoutError(
        QStringLiteral("callSync(): service %1 did not answer in time; the function %2")
            .arg(name(), neverBegins ? QStringLiteral("will not run") : QStringLiteral("is still running there")));
}

void LoopServiceThread::throwWouldWaitForItself()
{
    throw LogicError(QStringLiteral("startSync() on the service's own thread would wait for itself; co_await "
                                    "taskGroup().start<T>(fn) in a task instead"));
}

LoopInfo LoopServiceThread::taskTree(QDeadlineTimer deadline) const
{
    return detail::askLoop({name(), true, m_seam}, deadline);
}

QString LoopServiceThread::describeRunning()
{
    const LoopInfo info = taskTree(QDeadlineTimer(100));
    if (!info.answered)
        return info.note;
    return info.taskCount() == 0 ? QStringLiteral("no task; its thread is ending")
                                 : QStringLiteral("\n") + detail::limitedLines(info.toString());
}

} // namespace QMicroIO
