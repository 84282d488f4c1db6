// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/detail/frame.h>
#include <qmicroio/detail/life.h>

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

constinit std::atomic<LifeWatcher *> lifeWatcher{nullptr};

namespace {

constexpr qint32 MostKept = 1024; // in one list

struct FreeBlock
{
    FreeBlock *next;
};

// Written by the owning thread only; a plain load and store, so that counting costs no locked instruction.
template<class N>
class OwnCount
{
public:
    N value() const { return m_value.load(std::memory_order_relaxed); }
    void add(N change) { m_value.store(N(value() + change), std::memory_order_relaxed); }

private:
    std::atomic<N> m_value{0};
};

struct FreeList
{
    FreeBlock *first = nullptr;
    OwnCount<qint32> room; // for so many more blocks
};

struct Cache
{
    qsizetype liveFrames() const
    {
        qsizetype live = framesOfHeap.value();
        for (std::size_t index = 0; index < SizeClasses; ++index)
            live -= MostKept - lists[std::size_t(Memory::Frame) * SizeClasses + index].room.value();
        return live;
    }
    // Kinds apart: what the heap gave out for frames and is in no list is a frame that exists, so making one counts nothing.
    std::array<FreeList, 2 * SizeClasses> lists;
    OwnCount<qsizetype> framesOfHeap; // less those given back by this thread
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

// Of threads that keep nothing: nothing to take, and no room.
constinit Cache noCache;

// Never null: the fast ways ask nothing else. In the thread's static block, where it takes no call to find it.
#if defined(Q_OS_LINUX)
[[gnu::tls_model("initial-exec")]]
#endif
constinit thread_local Cache *t_cache = &noCache;
constinit thread_local bool t_ended = false;

struct CacheOwner
{
    CacheOwner()
    {
        auto *cache = new Cache;
        for (FreeList &list : cache->lists)
            list.room.add(MostKept);
        {
            const std::lock_guard lock(registry().mutex);
            registry().caches.push_back(cache);
        }
        t_cache = cache;
    }
    ~CacheOwner()
    {
        Cache *cache = t_cache;
        t_cache = &noCache;
        t_ended = true;
        {
            const std::lock_guard lock(registry().mutex);
            registry().framesOfEndedThreads += cache->liveFrames();
            std::erase(registry().caches, cache);
        }
        for (const FreeList &list : cache->lists) {
            for (FreeBlock *block = list.first; block;) {
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
    if (t_cache != &noCache)
        return t_cache;
    if (t_ended)
        return nullptr;
    thread_local CacheOwner owner;
    return t_cache;
}

bool isFrame(std::size_t list)
{
    return list / SizeClasses == std::size_t(Memory::Frame);
}

void countFrameOfHeap(qsizetype change)
{
    if (Cache *mine = cache())
        mine->framesOfHeap.add(change);
    else
        registry().framesOfEndedThreads += change;
}

void keep(FreeList &free, void *block)
{
    auto *freed = static_cast<FreeBlock *>(block);
    freed->next = free.first;
    free.first = freed;
    free.room.add(-1);
}

// Apart from the fast ways, which then save no registers.
Q_NEVER_INLINE void *watchedFrame(void *block)
{
    born(Life::Frame, block);
    return block;
}

Q_NEVER_INLINE void releaseWatchedFrame(void *block, std::size_t list)
{
    ended(Life::Frame, block);
    keep(t_cache->lists[list], block);
}

} // namespace

void *allocateFromHeap(std::size_t size, Memory kind)
{
    void *block = ::operator new(size);
    if (kind == Memory::Frame) {
        countFrameOfHeap(1);
        born(Life::Frame, block);
    }
    return block;
}

void releaseToHeap(void *block, Memory kind) noexcept
{
    if (kind == Memory::Frame) {
        countFrameOfHeap(-1);
        ended(Life::Frame, block);
    }
    ::operator delete(block);
}

void *allocateFromList(std::size_t list)
{
    FreeList &free = t_cache->lists[list];
    FreeBlock *block = free.first;
    if (Q_UNLIKELY(!block))
        return allocateFromHeap(list % SizeClasses * 16 + 8, Memory(list / SizeClasses));
    free.first = block->next;
    free.room.add(1);
    if (Q_UNLIKELY(isLifeWatched()) && isFrame(list))
        return watchedFrame(block);
    return block;
}

void releaseToList(void *block, std::size_t list) noexcept
{
    FreeList &free = t_cache->lists[list];
    if (Q_UNLIKELY(!QMICROIO_RECYCLE || free.room.value() == 0)) {
        releaseToHeap(block, Memory(list / SizeClasses));
        return;
    }
    if (Q_UNLIKELY(isLifeWatched()) && isFrame(list)) {
        releaseWatchedFrame(block, list);
        return;
    }
    keep(free, block);
}

} // namespace detail

qsizetype liveTaskFrames()
{
    detail::Registry &all = detail::registry();
    const std::lock_guard lock(all.mutex);
    qsizetype sum = all.framesOfEndedThreads.load(std::memory_order_relaxed);
    for (const detail::Cache *cache : all.caches)
        sum += cache->liveFrames();
    return sum;
}

} // namespace QMicroIO
