// SPDX-License-Identifier: Apache-2.0
#include <unistd.h> // expect: <unistd.h> is no header of C++
