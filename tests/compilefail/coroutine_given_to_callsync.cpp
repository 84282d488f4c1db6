// SPDX-License-Identifier: Apache-2.0
// expect: submit\(\)
#include <qmicroio/loopservicethread.h>

void wrong(QMicroIO::LoopServiceThread &service)
{
    service.callSync([]() -> QMicroIO::Task<int> { co_return 1; });
}
