// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/seam.h>

#include <sched.h>

namespace QMicroIO::detail {

int currentCore() noexcept
{
    return sched_getcpu();
}

} // namespace QMicroIO::detail
