// SPDX-License-Identifier: Apache-2.0
// flags: -fno-exceptions
// expect: needs exceptions
#include <qmicroio/errors.h>
