// floor 20: what the test kit's library exports
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QtGlobal>

#if defined(QMICROIO_STATIC)
#  define QMICROIO_TEST_EXPORT
#elif defined(QMICROIO_TEST_LIBRARY)
#  define QMICROIO_TEST_EXPORT Q_DECL_EXPORT
#else
#  define QMICROIO_TEST_EXPORT Q_DECL_IMPORT
#endif
