// floor 0: a word
// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/end.h>   // expect: may not include qmicroio/end.h of floor 1
#include <qmicroio/peer.h>  // expect: may not include qmicroio/peer.h of floor 0
