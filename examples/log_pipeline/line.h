// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QByteArray>
#include <QtCore/QString>

#include <atomic>
#include <utility>
#include <vector>

namespace LogPipeline {

/// How far a file has been read. The file behind a name may be another one later: device and inode tell.
struct Position
{
    quint64 device = 0;
    quint64 inode = 0;
    qint64 offset = 0;
};

/// Whole lines of one file, as they were read.
struct Chunk
{
    QString file;
    Position end; // behind the last line
    qint64 begin = 0;
    QByteArray text;
};

/// What the filter has left of a chunk. It may hold no line; the position still counts.
struct Selection
{
    QString file;
    Position end;
    std::vector<std::pair<qint64, QByteArray>> lines; // where each begins
};

/// What the progress line shows. Written by one service each, read by the main thread.
struct Progress
{
    std::atomic<quint64> bytesRead{0};
    std::atomic<quint64> linesRead{0};
    std::atomic<quint64> linesStored{0};
    std::atomic<quint64> transactions{0};
};

} // namespace LogPipeline
