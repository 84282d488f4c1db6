// floor 21: what a check of the test kit throws, with the place that it is about
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/errors.h>
#include <qmicroio/test/testexport.h>

#include <source_location>

namespace QMicroIO::Test {

/// A check of the kit found what it must not. runTest() reports it as a failure at that place.
class QMICROIO_TEST_EXPORT CheckFailed : public Error
{
public:
    /// With this text, at this place. Thread: any.
    explicit CheckFailed(const QString &message, std::source_location place = std::source_location::current());
    CheckFailed(const CheckFailed &);
    CheckFailed &operator=(const CheckFailed &);
    ~CheckFailed() override;
    /// Where the check stands. Thread: any.
    std::source_location place() const { return m_place; }

private:
    std::source_location m_place;
};

} // namespace QMicroIO::Test
