// SPDX-License-Identifier: Apache-2.0
//
// The programs of the guides in docs/, one after the other; one file, as each costs a pass over the headers.
#include <qmicroio/qmicroio.h>

#include <qcoro/qcorofuture.h>

#include <QtConcurrent/QtConcurrentRun>
#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>
#include <QtCore/QFutureWatcher>
#include <QtCore/QScopeGuard>
#include <QtCore/QStringListModel>
#include <QtCore/QThread>
#include <QtCore/QThreadPool>

#include <cstdio>
#include <functional>
#include <memory>
#include <utility>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

// --------------------------------------------------------------------------------------------- docs/first-service.md

// snippet: resource
// Stands for a database, a device, a connection: it may fail to open, and belongs to one thread.
class Store
{
public:
    explicit Store(const QString &path)
    {
        if (path.isEmpty())
            throw Error(QStringLiteral("the store has no path"));
    }
    void put(const QString &text) { m_texts += text; }
    int size() const { return int(m_texts.size()); }

private:
    QStringList m_texts;
};

class StoreService : public LoopServiceThread
{
public:
    explicit StoreService(QString path)
        : LoopServiceThread(QStringLiteral("store"))
        , m_path(std::move(path))
    {
    }
    ~StoreService() override { stop(), join(); }

    // The service's thread: by callSync(), submit() or callSoon().
    Store &store() { return *m_store; }

protected:
    Task<> runAsync() override
    {
        m_store = std::make_unique<Store>(m_path); // in the thread that uses it; what it throws, waitStarted() throws
        const auto atEnd = qScopeGuard([this] { m_store.reset(); }); // and in the same thread it goes
        started();
        co_await sleepForever(); // until stop()
    }

private:
    const QString m_path;
    std::unique_ptr<Store> m_store;
};
// end of snippet

void firstService()
{
    // snippet: use
    StoreService service(QStringLiteral("letters"));
    service.start();
    service.waitStarted(5s); // ready from here on; otherwise it throws
    service.callSoon([&] { service.store().put(QStringLiteral("a")); }); // does not wait
    const int size =
        service.callSync([&] { return service.store().size(); }); // waits; calls of one thread keep their order
    QFuture<int> later = service.submit([&]() -> Task<int> {
        co_await sleep(1ms); // other calls run meanwhile
        service.store().put(QStringLiteral("b"));
        co_return service.store().size();
    });
    std::printf("%d text, then %d\n", size, later.result()); // here result() may block; in a coroutine: co_await later
    // end of snippet

    // snippet: failure
    StoreService broken{QString()};
    broken.start();
    try {
        broken.waitStarted(5s);
    } catch (const StartupError &error) {
        std::printf("%s\n", error.what());
    }
    // end of snippet
}

// ---------------------------------------------------------------------------------------------------- docs/shutdown.md

// snippet: order
class Writer : public LoopServiceThread
{
public:
    Writer()
        : LoopServiceThread(QStringLiteral("writer"))
    {
    }
    ~Writer() override { stop(), join(); } // the members are still there
    ChannelSender<QString> input() const { return m_lines.sender; }
    int written() const { return m_written; } // after join()

protected:
    Task<> runAsync() override
    {
        m_lines.receiver.bind();
        started();
        while (const auto line = co_await m_lines.receiver.next()) // ends when the channel is closed and empty
            ++m_written;
    }

private:
    Channel<QString> m_lines = createChannel<QString>();
    int m_written = 0;
};

void nothingIsLost()
{
    Writer writer;
    writer.start();
    writer.waitStarted(5s);
    ChannelSender<QString> input = writer.input();
    for (int i = 0; i < 1000; ++i)
        input.sendNowait(QString::number(i));
    input.close(); // no more comes; what is queued is still taken
    const bool ended = writer.joinOrLog(5s); // false: a critical message has said what still runs, and where
    std::printf("ended: %s, written: %d\n", ended ? "yes" : "no", writer.written());
}
// end of snippet

// snippet: cleanup
Task<> sayGoodbye()
{
    co_await sleep(1ms); // a wait: without a shield it would throw at once, in a scope that is cancelled
    std::puts("goodbye was said");
}

Task<> conversation()
{
    // Named before the try block; co_await may not stand in a catch handler.
    std::exception_ptr why;
    try {
        co_await sleepForever();
    } catch (...) {
        why = std::current_exception();
    }
    const auto goodbye = [] { return moveOnAfter(2s, sayGoodbye); }; // clean-up has a deadline too
    co_await shielded(goodbye);
    std::rethrow_exception(why);
}
// end of snippet

void cleanUp()
{
    LoopServiceThread service(QStringLiteral("talker"));
    service.start();
    service.waitStarted();
    QFuture<void> talk = service.submit(conversation);
    service.callSync([] { }); // it has begun
    service.stop(QStringLiteral("closing time"));
    service.join();
    std::printf("the future is cancelled: %s, the reason: %s\n", talk.isCanceled() ? "yes" : "no",
                qPrintable(service.scope().reason()));
}

// snippet: group
void severalServices()
{
    Writer writer;
    LoopServiceThread reader(QStringLiteral("reader"));
    ServiceGroup services{&writer, &reader}; // the reader needs the writer
    services.start().waitStarted(5s); // all are ready, or all are stopped and the error is thrown
    services.stopJoin(5s); // the reader first; one deadline for all
    std::puts("both have ended");
}
// end of snippet

// ------------------------------------------------------------------------------------------------ docs/from-qthread.md

// snippet: before
class OldWorker : public QObject // lives in a QThread, and is reached by signals
{
    Q_OBJECT

public Q_SLOTS:
    void add(int value)
    {
        m_sum += value;
        Q_EMIT changed(m_sum);
    }

Q_SIGNALS:
    void changed(int sum);

private:
    int m_sum = 0;
};

int withQThread()
{
    QThread thread;
    OldWorker worker;
    worker.moveToThread(&thread);
    QObject here;
    QEventLoop loop;
    int sum = 0;
    QObject::connect(&worker, &OldWorker::changed, &here, [&](int value) {
        sum = value;
        if (value == 3)
            loop.quit(); // and if it never comes?
    });
    thread.start(); // has it started? did it fail? nobody says
    QMetaObject::invokeMethod(&worker, [&] { worker.add(1); });
    QMetaObject::invokeMethod(&worker, [&] { worker.add(2); });
    loop.exec();
    thread.quit(); // forgotten: the program is aborted
    thread.wait();
    return sum;
}
// end of snippet

// snippet: after
class Adder : public LoopServiceThread
{
public:
    ~Adder() override { stop(), join(); } // forgotten: it is stopped and joined all the same, with a warning
    int add(int value) { return m_sum += value; } // the service's thread

private:
    int m_sum = 0;
};

int withAService()
{
    Adder adder;
    adder.start();
    adder.waitStarted(); // throws why not
    adder.callSoon([&] { adder.add(1); });
    return adder.callSync([&] { return adder.add(2); }); // throws if the service ends first; never hangs
}
// end of snippet

// ---------------------------------------------------------------------------------------------- docs/from-qtconcurrent.md

int slowSquare(int value)
{
    return value * value;
}

// snippet: watcher
void withAWatcher(int value, QObject *window, const std::function<void(int)> &show)
{
    auto *watcher = new QFutureWatcher<int>(window);
    QObject::connect(watcher, &QFutureWatcher<int>::finished, window, [watcher, show] {
        watcher->deleteLater();
        show(watcher->result()); // throws into Qt's event loop if the function has
    });
    watcher->setFuture(QtConcurrent::run(slowSquare, value)); // cannot be cancelled
}
// end of snippet

// snippet: offload
Task<> withOffload(int value, std::function<void(int)> show)
{
    const auto square = [value] {
        checkOffloadCancelled(); // leaves the function once the task is cancelled
        return slowSquare(value);
    };
    show(co_await offload(square)); // in this task's own thread; an error is thrown here
}
// end of snippet

// snippet: several
Task<int> sumOfSquares(int count)
{
    QThreadPool pool;
    pool.setMaxThreadCount(2); // at most two at once
    int sum = 0;
    const auto body = [&](TaskGroup &group) -> Task<> {
        for (int value = 1; value <= count; ++value) {
            // A child each; the first failure cancels the rest. All run in this thread, so the sum needs no lock.
            group.startSoon([&pool, &sum, value]() -> Task<> {
                const auto square = [value] { return slowSquare(value); };
                sum += co_await offload(&pool, square);
            });
        }
        co_await group.untilEmpty();
    };
    co_await withTaskGroup(body);
    co_return sum;
}
// end of snippet

// ------------------------------------------------------------------------------------------------- docs/from-qcoro.md

// snippet: qcoro
QCoro::Task<int> oldAnswer(QFuture<int> question) // begins at the call, cannot be cancelled
{
    co_return co_await question + 1;
}

Task<int> newAnswer(QFuture<int> question) // begins when it is awaited, in the scope of the one who awaits
{
    co_return co_await question + 1;
}

QCoro::Task<int> oldCallsNew(QFuture<int> question)
{
    co_return co_await newAnswer(question); // a root task: no scope above it
}

Task<int> newCallsOld(QFuture<int> question)
{
    co_return co_await oldAnswer(question); // waited for to its end, whatever is cancelled: it may refer to our frame
}
// end of snippet

// -------------------------------------------------------------------------------------------------- docs/from-microio.md

// snippet: microio
class Counter : public LoopServiceThread
{
public:
    ~Counter() override { stop(), join(); }
    ChannelSender<int> input() const { return m_values.sender; }
    int total() const { return m_total; }

protected:
    Task<> runAsync() override
    {
        m_values.receiver.bind();
        started();
        while (auto value = co_await m_values.receiver.next())
            m_total += *value;
    }

private:
    Channel<int> m_values = createChannel<int>();
    int m_total = 0;
};

void countTo(int last)
{
    Counter counter;
    counter.start();
    counter.waitStarted();
    ChannelSender<int> input = counter.input();
    for (int i = 1; i <= last; ++i)
        input.sendNowait(i);
    input.close();
    counter.join();
    std::printf("counted: %d\n", counter.total());
}
// end of snippet

// ----------------------------------------------------------------------------------------------------------- docs/gui.md

// snippet: model
// A model lives in the GUI's thread and is changed there only; the rows come through a channel.
class LinesModel : public QStringListModel
{
public:
    void append(const QString &line)
    {
        const int row = rowCount();
        insertRow(row);
        setData(index(row), line);
    }
};

void feedAModel(LoopServiceThread &service, LinesModel &model)
{
    auto [sender, receiver] = createChannel<QString>({QStringLiteral("lines"), LateSend::Drop, 100});
    connectChannel(std::move(receiver), &model, &LinesModel::append); // until the model goes or the channel ends
    service.callSync([&, output = std::move(sender)]() mutable {
        // A child of the service: waits while 100 lines are queued, so a slow view slows the producer, not the view.
        service.taskGroup().startSoon([tx = std::move(output)]() mutable -> Task<> {
            for (int i = 0; i < 1000; ++i) {
                QString line = QString::number(i);
                co_await tx.send(std::move(line));
            }
            tx.close();
        });
    });
}
// end of snippet

Task<> showGuiPatterns(LoopServiceThread &service)
{
    LinesModel model;
    feedAModel(service, model);
    while (model.rowCount() < 1000)
        co_await sleep(1ms);
    std::printf("rows: %d, the last one: %s\n", model.rowCount(), qPrintable(model.stringList().constLast()));
}

Task<> showFutures()
{
    QObject window;
    int shown = 0;
    withAWatcher(3, &window, [&](int value) { shown = value; });
    while (shown == 0)
        co_await sleep(1ms);
    const auto show = [](int value) { std::printf("offloaded: %d\n", value); };
    std::printf("watched: %d\n", shown);
    co_await withOffload(4, show);
    std::printf("squares: %d\n", co_await sumOfSquares(4));

    const QFuture<int> question = QtFuture::makeReadyFuture(41);
    const int fromOld = co_await oldCallsNew(question);
    const int fromNew = co_await newCallsOld(question);
    std::printf("answers: %d %d\n", fromOld, fromNew);
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication app(argc, argv);
    firstService();
    nothingIsLost();
    cleanUp();
    severalServices();
    const int before = withQThread();
    const int after = withAService();
    std::printf("added: %d before, %d after\n", before, after);
    run(showFutures());
    countTo(10);
    LoopServiceThread service(QStringLiteral("producer"));
    service.start();
    service.waitStarted();
    run(showGuiPatterns(service));
    return service.stop() && service.join() ? 0 : 1;
}

#include "main.moc"
