// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QFile>
#include <QtCore/QObject>
#include <QtCore/QTimer>

#include <chrono>

namespace Demo {

/// Measures for how long its thread does not turn its event loop. Begins at once. The thread where it was made.
class Heartbeat : public QObject
{
    Q_OBJECT
public:
    Heartbeat();

    /// The time between two beats.
    struct Pause
    {
        std::chrono::nanoseconds own{}; ///< the thread ran or slept
        std::chrono::nanoseconds starved{}; ///< it could have run, but other threads had the cores; 0 where unknown
    };
    /// The one whose own time was the longest.
    Pause longest() const { return m_longest; }
    quint64 beats() const { return m_beats; }

private:
    void beat();
    std::chrono::nanoseconds starved();

    QTimer m_timer;
    QFile m_schedule;
    std::chrono::steady_clock::time_point m_last;
    std::chrono::nanoseconds m_lastStarved{};
    Pause m_longest;
    quint64 m_beats = 0;
};

} // namespace Demo
