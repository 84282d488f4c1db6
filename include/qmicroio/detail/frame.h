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
QMICROIO_EXPORT void *allocate(std::size_t size, Memory kind);
QMICROIO_EXPORT void release(void *block, std::size_t size, Memory kind) noexcept;

// Base for nodes that are made and destroyed with each task.
class RecycledNode
{
public:
    static void *operator new(std::size_t size) { return allocate(size, Memory::Node); }
    static void operator delete(void *block, std::size_t size) noexcept { release(block, size, Memory::Node); }
};

} // namespace detail
} // namespace QMicroIO
