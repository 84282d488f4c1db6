// floor 1: memory for coroutine frames and task nodes, recycled and counted
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <cstddef>

namespace QMicroIO {

/// Coroutine frames of Task that exist now, in all threads.
///
/// Thread: any. Exact once the threads that run tasks are quiet; a snapshot otherwise. Cost: O(threads that ever ran a task).
QMICROIO_EXPORT qsizetype liveTaskFrames();

namespace detail {

enum class Memory { Frame, Node };

// Freed blocks stay with the freeing thread, a bounded number a size class: a child of a group costs no malloc in a
// steady state. Under AddressSanitizer every block goes back to the heap, so that a use after free is seen.
//
// Sizes of one class fill the same block of the heap: glibc's and others' are 8 bytes short of a multiple of 16. Callers
// know their size when they are compiled, and so their class.
inline constexpr std::size_t SizeClasses = 64; // up to 1 KiB; larger frames are rare and go to the heap
constexpr std::size_t sizeClassOf(std::size_t size)
{
    return (size + 7) / 16;
}

constexpr std::size_t listOf(std::size_t size, Memory kind)
{
    return std::size_t(kind) * SizeClasses + sizeClassOf(size);
}

QMICROIO_EXPORT void *allocateFromList(std::size_t list);
QMICROIO_EXPORT void releaseToList(void *block, std::size_t list) noexcept;
QMICROIO_EXPORT Q_NEVER_INLINE void *allocateFromHeap(std::size_t size, Memory kind);
QMICROIO_EXPORT Q_NEVER_INLINE void releaseToHeap(void *block, Memory kind) noexcept;

inline void *allocate(std::size_t size, Memory kind)
{
    return sizeClassOf(size) < SizeClasses ? allocateFromList(listOf(size, kind)) : allocateFromHeap(size, kind);
}
inline void release(void *block, std::size_t size, Memory kind) noexcept
{
    if (sizeClassOf(size) < SizeClasses)
        releaseToList(block, listOf(size, kind));
    else
        releaseToHeap(block, kind);
}

// Base for nodes that are made and destroyed with each task.
class RecycledNode
{
public:
    static void *operator new(std::size_t size) { return allocate(size, Memory::Node); }
    static void operator delete(void *block, std::size_t size) noexcept { release(block, size, Memory::Node); }
};

} // namespace detail
} // namespace QMicroIO
