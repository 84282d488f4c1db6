// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/introspection.h>

#include "introspection_p.h"

#include <qmicroio/detail/clock.h>
#include <qmicroio/detail/listing.h>
#include <qmicroio/detail/seam.h>

#include <QtCore/QJsonArray>
#include <QtCore/QMetaEnum>
#include <QtCore/QStringList>

#include <algorithm>
#include <cmath>

namespace QMicroIO {

namespace {

class Collector final : public detail::Listing::Visitor
{
public:
    explicit Collector(ProgramStatus &status)
        : m_status(status)
    {
    }

    void visit(quint64 id, detail::Listing::Kind kind, detail::ListedState &state) override
    {
        using Kind = detail::Listing::Kind;
        const QString error = state.error ? errorText(state.error) : QString();
        switch (kind) {
        case Kind::Service: {
            ServiceInfo info;
            info.id = id;
            info.name = state.name;
            info.state = ServiceThread::State(state.serviceState);
            info.reason = state.reason;
            info.error = error;
            info.uptime = state.uptime;
            info.restarts = state.restarts;
            if (const std::shared_ptr<detail::Seam> seam = state.seam.lock()) {
                info.loop = reinterpret_cast<quintptr>(seam.get());
                info.calls = seam->calls();
                info.busy = busyTime(*seam);
            }
            m_status.services.push_back(std::move(info));
            return;
        }
        case Kind::Channel:
        case Kind::Mailbox: {
            ChannelInfo info;
            info.id = id;
            info.name = state.name;
            info.kind = kind == Kind::Channel ? ChannelInfo::Kind::Channel : ChannelInfo::Kind::Mailbox;
            info.stats.sent = state.sent;
            info.stats.received = state.received;
            info.stats.dropped = state.dropped;
            info.stats.queued = state.queued;
            info.stats.peak = state.peak;
            info.stats.closed = state.isClosed;
            info.error = error;
            m_status.channels.push_back(std::move(info));
            return;
        }
        case Kind::Registry: {
            RegistryInfo info;
            info.id = id;
            info.name = state.name;
            info.pending = state.pending;
            info.accepted = state.accepted;
            info.answered = state.answered;
            info.failed = state.failed;
            info.oldest = state.oldest;
            info.latencies.assign(state.latencies.begin(), state.latencies.end());
            info.isClosed = state.isClosed;
            info.error = error;
            m_status.registries.push_back(std::move(info));
            return;
        }
        case Kind::ScopeGroup:
            m_status.scopeGroups.push_back({id, state.name, state.pending, state.isClosed, state.reason});
            return;
        }
    }

private:
    // With the turn that is still under way: a loop that is stuck is busy.
    static std::chrono::nanoseconds busyTime(const detail::Seam &seam)
    {
        const std::chrono::nanoseconds ended(seam.busyNs.load(std::memory_order_relaxed));
        const qint64 since = seam.busySinceNs.load(std::memory_order_relaxed);
        if (since == 0)
            return ended;
        const qint64 now = detail::Clock::now().time_since_epoch().count();
        return ended + std::chrono::nanoseconds(std::max<qint64>(now - since, 0));
    }
    ProgramStatus &m_status;
};

double ms(std::chrono::nanoseconds time)
{
    return std::round(std::chrono::duration<double, std::micro>(time).count()) / 1000;
}

QString timeText(std::chrono::nanoseconds time)
{
    const double value = ms(time);
    return value < 1000 ? QStringLiteral("%1 ms").arg(value, 0, 'f', value < 10 ? 1 : 0)
                        : QStringLiteral("%1 s").arg(value / 1000, 0, 'f', 1);
}

QString nameOr(const QString &name)
{
    return name.isEmpty() ? QStringLiteral("(unnamed)") : name;
}

QString stateText(ServiceThread::State state)
{
    return QString::fromUtf8(QMetaEnum::fromType<ServiceThread::State>().valueToKey(int(state)));
}

QString textOf(const ServiceInfo &service)
{
    QString text = QStringLiteral("service %1: %2").arg(nameOr(service.name), stateText(service.state));
    if (service.state != ServiceThread::State::Created)
        text += QStringLiteral(", up %1").arg(timeText(service.uptime));
    if (service.restarts > 0)
        text += QStringLiteral(", %1 started before").arg(service.restarts);
    if (service.loop != 0)
        text += QStringLiteral(", %1 calls").arg(service.calls);
    if (!service.error.isEmpty())
        text += QStringLiteral(", error: ") + service.error;
    else if (!service.reason.isEmpty())
        text += QStringLiteral(", reason: ") + service.reason;
    return text;
}

QString textOf(const ChannelInfo &channel)
{
    QString text = channel.kind == ChannelInfo::Kind::Mailbox ? QStringLiteral("mailbox ") : QStringLiteral("channel ");
    text += QStringLiteral("%1: %2 queued, %3 sent, %4 received, %5 dropped")
                .arg(nameOr(channel.name))
                .arg(channel.stats.queued)
                .arg(channel.stats.sent)
                .arg(channel.stats.received)
                .arg(channel.stats.dropped);
    if (!channel.error.isEmpty())
        text += QStringLiteral(", failed: ") + channel.error;
    else if (channel.stats.closed)
        text += QStringLiteral(", closed");
    return text;
}

QString textOf(const RegistryInfo &registry)
{
    QString text = QStringLiteral("requests %1: %2 pending, %3 answered, %4 failed")
                       .arg(nameOr(registry.name))
                       .arg(registry.pending)
                       .arg(registry.answered)
                       .arg(registry.failed);
    if (registry.pending > 0)
        text += QStringLiteral(", the oldest for %1").arg(timeText(registry.oldest));
    if (registry.answered + registry.failed > 0)
        text += QStringLiteral(", half within %1").arg(timeText(registry.latency(0.5)));
    if (registry.isClosed)
        text += QStringLiteral(", closed");
    return text;
}

QString textOf(const ScopeGroupInfo &group)
{
    QString text = QStringLiteral("scope group %1: %2 active").arg(nameOr(group.name)).arg(group.active);
    if (group.isLatched)
        text += QStringLiteral(", latched: ") + group.reason;
    return text;
}

QJsonObject jsonOf(const ScopeInfo &scope)
{
    QJsonObject json;
    if (scope.isCancelled) {
        json[QStringLiteral("reason")] = scope.reason;
        json[QStringLiteral("origin")] = scope.origin;
        json[QStringLiteral("cancelledForMs")] = ms(scope.cancelledFor);
    }
    if (scope.isShielded)
        json[QStringLiteral("shielded")] = true;
    if (scope.timeLeft)
        json[QStringLiteral("timeLeftMs")] = ms(*scope.timeLeft);
    return json;
}

QJsonArray jsonOf(const std::vector<GroupInfo> &groups);

QString stateText(TaskInfo::State state)
{
    switch (state) {
    case TaskInfo::State::NotBegun:
        return QStringLiteral("notBegun");
    case TaskInfo::State::Ready:
        return QStringLiteral("ready");
    case TaskInfo::State::Running:
        return QStringLiteral("running");
    case TaskInfo::State::Waiting:
        break;
    }
    return QStringLiteral("waiting");
}

QJsonArray jsonOf(const std::vector<TaskInfo> &tasks)
{
    QJsonArray array;
    for (const TaskInfo &task : tasks) {
        QJsonObject json{{QStringLiteral("name"), task.name},
                         {QStringLiteral("state"), stateText(task.state)},
                         {QStringLiteral("ageMs"), ms(task.age)},
                         {QStringLiteral("busyMs"), ms(task.busy)},
                         {QStringLiteral("polls"), qint64(task.polls)}};
        if (!task.waitsFor.isEmpty())
            json[QStringLiteral("waitsFor")] = task.waitsFor;
        QJsonArray chain;
        for (const AwaitSite &site : task.awaitChain)
            chain.append(site.toString());
        if (!chain.isEmpty())
            json[QStringLiteral("awaits")] = chain;
        if (const QJsonObject scope = jsonOf(task.scope); !scope.isEmpty())
            json[QStringLiteral("scope")] = scope;
        if (!task.groups.empty())
            json[QStringLiteral("groups")] = jsonOf(task.groups);
        array.append(json);
    }
    return array;
}

QJsonArray jsonOf(const std::vector<GroupInfo> &groups)
{
    QJsonArray array;
    for (const GroupInfo &group : groups) {
        QJsonObject json{{QStringLiteral("state"),
                          group.state == GroupInfo::State::Body ? QStringLiteral("body") : QStringLiteral("exit")},
                         {QStringLiteral("children"), jsonOf(group.children)}};
        if (const QJsonObject scope = jsonOf(group.scope); !scope.isEmpty())
            json[QStringLiteral("scope")] = scope;
        array.append(json);
    }
    return array;
}

QJsonObject jsonOf(const ServiceInfo &service)
{
    return {{QStringLiteral("name"), service.name},           {QStringLiteral("state"), stateText(service.state)},
            {QStringLiteral("reason"), service.reason},       {QStringLiteral("error"), service.error},
            {QStringLiteral("uptimeMs"), ms(service.uptime)}, {QStringLiteral("restarts"), service.restarts},
            {QStringLiteral("calls"), qint64(service.calls)}, {QStringLiteral("busyMs"), ms(service.busy)}};
}

QJsonObject jsonOf(const ChannelInfo &channel)
{
    return {{QStringLiteral("name"), channel.name},
            {QStringLiteral("queued"), qint64(channel.stats.queued)},
            {QStringLiteral("sent"), qint64(channel.stats.sent)},
            {QStringLiteral("received"), qint64(channel.stats.received)},
            {QStringLiteral("dropped"), qint64(channel.stats.dropped)},
            {QStringLiteral("closed"), channel.stats.closed},
            {QStringLiteral("error"), channel.error}};
}

QJsonObject jsonOf(const RegistryInfo &registry)
{
    return {{QStringLiteral("name"), registry.name},
            {QStringLiteral("pending"), qint64(registry.pending)},
            {QStringLiteral("answered"), qint64(registry.answered)},
            {QStringLiteral("failed"), qint64(registry.failed)},
            {QStringLiteral("oldestMs"), ms(registry.oldest)},
            {QStringLiteral("medianMs"), ms(registry.latency(0.5))},
            {QStringLiteral("p99Ms"), ms(registry.latency(0.99))},
            {QStringLiteral("closed"), registry.isClosed}};
}

QJsonObject jsonOf(const ScopeGroupInfo &group)
{
    return {{QStringLiteral("name"), group.name},
            {QStringLiteral("active"), qint64(group.active)},
            {QStringLiteral("latched"), group.isLatched},
            {QStringLiteral("reason"), group.reason}};
}

QJsonObject jsonOf(const LoopInfo &loop)
{
    QJsonObject json{{QStringLiteral("name"), loop.name},
                     {QStringLiteral("service"), loop.isService},
                     {QStringLiteral("answered"), loop.answered},
                     {QStringLiteral("tasks"), jsonOf(loop.tasks)},
                     {QStringLiteral("groups"), jsonOf(loop.groups)}};
    if (!loop.note.isEmpty())
        json[QStringLiteral("note")] = loop.note;
    return json;
}

template<class Info>
QJsonArray arrayOf(const std::vector<Info> &infos)
{
    QJsonArray array;
    for (const Info &info : infos)
        array.append(jsonOf(info));
    return array;
}

template<class Info>
void append(QStringList &lines, const std::vector<Info> &infos)
{
    for (const Info &info : infos)
        lines += textOf(info);
}

} // namespace

std::chrono::microseconds RegistryInfo::latency(double share) const
{
    quint64 all = 0;
    for (const quint64 count : latencies)
        all += count;
    const double wanted = std::clamp(share, 0.0, 1.0) * double(all);
    quint64 seen = 0;
    for (std::size_t i = 0; i < latencies.size(); ++i) {
        seen += latencies[i];
        if (seen > 0 && double(seen) >= wanted)
            return std::chrono::microseconds(qint64(1) << i);
    }
    return {};
}

const LoopInfo *ProgramStatus::loopOf(const ServiceInfo &service) const
{
    if (service.loop == 0)
        return nullptr;
    const auto found = std::find_if(tasks.loops.begin(), tasks.loops.end(),
                                    [&](const LoopInfo &loop) { return loop.id == service.loop; });
    return found == tasks.loops.end() ? nullptr : &*found;
}

QString ProgramStatus::toString() const
{
    QStringList lines;
    append(lines, services);
    append(lines, channels);
    append(lines, registries);
    append(lines, scopeGroups);
    if (!tasks.loops.empty())
        lines += tasks.toString();
    return lines.join(u'\n');
}

QJsonObject ProgramStatus::toJson() const
{
    return {{QStringLiteral("services"), arrayOf(services)},
            {QStringLiteral("channels"), arrayOf(channels)},
            {QStringLiteral("registries"), arrayOf(registries)},
            {QStringLiteral("scopeGroups"), arrayOf(scopeGroups)},
            {QStringLiteral("loops"), arrayOf(tasks.loops)}};
}

ProgramStatus programStatus(QDeadlineTimer deadline)
{
    ProgramStatus status;
    status.tasks = taskTree(deadline);
    detail::collectListed(status);
    return status;
}

namespace detail {

void collectListed(ProgramStatus &status)
{
    Collector collector(status);
    Listing::visitAll(collector);
}

} // namespace detail
} // namespace QMicroIO
