// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/qmicroio.h>

#include <QtCore/QObject>

#include <atomic>
#include <chrono>
#include <ctime>

QT_BEGIN_NAMESPACE
class QQuickWindow;
QT_END_NAMESPACE

namespace Demo {

/// Counts the frames of a window, and the CPU time of the threads that make them.
class FrameWatch : public QObject
{
    Q_OBJECT
public:
    explicit FrameWatch(QQuickWindow &window);

    /// Sums since the window was made. All times in seconds.
    struct Sums
    {
        double wall = 0; ///< since the process began
        double gui = 0; ///< CPU time of the thread of the GUI
        double render = 0; ///< of the thread that renders; 0 where that is the GUI's
        double process = 0; ///< of all threads
        quint64 frames = 0;
    };
    Sums sums() const;
    /// As it was when the first frame was shown.
    Sums firstFrame() const { return m_first; }
    bool hasShown() const { return m_frames.load(std::memory_order_acquire) > 0; }

private:
    std::atomic<quint64> m_frames{0};
    std::atomic<bool> m_rendersElsewhere{false};
    clockid_t m_renderClock{}; // written before m_rendersElsewhere
    Sums m_first; // written before the first frame is counted
};

/// Prints what the dashboard costs while it shows at least so many tasks: while it is only updated, and while the list of
/// tasks scrolls, for `span` each. The window has the properties `taskCount` and `taskPosition`.
QMicroIO::Task<> measure(QQuickWindow &window, const FrameWatch &watch, int tasks, std::chrono::seconds span);

} // namespace Demo
