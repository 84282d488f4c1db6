// SPDX-License-Identifier: Apache-2.0
// expect: QMicroIO: a child is a function that returns Task<>, QCoro::Task<> or void
#include <qmicroio/taskgroup.h>

void wrong(QMicroIO::TaskGroup &group)
{
    group.startSoon([] { return 1; });
}
