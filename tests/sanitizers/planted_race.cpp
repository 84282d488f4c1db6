// SPDX-License-Identifier: Apache-2.0
// A race that ThreadSanitizer must report: two threads touch a number that went around the seam, not through it.
// With the argument "ordered" the same number goes through the seam, which it must see as right.
#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>

#include <cstdio>
#include <cstring>

using namespace QMicroIO;

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    const bool ordered = argc > 1 && std::strcmp(argv[1], "ordered") == 0;
    int number = 0;
    LoopServiceThread service(QStringLiteral("racer"));
    service.start();
    service.waitStarted();
    const auto countUp = [&] { ++number; };
    service.callSoon(countUp);
    if (ordered)
        service.callSync(countUp);
    ++number;
    service.stop();
    service.join();
    std::printf("%d\n", number);
    return 0;
}
