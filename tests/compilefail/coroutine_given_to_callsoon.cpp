// SPDX-License-Identifier: Apache-2.0
// expect: submit\(\)
#include <qmicroio/loopservicethread.h>

void wrong(QMicroIO::LoopServiceThread &service)
{
    service.callSoon([]() -> QMicroIO::Task<> { co_return; });
}
