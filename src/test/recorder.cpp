// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/recorder.h>

#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/seam.h>

#include <QtCore/QMetaEnum>

#include <algorithm>
#include <mutex>
#include <vector>

namespace QMicroIO::Test {

struct Recorder::Log::Private
{
    struct Entry
    {
        std::chrono::nanoseconds time;
        QString thread;
        QString text;
    };
    mutable std::mutex mutex;
    QMicroIO::detail::TimePoint begin = QMicroIO::detail::now();
    std::vector<Entry> entries;
};

Recorder::Log::Log()
    : d(std::make_unique<Private>())
{
}

Recorder::Log::~Log() = default;

void Recorder::Log::add(const QString &name, const QString &what)
{
    const QString thread = QMicroIO::detail::currentThreadName();
    const std::lock_guard lock(d->mutex);
    d->entries.push_back({QMicroIO::detail::now() - d->begin, thread, QStringLiteral("%1: %2").arg(name, what)});
}

Recorder::Recorder()
    : m_log(std::make_shared<Log>())
{
}

Recorder::~Recorder() = default;

void Recorder::watch(ServiceThread &service, const QString &name)
{
    const std::shared_ptr<Log> log = m_log;
    const QString known = name.isEmpty() ? service.name() : name;
    QObject::connect(
        &service, &ServiceThread::stateChanged, &service,
        [log, known](ServiceThread::State state) {
            log->add(known,
                     QStringLiteral("state %1")
                         .arg(QString::fromUtf8(QMetaEnum::fromType<ServiceThread::State>().valueToKey(int(state)))));
        },
        Qt::DirectConnection);
    QObject::connect(
        &service, &ServiceThread::ready, &service, [log, known] { log->add(known, QStringLiteral("ready")); },
        Qt::DirectConnection);
    QObject::connect(
        &service, &ServiceThread::failed, &service,
        [log, known](const QString &message) { log->add(known, QStringLiteral("failed: ") + message); },
        Qt::DirectConnection);
    QObject::connect(
        &service, &ServiceThread::stopped, &service, [log, known] { log->add(known, QStringLiteral("stopped")); },
        Qt::DirectConnection);
    watch(service.scope(), known + QStringLiteral(" scope"));
}

void Recorder::watch(CloseScope &scope, const QString &name)
{
    const std::shared_ptr<Log> log = m_log;
    QObject::connect(
        &scope, &CloseScope::closedChanged, &scope,
        [log, name, watched = &scope] {
            const QString reason = watched->reason();
            log->add(name,
                     (watched->isFailed() ? QStringLiteral("failed") : QStringLiteral("closed"))
                         + (reason.isEmpty() ? QString() : QStringLiteral(": ") + reason));
        },
        Qt::DirectConnection);
}

void Recorder::watch(ChannelStatus *channel, const QString &name)
{
    const std::shared_ptr<Log> log = m_log;
    const QString known = name.isEmpty() ? channel->name() : name;
    const auto plain = [&](void (ChannelStatus::*signal)(), const QString &what) {
        QObject::connect(channel, signal, channel, [log, known, what] { log->add(known, what); }, Qt::DirectConnection);
    };
    plain(&ChannelStatus::bound, QStringLiteral("bound"));
    plain(&ChannelStatus::closed, QStringLiteral("closed"));
    plain(&ChannelStatus::drained, QStringLiteral("drained"));
    QObject::connect(
        channel, &ChannelStatus::failed, channel,
        [log, known](const QString &message) { log->add(known, QStringLiteral("failed: ") + message); },
        Qt::DirectConnection);
    QObject::connect(
        channel, &ChannelStatus::highWater, channel,
        [log, known](qsizetype queued) { log->add(known, QStringLiteral("%1 queued").arg(queued)); },
        Qt::DirectConnection);
}

void Recorder::note(const QString &name, const QString &what)
{
    m_log->add(name, what);
}

QString Recorder::leftText(const CancelScope &scope)
{
    if (scope.isCancelledCaught()) {
        return scope.isTimedOut() ? QStringLiteral("left by its deadline")
                                  : QStringLiteral("left by its cancellation: ") + scope.reason();
    }
    return scope.isCancelCalled() ? QStringLiteral("left, cancelled too late") : QStringLiteral("left");
}

QStringList Recorder::lines(Columns columns) const
{
    const std::lock_guard lock(m_log->d->mutex);
    QStringList lines;
    for (const Log::Private::Entry &entry : m_log->d->entries) {
        QString line;
        if (columns.testFlag(Column::Time)) {
            line +=
                QStringLiteral("%1 ms ").arg(std::chrono::duration_cast<std::chrono::milliseconds>(entry.time).count());
        }
        if (columns.testFlag(Column::Thread))
            line += QStringLiteral("[%1] ").arg(entry.thread);
        lines += line + entry.text;
    }
    return lines;
}

void Recorder::clear()
{
    const std::lock_guard lock(m_log->d->mutex);
    m_log->d->entries.clear();
}

QString Recorder::difference(const QStringList &actual, const QStringList &expected)
{
    if (actual == expected)
        return {};
    // The longest common subsequence from each pair of positions on.
    const auto width = std::size_t(expected.size()) + 1;
    std::vector<int> common((std::size_t(actual.size()) + 1) * width, 0);
    const auto at = [&](qsizetype i, qsizetype j) -> int & { return common[std::size_t(i) * width + std::size_t(j)]; };
    for (qsizetype i = actual.size() - 1; i >= 0; --i) {
        for (qsizetype j = expected.size() - 1; j >= 0; --j)
            at(i, j) = actual[i] == expected[j] ? at(i + 1, j + 1) + 1 : std::max(at(i + 1, j), at(i, j + 1));
    }
    QStringList lines;
    qsizetype i = 0;
    qsizetype j = 0;
    while (i < actual.size() || j < expected.size()) {
        if (i < actual.size() && j < expected.size() && actual[i] == expected[j]) {
            lines += QStringLiteral("  ") + actual[i];
            ++i;
            ++j;
        } else if (j < expected.size() && (i == actual.size() || at(i, j + 1) >= at(i + 1, j))) {
            lines += QStringLiteral("- ") + expected[j++];
        } else {
            lines += QStringLiteral("+ ") + actual[i++];
        }
    }
    return lines.join(u'\n');
}

void Recorder::compare(const QStringList &expected, Columns columns, std::source_location place) const
{
    const QString found = difference(lines(columns), expected);
    if (!found.isEmpty())
        throw CheckFailed(QStringLiteral("what was recorded differs (- missing, + too many):\n") + found, place);
}

} // namespace QMicroIO::Test
