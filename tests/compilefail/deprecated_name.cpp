// SPDX-License-Identifier: Apache-2.0
// expect: use newName\(\)
#include <qmicroio/version.h>

// snippet: deprecated
#if QMICROIO_DEPRECATED_SINCE(0, 1)
QMICROIO_DEPRECATED_X("use newName()") int oldName();
#endif
// end of snippet

int user()
{
    return oldName();
}
