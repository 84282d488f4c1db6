// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/version.h>

namespace QMicroIO {

int libraryVersion() noexcept
{
    return QMICROIO_VERSION;
}

} // namespace QMicroIO
