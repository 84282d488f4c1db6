// floor 2: the umbrella of a part, expect: does not include qmicroio/part/leftout.h
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/word.h>
