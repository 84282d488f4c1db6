// SPDX-License-Identifier: Apache-2.0
// expect: QMicroIO: a Task gives its result by value; return a pointer for a reference
#include <qmicroio/task.h>

QMicroIO::Task<int &> wrong(int &value)
{
    co_return value;
}
