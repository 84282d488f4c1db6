// SPDX-License-Identifier: Apache-2.0
#include "window.h"

#include "primes.h"

#include <qmicroio/channel.h>
#include <qmicroio/channelslot.h>
#include <qmicroio/errors.h>

#include <QtCore/QScopeGuard>
#include <QtWidgets/QLabel>
#include <QtWidgets/QProgressBar>
#include <QtWidgets/QPushButton>
#include <QtWidgets/QVBoxLayout>

using namespace QMicroIO;
using namespace std::chrono_literals;

Window::Window(LoopServiceThread &worker, QWidget *parent)
    : QWidget(parent)
    , m_worker(worker)
    , m_bar(new QProgressBar)
    , m_label(new QLabel(tr("ready")))
    , m_startButton(new QPushButton(tr("Start")))
    , m_cancelButton(new QPushButton(tr("Cancel")))
{
    auto *layout = new QVBoxLayout(this);
    for (QWidget *widget : std::initializer_list<QWidget *>{m_label, m_bar, m_startButton, m_cancelButton})
        layout->addWidget(widget);
    connect(m_startButton, &QPushButton::clicked, this, [this] { start(3'000'000); });
    connect(m_cancelButton, &QPushButton::clicked, this, &Window::cancel);
    showBusy(false);
}

// snippet: gui
void Window::start(int limit)
{
    m_tasks.startSoon(&Window::work, this, limit); // returns at once; ends with the window at the latest
}

void Window::cancel()
{
    m_tasks.cancel(tr("the user has cancelled"));
}

Task<> Window::work(int limit)
{
    showBusy(true);
    // The newest value only, at most once in a frame: the worker cannot flood the window.
    Channel<int> percent = createLatest(0);
    connectChannel(std::move(percent.receiver), m_bar, &QProgressBar::setValue, 16ms);
    const auto atEnd = qScopeGuard([&] {
        percent.sender.close();
        showBusy(false);
        Q_EMIT ended();
    });
    try {
        // Runs in the worker's thread. Cancelling this task cancels that one, which ends at its next checkpoint.
        const auto count = [limit, sender = percent.sender] { return countPrimes(limit, sender); };
        const int primes = co_await m_worker.submit(count);
        m_label->setText(tr("%1 primes").arg(primes));
    } catch (const Cancelled &cancelled) {
        m_label->setText(tr("cancelled: %1").arg(cancelled.reason()));
        throw; // a cancellation is passed on, always
    } catch (const Error &error) {
        m_label->setText(tr("failed: %1").arg(QString::fromUtf8(error.what())));
    }
}
// end of snippet

void Window::showBusy(bool busy)
{
    m_startButton->setEnabled(!busy);
    m_cancelButton->setEnabled(busy);
    if (busy)
        m_label->setText(tr("counting"));
}

QString Window::text() const
{
    return m_label->text();
}

int Window::shownPercent() const
{
    return m_bar->value();
}
