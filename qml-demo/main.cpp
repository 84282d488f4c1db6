// SPDX-License-Identifier: Apache-2.0
//
// The dashboard. With --screenshot it runs through a script of faults and writes a picture of itself.
#include "../examples/statusoption.h"
#include "demo.h"
#include "describe.h"
#include "exercise.h"
#include "measure.h"

#include <QtCore/QCommandLineParser>
#include <QtCore/QFileInfo>
#include <QtCore/QLoggingCategory>
#include <QtCore/QTextStream>
#include <QtCore/QTranslator>
#include <QtGui/QFont>
#include <QtGui/QGuiApplication>
#include <QtQml/QQmlApplicationEngine>
#include <QtQml/QQmlContext>
#include <QtQuick/QQuickWindow>

#include <algorithm>
#include <cstdio>
#include <optional>

using namespace QMicroIO;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::seconds ScriptLength = 60s;
constexpr int LiveInterval = 1000;
constexpr int ChartLength = 120; // values
constexpr int MostTasks = 1'000'000;

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

// Some use of the dashboard, and then its picture. All of it is spread over `length`, but for the end, which takes its time.
Task<> playScript(Demo::Director &director, QQuickWindow &window, std::chrono::milliseconds length, QString file,
                  bool &done)
{
    constexpr std::chrono::milliseconds End = 5s;
    const auto begin = std::chrono::steady_clock::now();
    const auto until = [&](double share) -> Task<> {
        const auto when = begin + std::chrono::duration_cast<std::chrono::milliseconds>((length - End) * share);
        co_await sleep(std::max(when - std::chrono::steady_clock::now(), std::chrono::nanoseconds(0)));
    };
    const QString troubled = QStringLiteral("troubled");
    const QString server = QStringLiteral("line server");
    co_await until(0.10);
    director.inject(QStringLiteral("flood"));
    co_await until(0.23);
    director.stop(server);
    co_await until(0.30);
    director.start(server);
    co_await until(0.40);
    director.cancelTasks(QStringLiteral("line client"));
    co_await until(0.48);
    if (length >= ScriptLength)
        director.inject(QStringLiteral("stall")); // which lasts for 5 s
    co_await until(0.65);
    director.inject(QStringLiteral("flood"));
    co_await until(0.78);
    director.inject(QStringLiteral("fail"));
    co_await until(0.85);
    director.start(troubled);
    co_await until(1);
    director.inject(QStringLiteral("flood"));
    director.inject(QStringLiteral("ignore"));
    window.setProperty("onlyChosen", true);
    co_await sleep(End);
    QMetaObject::invokeMethod(&window, "showLastTasks");
    co_await sleep(200ms);
    done = window.grabWindow().save(file);
    QCoreApplication::exit(done ? 0 : 1);
}

// Once the services are up and the models have seen it.
Task<> describeAndQuit(QQuickWindow &window)
{
    const auto isUp = [] {
        const std::vector<ServiceInfo> services = programStatus().services;
        return std::none_of(services.begin(), services.end(), [](const ServiceInfo &one) {
            return one.state == ServiceThread::State::Created || one.state == ServiceThread::State::Starting;
        });
    };
    const auto isAnswered = [] {
        const std::vector<RegistryInfo> registries = programStatus().registries;
        return std::any_of(registries.begin(), registries.end(),
                           [](const RegistryInfo &one) { return one.answered > 0; });
    };
    constexpr int LeastTasks = 12; // those that are always there
    window.setProperty("onlyChosen", true);
    do {
        co_await sleep(100ms);
    } while (!isUp() || window.property("taskCount").toInt() < LeastTasks || !isAnswered());
    co_await sleep(500ms); // some updates
    const QStringList lines = Demo::describe(window);
    std::printf("%s\n", qPrintable(lines.join(u'\n')));
    QCoreApplication::quit();
}

Task<> exerciseAndQuit(Demo::Director &director, QQuickWindow &window, const Demo::FrameWatch &watch,
                       Demo::Planted planted)
{
    while (!watch.hasShown())
        co_await sleep(10ms);
    bool isGood = false;
    co_await Demo::exercise(director, window, planted, isGood);
    QCoreApplication::exit(isGood ? 0 : 1);
}

Task<> measureAndQuit(QQuickWindow &window, const Demo::FrameWatch &watch, int tasks)
{
    co_await Demo::measure(window, watch, tasks, 5s);
    QCoreApplication::quit();
}

} // namespace

int main(int argc, char **argv)
{
    bool isPicture = false;
    for (int i = 1; i < argc; ++i)
        isPicture = isPicture || QByteArrayView(argv[i]).startsWith("--screenshot");
    // A picture needs no display; who names a platform wants that one.
    if (isPicture && !qEnvironmentVariableIsSet("QT_QPA_PLATFORM")) {
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
        QStringLiteral("Write a picture after a minute of scripted use, without a window."), QStringLiteral("FILE"));
    const QCommandLineOption dark(QStringLiteral("dark"), QStringLiteral("Begin with dark colours."));
    const QCommandLineOption language(QStringLiteral("language"), QStringLiteral("en, de or ar."),
                                      QStringLiteral("CODE"), QStringLiteral("en"));
    const QCommandLineOption size(QStringLiteral("size"), QStringLiteral("Of the window, at least 800x600."),
                                  QStringLiteral("WxH"), QStringLiteral("1280x800"));
    const QCommandLineOption status(QStringLiteral("status"), QLatin1String(Example::StatusHelp));
    const QCommandLineOption scriptLength(QStringLiteral("script-seconds"),
                                          QStringLiteral("Of the script of --screenshot, from 8 [60]."),
                                          QStringLiteral("N"), QString::number(ScriptLength.count()));
    const QCommandLineOption crowd(QStringLiteral("tasks"),
                                   QStringLiteral("Show a further service, of N tasks; at most a million."),
                                   QStringLiteral("N"));
    const QCommandLineOption measured(
        QStringLiteral("measure"),
        QStringLiteral("Print what starting, updating and scrolling cost, and end. Of 10000 tasks, unless --tasks says "
                       "how many. See docs/dashboard.md."));
    const QCommandLineOption described(
        QStringLiteral("describe"),
        QStringLiteral("Print what screen readers find in the window and what Tab reaches, and end."));
    const QCommandLineOption exercised(
        QStringLiteral("exercise"),
        QStringLiteral("Do to the services what a user can do, also while none of them answers, print for how long the "
                       "window did not react at most, and end. Exit code 1: for more than a second."));
    QCommandLineOption blocking(QStringLiteral("with-blocking-call"));
    blocking.setFlags(QCommandLineOption::HiddenFromHelp); // of --exercise, for its test
    parser.addOptions(
        {screenshot, dark, language, size, status, scriptLength, crowd, measured, described, exercised, blocking});
    parser.addPositionalArgument(QStringLiteral("DIR"), QStringLiteral("The folder whose files are hashed [.]."));
    QStringList arguments = QCoreApplication::arguments();
    const auto statusFormat = Example::takeStatusFormat(arguments);
    if (!parser.parse(arguments))
        return complain(parser.errorText());
    if (parser.isSet(QStringLiteral("help")))
        parser.showHelp();
    const QStringList folders = parser.positionalArguments();
    if (folders.size() > 1)
        return complain(QStringLiteral("more than one DIR"));
    const QStringList sizes = parser.value(size).split(u'x');
    const int width = sizes.value(0).toInt();
    const int height = sizes.value(1).toInt();
    if (sizes.size() != 2 || width < 800 || height < 600 || width > 10000 || height > 10000)
        return complain(QStringLiteral("--size takes at least 800x600, not ") + parser.value(size));
    bool isLength = false;
    const std::chrono::seconds length(parser.value(scriptLength).toInt(&isLength));
    if (!isLength || length < 8s || length > 1h)
        return complain(QStringLiteral("--script-seconds takes 8 to 3600, not ") + parser.value(scriptLength));
    bool isCrowd = true;
    const int tasks = parser.isSet(crowd) ? parser.value(crowd).toInt(&isCrowd) : parser.isSet(measured) ? 10'000 : 0;
    if (!isCrowd || tasks < 0 || tasks > MostTasks)
        return complain(QStringLiteral("--tasks takes 0 to 1000000, not ") + parser.value(crowd));
    const QString picture = parser.value(screenshot);
    if (isPicture && !QFileInfo(QFileInfo(picture).absolutePath()).isWritable())
        return complain(QStringLiteral("cannot write ") + picture);
    const QString wanted = parser.value(language);
    if (!QStringList{QStringLiteral("en"), QStringLiteral("de"), QStringLiteral("ar")}.contains(wanted))
        return complain(QStringLiteral("--language takes en, de or ar, not ") + wanted);

    QFont font = QGuiApplication::font();
    font.setFamilies(
        {QStringLiteral("Inter"), QStringLiteral("Noto Sans"), QStringLiteral("Noto Sans Arabic"), font.family()});
    QGuiApplication::setFont(font);

    std::optional<StatusPrinter> printer;
    if (statusFormat)
        printer.emplace(*statusFormat);

    // The charts of a picture hold the whole script.
    const int interval = isPicture ? int(std::chrono::milliseconds(length).count()) / ChartLength : LiveInterval;
    Demo::Director director(folders.value(0, QStringLiteral(".")), interval, tasks);
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
    const Demo::FrameWatch watch(*window);
    director.startAll();

    ObjectTaskGroup script(&app);
    bool done = false;
    if (isPicture)
        script.startSoon(TaskName(QStringLiteral("script")), &playScript, std::ref(director), std::ref(*window), length,
                         picture, std::ref(done));
    else if (parser.isSet(measured))
        script.startSoon(TaskName(QStringLiteral("measure")), &measureAndQuit, std::ref(*window), std::cref(watch),
                         tasks);
    else if (parser.isSet(exercised))
        script.startSoon(TaskName(QStringLiteral("exercise")), &exerciseAndQuit, std::ref(director), std::ref(*window),
                         std::cref(watch),
                         parser.isSet(blocking) ? Demo::Planted::BlockingCall : Demo::Planted::Nothing);
    else if (parser.isSet(described))
        script.startSoon(TaskName(QStringLiteral("describe")), &describeAndQuit, std::ref(*window));
    const int code = QGuiApplication::exec();
    if (isPicture && !done)
        return complain(QStringLiteral("cannot write ") + picture);
    return code;
}
