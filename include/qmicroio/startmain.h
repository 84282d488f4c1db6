// floor 12: the main coroutine of a program whose event loop somebody else runs
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>

#include <QtCore/QFuture>
#include <QtCore/QMetaObject>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace QMicroIO {
namespace detail {

// The one main task of a thread, from startMain() until it was announced; owns itself once it has begun.
class QMICROIO_EXPORT MainRun final : private GroupState::EmptyListener
{
public:
    // LogicError: this thread has one already, or no event loop.
    explicit MainRun(std::function<void()> announce);
    ~MainRun();
    MainRun(const MainRun &) = delete;
    MainRun &operator=(const MainRun &) = delete;
    const std::shared_ptr<GroupState> &group() const { return m_group; }
    static void begin(std::unique_ptr<MainRun> run, ChildBase &child);

private:
    void groupIsEmpty() override;
    void loopQuits() const;

    std::shared_ptr<GroupState> m_group;
    std::function<void()> m_announce;
    QMetaObject::Connection m_quit;
};

} // namespace detail

/// Starts the main coroutine of a thread whose Qt event loop runs anyway, or is about to: QCoreApplication::exec() of a GUI program.
///
///     const auto ended = [&](QFuture<int> main) { app.exit(main.isCanceled() ? 1 : main.result()); };
///     QFuture<int> main = startMain(serve, ended);
///     return app.exec();
///
/// body() gives a Task<R>; the call returns before its first line. done(QFuture<R>) is called once, from the event loop, when it has
/// ended: with its value, its error (waitForFinished() throws it; Qt calls such a future cancelled as well) or cancelled. To quit early, cancel() the future given back, and quit
/// in done: an event loop that quits before its main task has ended is logged as critical.
///
/// Thread: any with an event loop, one main task at a time. Suspends: never. Cancel: cancelling the future cancels the coroutine.
/// Fails:  LogicError without a QCoreApplication or event loop, and while another main task of this thread runs. What leaves
///         `done` is logged as critical.
/// Cost: a future, one root task and a posted event.
/// Source: Trio's guest mode.
template<class F, class Done>
auto startMain(F body, Done done) -> QFuture<detail::SubmitResult<F>>
{
    using Result = detail::SubmitResult<F>;
    static_assert(detail::IsAnyTask<std::invoke_result_t<F>>,
                  "QMicroIO: startMain(body, done) calls body(), which gives a Task: []() -> QMicroIO::Task<> { ... }");
    static_assert(std::is_invocable_v<Done, QFuture<Result>>,
                  "QMicroIO: startMain(body, done) calls done(QFuture<R>) for a body that gives a Task<R>.");
    detail::Submission<F, Result> submission{std::move(body), {}};
    QFuture<Result> future = submission.reply.future();
    // Shared: std::function wants copies.
    const auto keptDone = std::make_shared<Done>(std::move(done));
    auto run = std::make_unique<detail::MainRun>([keptDone, future] { std::invoke(*keptDone, future); });
    auto scope = detail::ScopeRef::create();
    scope->kind = detail::ScopeKind::Task;
    scope->enter(run->group()->loop(), run->group()->scope().get());
    auto *child = new detail::SubmittedChild<F, Result>(run->group(), std::move(scope), std::move(submission));
    detail::MainRun::begin(std::move(run), *child);
    return future;
}

/// The same for those who watch the future only.
/// Thread: as above. Fails, Cost: as above.
template<class F>
auto startMain(F body) -> QFuture<detail::SubmitResult<F>>
{
    return startMain(std::move(body), [](const auto &) { });
}

} // namespace QMicroIO
