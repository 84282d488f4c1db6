// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/requestregistry.h>

#include "logging_p.h"

#include <bit>

#include <qmicroio/detail/loop.h>

#include <algorithm>

namespace QMicroIO::detail {

void RequestCounts::add(std::chrono::nanoseconds latency, bool isAnswer) noexcept
{
    ++(isAnswer ? answered : failed);
    const auto us = std::max<qint64>(std::chrono::duration_cast<std::chrono::microseconds>(latency).count(), 0);
    ++latencies[std::min<std::size_t>(std::bit_width(quint64(us)), latencies.size() - 1)];
}

void throwDuplicateRequest(const QString &key)
{
    throw DuplicateRequestError(
        QStringLiteral("a request with the key %1 is pending; use another key or wait for it").arg(key));
}

void throwRegistryClosed(const std::exception_ptr &cause)
{
    if (cause)
        throw BrokenResourceError(
            QStringLiteral("the request registry was closed by a failure: %1").arg(errorText(cause)), cause);
    throw ClosedResourceError(QStringLiteral("the request registry is closed; it takes no more requests"));
}

void throwRequestTimedOut(const QString &key)
{
    qCDebug(lcRequest).noquote() << "request" << key << "was given up: no reply in time";
    throw TimeoutError(QStringLiteral("no reply to request %1 in time").arg(key));
}

void throwAnswerTaken(const QString &key)
{
    throw LogicError(
        QStringLiteral("request %1: its outcome was taken before or nobody waits for it any more; register it anew")
            .arg(key));
}

void throwSomebodyWaits(const QString &key)
{
    throw BusyResourceError(QStringLiteral("request %1: somebody else already waits for the reply").arg(key));
}

void requireMayBlock(const char *call, const char *instead)
{
    const Loop *loop = Loop::current();
    if (!loop || !loop->isService())
        return;
    throw LogicError(
        QStringLiteral("%1 on the loop thread of service %2 would block the loop that may have to deliver the reply; "
                       "use %3")
            .arg(QString::fromUtf8(call), loop->name(), QString::fromUtf8(instead)));
}

std::chrono::nanoseconds timeToStayAwake(const std::atomic<int> &answersFrom, QDeadlineTimer deadline)
{
    const int core = currentCore();
    if (core >= 0 && core == answersFrom.load(std::memory_order_relaxed))
        return {};
    return deadline.isForever() ? wakeUpTime() : std::min(wakeUpTime(), deadline.remainingTimeAsDuration());
}

std::exception_ptr registryClosedError()
{
    return std::make_exception_ptr(
        ClosedResourceError(QStringLiteral("the request registry was closed before the reply came")));
}

std::exception_ptr endOf(const CloseScope &scope)
{
    if (const std::exception_ptr error = scope.error())
        return error;
    const QString reason = scope.reason();
    return std::make_exception_ptr(ClosedResourceError(reason.isEmpty() ? QStringLiteral("closed") : reason));
}

std::exception_ptr handlesDroppedError(const QString &key)
{
    qCDebug(lcRequest).noquote() << "request" << key
                                 << "can no longer be answered: its last reply handle was destroyed";
    return std::make_exception_ptr(
        BrokenResourceError(QStringLiteral("request %1: every reply handle was dropped without an answer").arg(key)));
}

std::exception_ptr forgottenError(const QString &key)
{
    return std::make_exception_ptr(ClosedResourceError(QStringLiteral("request %1 was forgotten").arg(key)));
}

void requireError(const std::exception_ptr &error, const char *call)
{
    if (!error)
        throw std::invalid_argument(std::string(call)
                                    + ": the error is null; give the exception that the waiter shall get");
}

} // namespace QMicroIO::detail
