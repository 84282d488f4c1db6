// SPDX-License-Identifier: Apache-2.0
//
// All headers at once, for a user who asks Qt and the compiler for the strictest they know. 6.13 is newer than any Qt
// there is. Where -Wconversion means signedness too (Clang), that is left out: Qt's own types are signed.
// flags: -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Werror
// flags: -DQT_NO_CAST_FROM_ASCII -DQT_NO_CAST_TO_ASCII -DQT_NO_FOREACH -DQT_NO_URL_CAST_FROM_STRING
// flags: -DQT_DISABLE_DEPRECATED_UP_TO=0x060d00 -DQT_DISABLE_DEPRECATED_BEFORE=0x060d00
#include <qmicroio/qmicroio.h>
#include <qmicroio/test/test.h>
