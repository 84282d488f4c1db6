// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/frame.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <new>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define QMICROIO_RECYCLE 0
#elif defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#    define QMICROIO_RECYCLE 0
#  endif
#endif
#ifndef QMICROIO_RECYCLE
#  define QMICROIO_RECYCLE 1
#endif

namespace QMicroIO {
namespace detail {
namespace {

constexpr std::size_t Step = 64;
constexpr std::size_t Classes = 16; // up to 1 KiB; larger frames are rare and go to the heap
constexpr std::size_t KeptBytesPerClass = 256 * 1024;

struct FreeBlock
{
    FreeBlock *next;
};

struct Cache
{
    std::array<FreeBlock *, Classes> free{};
    std::array<std::size_t, Classes> kept{};
    // Written by the owning thread only; a plain load and store, so that counting costs no locked instruction.
    std::atomic<qsizetype> frames{0};
};

struct Registry
{
    std::mutex mutex;
    std::vector<Cache *> caches;
    std::atomic<qsizetype> framesOfEndedThreads{0};
};

Registry &registry()
{
    // Never destroyed: frames may be freed while other static objects are being destroyed.
    static auto *instance = new Registry;
    return *instance;
}

enum class Phase : unsigned char { Unused, Active, Ended };
constinit thread_local Phase t_phase = Phase::Unused;
constinit thread_local Cache *t_cache = nullptr;

struct CacheOwner
{
    CacheOwner()
    {
        auto *cache = new Cache;
        {
            const std::lock_guard lock(registry().mutex);
            registry().caches.push_back(cache);
        }
        t_cache = cache;
        t_phase = Phase::Active;
    }
    ~CacheOwner()
    {
        Cache *cache = t_cache;
        t_cache = nullptr;
        t_phase = Phase::Ended;
        {
            const std::lock_guard lock(registry().mutex);
            registry().framesOfEndedThreads += cache->frames.load(std::memory_order_relaxed);
            std::erase(registry().caches, cache);
        }
        for (FreeBlock *block : cache->free) {
            while (block) {
                FreeBlock *next = block->next;
                ::operator delete(block);
                block = next;
            }
        }
        delete cache;
    }
    CacheOwner(const CacheOwner &) = delete;
    CacheOwner &operator=(const CacheOwner &) = delete;
};

Cache *cache()
{
    if (Q_LIKELY(t_phase == Phase::Active))
        return t_cache;
    if (t_phase == Phase::Ended)
        return nullptr;
    thread_local CacheOwner owner;
    return t_cache;
}

void count(Cache *cache, qsizetype change)
{
    if (Q_LIKELY(cache))
        cache->frames.store(cache->frames.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
    else
        registry().framesOfEndedThreads += change;
}

} // namespace

void *allocate(std::size_t size, Memory kind)
{
    Cache *mine = cache();
    const std::size_t index = (size + Step - 1) / Step;
    void *block = nullptr;
    if (QMICROIO_RECYCLE && Q_LIKELY(mine) && index < Classes) {
        if (FreeBlock *head = mine->free[index]) {
            mine->free[index] = head->next;
            mine->kept[index] -= index * Step;
            block = head;
        } else {
            block = ::operator new(index * Step);
        }
    } else {
        block = ::operator new(QMICROIO_RECYCLE ? index * Step : size);
    }
    if (kind == Memory::Frame)
        count(mine, 1);
    return block;
}

void release(void *block, std::size_t size, Memory kind) noexcept
{
    Cache *mine = cache();
    if (kind == Memory::Frame)
        count(mine, -1);
    const std::size_t index = (size + Step - 1) / Step;
    if (QMICROIO_RECYCLE && Q_LIKELY(mine) && index < Classes && mine->kept[index] < KeptBytesPerClass) {
        auto *freed = static_cast<FreeBlock *>(block);
        freed->next = mine->free[index];
        mine->free[index] = freed;
        mine->kept[index] += index * Step;
        return;
    }
    ::operator delete(block);
}

} // namespace detail

qsizetype liveTaskFrames()
{
    detail::Registry &all = detail::registry();
    const std::lock_guard lock(all.mutex);
    qsizetype sum = all.framesOfEndedThreads.load(std::memory_order_relaxed);
    for (const detail::Cache *cache : all.caches)
        sum += cache->frames.load(std::memory_order_relaxed);
    return sum;
}

} // namespace QMicroIO
