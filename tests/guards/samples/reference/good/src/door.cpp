// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/door.h>

namespace QMicroIO {

void Door::force()
{
    throw LogicError("it burns");
}

void Door::pick()
{
    throw BusyResourceError("locked");
}

void Door::tryPick()
{
    try {
        pick();
    } catch (...) {
        m_failed = true;
    }
}

} // namespace QMicroIO
