// floor 12: one service for all who need one, for as long as anybody does
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>
#include <qmicroio/loopservicethread.h>

#include <QtCore/QString>

#include <memory>

namespace QMicroIO {

/// A LoopServiceThread that is there while somebody uses it: made for the first, shared by all, stopped and joined by the last.
///
///     static const SharedService background(QStringLiteral("background"));
///     const auto service = background.use(); // keep it while it is needed
///     service->submit(work);
///
/// Thread:   any. Lifetime: users may outlive this object.
/// Cost:     a thread while it is used; use() takes one lock, under which the first one waits until the service is ready.
/// Source:   AnyIO's blocking portal provider.
class QMICROIO_EXPORT SharedService
{
public:
    /// Starts nothing yet. The name is that of each service it starts. Thread: any.
    explicit SharedService(const QString &name = {});
    ~SharedService();
    SharedService(const SharedService &) = delete;
    SharedService &operator=(const SharedService &) = delete;

    /// The service of those who use it now, ready; a new one when nobody does.
    ///
    /// Thread: any. Blocks: while the first user's service starts. Whoever lets go of the last copy waits until the service's tasks,
    /// cancelled by then, have ended. On the service's own thread nobody waits: the event loop of the thread that made
    /// the service destroys it later.
    /// Fails: StartupError when the service cannot start; LogicError without a QCoreApplication.
    [[nodiscard]] std::shared_ptr<LoopServiceThread> use() const;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace QMicroIO
