// SPDX-License-Identifier: Apache-2.0
// expect: a Task runs only when it is awaited or given to a group
#include <qmicroio/task.h>

QMicroIO::Task<> work();

void wrong()
{
    work();
}
