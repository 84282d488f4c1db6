// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/testcase.h>

#include "engine_p.h"

#include <qmicroio/detail/loop.h>
#include <qmicroio/diagnostics.h>
#include <qmicroio/test/leakguard.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QThread>

#include <algorithm>
#include <condition_variable>
#include <optional>
#include <thread>
#include <vector>

namespace QMicroIO::Test::detail {

using namespace std::chrono_literals;

namespace {

struct Failure
{
    QString text;
    QByteArray file;
    int line = 0;
};

// One body that runs.
struct Run
{
    QThread *thread = nullptr;
    CancelScope scope;
    std::mutex mutex;
    std::condition_variable ended;
    bool hasEnded = false;
    bool watchdogFired = false;
    std::vector<Failure> failures; // that QTest has not been told of
    bool isOver() // the body is being cancelled: what it meets now is no finding
    {
        const std::lock_guard lock(mutex);
        return watchdogFired || !failures.empty();
    }
};

std::mutex &currentMutex()
{
    static std::mutex mutex;
    return mutex;
}

std::shared_ptr<Run> &currentRun()
{
    static std::shared_ptr<Run> run;
    return run;
}

std::shared_ptr<Run> theRun()
{
    const std::lock_guard lock(currentMutex());
    return currentRun();
}

class Watchdog
{
public:
    Watchdog(Run &run, std::chrono::milliseconds limit, std::source_location place)
        : m_thread([this, &run, limit, place] { watch(run, limit, place); })
        , m_run(run)
    {
    }
    ~Watchdog()
    {
        {
            const std::lock_guard lock(m_run.mutex);
            m_run.hasEnded = true;
        }
        m_run.ended.notify_all();
        m_thread.join();
    }
    Watchdog(const Watchdog &) = delete;
    Watchdog &operator=(const Watchdog &) = delete;

private:
    void watch(Run &run, std::chrono::milliseconds limit, std::source_location place)
    {
        std::unique_lock lock(run.mutex);
        if (run.ended.wait_for(lock, limit, [&] { return run.hasEnded; }))
            return;
        lock.unlock();
        const QString clock = VirtualClock::describe(); // before the loops are asked, which makes them turn
        const QString text = QStringLiteral("the test did not end within %1 ms of real time\n%2\n%3")
                                 .arg(limit.count())
                                 .arg(clock, taskTree(QDeadlineTimer(500)).toString());
        lock.lock();
        if (run.hasEnded)
            return;
        run.watchdogFired = true;
        run.failures.push_back({text, place.file_name(), int(place.line())});
        lock.unlock();
        run.scope.cancel(QStringLiteral("the watchdog of the test"));
        lock.lock();
        if (run.ended.wait_for(lock, std::clamp<std::chrono::milliseconds>(limit, 500ms, 5s),
                               [&] { return run.hasEnded; }))
            return;
        lock.unlock();
        qFatal("%s\nThe test was cancelled and did not end by that either.", qPrintable(text));
    }
    std::thread m_thread;
    Run &m_run;
};

Task<> inScope(Run &run, std::function<Task<>()> body)
{
    co_await run.scope.run(std::move(body));
}

// Takes apart what left a body: reported failures are done with.
void collect(const std::exception_ptr &error, std::source_location place, std::vector<Failure> &failures)
{
    if (!error)
        return;
    try {
        std::rethrow_exception(error);
    } catch (const TestEnded &) {
    } catch (const CheckFailed &failed) {
        failures.push_back({QString::fromUtf8(failed.what()), failed.place().file_name(), int(failed.place().line())});
    } catch (const ExceptionGroup &group) {
        for (const std::exception_ptr &one : group.exceptions())
            collect(one, place, failures);
    } catch (...) {
        failures.push_back(
            {QStringLiteral("an exception left the test: ") + errorText(error), place.file_name(), int(place.line())});
    }
}

bool endedByTest(const std::exception_ptr &error)
{
    if (!error)
        return false;
    try {
        std::rethrow_exception(error);
    } catch (const TestEnded &) {
        return true;
    } catch (const ExceptionGroup &group) {
        return std::any_of(group.exceptions().begin(), group.exceptions().end(), &endedByTest);
    } catch (...) {
        return false;
    }
}

} // namespace

void runTestBody(std::function<Task<>()> body, const TestOptions &options, std::source_location place)
{
    const auto run = std::make_shared<Run>();
    run->thread = QThread::currentThread();
    QMicroIO::detail::Loop::ensure();
    {
        const std::lock_guard lock(currentMutex());
        if (currentRun())
            throw LogicError(QStringLiteral("runTest() inside runTest(); a QTest function runs one body at a time"));
        currentRun() = run;
    }
    std::exception_ptr error;
    QStringList left;
    {
        std::optional<VirtualClock> clock;
        if (options.clock == TestOptions::Clock::Autojump && !Engine::instance().isVirtual()) {
            clock.emplace();
            clock->setAutojump(0ms);
            clock->install();
        }
        std::optional<LeakGuard> guard;
        if (options.checkLeaks)
            guard.emplace();
        {
            const Watchdog watchdog(*run, options.watchdog, place);
            try {
                QMicroIO::run(inScope(*run, std::move(body)));
            } catch (...) {
                error = std::current_exception();
            }
        }
        const bool endedEarly = error || run->isOver() || QTest::currentTestFailed();
        if (guard && !endedEarly)
            left = guard->leaks();
    }
    {
        const std::lock_guard lock(currentMutex());
        currentRun() = nullptr;
    }
    std::vector<Failure> failures;
    failures.swap(run->failures);
    // What follows a failure, such as the errors of tasks that were cancelled for it, is no finding of its own.
    if (failures.empty() && !endedByTest(error))
        collect(error, place, failures);
    if (failures.empty() && !left.isEmpty()) {
        failures.push_back({QStringLiteral("the test has left behind:\n  ") + left.join(QStringLiteral("\n  ")),
                            place.file_name(), int(place.line())});
    }
    for (const Failure &failure : failures) {
        if (!QTest::currentTestFailed()) // QTest takes one
            QTest::qFail(failure.text.toUtf8().constData(), failure.file.constData(), failure.line);
    }
}

bool isTestThread()
{
    if (const std::shared_ptr<Run> run = theRun())
        return run->thread == QThread::currentThread();
    return QCoreApplication::instance() && QCoreApplication::instance()->thread() == QThread::currentThread();
}

void failElsewhere(const QString &text, const char *file, int line)
{
    if (const std::shared_ptr<Run> run = theRun()) {
        {
            const std::lock_guard lock(run->mutex);
            run->failures.push_back({text, file, line});
        }
        run->scope.cancel(QStringLiteral("a check failed in another thread"));
    } else {
        qCritical("%s(%d): %s (in a thread that outlived its test)", file, line, qPrintable(text));
    }
    throw TestEnded();
}

void failNow(const char *text, const char *file, int line)
{
    if (!isTestThread())
        failElsewhere(QString::fromUtf8(text), file, line);
    QTest::qFail(text, file, line);
    throw TestEnded();
}

void skipNow(const char *text, const char *file, int line)
{
    if (!isTestThread())
        failElsewhere(QStringLiteral("QMICROIO_SKIP() works in the test's own thread only: ") + QString::fromUtf8(text),
                      file, line);
    QTest::qSkip(text, file, line);
    throw TestEnded();
}

void verify(bool holds, const char *expression, const char *description, const char *file, int line)
{
    if (isTestThread()) {
        if (!QTest::qVerify(holds, expression, description, file, line))
            throw TestEnded();
    } else if (!holds) {
        failElsewhere(QStringLiteral("'%1' returned FALSE. (%2)")
                          .arg(QString::fromUtf8(expression), QString::fromUtf8(description)),
                      file, line);
    }
}

ThrowCheck::ThrowCheck(const char *type, const char *expression, const char *file, int line)
    : m_type(type)
    , m_expression(expression)
    , m_file(file)
    , m_line(line)
{
}

void ThrowCheck::wrong()
{
    const std::exception_ptr error = std::current_exception();
    if (endedByTest(error))
        throw;
    if (QMicroIO::detail::isCancellation(error)) {
        if (const std::shared_ptr<Run> run = theRun(); run && run->isOver())
            throw;
    }
    m_wrong = errorText(error);
}

void ThrowCheck::done() const
{
    if (m_isRight)
        return;
    const QString text = m_wrong.isEmpty()
        ? QStringLiteral("'%1' threw nothing, expected: %2")
              .arg(QString::fromUtf8(m_expression), QString::fromUtf8(m_type))
        : QStringLiteral("'%1' threw something else than %2: %3")
              .arg(QString::fromUtf8(m_expression), QString::fromUtf8(m_type), m_wrong);
    failNow(text.toUtf8().constData(), m_file, m_line);
}

Patience::Patience(QMicroIO::detail::Clock::duration limit)
    : m_end(QMicroIO::detail::after(QMicroIO::detail::now(), limit))
    , m_step(std::max<QMicroIO::detail::Clock::duration>(10ms, limit / 500))
{
}

bool Patience::isOver() const
{
    return m_standsStill || QMicroIO::detail::now() >= m_end;
}

Task<> Patience::pause()
{
    m_letTimePass = !m_letTimePass;
    if (m_letTimePass) {
        co_await waitAllTasksBlocked();
    } else if (!Engine::instance().movesByItself()) {
        m_standsStill = true;
    } else {
        const QMicroIO::detail::Clock::duration left = m_end - QMicroIO::detail::now();
        co_await sleep(std::clamp<QMicroIO::detail::Clock::duration>(left, 0ms, m_step));
    }
}

} // namespace QMicroIO::Test::detail
