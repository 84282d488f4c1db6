// floor 23: the order in which services, scopes and channels changed, and in which thread
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/channelstatus.h>
#include <qmicroio/closescope.h>
#include <qmicroio/servicethread.h>
#include <qmicroio/task.h>
#include <qmicroio/test/check.h>
#include <qmicroio/test/testexport.h>

#include <QtCore/QDebug>
#include <QtCore/QObject>
#include <QtCore/QStringList>

#include <functional>
#include <memory>
#include <source_location>
#include <type_traits>

namespace QMicroIO::Test {

/// Writes down signals and state changes as they happen, with the virtual time and the thread, and compares them with
/// what is expected.
///
/// A line is "TIME [THREAD] NAME: WHAT", for example "1500 ms [printer] printer: state Stopping". Time counts by the
/// clock of the library since the recorder was made.
///
/// Thread:   any; entries of several threads stand in the order in which they were made.
/// Lifetime: the recorder may go before what it watches, and the reverse.
/// Cost:     one lock and some allocations an entry.
class QMICROIO_TEST_EXPORT Recorder
{
public:
    /// Parts of a line besides name and text. Threads say little where their order is left to chance.
    enum class Column { Time = 1, Thread = 2 };
    Q_DECLARE_FLAGS(Columns, Column)

    Recorder();
    ~Recorder();
    Recorder(const Recorder &) = delete;
    Recorder &operator=(const Recorder &) = delete;

    /// States, ready(), failed() and stopped() of a service, and the closing of its scope.
    void watch(ServiceThread &service, const QString &name = {});
    /// The closing of a scope, with its reason.
    void watch(CloseScope &scope, const QString &name);
    /// bound(), closed(), failed(), highWater() and drained() of a channel: recorder.watch(sender.channelStatus()).
    void watch(ChannelStatus *channel, const QString &name = {});
    /// Any signal, with its arguments where they can be printed.
    template<class Sender, class... A>
    void watch(Sender *sender, void (Sender::*signal)(A...), const QString &name)
    {
        const std::shared_ptr<Log> log = m_log;
        QObject::connect(
            sender, signal, sender, [log, name](A... arguments) { log->add(name, textOf(arguments...)); },
            Qt::DirectConnection);
    }
    /// Runs `body` in the cancel scope and writes down when it is entered, when it is left and how; else as
    /// CancelScope::run().
    template<class F>
    auto run(const QString &name, CancelScope &scope, F body)
        -> Task<QMicroIO::detail::ScopeResult<typename QMicroIO::detail::BodyOf<F>::Result>>
    {
        const std::shared_ptr<Log> log = m_log;
        log->add(name, QStringLiteral("entered"));
        try {
            auto result = co_await scope.run(std::move(body));
            log->add(name, leftText(scope));
            co_return result;
        } catch (...) {
            log->add(name, QStringLiteral("left by an error: ") + errorText(std::current_exception()));
            throw;
        }
    }
    /// A line of the test's own.
    void note(const QString &name, const QString &what);

    /// What was recorded so far, a line each.
    QStringList lines(Columns columns = Columns(Column::Time) | Column::Thread) const;
    /// Forgets what was recorded.
    void clear();

    /// The lines must be these, in this order. Fails: CheckFailed with a difference, line by line.
    void compare(const QStringList &expected, Columns columns = Columns(Column::Time) | Column::Thread,
                 std::source_location place = std::source_location::current()) const;

    /// How `actual` differs from `expected`: lines that are missing have a minus, those that are too many a plus.
    /// Empty when equal.
    static QString difference(const QStringList &actual, const QStringList &expected);

private:
    class QMICROIO_TEST_EXPORT Log
    {
    public:
        Log();
        ~Log();
        Log(const Log &) = delete;
        Log &operator=(const Log &) = delete;
        void add(const QString &name, const QString &what);
        struct Private;
        std::unique_ptr<Private> d;
    };
    static QString leftText(const CancelScope &scope);
    template<class... A>
    static QString textOf(const A &...arguments)
    {
        QStringList texts;
        (texts.append(oneText(arguments)), ...);
        return texts.isEmpty() ? QStringLiteral("signalled") : texts.join(QStringLiteral(", "));
    }
    template<class T>
    static QString oneText(const T &argument)
    {
        QString text;
        QDebug stream(&text);
        stream.noquote().nospace() << argument;
        return text;
    }
    std::shared_ptr<Log> m_log;
};

Q_DECLARE_OPERATORS_FOR_FLAGS(Recorder::Columns)

} // namespace QMicroIO::Test
