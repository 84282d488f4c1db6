// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/introspection.h>

#include <QtCore/QBasicTimer>
#include <QtCore/QObject>
#include <QtCore/QString>

#include <chrono>
#include <memory>
#include <unordered_map>
#include <vector>

namespace QMicroIO::detail {

class Seam;
class Sampler;

using SampleTime = std::chrono::steady_clock::time_point;

// One line of the tree of tasks, before its children. Rows of two samples with the same key are the same thing.
struct SampledRow
{
    enum Kind : quint8 { Loop, Group, Task, Await };
    struct Key
    {
        quintptr id = 0;
        qint64 since = 0; // addresses serve again, but not two tasks made in one turn
        quint32 place = 0; // kind, and which of the awaits
        bool operator==(const Key &) const = default;
        std::size_t hash() const noexcept
        {
            return std::size_t(id >> 4U) * 0x9E3779B97F4A7C15U ^ std::size_t(since) * 0xC2B2AE3D27D4EB4FU ^ place;
        }
    };
    Key key;
    Kind kind = Loop;
    bool isSilent = false; // its loop does not answer
    int depth = 0;
    int below = 0; // rows of its subtree
    int children = 0; // rows directly below
    const void *info = nullptr; // LoopInfo, GroupInfo, TaskInfo; of an await its AwaitSite
};

// Everything, as it was at one time. Never changed once it is made.
struct Sample
{
    ProgramStatus status;
    std::vector<SampledRow> rows;
    struct LoopSummary
    {
        const LoopInfo *info = nullptr;
        int tasks = 0;
    };
    std::unordered_map<quintptr, LoopSummary> loops;
    int taskCount = 0;
    int warningCount = 0;
    SampleTime time;
    std::chrono::nanoseconds cost{};
};
using SamplePtr = std::shared_ptr<const Sample>;

// For which time a cancellation may be ignored before it is worth a warning.
inline constexpr std::chrono::nanoseconds Patience = std::chrono::seconds(1);

// Asks for samples on behalf of all models, and hands them round. One sample is under way at a time, so that nothing
// piles up however slow the GUI is. In the thread of the GUI.
class ModelHub final : public QObject, public std::enable_shared_from_this<ModelHub>
{
public:
    static std::shared_ptr<ModelHub> get();
    ModelHub();
    ~ModelHub() override;

    void add(class ModelFeed &feed);
    void remove(ModelFeed &feed);
    void rateChanged();
    // What is not needed any more is destroyed where it costs the GUI nothing.
    void discard(SamplePtr sample) { m_discarded.push_back(std::move(sample)); }

private:
    void timerEvent(QTimerEvent *event) override;
    void deliver(const SamplePtr &sample);
    std::chrono::milliseconds interval() const;

    std::shared_ptr<Seam> m_home;
    std::unique_ptr<Sampler> m_sampler;
    std::vector<ModelFeed *> m_feeds;
    std::vector<SamplePtr> m_discarded;
    QBasicTimer m_timer;
    bool m_isUnderWay = false;
    SampleTime m_notBefore{};
};

// One model's end of the hub. In the thread of the GUI.
class ModelFeed
{
public:
    explicit ModelFeed(const char *modelName);
    virtual ~ModelFeed();
    ModelFeed(const ModelFeed &) = delete;
    ModelFeed &operator=(const ModelFeed &) = delete;

    // Throws LogicError in any other thread than the GUI's.
    void requireHome(const char *call) const
    {
        if (Q_UNLIKELY(currentThread() != m_home))
            throwWrongThread(call);
    }
    double rate() const { return m_rate; }
    // False: nothing has changed.
    bool setRate(double rate);
    const SamplePtr &sample() const { return m_sample; }

private:
    friend class ModelHub;
    static const void *currentThread() noexcept;
    [[noreturn]] void throwWrongThread(const char *call) const;
    // Replaces what was shown. sample() is `now` already; the one before it lives until the end of the call.
    virtual void apply(const Sample &now) = 0;
    void offer(const SamplePtr &sample);

    const char *m_modelName;
    const void *m_home;
    QString m_homeName;
    double m_rate = 20;
    SampleTime m_next{};
    SamplePtr m_sample;
    std::shared_ptr<ModelHub> m_hub;
};

} // namespace QMicroIO::detail
