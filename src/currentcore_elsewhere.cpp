// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/seam.h>

namespace QMicroIO::detail {

// Unknown: then nobody waits awake because of where two threads run.
int currentCore() noexcept
{
    return -1;
}

} // namespace QMicroIO::detail
