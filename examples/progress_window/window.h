// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/loopservicethread.h>
#include <qmicroio/taskgroup.h>

#include <QtWidgets/QWidget>

class QLabel;
class QProgressBar;
class QPushButton;

// snippet: window
class Window : public QWidget
{
    Q_OBJECT

public:
    // The worker must outlive the window.
    explicit Window(QMicroIO::LoopServiceThread &worker, QWidget *parent = nullptr);

    void start(int limit);
    void cancel();
    QString text() const;
    int shownPercent() const;

Q_SIGNALS:
    void ended(); // however the work ended

private:
    QMicroIO::Task<> work(int limit);
    void showBusy(bool busy);

    QMicroIO::LoopServiceThread &m_worker;
    QProgressBar *m_bar;
    QLabel *m_label;
    QPushButton *m_startButton;
    QPushButton *m_cancelButton;
    QMicroIO::ObjectTaskGroup m_tasks{this}; // the last member: its tasks end before the others go
};
// end of snippet
