// floor 2: an end
// SPDX-License-Identifier: Apache-2.0
#  include <qmicroio/detail/inside.h> // spaced
/*
#include <qmicroio/gone.h>
*/
// #include <qmicroio/gone.h>
#include <vector>
