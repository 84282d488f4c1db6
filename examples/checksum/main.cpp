// SPDX-License-Identifier: Apache-2.0
//
// Prints the checksums of files and folders. A service walks and hashes; this thread prints what comes through the channel, in
// order, shows the progress and listens for Ctrl-C.
#include "inorder.h"
#include "line.h"
#include "linewriter.h"
#include "options.h"
#include "posix.h"
#include "progress.h"
#include "service.h"

#include <qmicroio/qmicroio.h>

#include <QtCore/QCoreApplication>

#include <cerrno>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

using namespace QMicroIO;
using namespace Checksum;
using namespace std::chrono_literals;

namespace {

enum ExitCode { AllDone = 0, SomeTrouble = 1, WrongUse = 2, Interrupted = 130 };

Amount amount(const Tally &tally)
{
    return {tally.files, tally.bytes};
}

class Printer
{
public:
    Printer(HashService &service, ChannelReceiver<HashedBatch> results, const CloseScope &stopAsked, ProgressBar &bar)
        : m_service(service)
        , m_results(std::move(results))
        , m_stopAsked(stopAsked)
        , m_bar(bar)
    {
    }

    // Gives the exit code.
    Task<int> run()
    {
        const auto body = [this](TaskGroup &group) -> Task<> {
            group.startSoon(&Printer::endWhenAsked, this);
            if (m_bar.isShown())
                group.startSoon(&Printer::showProgress, this);
            const auto print = [this] { return printResults(); };
            co_await m_printing.run(print);
            group.cancel();
        };
        co_await withTaskGroup(body);
        m_results.close();
        m_bar.erase();
        if (m_writeError && *m_writeError != std::errc::broken_pipe) // a reader who has seen enough is no news
            co_await complain("write error: " + m_writeError->message() + '\n');
        if (m_interrupted)
            co_return Interrupted;
        co_return m_trouble || m_writeError ? SomeTrouble : AllDone;
    }

private:
    Task<> printResults()
    {
        try {
            InOrder<std::vector<Result>> finished;
            while (std::optional<HashedBatch> batch = co_await m_results.next()) {
                finished.put(batch->number, std::move(batch->results));
                while (const std::optional<std::vector<Result>> results = finished.take()) {
                    co_await print(*results);
                    m_service.batchPrinted();
                }
            }
            // An interruption leaves gaps. What comes after them was finished, too.
            while (const std::optional<std::vector<Result>> results = finished.takeAfterGap())
                co_await print(*results);
            Posix::close(Posix::StandardOutput);
        } catch (const std::system_error &error) {
            m_writeError = error.code();
            m_service.stop(QStringLiteral("the results cannot be written"));
        }
    }

    Task<> print(const std::vector<Result> &results)
    {
        std::string lines;
        std::string messages;
        for (const Result &result : results) {
            if (result.kind == Entry::Kind::File)
                lines += checksumLine(result.text, result.path);
            else
                messages += "checksum: " + quoted(result.path) + ": " + result.text + '\n';
            m_trouble |= result.kind == Entry::Kind::Trouble;
        }
        m_bar.erase();
        if (!messages.empty())
            co_await complain(messages);
        co_await m_output.write(lines);
        drawBar();
    }

    Task<> complain(const std::string &messages)
    {
        try {
            co_await m_errors.write(messages);
        } catch (const std::system_error &) {
            // There is nobody left to tell. The exit code still says it.
        }
    }

    Task<> showProgress()
    {
        for (;;) {
            drawBar();
            co_await sleep(100ms);
        }
    }

    void drawBar()
    {
        m_bar.draw(amount(m_service.done()),
                   m_service.isCounted() ? std::optional(amount(m_service.total())) : std::nullopt);
    }

    Task<> endWhenAsked()
    {
        co_await untilClosed(m_stopAsked);
        m_interrupted = true;
        m_service.stop(QStringLiteral("interrupted"));
        // The files that are being read come to the end of their block. After that nothing new is to be printed, and a reader
        // who takes nothing must not keep us.
        const auto end = [this] { m_service.join(); };
        co_await offload(end);
        m_printing.setTimeout(50ms);
    }

    HashService &m_service;
    ChannelReceiver<HashedBatch> m_results;
    const CloseScope &m_stopAsked;
    ProgressBar &m_bar;
    LineWriter m_output{Posix::StandardOutput};
    LineWriter m_errors{Posix::StandardError};
    CancelScope m_printing;
    bool m_trouble = false;
    bool m_interrupted = false;
    std::optional<std::error_code> m_writeError;
};

void complain(const std::string &text)
{
    try {
        Posix::writeAll(Posix::StandardError, "checksum: " + text + '\n');
    } catch (const std::system_error &) {
    }
}

int wrongUse(std::string message)
{
    message += '\n' + usageLine();
    message.pop_back();
    complain(message);
    return WrongUse;
}

// Before anything is hashed: a list from which one of the named files is missing is of no use.
bool exists(const std::string &path)
{
    try {
        Posix::statusOf(path, Posix::Follow::No);
    } catch (const std::system_error &error) {
        return error.code() != std::errc::no_such_file_or_directory && error.code() != std::errc::not_a_directory;
    }
    return true;
}

int hashAndPrint(const Options &options, const CloseScope &stopAsked)
{
    ProgressBar bar;
    Channel<HashedBatch> results = createChannel<HashedBatch>({QStringLiteral("results"), LateSend::Drop});
    HashService service(options, results.sender, bar.isShown() ? HashService::Count::Yes : HashService::Count::No);
    service.start();
    service.waitStarted();

    Printer printer(service, std::move(results.receiver), stopAsked, bar);
    const int code = run(printer.run());
    service.join();
    if (service.error())
        std::rethrow_exception(service.error());
    if (bar.isShown()) {
        std::string text = summary(amount(service.done()), bar.seconds());
        if (service.skippedLinks() > 0)
            text += ", symbolic links left out: " + std::to_string(service.skippedLinks());
        if (code == Interrupted)
            text += ", interrupted";
        complain(text);
    }
    return code;
}

} // namespace

int main(int argc, char **argv)
{
    Posix::reserveStandardDescriptors();
    Posix::ignoreClosedPipes();
    CloseScope stopAsked;
    SystemSignals signals({Interrupted});
    const SystemSignals::Binding ctrlC = signals.closes(stopAsked);
    const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
    QCoreApplication app(argc, argv);

    const auto parsed = parseOptions(arguments);
    try {
        if (std::holds_alternative<HelpWanted>(parsed)) {
            Posix::writeAll(Posix::StandardOutput, helpText());
            return AllDone;
        }
        if (const auto *const error = std::get_if<UsageError>(&parsed))
            return wrongUse(error->message);
        const Options &options = std::get<Options>(parsed);
        for (const std::string &path : options.paths) {
            if (!exists(path))
                return wrongUse(quoted(path) + " does not exist");
        }
        std::optional<StatusPrinter> status;
        if (options.status)
            status.emplace(*options.status);
        return hashAndPrint(options, stopAsked);
    } catch (const std::exception &error) {
        complain(error.what());
        return SomeTrouble;
    }
}
