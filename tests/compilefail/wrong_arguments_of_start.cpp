// SPDX-License-Identifier: Apache-2.0
// expect: QMicroIO: start<T>\(fn, args\.\.\.\) calls fn\(TaskStatus<T> &, args\.\.\.\)
#include <qmicroio/taskgroup.h>

QMicroIO::Task<> wrong(QMicroIO::TaskGroup &group)
{
    auto started = group.start<int>([](int) -> QMicroIO::Task<> { co_return; });
    co_await std::move(started);
}
