// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include "posix.h"

#include <QtCore/QLocale>
#include <QtCore/QString>
#include <QtCore/QStringList>

#include <algorithm>
#include <cmath>

namespace Checksum {
namespace {

constexpr int NarrowestBar = 10;
constexpr int WidestBar = 40;
constexpr int UsualWidth = 80;
// In the first moments a rate and what follows from it would only be noise.
constexpr double TooEarly = 0.3;

QString inBytes(std::uint64_t bytes)
{
    return QLocale::c().formattedDataSize(static_cast<qint64>(bytes), 1, QLocale::DataSizeSIFormat);
}

QString rate(Amount done, double seconds)
{
    return QString::asprintf("%.1f MB/s", static_cast<double>(done.bytes) / 1e6 / seconds);
}

QString clockTime(double seconds)
{
    const long long whole = std::llround(std::min(seconds, 359999.0));
    if (whole < 3600)
        return QString::asprintf("%lld:%02lld", whole / 60, whole % 60);
    return QString::asprintf("%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
}

// Files may grow meanwhile, and 101 % helps nobody.
double fraction(Amount done, Amount total)
{
    if (total.bytes > 0)
        return std::min(1.0, static_cast<double>(done.bytes) / static_cast<double>(total.bytes));
    return total.files > 0 ? std::min(1.0, static_cast<double>(done.files) / static_cast<double>(total.files)) : 1.0;
}

} // namespace

std::string progressLine(Amount done, std::optional<Amount> total, double seconds, int width)
{
    const QString doneFiles = QString::number(done.files);
    const QString doneBytes = inBytes(done.bytes);
    QStringList fields;
    double part = 0;
    if (total) {
        part = fraction(done, *total);
        fields << QString::asprintf("%3.0f%%", part * 100)
               << QStringLiteral("%1/%2 files").arg(doneFiles, QString::number(total->files))
               << QStringLiteral("%1/%2").arg(doneBytes, inBytes(total->bytes));
    } else {
        fields << QStringLiteral("counting") << doneFiles + QStringLiteral(" files") << doneBytes;
    }
    if (seconds > TooEarly)
        fields << rate(done, seconds);
    if (seconds > TooEarly && part > 0)
        fields << clockTime(seconds / part - seconds) + QStringLiteral(" left");

    QString text = fields.join(QStringLiteral("  "));
    const int room = std::min(WidestBar, width - static_cast<int>(text.size()) - 3);
    if (total && room >= NarrowestBar) {
        const int filled = static_cast<int>(part * room);
        text.prepend(QLatin1Char('[') + QString(filled, QLatin1Char('#')) + QString(room - filled, QLatin1Char('-'))
                     + QStringLiteral("] "));
    }
    return text.left(width).toStdString();
}

std::string summary(Amount done, double seconds)
{
    return QStringLiteral("%1 files, %2 in %3 s, %4")
        .arg(QString::number(done.files), inBytes(done.bytes), QString::number(seconds, 'f', 1), rate(done, seconds))
        .toStdString();
}

ProgressBar::ProgressBar()
    : m_isTerminal(Posix::isTerminal(Posix::StandardError))
{
    m_clock.start();
}

void ProgressBar::draw(Amount done, std::optional<Amount> total)
{
    // A terminal that somebody has stopped must not stop the work.
    if (!m_isTerminal || !Posix::isWritable(Posix::StandardError))
        return;
    const int width = Posix::terminalWidth(Posix::StandardError);
    // The last column stays free: some terminals begin a new line as soon as it is used.
    const std::string line = progressLine(done, total, seconds(), (width > 1 ? width : UsualWidth) - 1);
    Posix::writeAll(Posix::StandardError, '\r' + line + "\x1b[K");
    m_isDrawn = true;
}

void ProgressBar::erase()
{
    if (!m_isDrawn || !Posix::isWritable(Posix::StandardError))
        return;
    Posix::writeAll(Posix::StandardError, "\r\x1b[K");
    m_isDrawn = false;
}

double ProgressBar::seconds() const
{
    return static_cast<double>(m_clock.nsecsElapsed()) / 1e9;
}

} // namespace Checksum
