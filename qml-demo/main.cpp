// SPDX-License-Identifier: Apache-2.0
//
// The dashboard. With --screenshot it runs through a script of faults and writes a picture of itself.
#include "demo.h"

#include <QtCore/QCommandLineParser>
#include <QtCore/QElapsedTimer>
#include <QtCore/QLoggingCategory>
#include <QtCore/QTextStream>
#include <QtCore/QTranslator>
#include <QtGui/QFont>
#include <QtGui/QGuiApplication>
#include <QtQml/QQmlApplicationEngine>
#include <QtQml/QQmlContext>
#include <QtQuick/QQuickWindow>

#include <cstdio>
#include <optional>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

// In a script one second stands for ten: the histories of the charts are as long as those of a minute and more.
constexpr int ScriptedInterval = 100;
constexpr int LiveInterval = 1000;

int complain(const QString &text)
{
    std::fprintf(stderr, "qml-demo: %s\n", qPrintable(text));
    return 2;
}

class Languages : public QObject
{
public:
    Languages(Demo::Director &director, QQmlEngine &engine)
        : m_director(director)
        , m_engine(engine)
    {
        connect(&director, &Demo::Director::languageChanged, this, [this] { use(); });
        use();
    }

private:
    void use()
    {
        const QString language = m_director.language();
        QCoreApplication::removeTranslator(&m_translator);
        if (m_translator.load(QStringLiteral(":/i18n/qml-demo_%1.qm").arg(language)))
            QCoreApplication::installTranslator(&m_translator);
        QLocale::setDefault(QLocale(language));
        QGuiApplication::setLayoutDirection(m_director.isRightToLeft() ? Qt::RightToLeft : Qt::LeftToRight);
        m_engine.retranslate();
    }
    Demo::Director &m_director;
    QQmlEngine &m_engine;
    QTranslator m_translator;
};

// Lets things happen, and then takes the picture. Ten seconds of a script stand for a minute and more.
Task<> playScript(Demo::Director &director, QQuickWindow &window, QString file, bool &done)
{
    co_await sleep(2500ms);
    director.inject(QStringLiteral("flood"));
    co_await sleep(3000ms);
    director.stop(QStringLiteral("line server"));
    co_await sleep(1000ms);
    director.start(QStringLiteral("line server"));
    co_await sleep(1500ms);
    director.inject(QStringLiteral("flood"));
    director.inject(QStringLiteral("ignore"));
    window.setProperty("onlyChosen", true);
    co_await sleep(3000ms);
    QMetaObject::invokeMethod(&window, "showLastTasks");
    co_await sleep(200ms);
    done = window.grabWindow().save(file);
    QCoreApplication::exit(done ? 0 : 1);
}

} // namespace

int main(int argc, char **argv)
{
    QElapsedTimer sinceStart;
    sinceStart.start();
    bool isPicture = false;
    for (int i = 1; i < argc; ++i)
        isPicture = isPicture || QByteArrayView(argv[i]).startsWith("--screenshot");
    if (isPicture) {
        qputenv("QT_QPA_PLATFORM", "offscreen");
        qputenv("QT_QUICK_BACKEND", "software");
        qputenv("QSG_RENDER_LOOP", "basic");
    }
    QGuiApplication app(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("qml-demo"));
    QGuiApplication::setApplicationDisplayName(QStringLiteral("QMicroIO"));

    QCommandLineParser parser;
    parser.setApplicationDescription(QStringLiteral("A dashboard on services that live in this process."));
    parser.addHelpOption();
    const QCommandLineOption screenshot(
        QStringLiteral("screenshot"),
        QStringLiteral("Write a picture after a script of faults, without a window. One "
                       "second of the script stands for ten in the charts."),
        QStringLiteral("FILE"));
    const QCommandLineOption dark(QStringLiteral("dark"), QStringLiteral("Begin with dark colours."));
    const QCommandLineOption language(QStringLiteral("language"), QStringLiteral("en, de or ar."),
                                      QStringLiteral("CODE"), QStringLiteral("en"));
    const QCommandLineOption size(QStringLiteral("size"), QStringLiteral("Of the window, at least 800x600."),
                                  QStringLiteral("WxH"), QStringLiteral("1280x800"));
    const QCommandLineOption status(QStringLiteral("status"),
                                    QStringLiteral("Print the status on Ctrl-\\ or SIGUSR1."));
    const QCommandLineOption startUp(QStringLiteral("measure-start"),
                                     QStringLiteral("Print how long it took until the first frame, and end."));
    parser.addOptions({screenshot, dark, language, size, status, startUp});
    parser.addPositionalArgument(QStringLiteral("DIR"), QStringLiteral("The folder whose files are hashed [.]."));
    parser.process(app);
    const QStringList folders = parser.positionalArguments();
    if (folders.size() > 1)
        return complain(QStringLiteral("more than one DIR"));
    const QStringList sizes = parser.value(size).split(u'x');
    const int width = sizes.value(0).toInt();
    const int height = sizes.value(1).toInt();
    if (sizes.size() != 2 || width < 800 || height < 600 || width > 10000 || height > 10000)
        return complain(QStringLiteral("--size takes at least 800x600, not ") + parser.value(size));
    const QString wanted = parser.value(language);
    if (!QStringList{QStringLiteral("en"), QStringLiteral("de"), QStringLiteral("ar")}.contains(wanted))
        return complain(QStringLiteral("--language takes en, de or ar, not ") + wanted);

    QFont font = QGuiApplication::font();
    font.setFamilies(
        {QStringLiteral("Inter"), QStringLiteral("Noto Sans"), QStringLiteral("Noto Sans Arabic"), font.family()});
    QGuiApplication::setFont(font);

    std::optional<StatusPrinter> printer;
    if (parser.isSet(status))
        printer.emplace();

    Demo::Director director(folders.value(0, QStringLiteral(".")), isPicture ? ScriptedInterval : LiveInterval);
    QQmlApplicationEngine engine;
    engine.addImportPath(QStringLiteral(QMICROIO_QML_OUTPUT));
    director.setLanguage(wanted);
    const Languages languages(director, engine);
    engine.setInitialProperties({{QStringLiteral("director"), QVariant::fromValue(&director)},
                                 {QStringLiteral("dark"), parser.isSet(dark)},
                                 {QStringLiteral("width"), width},
                                 {QStringLiteral("height"), height}});
    engine.load(QUrl(QStringLiteral("qrc:/QMicroIODemo/Main.qml")));
    auto *window = qobject_cast<QQuickWindow *>(engine.rootObjects().value(0));
    if (!window)
        return complain(QStringLiteral("the dashboard could not be loaded; is the QML module QMicroIO there?"));
    if (parser.isSet(startUp)) {
        QObject::connect(
            window, &QQuickWindow::frameSwapped, &app,
            [&] {
                std::printf("first frame after %lld ms\n", static_cast<long long>(sinceStart.elapsed()));
                QCoreApplication::quit();
            },
            Qt::QueuedConnection);
    }
    director.startAll();

    ObjectTaskGroup script(&app);
    bool done = false;
    if (isPicture)
        script.startSoon(TaskName(QStringLiteral("script")), &playScript, std::ref(director), std::ref(*window),
                         parser.value(screenshot), std::ref(done));
    const int code = QGuiApplication::exec();
    if (isPicture && !done)
        return complain(QStringLiteral("cannot write ") + parser.value(screenshot));
    return code;
}
