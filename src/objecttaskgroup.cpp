// SPDX-License-Identifier: Apache-2.0
#include <qmicroio/taskgroup.h>

#include "logging_p.h"

#include <QtCore/QThread>

#include <stdexcept>

namespace QMicroIO {
namespace detail {

std::shared_ptr<ObjectChildren> ObjectChildren::open(ObjectTaskGroup &face, Loop &loop, const QString &owner)
{
    const std::shared_ptr<ObjectChildren> all(new ObjectChildren);
    all->m_group = std::make_shared<GroupState>(ScopeRef::create());
    all->m_group->open(loop, nullptr, nullptr);
    all->m_group->addListener(*all);
    all->m_self = all;
    all->m_face = &face;
    all->m_owner = owner;
    return all;
}

void ObjectChildren::report(const std::exception_ptr &error, const QString &who)
{
    const Split split = splitCancelled(error);
    if (!split.rest)
        return;
    const QString text = errorText(split.rest);
    qCCritical(lcTask).noquote() << who << "in the task group of" << m_owner << "failed:" << text;
    if (m_face)
        Q_EMIT m_face->failed(text);
}

void ObjectChildren::unwind(const QString &reason)
{
    const std::shared_ptr<ObjectChildren> self = shared_from_this();
    m_face = nullptr;
    if (m_group->loop().seam()->isOwnThread()) {
        m_group->unwind({reason, Cancelled::Cause::Request, m_owner});
        if (m_self && m_group->size() == 0)
            groupIsEmpty(); // it never had a child
        return;
    }
    qCCritical(lcTask).noquote() << "the task group of" << m_owner << "or its owner was destroyed in"
                                 << currentThreadName() << "while children run in" << m_group->loop().name()
                                 << ": they are cancelled but not waited for; destroy it in its own thread";
    m_group->scope()->cancel({reason, Cancelled::Cause::Request, m_owner});
}

void ObjectChildren::groupIsEmpty()
{
    const std::shared_ptr<ObjectChildren> self = std::move(m_self);
    m_group->close(m_group->scope()->absorbs());
    if (m_face)
        std::erase(m_face->m_children, self);
}

} // namespace detail

ObjectTaskGroup::ObjectTaskGroup(QObject *owner)
    : m_owner(owner)
{
    if (!owner)
        throw std::invalid_argument("ObjectTaskGroup: the owner is null");
    requireThread("ObjectTaskGroup()");
    // Direct: the owner is gone when its destructor returns.
    connect(
        owner, &QObject::destroyed, this,
        [this] {
            m_ownerIsGone = true;
            unwind(QStringLiteral("the owner was destroyed"));
        },
        Qt::DirectConnection);
}

ObjectTaskGroup::~ObjectTaskGroup()
{
    unwind(QStringLiteral("the task group was destroyed"));
}

bool ObjectTaskGroup::cancel(const QString &reason)
{
    requireThread("cancel()");
    bool first = false;
    for (const std::shared_ptr<detail::ObjectChildren> &all : std::vector(m_children))
        first |= all->group()->scope()->cancel({reason, Cancelled::Cause::Request, {}});
    return first;
}

qsizetype ObjectTaskGroup::size() const
{
    requireThread("size()");
    qsizetype sum = 0;
    for (const std::shared_ptr<detail::ObjectChildren> &all : m_children)
        sum += all->group()->size();
    return sum;
}

std::shared_ptr<detail::ObjectChildren> ObjectTaskGroup::takesChildren()
{
    requireThread("startSoon()");
    if (m_ownerIsGone)
        throw NotRunningError(QStringLiteral("startSoon(): the owner of this task group was destroyed"));
    detail::Loop &loop = detail::Loop::ensure();
    if (!m_children.empty()) {
        const std::shared_ptr<detail::ObjectChildren> &last = m_children.back();
        if (!last->group()->scope()->isCancelCalled() && &last->group()->loop() == &loop)
            return last;
    }
    const QString name = m_owner->objectName();
    const QString type = QString::fromUtf8(m_owner->metaObject()->className());
    m_children.push_back(
        detail::ObjectChildren::open(*this, loop, name.isEmpty() ? type : QStringLiteral("%1 '%2'").arg(type, name)));
    return m_children.back();
}

void ObjectTaskGroup::adopt(const QString &name, detail::ChildBase &child, detail::ObjectChildren &all)
{
    child.setName(name);
    all.group()->adopt(child);
}

void ObjectTaskGroup::requireThread(const char *call) const
{
    const QThread *own = m_owner ? m_owner->thread() : thread();
    if (QThread::currentThread() == own && thread() == own)
        return;
    throw LogicError(QStringLiteral("%1 from %2, but the task group belongs to the thread of its owner; use "
                                    "QMetaObject::invokeMethod() to get there")
                         .arg(QString::fromUtf8(call), detail::currentThreadName()));
}

void ObjectTaskGroup::unwind(const QString &reason)
{
    // Clean-up code may destroy this object.
    for (const std::shared_ptr<detail::ObjectChildren> &all : std::exchange(m_children, {}))
        all->unwind(reason);
}

} // namespace QMicroIO
