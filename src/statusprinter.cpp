// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/statusprinter.h>

#include "statusprinter_p.h"

#include <qmicroio/detail/listing.h>
#include <qmicroio/errors.h>
#include <qmicroio/introspection.h>
#include <qmicroio/servicethread.h>

#include <QtCore/QJsonDocument>

#include <atomic>

namespace QMicroIO {

namespace {

std::atomic<bool> exists{false};

class PrinterThread final : public ServiceThread
{
public:
    explicit PrinterThread(StatusPrinter::Format format)
        : ServiceThread(QStringLiteral("status printer"))
        , m_format(format)
    {
        setUnlisted();
    }
    ~PrinterThread() override { shutDown(); }

private:
    void runService() override
    {
        started();
        while (detail::StatusRequests::wait() && !scope().isClosed())
            print();
    }
    void print() const
    {
        const ProgramStatus status = programStatus();
        const QByteArray text = m_format == StatusPrinter::Format::Json
            ? QJsonDocument(status.toJson()).toJson(QJsonDocument::Compact) + '\n'
            : QByteArray("--- status ---\n") + status.toString().toUtf8() + "\n--- end ---\n";
        detail::StatusRequests::write(text.constData(), std::size_t(text.size()));
    }
    const StatusPrinter::Format m_format;
};

} // namespace

struct StatusPrinter::Private
{
    explicit Private(Format format)
        : thread(format)
    {
        if (exists.exchange(true))
            throw LogicError(QStringLiteral("StatusPrinter: there is one already; keep one for the whole program"));
        try {
            if (const std::error_code refused = detail::StatusRequests::install())
                throw LogicError(
                    QStringLiteral("StatusPrinter: the system has no signal for it (%1); call programStatus() yourself")
                        .arg(QString::fromLocal8Bit(refused.message())));
            thread.start();
        } catch (...) {
            detail::StatusRequests::uninstall();
            exists = false;
            throw;
        }
    }
    ~Private()
    {
        detail::StatusRequests::uninstall();
        thread.stop();
        detail::StatusRequests::ask(); // a look at the state; when so many have asked already, there is one anyway
        thread.join();
        exists = false;
    }
    Private(const Private &) = delete;
    Private &operator=(const Private &) = delete;

    const detail::Observation observation;
    PrinterThread thread;
};

StatusPrinter::StatusPrinter(Format format)
    : d(std::make_unique<Private>(format))
{
}

StatusPrinter::~StatusPrinter() = default;

void StatusPrinter::print()
{
    detail::StatusRequests::ask();
}

} // namespace QMicroIO
