// SPDX-License-Identifier: Apache-2.0
// expect: use newName\(\)
#include <qmicroio/version.h>

#if QMICROIO_DEPRECATED_SINCE(0, 1)
QMICROIO_DEPRECATED_X("use newName()") int oldName();
#endif

int user()
{
    return oldName();
}
