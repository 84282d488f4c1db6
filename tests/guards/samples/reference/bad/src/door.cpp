// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/door.h>

namespace QMicroIO {
namespace {

[[noreturn]] void throwLocked()
{
    throw BusyResourceError("locked");
}

void turnKey()
{
    throwLocked();
}

int checked(int degrees)
{
    if (degrees < 0)
        throw std::invalid_argument("a door opens by 0 degrees or more");
    return degrees;
}

} // namespace

void Door::force()
{
    if (m_degrees > 0)
        throw LogicError("it is open");
}

void Door::pick()
{
    turnKey();
}

void Door::lean()
{
    std::unique_lock lock(m_mutex);
    m_condition.wait(lock);
}

} // namespace QMicroIO
