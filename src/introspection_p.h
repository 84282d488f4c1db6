// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/introspection.h>

namespace QMicroIO::detail {

// All but the tasks.
void collectListed(ProgramStatus &status);

} // namespace QMicroIO::detail
