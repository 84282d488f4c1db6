// SPDX-License-Identifier: Apache-2.0
#include "modelhub_p.h"

#include "diagnostics_p.h"
#include "introspection_p.h"
#include "logging_p.h"

#include <qmicroio/detail/listing.h>
#include <qmicroio/detail/loop.h>
#include <qmicroio/detail/seam.h>
#include <qmicroio/loopservicethread.h>

#include <QtCore/QCoreApplication>
#include <QtCore/QThread>
#include <QtCore/QTimerEvent>

#include <algorithm>
#include <cmath>

namespace QMicroIO::detail {

namespace {

using namespace std::chrono_literals;

// Asking may take this share of the time, so that watching a program of very many tasks does not slow it down.
constexpr int MostlyIdle = 5;

// Lays the tree out in rows.
class RowMaker
{
public:
    explicit RowMaker(Sample &sample)
        : m_sample(sample)
    {
    }

    void add(const LoopInfo &loop)
    {
        m_isSilent = !loop.answered;
        const int tasksBefore = m_sample.taskCount;
        const std::size_t row = begin({{loop.id, 0, SampledRow::Loop}, SampledRow::Loop, m_isSilent, 0, 0, 0, &loop});
        m_sample.warningCount += m_isSilent ? 1 : 0;
        for (const TaskInfo &task : loop.tasks)
            add(task, row);
        for (const GroupInfo &group : loop.groups)
            add(group, row);
        end(row);
        m_sample.loops.insert({loop.id, {&loop, m_sample.taskCount - tasksBefore}});
    }

private:
    void add(const GroupInfo &group, std::size_t parent)
    {
        const std::size_t row =
            begin({{group.id, 0, SampledRow::Group}, SampledRow::Group, m_isSilent, depthBelow(parent), 0, 0, &group},
                  parent);
        for (const TaskInfo &task : group.children)
            add(task, row);
        end(row);
    }
    void add(const TaskInfo &task, std::size_t parent)
    {
        ++m_sample.taskCount;
        const qint64 since = task.since.time_since_epoch().count();
        const std::size_t row =
            begin({{task.id, since, SampledRow::Task}, SampledRow::Task, m_isSilent, depthBelow(parent), 0, 0, &task},
                  parent);
        if (task.scope.isCancelled && task.scope.cancelledFor > Patience && task.state == TaskInfo::State::Waiting)
            ++m_sample.warningCount;
        for (std::size_t i = 0; task.awaitChain.size() > 1 && i < task.awaitChain.size(); ++i) {
            const std::size_t await = begin({{task.id, since, quint32(SampledRow::Await + i)},
                                             SampledRow::Await,
                                             m_isSilent,
                                             depthBelow(row),
                                             0,
                                             0,
                                             &task.awaitChain[i]},
                                            row);
            end(await);
        }
        for (const GroupInfo &group : task.groups)
            add(group, row);
        end(row);
    }
    int depthBelow(std::size_t parent) const { return m_sample.rows[parent].depth + 1; }
    std::size_t begin(const SampledRow &row)
    {
        m_sample.rows.push_back(row);
        return m_sample.rows.size() - 1;
    }
    std::size_t begin(const SampledRow &row, std::size_t parent)
    {
        ++m_sample.rows[parent].children;
        return begin(row);
    }
    void end(std::size_t row) { m_sample.rows[row].below = int(m_sample.rows.size() - row - 1); }

    Sample &m_sample;
    bool m_isSilent = false;
};

std::weak_ptr<ModelHub> &knownHub()
{
    static std::weak_ptr<ModelHub> hub;
    return hub;
}

} // namespace

class Sampler final : public LoopServiceThread
{
public:
    Sampler()
        : LoopServiceThread(QStringLiteral("monitor"))
    {
        setUnlisted();
    }
    ~Sampler() override { stop(), join(); }

    // On its thread.
    SamplePtr take()
    {
        const auto sample = std::make_shared<Sample>();
        sample->time = std::chrono::steady_clock::now();
        sample->status.tasks = m_loops.ask(100ms, Loop::current()->seam().get());
        collectListed(sample->status);
        RowMaker rows(*sample);
        for (const LoopInfo &loop : sample->status.tasks.loops)
            rows.add(loop);
        sample->cost = std::chrono::steady_clock::now() - sample->time;
        return sample;
    }

private:
    const Observation m_observation;
    LoopSurvey m_loops;
};

std::shared_ptr<ModelHub> ModelHub::get()
{
    std::shared_ptr<ModelHub> hub = knownHub().lock();
    if (!hub) {
        hub = std::make_shared<ModelHub>();
        knownHub() = hub;
    }
    return hub;
}

ModelHub::ModelHub()
    : m_home(Loop::ensure().seam())
    , m_sampler(std::make_unique<Sampler>())
{
    m_sampler->start();
    m_timer.start(0, this);
}

ModelHub::~ModelHub() = default;

void ModelHub::add(ModelFeed &feed)
{
    m_feeds.push_back(&feed);
    rateChanged();
}

void ModelHub::remove(ModelFeed &feed)
{
    std::erase(m_feeds, &feed);
}

void ModelHub::rateChanged()
{
    m_timer.start(int(interval().count()), Qt::PreciseTimer, this);
}

std::chrono::milliseconds ModelHub::interval() const
{
    double most = 1;
    for (const ModelFeed *feed : m_feeds)
        most = std::max(most, feed->rate());
    return std::chrono::milliseconds(std::max(int(std::ceil(1000 / most)), 1));
}

void ModelHub::timerEvent(QTimerEvent *event)
{
    if (event->timerId() != m_timer.timerId())
        return;
    if (m_isUnderWay || m_feeds.empty() || std::chrono::steady_clock::now() < m_notBefore)
        return;
    try {
        m_sampler->callSoon([sampler = m_sampler.get(), home = m_home, hub = weak_from_this(),
                             discarded = std::exchange(m_discarded, {})]() mutable {
            discarded.clear();
            home->post(
                [hub, sample = sampler->take()](Fate fate) {
                    const std::shared_ptr<ModelHub> alive = hub.lock();
                    if (alive && fate == Fate::Run)
                        alive->deliver(sample);
                },
                Seam::From::Inside);
        });
        m_isUnderWay = true;
    } catch (const NotRunningError &error) {
        m_timer.stop(); // the system had no thread left for it
        qCWarning(lcService).noquote() << "models are not updated any more:" << error.what();
    }
}

void ModelHub::deliver(const SamplePtr &sample)
{
    m_isUnderWay = false;
    m_notBefore = sample->time + MostlyIdle * sample->cost;
    // A slot may make or destroy models meanwhile.
    const std::vector<ModelFeed *> feeds = m_feeds;
    for (ModelFeed *feed : feeds) {
        if (std::find(m_feeds.begin(), m_feeds.end(), feed) != m_feeds.end())
            feed->offer(sample);
    }
    discard(sample);
}

ModelFeed::ModelFeed(const char *modelName)
    : m_modelName(modelName)
    , m_home(currentThread())
    , m_homeName(currentThreadName())
{
    const QCoreApplication *app = QCoreApplication::instance();
    if (!app) {
        throw LogicError(
            QStringLiteral("%1: create the QCoreApplication before the first model").arg(QString::fromUtf8(modelName)));
    }
    if (app->thread() != QThread::currentThread()) {
        m_home = app->thread();
        m_homeName =
            app->thread()->objectName().isEmpty() ? QStringLiteral("the main thread") : app->thread()->objectName();
        throwWrongThread(modelName);
    }
    m_hub = ModelHub::get();
    m_hub->add(*this);
}

ModelFeed::~ModelFeed()
{
    if (!m_hub)
        return;
    m_hub->remove(*this);
    if (m_sample)
        m_hub->discard(std::move(m_sample));
}

const void *ModelFeed::currentThread() noexcept
{
    return QThread::currentThread();
}

void ModelFeed::throwWrongThread(const char *call) const
{
    QString name = QString::fromUtf8(m_modelName);
    if (call != m_modelName)
        name += QStringLiteral("::") + QString::fromUtf8(call);
    throw LogicError(
        QStringLiteral("%1() from %2; a model belongs to the GUI, whose thread is %3. In other threads call "
                       "programStatus(), or send there what you need")
            .arg(name, currentThreadName(), m_homeName));
}

bool ModelFeed::setRate(double rate)
{
    requireHome("setRate");
    if (!std::isfinite(rate) || rate <= 0) {
        qCWarning(lcService).noquote() << m_modelName << ": a rate of" << rate
                                       << "is none; give updates a second, more than 0 and at most 60";
        return false;
    }
    rate = std::min(rate, 60.0);
    if (rate == m_rate)
        return false;
    m_rate = rate;
    m_hub->rateChanged();
    return true;
}

void ModelFeed::offer(const SamplePtr &sample)
{
    // Half a tick early is early enough: samples come with the ticks of the fastest model.
    const auto between = std::chrono::duration_cast<SampleTime::duration>(std::chrono::duration<double>(1 / m_rate));
    if (sample->time + between / 4 < m_next)
        return;
    m_next = sample->time + between;
    const std::shared_ptr<ModelHub> hub = m_hub;
    const SamplePtr before = std::exchange(m_sample, sample);
    apply(*sample);
    if (before)
        hub->discard(before);
}

} // namespace QMicroIO::detail
