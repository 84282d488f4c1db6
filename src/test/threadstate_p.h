// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QByteArray>

namespace QMicroIO::Test::detail {

// What the system says about the thread that has made this. A thread that was woken counts as awake from the very call that
// woke it, which no flag of ours could tell for events that Qt delivers.
class ThreadState
{
public:
    ThreadState();
    ThreadState(const ThreadState &) = delete;
    ThreadState &operator=(const ThreadState &) = delete;
    ~ThreadState();
    bool isAsleep() const;
    // Changes whenever the thread was run.
    QByteArray schedule() const;

private:
    [[maybe_unused]] int m_stat = -1;
    [[maybe_unused]] int m_schedule = -1;
};

} // namespace QMicroIO::Test::detail
