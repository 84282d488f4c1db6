# SPDX-License-Identifier: Apache-2.0

include(CMakePackageConfigHelpers)

set(QMICROIO_INSTALL_QMLDIR ${CMAKE_INSTALL_LIBDIR}/qml CACHE STRING "Where QML modules go, below the prefix")
set(QMICROIO_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/QMicroIO)

# Three components: what a program needs to run, the QML module, and what a program needs to be built and tested.
# QMicroIOPackage.cmake makes a package of each.
set(QMICROIO_RUNTIME QMicroIORuntime)
set(QMICROIO_MODULE QMicroIOModule)
set(QMICROIO_DEVELOPMENT QMicroIODevelopment)

install(TARGETS QMicroIOCore
    EXPORT QMicroIOTargets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${QMICROIO_RUNTIME}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${QMICROIO_RUNTIME} NAMELINK_COMPONENT ${QMICROIO_DEVELOPMENT}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${QMICROIO_DEVELOPMENT}
)

if(TARGET QMicroIOTest)
    install(TARGETS QMicroIOTest
        EXPORT QMicroIOTestTargets
        # Only who develops runs tests, so all of it belongs there.
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ${QMICROIO_DEVELOPMENT}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${QMICROIO_DEVELOPMENT}
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${QMICROIO_DEVELOPMENT}
    )
    install(EXPORT QMicroIOTestTargets
        NAMESPACE QMicroIO::
        DESTINATION ${QMICROIO_INSTALL_CMAKEDIR}
        COMPONENT ${QMICROIO_DEVELOPMENT}
    )
endif()

foreach(header IN LISTS QMICROIO_PUBLIC_HEADERS QMICROIO_TEST_HEADERS)
    cmake_path(GET header PARENT_PATH folder)
    cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${PROJECT_SOURCE_DIR}/include)
    install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder} COMPONENT ${QMICROIO_DEVELOPMENT})
endforeach()

install(EXPORT QMicroIOTargets
    NAMESPACE QMicroIO::
    DESTINATION ${QMICROIO_INSTALL_CMAKEDIR}
    COMPONENT ${QMICROIO_DEVELOPMENT}
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
    COMPONENT ${QMICROIO_DEVELOPMENT}
)

# ---------------------------------------------------------------------------------------------------------------------
# For programs that are not built with CMake: pkg-config and qmake. Both files find the rest from where they lie, so the
# prefix may be moved.

# QCoro brings no pkg-config file, so ours says where it is.
get_target_property(qcoro_file QCoro6::Core LOCATION)
cmake_path(GET qcoro_file PARENT_PATH qcoro_folder)
set(QMICROIO_PC_QCORO_LIBS "-lQCoro6Core")
if(NOT qcoro_folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    string(PREPEND QMICROIO_PC_QCORO_LIBS "-L${qcoro_folder} ")
endif()
get_target_property(qcoro_includes QCoro6::Core INTERFACE_INCLUDE_DIRECTORIES)
set(QMICROIO_PC_QCORO_CFLAGS "")
foreach(folder IN LISTS qcoro_includes)
    if(NOT folder IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
        string(APPEND QMICROIO_PC_QCORO_CFLAGS " -I${folder}")
    endif()
endforeach()
set(QMICROIO_PC_STATIC "")
set(QMICROIO_PRI_STATIC "")
if(core_type STREQUAL "STATIC_LIBRARY")
    set(QMICROIO_PC_STATIC " -DQMICROIO_STATIC")
    set(QMICROIO_PRI_STATIC "DEFINES += QMICROIO_STATIC")
endif()

set(pc_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(pri_folder ${CMAKE_INSTALL_DATADIR}/qmicroio)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pc_folder} OUTPUT_VARIABLE QMICROIO_PC_PREFIX)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX}/${pri_folder} OUTPUT_VARIABLE QMICROIO_PRI_PREFIX)

set(pc_names qmicroio)
if(TARGET QMicroIOTest)
    list(APPEND pc_names qmicroio-test)
endif()
foreach(name IN LISTS pc_names)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${pc_folder} COMPONENT ${QMICROIO_DEVELOPMENT})
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/cmake/qmicroio.pri.in ${PROJECT_BINARY_DIR}/qmicroio.pri @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/qmicroio.pri DESTINATION ${pri_folder} COMPONENT ${QMICROIO_DEVELOPMENT})
