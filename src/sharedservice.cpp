// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/sharedservice.h>

#include <mutex>

namespace QMicroIO {

struct SharedService::Private
{
    QString name;
    std::mutex mutex; // no code of users runs under it: the service's main coroutine is the library's own
    std::weak_ptr<LoopServiceThread> current;
};

SharedService::SharedService(const QString &name)
    : d(std::make_unique<Private>())
{
    d->name = name;
}

SharedService::~SharedService() = default;

std::shared_ptr<LoopServiceThread> SharedService::use() const
{
    const auto end = [](LoopServiceThread *service) {
        service->stop(QStringLiteral("its last user has gone"));
        try {
            service->join();
        } catch (const LogicError &) { // let go of on its own thread, which cannot wait for itself
            service->deleteLater();
            return;
        }
        delete service;
    };
    const std::lock_guard lock(d->mutex);
    if (std::shared_ptr<LoopServiceThread> service = d->current.lock())
        return service;
    std::shared_ptr<LoopServiceThread> service(new LoopServiceThread(d->name), end);
    service->start();
    service->waitStarted();
    d->current = service;
    return service;
}

} // namespace QMicroIO
