// SPDX-License-Identifier: Apache-2.0
#include "crowd.h"

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace Demo {
namespace {

Task<> live(int number)
{
    co_await sleep(std::chrono::milliseconds(number % 1000)); // not all at once
    for (;;)
        co_await sleep(1s);
}

} // namespace

Crowd::Crowd(int members)
    : LoopServiceThread(QStringLiteral("crowd"))
    , m_members(members)
{
}

Crowd::~Crowd()
{
    stop();
    join();
}

Task<> Crowd::runAsync()
{
    for (int number = 1; number <= m_members; ++number)
        taskGroup().startSoon(TaskName(QStringLiteral("member %1").arg(number)), &live, number);
    started();
    co_await sleepForever();
}

} // namespace Demo
