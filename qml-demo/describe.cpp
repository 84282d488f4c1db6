// SPDX-License-Identifier: Apache-2.0
#include "describe.h"

#include <QtCore/QMetaEnum>
#include <QtGui/QAccessible>
#include <QtGui/QGuiApplication>
#include <QtQuick/QQuickItem>
#include <QtQuick/QQuickWindow>

namespace Demo {
namespace {

void add(const QAccessibleInterface &thing, int depth, QStringList &lines)
{
    const char *role = QMetaEnum::fromType<QAccessible::Role>().valueToKey(thing.role());
    lines += QStringLiteral("%1%2 '%3' '%4'")
                 .arg(QString(qsizetype(2) * depth, u' '), QString::fromLatin1(role), thing.text(QAccessible::Name),
                      thing.text(QAccessible::Description));
    for (int i = 0; i < thing.childCount(); ++i) {
        if (const QAccessibleInterface *child = thing.child(i); child && !child->state().invisible)
            add(*child, depth + 1, lines);
    }
}

} // namespace

QStringList describe(QQuickWindow &window)
{
    QStringList lines;
    if (const QAccessibleInterface *all = QAccessible::queryAccessibleInterface(&window))
        add(*all, 0, lines);
    QQuickItem *const first = window.contentItem()->nextItemInFocusChain();
    QQuickItem *item = first;
    do {
        const QAccessibleInterface *thing = QAccessible::queryAccessibleInterface(item);
        lines += QStringLiteral("focus: ") + (thing ? thing->text(QAccessible::Name) : QString());
        item = item->nextItemInFocusChain();
    } while (item && item != first && lines.size() < 10'000);
    lines += QGuiApplication::isRightToLeft() ? QStringLiteral("mirrored: yes") : QStringLiteral("mirrored: no");
    return lines;
}

} // namespace Demo
