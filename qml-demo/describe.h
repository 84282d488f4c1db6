// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QStringList>

QT_BEGIN_NAMESPACE
class QQuickWindow;
QT_END_NAMESPACE

namespace Demo {

/// What a screen reader finds in the window, a line for each thing: role, 'name' and 'description', indented as a tree. Then
/// a line "focus: NAME" for each item that Tab reaches, in that order, and whether all is mirrored. The GUI's thread.
QStringList describe(QQuickWindow &window);

} // namespace Demo
