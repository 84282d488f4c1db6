// SPDX-License-Identifier: Apache-2.0
// A race that ThreadSanitizer must report: two threads touch a number that went around the seam, not through it.
// With the argument "ordered" the same number goes through the seam, which it must see as right.
#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>

using namespace QMicroIO;

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const bool ordered = argc > 1 && std::strcmp(argv[1], "ordered") == 0;
    int number = 0;
    LoopServiceThread service(QStringLiteral("racer"));
    service.start();
    service.waitStarted();
    // Tell what has happened without putting the two threads in an order. A call that is still at work in the seam when
    // the other side counts would do so by its locks.
    std::atomic<bool> sent{false};
    std::atomic<bool> ran{false};
    const auto countUp = [&] {
        while (!sent.load(std::memory_order_relaxed))
            std::this_thread::yield();
        ++number;
        ran.store(true, std::memory_order_relaxed);
    };
    service.callSoon(countUp);
    sent.store(true, std::memory_order_relaxed);
    if (ordered)
        service.callSync(countUp);
    while (!ran.load(std::memory_order_relaxed))
        std::this_thread::yield();
    ++number;
    service.stop();
    service.join();
    std::printf("%d\n", number);
    return 0;
}
