// SPDX-License-Identifier: Apache-2.0
//
// The least that needs the library, Qt and threads: a service that gets ready, and is stopped.

#include <qmicroio/servicethread.h>
#include <qmicroio/version.h>

using QMicroIO::ServiceThread;

int main()
{
    ServiceThread service(QStringLiteral("doorman"), [](ServiceThread &self) {
        self.started();
        self.scope().wait();
    });
    service.start();
    service.waitStarted();
    const bool ended = service.stop() && service.join();
    return ended && QMicroIO::libraryVersion() == QMICROIO_VERSION ? 0 : 1;
}
