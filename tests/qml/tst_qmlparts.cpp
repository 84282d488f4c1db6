// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/qmicroio.h>

#include <QtQml/QQmlContext>
#include <QtQml/QQmlEngine>
#include <QtQuickTest/quicktest.h>

#include <map>
#include <memory>

using namespace QMicroIO;

// What the tests written in QML look at: services that they start and end.
class Services : public QObject
{
    Q_OBJECT
public:
    Q_INVOKABLE void start(const QString &name, int tasks)
    {
        auto service = std::make_unique<LoopServiceThread>(name);
        service->start();
        service->waitStarted();
        service->callSync([&] {
            for (int i = 0; i < tasks; ++i)
                service->taskGroup().startSoon(TaskName(QStringLiteral("task %1").arg(i)), &Services::nap);
        });
        m_services[name] = std::move(service);
    }
    Q_INVOKABLE void stop(const QString &name, const QString &reason)
    {
        m_services.at(name)->stop(reason);
        m_services.at(name)->join();
    }
    Q_INVOKABLE void fail(const QString &name, const QString &text)
    {
        m_services.at(name)->fail(std::make_exception_ptr(Error(text)));
        m_services.at(name)->join();
    }
    Q_INVOKABLE void destroyAll()
    {
        for (auto &[name, service] : m_services) {
            service->stop();
            service->join();
        }
        m_services.clear();
    }

private:
    static Task<> nap() { co_await sleepForever(); }
    std::map<QString, std::unique_ptr<LoopServiceThread>> m_services;
};

class Setup : public QObject
{
    Q_OBJECT
public Q_SLOTS:
    void qmlEngineAvailable(QQmlEngine *engine)
    {
        engine->addImportPath(QStringLiteral(QMICROIO_QML_OUTPUT));
        engine->rootContext()->setContextProperty(QStringLiteral("live"), &m_services);
    }
    void cleanupTestCase() { m_services.destroyAll(); }

private:
    Services m_services;
};

QUICK_TEST_MAIN_WITH_SETUP(qmlparts, Setup)
#include "tst_qmlparts.moc"
