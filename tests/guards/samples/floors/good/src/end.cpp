// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/end.h>
#include <qmicroio/other.h>
#include <qmicroio/word.h>

#include "anything_p.h"
