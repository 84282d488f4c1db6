// floor 23: services that die, channels that fail and loops that stall, at a chosen point
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/channel.h>
#include <qmicroio/closescope.h>
#include <qmicroio/errors.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/test/testexport.h>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

namespace QMicroIO::Test {

/// What a fault is unless the test brings an error of its own.
class QMICROIO_TEST_EXPORT InjectedFault : public Error
{
public:
    /// With this text. Thread: any.
    explicit InjectedFault(const QString &message = QStringLiteral("a fault of the test"));
    InjectedFault(const InjectedFault &);
    InjectedFault &operator=(const InjectedFault &);
    ~InjectedFault() override;
};

/// A service that dies, or hangs, at a chosen point of its life; in the place of a real one, for those who depend on
/// it.
///
/// Thread: as LoopServiceThread. Cost: one thread.
class QMICROIO_TEST_EXPORT FaultyService : public LoopServiceThread
{
    Q_OBJECT
public:
    /// Where it dies or hangs.
    enum class Point {
        BeforeReady, ///< throws instead of started()
        ReturnsUnready, ///< returns without started()
        NeverReady, ///< waits for ever instead of started(); stop() ends it
        AfterReady, ///< throws after `delay`
        OnCall, ///< throws at dieNow() only
        OnStop, ///< throws in its clean-up
        NeverStops, ///< its clean-up lasts until letGo() is called
    };
    /// `delay`: by the clock of the library, before the point is reached; for NeverReady and NeverStops it has no
    /// meaning.
    explicit FaultyService(Point point, const QString &name = QStringLiteral("faulty"),
                           std::chrono::nanoseconds delay = {}, std::exception_ptr error = nullptr);
    ~FaultyService() override;

    /// Kills it wherever it is, as a failing child of its group does. Thread: any, from readiness on.
    /// Fails: NotRunningError.
    void dieNow();
    /// Ends what NeverStops does. Thread: any. Repeat: harmless.
    void letGo();

protected:
    Task<> runAsync() override;

private:
    Point m_point;
    std::chrono::nanoseconds m_delay;
    std::exception_ptr m_error;
    CloseScope m_letGo;
};

/// The sending end of a channel that takes `items` items and then fails the channel with an error.
///
/// Thread: any, also several: the count is shared by copies. Cost: one allocation, and one atomic count an item.
template<class T>
class FailingSender
{
public:
    /// Takes over `sender`. The error is an InjectedFault unless one is given.
    FailingSender(ChannelSender<T> sender, int items, std::exception_ptr error = nullptr)
        : m_state(std::make_shared<State>(std::move(sender), items,
                                          error ? error : std::make_exception_ptr(InjectedFault())))
    {
    }
    /// As ChannelSender::sendNowait(); from the item after the last good one on it fails the channel and throws as a
    /// failed channel does.
    bool sendNowait(T item)
    {
        if (m_state->left.fetch_sub(1) <= 0)
            m_state->sender.fail(m_state->error);
        return m_state->sender.sendNowait(std::move(item));
    }
    /// As ChannelSender::close().
    bool close() { return m_state->sender.close(); }
    /// As ChannelSender::isClosed().
    bool isClosed() const { return m_state->sender.isClosed(); }

private:
    struct State
    {
        State(ChannelSender<T> end, int items, std::exception_ptr failure)
            : sender(std::move(end))
            , left(items)
            , error(std::move(failure))
        {
        }
        ChannelSender<T> sender;
        std::atomic<int> left;
        std::exception_ptr error;
    };
    std::shared_ptr<State> m_state;
};

/// While it lives, the loop of a service stands still, as if a function there did not return.
///
/// For a virtual clock the service's thread counts as blocked meanwhile: deadlines of those who wait for it pass.
/// Thread: any but the service's. Blocks: the constructor, until the loop stands still. Fails: NotRunningError.
/// Cost: the service's thread sleeps meanwhile; nothing is polled.
class QMICROIO_TEST_EXPORT StalledLoop
{
public:
    /// Stalls the loop of this service.
    explicit StalledLoop(LoopServiceThread &service);
    ~StalledLoop();
    StalledLoop(const StalledLoop &) = delete;
    StalledLoop &operator=(const StalledLoop &) = delete;
    /// Earlier than the destructor does. Repeat: harmless.
    void release();

private:
    std::shared_ptr<CloseScope> m_end;
};

} // namespace QMicroIO::Test
