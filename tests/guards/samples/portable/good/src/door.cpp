// SPDX-License-Identifier: Apache-2.0
#include <csignal>

// A comment may name ::close(), <unistd.h> and SIGUSR1, and so may a text.
struct Door
{
    void close();
    static void open();
};

void Door::close()
{
    Door::open();
    const char *text = "call ::close() on SIGUSR1";
    std::raise(text ? SIGINT : SIGTERM);
}
