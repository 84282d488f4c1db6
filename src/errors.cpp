// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/clock.h>
#include <qmicroio/errors.h>

#include <QtCore/QStringList>

#include <typeinfo>

namespace QMicroIO {

// Copy operations and destructors live here so that each class has one home for its type information: an exception
// thrown in a shared library is then caught by its type everywhere.
#define QMICROIO_DEFINE_COPIES(Name)               \
    Name::Name(const Name &) = default;            \
    Name &Name::operator=(const Name &) = default; \
    Name::~Name() = default;

Error::Error(const QString &message)
    : std::runtime_error(message.toStdString())
{
}

Error::Error(const char *message)
    : std::runtime_error(message)
{
}

QString Error::message() const
{
    return QString::fromUtf8(what());
}

QMICROIO_DEFINE_COPIES(Error)
QMICROIO_DEFINE_COPIES(ClosedResourceError)
QMICROIO_DEFINE_COPIES(NotRunningError)
QMICROIO_DEFINE_COPIES(BrokenResourceError)
QMICROIO_DEFINE_COPIES(StartupError)
QMICROIO_DEFINE_COPIES(EndOfStream)
QMICROIO_DEFINE_COPIES(WouldBlock)
QMICROIO_DEFINE_COPIES(BusyResourceError)
QMICROIO_DEFINE_COPIES(TimeoutError)
QMICROIO_DEFINE_COPIES(DuplicateRequestError)
QMICROIO_DEFINE_COPIES(DeadlockError)
QMICROIO_DEFINE_COPIES(LogicError)
QMICROIO_DEFINE_COPIES(ExceptionGroup)
QMICROIO_DEFINE_COPIES(Cancelled)

BrokenResourceError::BrokenResourceError(const QString &message, std::exception_ptr cause)
    : Error(message)
    , m_cause(std::move(cause))
{
}

StartupError::StartupError(const QString &message, std::exception_ptr cause)
    : Error(message)
    , m_cause(std::move(cause))
{
}

namespace {

std::vector<std::exception_ptr> checked(std::vector<std::exception_ptr> exceptions)
{
    if (exceptions.empty())
        throw std::invalid_argument("ExceptionGroup: the list is empty; a group needs at least one failure");
    for (const std::exception_ptr &error : exceptions) {
        if (!error)
            throw std::invalid_argument("ExceptionGroup: null pointer in the list; give caught exceptions only");
    }
    return exceptions;
}

QString tree(const QString &message, const std::vector<std::exception_ptr> &exceptions)
{
    QStringList lines(message);
    for (const std::exception_ptr &error : exceptions) {
        const QStringList inner = errorText(error).split(u'\n');
        for (qsizetype i = 0; i < inner.size(); ++i)
            lines += (i == 0 ? QStringLiteral("  - ") : QStringLiteral("    ")) + inner.at(i);
    }
    return lines.join(u'\n');
}

QString countedMessage(const std::vector<std::exception_ptr> &exceptions)
{
    return exceptions.size() == 1 ? QStringLiteral("1 task failed:")
                                  : QStringLiteral("%1 tasks failed:").arg(exceptions.size());
}

} // namespace

ExceptionGroup::ExceptionGroup(std::vector<std::exception_ptr> exceptions)
    : ExceptionGroup(countedMessage(exceptions), exceptions)
{
}

ExceptionGroup::ExceptionGroup(const QString &message, std::vector<std::exception_ptr> exceptions)
    : Error(tree(message, checked(exceptions)))
    , m_exceptions(std::move(exceptions))
{
}

Cancelled::Cancelled(const QString &reason, Cause cause, const QString &origin)
    : m_reason(reason)
    , m_origin(origin)
    , m_cause(cause)
{
}

QString Cancelled::path() const
{
    QStringList steps;
    quint64 left = m_path;
    for (; left != 0; left >>= detail::PathStep::Bits) {
        QString step = detail::nameOf(detail::ScopeKind(left & detail::PathStep::KindMask));
        if (left & detail::PathStep::Deadline)
            step += QStringLiteral(" with a deadline");
        if (left & detail::PathStep::Shield)
            step += QStringLiteral(" with a shield");
        steps += step;
    }
    constexpr qsizetype Most = 64 / detail::PathStep::Bits;
    if (steps.size() == Most)
        steps += QStringLiteral("...");
    return steps.join(QStringLiteral(" > "));
}

QString Cancelled::describe() const
{
    QString text = m_reason.isEmpty() ? QStringLiteral("cancelled") : QStringLiteral("cancelled: %1").arg(m_reason);
    const QString by = m_origin.isEmpty() ? QString() : QStringLiteral(" of %1").arg(m_origin);
    switch (m_cause) {
    case Cause::Request:
        text += QStringLiteral(" (request%1)").arg(by);
        break;
    case Cause::Deadline:
        text += QStringLiteral(" (deadline)");
        break;
    case Cause::Failure:
        text += QStringLiteral(" (failure%1)").arg(by);
        break;
    case Cause::LoopEnd:
        text += QStringLiteral(" (end of the loop)");
        break;
    }
    if (m_when != detail::TimePoint()) {
        const auto ago = std::chrono::duration_cast<std::chrono::milliseconds>(detail::now() - m_when);
        text += QStringLiteral(", %1 ms ago").arg(ago.count());
    }
    if (const QString scopes = path(); !scopes.isEmpty())
        text += QStringLiteral(", through ") + scopes;
    return text;
}

QString errorText(const std::exception_ptr &error)
{
    if (!error)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (const std::exception &e) {
        return QString::fromUtf8(e.what());
    } catch (const Cancelled &e) {
        return e.reason().isEmpty() ? QStringLiteral("cancelled") : QStringLiteral("cancelled: %1").arg(e.reason());
    } catch (...) {
        return QStringLiteral("an exception of a type outside std::exception");
    }
}

namespace detail {

QString nameOf(ScopeKind kind)
{
    switch (kind) {
    case ScopeKind::Group:
        return QStringLiteral("a group");
    case ScopeKind::Task:
        return QStringLiteral("a task");
    case ScopeKind::Region:
        break;
    }
    return QStringLiteral("a region");
}

bool isCancellation(const std::exception_ptr &error) noexcept
{
    if (!error)
        return false;
#if defined(__GLIBCXX__)
    // The type is asked for on every end of a task; a throw and catch would cost a microsecond each time.
    if (const std::type_info *type = error.__cxa_exception_type(); type && *type == typeid(Cancelled))
        return true;
#endif
    try {
        std::rethrow_exception(error);
    } catch (const Cancelled &) {
        return true;
    } catch (...) {
        return false;
    }
}

Split splitCancelled(const std::exception_ptr &error)
{
    if (!error)
        return {};
    if (isCancellation(error))
        return {nullptr, true};
    try {
        std::rethrow_exception(error);
    } catch (const ExceptionGroup &group) {
        std::vector<std::exception_ptr> kept;
        bool had = false;
        for (const std::exception_ptr &inner : group.exceptions()) {
            Split part = splitCancelled(inner);
            had = had || part.hadCancelled;
            if (part.rest)
                kept.push_back(std::move(part.rest));
        }
        if (!had)
            return {error, false};
        if (kept.empty())
            return {nullptr, true};
        const QString head = group.message().section(u'\n', 0, 0);
        if (head == countedMessage(group.exceptions()))
            return {std::make_exception_ptr(ExceptionGroup(std::move(kept))), true};
        return {std::make_exception_ptr(ExceptionGroup(head, std::move(kept))), true};
    } catch (...) {
        return {error, false};
    }
}

} // namespace detail
} // namespace QMicroIO
