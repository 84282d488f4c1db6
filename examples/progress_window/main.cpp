// SPDX-License-Identifier: Apache-2.0
//
// A window with a progress bar and a cancel button; the work is done in the thread of a service. With --script the program
// presses its own buttons and prints what the window shows.
#include "window.h"

#include <qmicroio/startmain.h>
#include <qmicroio/wait.h>

#include <QtWidgets/QApplication>
#include <QtWidgets/QPushButton>

#include <cstdio>
#include <memory>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

void press(const Window &window, const QString &text)
{
    const auto buttons = window.findChildren<QPushButton *>();
    for (QPushButton *button : buttons) {
        if (button->text() == text)
            button->click();
    }
}

Task<> script(LoopServiceThread &worker)
{
    auto window = std::make_unique<Window>(worker);
    window->show();
    const auto underWay = [&] { return worker.callSync([&] { return worker.taskGroup().size(); }); };
    const qsizetype nothing = underWay();

    // To the end.
    window->start(100'000);
    co_await nextSignal(window.get(), &Window::ended);
    while (window->shownPercent() < 100)
        co_await sleep(1ms); // the bar follows within a frame
    std::printf("%s, the bar is at %d\n", qPrintable(window->text()), window->shownPercent());

    // Cancelled on the way.
    press(*window, QStringLiteral("Start"));
    while (window->text() != QStringLiteral("counting") || window->shownPercent() == 100)
        co_await sleep(1ms);
    press(*window, QStringLiteral("Cancel"));
    co_await nextSignal(window.get(), &Window::ended);
    // The window does not wait for the worker, which hears of it at its next checkpoint.
    const bool isFree = co_await moveOnAfter(10s, [&]() -> Task<> {
        while (underWay() != nothing)
            co_await sleep(1ms);
    });
    std::printf("%s, the worker is free: %s\n", qPrintable(window->text()), isFree ? "yes" : "no");

    // Closed on the way: nothing is left, nothing refers to the window.
    window->start(3'000'000);
    while (window->text() != QStringLiteral("counting"))
        co_await sleep(1ms);
    window.reset();
    std::puts("closed");
}

} // namespace

int main(int argc, char **argv)
{
    QApplication app(argc, argv);
    LoopServiceThread worker(QStringLiteral("worker"));
    worker.start();
    worker.waitStarted();
    if (app.arguments().contains(QStringLiteral("--script"))) {
        startMain([&] { return script(worker); }, [&](const QFuture<void> &) { app.quit(); });
        app.exec();
    } else {
        Window window(worker);
        window.show();
        app.exec();
    }
    return worker.stop() && worker.join() ? 0 : 1;
}
