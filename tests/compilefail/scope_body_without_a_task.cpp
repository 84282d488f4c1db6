// SPDX-License-Identifier: Apache-2.0
// expect: QMicroIO: the body of a scope is called as body\(\) or body\(CancelScope &\) and returns a Task
#include <qmicroio/cancelscope.h>

auto wrong()
{
    return QMicroIO::moveOnAfter(std::chrono::seconds(1), [] { return 1; });
}
