// floor 1: what a test may want to know the whereabouts of
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <QtCore/QString>

#include <atomic>

namespace QMicroIO::detail {

enum class Life { Frame, Service, Request };

// Told when such a thing comes to life and when it ends, on whatever thread that happens; locks of others may be held.
class LifeWatcher
{
public:
    LifeWatcher(const LifeWatcher &) = delete;
    LifeWatcher &operator=(const LifeWatcher &) = delete;
    virtual void born(Life kind, const void *thing, const QString &name) noexcept = 0;
    virtual void ended(Life kind, const void *thing) noexcept = 0;

protected:
    LifeWatcher() = default;
    ~LifeWatcher() = default; // lives for ever: threads may be inside it whenever it is taken away
};

QMICROIO_EXPORT extern std::atomic<LifeWatcher *> lifeWatcher;

// For names that cost something to make.
inline bool isLifeWatched() noexcept
{
    return lifeWatcher.load(std::memory_order_relaxed) != nullptr;
}
inline void born(Life kind, const void *thing, const QString &name = {}) noexcept
{
    if (LifeWatcher *watcher = lifeWatcher.load(std::memory_order_acquire); Q_UNLIKELY(watcher != nullptr))
        watcher->born(kind, thing, name);
}
inline void ended(Life kind, const void *thing) noexcept
{
    if (LifeWatcher *watcher = lifeWatcher.load(std::memory_order_acquire); Q_UNLIKELY(watcher != nullptr))
        watcher->ended(kind, thing);
}

} // namespace QMicroIO::detail
