// floor 2: another end
// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/word.h>
