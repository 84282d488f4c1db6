// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/check.h>

namespace QMicroIO::Test {

CheckFailed::CheckFailed(const QString &message, std::source_location place)
    : Error(message)
    , m_place(place)
{
}

CheckFailed::CheckFailed(const CheckFailed &) = default;
CheckFailed &CheckFailed::operator=(const CheckFailed &) = default;
CheckFailed::~CheckFailed() = default;

} // namespace QMicroIO::Test
