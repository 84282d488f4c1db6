// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/models.h>

#include "modelhub_p.h"

#include <QtCore/QMetaEnum>

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace QMicroIO {
namespace detail {

namespace {

double seconds(std::chrono::nanoseconds time)
{
    return std::chrono::duration<double>(time).count();
}

template<class Enum>
QString keyOf(Enum value)
{
    return QString::fromUtf8(QMetaEnum::fromType<Enum>().valueToKey(int(value)));
}

// Names of roles from their enum: "NameRole" is `name`, "P99Role" is `p99`.
template<class Enum>
QHash<int, QByteArray> namesOfRoles()
{
    QHash<int, QByteArray> names;
    const QMetaEnum roles = QMetaEnum::fromType<Enum>();
    for (int i = 0; i < roles.keyCount(); ++i) {
        QByteArray name(roles.key(i));
        name.chop(qsizetype(sizeof("Role") - 1));
        name[0] = char(name[0] | 0x20);
        names[roles.value(i)] = name;
    }
    return names;
}

// The last two minutes or so of one number.
class History
{
public:
    void add(double value)
    {
        constexpr qsizetype Length = 120;
        if (m_values.size() == Length)
            m_values.removeFirst();
        m_values.append(value);
    }
    QVariant toVariant() const { return QVariant::fromValue(m_values); }

private:
    QList<double> m_values;
};

// How fast a counter grows, over the last half second or more.
class Meter
{
public:
    void add(double count, SampleTime time)
    {
        constexpr double Span = 0.5;
        const double passed = seconds(time - m_since);
        if (m_since != SampleTime() && passed < Span)
            return;
        if (m_since != SampleTime())
            m_value = std::max((count - m_count) / passed, 0.0);
        m_count = count;
        m_since = time;
    }
    double value() const { return m_value; }

private:
    double m_value = 0;
    double m_count = 0;
    SampleTime m_since{};
};

// Brings a list to its new state by removing and inserting runs of rows. What is in both keeps its order; should that have
// changed, rows are removed and inserted again.
template<class Key, class Hash, class OldKey, class NewKey, class Remove, class Insert>
void applyDifference(int oldCount, OldKey oldKey, int newCount, NewKey newKey, Remove remove, Insert insert)
{
    int begin = 0;
    while (begin < oldCount && begin < newCount && oldKey(begin) == newKey(begin))
        ++begin;
    int same = 0; // at the end
    while (same < oldCount - begin && same < newCount - begin
           && oldKey(oldCount - 1 - same) == newKey(newCount - 1 - same))
        ++same;
    const int oldEnd = oldCount - same;
    const int newEnd = newCount - same;

    std::vector<int> kept; // where they are in the new list
    if (begin < oldEnd) {
        std::unordered_map<Key, int, Hash> places;
        places.reserve(std::size_t(newEnd - begin));
        for (int i = begin; i < newEnd; ++i)
            places.emplace(newKey(i), i);
        std::vector<std::pair<int, int>> gone; // first and last of each run
        for (int i = begin, last = -1; i < oldEnd; ++i) {
            const auto place = places.find(oldKey(i));
            if (place != places.end() && place->second > last) {
                last = place->second;
                kept.push_back(last);
            } else if (!gone.empty() && gone.back().second == i - 1) {
                gone.back().second = i;
            } else {
                gone.emplace_back(i, i);
            }
        }
        for (auto run = gone.rbegin(); run != gone.rend(); ++run)
            remove(run->first, run->second);
    }
    kept.push_back(newEnd);
    int next = begin;
    for (const int place : kept) {
        if (place > next)
            insert(next, place - 1);
        next = place + 1;
    }
}

// What one row of a list model shows.
template<class Model>
struct Entry;

template<>
struct Entry<ServiceModel>
{
    using Info = ServiceInfo;
    static constexpr const char *Name = "ServiceModel";
    static const std::vector<Info> &infos(const Sample &sample) { return sample.status.services; }

    void update(const Info &now, const Sample &sample)
    {
        info = now;
        tasks = -1;
        silent.clear();
        const auto loop = sample.loops.find(now.loop);
        if (now.loop != 0 && loop != sample.loops.end()) {
            if (loop->second.info->answered)
                tasks = loop->second.tasks;
            else
                silent = loop->second.info->note;
        }
        calls.add(double(now.calls), sample.time);
        busy.add(seconds(now.busy), sample.time);
    }
    void endSlot()
    {
        callsHistory.add(calls.value());
        busyHistory.add(share());
    }
    double share() const { return std::min(busy.value(), 1.0); }

    QVariant data(int role) const
    {
        switch (role) {
        case ServiceModel::ServiceIdRole:
            return info.id;
        case Qt::DisplayRole:
        case ServiceModel::NameRole:
            return info.name;
        case ServiceModel::StateRole:
            return int(info.state);
        case ServiceModel::StateNameRole:
            return keyOf(info.state);
        case ServiceModel::ReasonRole:
            return info.reason;
        case ServiceModel::ErrorRole:
            return info.error;
        case ServiceModel::UptimeRole:
            return seconds(info.uptime);
        case ServiceModel::RestartsRole:
            return info.restarts;
        case ServiceModel::HasLoopRole:
            return info.loop != 0;
        case ServiceModel::TasksRole:
            return tasks;
        case ServiceModel::SilentRole:
            return silent;
        case ServiceModel::CallsPerSecondRole:
            return calls.value();
        case ServiceModel::BusyRole:
            return share();
        case ServiceModel::CallsHistoryRole:
            return callsHistory.toVariant();
        case ServiceModel::BusyHistoryRole:
            return busyHistory.toVariant();
        default:
            return {};
        }
    }

    Info info;
    int tasks = -1;
    QString silent;
    Meter calls;
    Meter busy;
    History callsHistory;
    History busyHistory;
};

template<>
struct Entry<ChannelModel>
{
    using Info = ChannelInfo;
    static constexpr const char *Name = "ChannelModel";
    static const std::vector<Info> &infos(const Sample &sample) { return sample.status.channels; }

    void update(const Info &now, const Sample &sample)
    {
        info = now;
        peak = std::max({peak, now.stats.queued, now.stats.peak}); // a mailbox counts none
        deepest = std::max(deepest, now.stats.queued);
        sent.add(double(now.stats.sent), sample.time);
        received.add(double(now.stats.received), sample.time);
    }
    void endSlot()
    {
        depthHistory.add(double(std::exchange(deepest, info.stats.queued)));
        rateHistory.add(received.value());
    }
    ChannelModel::State state() const
    {
        if (!info.error.isEmpty())
            return ChannelModel::State::Failed;
        return info.stats.closed ? ChannelModel::State::Closed : ChannelModel::State::Open;
    }

    QVariant data(int role) const
    {
        switch (role) {
        case ChannelModel::ChannelIdRole:
            return info.id;
        case Qt::DisplayRole:
        case ChannelModel::NameRole:
            return info.name;
        case ChannelModel::IsMailboxRole:
            return info.kind == ChannelInfo::Kind::Mailbox;
        case ChannelModel::StateRole:
            return int(state());
        case ChannelModel::StateNameRole:
            return keyOf(state());
        case ChannelModel::ErrorRole:
            return info.error;
        case ChannelModel::DepthRole:
            return info.stats.queued;
        case ChannelModel::PeakRole:
            return peak;
        case ChannelModel::SentRole:
            return double(info.stats.sent);
        case ChannelModel::ReceivedRole:
            return double(info.stats.received);
        case ChannelModel::DroppedRole:
            return double(info.stats.dropped);
        case ChannelModel::SentPerSecondRole:
            return sent.value();
        case ChannelModel::ReceivedPerSecondRole:
            return received.value();
        case ChannelModel::DepthHistoryRole:
            return depthHistory.toVariant();
        case ChannelModel::RateHistoryRole:
            return rateHistory.toVariant();
        default:
            return {};
        }
    }

    Info info;
    qsizetype peak = 0;
    qsizetype deepest = 0; // in this history interval
    Meter sent;
    Meter received;
    History depthHistory;
    History rateHistory;
};

template<>
struct Entry<RequestModel>
{
    using Info = RegistryInfo;
    static constexpr const char *Name = "RequestModel";
    static const std::vector<Info> &infos(const Sample &sample) { return sample.status.registries; }

    void update(const Info &now, const Sample &sample)
    {
        info = now;
        most = std::max(most, now.pending);
        ended.add(double(now.answered + now.failed), sample.time);
    }
    void endSlot()
    {
        pendingHistory.add(double(std::exchange(most, info.pending)));
        rateHistory.add(ended.value());
    }

    QVariant data(int role) const
    {
        switch (role) {
        case RequestModel::RegistryIdRole:
            return info.id;
        case Qt::DisplayRole:
        case RequestModel::NameRole:
            return info.name;
        case RequestModel::PendingRole:
            return info.pending;
        case RequestModel::OldestRole:
            return seconds(info.oldest);
        case RequestModel::AnsweredRole:
            return double(info.answered);
        case RequestModel::FailedRole:
            return double(info.failed);
        case RequestModel::RequestsPerSecondRole:
            return ended.value();
        case RequestModel::LatenciesRole:
            return QVariant::fromValue(QList<double>(info.latencies.begin(), info.latencies.end()));
        case RequestModel::MedianRole:
            return seconds(info.latency(0.5)) * 1000;
        case RequestModel::P99Role:
            return seconds(info.latency(0.99)) * 1000;
        case RequestModel::ClosedRole:
            return info.isClosed;
        case RequestModel::ErrorRole:
            return info.error;
        case RequestModel::PendingHistoryRole:
            return pendingHistory.toVariant();
        case RequestModel::RateHistoryRole:
            return rateHistory.toVariant();
        default:
            return {};
        }
    }

    Info info;
    qsizetype most = 0; // pending in this history interval
    Meter ended;
    History pendingHistory;
    History rateHistory;
};

} // namespace

// The rows of a list model.
template<class Model>
class RowsOf final : public ModelFeed
{
    using Row = Entry<Model>;

public:
    explicit RowsOf(Model &model)
        : ModelFeed(Row::Name)
        , m_model(model)
    {
    }

    int count() const { return int(m_rows.size()); }
    int rowCount(const QModelIndex &parent) const
    {
        requireHome("rowCount");
        return parent.isValid() ? 0 : count();
    }
    QVariant data(const QModelIndex &index, int role) const
    {
        requireHome("data");
        const int row = index.row();
        if (index.model() != &m_model || index.column() != 0 || row < 0 || row >= count())
            return {};
        return m_rows[std::size_t(row)].data(role);
    }
    int historyInterval() const { return m_slotMs; }
    void setHistoryInterval(int ms)
    {
        requireHome("setHistoryInterval");
        constexpr int Shortest = 50;
        ms = std::max(ms, Shortest);
        if (ms == m_slotMs)
            return;
        m_slotMs = ms;
        Q_EMIT m_model.historyIntervalChanged();
    }
    void setRate(double rate)
    {
        if (ModelFeed::setRate(rate))
            Q_EMIT m_model.rateChanged();
    }

private:
    void apply(const Sample &now) override
    {
        const auto &infos = Row::infos(now);
        const int before = count();
        applyDifference<quint64, std::hash<quint64>>(
            before, [this](int row) { return m_rows[std::size_t(row)].info.id; }, int(infos.size()),
            [&](int row) { return infos[std::size_t(row)].id; },
            [&](int first, int last) {
                m_model.beginRemoveRows({}, first, last);
                m_rows.erase(m_rows.begin() + first, m_rows.begin() + last + 1);
                m_model.endRemoveRows();
            },
            [&](int first, int last) {
                m_model.beginInsertRows({}, first, last);
                m_rows.insert(m_rows.begin() + first, std::size_t(last - first) + 1, Row());
                for (int row = first; row <= last; ++row)
                    m_rows[std::size_t(row)].update(infos[std::size_t(row)], now);
                m_model.endInsertRows();
            });
        for (std::size_t row = 0; row < m_rows.size(); ++row)
            m_rows[row].update(infos[row], now);
        const auto slot = std::chrono::milliseconds(m_slotMs);
        if (m_slotBegin == SampleTime() || now.time - m_slotBegin > 10 * slot)
            m_slotBegin = now.time; // the first, or after a long pause
        for (; now.time - m_slotBegin >= slot; m_slotBegin += slot) {
            for (Row &row : m_rows)
                row.endSlot();
        }
        if (!m_rows.empty())
            Q_EMIT m_model.dataChanged(m_model.index(0), m_model.index(count() - 1));
        if (before != count())
            Q_EMIT m_model.countChanged();
    }

    Model &m_model;
    std::vector<Row> m_rows;
    int m_slotMs = 1000;
    SampleTime m_slotBegin{};
};

namespace {

TaskRow::State stateOf(const SampledRow &row)
{
    switch (row.kind) {
    case SampledRow::Loop:
        return row.isSilent ? TaskRow::State::Silent : TaskRow::State::Answers;
    case SampledRow::Group:
        return static_cast<const GroupInfo *>(row.info)->state == GroupInfo::State::Body ? TaskRow::State::Body
                                                                                         : TaskRow::State::Exit;
    case SampledRow::Task:
        return TaskRow::State(static_cast<const TaskInfo *>(row.info)->state);
    case SampledRow::Await:
        break;
    }
    return TaskRow::State::Waiting;
}
static_assert(int(TaskRow::State::NotBegun) == int(TaskInfo::State::NotBegun)
              && int(TaskRow::State::Ready) == int(TaskInfo::State::Ready)
              && int(TaskRow::State::Running) == int(TaskInfo::State::Running)
              && int(TaskRow::State::Waiting) == int(TaskInfo::State::Waiting));

const ScopeInfo *scopeOf(const SampledRow &row)
{
    if (row.kind == SampledRow::Task)
        return &static_cast<const TaskInfo *>(row.info)->scope;
    if (row.kind == SampledRow::Group)
        return &static_cast<const GroupInfo *>(row.info)->scope;
    return nullptr;
}

struct RowWarning
{
    TaskRow::Warning what = TaskRow::Warning::NoWarning;
    double seconds = 0;
};

RowWarning warningOf(const SampledRow &row)
{
    if (row.kind == SampledRow::Loop && row.isSilent)
        return {TaskRow::Warning::LoopSilent, 0};
    if (row.kind != SampledRow::Task)
        return {};
    const auto &task = *static_cast<const TaskInfo *>(row.info);
    if (task.scope.isCancelled && task.scope.cancelledFor > Patience && task.state == TaskInfo::State::Waiting)
        return {TaskRow::Warning::IgnoresCancellation, seconds(task.scope.cancelledFor)};
    return {};
}

QString warningText(const SampledRow &row)
{
    const RowWarning warning = warningOf(row);
    switch (warning.what) {
    case TaskRow::Warning::IgnoresCancellation:
        return QStringLiteral("ignores its cancellation for %1 s").arg(warning.seconds, 0, 'f', 1);
    case TaskRow::Warning::LoopSilent:
        return static_cast<const LoopInfo *>(row.info)->note;
    case TaskRow::Warning::NoWarning:
        break;
    }
    return {};
}

QString nameOf(const SampledRow &row)
{
    switch (row.kind) {
    case SampledRow::Loop:
        return static_cast<const LoopInfo *>(row.info)->name;
    case SampledRow::Group:
        return static_cast<const GroupInfo *>(row.info)->parentTask;
    case SampledRow::Task:
        return static_cast<const TaskInfo *>(row.info)->name;
    case SampledRow::Await:
        break;
    }
    return static_cast<const AwaitSite *>(row.info)->function;
}

AwaitSite siteOf(const SampledRow &row)
{
    if (row.kind == SampledRow::Task)
        return static_cast<const TaskInfo *>(row.info)->site();
    if (row.kind == SampledRow::Await)
        return *static_cast<const AwaitSite *>(row.info);
    if (row.kind == SampledRow::Loop)
        return static_cast<const LoopInfo *>(row.info)->lastWait;
    return {};
}

QVariant dataOf(const SampledRow &row, int role)
{
    const auto *task = row.kind == SampledRow::Task ? static_cast<const TaskInfo *>(row.info) : nullptr;
    switch (role) {
    case TaskRow::KindRole:
        return int(row.kind);
    case Qt::DisplayRole:
    case TaskRow::NameRole:
        return nameOf(row);
    case TaskRow::StateRole:
        return int(stateOf(row));
    case TaskRow::StateNameRole:
        return keyOf(stateOf(row));
    case TaskRow::WaitsForRole:
        return task ? task->waitsFor : QString();
    case TaskRow::SiteRole:
        return siteOf(row).toString();
    case TaskRow::FileRole:
        return siteOf(row).file;
    case TaskRow::LineRole:
        return siteOf(row).line;
    case TaskRow::CoroutineRole:
        return siteOf(row).function;
    case TaskRow::AgeRole:
        return task ? seconds(task->age) : 0;
    case TaskRow::BusyRole:
        return task ? seconds(task->busy) : 0;
    case TaskRow::IdleRole:
        return task ? std::max(seconds(task->age - task->busy), 0.0) : 0;
    case TaskRow::PollsRole:
        return task ? double(task->polls) : 0;
    case TaskRow::CancelledRole:
        return scopeOf(row) && scopeOf(row)->isCancelled;
    case TaskRow::ReasonRole:
        return scopeOf(row) ? scopeOf(row)->reason : QString();
    case TaskRow::WarningRole:
        return int(warningOf(row).what);
    case TaskRow::WarningSecondsRole:
        return warningOf(row).seconds;
    case TaskRow::WarningTextRole:
        return warningText(row);
    case TaskRow::ChildCountRole:
        return row.children;
    default:
        return {};
    }
}

struct HashKey
{
    std::size_t operator()(const SampledRow::Key &key) const noexcept { return key.hash(); }
};

} // namespace

// The rows of a TaskModel.
class TaskNodes final : public ModelFeed
{
public:
    explicit TaskNodes(TaskModel &model)
        : ModelFeed("TaskModel")
        , m_model(model)
    {
    }

    struct Node
    {
        SampledRow::Key key;
        const SampledRow *row = nullptr; // of the sample that is shown
        Node *parent = nullptr;
        int place = 0;
        std::vector<std::unique_ptr<Node>> children;
    };

    Node *nodeOf(const QModelIndex &index)
    {
        return index.isValid() ? static_cast<Node *>(index.internalPointer()) : &m_root;
    }
    int taskCount() const { return m_taskCount; }
    void setRate(double rate)
    {
        if (ModelFeed::setRate(rate))
            Q_EMIT m_model.rateChanged();
    }

private:
    void apply(const Sample &now) override
    {
        const SampledRow *rows = now.rows.data();
        update(m_root, {}, rows, rows + now.rows.size());
        if (std::exchange(m_taskCount, now.taskCount) != now.taskCount)
            Q_EMIT m_model.taskCountChanged();
    }

    static std::vector<const SampledRow *> childrenIn(const SampledRow *first, const SampledRow *end)
    {
        std::vector<const SampledRow *> children;
        for (const SampledRow *row = first; row < end; row += row->below + 1)
            children.push_back(row);
        return children;
    }
    static std::unique_ptr<Node> made(const SampledRow *row, Node *parent)
    {
        auto node = std::make_unique<Node>();
        node->key = row->key;
        node->row = row;
        node->parent = parent;
        for (const SampledRow *child : childrenIn(row + 1, row + 1 + row->below)) {
            node->children.push_back(made(child, node.get()));
            node->children.back()->place = int(node->children.size() - 1);
        }
        return node;
    }
    static void renumber(Node &node, int from)
    {
        for (std::size_t i = std::size_t(from); i < node.children.size(); ++i)
            node.children[i]->place = int(i);
    }

    void update(Node &node, const QModelIndex &index, const SampledRow *first, const SampledRow *end)
    {
        const std::vector<const SampledRow *> now = childrenIn(first, end);
        auto &children = node.children;
        applyDifference<SampledRow::Key, HashKey>(
            int(children.size()), [&](int i) { return children[std::size_t(i)]->key; }, int(now.size()),
            [&](int i) { return now[std::size_t(i)]->key; },
            [&](int from, int to) {
                m_model.beginRemoveRows(index, from, to);
                children.erase(children.begin() + from, children.begin() + to + 1);
                renumber(node, from);
                m_model.endRemoveRows();
            },
            [&](int from, int to) {
                m_model.beginInsertRows(index, from, to);
                std::vector<std::unique_ptr<Node>> added;
                for (int i = from; i <= to; ++i)
                    added.push_back(made(now[std::size_t(i)], &node));
                children.insert(children.begin() + from, std::make_move_iterator(added.begin()),
                                std::make_move_iterator(added.end()));
                renumber(node, from);
                m_model.endInsertRows();
            });
        if (children.empty())
            return;
        for (std::size_t i = 0; i < children.size(); ++i)
            children[i]->row = now[i];
        Q_EMIT m_model.dataChanged(m_model.createIndex(0, 0, children.front().get()),
                                   m_model.createIndex(int(children.size()) - 1, 0, children.back().get()));
        for (std::size_t i = 0; i < children.size(); ++i) {
            Node &child = *children[i];
            if (child.row->below > 0 || !child.children.empty())
                update(child, m_model.createIndex(int(i), 0, &child), child.row + 1, child.row + 1 + child.row->below);
        }
    }

    TaskModel &m_model;
    Node m_root;
    int m_taskCount = 0;
};

// The rows of a TaskListModel.
class TaskLines final : public ModelFeed
{
public:
    explicit TaskLines(TaskListModel &model)
        : ModelFeed("TaskListModel")
        , m_model(model)
    {
    }

    int count() const { return int(m_lines.size()); }
    int taskCount() const { return m_taskCount; }
    int warningCount() const { return m_warningCount; }
    const QString &filter() const { return m_filter; }
    void setFilter(const QString &filter)
    {
        requireHome("setFilter");
        if (filter == m_filter)
            return;
        m_filter = filter;
        show();
        Q_EMIT m_model.filterChanged();
    }
    void setExpanded(int row, bool expanded)
    {
        requireHome("setExpanded");
        if (row < 0 || row >= count())
            return;
        const SampledRow &line = *m_lines[std::size_t(row)];
        if (line.children == 0 || isExpanded(line) == expanded)
            return;
        // Toggled: the other way round than such a row comes.
        if (!m_toggled.erase(line.key))
            m_toggled.insert(line.key);
        show();
    }
    void setRate(double rate)
    {
        if (ModelFeed::setRate(rate))
            Q_EMIT m_model.rateChanged();
    }
    QVariant data(int row, int role) const
    {
        const SampledRow &line = *m_lines[std::size_t(row)];
        if (role == TaskRow::DepthRole)
            return line.depth;
        if (role == TaskRow::ExpandedRole)
            return line.children > 0 && isExpanded(line);
        return dataOf(line, role);
    }

private:
    bool isExpanded(const SampledRow &row) const
    {
        // Whose children are awaits only, comes closed.
        const bool comesOpen = row.kind != SampledRow::Task || hasGroups(row);
        return comesOpen != m_toggled.contains(row.key);
    }
    static bool hasGroups(const SampledRow &row) { return !static_cast<const TaskInfo *>(row.info)->groups.empty(); }
    void apply(const Sample &now) override
    {
        forgetGone(now);
        show();
        const bool changed = m_taskCount != now.taskCount || m_warningCount != now.warningCount;
        m_taskCount = now.taskCount;
        m_warningCount = now.warningCount;
        if (changed)
            Q_EMIT m_model.taskCountChanged();
    }
    void forgetGone(const Sample &now)
    {
        if (m_toggled.empty())
            return;
        Keys left;
        for (const SampledRow &row : now.rows) {
            if (m_toggled.contains(row.key))
                left.insert(row.key);
        }
        m_toggled = std::move(left);
    }
    std::vector<const SampledRow *> openRows() const
    {
        std::vector<const SampledRow *> open;
        const std::vector<SampledRow> &rows = sample()->rows;
        open.reserve(rows.size());
        for (std::size_t i = 0; i < rows.size();) {
            const SampledRow &row = rows[i];
            const bool isFiltered = row.kind == SampledRow::Loop && !m_filter.isEmpty() && nameOf(row) != m_filter;
            if (!isFiltered)
                open.push_back(&row);
            i += isFiltered || (row.children > 0 && !isExpanded(row)) ? std::size_t(row.below) + 1 : 1;
        }
        return open;
    }
    void show()
    {
        if (!sample())
            return;
        const std::vector<const SampledRow *> now = openRows();
        const int before = count();
        applyDifference<SampledRow::Key, HashKey>(
            before, [this](int i) { return m_lines[std::size_t(i)]->key; }, int(now.size()),
            [&](int i) { return now[std::size_t(i)]->key; },
            [&](int first, int last) {
                m_model.beginRemoveRows({}, first, last);
                m_lines.erase(m_lines.begin() + first, m_lines.begin() + last + 1);
                m_model.endRemoveRows();
            },
            [&](int first, int last) {
                m_model.beginInsertRows({}, first, last);
                m_lines.insert(m_lines.begin() + first, now.begin() + first, now.begin() + last + 1);
                m_model.endInsertRows();
            });
        m_lines = now;
        if (!m_lines.empty())
            Q_EMIT m_model.dataChanged(m_model.index(0), m_model.index(count() - 1));
        if (before != count())
            Q_EMIT m_model.countChanged();
    }

    using Keys = std::unordered_set<SampledRow::Key, HashKey>;
    TaskListModel &m_model;
    std::vector<const SampledRow *> m_lines; // of the sample that is shown
    Keys m_toggled;
    QString m_filter;
    int m_taskCount = 0;
    int m_warningCount = 0;
};

class MonitorFeed final : public ModelFeed
{
public:
    explicit MonitorFeed(ServiceMonitor &monitor)
        : ModelFeed("ServiceMonitor")
        , m_monitor(monitor)
    {
    }

    struct Shown
    {
        bool exists = false;
        bool wasSeen = false;
        quint64 id = 0;
        ServiceThread::State state = ServiceThread::State::Created;
        QString reason;
        QString error;
        double uptime = 0;
        int restarts = 0;
        int tasks = -1;
        double busy = 0;
        double callsPerSecond = 0;
        bool operator==(const Shown &) const = default;
    };
    const Shown &shown(const char *call) const
    {
        requireHome(call);
        return m_shown;
    }
    const QString &name() const { return m_name; }
    void setName(const QString &name)
    {
        requireHome("setName");
        if (name == m_name)
            return;
        m_name = name;
        Q_EMIT m_monitor.nameChanged();
        const bool wasEmpty = std::exchange(m_shown, {}) == Shown();
        m_entry = {};
        if (sample())
            look(*sample(), !wasEmpty);
        else if (!wasEmpty)
            Q_EMIT m_monitor.changed();
    }
    void setRate(double rate)
    {
        if (ModelFeed::setRate(rate))
            Q_EMIT m_monitor.rateChanged();
    }

private:
    void apply(const Sample &now) override { look(now, false); }
    void look(const Sample &now, bool isNews)
    {
        const auto &services = now.status.services;
        const auto found = std::find_if(services.rbegin(), services.rend(),
                                        [this](const ServiceInfo &one) { return one.name == m_name; });
        Shown next = m_shown;
        next.exists = found != services.rend();
        if (next.exists) {
            if (found->id != m_entry.info.id)
                m_entry = {};
            m_entry.update(*found, now);
            const ServiceInfo &info = m_entry.info;
            next = {true,
                    true,
                    info.id,
                    info.state,
                    info.reason,
                    info.error,
                    seconds(info.uptime),
                    info.restarts,
                    m_entry.tasks,
                    m_entry.share(),
                    m_entry.calls.value()};
        }
        if (next == m_shown && !isNews)
            return;
        m_shown = next;
        Q_EMIT m_monitor.changed();
    }

    ServiceMonitor &m_monitor;
    QString m_name;
    Shown m_shown;
    Entry<ServiceModel> m_entry;
};

} // namespace detail

// ---------------------------------------------------------------------------------------------------------------------

ServiceModel::ServiceModel(QObject *parent)
    : QAbstractListModel(parent)
    , d(std::make_unique<detail::RowsOf<ServiceModel>>(*this))
{
}
ServiceModel::~ServiceModel() = default;

int ServiceModel::rowCount(const QModelIndex &parent) const
{
    return d->rowCount(parent);
}

QVariant ServiceModel::data(const QModelIndex &index, int role) const
{
    return d->data(index, role);
}

QHash<int, QByteArray> ServiceModel::roleNames() const
{
    return detail::namesOfRoles<Role>();
}

int ServiceModel::count() const
{
    return d->rowCount({});
}

double ServiceModel::rate() const
{
    return d->rate();
}

void ServiceModel::setRate(double rate)
{
    d->setRate(rate);
}

int ServiceModel::historyInterval() const
{
    return d->historyInterval();
}

void ServiceModel::setHistoryInterval(int ms)
{
    d->setHistoryInterval(ms);
}

ChannelModel::ChannelModel(QObject *parent)
    : QAbstractListModel(parent)
    , d(std::make_unique<detail::RowsOf<ChannelModel>>(*this))
{
}
ChannelModel::~ChannelModel() = default;

int ChannelModel::rowCount(const QModelIndex &parent) const
{
    return d->rowCount(parent);
}

QVariant ChannelModel::data(const QModelIndex &index, int role) const
{
    return d->data(index, role);
}

QHash<int, QByteArray> ChannelModel::roleNames() const
{
    return detail::namesOfRoles<Role>();
}

int ChannelModel::count() const
{
    return d->rowCount({});
}

double ChannelModel::rate() const
{
    return d->rate();
}

void ChannelModel::setRate(double rate)
{
    d->setRate(rate);
}

int ChannelModel::historyInterval() const
{
    return d->historyInterval();
}

void ChannelModel::setHistoryInterval(int ms)
{
    d->setHistoryInterval(ms);
}

RequestModel::RequestModel(QObject *parent)
    : QAbstractListModel(parent)
    , d(std::make_unique<detail::RowsOf<RequestModel>>(*this))
{
}
RequestModel::~RequestModel() = default;

int RequestModel::rowCount(const QModelIndex &parent) const
{
    return d->rowCount(parent);
}

QVariant RequestModel::data(const QModelIndex &index, int role) const
{
    return d->data(index, role);
}

QHash<int, QByteArray> RequestModel::roleNames() const
{
    return detail::namesOfRoles<Role>();
}

int RequestModel::count() const
{
    return d->rowCount({});
}

double RequestModel::rate() const
{
    return d->rate();
}

void RequestModel::setRate(double rate)
{
    d->setRate(rate);
}

int RequestModel::historyInterval() const
{
    return d->historyInterval();
}

void RequestModel::setHistoryInterval(int ms)
{
    d->setHistoryInterval(ms);
}

TaskModel::TaskModel(QObject *parent)
    : QAbstractItemModel(parent)
    , d(std::make_unique<detail::TaskNodes>(*this))
{
}
TaskModel::~TaskModel() = default;

QModelIndex TaskModel::index(int row, int column, const QModelIndex &parent) const
{
    d->requireHome("index");
    if (column != 0 || row < 0 || (parent.isValid() && (parent.model() != this || parent.column() != 0)))
        return {};
    const auto &children = d->nodeOf(parent)->children;
    return row < int(children.size()) ? createIndex(row, 0, children[std::size_t(row)].get()) : QModelIndex();
}

QModelIndex TaskModel::parent(const QModelIndex &child) const
{
    d->requireHome("parent");
    if (!child.isValid() || child.model() != this)
        return {};
    detail::TaskNodes::Node *parent = d->nodeOf(child)->parent;
    return parent->parent ? createIndex(parent->place, 0, parent) : QModelIndex();
}

int TaskModel::rowCount(const QModelIndex &parent) const
{
    d->requireHome("rowCount");
    return parent.isValid() && (parent.model() != this || parent.column() != 0)
        ? 0
        : int(d->nodeOf(parent)->children.size());
}

int TaskModel::columnCount(const QModelIndex &parent) const
{
    Q_UNUSED(parent);
    d->requireHome("columnCount");
    return 1;
}

QVariant TaskModel::data(const QModelIndex &index, int role) const
{
    d->requireHome("data");
    if (!index.isValid() || index.model() != this)
        return {};
    return detail::dataOf(*d->nodeOf(index)->row, role);
}

QHash<int, QByteArray> TaskModel::roleNames() const
{
    return detail::namesOfRoles<TaskRow::Role>();
}

int TaskModel::taskCount() const
{
    d->requireHome("taskCount");
    return d->taskCount();
}

double TaskModel::rate() const
{
    return d->rate();
}

void TaskModel::setRate(double rate)
{
    d->setRate(rate);
}

TaskListModel::TaskListModel(QObject *parent)
    : QAbstractListModel(parent)
    , d(std::make_unique<detail::TaskLines>(*this))
{
}
TaskListModel::~TaskListModel() = default;

int TaskListModel::rowCount(const QModelIndex &parent) const
{
    d->requireHome("rowCount");
    return parent.isValid() ? 0 : d->count();
}

QVariant TaskListModel::data(const QModelIndex &index, int role) const
{
    d->requireHome("data");
    if (index.model() != this || index.column() != 0 || index.row() < 0 || index.row() >= d->count())
        return {};
    return d->data(index.row(), role);
}

QHash<int, QByteArray> TaskListModel::roleNames() const
{
    return detail::namesOfRoles<TaskRow::Role>();
}

void TaskListModel::setExpanded(int row, bool expanded)
{
    d->setExpanded(row, expanded);
}

bool TaskListModel::isExpanded(int row) const
{
    return data(index(row), TaskRow::ExpandedRole).toBool();
}

int TaskListModel::count() const
{
    d->requireHome("count");
    return d->count();
}

int TaskListModel::taskCount() const
{
    d->requireHome("taskCount");
    return d->taskCount();
}

int TaskListModel::warningCount() const
{
    d->requireHome("warningCount");
    return d->warningCount();
}

double TaskListModel::rate() const
{
    return d->rate();
}

void TaskListModel::setRate(double rate)
{
    d->setRate(rate);
}

QString TaskListModel::filter() const
{
    return d->filter();
}

void TaskListModel::setFilter(const QString &filter)
{
    d->setFilter(filter);
}

ServiceMonitor::ServiceMonitor(QObject *parent)
    : QObject(parent)
    , d(std::make_unique<detail::MonitorFeed>(*this))
{
}

ServiceMonitor::ServiceMonitor(const QString &name, QObject *parent)
    : ServiceMonitor(parent)
{
    setName(name);
}
ServiceMonitor::~ServiceMonitor() = default;

QString ServiceMonitor::name() const
{
    return d->name();
}

void ServiceMonitor::setName(const QString &name)
{
    d->setName(name);
}

bool ServiceMonitor::exists() const
{
    return d->shown("exists").exists;
}

ServiceThread::State ServiceMonitor::state() const
{
    return d->shown("state").state;
}

QString ServiceMonitor::stateName() const
{
    const auto &shown = d->shown("stateName");
    return shown.wasSeen ? detail::keyOf(shown.state) : QString();
}

bool ServiceMonitor::isReady() const
{
    const auto &shown = d->shown("isReady");
    return shown.exists && shown.state == ServiceThread::State::Ready;
}

QString ServiceMonitor::reason() const
{
    return d->shown("reason").reason;
}

QString ServiceMonitor::error() const
{
    return d->shown("error").error;
}

double ServiceMonitor::uptime() const
{
    return d->shown("uptime").uptime;
}

int ServiceMonitor::restarts() const
{
    return d->shown("restarts").restarts;
}

int ServiceMonitor::tasks() const
{
    return d->shown("tasks").tasks;
}

double ServiceMonitor::busy() const
{
    return d->shown("busy").busy;
}

double ServiceMonitor::callsPerSecond() const
{
    return d->shown("callsPerSecond").callsPerSecond;
}

double ServiceMonitor::rate() const
{
    return d->rate();
}

void ServiceMonitor::setRate(double rate)
{
    d->setRate(rate);
}

} // namespace QMicroIO
