// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/diagnostics.h>
#include <qmicroio/taskgroup.h>

#include "diagnostics_p.h"

#include <QtCore/QFileInfo>
#include <QtCore/QStringList>

#include <algorithm>
#include <atomic>
#include <unordered_map>

namespace QMicroIO {

namespace {

using namespace std::chrono_literals;

std::atomic<qint64> slowExitMs{10000};

QString timeText(std::chrono::nanoseconds time)
{
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time);
    if (ms < 1s)
        return QStringLiteral("%1 ms").arg(ms.count());
    return QStringLiteral("%1 s").arg(double(ms.count()) / 1000, 0, 'f', 1);
}

QString textOf(const ScopeInfo &scope)
{
    QString text;
    if (scope.isShielded)
        text += QStringLiteral(", shielded");
    if (scope.timeLeft && !scope.isCancelled)
        text += QStringLiteral(", deadline in %1").arg(timeText(*scope.timeLeft));
    if (scope.isCancelled) {
        text += QStringLiteral(", cancelled");
        if (!scope.origin.isEmpty())
            text += QStringLiteral(" by %1").arg(scope.origin);
        if (!scope.reason.isEmpty())
            text += QStringLiteral(": ") + scope.reason;
    }
    return text;
}

QString textOf(const TaskInfo &task)
{
    QString text = task.name + QStringLiteral(": ");
    const QString place = task.site().toString();
    const QString at = place.isEmpty() ? QString() : QStringLiteral(" at ") + place;
    switch (task.state) {
    case TaskInfo::State::NotBegun:
        text += QStringLiteral("not begun");
        break;
    case TaskInfo::State::Ready:
        text += QStringLiteral("ready to go on") + at;
        break;
    case TaskInfo::State::Running:
        text += QStringLiteral("running");
        if (!at.isEmpty())
            text += QStringLiteral(", last waited") + at;
        break;
    case TaskInfo::State::Waiting:
        text += QStringLiteral("waits for ") + task.waitsFor + at;
        break;
    }
    if (task.awaitChain.size() > 1) {
        QStringList callers;
        for (std::size_t i = task.awaitChain.size() - 1; i > 0; --i)
            callers += task.awaitChain[i - 1].toString();
        text += QStringLiteral(" < ") + callers.join(QStringLiteral(" < "));
    }
    return text + QStringLiteral(", age ") + timeText(task.age) + textOf(task.scope);
}

QString textOf(const GroupInfo &group)
{
    QString text = group.parentTask.isEmpty() ? QStringLiteral("[root group: ") : QStringLiteral("[group: ");
    text += group.children.size() == 1 ? QStringLiteral("1 child")
                                       : QStringLiteral("%1 children").arg(group.children.size());
    if (group.state == GroupInfo::State::Exit)
        text += QStringLiteral(", waits for them to end");
    return text + textOf(group.scope) + u']';
}

void append(QStringList &lines, const std::vector<GroupInfo> &groups, int depth);

void append(QStringList &lines, const std::vector<TaskInfo> &tasks, int depth)
{
    for (const TaskInfo &task : tasks) {
        lines += QString(depth * 2, u' ') + textOf(task);
        append(lines, task.groups, depth + 1);
    }
}

void append(QStringList &lines, const std::vector<GroupInfo> &groups, int depth)
{
    for (const GroupInfo &group : groups) {
        lines += QString(depth * 2, u' ') + textOf(group);
        append(lines, group.children, depth + 1);
    }
}

qsizetype count(const std::vector<GroupInfo> &groups);

qsizetype count(const std::vector<TaskInfo> &tasks)
{
    qsizetype sum = qsizetype(tasks.size());
    for (const TaskInfo &task : tasks)
        sum += count(task.groups);
    return sum;
}

qsizetype count(const std::vector<GroupInfo> &groups)
{
    qsizetype sum = 0;
    for (const GroupInfo &group : groups)
        sum += count(group.children);
    return sum;
}

AwaitSite siteOf(const std::source_location &site)
{
    if (site.line() == 0)
        return {};
    return {QString::fromUtf8(site.file_name()), int(site.line()), QString::fromUtf8(site.function_name())};
}

// Many tasks wait at few places: their texts are made once.
class SiteTexts
{
public:
    const AwaitSite &of(const std::source_location &site)
    {
        const std::size_t key = std::hash<const void *>()(site.function_name()) ^ (std::size_t(site.line()) << 20U)
            ^ std::size_t(site.column());
        auto &known = m_known[key];
        for (const auto &[place, text] : known) {
            if (place.line() == site.line() && place.column() == site.column()
                && place.function_name() == site.function_name() && place.file_name() == site.file_name())
                return text;
        }
        return known.emplace_back(site, siteOf(site)).second;
    }

private:
    std::unordered_map<std::size_t, std::vector<std::pair<std::source_location, AwaitSite>>> m_known;
};

// Puts the lists of one loop together into trees. On the loop's thread.
class Reader
{
public:
    explicit Reader(const detail::Loop &loop)
        : m_loop(loop)
    {
        loop.forEachTask([this](const detail::LoopTask &task) {
            if (const auto *context = dynamic_cast<const detail::TaskContext *>(&task))
                m_tasks[context->group()].push_back(context);
        });
        loop.forEachGroup([this](const detail::LoopGroup &group) {
            const auto &state = static_cast<const detail::GroupState &>(group);
            m_groups[state.host()].push_back(&state);
        });
    }

    std::vector<TaskInfo> tasksOf(const detail::GroupState *group) const
    {
        std::vector<TaskInfo> infos;
        if (const auto found = m_tasks.find(group); found != m_tasks.end()) {
            infos.reserve(found->second.size());
            std::for_each(found->second.rbegin(), found->second.rend(),
                          [&](const detail::TaskContext *task) { infos.push_back(read(*task)); });
        }
        return infos;
    }

    std::vector<GroupInfo> groupsOf(const detail::TaskContext *host) const
    {
        std::vector<GroupInfo> infos;
        if (const auto found = m_groups.find(host); found != m_groups.end()) {
            infos.reserve(found->second.size());
            std::for_each(found->second.rbegin(), found->second.rend(),
                          [&](const detail::GroupState *group) { infos.push_back(read(*group)); });
        }
        return infos;
    }

    TaskInfo read(const detail::TaskContext &task) const
    {
        TaskInfo info;
        info.id = reinterpret_cast<quintptr>(&task);
        info.name = task.name();
        if (const detail::Waiter *waiter = task.parked()) {
            info.state = TaskInfo::State::Waiting;
            info.waitsFor = waiter->describe();
        } else if (!task.hasBegun()) {
            info.state = TaskInfo::State::NotBegun;
        } else if (task.isReady()) {
            info.state = TaskInfo::State::Ready;
        } else {
            info.state = TaskInfo::State::Running;
        }
        if (!task.isDone()) { // else its frames may be on their way out
            for (const detail::FrameInfo *frame = task.leaf(); frame; frame = frame->parent()) {
                const std::source_location site = frame->site();
                const bool tellsNothing = detail::isOwnFrame(site) && (frame->parent() || !info.awaitChain.empty());
                if (site.line() != 0 && !tellsNothing)
                    info.awaitChain.push_back(m_sites.of(site));
            }
            std::reverse(info.awaitChain.begin(), info.awaitChain.end());
        }
        info.age = m_time - task.since();
        info.since = task.since();
        info.polls = task.polls();
        info.busy = task.busy();
        info.scope = read(task.scope());
        info.groups = groupsOf(&task);
        return info;
    }

private:
    GroupInfo read(const detail::GroupState &group) const
    {
        GroupInfo info;
        info.id = reinterpret_cast<quintptr>(&group);
        if (group.host())
            info.parentTask = group.host()->name();
        info.state = group.isEnding() ? GroupInfo::State::Exit : GroupInfo::State::Body;
        info.scope = read(group.scope().get());
        info.children = tasksOf(&group);
        return info;
    }

    ScopeInfo read(const detail::ScopeState *scope) const
    {
        ScopeInfo info;
        info.isCancelled = (scope && scope->isEffective()) || m_loop.isEnding();
        if (const detail::CancelInfo *why = scope && scope->isEffective() ? scope->effectiveInfo() : nullptr) {
            info.reason = why->reason;
            info.cancelledFor = m_now - why->when;
            info.cause = why->cause;
            info.origin = why->origin;
        }
        detail::TimePoint first = detail::TimePoint::max();
        for (; scope; scope = scope->parent()) {
            if (!info.isShielded) // a shield keeps the deadlines outside of it away too
                first = std::min(first, scope->deadline());
            info.isShielded = info.isShielded || scope->isShielded();
        }
        if (first != detail::TimePoint::max())
            info.timeLeft = first - m_now;
        return info;
    }

    const detail::Loop &m_loop;
    mutable SiteTexts m_sites;
    const detail::TimePoint m_time = detail::Clock::now(); // stamps are made without the clock that tests may replace
    const detail::TimePoint m_now = detail::now();
    std::unordered_map<const detail::GroupState *, std::vector<const detail::TaskContext *>> m_tasks;
    std::unordered_map<const detail::TaskContext *, std::vector<const detail::GroupState *>> m_groups;
};

struct Answer
{
    detail::Gate gate;
    std::atomic<bool> isThere{false};
    bool isRefused = false;
    std::chrono::nanoseconds took{};
    void give()
    {
        isThere.store(true, std::memory_order_release);
        gate.open();
    }
    std::vector<TaskInfo> tasks;
    std::vector<GroupInfo> groups;
};

// What a loop has been asked, until it has answered.
class Question
{
public:
    explicit Question(const detail::KnownLoop &loop)
        : m_seam(loop.seam.lock())
        , m_name(loop.name)
        , m_isService(loop.isService)
    {
        if (!m_seam)
            return;
        if (m_seam->isOwnThread()) {
            const detail::Loop *own = detail::Loop::current();
            m_asked = own && own->seam() == m_seam;
            if (m_asked)
                fill(*m_answer, *own);
            m_answer->give();
            return;
        }
        m_asked = m_seam->post(
            [answer = m_answer](detail::Fate fate) {
                if (fate == detail::Fate::Run)
                    fill(*answer, *detail::Loop::current());
                answer->isRefused = fate != detail::Fate::Run;
                answer->give();
            },
            detail::Seam::From::Inside);
    }

    bool isAnswered() const { return !m_asked || m_answer->isThere.load(std::memory_order_acquire); }
    const detail::Seam *seam() const { return m_seam.get(); }

    // What the loop needed for its answer.
    std::chrono::nanoseconds took() const { return m_answer->took; }

    // For one who has waited in vain before and does not wait again: the answer if it came late.
    LoopInfo late() const
    {
        LoopInfo info = head();
        if (isAnswered() && !m_answer->isRefused)
            take(info);
        else
            describeSilence(info);
        return info;
    }

    // Once. Secretly: the wait is short and no reason for a DeadlockError in a thread that joins the one that asks.
    enum class Secretly { No, Yes };
    LoopInfo wait(QDeadlineTimer deadline, Secretly secretly = Secretly::No) const
    {
        LoopInfo info = head();
        if (!m_asked) {
            info.note = QStringLiteral("its event loop does not run (not started, or ended)");
            return info;
        }
        try {
            std::optional<detail::WaitEdge> edge;
            if (!m_seam->isOwnThread() && secretly == Secretly::No)
                edge.emplace(m_seam->thread(), "taskTree()", m_answer->gate);
            info.answered = m_answer->gate.wait(deadline, {}, detail::Gate::Counts::AsSystem);
        } catch (const DeadlockError &) {
            info.note = QStringLiteral("its thread waits for the one that asks");
            return info;
        }
        if (info.answered && !m_answer->isRefused) {
            take(info);
        } else if (info.answered) {
            info.answered = false;
            info.note = QStringLiteral("its thread never came up");
        } else {
            describeSilence(info);
        }
        return info;
    }

private:
    LoopInfo head() const
    {
        LoopInfo info;
        info.id = reinterpret_cast<quintptr>(m_seam.get());
        info.name = m_name;
        info.isService = m_isService;
        return info;
    }
    static void fill(Answer &answer, const detail::Loop &loop)
    {
        const detail::TimePoint begin = detail::Clock::now();
        const Reader reader(loop);
        answer.tasks = reader.tasksOf(nullptr);
        answer.groups = reader.groupsOf(nullptr);
        answer.took = detail::Clock::now() - begin;
    }
    void take(LoopInfo &info) const
    {
        info.answered = true;
        info.tasks = std::move(m_answer->tasks);
        info.groups = std::move(m_answer->groups);
    }

    void describeSilence(LoopInfo &info) const
    {
        const std::source_location site = m_seam->lastWait.load(std::memory_order_relaxed);
        const bool runsTask = m_seam->running.load(std::memory_order_relaxed) != nullptr;
        if (runsTask)
            info.lastWait = siteOf(site);
        const QString who = !runsTask ? QStringLiteral("a call or an event handler")
            : site.line() == 0        ? QStringLiteral("a task before its first wait")
                                      : QStringLiteral("a task that last waited at ") + detail::placeOf(site);
        info.note = QStringLiteral("code that does not return to the event loop: %1").arg(who);
        if (const QString other = m_seam->blocksFor(); !other.isEmpty())
            info.note += QStringLiteral(", blocked in a call to %1").arg(other);
    }

    std::shared_ptr<detail::Seam> m_seam;
    std::shared_ptr<Answer> m_answer = std::make_shared<Answer>();
    QString m_name;
    bool m_isService = false;
    bool m_asked = false;
};

} // namespace

QString AwaitSite::toString() const
{
    return line == 0 ? QString() : QStringLiteral("%1:%2").arg(QFileInfo(file).fileName()).arg(line);
}

AwaitSite TaskInfo::site() const
{
    return awaitChain.empty() ? AwaitSite() : awaitChain.back();
}

qsizetype LoopInfo::taskCount() const
{
    return count(tasks) + count(groups);
}

QString LoopInfo::toString() const
{
    QString head = isService ? QStringLiteral("service %1: ").arg(name) : QStringLiteral("loop of %1: ").arg(name);
    if (!answered)
        return head + QStringLiteral("no answer, ") + note;
    const qsizetype all = taskCount();
    head += all == 1 ? QStringLiteral("1 task") : QStringLiteral("%1 tasks").arg(all);
    QStringList lines(head);
    append(lines, tasks, 1);
    append(lines, groups, 1);
    return lines.join(u'\n');
}

QString TaskTree::toString() const
{
    QStringList texts;
    for (const LoopInfo &loop : loops)
        texts += loop.toString();
    return texts.join(u'\n');
}

TaskTree taskTree(QDeadlineTimer deadline)
{
    std::vector<Question> questions;
    for (const detail::KnownLoop &loop : detail::knownLoops())
        questions.emplace_back(loop);
    TaskTree tree;
    tree.loops.reserve(questions.size());
    for (const Question &question : questions)
        tree.loops.push_back(question.wait(deadline));
    return tree;
}

void setSlowExitWarning(std::chrono::milliseconds time)
{
    if (time < time.zero())
        throw std::invalid_argument("setSlowExitWarning(): the time is negative; zero turns the warning off");
    slowExitMs.store(time.count(), std::memory_order_relaxed);
}

std::chrono::milliseconds slowExitWarning()
{
    return std::chrono::milliseconds(slowExitMs.load(std::memory_order_relaxed));
}

bool isInTask()
{
    const detail::Loop *loop = detail::Loop::current();
    return loop && loop->running();
}

QString currentTaskName()
{
    if (!isInTask()) {
        throw LogicError(
            QStringLiteral("currentTaskName() in %1 outside of a task; a slot that needs one starts it, with "
                           "ObjectTaskGroup::startSoon() or submit()")
                .arg(detail::currentThreadName()));
    }
    return detail::Loop::current()->running()->name();
}

namespace detail {

LoopInfo askLoop(const KnownLoop &loop, QDeadlineTimer deadline)
{
    return Question(loop).wait(deadline);
}

struct LoopSurvey::Private
{
    std::vector<Question> unanswered;
    // What the last answer took: a loop of very many tasks is given time for the next one.
    std::unordered_map<const Seam *, std::chrono::nanoseconds> took;
};

LoopSurvey::LoopSurvey()
    : d(std::make_unique<Private>())
{
}

LoopSurvey::~LoopSurvey() = default;

TaskTree LoopSurvey::ask(std::chrono::milliseconds patience, const Seam *leftOut)
{
    struct Asked
    {
        Question question;
        bool isNew;
    };
    std::vector<Asked> asked;
    for (const KnownLoop &loop : knownLoops()) {
        const std::shared_ptr<Seam> seam = loop.seam.lock();
        if (!seam || seam.get() == leftOut)
            continue;
        const auto silent = std::find_if(d->unanswered.begin(), d->unanswered.end(),
                                         [&](const Question &question) { return question.seam() == seam.get(); });
        if (silent == d->unanswered.end())
            asked.push_back({Question(loop), true});
        else
            asked.push_back({*silent, false});
    }
    TaskTree tree;
    tree.loops.reserve(asked.size());
    d->unanswered.clear();
    const auto took = std::exchange(d->took, {});
    const TimePoint begin = Clock::now();
    for (const Asked &one : asked) {
        const auto known = took.find(one.question.seam());
        std::chrono::nanoseconds time = known == took.end() ? 0ns : known->second;
        const auto left = std::max<std::chrono::nanoseconds>(patience, 4 * time) - (Clock::now() - begin);
        const QDeadlineTimer deadline(std::max<std::chrono::nanoseconds>(left, 0ns));
        tree.loops.push_back(one.isNew ? one.question.wait(deadline, Question::Secretly::Yes) : one.question.late());
        if (tree.loops.back().answered)
            time = one.question.took();
        else
            d->unanswered.push_back(one.question);
        d->took.emplace(one.question.seam(), time);
    }
    return tree;
}

QString textOfTask(const TaskContext &task)
{
    QStringList lines;
    append(lines, std::vector<TaskInfo>{Reader(task.loop()).read(task)}, 1);
    return limitedLines(lines.join(u'\n'));
}

QString limitedLines(const QString &text)
{
    constexpr qsizetype Most = 200;
    const QStringList lines = text.split(u'\n');
    if (lines.size() <= Most)
        return text;
    return lines.mid(0, Most).join(u'\n') + QStringLiteral("\n... and %1 more lines").arg(lines.size() - Most);
}

} // namespace detail
} // namespace QMicroIO
