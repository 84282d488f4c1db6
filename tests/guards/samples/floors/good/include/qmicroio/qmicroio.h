// floor 3: everything
// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/end.h>
#include <qmicroio/other.h>
