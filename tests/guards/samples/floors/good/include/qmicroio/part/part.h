// floor 2: the umbrella of a part
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/part/one.h>
