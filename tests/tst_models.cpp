// SPDX-License-Identifier: Apache-2.0
#include "servicetesting.h"

#include <qmicroio/cancelscope.h>
#include <qmicroio/channel.h>
#include <qmicroio/introspection.h>
#include <qmicroio/loopservicethread.h>
#include <qmicroio/models.h>
#include <qmicroio/requestregistry.h>
#include <qmicroio/wait.h>

#include <QtTest/QAbstractItemModelTester>
#include <QtTest/QSignalSpy>
#include <QtTest/QTest>

#include <QtCore/QCoreApplication>
#include <QtCore/QSemaphore>

#include <atomic>
#include <cmath>
#include <limits>
#include <random>
#include <thread>

using namespace QMicroIO;
using namespace ServiceTesting;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<ServiceModel> && std::is_base_of_v<QAbstractItemModel, TaskModel>);
// Documented numbers do not move.
static_assert(ServiceModel::ServiceIdRole == Qt::UserRole + 1 && ServiceModel::BusyHistoryRole == Qt::UserRole + 15);
static_assert(ChannelModel::ChannelIdRole == Qt::UserRole + 1 && ChannelModel::RateHistoryRole == Qt::UserRole + 15);
static_assert(RequestModel::RegistryIdRole == Qt::UserRole + 1 && RequestModel::RateHistoryRole == Qt::UserRole + 14);
static_assert(TaskRow::KindRole == Qt::UserRole + 1 && TaskRow::ExpandedRole == Qt::UserRole + 21);

namespace {

class Service : public LoopServiceThread
{
public:
    explicit Service(const QString &name)
        : LoopServiceThread(name)
    {
    }
    ~Service() override { stop(), join(); }
    void run()
    {
        start();
        waitStarted();
    }
    void spawn(const QString &name, std::function<Task<>()> body)
    {
        callSync([&] { taskGroup().startSoon(TaskName(name), std::move(body)); });
    }
};

QModelIndex named(const QAbstractItemModel &model, const QString &name, const QModelIndex &parent = {})
{
    for (int row = 0; row < model.rowCount(parent); ++row) {
        const QModelIndex index = model.index(row, 0, parent);
        if (index.data().toString() == name)
            return index;
        if (const QModelIndex below = named(model, name, index); below.isValid())
            return below;
    }
    return {};
}

QVariant value(const QAbstractItemModel &model, const QString &name, int role)
{
    return named(model, name).data(role);
}

// The names of all rows, each below its parent's, as a tree or a list shows them.
void collectNames(const QAbstractItemModel &model, const QModelIndex &parent, QStringList &names)
{
    for (int row = 0; row < model.rowCount(parent); ++row) {
        const QModelIndex index = model.index(row, 0, parent);
        names += index.data().toString();
        collectNames(model, index, names);
    }
}

Task<> sleeper()
{
    co_await sleepForever();
}

Task<> inner()
{
    co_await sleepForever();
}

Task<> nester()
{
    co_await inner();
}

Task<> family(int children)
{
    const auto body = [children](TaskGroup &group) -> Task<> {
        for (int i = 0; i < children; ++i)
            group.startSoon(TaskName(QStringLiteral("child %1").arg(i)), &sleeper);
        co_await sleepForever();
    };
    co_await withTaskGroup(body);
}

Task<> deaf(QSemaphore &end)
{
    const auto wait = [&end] { end.acquire(); };
    co_await offload(wait); // a worker cannot be interrupted
}

} // namespace

class tst_models : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    // B410
    void aServiceAppearsChangesAndGoes()
    {
        ServiceModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
        {
            Service service(QStringLiteral("shown"));
            QTRY_COMPARE(value(model, QStringLiteral("shown"), ServiceModel::StateNameRole), QStringLiteral("Created"));
            service.run();
            QTRY_COMPARE(value(model, QStringLiteral("shown"), ServiceModel::StateNameRole), QStringLiteral("Ready"));
            QTRY_COMPARE(value(model, QStringLiteral("shown"), ServiceModel::TasksRole), 1);
            QVERIFY(value(model, QStringLiteral("shown"), ServiceModel::UptimeRole).toDouble() > 0);
            service.fail(std::make_exception_ptr(Error(QStringLiteral("out of paper"))));
            QTRY_COMPARE(value(model, QStringLiteral("shown"), ServiceModel::StateNameRole), QStringLiteral("Failed"));
            QVERIFY(value(model, QStringLiteral("shown"), ServiceModel::ErrorRole)
                        .toString()
                        .contains(QStringLiteral("out of paper")));
        }
        QTRY_VERIFY(!named(model, QStringLiteral("shown")).isValid());
        QTRY_COMPARE(model.count(), 0);
    }

    // B410
    void callsAndBusyTimeBecomeRates()
    {
        Service service(QStringLiteral("rated"));
        service.run();
        ServiceModel model;
        model.setHistoryInterval(50);
        QTRY_VERIFY(named(model, QStringLiteral("rated")).isValid());
        std::atomic<bool> enough{false};
        std::thread caller([&] {
            while (!enough)
                service.callSync([] { });
        });
        QTRY_VERIFY(value(model, QStringLiteral("rated"), ServiceModel::CallsPerSecondRole).toDouble() > 100);
        QTRY_VERIFY(value(model, QStringLiteral("rated"), ServiceModel::BusyRole).toDouble() > 0);
        enough = true;
        caller.join();
        QVERIFY(value(model, QStringLiteral("rated"), ServiceModel::BusyRole).toDouble() <= 1);
        QTRY_VERIFY(value(model, QStringLiteral("rated"), ServiceModel::CallsHistoryRole).value<QList<double>>().size()
                    > 2);
    }

    // B410
    void aChannelShowsItsDepthPeakAndEnd()
    {
        ChannelModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
        Channel<int> channel = createChannel<int>({QStringLiteral("pipe"), LateSend::Drop});
        for (int i = 0; i < 100; ++i)
            channel.sender.sendNowait(i);
        QTRY_COMPARE(value(model, QStringLiteral("pipe"), ChannelModel::DepthRole), 100);
        static_cast<void>(channel.receiver.drainNowait());
        QTRY_COMPARE(value(model, QStringLiteral("pipe"), ChannelModel::DepthRole), 0);
        QCOMPARE(value(model, QStringLiteral("pipe"), ChannelModel::PeakRole), 100);
        QCOMPARE(value(model, QStringLiteral("pipe"), ChannelModel::ReceivedRole), 100.0);
        QCOMPARE(value(model, QStringLiteral("pipe"), ChannelModel::StateNameRole), QStringLiteral("Open"));
        channel.sender.fail(std::make_exception_ptr(Error(QStringLiteral("burst"))));
        channel.receiver.close();
        QTRY_COMPARE(value(model, QStringLiteral("pipe"), ChannelModel::StateNameRole), QStringLiteral("Failed"));
        channel.sender.sendNowait(1);
        QTRY_COMPARE(value(model, QStringLiteral("pipe"), ChannelModel::DroppedRole), 1.0);
    }

    // B410
    void aRegistryShowsWhatIsPendingAndHowLongItTakes()
    {
        RequestModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
        RequestRegistry<int, int> registry(QStringLiteral("asks"));
        std::vector<ReplyHandle<int, int>> handles;
        for (int i = 0; i < 10; ++i)
            handles.push_back(registry.registerRequest(i));
        QTRY_COMPARE(value(model, QStringLiteral("asks"), RequestModel::PendingRole), 10);
        QVERIFY(value(model, QStringLiteral("asks"), RequestModel::OldestRole).toDouble() > 0);
        for (int i = 0; i < 9; ++i)
            registry.resolve(i, i);
        QTRY_COMPARE(value(model, QStringLiteral("asks"), RequestModel::PendingRole), 1);
        QCOMPARE(value(model, QStringLiteral("asks"), RequestModel::AnsweredRole), 9.0);
        double counted = 0;
        for (const double count :
             value(model, QStringLiteral("asks"), RequestModel::LatenciesRole).value<QList<double>>())
            counted += count;
        QCOMPARE(counted, 9.0);
        QVERIFY(value(model, QStringLiteral("asks"), RequestModel::MedianRole).toDouble() > 0);
        registry.close();
        QTRY_COMPARE(value(model, QStringLiteral("asks"), RequestModel::ClosedRole), true);
    }

    // B411
    void tasksFormATreeOfLoopsGroupsTasksAndAwaits()
    {
        Service service(QStringLiteral("trunk"));
        service.run();
        service.spawn(QStringLiteral("family"), [] { return family(3); });
        service.spawn(QStringLiteral("nested"), [] { return nester(); });
        TaskModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
        QTRY_VERIFY(named(model, QStringLiteral("child 2")).isValid());
        const QModelIndex child = named(model, QStringLiteral("child 0"));
        QCOMPARE(child.data(TaskRow::KindRole), int(TaskRow::Kind::Task));
        QCOMPARE(child.data(TaskRow::StateNameRole), QStringLiteral("Waiting"));
        QCOMPARE(child.data(TaskRow::WaitsForRole), QStringLiteral("nothing but cancellation"));
        QVERIFY(child.data(TaskRow::SiteRole).toString().startsWith(QStringLiteral("tst_models.cpp:")));
        const QModelIndex group = child.parent();
        QCOMPARE(group.data(TaskRow::KindRole), int(TaskRow::Kind::Group));
        QCOMPARE(group.data(TaskRow::ChildCountRole), 3);
        QCOMPARE(group.parent().data().toString(), QStringLiteral("family"));
        QCOMPARE(group.parent().parent().parent().data().toString(), QStringLiteral("trunk"));
        QVERIFY(!group.parent().parent().parent().parent().isValid());

        const QModelIndex nested = named(model, QStringLiteral("nested"));
        QCOMPARE(model.rowCount(nested), 2);
        const QModelIndex outermost = model.index(0, 0, nested);
        QCOMPARE(outermost.data(TaskRow::KindRole), int(TaskRow::Kind::Await));
        QVERIFY(outermost.data(TaskRow::CoroutineRole).toString().contains(QStringLiteral("nester")));
        QVERIFY(model.index(1, 0, nested).data(TaskRow::CoroutineRole).toString().contains(QStringLiteral("inner")));
        QCOMPARE(model.taskCount(), 6); // with main
    }

    // B412
    void theListShowsTheSameTreeAndItsRowsOpenAndClose()
    {
        Service service(QStringLiteral("listed"));
        service.run();
        service.spawn(QStringLiteral("family"), [] { return family(3); });
        service.spawn(QStringLiteral("nested"), [] { return nester(); });
        TaskListModel model;
        const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
        model.setFilter(QStringLiteral("listed"));
        const QStringList open{QStringLiteral("listed"),  QString(),
                               QStringLiteral("main"),    QStringLiteral("family"),
                               QStringLiteral("family"),  QStringLiteral("child 0"),
                               QStringLiteral("child 1"), QStringLiteral("child 2"),
                               QStringLiteral("nested")};
        const auto names = [&] {
            QStringList all;
            collectNames(model, {}, all);
            return all;
        };
        QTRY_COMPARE(names().size(), open.size() + 2); // the awaits of the one with a group and two of them
        const QModelIndex family = named(model, QStringLiteral("family"));
        QCOMPARE(family.data(TaskRow::DepthRole), 2);
        QCOMPARE(family.data(TaskRow::ExpandedRole), true);
        model.setExpanded(family.row(), false);
        QVERIFY(!named(model, QStringLiteral("child 0")).isValid());
        QCOMPARE(named(model, QStringLiteral("family")).data(TaskRow::ExpandedRole), false);
        // It stays closed while updates come.
        const QSignalSpy updates(&model, &QAbstractItemModel::dataChanged);
        QTRY_VERIFY(updates.count() > 2);
        QVERIFY(!named(model, QStringLiteral("child 0")).isValid());
        model.setExpanded(named(model, QStringLiteral("family")).row(), true);
        QVERIFY(named(model, QStringLiteral("child 0")).isValid());

        const int nested = named(model, QStringLiteral("nested")).row();
        QCOMPARE(model.index(nested).data(TaskRow::ExpandedRole), false); // only its awaits are below
        model.setExpanded(nested, true);
        QCOMPARE(model.index(nested + 2).data(TaskRow::DepthRole), 3);
        model.setExpanded(-1, true); // no such rows: nothing
        model.setExpanded(1 << 30, false);
        QVERIFY(!model.isExpanded(-1) && !model.isExpanded(1 << 30) && model.isExpanded(nested));
        model.setFilter(QStringLiteral("no such loop"));
        QCOMPARE(model.count(), 0);
    }

    // B413
    void whatIgnoresItsCancellationAndWhatIsStuckIsWarnedOf()
    {
        QSemaphore end;
        QSemaphore stuck;
        Service service(QStringLiteral("troubled"));
        service.run();
        service.spawn(QStringLiteral("deaf"), [&] { return deaf(end); });
        TaskModel model;
        TaskListModel list;
        QTRY_COMPARE(value(model, QStringLiteral("deaf"), TaskRow::StateNameRole), QStringLiteral("Waiting"));
        QCOMPARE(value(model, QStringLiteral("deaf"), TaskRow::WarningRole), int(TaskRow::Warning::NoWarning));
        service.stop(QStringLiteral("enough"));
        QTRY_COMPARE(value(model, QStringLiteral("deaf"), TaskRow::CancelledRole), true);
        QTRY_COMPARE(value(model, QStringLiteral("deaf"), TaskRow::WarningRole),
                     int(TaskRow::Warning::IgnoresCancellation));
        QVERIFY(value(model, QStringLiteral("deaf"), TaskRow::WarningSecondsRole).toDouble() > 1);
        QVERIFY(value(model, QStringLiteral("deaf"), TaskRow::WarningTextRole)
                    .toString()
                    .startsWith(QStringLiteral("ignores its cancellation for")));
        QTRY_VERIFY(list.warningCount() > 0);
        end.release();
        service.join();

        Service other(QStringLiteral("busy"));
        other.run();
        other.callSoon([&] { stuck.acquire(); });
        ServiceModel services;
        QTRY_COMPARE(value(model, QStringLiteral("busy"), TaskRow::StateNameRole), QStringLiteral("Silent"));
        QTRY_VERIFY(!value(services, QStringLiteral("busy"), ServiceModel::SilentRole).toString().isEmpty());
        QCOMPARE(value(services, QStringLiteral("busy"), ServiceModel::TasksRole), -1);
        stuck.release();
        QTRY_COMPARE(value(model, QStringLiteral("busy"), TaskRow::StateNameRole), QStringLiteral("Answers"));
    }

    // B414
    void anyOrderOfComingAndGoingKeepsTheModelsConsistent()
    {
        ServiceModel services;
        ChannelModel channels;
        RequestModel requests;
        TaskModel tasks;
        TaskListModel list;
        std::vector<std::unique_ptr<QAbstractItemModelTester>> testers;
        for (QAbstractItemModel *model :
             {static_cast<QAbstractItemModel *>(&services), static_cast<QAbstractItemModel *>(&channels),
              static_cast<QAbstractItemModel *>(&requests), static_cast<QAbstractItemModel *>(&tasks),
              static_cast<QAbstractItemModel *>(&list)})
            testers.push_back(std::make_unique<QAbstractItemModelTester>(
                model, QAbstractItemModelTester::FailureReportingMode::Fatal));
        for (ServiceModel *model : {&services})
            model->setRate(60);
        tasks.setRate(60);
        list.setRate(60);

        const unsigned seed = std::random_device()();
        qInfo("seed %u", seed);
        std::mt19937 random(seed);
        const auto upTo = [&](unsigned most) { return random() % most; };
        struct Pipe
        {
            Channel<int> channel = createChannel<int>({QStringLiteral("c"), LateSend::Drop});
            ~Pipe()
            {
                channel.sender.close();
                channel.receiver.close();
            }
        };
        std::vector<std::unique_ptr<Service>> someServices;
        std::vector<std::unique_ptr<Pipe>> somePipes;
        std::vector<std::unique_ptr<RequestRegistry<int, int>>> someRegistries;
        int number = 0;
        const QSignalSpy updates(&list, &QAbstractItemModel::dataChanged);
        const auto drop = [&](auto &some) {
            if (!some.empty())
                some.erase(some.begin() + int(upTo(unsigned(some.size()))));
        };
        for (int round = 0; round < 150; ++round) {
            switch (upTo(9)) {
            case 0:
                someServices.push_back(std::make_unique<Service>(QStringLiteral("s%1").arg(++number)));
                someServices.back()->run();
                break;
            case 1:
                drop(someServices);
                break;
            case 2:
                somePipes.push_back(std::make_unique<Pipe>());
                break;
            case 3:
                drop(somePipes);
                break;
            case 4:
                someRegistries.push_back(std::make_unique<RequestRegistry<int, int>>(QStringLiteral("r")));
                break;
            case 5:
                drop(someRegistries);
                break;
            case 6:
                if (list.count() > 0)
                    list.setExpanded(int(upTo(unsigned(list.count()))), upTo(2) == 0);
                break;
            case 7:
                for (const auto &service : someServices) {
                    if (!service->scope().isClosed())
                        service->spawn(QStringLiteral("t%1").arg(++number),
                                       [children = int(upTo(3))] { return family(children); });
                }
                break;
            default:
                if (!someServices.empty()) {
                    Service &service = *someServices[upTo(unsigned(someServices.size()))];
                    if (upTo(4) == 0)
                        service.stop();
                    else if (!service.scope().isClosed())
                        service.spawn(QStringLiteral("t%1").arg(++number), &nester);
                }
            }
            if (round % 3 == 0) {
                const qsizetype seen = updates.count();
                // Not QTRY_VERIFY, which looks every 50 ms: an update comes three times as often.
                QVERIFY(QTest::qWaitFor([&] { return updates.count() > seen; }, 20'000));
            }
        }
        // The last state is the truth.
        QTRY_COMPARE(channels.count(), int(somePipes.size()));
        QTRY_COMPARE(requests.count(), int(someRegistries.size()));
        QTRY_COMPARE(services.count(), int(someServices.size()));
        // Asked again at each try: tasks of a service that was told to stop may still be ending.
        const auto truth = [] {
            qsizetype count = 0;
            for (const LoopInfo &loop : taskTree().loops)
                count += loop.name == QStringLiteral("monitor") ? 0 : loop.taskCount(); // not the models' own
            return int(count);
        };
        QTRY_COMPARE(tasks.taskCount(), truth());
        QTRY_COMPARE(list.taskCount(), truth());
    }

    // B415
    void anotherThreadIsRefusedAndBothAreNamed()
    {
        ServiceModel services;
        TaskModel tasks;
        TaskListModel list;
        ServiceMonitor monitor;
        Service other(QStringLiteral("the other one"));
        other.run();
        const auto text = [&](auto call) { return other.callSync([&] { return thrownText<LogicError>(call); }); };
        for (const QString &message :
             {text([&] { services.rowCount(); }), text([&] { services.data({}); }), text([&] { services.setRate(5); }),
              text([&] { tasks.index(0, 0); }), text([&] { tasks.rowCount(); }), text([&] { tasks.data({}); }),
              text([&] { list.setExpanded(0, true); }), text([&] { list.setFilter({}); }),
              text([&] { monitor.setName(QStringLiteral("x")); }), text([&] { monitor.state(); }),
              text([] { const ServiceModel made; })}) {
            QVERIFY2(message.contains(QStringLiteral("the other one")), qPrintable(message));
            QVERIFY2(message.contains(QStringLiteral("a model belongs to the GUI")), qPrintable(message));
            QVERIFY2(message.contains(QStringLiteral("whose thread is ")), qPrintable(message));
        }
    }

    // B416
    void aRateThatIsNoneIsIgnoredWithAWarning()
    {
        ServiceModel model;
        const QSignalSpy changes(&model, &ServiceModel::rateChanged);
        {
            const LogCapture log;
            for (const double rate : {0.0, -1.0, std::nan(""), double(std::numeric_limits<float>::infinity())})
                model.setRate(rate);
            QCOMPARE(log.texts(QtWarningMsg).size(), 4);
        }
        QCOMPARE(model.rate(), 20.0);
        model.setRate(1000);
        QCOMPARE(model.rate(), 60.0);
        QCOMPARE(changes.count(), 1);
        model.setHistoryInterval(-7);
        QCOMPARE(model.historyInterval(), 50);
    }

    // B416
    void updatesComeAtTheRateAndNoFaster()
    {
        Service service(QStringLiteral("paced"));
        service.run();
        ServiceModel fast;
        fast.setRate(60);
        ServiceModel slow;
        slow.setRate(5);
        QTRY_COMPARE(fast.count(), 1);
        QTRY_COMPARE(slow.count(), 1);
        const QSignalSpy fastUpdates(&fast, &QAbstractItemModel::dataChanged);
        const QSignalSpy slowUpdates(&slow, &QAbstractItemModel::dataChanged);
        const auto begin = std::chrono::steady_clock::now();
        QTRY_VERIFY(slowUpdates.count() >= 3);
        const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        QVERIFY2(double(fastUpdates.count()) <= 60 * passed + 2, qPrintable(QString::number(fastUpdates.count())));
        QVERIFY2(double(slowUpdates.count()) <= 5 * passed * 1.4 + 2, qPrintable(QString::number(slowUpdates.count())));
        QVERIFY(fastUpdates.count() > slowUpdates.count());
    }

    // B417
    void strangeNamesAreShownAsTheyAre()
    {
        const QString huge(100'000, u'x');
        const QString arabic = QStringLiteral("\u062e\u062f\u0645\u0629");
        ServiceModel model;
        std::vector<std::unique_ptr<Service>> services;
        for (const QString &name : {QString(), huge, arabic, QStringLiteral("line\nbreak\t<b>")}) {
            services.push_back(std::make_unique<Service>(name));
            services.back()->run();
        }
        QTRY_COMPARE(model.count(), 4);
        for (int row = 0; row < 4; ++row)
            QCOMPARE(model.index(row).data().toString(), services[std::size_t(row)]->name());
        QCOMPARE(model.data(QModelIndex()), QVariant());
        QCOMPARE(model.data(model.index(0), 12345), QVariant());
    }

    // B417
    void aHundredThousandTasksAreShownAndGone()
    {
        constexpr int Many = 100'000;
        Service service(QStringLiteral("crowd"));
        service.run();
        auto list = std::make_unique<TaskListModel>();
        auto tree = std::make_unique<TaskModel>();
        service.callSync([&] {
            for (int i = 0; i < Many; ++i)
                service.taskGroup().startSoon(&sleeper);
        });
        QTRY_VERIFY_WITH_TIMEOUT(list->taskCount() > Many, 60'000);
        QTRY_VERIFY_WITH_TIMEOUT(tree->taskCount() > Many, 60'000);
        service.stop();
        QTRY_COMPARE_WITH_TIMEOUT(list->taskCount(), 0, 60'000);
        QTRY_COMPARE_WITH_TIMEOUT(tree->taskCount(), 0, 60'000);
    }

    // B418
    void aMonitorFollowsOneNameThroughRestarts()
    {
        ServiceMonitor monitor(QStringLiteral("phoenix"));
        const QSignalSpy changes(&monitor, &ServiceMonitor::changed);
        QVERIFY(!monitor.exists());
        QCOMPARE(monitor.stateName(), QString());
        {
            Service first(QStringLiteral("phoenix"));
            first.run();
            QTRY_VERIFY(monitor.isReady());
            QVERIFY(monitor.uptime() > 0);
            QTRY_COMPARE(monitor.tasks(), 1);
            const int before = monitor.restarts();
            Service second(QStringLiteral("phoenix"));
            second.run();
            QTRY_COMPARE(monitor.restarts(), before + 1);
            second.stop(QStringLiteral("burnt"));
            QTRY_COMPARE(monitor.state(), ServiceThread::State::Stopped);
            QCOMPARE(monitor.reason(), QStringLiteral("burnt"));
        }
        QTRY_VERIFY(!monitor.exists());
        QCOMPARE(monitor.reason(), QStringLiteral("burnt")); // as it was last
        QVERIFY(changes.count() > 3);
        monitor.setName(QStringLiteral("another"));
        QCOMPARE(monitor.reason(), QString());
    }

    // B418
    void aMonitorTellsOfManyChangesAtItsRateAndTheLastIsTheTruth()
    {
        Service service(QStringLiteral("hasty"));
        service.run();
        ServiceMonitor monitor(QStringLiteral("hasty"));
        monitor.setRate(60);
        QTRY_VERIFY(monitor.isReady());
        const QSignalSpy changes(&monitor, &ServiceMonitor::changed);
        const auto begin = std::chrono::steady_clock::now();
        int started = 1; // main
        while (changes.count() < 5) {
            service.callSync([&] {
                for (int i = 0; i < 50 && started < 5000; ++i, ++started)
                    service.taskGroup().startSoon(&sleeper);
            });
            QCoreApplication::processEvents();
        }
        const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        QVERIFY2(double(changes.count()) <= 60 * passed + 2, qPrintable(QString::number(changes.count())));
        QTRY_COMPARE(monitor.tasks(), started);
        service.stop(QStringLiteral("the last word"));
        service.join();
        QTRY_COMPARE(monitor.state(), ServiceThread::State::Stopped);
        QCOMPARE(monitor.reason(), QStringLiteral("the last word"));
    }

    // B418
    void whatWasKeptOfARowWhoseSourceHasDiedIsInvalid()
    {
        ServiceModel services;
        TaskModel tasks;
        QPersistentModelIndex row;
        QPersistentModelIndex task;
        {
            Service service(QStringLiteral("mortal"));
            service.run();
            service.spawn(QStringLiteral("nested"), [] { return nester(); });
            QTRY_VERIFY(named(services, QStringLiteral("mortal")).isValid());
            QTRY_VERIFY(named(tasks, QStringLiteral("nested")).isValid());
            row = named(services, QStringLiteral("mortal"));
            task = named(tasks, QStringLiteral("nested"));
            QCOMPARE(row.data().toString(), QStringLiteral("mortal"));
        }
        QTRY_VERIFY(!row.isValid());
        QTRY_VERIFY(!task.isValid());
        QCOMPARE(services.data(row), QVariant());
        QCOMPARE(tasks.data(task), QVariant());
        QCOMPARE(tasks.parent(task), QModelIndex());
    }

    // B418
    void aModelMayBeDestroyedWhileASampleIsUnderWayAndMadeAnew()
    {
        for (int round = 0; round < 20; ++round) {
            ServiceModel model;
            ServiceMonitor monitor(QStringLiteral("nobody"));
            if (round % 2 == 0)
                QCoreApplication::processEvents();
        }
        ServiceModel last;
        Service service(QStringLiteral("still there"));
        QTRY_COMPARE(last.count(), 1);
    }
};

QTEST_GUILESS_MAIN(tst_models)
#include "tst_models.moc"
