// floor 1: inside
// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/word.h>
