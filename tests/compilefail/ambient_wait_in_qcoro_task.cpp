// SPDX-License-Identifier: Apache-2.0
// expect: returns QMicroIO::Task<>; a QCoro::Task can then co_await that function
#include <qmicroio/cancelscope.h>

QCoro::Task<> wrong()
{
    co_await QMicroIO::sleep(std::chrono::milliseconds(1));
}
