// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/startmain.h>

#include "logging_p.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QThread>

namespace QMicroIO::detail {

namespace {

constinit thread_local MainRun *t_main = nullptr;

} // namespace

MainRun::MainRun(std::function<void()> announce)
    : m_group(std::make_shared<GroupState>(ScopeRef::create()))
    , m_announce(std::move(announce))
{
    if (t_main) {
        throw LogicError(
            QStringLiteral("startMain(): %1 has a main task already; start others in a task group inside it")
                .arg(currentThreadName()));
    }
    Loop &loop = Loop::ensure();
    m_group->open(loop, nullptr, nullptr);
    if (QCoreApplication::instance() && QCoreApplication::instance()->thread() == QThread::currentThread())
        m_quit = QObject::connect(QCoreApplication::instance(), &QCoreApplication::aboutToQuit, loop.context(),
                                  [this] { loopQuits(); });
    t_main = this;
}

MainRun::~MainRun()
{
    QObject::disconnect(m_quit);
    if (!m_group->isOpen())
        return; // announced, or about to be
    m_group->close(false); // it never began
    t_main = nullptr;
}

void MainRun::begin(std::unique_ptr<MainRun> run, ChildBase &child)
{
    child.setName(QStringLiteral("main"));
    run->m_group->addListener(*run);
    run->m_group->adopt(child);
    static_cast<void>(run.release()); // until groupIsEmpty()
}

void MainRun::groupIsEmpty()
{
    const std::unique_ptr<MainRun> self(this);
    if (m_group->loop().isEnding())
        loopQuits();
    m_group->close(false);
    t_main = nullptr; // the next one may be started by what is told now
    try {
        m_announce();
    } catch (...) {
        qCCritical(lcTask).noquote() << "an exception left the function that startMain() calls at the end:"
                                     << errorText(std::current_exception());
    }
}

void MainRun::loopQuits() const
{
    qCCritical(lcTask).noquote()
        << "the event loop of" << m_group->loop().name()
        << "quits before its main task has ended; cancel the future of startMain(), let the task "
           "finish, and quit when it is done";
}

} // namespace QMicroIO::detail
