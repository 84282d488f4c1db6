// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/word.h>
#include <qmicroio/end.h>      // expect: the source of qmicroio/word.h (floor 0) may not include qmicroio/end.h
#include <qmicroio/qmicroio.h> // expect: may not include the umbrella
