# SPDX-License-Identifier: Apache-2.0
#
# Not tested: see ../README.md. A port of a release would fetch its archive here (vcpkg_download_distfile with the SHA-512).
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH SOURCE_PATH)
cmake_path(GET SOURCE_PATH PARENT_PATH SOURCE_PATH)
cmake_path(GET SOURCE_PATH PARENT_PATH SOURCE_PATH)

vcpkg_cmake_configure(
    SOURCE_PATH ${SOURCE_PATH}
    OPTIONS
        -DQMICROIO_BUILD_TESTS=OFF
        -DQMICROIO_BUILD_EXAMPLES=OFF
        -DQMICROIO_BUILD_BENCHMARKS=OFF
        -DQMICROIO_BUILD_QML=OFF
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME QMicroIO CONFIG_PATH lib/cmake/QMicroIO)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/debug/include ${CURRENT_PACKAGES_DIR}/debug/share)
vcpkg_install_copyright(FILE_LIST ${SOURCE_PATH}/LICENSE)
