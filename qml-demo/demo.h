// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "line.h"
#include "service.h"
#include "troubled.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QObject>
#include <QtCore/QTemporaryDir>
#include <QtCore/QTimer>
#include <QtQml/qqml.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace Demo {

/// Keeps the services, and does to them what the user asks for. What it shows of its own is a few times a second copied from
/// counters; everything else the dashboard takes from the models of QMicroIO. The GUI's thread.
class Director : public QObject
{
    Q_OBJECT
    QML_ELEMENT
    QML_UNCREATABLE("made by main()")
    Q_PROPERTY(QString folder READ folder CONSTANT)
    Q_PROPERTY(double filesDone MEMBER m_filesDone NOTIFY progressed)
    Q_PROPERTY(double filesTotal MEMBER m_filesTotal NOTIFY progressed)
    Q_PROPERTY(double bytesDone MEMBER m_bytesDone NOTIFY progressed)
    Q_PROPERTY(double bytesTotal MEMBER m_bytesTotal NOTIFY progressed)
    Q_PROPERTY(bool counted MEMBER m_counted NOTIFY progressed)
    Q_PROPERTY(double journalRows MEMBER m_journalRows NOTIFY progressed)
    Q_PROPERTY(int historyInterval READ historyInterval CONSTANT)
    Q_PROPERTY(QString language READ language WRITE setLanguage NOTIFY languageChanged)
    Q_PROPERTY(bool rightToLeft READ isRightToLeft NOTIFY languageChanged)
    Q_PROPERTY(QString note MEMBER m_note NOTIFY noteChanged)
public:
    /// `crowd`: of how many tasks a further service consists; without if it is 0.
    Director(const QString &folder, int historyInterval, int crowd);
    ~Director() override;

    QString folder() const;
    int historyInterval() const { return m_historyInterval; }
    QString language() const { return m_language; }
    bool isRightToLeft() const;
    void setLanguage(const QString &language);
    /// Those that there are right now, for scripts.
    std::vector<QMicroIO::LoopServiceThread *> services() const;
    /// Whether each has come to where it was sent: it is ready, or has ended and is not to start again.
    bool isSettled() const;

    Q_INVOKABLE void startAll();
    Q_INVOKABLE void start(const QString &service);
    Q_INVOKABLE void stop(const QString &service);
    Q_INVOKABLE void restart(const QString &service);
    Q_INVOKABLE void cancelTasks(const QString &service);
    /// "fail", "stall", "ignore" or "flood".
    Q_INVOKABLE void inject(const QString &fault);

Q_SIGNALS:
    void progressed();
    void languageChanged();
    void noteChanged();

private:
    struct Place
    {
        QString name;
        std::function<std::unique_ptr<QMicroIO::LoopServiceThread>()> make;
        std::unique_ptr<QMicroIO::LoopServiceThread> service;
        bool startAgain = false;
    };
    Place *place(const QString &name);
    static bool isOver(const Place &place);
    void begin(Place &place);
    void ended(const QString &name);
    void say(const QString &note);
    void sayNotRunning(const QString &service);
    template<class Service, class Call>
    void with(const QString &name, Call call);
    std::unique_ptr<QMicroIO::LoopServiceThread> makeChecksum();
    QMicroIO::Task<> takeResults(QMicroIO::ChannelReceiver<Checksum::HashedBatch> results);
    void look();

    const QString m_folder;
    const int m_historyInterval;
    QString m_language = QStringLiteral("en");
    QString m_note;
    QTemporaryDir m_files;
    const std::shared_ptr<Board> m_board = std::make_shared<Board>();
    std::vector<Place> m_places;
    std::unique_ptr<QMicroIO::ObjectTaskGroup> m_tasks;
    QTimer m_timer;
    double m_filesDone = 0;
    double m_filesTotal = 0;
    double m_bytesDone = 0;
    double m_bytesTotal = 0;
    bool m_counted = false;
    double m_journalRows = 0;
};

} // namespace Demo
