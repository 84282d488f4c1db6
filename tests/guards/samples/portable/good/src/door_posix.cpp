// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

void shut(int descriptor)
{
    ::close(descriptor);
}
