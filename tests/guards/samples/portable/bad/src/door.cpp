// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#  include <sys/stat.h> // expect: <sys/stat.h> is no header of C++

namespace {

const char *const Folder = "/proc/self/fd"; // expect: is a path of Linux

void shut(int descriptor)
{
    ::close(descriptor); // expect: close() is no function of C++
    if (pthread_self() == 0) // expect: pthread_self() is no function of C++
        std::raise(SIGUSR1); // expect: SIGUSR1 is no signal of C++
}

} // namespace
