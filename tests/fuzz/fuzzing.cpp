// SPDX-License-Identifier: Apache-2.0
#include "fuzzing.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QDirIterator>
#include <QtCore/QFile>

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace Fuzzing {

void require(bool same, const QString &what)
{
    if (same)
        return;
    std::fprintf(stderr, "The model differs: %s\n", qPrintable(what));
    std::abort();
}

void trace(const QString &operation)
{
    static const bool wanted = qEnvironmentVariableIsSet("QMICROIO_FUZZ_TRACE");
    if (wanted)
        std::fprintf(stderr, "%s\n", qPrintable(operation));
}

} // namespace Fuzzing

namespace {

void startQt()
{
    static int argc = 1;
    static char name[] = "fuzz";
    static char *argv[] = {name, nullptr};
    // Leaked on purpose: the fuzzer leaves by exit(), from wherever it is.
    static auto *app = new QCoreApplication(argc, argv);
    Q_UNUSED(app);
    // Ends that are destroyed unclosed are part of what is tried.
    qInstallMessageHandler([](QtMsgType, const QMessageLogContext &, const QString &) { });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    startQt();
    Fuzzing::Bytes bytes(data, size);
    try {
        QMicroIO::run(fuzzOne(bytes));
    } catch (const std::exception &error) {
        Fuzzing::require(false, QStringLiteral("an error nobody expected: %1").arg(QString::fromUtf8(error.what())));
    }
    Fuzzing::require(QMicroIO::liveTaskFrames() == 0, QStringLiteral("coroutine frames are left"));
    return 0;
}

#ifdef QMICROIO_FUZZ_REPLAY

// Without libFuzzer: runs the inputs of the folders and files that are named.
int main(int argc, char **argv)
{
    int count = 0;
    const auto runFile = [&](const QString &path) {
        QFile file(path);
        if (!file.open(QIODevice::ReadOnly))
            return false;
        const QByteArray input = file.readAll();
        Fuzzing::trace(path);
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t *>(input.constData()), std::size_t(input.size()));
        ++count;
        return true;
    };
    for (int i = 1; i < argc; ++i) {
        const QString path = QString::fromLocal8Bit(argv[i]);
        QDirIterator files(path, QDir::Files);
        if (!files.hasNext() && !runFile(path)) {
            std::fprintf(stderr, "cannot read %s\n", argv[i]);
            return 2;
        }
        while (files.hasNext())
            runFile(files.next());
    }
    std::printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}

#endif
