# SPDX-License-Identifier: Apache-2.0

# Debian packages by CPack: one of what a program needs to run, one of the QML module where it is built, one of what a program
# needs to be built. tools/package makes them.
if(NOT PROJECT_IS_TOP_LEVEL)
    return()
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME qmicroio)
set(CPACK_PACKAGE_VENDOR "The QMicroIO maintainers")
set(CPACK_PACKAGE_CONTACT "The QMicroIO maintainers <maintainers@qmicroio.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# CMake 3.25's default, but said: files of the machine that packs must not pass on its umask.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE
)

set(CPACK_COMPONENTS_ALL ${QMICROIO_RUNTIME} ${QMICROIO_DEVELOPMENT})
set(module_dependency "")
if(TARGET QMicroIO::Qml)
    list(APPEND CPACK_COMPONENTS_ALL ${QMICROIO_MODULE})
    set(module_dependency ", qml6-module-qmicroio (= ${PROJECT_VERSION}), qt6-declarative-dev (>= 6.4)")
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The development package's library needs the runtime one, which is not installed while it is made.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY "=")
# Debian's rules ask for a trigger; CPack has the packages call ldconfig in scripts as well, whatever is said here.
set(triggers ${PROJECT_BINARY_DIR}/debian/triggers)
file(WRITE ${triggers} "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# The texts that Debian asks for, in packages only: a prefix of one's own gets the whole licence.
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/QMicroIODebian.cmake)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)

string(TOUPPER ${QMICROIO_RUNTIME} runtime)
set(CPACK_DEBIAN_${runtime}_PACKAGE_NAME libqmicroio)
set(CPACK_DEBIAN_${runtime}_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_${runtime}_PACKAGE_CONTROL_EXTRA ${triggers})
set(about "Services that own a thread and an event loop, coroutines on them that can be
cancelled and never outlive their parent, channels and requests between them.
")
set(CPACK_COMPONENT_${runtime}_DESCRIPTION "${about}This package has the library that programs run with.")

string(TOUPPER ${QMICROIO_DEVELOPMENT} development)
set(CPACK_DEBIAN_${development}_PACKAGE_NAME libqmicroio-dev)
set(CPACK_DEBIAN_${development}_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_${development}_PACKAGE_DEPENDS "libqmicroio (= ${PROJECT_VERSION}), qt6-base-dev (>= 6.4), qcoro-qt6-dev (>= 0.8)${module_dependency}")
set(CPACK_DEBIAN_${development}_PACKAGE_CONTROL_EXTRA ${triggers})
set(CPACK_COMPONENT_${development}_DESCRIPTION "${about}This package has the headers, the test kit, and files for CMake, pkg-config and
qmake.")

string(TOUPPER ${QMICROIO_MODULE} module)
set(CPACK_DEBIAN_${module}_PACKAGE_NAME qml6-module-qmicroio)
set(CPACK_DEBIAN_${module}_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_${module}_PACKAGE_DEPENDS "libqmicroio (= ${PROJECT_VERSION}), qml6-module-qtquick, qml6-module-qtquick-layouts")
set(CPACK_DEBIAN_${module}_PACKAGE_CONTROL_EXTRA ${triggers})
set(CPACK_COMPONENT_${module}_DESCRIPTION "${about}This package has the QML module that shows services and tasks.")

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
    string(TOUPPER ${component} upper)
    install(FILES ${PROJECT_SOURCE_DIR}/LICENSE
        RENAME copyright
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME}
        COMPONENT ${component}
    )
endforeach()

include(CPack)
