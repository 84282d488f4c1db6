// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/test/faultinjectors.h>

#include <qmicroio/cancelscope.h>

namespace QMicroIO::Test {

InjectedFault::InjectedFault(const QString &message)
    : Error(message)
{
}

InjectedFault::InjectedFault(const InjectedFault &) = default;
InjectedFault &InjectedFault::operator=(const InjectedFault &) = default;
InjectedFault::~InjectedFault() = default;

FaultyService::FaultyService(Point point, const QString &name, std::chrono::nanoseconds delay, std::exception_ptr error)
    : LoopServiceThread(name)
    , m_point(point)
    , m_delay(delay)
    , m_error(error ? std::move(error) : std::make_exception_ptr(InjectedFault()))
{
}

FaultyService::~FaultyService()
{
    letGo();
    stop();
    join();
}

void FaultyService::dieNow()
{
    callSoon([this] { taskGroup().startSoon([error = m_error] { std::rethrow_exception(error); }); });
}

void FaultyService::letGo()
{
    m_letGo.close();
}

Task<> FaultyService::runAsync()
{
    if (m_delay > m_delay.zero() && m_point != Point::AfterReady)
        co_await sleep(m_delay);
    if (m_point == Point::BeforeReady)
        std::rethrow_exception(m_error);
    if (m_point == Point::ReturnsUnready)
        co_return;
    if (m_point == Point::NeverReady)
        co_await sleepForever();
    started();
    if (m_point == Point::AfterReady) {
        co_await sleep(m_delay);
        std::rethrow_exception(m_error);
    }
    std::exception_ptr stopped;
    try {
        co_await sleepForever();
    } catch (const Cancelled &) {
        stopped = std::current_exception();
    }
    if (m_point == Point::OnStop)
        std::rethrow_exception(m_error);
    if (m_point == Point::NeverStops) {
        auto cleanUp = [this]() -> Task<> { co_await untilClosed(m_letGo); };
        co_await shielded(cleanUp);
    }
    std::rethrow_exception(stopped);
}

StalledLoop::StalledLoop(LoopServiceThread &service)
    : m_end(std::make_shared<CloseScope>())
{
    const auto standsStill = std::make_shared<CloseScope>();
    service.callSoon([end = m_end, standsStill] {
        standsStill->close();
        end->wait();
    });
    standsStill->wait();
}

StalledLoop::~StalledLoop()
{
    release();
}

void StalledLoop::release()
{
    m_end->close();
}

} // namespace QMicroIO::Test
