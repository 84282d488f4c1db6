// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "demo.h"

#include <qmicroio/qmicroio.h>

QT_BEGIN_NAMESPACE
class QQuickWindow;
QT_END_NAMESPACE

namespace Demo {

/// What the exercise does wrong on purpose, so that it can be seen to notice.
enum class Planted { Nothing, BlockingCall };

/// Does to the services what a user can do: once while they answer, and once while every one of them stands still, when
/// whoever waited for one would stand still with it. Prints for how long the GUI's thread did not turn at most, and which calls
/// it was seen to wait in; `isGood` says whether that was a short time and none.
QMicroIO::Task<> exercise(Director &director, QQuickWindow &window, Planted planted, bool &isGood);

} // namespace Demo
