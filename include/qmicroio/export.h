// floor 0: which names leave the library
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/qglobal.h>

#if defined(QMICROIO_STATIC)
#  define QMICROIO_EXPORT
#elif defined(QMICROIO_CORE_LIBRARY)
#  define QMICROIO_EXPORT Q_DECL_EXPORT
#else
#  define QMICROIO_EXPORT Q_DECL_IMPORT
#endif
