// SPDX-License-Identifier: Apache-2.0
#include "filter.h"

#include <qmicroio/taskgroup.h>

using namespace QMicroIO;

namespace LogPipeline {

Filter::Filter(QRegularExpression match, ChannelReceiver<Chunk> chunks, ChannelSender<Selection> selections,
               Progress &progress)
    : LoopServiceThread(QStringLiteral("filter"))
    , m_match(std::move(match))
    , m_chunks(std::move(chunks))
    , m_selections(std::move(selections))
    , m_progress(progress)
    , m_actor([this](Work work) { return handle(std::move(work)); })
{
}

Filter::~Filter()
{
    stop();
    join();
}

Task<> Filter::runAsync()
{
    started();
    const auto work = [this](TaskGroup &group) -> Task<> {
        group.startSoon(TaskName(QStringLiteral("feed")), &Filter::feed, this);
        co_await m_actor.run();
    };
    struct CloseAtTheEnd
    {
        ChannelSender<Selection> &selections;
        ~CloseAtTheEnd() { selections.close(); }
    } closeAtTheEnd{m_selections};
    co_await withTaskGroup(work);
}

// A mailbox takes everything at once. So that a full channel behind the actor holds up the one in front of it, the actor gets a
// chunk only when it has done with the one before.
Task<> Filter::feed()
{
    quint64 number = 0;
    while (std::optional<Chunk> chunk = co_await m_chunks.next()) {
        const auto hand = [&](Done &done) { m_actor.submit(Work{std::move(*chunk), std::move(done)}); };
        co_await m_underWay.requestAsync(++number, hand);
    }
    m_actor.close();
}

Task<> Filter::handle(Work work)
{
    Selection selection = select(std::move(work.chunk));
    co_await m_selections.send(std::move(selection));
    work.done.resolve(true);
}

Selection Filter::select(Chunk chunk)
{
    Selection selection{chunk.file, chunk.end, {}};
    for (qsizetype begin = 0; begin < chunk.text.size();) {
        const qsizetype end = chunk.text.indexOf('\n', begin);
        const QByteArray line = chunk.text.mid(begin, (end < 0 ? chunk.text.size() : end) - begin);
        ++m_progress.linesRead;
        if (m_match.pattern().isEmpty() || m_match.match(QString::fromUtf8(line)).hasMatch())
            selection.lines.emplace_back(chunk.begin + begin, line);
        begin += line.size() + 1;
    }
    return selection;
}

} // namespace LogPipeline
