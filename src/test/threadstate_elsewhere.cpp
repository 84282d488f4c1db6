// SPDX-License-Identifier: Apache-2.0
#include "threadstate_p.h"

#include <chrono>
#include <thread>

namespace QMicroIO::Test::detail {

ThreadState::ThreadState() = default;

ThreadState::~ThreadState() = default;

bool ThreadState::isAsleep() const
{
    // No way to ask: give it time to go to sleep or to begin with its work.
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return true;
}

QByteArray ThreadState::schedule() const
{
    return {};
}

} // namespace QMicroIO::Test::detail
