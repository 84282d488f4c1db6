// SPDX-License-Identifier: Apache-2.0
// The right form of what the files beside it get wrong.
#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>

using namespace QMicroIO;

Task<> shortRest()
{
    co_await sleep(std::chrono::milliseconds(1));
}

QCoro::Task<> fromQCoro()
{
    co_await shortRest();
}

Task<int *> pointer(int &value)
{
    co_await shortRest();
    co_return &value;
}

void children(TaskGroup &group, ObjectTaskGroup &tasks)
{
    group.startSoon([] { });
    group.startSoon([](int) { }, 1);
    tasks.startSoon([](const int &) { }, 1);
    const TaskHandle<int> handle = group.spawn([]() -> Task<int> { co_return 1; });
}

int calls(LoopServiceThread &service)
{
    service.callSoon([] { });
    const auto future = service.submit([]() -> Task<int> { co_return 1; });
    return service.callSync([] { return 1; });
}
