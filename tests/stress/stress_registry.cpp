// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/cancelscope.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/scopegroup.h>
#include <qmicroio/taskgroup.h>

#include <QtTest/QTest>

#include <QtCore/QRandomGenerator>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

using Registry = RequestRegistry<int, int>;
using Handle = ReplyHandle<int, int>;

int scaled(int rounds)
{
    static const double scale = [] {
        bool ok = false;
        const double asked = qEnvironmentVariable("QMICROIO_STRESS_SCALE").toDouble(&ok);
        return ok ? std::max(asked, 0.01) : 1.0;
    }();
    return std::max(10, int(rounds * scale));
}

quint32 seedOfTheRun()
{
    bool ok = false;
    const quint32 asked = qEnvironmentVariable("QMICROIO_STRESS_SEED").toUInt(&ok);
    return ok ? asked : 1;
}

// A moment of very different lengths, so that rounds meet at different places.
void linger(QRandomGenerator &random)
{
    std::atomic<quint32> left{random.bounded(1U << random.bounded(12))};
    while (left.load(std::memory_order_relaxed) > 0)
        left.fetch_sub(1, std::memory_order_relaxed);
}

// What the two sides say of the requests of one round, or of one thread in it.
struct Tally
{
    std::vector<int> values; // accepted, or received
    int failures = 0;
    int closed = 0;
    int timeouts = 0;
    int lost = 0;
    int cancelled = 0;
    int refused = 0; // never registered

    void add(const Tally &other)
    {
        values.insert(values.end(), other.values.begin(), other.values.end());
        failures += other.failures;
        closed += other.closed;
        timeouts += other.timeouts;
        lost += other.lost;
        cancelled += other.cancelled;
        refused += other.refused;
    }
    int count() const { return int(values.size()) + failures + closed + timeouts + lost + cancelled + refused; }
};

// Requests that somebody has to answer.
class Inbox
{
public:
    void put(Handle handle)
    {
        const std::lock_guard lock(m_mutex);
        m_handles.push_back(std::move(handle));
    }
    std::optional<Handle> take()
    {
        const std::lock_guard lock(m_mutex);
        if (m_handles.empty())
            return std::nullopt;
        std::optional<Handle> handle(std::move(m_handles.front()));
        m_handles.pop_front();
        return handle;
    }

private:
    std::mutex m_mutex;
    std::deque<Handle> m_handles;
};

std::exception_ptr failure()
{
    return std::make_exception_ptr(std::domain_error("failed"));
}

class Round
{
public:
    Round(LoopServiceThread &service, quint32 seed)
        : m_service(service)
        , m_random(seed)
    {
    }

    // Empty when all is well.
    QString run(Tally &all)
    {
        std::vector<std::thread> asking;
        std::vector<std::thread> answering;
        Tally asked[Askers];
        Tally answered[Answerers + 1];
        const bool cancels = m_random.bounded(2) == 0;
        for (int i = 0; i < Askers; ++i)
            asking.emplace_back([&, i, seed = m_random.generate()] { askBlocking(asked[i], seed); });
        Tally awaited;
        QFuture<void> tasks = m_service.submit([&, seed = m_random.generate()] { return askInTasks(awaited, seed); });
        for (int i = 0; i < Answerers; ++i)
            answering.emplace_back([&, i, seed = m_random.generate()] { answer(answered[i], seed); });

        const bool closesEarly = m_random.bounded(3) == 0;
        for (int i = m_random.bounded(10); i > 0; --i) {
            linger(m_random);
            switch (m_random.bounded(3)) {
            case 0:
                answered[Answerers].failures += m_registry->failAll(failure());
                break;
            case 1:
                if (cancels)
                    m_cancels.cancel(QStringLiteral("now"));
                break;
            default:
                // Only a look: what is there changes all the time.
                if (m_registry->size() < 0 || m_registry->pending().size() > Keys)
                    m_problem = QStringLiteral("more is pending than there are keys");
            }
            std::this_thread::yield();
        }
        if (closesEarly) {
            if (m_random.bounded(2) == 0)
                answered[Answerers].closed += m_registry->close();
            else
                answered[Answerers].failures += m_registry->close(failure());
        }
        for (std::thread &thread : asking)
            thread.join();
        tasks.waitForFinished();
        m_go = false;
        for (std::thread &thread : answering)
            thread.join();
        const qsizetype left = m_registry->size();
        m_registry.reset();

        Tally got = awaited;
        for (const Tally &tally : asked)
            got.add(tally);
        Tally given;
        for (const Tally &tally : answered)
            given.add(tally);
        std::sort(got.values.begin(), got.values.end());
        std::sort(given.values.begin(), given.values.end());
        all.add(got);
        if (!m_problem.isEmpty())
            return m_problem;
        if (left != 0)
            return QStringLiteral("%1 requests are left").arg(left);
        if (got.count() != Askers * Each + TaskCount * Each)
            return QStringLiteral("%1 outcomes").arg(got.count());
        if (got.values != given.values)
            return QStringLiteral("%1 answers were accepted, %2 received")
                .arg(given.values.size())
                .arg(got.values.size());
        if (got.failures != given.failures)
            return QStringLiteral("%1 failures were accepted, %2 received").arg(given.failures).arg(got.failures);
        if (got.closed != given.closed)
            return QStringLiteral("%1 requests were closed, %2 were told").arg(given.closed).arg(got.closed);
        return {};
    }

private:
    static constexpr int Askers = 2;
    static constexpr int Answerers = 2;
    static constexpr int TaskCount = 4;
    static constexpr int Each = 20;
    static constexpr int Keys = 12;

    // How one request ends, for a thread and for a task alike. True: it was registered.
    static void note(Tally &tally, const std::exception_ptr &error, bool isRegistered)
    {
        try {
            std::rethrow_exception(error);
        } catch (const DuplicateRequestError &) {
            ++tally.refused;
        } catch (const TimeoutError &) {
            ++tally.timeouts;
        } catch (const std::domain_error &) {
            ++tally.failures;
        } catch (const ClosedResourceError &) {
            ++(isRegistered ? tally.closed : tally.refused);
        } catch (const BrokenResourceError &) {
            ++(isRegistered ? tally.lost : tally.refused);
        }
    }
    void askBlocking(Tally &tally, quint32 seed)
    {
        QRandomGenerator random(seed);
        for (int i = 0; i < Each; ++i) {
            linger(random);
            const bool keepsHandle = random.bounded(4) != 0;
            bool isRegistered = false;
            const auto send = [&](Handle &handle) {
                isRegistered = true;
                if (keepsHandle)
                    m_inbox.put(random.bounded(2) ? handle : std::move(handle));
            };
            // Without a handle somewhere only a time-out is sure to end it.
            const bool hasDeadline = !keepsHandle || random.bounded(2) == 0;
            const std::chrono::microseconds longest(random.bounded(1500));
            try {
                tally.values.push_back(m_registry->request(int(random.bounded(Keys)), send,
                                                           hasDeadline ? QDeadlineTimer(longest)
                                                                       : QDeadlineTimer(QDeadlineTimer::Forever)));
            } catch (...) {
                note(tally, std::current_exception(), isRegistered);
            }
        }
    }
    Task<> askInTasks(Tally &tally, quint32 seed)
    {
        QRandomGenerator random(seed);
        const auto askAll = [&](TaskGroup &group) -> Task<> {
            for (int i = 0; i < TaskCount; ++i)
                group.startSoon(&Round::askInTask, this, &tally, &random);
            co_return;
        };
        co_await withTaskGroup(askAll);
    }
    Task<> askInTask(Tally *tally, QRandomGenerator *random)
    {
        for (int i = 0; i < Each; ++i) {
            bool isRegistered = false;
            const auto send = [&](Handle &handle) {
                isRegistered = true;
                m_inbox.put(random->bounded(2) ? handle : std::move(handle));
            };
            std::exception_ptr error;
            std::optional<int> value;
            const auto region = [&]() -> Task<> {
                try {
                    value = co_await m_registry->requestAsync(int(random->bounded(Keys)), send);
                } catch (const std::exception &) {
                    error = std::current_exception();
                }
            };
            const auto limited = [&]() -> Task<> {
                co_await moveOnAfter(std::chrono::microseconds(random->bounded(1500)), region);
            };
            if (random->bounded(2))
                co_await m_cancels.run(region);
            else
                co_await limited();
            if (value)
                tally->values.push_back(*value);
            else if (error)
                note(*tally, error, isRegistered);
            else
                ++tally->cancelled;
            co_await checkpoint();
        }
    }
    void answer(Tally &tally, quint32 seed)
    {
        QRandomGenerator random(seed);
        for (;;) {
            const bool isLast = !m_go;
            std::optional<Handle> handle = m_inbox.take();
            if (!handle && isLast)
                return;
            if (!handle || random.bounded(8) == 0) {
                const int key = int(random.bounded(Keys));
                const int value = ++m_lastValue;
                if (random.bounded(2) == 0) {
                    if (m_registry->resolve(key, value))
                        tally.values.push_back(value);
                } else if (m_registry->fail(key, failure())) {
                    ++tally.failures;
                }
                std::this_thread::yield();
                if (!handle)
                    continue;
            }
            linger(random);
            const int value = ++m_lastValue;
            switch (random.bounded(4)) {
            case 0:
                break; // dropped
            case 1:
                if (handle->fail(failure()))
                    ++tally.failures;
                break;
            default:
                if (handle->resolve(value))
                    tally.values.push_back(value);
                if (handle->resolve(++m_lastValue))
                    m_problem = QStringLiteral("a second answer was accepted");
            }
        }
    }

    LoopServiceThread &m_service;
    QRandomGenerator m_random;
    std::optional<Registry> m_registry{std::in_place};
    ScopeGroup m_cancels;
    Inbox m_inbox;
    std::atomic<int> m_lastValue{0};
    std::atomic<bool> m_go{true};
    QString m_problem;
};

} // namespace

class StressRegistry : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void cleanup() { QCOMPARE(liveTaskFrames(), 0); }

    // B173, B176, B177, B181, B182, B184, B185
    void eachRequestHasTheOneOutcomeThatItsAnswererWasTold()
    {
        const int rounds = scaled(200);
        const quint32 seed = seedOfTheRun();
        LoopServiceThread service(QStringLiteral("asking"));
        service.start();
        service.waitStarted();
        Tally all;
        for (int i = 0; i < rounds; ++i) {
            const QString problem = Round(service, seed + quint32(i)).run(all);
            QVERIFY2(problem.isEmpty(),
                     qPrintable(QStringLiteral("QMICROIO_STRESS_SEED=%1: %2").arg(seed + quint32(i)).arg(problem)));
        }
        qInfo("%d rounds: %zu answered, %d failed, %d closed, %d timed out, %d lost, %d cancelled, %d refused", rounds,
              all.values.size(), all.failures, all.closed, all.timeouts, all.lost, all.cancelled, all.refused);
        service.stop();
        QVERIFY(service.join());
    }

    // B182
    void aDestroyedRegistryEndsEveryWait()
    {
        const int rounds = scaled(300);
        LoopServiceThread service(QStringLiteral("asking"));
        service.start();
        service.waitStarted();
        QRandomGenerator random(seedOfTheRun());
        int answered = 0;
        for (int i = 0; i < rounds; ++i) {
            std::optional<Registry> registry(std::in_place);
            std::vector<Handle> handles;
            for (int key = 0; key < 3; ++key)
                handles.push_back(registry->registerRequest(key));
            std::atomic<int> resolved{0};
            std::atomic<int> received{0};
            std::atomic<int> told{0};
            const auto note = [&](auto &&wait) {
                try {
                    wait();
                    ++received;
                } catch (const ClosedResourceError &) {
                    ++told;
                }
            };
            const auto await = [&]() -> Task<> {
                try {
                    co_await handles[0].reply();
                    ++received;
                } catch (const ClosedResourceError &) {
                    ++told;
                }
            };
            QFuture<void> awaited = service.submit(await);
            std::thread blocked([&] { note([&] { handles[1].wait(); }); });
            std::thread answering([&, copies = handles]() mutable {
                for (Handle &copy : copies)
                    resolved += copy.resolve(1) ? 1 : 0;
            });
            linger(random);
            registry.reset();
            answering.join();
            blocked.join();
            awaited.waitForFinished();
            note([&] { handles[2].wait(); });
            QCOMPARE(received.load(), resolved.load());
            QCOMPARE(received + told, 3);
            answered += received;
        }
        qInfo("%d rounds: %d of %d answered before the end", rounds, answered, 3 * rounds);
        service.stop();
        QVERIFY(service.join());
    }
};

QTEST_GUILESS_MAIN(StressRegistry)
#include "stress_registry.moc"
