// floor 3: expect: qmicroio/tall.h is on floor 3 && does not reach qmicroio/nofloor.h
// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/end.h>
#include <qmicroio/word.h>
