// SPDX-License-Identifier: Apache-2.0
// expect: QMicroIO: this type cannot be awaited
#include <qmicroio/task.h>

QMicroIO::Task<> wrong()
{
    co_await 42;
}
