// floor 24: QTest functions whose body is a task, and the checks that work inside
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/detail/clock.h>
#include <qmicroio/task.h>
#include <qmicroio/test/check.h>
#include <qmicroio/test/testexport.h>
#include <qmicroio/test/virtualclock.h>
#include <qmicroio/test/waitblocked.h>

#include <QtTest/QTest>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>

namespace QMicroIO::Test {

/// How runTest() runs a body.
struct TestOptions
{
    /// By which clock the body lives.
    enum class Clock {
        /// A VirtualClock that jumps at once when everything is blocked; one that is installed already is used as it is.
        Autojump,
        /// Real time.
        System,
    };
    /// Real time that the body may take. Then the test fails, the task tree is printed and the body is cancelled; if
    /// even that does not end it, the process is aborted.
    std::chrono::milliseconds watchdog{30000};
    Clock clock = Clock::Autojump; ///< by which clock the body lives
    bool checkLeaks = true; ///< with a LeakGuard
};

namespace detail {

// Leaves the test after a failure that is already reported, or a skip. No std::exception, so that code under test which
// catches those does not swallow it.
struct TestEnded
{
};

QMICROIO_TEST_EXPORT void runTestBody(std::function<Task<>()> body, const TestOptions &options,
                                      std::source_location place);
// True on the thread where QTest may be asked; elsewhere failures are kept until the body has ended.
QMICROIO_TEST_EXPORT bool isTestThread();
[[noreturn]] QMICROIO_TEST_EXPORT void failElsewhere(const QString &text, const char *file, int line);
[[noreturn]] QMICROIO_TEST_EXPORT void failNow(const char *text, const char *file, int line);
[[noreturn]] QMICROIO_TEST_EXPORT void skipNow(const char *text, const char *file, int line);
QMICROIO_TEST_EXPORT void verify(bool holds, const char *expression, const char *description, const char *file,
                                 int line);

template<class T>
QString valueText(const T &value)
{
    const std::unique_ptr<char[]> text(QTest::toString(value));
    return text ? QString::fromUtf8(text.get()) : QStringLiteral("<no text>");
}

template<class Actual, class Expected>
bool areEqual(const Actual &actual, const Expected &expected)
{
    if constexpr (std::is_floating_point_v<Actual> && std::is_same_v<Actual, Expected>)
        return qFuzzyCompare(actual, expected) || actual == expected;
    else
        return actual == expected;
}

template<class Actual, class Expected>
void compare(const Actual &actual, const Expected &expected, const char *actualText, const char *expectedText,
             const char *file, int line)
{
    if (isTestThread()) {
        if (!QTest::qCompare(actual, expected, actualText, expectedText, file, line))
            throw TestEnded();
    } else if (!areEqual(actual, expected)) {
        failElsewhere(QStringLiteral("Compared values are not the same\n   Actual   (%1): %2\n   Expected (%3): %4")
                          .arg(QString::fromUtf8(actualText), valueText(actual), QString::fromUtf8(expectedText),
                               valueText(expected)),
                      file, line);
    }
}

// What an expression that must throw has done.
class QMICROIO_TEST_EXPORT ThrowCheck
{
public:
    ThrowCheck(const char *type, const char *expression, const char *file, int line);
    void right() { m_isRight = true; }
    // In the handler of everything else. Passes on what is no affair of the expression.
    void wrong();
    void done() const;

private:
    const char *m_type;
    const char *m_expression;
    const char *m_file;
    int m_line;
    bool m_isRight = false;
    QString m_wrong;
};

// How long QMICROIO_TRY_... goes on.
class QMICROIO_TEST_EXPORT Patience
{
public:
    template<class Rep, class Period>
    explicit Patience(std::chrono::duration<Rep, Period> limit)
        : Patience(QMicroIO::detail::checkedDuration(limit, "QMICROIO_TRY"))
    {
    }
    explicit Patience(QMicroIO::detail::Clock::duration limit);
    bool isOver() const;
    // Lets happen what happens by itself, then lets some time pass.
    Task<> pause();

private:
    QMicroIO::detail::TimePoint m_end;
    QMicroIO::detail::Clock::duration m_step; // of time between two looks
    bool m_letTimePass = false;
    bool m_standsStill = false;
};

} // namespace detail

/// Runs a coroutine as a QTest function: write runTest([&]() -> Task<> { ... }) as the whole body of the slot.
///
/// The body runs on this thread's event loop, on a virtual clock and under a watchdog; afterwards nothing may be left.
/// What leaves it is reported as a failure. In it use QMICROIO_VERIFY() and the others below, not QVERIFY(), which
/// would return from the coroutine; QFETCH() works.
///
/// Thread: the one on which QTest runs the function. Blocks: until the body has ended, with the event loop running.
/// Cost: the threads of a virtual clock and a watchdog, and a look at all tasks at the end.
/// Fails: LogicError inside another runTest() and in a thread without an event loop, NotRunningError when that has
/// ended. What fails in the body is no exception here: it is reported to QTest, as QVERIFY() does. Return from the
/// slot afterwards.
template<class F>
void runTest(F body, const TestOptions &options = {}, std::source_location place = std::source_location::current())
{
    static_assert(
        std::is_invocable_r_v<Task<>, F &>,
        "QMicroIO: runTest() calls body(), which returns a Task: [&]() -> QMicroIO::Task<> { ... co_return; }");
    detail::runTestBody([&body] { return body(); }, options, place);
}

} // namespace QMicroIO::Test

/// The checks of QTest for coroutines and for the functions that they call. A failure ends the whole test, also from
/// within a child of a group or, through its failure, a service of the test; the place is the macro's own.
#define QMICROIO_VERIFY(...) \
    ::QMicroIO::Test::detail::verify(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, "", __FILE__, __LINE__)
#define QMICROIO_VERIFY2(condition, description)                                                                       \
    ::QMicroIO::Test::detail::verify(static_cast<bool>(condition), #condition, static_cast<const char *>(description), \
                                     __FILE__, __LINE__)
#define QMICROIO_COMPARE(actual, ...) \
    ::QMicroIO::Test::detail::compare(actual, __VA_ARGS__, #actual, #__VA_ARGS__, __FILE__, __LINE__)
#define QMICROIO_FAIL(message) ::QMicroIO::Test::detail::failNow(message, __FILE__, __LINE__)
#define QMICROIO_SKIP(message) ::QMicroIO::Test::detail::skipNow(message, __FILE__, __LINE__)

/// The expression, which may contain co_await, must throw that type or one derived from it.
#define QMICROIO_VERIFY_THROWS(type, ...)                                                            \
    do {                                                                                             \
        ::QMicroIO::Test::detail::ThrowCheck qmicroioCheck(#type, #__VA_ARGS__, __FILE__, __LINE__); \
        try {                                                                                        \
            static_cast<void>(__VA_ARGS__);                                                          \
        } catch (const type &) {                                                                     \
            qmicroioCheck.right();                                                                   \
        } catch (...) {                                                                              \
            qmicroioCheck.wrong();                                                                   \
        }                                                                                            \
        qmicroioCheck.done();                                                                        \
    } while (false)

/// As QTRY_VERIFY and QTRY_COMPARE, but on the clock of the library, and it fails at once when that stands still. In
/// coroutines only.
#define QMICROIO_TRY_VERIFY_WITH_TIMEOUT(condition, timeout)          \
    do {                                                              \
        ::QMicroIO::Test::detail::Patience qmicroioPatience(timeout); \
        while (!(condition) && !qmicroioPatience.isOver())            \
            co_await qmicroioPatience.pause();                        \
        QMICROIO_VERIFY(condition);                                   \
    } while (false)
#define QMICROIO_TRY_VERIFY(condition) QMICROIO_TRY_VERIFY_WITH_TIMEOUT(condition, ::std::chrono::seconds(5))
#define QMICROIO_TRY_COMPARE_WITH_TIMEOUT(actual, expected, timeout)                                \
    do {                                                                                            \
        ::QMicroIO::Test::detail::Patience qmicroioPatience(timeout);                               \
        while (!::QMicroIO::Test::detail::areEqual(actual, expected) && !qmicroioPatience.isOver()) \
            co_await qmicroioPatience.pause();                                                      \
        QMICROIO_COMPARE(actual, expected);                                                         \
    } while (false)
#define QMICROIO_TRY_COMPARE(actual, expected) \
    QMICROIO_TRY_COMPARE_WITH_TIMEOUT(actual, expected, ::std::chrono::seconds(5))
