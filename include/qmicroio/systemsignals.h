// floor 11: SIGINT and SIGTERM as the cancellation of something
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/cancelscope.h>
#include <qmicroio/closescope.h>
#include <qmicroio/export.h>
#include <qmicroio/servicethread.h>

#include <QtCore/QObject>
#include <QtCore/QString>

#include <chrono>
#include <functional>
#include <memory>

namespace QMicroIO {

/// How a SystemSignals behaves. Thread: any.
struct SystemSignalOptions
{
    int exitCode = 0; ///< of the hard exit; zero: 128 plus the number of the signal, as shells do
    /// A signal that follows the first one sooner is taken for the same request: some senders deliver it twice.
    std::chrono::milliseconds repeat{250};
};

/// While it lives, the first SIGINT or SIGTERM cancels, closes or stops what is bound to it; a later one ends the program at once.
///
/// The handler only stores a number and writes one byte to a pipe; a thread of this object does the rest. So a request is carried
/// out although every loop of the program may be busy or blocked.
/// Thread:   the object lives where it was made; every method: any thread.
/// Lifetime: one at a time in a program. The handlers that were there before come back when it is destroyed.
/// Signals:  from the thread of this object, after what is bound was told.
/// On Windows (written, not tried) Ctrl-C counts as SIGINT, Ctrl-Break as SIGBREAK, and the end of the console or of the session as
/// SIGTERM, after which the system gives the program some seconds.
/// Cost:     a thread that sleeps.
/// Fails:    the constructor throws LogicError for a second object, StartupError when the system refuses the thread, and Error
///           when it refuses what it takes to catch a signal.
class QMICROIO_EXPORT SystemSignals : public QObject
{
    Q_OBJECT
    struct State;

public:
    /// What is bound stays so until this is destroyed, which waits for a cancellation that is being carried out right now.
    ///
    /// Thread: any. Lifetime: movable; ends before what is bound. May outlive the SystemSignals.
    class QMICROIO_EXPORT Binding
    {
    public:
        Binding(Binding &&other) noexcept = default;
        Binding &operator=(Binding &&other) noexcept;
        ~Binding();

    private:
        friend class SystemSignals;
        Binding(std::shared_ptr<State> state, quint64 id)
            : m_state(std::move(state))
            , m_id(id)
        {
        }
        void release() noexcept;
        std::shared_ptr<State> m_state;
        quint64 m_id;
    };

    /// As SystemSignalOptions are by default.
    explicit SystemSignals(QObject *parent = nullptr)
        : SystemSignals(SystemSignalOptions(), parent)
    {
    }
    /// With options.
    explicit SystemSignals(const SystemSignalOptions &options, QObject *parent = nullptr);
    ~SystemSignals() override;

    /// Binds a scope; the reason is the name of the signal. After a signal: cancels it at once. Thread: any.
    [[nodiscard]] Binding cancels(CancelScope &scope);
    /// The same for a CloseScope, which is closed. Thread: any.
    [[nodiscard]] Binding closes(CloseScope &scope);
    /// The same for a service, which is stopped. Thread: any.
    [[nodiscard]] Binding stops(ServiceThread &service);

    /// The number of the first signal; zero: none came. Thread: any.
    int number() const;

Q_SIGNALS:
    /// Emitted: once, for the first signal.
    void received(int number);

private:
    Binding bind(std::function<void(const QString &)> act);
    void listen(ServiceThread &self);
    std::shared_ptr<State> d;
    std::unique_ptr<ServiceThread> m_listener;
};

} // namespace QMicroIO
