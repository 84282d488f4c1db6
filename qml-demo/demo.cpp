// SPDX-License-Identifier: Apache-2.0
#include "demo.h"

#include "crowd.h"

#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QLocale>
#include <QtCore/QScopeGuard>
#include <QtCore/QThread>

#include <algorithm>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace Demo {

Director::Director(const QString &folder, int historyInterval, int crowd)
    : m_folder(folder)
    , m_historyInterval(historyInterval)
    , m_tasks(std::make_unique<ObjectTaskGroup>(this))
{
    m_places.push_back({QStringLiteral("checksum"), [this] { return makeChecksum(); }, nullptr});
    m_places.push_back(
        {QStringLiteral("line server"), [this] { return std::make_unique<LineServer>(m_board); }, nullptr});
    m_places.push_back(
        {QStringLiteral("line client"), [this] { return std::make_unique<LineClient>(m_board); }, nullptr});
    m_places.push_back({QStringLiteral("journal"),
                        [this] {
                            auto journal =
                                std::make_unique<Journal>(m_files.filePath(QStringLiteral("journal.sqlite")));
                            m_board->setJournal(journal->sender());
                            return journal;
                        },
                        nullptr});
    m_places.push_back({QStringLiteral("troubled"), [] { return std::make_unique<Troubled>(); }, nullptr});
    if (crowd > 0)
        m_places.push_back({QStringLiteral("crowd"), [crowd] { return std::make_unique<Crowd>(crowd); }, nullptr});
    connect(&m_timer, &QTimer::timeout, this, &Director::look);
    m_timer.start(100ms);
}

Director::~Director()
{
    for (const Place &place : m_places) {
        if (place.service)
            place.service->stop(QStringLiteral("the dashboard was closed"));
    }
    m_tasks.reset(); // what it runs uses the services
    for (Place &place : m_places)
        place.service.reset();
}

QString Director::folder() const
{
    return QDir(QDir(m_folder).absolutePath()).dirName();
}

bool Director::isRightToLeft() const
{
    return QLocale(m_language).textDirection() == Qt::RightToLeft;
}

void Director::setLanguage(const QString &language)
{
    if (language == m_language)
        return;
    m_language = language;
    Q_EMIT languageChanged();
}

std::vector<LoopServiceThread *> Director::services() const
{
    std::vector<LoopServiceThread *> services;
    for (const Place &place : m_places) {
        if (place.service)
            services.push_back(place.service.get());
    }
    return services;
}

bool Director::isSettled() const
{
    return std::ranges::all_of(m_places, [](const Place &place) {
        return !place.startAgain && place.service
            && (place.service->state() == ServiceThread::State::Ready || isOver(place));
    });
}

bool Director::isOver(const Place &place)
{
    const auto state = place.service ? place.service->state() : ServiceThread::State::Stopped;
    return state == ServiceThread::State::Stopped || state == ServiceThread::State::Failed;
}

Director::Place *Director::place(const QString &name)
{
    for (Place &place : m_places) {
        if (place.name == name)
            return &place;
    }
    return nullptr;
}

void Director::startAll()
{
    for (Place &place : m_places) {
        if (!place.service)
            begin(place);
    }
}

void Director::begin(Place &place)
{
    place.startAgain = false;
    place.service.reset(); // it has ended
    place.service = place.make();
    connect(place.service.get(), &ServiceThread::stopped, this, [this, name = place.name] { ended(name); });
    place.service->start();
}

void Director::ended(const QString &name)
{
    Place *ended = place(name);
    // This may be about the one before, and to replace one that runs would be to wait for it.
    if (ended && ended->startAgain && isOver(*ended))
        begin(*ended);
}

void Director::start(const QString &service)
{
    Place *wanted = place(service);
    if (wanted && isOver(*wanted))
        begin(*wanted);
}

void Director::stop(const QString &service)
{
    if (const Place *wanted = place(service); wanted && wanted->service)
        wanted->service->stop(QStringLiteral("stopped in the dashboard"));
}

void Director::restart(const QString &service)
{
    Place *wanted = place(service);
    if (!wanted)
        return;
    if (isOver(*wanted)) {
        begin(*wanted);
        return;
    }
    wanted->startAgain = true; // nobody waits here: once it has ended, it says so
    wanted->service->stop(QStringLiteral("restarted in the dashboard"));
}

template<class Service, class Call>
void Director::with(const QString &name, Call call)
{
    const Place *wanted = place(name);
    auto *service = wanted ? dynamic_cast<Service *>(wanted->service.get()) : nullptr;
    if (!service)
        return;
    try {
        call(*service);
        say({});
    } catch (const NotRunningError &) {
        sayNotRunning(name);
    }
}

// Not in the template above, where lupdate does not know whose text it is.
void Director::sayNotRunning(const QString &service)
{
    say(tr("%1 does not run. Start it first.").arg(service));
}

void Director::cancelTasks(const QString &service)
{
    with<Troubled>(service, [](Troubled &troubled) { troubled.cancelTasks(); });
    with<LineClient>(service, [](LineClient &client) { client.cancelTasks(); });
}

void Director::inject(const QString &fault)
{
    with<Troubled>(QStringLiteral("troubled"), [&](Troubled &troubled) {
        if (fault == QStringLiteral("fail"))
            troubled.failNow();
        else if (fault == QStringLiteral("stall"))
            troubled.stall();
        else if (fault == QStringLiteral("ignore"))
            troubled.ignoreCancellation();
        else if (fault == QStringLiteral("flood"))
            troubled.flood();
    });
}

void Director::say(const QString &note)
{
    if (note == m_note)
        return;
    m_note = note;
    Q_EMIT noteChanged();
}

std::unique_ptr<LoopServiceThread> Director::makeChecksum()
{
    Checksum::Options options;
    options.jobs = std::max(QThread::idealThreadCount() / 2, 1);
    options.paths = {QFile::encodeName(m_folder).toStdString()};
    auto results = createChannel<Checksum::HashedBatch>({QStringLiteral("checksums"), LateSend::Drop});
    auto service = std::make_unique<Checksum::HashService>(options, results.sender, Checksum::HashService::Count::Yes);
    m_tasks->startSoon(TaskName(QStringLiteral("checksum results")), &Director::takeResults, this,
                       std::move(results.receiver));
    return service;
}

Task<> Director::takeResults(ChannelReceiver<Checksum::HashedBatch> results)
{
    const auto atEnd = qScopeGuard([&results] { results.close(); });
    while (const std::optional<Checksum::HashedBatch> batch = co_await results.next()) {
        with<Checksum::HashService>(QStringLiteral("checksum"),
                                    [](Checksum::HashService &service) { service.batchPrinted(); });
        m_board->write({QStringLiteral("checksum"), QStringLiteral("%1 files").arg(batch->results.size())});
    }
}

void Director::look()
{
    const auto *checksum = dynamic_cast<Checksum::HashService *>(m_places.front().service.get());
    if (checksum) {
        m_filesDone = double(checksum->done().files);
        m_bytesDone = double(checksum->done().bytes);
        m_filesTotal = double(checksum->total().files);
        m_bytesTotal = double(checksum->total().bytes);
        m_counted = checksum->isCounted();
    }
    if (const auto *journal = dynamic_cast<Journal *>(place(QStringLiteral("journal"))->service.get()))
        m_journalRows = double(journal->written());
    Q_EMIT progressed();
}

} // namespace Demo
