// SPDX-License-Identifier: Apache-2.0
// flags: -fno-rtti
// expect: needs run-time type information
#include <qmicroio/errors.h>
