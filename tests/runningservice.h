// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/loopservicethread.h>

namespace ServiceTesting {

// A service that is ready when it is made, and has ended when it is gone.
struct Running : QMicroIO::LoopServiceThread
{
    explicit Running(const QString &name = QStringLiteral("s"))
        : LoopServiceThread(name)
    {
        start();
        waitStarted();
    }
    ~Running() override
    {
        stop();
        join();
    }
};

} // namespace ServiceTesting
