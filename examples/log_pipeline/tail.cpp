// SPDX-License-Identifier: Apache-2.0
#include "tail.h"

#include "posix.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/taskgroup.h>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace LogPipeline {
namespace {

constexpr qsizetype ChunkBytes = 64 * 1024;
constexpr qsizetype LongestLine = 1024 * 1024; // a longer one is cut
constexpr auto LookAgain = 50ms;

} // namespace

Tail::Tail(QStringList files, QHash<QString, Position> positions, Follow follow, ChannelSender<Chunk> chunks,
           Progress &progress)
    : LoopServiceThread(QStringLiteral("tail"))
    , m_files(std::move(files))
    , m_positions(std::move(positions))
    , m_follow(follow)
    , m_chunks(std::move(chunks))
    , m_progress(progress)
{
}

Tail::~Tail()
{
    stop();
    join();
}

Task<> Tail::runAsync()
{
    started();
    const auto readAll = [this](TaskGroup &group) -> Task<> {
        for (const QString &file : m_files)
            group.startSoon(TaskName(file), &Tail::readFile, this, file);
        co_return;
    };
    struct CloseAtTheEnd
    {
        ChannelSender<Chunk> &chunks;
        ~CloseAtTheEnd() { chunks.close(); }
    } closeAtTheEnd{m_chunks};
    co_await withTaskGroup(readAll);
}

Task<> Tail::readFile(QString file)
{
    Position position = m_positions.value(file);
    for (;;) { // once for each file that has this name
        const OpenFile open(file);
        const FileStatus opened = open.status();
        if (position.device != opened.device || position.inode != opened.inode || position.offset > opened.size)
            position = {opened.device, opened.inode, 0};
        qsizetype wanted = ChunkBytes;
        for (bool isCurrent = true; isCurrent;) {
            // Short reads of files, mostly from the page cache; what may take long belongs into offload().
            QByteArray bytes = open.read(position.offset, wanted);
            const bool isFull = bytes.size() == wanted;
            qsizetype whole = bytes.lastIndexOf('\n') + 1;
            if (whole == 0 && isFull && wanted < LongestLine) {
                wanted *= 2; // a long line
                continue;
            }
            if (whole == 0 && isFull)
                whole = bytes.size();
            if (whole > 0) {
                bytes.truncate(whole);
                m_progress.bytesRead += quint64(whole);
                Chunk chunk{file, position, position.offset, std::move(bytes)};
                position.offset += whole;
                chunk.end = position;
                wanted = ChunkBytes;
                co_await m_chunks.send(std::move(chunk)); // here it waits for those behind it
                continue;
            }
            if (m_follow == Follow::No)
                co_return; // a line without an end is left for the next time
            if (open.status().size < position.offset)
                position.offset = 0; // somebody has cut it
            else if (isReplaced(file, opened))
                isCurrent = false; // and everything of the old one was read
            else
                co_await sleep(LookAgain);
        }
    }
}

} // namespace LogPipeline
