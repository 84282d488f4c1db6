// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QByteArray>
#include <QtCore/QFile>
#include <QtCore/QList>
#include <QtCore/QString>
#include <QtCore/QtGlobal>

#include <sys/syscall.h>
#include <unistd.h>

#include <exception>
#include <mutex>
#include <thread>
#include <typeinfo>

// What the tests of services share.
namespace ServiceTesting {

// Everything that is logged while it lives, from every thread, instead of being printed. One at a time.
class LogCapture
{
public:
    LogCapture()
    {
        entries().clear();
        m_previous = qInstallMessageHandler(&LogCapture::collect);
    }
    ~LogCapture() { qInstallMessageHandler(m_previous); }
    LogCapture(const LogCapture &) = delete;
    LogCapture &operator=(const LogCapture &) = delete;

    QList<QString> texts(QtMsgType type) const
    {
        const std::lock_guard lock(mutex());
        QList<QString> found;
        for (const Entry &entry : entries()) {
            if (entry.type == type)
                found += entry.text;
        }
        return found;
    }
    qsizetype count() const
    {
        const std::lock_guard lock(mutex());
        return entries().size();
    }

private:
    struct Entry
    {
        QtMsgType type;
        QString text;
    };
    static std::mutex &mutex()
    {
        static std::mutex instance;
        return instance;
    }
    static QList<Entry> &entries()
    {
        static QList<Entry> instance;
        return instance;
    }
    static void collect(QtMsgType type, const QMessageLogContext &, const QString &text)
    {
        const std::lock_guard lock(mutex());
        entries().append({type, text});
    }
    QtMessageHandler m_previous;
};

// The text of the E that `call` throws; E itself, not a class derived from it.
template<class E, class F>
QString thrownText(F &&call)
{
    try {
        call();
    } catch (const E &error) {
        if (typeid(error) == typeid(E))
            return QString::fromUtf8(error.what());
        return QStringLiteral("(a class derived from the expected one)");
    } catch (const std::exception &error) {
        return QStringLiteral("(another exception: %1)").arg(QString::fromUtf8(error.what()));
    } catch (...) {
        return QStringLiteral("(something that is no std::exception)");
    }
    return QStringLiteral("(nothing was thrown)");
}

template<class E, class F>
bool throws(F &&call)
{
    return !thrownText<E>(std::forward<F>(call)).startsWith(u'(');
}

// Whether `error` holds an E whose text is `text`.
template<class E>
bool holds(const std::exception_ptr &error, const char *text)
{
    if (!error)
        return false;
    return thrownText<E>([&] { std::rethrow_exception(error); }) == QString::fromUtf8(text);
}

inline long threadId()
{
    return syscall(SYS_gettid);
}

// Returns once the kernel reports that thread as asleep: proof that it really waits, which no span of time gives.
inline void waitUntilAsleep(long thread)
{
    const QString path = QStringLiteral("/proc/self/task/%1/stat").arg(thread);
    for (;;) {
        QFile file(path);
        if (!file.open(QIODevice::ReadOnly))
            return;
        const QByteArray line = file.readAll();
        if (line.mid(line.lastIndexOf(')') + 2, 1) == "S")
            return;
        std::this_thread::yield();
    }
}

} // namespace ServiceTesting
