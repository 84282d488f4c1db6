// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/offload.h>

namespace QMicroIO {
namespace detail {

namespace {

constinit thread_local const OffloadBase *t_current = nullptr;

} // namespace

const OffloadBase &OffloadBase::current(const char *call)
{
    if (t_current)
        return *t_current;
    throw LogicError(QStringLiteral("%1 in %2, which runs no function of offload(); in a task, use co_await "
                                    "checkpointIfCancelled() instead")
                         .arg(QString::fromUtf8(call), currentThreadName()));
}

void OffloadBase::cancel(const Cancelled &why)
{
    m_why.emplace(why);
    m_isCancelled.store(true, std::memory_order_release);
}

OffloadBase::Inside::Inside(const OffloadBase &state)
    : m_outer(std::exchange(t_current, &state))
    , m_locals(state.m_locals)
{
}

OffloadBase::Inside::~Inside()
{
    t_current = m_outer;
}

} // namespace detail

void checkOffloadCancelled()
{
    const detail::OffloadBase &worker = detail::OffloadBase::current("checkOffloadCancelled()");
    if (worker.isCancelled())
        throw Cancelled(worker.why());
}

bool isOffloadCancelled()
{
    return detail::OffloadBase::current("isOffloadCancelled()").isCancelled();
}

} // namespace QMicroIO
