// floor 1: which version this is, and what a newer one asks you to leave behind
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/export.h>

#include <QtCore/QtGlobal>

// CMakeLists.txt reads the version from these three lines.
#define QMICROIO_VERSION_MAJOR 0
#define QMICROIO_VERSION_MINOR 1
#define QMICROIO_VERSION_PATCH 0

/// The version of the headers as one number: `#if QMICROIO_VERSION >= QT_VERSION_CHECK(0, 2, 0)`.
#define QMICROIO_VERSION QT_VERSION_CHECK(QMICROIO_VERSION_MAJOR, QMICROIO_VERSION_MINOR, QMICROIO_VERSION_PATCH)

// What is deprecated in a version is declared behind `#if QMICROIO_DEPRECATED_SINCE(major, minor)` with
// QMICROIO_DEPRECATED_X("what to use instead"). Who defines QMICROIO_DISABLE_DEPRECATED_UP_TO as a version number does
// not see what was deprecated in that version or before; who defines QMICROIO_NO_DEPRECATED_WARNINGS gets no warnings.
#ifndef QMICROIO_DISABLE_DEPRECATED_UP_TO
#  define QMICROIO_DISABLE_DEPRECATED_UP_TO 0
#endif
#define QMICROIO_DEPRECATED_SINCE(major, minor) (QT_VERSION_CHECK(major, minor, 0) > QMICROIO_DISABLE_DEPRECATED_UP_TO)
#ifdef QMICROIO_NO_DEPRECATED_WARNINGS
#  define QMICROIO_DEPRECATED_X(text)
#else
#  define QMICROIO_DEPRECATED_X(text) [[deprecated(text)]]
#endif

namespace QMicroIO {

/// The version of the library that runs, as QMICROIO_VERSION; the headers a program was built with may be others.
///
/// Thread: any. Cost: nothing but the call.
[[nodiscard]] QMICROIO_EXPORT int libraryVersion() noexcept;

} // namespace QMicroIO
