// floor 0: which names leave the library
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/qglobal.h>

#if !defined(__cpp_rtti) && !defined(_CPPRTTI)
#  error "QMicroIO needs run-time type information (no -fno-rtti): errors are told apart by their type across libraries"
#endif
#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#  error "QMicroIO needs exceptions (no -fno-exceptions): failures and cancellations are exceptions"
#endif

#if defined(QMICROIO_STATIC)
#  define QMICROIO_EXPORT
#elif defined(QMICROIO_CORE_LIBRARY)
#  define QMICROIO_EXPORT Q_DECL_EXPORT
#else
#  define QMICROIO_EXPORT Q_DECL_IMPORT
#endif
