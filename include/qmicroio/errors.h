// floor 1: what can go wrong, and what a cancelled wait throws
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <QtCore/QString>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <vector>

namespace QMicroIO {

namespace detail {
class TaskContext;
}

/// Base of every error that this library throws, except Cancelled and the standard std::invalid_argument.
///
/// Thread: any. The text is kept as UTF-8, so what() can be printed as it is.
class QMICROIO_EXPORT Error : public std::runtime_error
{
public:
    /// With this text. Thread: any.
    explicit Error(const QString &message);
    /// The same; the text is UTF-8.
    explicit Error(const char *message);
    Error(const Error &);
    Error &operator=(const Error &);
    ~Error() override;

    /// The text of what() as a QString. Thread: any.
    QString message() const;
};

/// The resource was closed on purpose. Thread: any.
class QMICROIO_EXPORT ClosedResourceError : public Error
{
public:
    using Error::Error;
    ClosedResourceError(const ClosedResourceError &);
    ClosedResourceError &operator=(const ClosedResourceError &);
    ~ClosedResourceError() override;
};

/// There is no loop to run the call: not yet, or no longer. Thread: any.
class QMICROIO_EXPORT NotRunningError : public ClosedResourceError
{
public:
    using ClosedResourceError::ClosedResourceError;
    NotRunningError(const NotRunningError &);
    NotRunningError &operator=(const NotRunningError &);
    ~NotRunningError() override;
};

/// The resource was closed by a failure, or its other end is gone. Thread: any.
class QMICROIO_EXPORT BrokenResourceError : public Error
{
public:
    using Error::Error;
    /// With the failure behind it. Thread: any.
    BrokenResourceError(const QString &message, std::exception_ptr cause);
    BrokenResourceError(const BrokenResourceError &);
    BrokenResourceError &operator=(const BrokenResourceError &);
    ~BrokenResourceError() override;

    /// The original failure; null when there was none (the other end simply went away). Thread: any.
    std::exception_ptr cause() const { return m_cause; }

private:
    std::exception_ptr m_cause;
};

/// A service did not become ready. Thread: any.
class QMICROIO_EXPORT StartupError : public Error
{
public:
    using Error::Error;
    /// With the failure behind it. Thread: any.
    StartupError(const QString &message, std::exception_ptr cause);
    StartupError(const StartupError &);
    StartupError &operator=(const StartupError &);
    ~StartupError() override;

    /// The failure that prevented readiness; null when the service just ended or was stopped. Thread: any.
    std::exception_ptr cause() const { return m_cause; }

private:
    std::exception_ptr m_cause;
};

#define QMICROIO_DECLARE_ERROR(Name)          \
    class QMICROIO_EXPORT Name : public Error \
    {                                         \
    public:                                   \
        using Error::Error;                   \
        Name(const Name &);                   \
        Name &operator=(const Name &);        \
        ~Name() override;                     \
    };

/// Nothing more will come: the channel was closed and everything queued was delivered. Thread: any.
QMICROIO_DECLARE_ERROR(EndOfStream)
/// The call would have to wait, and it is one that never waits. Thread: any.
QMICROIO_DECLARE_ERROR(WouldBlock)
/// Somebody else already waits where only one may. Thread: any.
QMICROIO_DECLARE_ERROR(BusyResourceError)
/// A deadline passed. Thread: any.
QMICROIO_DECLARE_ERROR(TimeoutError)
/// A request with this key is already pending. Thread: any.
QMICROIO_DECLARE_ERROR(DuplicateRequestError)
/// The blocking call would close a cycle of threads that wait for each other; the text names the cycle. Thread: any.
QMICROIO_DECLARE_ERROR(DeadlockError)
/// The caller broke a rule of this library; the text says which, and what to do instead. Thread: any.
QMICROIO_DECLARE_ERROR(LogicError)

#undef QMICROIO_DECLARE_ERROR

/// Several failures that happened together, in the order in which they were seen.
///
/// Thread: any. Groups may hold groups. what() gives one line a failure, indented by depth.
/// Fails:  std::invalid_argument for an empty list or a null pointer in it.
class QMICROIO_EXPORT ExceptionGroup : public Error
{
public:
    /// With a text that counts them. Thread: any.
    explicit ExceptionGroup(std::vector<std::exception_ptr> exceptions);
    /// With a text of one's own above them.
    ExceptionGroup(const QString &message, std::vector<std::exception_ptr> exceptions);
    ExceptionGroup(const ExceptionGroup &);
    ExceptionGroup &operator=(const ExceptionGroup &);
    ~ExceptionGroup() override;

    /// Never empty, no null inside. Thread: any.
    const std::vector<std::exception_ptr> &exceptions() const { return m_exceptions; }

private:
    std::vector<std::exception_ptr> m_exceptions;
};

/// What a wait throws when its cancel scope was cancelled.
///
/// It is no std::exception, so an ordinary handler does not swallow it (the reason Python moved its counterpart
/// out of Exception). Catch it to clean up, then throw it on: inside the cancelled scope every further wait throws again.
/// Thread: any.
class QMICROIO_EXPORT Cancelled
{
public:
    /// Why the scope was cancelled.
    enum class Cause {
        Request, ///< somebody called cancel()
        Deadline, ///< the scope's deadline passed
        Failure, ///< a child of the same group failed
        LoopEnd, ///< the event loop of the task's thread ended
    };

    /// For code that ends a wait of its own. Thread: any.
    explicit Cancelled(const QString &reason = {}, Cause cause = Cause::Request, const QString &origin = {});
    Cancelled(const Cancelled &);
    Cancelled &operator=(const Cancelled &);
    virtual ~Cancelled();

    /// The text given to cancel(), or one that names the deadline or the failed child. May be empty. Thread: any.
    QString reason() const { return m_reason; }
    /// Thread: any.
    Cause cause() const { return m_cause; }
    /// The task or thread that cancelled; empty when unknown. Thread: any.
    QString origin() const { return m_origin; }
    /// When the scope was cancelled; the epoch of the clock when unknown, as in one that was made by hand. Thread: any.
    std::chrono::steady_clock::time_point when() const { return m_when; }
    /// The scopes between the cancelled one and the wait, outermost first: "a region with a deadline > a group".
    ///
    /// Empty when unknown. Thread: any. Cost: the text is allocated by this call, not by the throw.
    QString path() const;
    /// All of the above in one line, for logs. Thread: any.
    QString describe() const;

private:
    friend class detail::TaskContext;
    QString m_reason;
    QString m_origin;
    Cause m_cause;
    std::chrono::steady_clock::time_point m_when{};
    quint64 m_path = 0; // four bits a scope, see detail::PathStep
};

/// The text of any exception: what() of a std::exception, the reason of a Cancelled, a fixed text for the rest.
///
/// Thread: any. Cost: one throw and catch. A null pointer gives an empty text.
QMICROIO_EXPORT QString errorText(const std::exception_ptr &error);

namespace detail {

// How one scope stands in the path of a cancellation; the outermost one in the lowest bits.
struct PathStep
{
    static constexpr unsigned Bits = 4;
    static constexpr quint64 KindMask = 3, Deadline = 4, Shield = 8;
};

// What a scope surrounds. Never zero: a path ends where its bits are zero.
enum class ScopeKind : quint8 { Region = 1, Group = 2, Task = 3 };
QMICROIO_EXPORT QString nameOf(ScopeKind kind);

QMICROIO_EXPORT bool isCancellation(const std::exception_ptr &error) noexcept;

struct Split
{
    std::exception_ptr rest; // null: nothing but cancellation was inside
    bool hadCancelled = false;
};
// Takes every Cancelled out of an error, also out of nested groups, and keeps the nesting of what remains.
QMICROIO_EXPORT Split splitCancelled(const std::exception_ptr &error);

} // namespace detail
} // namespace QMicroIO
