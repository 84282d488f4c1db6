// SPDX-License-Identifier: Apache-2.0
// expect: QMicroIO: startMain\(body, done\) calls body\(\), which gives a Task
#include <qmicroio/startmain.h>

void wrong()
{
    QMicroIO::startMain([] { return 1; });
}
