// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lets a test play a system without memory: the allocation with a given number fails, in the thread that asked for it. Include
// it in the one source file of a program. A sanitizer brings an operator new of its own, so there no allocation fails.

#include "refusedthreads.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>

namespace ServiceTesting {

// Of this thread: allocations until one fails; negative: none does.
inline constinit thread_local int t_left = -1;
inline constinit thread_local bool t_failed = false;
#ifdef SANITIZER_OWNS_THREADS
inline constexpr int Least = 0; // no allocation fails here
#else
inline constexpr int Least = 1;
#endif

// Qt's own classes end the program when they have no memory, so theirs do not fail here.
inline bool isOfQt(const void *caller)
{
    Dl_info info{};
    return dladdr(caller, &info) != 0 && info.dli_fname && std::strstr(info.dli_fname, "libQt6") != nullptr;
}

inline void *allocate(std::size_t size, const void *caller)
{
    if (t_left >= 0 && isOfQt(caller)) {
        // Neither counts nor fails.
    } else if (t_left == 0) {
        t_left = -1;
        t_failed = true;
        throw std::bad_alloc();
    } else if (t_left > 0) {
        --t_left;
    }
    if (void *memory = std::malloc(size ? size : 1))
        return memory;
    throw std::bad_alloc();
}

// The allocation with that number fails while it lives.
class FailingAllocation
{
public:
    explicit FailingAllocation(int number)
    {
        t_failed = false;
        t_left = number;
    }
    ~FailingAllocation() { t_left = -1; }
    FailingAllocation(const FailingAllocation &) = delete;
    FailingAllocation &operator=(const FailingAllocation &) = delete;
};

} // namespace ServiceTesting

// A sanitizer has an operator new of its own, which it has to see used everywhere.
#ifndef SANITIZER_OWNS_THREADS
void *operator new(std::size_t size)
{
    return ServiceTesting::allocate(size, __builtin_return_address(0));
}
void operator delete(void *memory) noexcept
{
    std::free(memory);
}
void operator delete(void *memory, std::size_t) noexcept
{
    std::free(memory);
}
#endif

namespace ServiceTesting {

// Calls `act` with the first allocation failing, then the second, and so on, until it gets by without. After each failure
// `check` sees to what must hold. How many failures there were; negative: something other than bad_alloc came out.
inline int failEach(const std::function<void()> &act, const std::function<bool()> &check = {})
{
    for (int number = 0; number < 1000; ++number) {
        bool threw = false;
        bool failed = false;
        {
            const FailingAllocation failing(number);
            try {
                act();
            } catch (const std::bad_alloc &) {
                threw = true;
            }
            failed = t_failed;
        }
        if (!failed)
            return number;
        if (threw && check && !check())
            return -1 - number;
    }
    return -1000;
}

} // namespace ServiceTesting
