// SPDX-License-Identifier: Apache-2.0
// expect: QMicroIO: this function cannot be called with these arguments
#include <qmicroio/taskgroup.h>

void wrong(QMicroIO::TaskGroup &group)
{
    group.startSoon([](int &) { }, 1);
}
