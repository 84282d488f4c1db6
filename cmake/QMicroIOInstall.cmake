# SPDX-License-Identifier: Apache-2.0

include(CMakePackageConfigHelpers)

set(QMICROIO_INSTALL_QMLDIR ${CMAKE_INSTALL_LIBDIR}/qml CACHE STRING "Where QML modules go, below the prefix")
set(QMICROIO_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/QMicroIO)

install(TARGETS QMicroIOCore
    EXPORT QMicroIOTargets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
)

set(QMICROIO_TEST_COMPONENT "")
if(TARGET QMicroIOTest)
    set(QMICROIO_TEST_COMPONENT " Test")
    install(TARGETS QMicroIOTest
        EXPORT QMicroIOTestTargets
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    )
    install(EXPORT QMicroIOTestTargets
        NAMESPACE QMicroIO::
        DESTINATION ${QMICROIO_INSTALL_CMAKEDIR}
    )
endif()

foreach(header IN LISTS QMICROIO_PUBLIC_HEADERS QMICROIO_TEST_HEADERS)
    cmake_path(GET header PARENT_PATH folder)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/include)
    install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder})
endforeach()

install(EXPORT QMicroIOTargets
    NAMESPACE QMicroIO::
    DESTINATION ${QMICROIO_INSTALL_CMAKEDIR}
)

configure_package_config_file(
    ${PROJECT_SOURCE_DIR}/cmake/QMicroIOConfig.cmake.in
    ${PROJECT_BINARY_DIR}/QMicroIOConfig.cmake
    INSTALL_DESTINATION ${QMICROIO_INSTALL_CMAKEDIR}
    PATH_VARS QMICROIO_INSTALL_QMLDIR
)
# Until 1.0 a minor version may change the interface.
write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/QMicroIOConfigVersion.cmake
    COMPATIBILITY SameMinorVersion
)
install(FILES
    ${PROJECT_BINARY_DIR}/QMicroIOConfig.cmake
    ${PROJECT_BINARY_DIR}/QMicroIOConfigVersion.cmake
    DESTINATION ${QMICROIO_INSTALL_CMAKEDIR}
)
