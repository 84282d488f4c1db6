// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/qmicroio.h>

#include <QtCore/QTimer>
#include <QtGui/QGuiApplication>
#include <QtQml/QQmlComponent>
#include <QtQml/QQmlEngine>

#include <cstdio>
#include <memory>

int main(int argc, char **argv)
{
    qputenv("QT_QPA_PLATFORM", "offscreen"); // this one shows its window to nobody
    qputenv("QT_QUICK_BACKEND", "software");
    QGuiApplication app(argc, argv);
    QMicroIO::LoopServiceThread service(QStringLiteral("thermometer"));
    service.start();

    QQmlEngine engine;
    engine.addImportPath(QStringLiteral(IMPORT_PATH));
    QQmlComponent component(&engine, QUrl::fromLocalFile(QStringLiteral(MAIN_FILE)));
    const std::unique_ptr<QObject> root(component.create());
    if (!root) {
        std::fprintf(stderr, "%s\n", qPrintable(component.errorString()));
        return 1;
    }
    QTimer look;
    QObject::connect(&look, &QTimer::timeout, &app, [&] {
        if (root->property("seen").toBool())
            QCoreApplication::exit(0);
    });
    look.start(10);
    QTimer::singleShot(30'000, &app, [] { QCoreApplication::exit(2); });
    return QGuiApplication::exec();
}
