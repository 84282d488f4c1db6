// floor 11: which loop does not turn, and what keeps it
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/diagnostics.h>
#include <qmicroio/export.h>
#include <qmicroio/servicethread.h>

#include <QtCore/QMetaType>
#include <QtCore/QObject>
#include <QtCore/QString>

#include <chrono>
#include <memory>

namespace QMicroIO {

/// A loop that does not turn. Thread: any. Lifetime: a copy that refers to nothing.
struct QMICROIO_EXPORT StuckLoop
{
    QString thread; ///< its name; of a service the service's
    bool isService = false; ///< of a LoopServiceThread
    QString task; ///< that runs; empty when it is a call or an event handler
    AwaitSite lastWait; ///< of that task: where it went on last
    QString blocksFor; ///< the thread that it waits for in a blocking call of this library; empty when in none
    std::chrono::milliseconds duration{}; ///< for at least that long
    /// All of it in one line.
    QString toString() const;
};

/// While it lives, every loop of the program that has not turned for `limit` is reported: by signal, and as a warning in the log
/// category `qmicroio.service`.
///
/// It asks each loop four times within that time for a sign of life, from a thread of its own. Loops that come later are watched too.
/// Thread:   the object lives where it was made; several may exist.
/// Signals:  from the thread of this object, with no lock held.
/// Cost:     four wake-ups of each loop within `limit`, nothing else.
/// Fails:    the constructor throws std::invalid_argument for a time that is not positive, StartupError without a thread.
class QMICROIO_EXPORT LoopWatchdog : public QObject
{
    Q_OBJECT
public:
    /// Watches from now on. Thread: any. Units: real time.
    explicit LoopWatchdog(std::chrono::milliseconds limit, QObject *parent = nullptr);
    ~LoopWatchdog() override;

Q_SIGNALS:
    /// Emitted: once each time that a loop gets stuck.
    void stuck(const QMicroIO::StuckLoop &loop);
    /// Emitted: once it turns again, with the whole time.
    void recovered(const QMicroIO::StuckLoop &loop);

protected:
    /// Thread: that of the one who connects.
    void connectNotify(const QMetaMethod &signal) override;

private:
    struct Private;
    void check();
    std::unique_ptr<Private> d;
};

} // namespace QMicroIO

Q_DECLARE_METATYPE(QMicroIO::StuckLoop)
