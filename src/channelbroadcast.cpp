// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/channelbroadcast.h>

#include "logging_p.h"

namespace QMicroIO::detail {

namespace {
QString labelOf(const QString &name)
{
    return name.isEmpty() ? QStringLiteral("(unnamed)") : QStringLiteral("'%1'").arg(name);
}
} // namespace

void throwLateBroadcast(const QString &name)
{
    throw ClosedResourceError(
        QStringLiteral("broadcast channel %1 is closed; nothing can be sent any more").arg(labelOf(name)));
}

void warnOfUnclosedBroadcast(const QString &name)
{
    qCWarning(lcChannel).noquote() << "the last sender of broadcast channel" << labelOf(name)
                                   << "was destroyed without close(); the channel is closed now";
}

} // namespace QMicroIO::detail
