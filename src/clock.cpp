// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/clock.h>

namespace QMicroIO::detail {

TimePoint now() noexcept
{
    return Clock::now();
}

} // namespace QMicroIO::detail
