// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/leakguard.h>

#include "callstack_p.h"

#include <qmicroio/detail/life.h>
#include <qmicroio/detail/loop.h>
#include <qmicroio/diagnostics.h>
#include <qmicroio/test/check.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QEventLoop>
#include <QtCore/QFileInfo>
#include <QtCore/QMap>
#include <QtCore/QProcess>

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace QMicroIO::Test {

namespace {

using QMicroIO::detail::Life;

constexpr std::size_t Depth = 24;

struct Creation
{
    Life kind = Life::Frame;
    QString name;
    std::thread::id thread;
    quint64 order = 0;
    std::array<void *, Depth> calls{};
    int depth = 0;
};

class Watcher final : public QMicroIO::detail::LifeWatcher
{
public:
    static Watcher &instance()
    {
        static auto *watcher = new Watcher; // threads may be inside it until the very end
        return *watcher;
    }

    // The order numbers of what comes to life from now on are larger.
    quint64 enter()
    {
        const std::lock_guard lock(m_mutex);
        if (m_guards++ == 0) {
            m_alive.clear();
            QMicroIO::detail::lifeWatcher.store(this, std::memory_order_release);
        }
        return m_order;
    }
    void leave()
    {
        const std::lock_guard lock(m_mutex);
        if (--m_guards == 0)
            QMicroIO::detail::lifeWatcher.store(nullptr, std::memory_order_release);
    }
    std::vector<Creation> aliveSince(quint64 order) const
    {
        std::vector<Creation> found;
        {
            const std::lock_guard lock(m_mutex);
            for (const auto &[thing, creation] : m_alive) {
                if (creation.order > order)
                    found.push_back(creation);
            }
        }
        std::sort(found.begin(), found.end(), [](const Creation &one, const Creation &other) {
            return one.kind != other.kind ? one.kind > other.kind : one.order < other.order;
        });
        return found;
    }

    void born(Life kind, const void *thing, const QString &name) noexcept override
    {
        Creation creation;
        creation.kind = kind;
        creation.name = name;
        creation.thread = std::this_thread::get_id();
        creation.depth = detail::callStack(creation.calls);
        const std::lock_guard lock(m_mutex);
        creation.order = ++m_order;
        m_alive[thing] = std::move(creation);
    }
    void ended(Life, const void *thing) noexcept override
    {
        const std::lock_guard lock(m_mutex);
        m_alive.erase(thing);
    }

private:
    mutable std::mutex m_mutex;
    int m_guards = 0;
    quint64 m_order = 0;
    std::unordered_map<const void *, Creation> m_alive;
};

// "file:line (function)" of code addresses, from the debug information; file and offset where there is none.
class Places
{
public:
    void want(void *call)
    {
        const std::optional<detail::CodePlace> place = detail::placeOf(call);
        if (!place)
            return;
        QString file = QString::fromLocal8Bit(place->module);
        if (!QFileInfo(file).isAbsolute() || !QFileInfo::exists(file))
            file = QCoreApplication::applicationFilePath(); // the program itself is named as it was called
        if (file.startsWith(QStringLiteral("/usr/")) || file.startsWith(QStringLiteral("/lib")))
            return; // the system's libraries say nothing about a test
        m_modules[file].insert(place->offset, {});
        m_known[call] = {file, place->offset};
    }
    void resolve()
    {
        for (auto module = m_modules.begin(); module != m_modules.end(); ++module) {
            QStringList arguments{QStringLiteral("-Cfe"), module.key()};
            for (auto place = module->cbegin(); place != module->cend(); ++place)
                arguments += QStringLiteral("0x%1").arg(place.key(), 0, 16);
            QProcess addr2line;
            addr2line.start(QStringLiteral("addr2line"), arguments);
            QStringList lines;
            if (addr2line.waitForFinished(20000))
                lines = QString::fromLocal8Bit(addr2line.readAllStandardOutput()).split(u'\n');
            qsizetype line = 0;
            for (auto place = module->begin(); place != module->end(); ++place, line += 2) {
                if (line + 1 < lines.size() && !lines[line + 1].startsWith(QStringLiteral("??")))
                    *place = {lines[line], lines[line + 1].section(u' ', 0, 0)};
            }
        }
    }
    struct Place
    {
        QString function;
        QString where; // file:line; empty when unknown
    };
    Place at(void *call) const
    {
        const auto known = m_known.find(call);
        if (known == m_known.end())
            return {};
        return m_modules.value(known->second.first).value(known->second.second);
    }
    QString raw(void *call) const
    {
        const auto known = m_known.find(call);
        if (known == m_known.end())
            return {};
        return QStringLiteral("%1+0x%2")
            .arg(QFileInfo(known->second.first).fileName())
            .arg(known->second.second, 0, 16);
    }

private:
    QMap<QString, QMap<quint64, Place>> m_modules;
    std::unordered_map<void *, std::pair<QString, quint64>> m_known;
};

bool isOwnOrForeign(const Places::Place &place)
{
    return place.where.isEmpty() || place.where.contains(QStringLiteral("/qmicroio/"))
        || place.where.startsWith(QStringLiteral("/usr/")) || place.function.startsWith(QStringLiteral("QMicroIO::"))
        || place.function.startsWith(QStringLiteral("std::"));
}

QString creationText(const Creation &creation, const Places &places)
{
    QStringList found;
    QString firstRaw;
    for (int i = 0; i < creation.depth && found.size() < 2; ++i) {
        void *call = creation.calls[std::size_t(i)];
        const Places::Place place = places.at(call);
        if (isOwnOrForeign(place)) {
            const QString raw = places.raw(call);
            if (firstRaw.isEmpty() && !raw.isEmpty() && !raw.startsWith(QStringLiteral("libQMicroIO")))
                firstRaw = raw;
            continue;
        }
        const QString file = QFileInfo(place.where.section(u':', 0, -2)).fileName();
        QString function = place.function.section(QStringLiteral("::{lambda"), 0, 0);
        function.truncate(60);
        found += QStringLiteral("%1:%2 (%3)").arg(file, place.where.section(u':', -1), function);
    }
    if (found.isEmpty())
        return firstRaw.isEmpty() ? QString() : QStringLiteral(", created at ") + firstRaw;
    return QStringLiteral(", created at ") + found.join(QStringLiteral(", called from "));
}

QStringList textsOf(std::vector<Creation> alive)
{
    if (alive.empty())
        return {};
    constexpr std::size_t Most = 20;
    const std::size_t count = alive.size();
    alive.resize(std::min(count, Most));
    Places places;
    for (const Creation &creation : alive) {
        for (int i = 0; i < creation.depth; ++i)
            places.want(creation.calls[std::size_t(i)]);
    }
    places.resolve();
    QStringList things;
    for (const Creation &creation : alive) {
        switch (creation.kind) {
        case Life::Frame:
            things += QStringLiteral("a coroutine frame") + creationText(creation, places);
            break;
        case Life::Service:
            things += QStringLiteral("service %1 runs").arg(creation.name) + creationText(creation, places);
            break;
        case Life::Request:
            things += QStringLiteral("request %1 is pending").arg(creation.name) + creationText(creation, places);
            break;
        }
    }
    if (count > Most)
        things += QStringLiteral("and %1 more").arg(count - Most);
    return things;
}

template<class Visit>
void forEachTask(const std::vector<TaskInfo> &tasks, Visit &visit)
{
    for (const TaskInfo &task : tasks) {
        visit(task);
        for (const GroupInfo &group : task.groups)
            forEachTask(group.children, visit);
    }
}

template<class Visit>
void forEachTask(const LoopInfo &loop, Visit visit)
{
    forEachTask(loop.tasks, visit);
    for (const GroupInfo &group : loop.groups)
        forEachTask(group.children, visit);
}

} // namespace

struct LeakGuard::Private
{
    quint64 order = 0;
    std::chrono::steady_clock::time_point begin;
    std::unordered_set<quintptr> known; // the tasks that were there before

    // `time`: before the loops were asked.
    QStringList tasksLeft(const std::vector<LoopInfo> &loops, std::chrono::steady_clock::time_point time) const
    {
        QStringList texts;
        for (const LoopInfo &loop : loops) {
            forEachTask(loop, [&](const TaskInfo &task) {
                // One that is known may have ended since, and its place may be another's now.
                const bool isNew = !known.contains(task.id) || task.age < time - begin;
                if (!isNew || task.state == TaskInfo::State::Running)
                    return;
                const QString what = task.waitsFor.isEmpty() ? QStringLiteral("has not ended")
                                                             : QStringLiteral("waits for ") + task.waitsFor;
                const QString where = task.site().toString();
                texts +=
                    QStringLiteral("task %1 on %2: %3%4")
                        .arg(task.name, loop.name, what, where.isEmpty() ? QString() : QStringLiteral(" at ") + where);
            });
        }
        return texts;
    }

    QStringList otherLeaks(bool withCalls) const
    {
        const auto time = std::chrono::steady_clock::now();
        QStringList texts = tasksLeft(taskTree(QDeadlineTimer(100)).loops, time);
        if (!withCalls)
            return texts;
        for (const QMicroIO::detail::KnownLoop &loop : QMicroIO::detail::knownLoops()) {
            const std::shared_ptr<QMicroIO::detail::Seam> seam = loop.seam.lock();
            if (seam && seam->hasIncoming())
                texts += QStringLiteral("calls to %1 that its loop has not taken").arg(loop.name);
        }
        return texts;
    }
};

LeakGuard::LeakGuard()
    : d(std::make_unique<Private>())
{
    for (const LoopInfo &loop : taskTree(QDeadlineTimer(100)).loops)
        forEachTask(loop, [this](const TaskInfo &task) { d->known.insert(task.id); });
    d->begin = std::chrono::steady_clock::now();
    d->order = Watcher::instance().enter();
}

LeakGuard::~LeakGuard()
{
    Watcher::instance().leave();
}

QStringList LeakGuard::leaks(QDeadlineTimer deadline) const
{
    std::vector<Creation> alive;
    QStringList texts;
    const bool mayWait = !deadline.hasExpired(); // else calls may just be on their way
    for (;;) {
        alive = Watcher::instance().aliveSince(d->order);
        texts = d->otherLeaks(mayWait);
        if ((alive.empty() && texts.isEmpty()) || deadline.hasExpired())
            break;
        if (QCoreApplication::instance()) {
            QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
            QCoreApplication::processEvents(QEventLoop::AllEvents, 10);
        }
        std::this_thread::yield();
    }
    return texts + textsOf(std::move(alive));
}

QStringList LeakGuard::leaksOfThisThread() const
{
    std::vector<Creation> alive = Watcher::instance().aliveSince(d->order);
    std::erase_if(alive, [](const Creation &creation) { return creation.thread != std::this_thread::get_id(); });
    const auto time = std::chrono::steady_clock::now();
    std::vector<LoopInfo> own;
    for (LoopInfo &loop : taskTree(QDeadlineTimer(0)).loops) {
        if (loop.name == QMicroIO::detail::currentThreadName())
            own.push_back(std::move(loop));
    }
    return d->tasksLeft(own, time) + textsOf(std::move(alive));
}

void LeakGuard::check(QDeadlineTimer deadline, std::source_location place) const
{
    const QStringList left = leaks(deadline);
    if (!left.isEmpty())
        throw CheckFailed(QStringLiteral("the test has left behind:\n  ") + left.join(QStringLiteral("\n  ")), place);
}

} // namespace QMicroIO::Test
