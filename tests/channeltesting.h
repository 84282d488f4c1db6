// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of all channels use.

#include "thrown.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/channel.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace QMicroIO {

// No default constructor, move-only: what items may be like.
class Parcel
{
public:
    explicit Parcel(int number)
        : m_number(std::make_unique<int>(number))
    {
    }
    int number() const { return *m_number; }

private:
    std::unique_ptr<int> m_number;
};

// Its move throws once its fuse has burnt down.
class Fragile
{
public:
    Fragile(int number, int *fuse)
        : m_number(number)
        , m_fuse(fuse)
    {
    }
    Fragile(Fragile &&other) // NOLINT(performance-noexcept-move-constructor): that it throws is the point
        : m_number(other.m_number)
        , m_fuse(other.m_fuse)
    {
        if (m_fuse && (*m_fuse)-- == 0)
            throw std::runtime_error("dropped on the way");
    }
    Fragile(const Fragile &) = delete;
    Fragile &operator=(const Fragile &) = delete;
    Fragile &operator=(Fragile &&) = delete;
    ~Fragile() = default;
    int number() const { return m_number; }

private:
    int m_number;
    int *m_fuse;
};

// Lets every other task of this loop go as far as it can.
inline Task<> settle()
{
    for (int turn = 0; turn < 4; ++turn)
        co_await checkpoint();
}

class RunningLoop
{
public:
    explicit RunningLoop(const QString &name)
        : m_service(name)
    {
        m_service.start();
        m_service.waitStarted();
    }
    ~RunningLoop() { end(); }
    RunningLoop(const RunningLoop &) = delete;
    RunningLoop &operator=(const RunningLoop &) = delete;
    LoopServiceThread *operator->() { return &m_service; }
    void end() { m_service.stop(), m_service.join(); }
    // What was submitted before has gone as far as it can.
    void settle()
    {
        for (int turn = 0; turn < 4; ++turn)
            m_service.callSync([] { });
    }

private:
    LoopServiceThread m_service;
};

// Until another thread has brought about what it is about to do. It yields, it does not sleep.
template<class Condition>
void awaitCondition(Condition condition)
{
    while (!condition())
        std::this_thread::yield();
}

} // namespace QMicroIO
