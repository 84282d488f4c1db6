// floor 1: an end
// SPDX-License-Identifier: Apache-2.0
#include "word.h"            // expect: instead of "word.h"
#include <qmicroio/gone.h>   // expect: no public header qmicroio/gone.h
  #  include <qmicroio/tall.h> // expect: may not include qmicroio/tall.h of floor 3
