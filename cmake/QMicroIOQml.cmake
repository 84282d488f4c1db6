# SPDX-License-Identifier: Apache-2.0

# The QML module, where it can be built; otherwise a line that says what it lacks.

set(QMICROIO_QML_OUTPUT ${PROJECT_BINARY_DIR}/qml)

get_target_property(core_type QMicroIOCore TYPE)
find_package(Qt6 6.4 QUIET COMPONENTS Gui Qml Quick)
if(NOT Qt6Quick_FOUND OR NOT Qt6Qml_FOUND)
    message(STATUS "QMicroIO: no QML module and no dashboard, Qt6Quick was not found (Debian: qt6-declarative-dev)")
elseif(NOT core_type STREQUAL "SHARED_LIBRARY")
    # A plugin and the program that loads it would each have a list of services of their own.
    message(STATUS "QMicroIO: no QML module and no dashboard, they need BUILD_SHARED_LIBS=ON")
else()
    qt_extract_metatypes(QMicroIOCore)
    add_subdirectory(src/qml)
endif()
