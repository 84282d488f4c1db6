// SPDX-License-Identifier: Apache-2.0
#include "torture.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QDir>
#include <QtCore/QFile>
#include <QtCore/QMutex>
#include <QtCore/QSemaphore>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include <malloc.h>
#include <unistd.h>

namespace Torture {

using namespace QMicroIO;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

struct Sample
{
    double seconds = 0;
    double megabytes = 0; // resident
    double heap = 0; // megabytes handed out by malloc; zero where a sanitizer replaces it
    int threads = 0;
    int descriptors = 0;
    quint64 lives = 0;
};

QByteArray statusLine(const QByteArray &status, const char *key)
{
    const qsizetype at = status.indexOf(key);
    return at < 0 ? QByteArray("0") : status.mid(at + qsizetype(qstrlen(key)), 32).simplified().split(' ').value(0);
}

Sample sampleNow(Clock::time_point begin, quint64 lives)
{
    Sample sample;
    QFile file(QStringLiteral("/proc/self/status"));
    if (file.open(QIODevice::ReadOnly)) {
        const QByteArray status = file.readAll();
        sample.megabytes = statusLine(status, "VmRSS:").toDouble() / 1024;
        sample.threads = statusLine(status, "Threads:").toInt();
    }
    sample.descriptors = int(
        QDir(QStringLiteral("/proc/self/fd")).entryList(QDir::NoDotAndDotDot | QDir::AllEntries | QDir::System).size());
    sample.heap = double(::mallinfo2().uordblks) / 1e6;
    sample.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    sample.lives = lives;
    return sample;
}

// One life of a service with all that can be under way in it.
void liveOnce(unsigned number)
{
    LoopServiceThread service(QStringLiteral("soak"));
    service.start();
    service.waitStarted();
    std::vector<QFuture<int>> futures;
    for (int i = 0; i < 8; ++i) {
        futures.push_back(service.submit([i]() -> Task<int> {
            if (i % 2 == 0)
                co_await sleepForever();
            co_await checkpoint();
            co_return i;
        }));
    }
    service.callSoon([] { });
    if (service.callSync([number] { return number; }) != number)
        std::abort();
    futures[0].cancel();
    if (number % 3 == 0)
        service.stop();
    else if (number % 3 == 1)
        service.fail(std::make_exception_ptr(Error("soak")));
    else
        service.callSoon([] { QThread::currentThread()->quit(); });
    service.join();
    for (QFuture<int> &future : futures) {
        if (!future.isFinished())
            std::abort();
    }
}

double medianOf(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values.empty() ? 0 : values[values.size() / 2];
}

template<class Get>
double medianOf(const std::vector<Sample> &samples, std::size_t from, std::size_t to, Get get)
{
    std::vector<double> values;
    for (std::size_t i = from; i < to; ++i)
        values.push_back(double(get(samples[i])));
    return medianOf(std::move(values));
}

// One curve a panel, each with its own scale that begins at zero.
bool writeSvg(const QString &path, const std::vector<Sample> &samples)
{
    struct Panel
    {
        const char *name;
        double (*get)(const Sample &);
    };
    const Panel panels[] = {
        {"resident memory, MB", [](const Sample &s) { return s.megabytes; }},
        {"heap in use, MB", [](const Sample &s) { return s.heap; }},
        {"threads", [](const Sample &s) { return double(s.threads); }},
        {"descriptors", [](const Sample &s) { return double(s.descriptors); }},
    };
    constexpr int Width = 720;
    constexpr int Height = 110;
    constexpr int Left = 60;
    QString svg = QStringLiteral("<!-- SPDX-License-"
                                 "Identifier: Apache-2.0 -->\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%1\" "
                                 "height=\"%2\" font-family=\"sans-serif\" font-size=\"12\">\n"
                                 "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n")
                      .arg(Width + Left + 20)
                      .arg(int(std::size(panels)) * (Height + 30) + 30);
    const double duration = std::max(samples.back().seconds, 1e-9);
    int top = 10;
    for (const Panel &panel : panels) {
        double most = 1;
        for (const Sample &sample : samples)
            most = std::max(most, panel.get(sample) * 1.15);
        svg +=
            QStringLiteral("<rect x=\"%1\" y=\"%2\" width=\"%3\" height=\"%4\" fill=\"none\" stroke=\"#ccc\"/>\n"
                           "<text x=\"%5\" y=\"%6\">%7</text>\n<text x=\"%8\" y=\"%9\" text-anchor=\"end\">%10</text>\n"
                           "<text x=\"%8\" y=\"%11\" text-anchor=\"end\">0</text>\n")
                .arg(Left)
                .arg(top)
                .arg(Width)
                .arg(Height)
                .arg(Left + 6)
                .arg(top + 14)
                .arg(QString::fromUtf8(panel.name))
                .arg(Left - 6)
                .arg(top + 12)
                .arg(most, 0, 'f', most < 10 ? 1 : 0)
                .arg(top + Height);
        QStringList points;
        for (const Sample &sample : samples) {
            points += QStringLiteral("%1,%2")
                          .arg(Left + sample.seconds / duration * Width, 0, 'f', 1)
                          .arg(top + Height - panel.get(sample) / most * Height, 0, 'f', 1);
        }
        svg += QStringLiteral("<polyline fill=\"none\" stroke=\"#0a6\" stroke-width=\"1.5\" points=\"%1\"/>\n")
                   .arg(points.join(u' '));
        top += Height + 30;
    }
    svg += QStringLiteral("<text x=\"%1\" y=\"%2\">%3 service lifecycles in %4 s</text>\n</svg>\n")
               .arg(Left)
               .arg(top + 10)
               .arg(samples.back().lives)
               .arg(duration, 0, 'f', 0);
    QFile file(path);
    return file.open(QIODevice::WriteOnly) && file.write(svg.toUtf8()) == svg.toUtf8().size();
}

// Whether the last quarter needs no more than the second one; the first one is warm-up.
bool isFlat(const std::vector<Sample> &samples)
{
    const std::size_t quarter = samples.size() / 4;
    bool flat = true;
    const auto compare = [&](const char *name, auto get, double slack) {
        const double before = medianOf(samples, quarter, 2 * quarter, get);
        const double after = medianOf(samples, samples.size() - quarter, samples.size(), get);
        const bool ok = after <= before * 1.05 + slack;
        std::printf("%-12s second quarter %.1f, last quarter %.1f: %s\n", name, before, after, ok ? "flat" : "GROWS");
        flat = flat && ok;
    };
    compare("resident MB", [](const Sample &s) { return s.megabytes; }, 2);
    compare("heap MB", [](const Sample &s) { return s.heap; }, 1);
    compare("threads", [](const Sample &s) { return s.threads; }, 2);
    compare("descriptors", [](const Sample &s) { return s.descriptors; }, 4);
    return flat;
}

void printTable(const std::vector<Sample> &samples)
{
    std::printf("%8s %12s %12s %10s %10s %12s\n", "seconds", "lifecycles", "resident MB", "heap MB", "threads",
                "descriptors");
    const std::size_t every = std::max<std::size_t>(samples.size() / 12, 1);
    for (std::size_t i = 0; i < samples.size(); i += every) {
        const Sample &s = samples[i];
        std::printf("%8.1f %12llu %12.1f %10.2f %10d %12d\n", s.seconds, static_cast<unsigned long long>(s.lives),
                    s.megabytes, s.heap, s.threads, s.descriptors);
    }
}

} // namespace

int soak(std::chrono::seconds duration, const QString &svg)
{
    const Overdue overdue(QStringLiteral("soak"), duration + 120s);
    constexpr int Threads = 4;
    const auto begin = Clock::now();
    const auto end = begin + duration;
    std::atomic<quint64> lives = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < Threads; ++t) {
        threads.emplace_back([&lives, end] {
            while (Clock::now() < end)
                liveOnce(unsigned(lives.fetch_add(1)));
        });
    }
    std::vector<Sample> samples;
    constexpr int Samples = 240;
    for (int i = 0; i < Samples; ++i) {
        std::this_thread::sleep_until(begin + duration * (i + 1) / Samples);
        samples.push_back(sampleNow(begin, lives));
    }
    for (std::thread &thread : threads)
        thread.join();
    printTable(samples);
    const bool flat = isFlat(samples);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    std::printf("%llu lifecycles in %.0f s: %.2f million an hour\n", static_cast<unsigned long long>(lives.load()),
                seconds, double(lives.load()) / seconds * 3600 / 1e6);
    if (!svg.isEmpty() && !writeSvg(svg, samples)) {
        std::fprintf(stderr, "cannot write %s\n", qPrintable(svg));
        return 1;
    }
    return flat ? 0 : 1;
}

int crashes(std::chrono::seconds duration)
{
    const Overdue overdue(QStringLiteral("crashes"), duration + 120s);
    constexpr int Services = 4;
    constexpr auto Pause = 10ms; // a hundred crashes a second
    SupervisorOptions options;
    options.backOff = 0ms;
    options.maxRestarts = 1'000'000'000;
    Supervisor supervisor(QStringLiteral("crashes"), options);
    QMutex mutex;
    std::vector<Clock::time_point> failedAt(Services);
    std::vector<double> recovery; // milliseconds
    for (int i = 0; i < Services; ++i) {
        supervisor.add(QString::number(i),
                       [] { return std::make_unique<LoopServiceThread>(QStringLiteral("crashing")); });
    }
    QObject::connect(
        &supervisor, &Supervisor::healthChanged, &supervisor,
        [&](const QString &name, SupervisedService::Health health) {
            if (health != SupervisedService::Health::Ready)
                return;
            const QMutexLocker lock(&mutex);
            Clock::time_point &time = failedAt[std::size_t(name.toInt())];
            if (time != Clock::time_point())
                recovery.push_back(std::chrono::duration<double, std::milli>(Clock::now() - time).count());
            time = {};
        },
        Qt::DirectConnection);
    supervisor.start();
    supervisor.waitStarted();
    const auto begin = Clock::now();
    std::vector<Sample> samples;
    quint64 injected = 0;
    quint64 refused = 0;
    for (auto next = begin; next < begin + duration; next += Pause) {
        std::this_thread::sleep_until(next);
        const int which = int(injected % Services);
        try {
            const std::shared_ptr<LoopServiceThread> service =
                supervisor.service<LoopServiceThread>(QString::number(which));
            if (service->state() != ServiceThread::State::Ready)
                throw NotRunningError(QStringLiteral("it is being restarted"));
            const QFuture<void> pending = service->submit([]() -> Task<> { co_await sleepForever(); });
            {
                const QMutexLocker lock(&mutex);
                failedAt[std::size_t(which)] = Clock::now();
            }
            service->fail(std::make_exception_ptr(Error("injected")));
        } catch (const ClosedResourceError &) {
            ++refused; // not back yet
        }
        ++injected;
        if (injected % 10 == 0)
            samples.push_back(sampleNow(begin, injected));
    }
    supervisor.stop();
    supervisor.join();
    printTable(samples);
    const bool flat = isFlat(samples);
    std::sort(recovery.begin(), recovery.end());
    if (recovery.empty())
        return 1;
    const auto percentile = [&recovery](double share) {
        return recovery[std::min(recovery.size() - 1, std::size_t(share * double(recovery.size())))];
    };
    std::printf("%llu crashes injected (%.0f a second), %llu met a service that was not back; %d restarts\n"
                "time to recover: p50 %.2f ms, p99 %.2f ms, longest %.2f ms\n",
                static_cast<unsigned long long>(injected), double(injected) / double(duration.count()),
                static_cast<unsigned long long>(refused), supervisor.restarts(), percentile(0.5), percentile(0.99),
                recovery.back());
    return flat && supervisor.restarts() > 0 ? 0 : 1;
}

} // namespace Torture
