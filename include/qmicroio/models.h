// floor 13: what the program does, as item models for its GUI
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>
#include <qmicroio/servicethread.h>

#include <QtCore/QAbstractItemModel>
#include <QtCore/QHash>
#include <QtCore/QList>
#include <QtCore/QString>

#include <memory>

namespace QMicroIO {
namespace detail {
template<class Model>
class RowsOf;
class TaskNodes;
class TaskLines;
class MonitorFeed;
} // namespace detail

// The rules of all models here:
//
// Thread:   the GUI's, which is that of the QCoreApplication; everything else is a LogicError that names both threads.
// Lifetime: they show copies. A service, channel or registry that dies takes its row along at the next update.
// Signals:  from the event loop of the GUI, rowsInserted and the like at most `rate` times a second whatever happens
//           elsewhere. The last state is always delivered.
// Order:    oldest first; rows never move.
// Cost:     one thread for all models asks the program, and less often than `rate` where asking takes long: a fifth of its
//           time at most. Applying is linear in the rows.

/// A row for each service: the ServiceThreads of the program, made before the model or later. Thread: the GUI's, for every method.
/// Cost: O(rows) an update; one thread for all models asks the program, a fifth of its time at most.
class QMICROIO_EXPORT ServiceModel : public QAbstractListModel
{
    Q_OBJECT
    Q_PROPERTY(int count READ count NOTIFY countChanged)
    Q_PROPERTY(double rate READ rate WRITE setRate NOTIFY rateChanged)
    Q_PROPERTY(int historyInterval READ historyInterval WRITE setHistoryInterval NOTIFY historyIntervalChanged)
public:
    /// These numbers and the names in roleNames() (`name` for NameRole) stay.
    enum Role {
        ServiceIdRole = Qt::UserRole + 1, ///< qulonglong, never given twice
        NameRole, ///< also Qt::DisplayRole
        StateRole, ///< ServiceThread::State as int
        StateNameRole, ///< "Ready"
        ReasonRole, ///< of its stop
        ErrorRole, ///< what made it fail
        UptimeRole, ///< seconds
        RestartsRole, ///< int
        HasLoopRole, ///< bool
        TasksRole, ///< int; -1 while its loop does not answer, and for one without a loop
        SilentRole, ///< QString: what its loop is stuck in; empty while it answers
        CallsPerSecondRole, ///< double
        BusyRole, ///< 0 to 1: the share of the time in which its loop worked
        CallsHistoryRole, ///< list of double, one for each history interval, oldest first
        BusyHistoryRole, ///< the same for BusyRole
    };
    Q_ENUM(Role)

    explicit ServiceModel(QObject *parent = nullptr); ///< asks from now on
    ~ServiceModel() override;

    int rowCount(const QModelIndex &parent = {}) const override; ///< rows directly below `parent`
    QVariant data(const QModelIndex &index,
                  int role = Qt::DisplayRole) const override; ///< invalid for an index or role of another model
    QHash<int, QByteArray> roleNames() const override; ///< the names that QML uses

    int count() const; ///< rows at the top
    /// Updates a second: 20, at most 60. What is no number above zero is ignored with a warning.
    double rate() const;
    void setRate(double rate); ///< see rate()
    /// Milliseconds that one number of a history stands for: 1000, at least 50. A history has 120 numbers.
    int historyInterval() const;
    void setHistoryInterval(int ms); ///< see historyInterval()

Q_SIGNALS:
    void countChanged(); ///< Emitted: at most once an update
    void rateChanged(); ///< Emitted: by setRate()
    void historyIntervalChanged(); ///< Emitted: by setHistoryInterval()

private:
    friend class detail::RowsOf<ServiceModel>;
    const std::unique_ptr<detail::RowsOf<ServiceModel>> d;
};

/// A row for each channel and mailbox. Thread: the GUI's, for every method.
/// Cost: O(rows) an update; one thread for all models asks the program, a fifth of its time at most.
class QMICROIO_EXPORT ChannelModel : public QAbstractListModel
{
    Q_OBJECT
    Q_PROPERTY(int count READ count NOTIFY countChanged)
    Q_PROPERTY(double rate READ rate WRITE setRate NOTIFY rateChanged)
    Q_PROPERTY(int historyInterval READ historyInterval WRITE setHistoryInterval NOTIFY historyIntervalChanged)
public:
    /// How far it has come.
    enum class State { Open, Closed, Failed };
    Q_ENUM(State)
    /// These numbers and names stay.
    enum Role {
        ChannelIdRole = Qt::UserRole + 1, ///< qulonglong, never given twice
        NameRole, ///< also Qt::DisplayRole
        IsMailboxRole,
        StateRole, ///< State as int
        StateNameRole, ///< "Open"
        ErrorRole,
        DepthRole, ///< items that wait in it
        PeakRole, ///< the greatest depth ever; of a mailbox that an update has seen
        SentRole, ///< double, since it can exceed an int
        ReceivedRole, ///< double
        DroppedRole, ///< double
        SentPerSecondRole,
        ReceivedPerSecondRole,
        DepthHistoryRole, ///< list of double: the greatest depth of each history interval, oldest first
        RateHistoryRole, ///< list of double: received a second
    };
    Q_ENUM(Role)

    explicit ChannelModel(QObject *parent = nullptr); ///< asks from now on
    ~ChannelModel() override;

    int rowCount(const QModelIndex &parent = {}) const override; ///< rows directly below `parent`
    QVariant data(const QModelIndex &index,
                  int role = Qt::DisplayRole) const override; ///< invalid for an index or role of another model
    QHash<int, QByteArray> roleNames() const override; ///< the names that QML uses

    int count() const; ///< rows at the top
    /// As that of ServiceModel.
    double rate() const;
    void setRate(double rate); ///< see rate()
    int historyInterval() const; ///< see ServiceModel::historyInterval()
    void setHistoryInterval(int ms); ///< see historyInterval()

Q_SIGNALS:
    void countChanged(); ///< Emitted: at most once an update
    void rateChanged(); ///< Emitted: by setRate()
    void historyIntervalChanged(); ///< Emitted: by setHistoryInterval()

private:
    friend class detail::RowsOf<ChannelModel>;
    const std::unique_ptr<detail::RowsOf<ChannelModel>> d;
};

/// A row for each request registry. Thread: the GUI's, for every method.
/// Cost: O(rows) an update; one thread for all models asks the program, a fifth of its time at most.
class QMICROIO_EXPORT RequestModel : public QAbstractListModel
{
    Q_OBJECT
    Q_PROPERTY(int count READ count NOTIFY countChanged)
    Q_PROPERTY(double rate READ rate WRITE setRate NOTIFY rateChanged)
    Q_PROPERTY(int historyInterval READ historyInterval WRITE setHistoryInterval NOTIFY historyIntervalChanged)
public:
    /// These numbers and names stay.
    enum Role {
        RegistryIdRole = Qt::UserRole + 1, ///< qulonglong, never given twice
        NameRole, ///< also Qt::DisplayRole
        PendingRole,
        OldestRole, ///< seconds for which the oldest pending request waits
        AnsweredRole, ///< double
        FailedRole, ///< double
        RequestsPerSecondRole,
        LatenciesRole, ///< list of double: how many requests took less than 2^i microseconds, but not less than half of it
        MedianRole, ///< milliseconds
        P99Role, ///< milliseconds
        ClosedRole, ///< bool
        ErrorRole,
        PendingHistoryRole, ///< list of double: the most that were pending in each history interval
        RateHistoryRole, ///< list of double: outcomes a second
    };
    Q_ENUM(Role)

    explicit RequestModel(QObject *parent = nullptr); ///< asks from now on
    ~RequestModel() override;

    int rowCount(const QModelIndex &parent = {}) const override; ///< rows directly below `parent`
    QVariant data(const QModelIndex &index,
                  int role = Qt::DisplayRole) const override; ///< invalid for an index or role of another model
    QHash<int, QByteArray> roleNames() const override; ///< the names that QML uses

    int count() const; ///< rows at the top
    /// As that of ServiceModel.
    double rate() const;
    void setRate(double rate); ///< see rate()
    int historyInterval() const; ///< see ServiceModel::historyInterval()
    void setHistoryInterval(int ms); ///< see historyInterval()

Q_SIGNALS:
    void countChanged(); ///< Emitted: at most once an update
    void rateChanged(); ///< Emitted: by setRate()
    void historyIntervalChanged(); ///< Emitted: by setHistoryInterval()

private:
    friend class detail::RowsOf<RequestModel>;
    const std::unique_ptr<detail::RowsOf<RequestModel>> d;
};

/// What the rows of the two task models have in common. Thread: the GUI's, for every method.
class QMICROIO_EXPORT TaskRow : public QObject
{
    Q_OBJECT
public:
    /// What a row stands for.
    enum class Kind {
        Loop, ///< a thread's event loop
        Group, ///< a task group
        Task,
        Await, ///< one co_await of a task that waits inside of other coroutines, outermost first
    };
    Q_ENUM(Kind)
    /// What it is doing.
    enum class State {
        NotBegun,
        Ready,
        Running,
        Waiting,
        Body, ///< a group whose body runs
        Exit, ///< a group that waits for its children
        Answers, ///< a loop
        Silent, ///< a loop that does not answer
    };
    Q_ENUM(State)
    /// What somebody should look at.
    enum class Warning {
        NoWarning,
        IgnoresCancellation, ///< cancelled for more than a second, and still waiting for something else
        LoopSilent, ///< its loop does not answer
    };
    Q_ENUM(Warning)
    /// These numbers and names stay.
    enum Role {
        KindRole = Qt::UserRole + 1,
        NameRole, ///< also Qt::DisplayRole
        StateRole, ///< State as int
        StateNameRole, ///< "Waiting"
        WaitsForRole, ///< "sleep"
        SiteRole, ///< "main.cpp:12"
        FileRole, ///< the whole path as the compiler knows it
        LineRole,
        CoroutineRole, ///< of the coroutine that waits
        AgeRole, ///< seconds
        BusyRole, ///< seconds in which it ran, while somebody watched
        IdleRole, ///< seconds in which it did not
        PollsRole, ///< double: how often it was resumed
        CancelledRole, ///< bool
        ReasonRole, ///< of the cancellation
        WarningRole, ///< Warning as int
        WarningSecondsRole, ///< for how long
        WarningTextRole, ///< "ignores its cancellation for 3.2 s"; empty without
        ChildCountRole, ///< int: rows directly below
        DepthRole, ///< of TaskListModel: 0 for a loop
        ExpandedRole, ///< of TaskListModel
    };
    Q_ENUM(Role)
    TaskRow() = delete;
};

/// The tree of loops, groups, tasks and their awaits, as taskTree() gives it. Thread: the GUI's, for every method.
/// Cost: O(rows) an update; one thread for all models asks the program, a fifth of its time at most.
class QMICROIO_EXPORT TaskModel : public QAbstractItemModel
{
    Q_OBJECT
    Q_PROPERTY(int taskCount READ taskCount NOTIFY taskCountChanged)
    Q_PROPERTY(double rate READ rate WRITE setRate NOTIFY rateChanged)
public:
    explicit TaskModel(QObject *parent = nullptr); ///< asks from now on
    ~TaskModel() override;

    QModelIndex index(int row, int column,
                      const QModelIndex &parent = {}) const override; ///< invalid where there is no such row
    QModelIndex parent(const QModelIndex &child) const override; ///< invalid for a loop
    using QObject::parent;
    int rowCount(const QModelIndex &parent = {}) const override; ///< rows directly below `parent`
    int columnCount(const QModelIndex &parent = {}) const override; ///< one
    QVariant data(const QModelIndex &index,
                  int role = Qt::DisplayRole) const override; ///< invalid for an index or role of another model
    QHash<int, QByteArray> roleNames() const override; ///< the names that QML uses

    /// In the whole program.
    int taskCount() const;
    /// As that of ServiceModel.
    double rate() const;
    void setRate(double rate); ///< see rate()

Q_SIGNALS:
    void taskCountChanged(); ///< Emitted: at most once an update
    void rateChanged(); ///< Emitted: by setRate()

private:
    friend class detail::TaskNodes;
    const std::unique_ptr<detail::TaskNodes> d;
};

/// The same tree as a list of its open rows, for a view that scrolls through very many of them. Thread: the GUI's, for every method.
/// Cost: O(rows) an update; one thread for all models asks the program, a fifth of its time at most.
class QMICROIO_EXPORT TaskListModel : public QAbstractListModel
{
    Q_OBJECT
    Q_PROPERTY(int count READ count NOTIFY countChanged)
    Q_PROPERTY(int taskCount READ taskCount NOTIFY taskCountChanged)
    Q_PROPERTY(int warningCount READ warningCount NOTIFY taskCountChanged)
    Q_PROPERTY(double rate READ rate WRITE setRate NOTIFY rateChanged)
    Q_PROPERTY(QString filter READ filter WRITE setFilter NOTIFY filterChanged)
public:
    explicit TaskListModel(QObject *parent = nullptr); ///< asks from now on
    ~TaskListModel() override;

    int rowCount(const QModelIndex &parent = {}) const override; ///< rows directly below `parent`
    QVariant data(const QModelIndex &index,
                  int role = Qt::DisplayRole) const override; ///< invalid for an index or role of another model
    QHash<int, QByteArray> roleNames() const override; ///< the names that QML uses

    /// Opens or closes a row; one that does not exist is ignored. New rows come open, those with awaits only closed.
    Q_INVOKABLE void setExpanded(int row, bool expanded);
    Q_INVOKABLE bool isExpanded(int row) const; ///< false for a row that does not exist

    int count() const; ///< rows at the top
    /// In the whole program.
    int taskCount() const;
    /// Rows with a warning, in the whole program.
    int warningCount() const;
    /// As that of ServiceModel.
    double rate() const;
    void setRate(double rate); ///< see rate()
    /// Only loops of this name are shown; empty: all.
    QString filter() const;
    void setFilter(const QString &filter); ///< see filter()

Q_SIGNALS:
    void countChanged(); ///< Emitted: at most once an update
    void taskCountChanged(); ///< Emitted: at most once an update
    void rateChanged(); ///< Emitted: by setRate()
    void filterChanged(); ///< Emitted: by setFilter()

private:
    friend class detail::TaskLines;
    const std::unique_ptr<detail::TaskLines> d;
};

/// One service, by its name: properties for bindings. Of several with that name, the newest. Thread: the GUI's, for every method.
/// Cost: a look at each service an update; one thread for all models asks the program, a fifth of its time at most.
class QMICROIO_EXPORT ServiceMonitor : public QObject
{
    Q_OBJECT
    Q_PROPERTY(QString name READ name WRITE setName NOTIFY nameChanged)
    Q_PROPERTY(bool exists READ exists NOTIFY changed)
    Q_PROPERTY(QMicroIO::ServiceThread::State state READ state NOTIFY changed)
    Q_PROPERTY(QString stateName READ stateName NOTIFY changed)
    Q_PROPERTY(bool ready READ isReady NOTIFY changed)
    Q_PROPERTY(QString reason READ reason NOTIFY changed)
    Q_PROPERTY(QString error READ error NOTIFY changed)
    Q_PROPERTY(double uptime READ uptime NOTIFY changed)
    Q_PROPERTY(int restarts READ restarts NOTIFY changed)
    Q_PROPERTY(int tasks READ tasks NOTIFY changed)
    Q_PROPERTY(double busy READ busy NOTIFY changed)
    Q_PROPERTY(double callsPerSecond READ callsPerSecond NOTIFY changed)
    Q_PROPERTY(double rate READ rate WRITE setRate NOTIFY rateChanged)
public:
    explicit ServiceMonitor(QObject *parent = nullptr); ///< follows none until setName()
    explicit ServiceMonitor(const QString &name, QObject *parent = nullptr); ///< follows the service of that name
    ~ServiceMonitor() override;

    QString name() const; ///< whose service it follows
    void setName(const QString &name); ///< follows another one from now on
    /// False: no service has that name now; the rest then is as it was last.
    bool exists() const;
    ServiceThread::State state() const; ///< the last that was seen
    QString stateName() const; ///< empty before one was seen
    bool isReady() const; ///< whether that is Ready
    QString reason() const; ///< of its stop
    QString error() const; ///< what made it fail
    double uptime() const; ///< seconds
    int restarts() const; ///< how many services of its name came before it
    int tasks() const; ///< -1 while its loop does not answer, and for one without a loop
    double busy() const; ///< 0 to 1
    double callsPerSecond() const; ///< calls that its loop has accepted
    /// As that of ServiceModel.
    double rate() const;
    void setRate(double rate); ///< see rate()

Q_SIGNALS:
    void nameChanged(); ///< Emitted: by setName()
    void rateChanged(); ///< Emitted: by setRate()
    /// Emitted: at most once an update, if something is different.
    void changed();

private:
    friend class detail::MonitorFeed;
    const std::unique_ptr<detail::MonitorFeed> d;
};

} // namespace QMicroIO
