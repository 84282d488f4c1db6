// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/statusprinter.h>

#include <qmicroio/detail/listing.h>
#include <qmicroio/errors.h>
#include <qmicroio/introspection.h>
#include <qmicroio/servicethread.h>

#include <QtCore/QJsonDocument>

#include <atomic>

#ifdef Q_OS_UNIX
#  include <array>
#  include <cerrno>
#  include <csignal>
#  include <fcntl.h>
#  include <unistd.h>

namespace QMicroIO {

namespace {

// For the handler, which may touch nothing else. -1: there is no printer.
std::atomic<int> writeEnd{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void tell(int pipe) noexcept
{
    const char what = 0;
    const int before = errno;
    while (::write(pipe, &what, 1) < 0 && errno == EINTR) { }
    errno = before; // the handler may have come between a call and the look at its result
}

void signalled(int)
{
    if (const int pipe = writeEnd.load(std::memory_order_relaxed); pipe >= 0)
        tell(pipe);
}

// Never closed: a handler may still be about to write when the printer ends.
const std::array<int, 2> &pipeEnds()
{
    static const std::array<int, 2> ends = [] {
        std::array<int, 2> made{};
        if (::pipe(made.data()) != 0)
            throw LogicError(QStringLiteral("StatusPrinter: the system gives no pipe; too many files are open"));
        for (const int end : made)
            ::fcntl(end, F_SETFD, FD_CLOEXEC);
        ::fcntl(made[1], F_SETFL, O_NONBLOCK); // a handler never waits: so many prints are asked for already
        return made;
    }();
    return ends;
}

void writeAll(const QByteArray &text)
{
    for (qsizetype done = 0; done < text.size();) {
        const ssize_t written = ::write(STDERR_FILENO, text.constData() + done, std::size_t(text.size() - done));
        if (written < 0 && errno != EINTR)
            return; // nobody reads
        if (written > 0)
            done += written;
    }
}

class PrinterThread final : public ServiceThread
{
public:
    PrinterThread(int readEnd, StatusPrinter::Format format)
        : ServiceThread(QStringLiteral("status printer"))
        , m_readEnd(readEnd)
        , m_format(format)
    {
        setUnlisted();
    }
    ~PrinterThread() override { shutDown(); }

private:
    void runService() override
    {
        started();
        for (;;) {
            char what = 0;
            const ssize_t got = ::read(m_readEnd, &what, 1);
            if (scope().isClosed() || (got < 0 && errno != EINTR))
                return;
            if (got > 0)
                print();
        }
    }
    void print() const
    {
        const ProgramStatus status = programStatus();
        if (m_format == StatusPrinter::Format::Json)
            writeAll(QJsonDocument(status.toJson()).toJson(QJsonDocument::Compact) + '\n');
        else
            writeAll(QByteArray("--- status ---\n") + status.toString().toUtf8() + "\n--- end ---\n");
    }
    const int m_readEnd;
    const StatusPrinter::Format m_format;
};

} // namespace

struct StatusPrinter::Private
{
    explicit Private(Format format)
    {
        const std::array<int, 2> &ends = pipeEnds();
        int none = -1;
        if (!writeEnd.compare_exchange_strong(none, ends[1]))
            throw LogicError(QStringLiteral("StatusPrinter: there is one already; keep one for the whole program"));
        thread = std::make_unique<PrinterThread>(ends[0], format);
        thread->start();
        struct sigaction action = {};
        action.sa_handler = &signalled;
        action.sa_flags = SA_RESTART;
        for (std::size_t i = 0; i < Signals.size(); ++i)
            ::sigaction(Signals[i], &action, &before[i]);
    }
    ~Private()
    {
        for (std::size_t i = 0; i < Signals.size(); ++i)
            ::sigaction(Signals[i], &before[i], nullptr);
        thread->stop();
        tell(pipeEnds()[1]); // a look at the state; when the pipe is full, there is one anyway
        thread->join();
        writeEnd.store(-1);
    }
    Private(const Private &) = delete;
    Private &operator=(const Private &) = delete;

    static constexpr std::array<int, 2> Signals{SIGUSR1, SIGQUIT};
    const detail::Observation observation;
    std::unique_ptr<PrinterThread> thread;
    std::array<struct sigaction, 2> before{};
};

void StatusPrinter::print()
{
    tell(pipeEnds()[1]);
}

#else // no such signals

namespace QMicroIO {

struct StatusPrinter::Private
{
    explicit Private(Format)
    {
        throw LogicError(
            QStringLiteral("StatusPrinter: this system has no signal for it; call programStatus() yourself"));
    }
};

void StatusPrinter::print() { }

#endif

StatusPrinter::StatusPrinter(Format format)
    : d(std::make_unique<Private>(format))
{
}

StatusPrinter::~StatusPrinter() = default;

} // namespace QMicroIO
