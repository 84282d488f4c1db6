// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lets a test play a system that refuses threads: the program's own pthread_create() comes before libc's. Include it in
// the one source file of a program. A sanitizer brings a pthread_create() of its own, so there it is not available.

#if defined(__has_feature)
#  if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#    define SANITIZER_OWNS_THREADS
#  endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#  define SANITIZER_OWNS_THREADS
#endif

#ifndef SANITIZER_OWNS_THREADS
#  define THREADS_CAN_BE_REFUSED

#  include <dlfcn.h>
#  include <pthread.h>

#  include <atomic>
#  include <cerrno>
#  include <functional>
#  include <utility>

namespace ServiceTesting {

// Every new thread is refused while it lives; `meanwhile` runs at each refusal. One at a time.
class ThreadsRefused
{
public:
    explicit ThreadsRefused(std::function<void()> meanwhile = {})
        : m_meanwhile(std::move(meanwhile))
    {
        current() = this;
    }
    ~ThreadsRefused() { current() = nullptr; }
    ThreadsRefused(const ThreadsRefused &) = delete;
    ThreadsRefused &operator=(const ThreadsRefused &) = delete;

    static std::atomic<ThreadsRefused *> &current()
    {
        static std::atomic<ThreadsRefused *> instance = nullptr;
        return instance;
    }
    void refused() const
    {
        if (m_meanwhile)
            m_meanwhile();
    }

private:
    std::function<void()> m_meanwhile;
};

} // namespace ServiceTesting

extern "C" int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                              void *argument) noexcept
{
    if (const ServiceTesting::ThreadsRefused *refused = ServiceTesting::ThreadsRefused::current()) {
        refused->refused();
        return EAGAIN;
    }
    using Create = int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    static const auto create = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
    return create(thread, attributes, start, argument);
}

#endif
