// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/checkpoints.h>

namespace QMicroIO::Test::detail {

void requireCheckpoint(QMicroIO::detail::TaskContext::Doings doings, std::source_location place)
{
    if (doings.yielded && doings.askedCancel)
        return;
    const QString missing = doings.yielded ? QStringLiteral("it let others run but never asked whether it is cancelled")
        : doings.askedCancel               ? QStringLiteral("it asked whether it is cancelled but never let others run")
                             : QStringLiteral("it neither let others run nor asked whether it is cancelled");
    throw CheckFailed(QStringLiteral("no checkpoint: %1").arg(missing), place);
}

void requireNoCheckpoint(QMicroIO::detail::TaskContext::Doings doings, std::source_location place)
{
    if (!doings.yielded && !doings.askedCancel)
        return;
    const QString done = !doings.yielded ? QStringLiteral("it asked whether it is cancelled")
        : !doings.askedCancel            ? QStringLiteral("it let others run")
                                         : QStringLiteral("it let others run and asked whether it is cancelled");
    throw CheckFailed(QStringLiteral("a checkpoint where none may be: %1").arg(done), place);
}

} // namespace QMicroIO::Test::detail
