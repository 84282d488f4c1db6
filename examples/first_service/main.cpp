// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>

#include <cstdio>

using namespace QMicroIO;
using namespace std::chrono_literals;

class Thermometer : public LoopServiceThread
{
public:
    ~Thermometer() override { stop(), join(); } // the service uses the members: it ends before they do
    double read() { return 20.0 + m_readings++; } // the service's thread
    Task<double> average(int count) // the service's thread
    {
        double sum = 0;
        for (int i = 0; i < count; ++i) {
            co_await sleep(10ms); // other calls run meanwhile; stop() ends the wait
            sum += read();
        }
        co_return sum / count;
    }

private:
    int m_readings = 0; // only one thread touches it, so it needs no lock
};

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    Thermometer thermometer;
    thermometer.start();
    thermometer.waitStarted(); // throws what kept the service from getting ready
    std::printf("now: %.0f\n", thermometer.callSync([&] { return thermometer.read(); }));
    QFuture<double> average = thermometer.submit([&] { return thermometer.average(3); });
    std::printf("average of the next three: %.0f\n", average.result());
    return thermometer.stop() && thermometer.join() ? 0 : 1;
}
