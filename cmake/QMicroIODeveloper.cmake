# SPDX-License-Identifier: Apache-2.0

# Everything here acts on our own directories only. Nothing of it reaches a user through QMicroIO::Core,
# neither through the installed package nor through add_subdirectory().

option(QMICROIO_WERROR "Treat compiler warnings as errors (set by presets)" OFF)
option(QMICROIO_STRICT "Warn about narrowing and shadowing in the library and its headers (set by presets)" OFF)
option(QMICROIO_TEST_GUARDS "Register the tests of the source checks (needs clang-format-19, clang-tidy-19)" OFF)
set(QMICROIO_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined (set by presets)")

if(PROJECT_IS_TOP_LEVEL)
    find_program(QMICROIO_CCACHE ccache)
    mark_as_advanced(QMICROIO_CCACHE)
    if(QMICROIO_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
        # Otherwise it would keep nothing that uses the precompiled headers of the tests. Those hold no macro of a time or date.
        set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${QMICROIO_CCACHE})
    endif()
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

    add_compile_options(-Wall -Wextra -Wpedantic)
endif()

if(QMICROIO_WERROR)
    add_compile_options(-Werror)
endif()

if(QMICROIO_SANITIZE)
    add_compile_options(-fsanitize=${QMICROIO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${QMICROIO_SANITIZE})
endif()

# Clang's -Wconversion includes signedness and GCC's does not; both are held to the same rule.
set(QMICROIO_STRICT_WARNINGS -Wconversion -Wno-sign-conversion -Wshadow)

function(qmicroio_strict_warnings target)
    if(QMICROIO_STRICT)
        target_compile_options(${target} PRIVATE ${QMICROIO_STRICT_WARNINGS})
    endif()
endfunction()

# Adds each folder below `folder` that has a CMakeLists.txt, and `folder` itself where it has one of its own.
function(qmicroio_add_subdirectories folder)
    if(EXISTS ${PROJECT_SOURCE_DIR}/${folder}/CMakeLists.txt)
        add_subdirectory(${folder})
        return()
    endif()
    file(GLOB lists CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*/CMakeLists.txt)
    foreach(list IN LISTS lists)
        cmake_path(GET list PARENT_PATH directory)
        cmake_path(RELATIVE_PATH directory BASE_DIRECTORY ${PROJECT_SOURCE_DIR})
        add_subdirectory(${directory})
    endforeach()
endfunction()

# One program per bench_*.cpp, unless the folder brings rules of its own.
function(qmicroio_add_benchmarks folder)
    if(EXISTS ${PROJECT_SOURCE_DIR}/${folder}/CMakeLists.txt)
        add_subdirectory(${folder})
        return()
    endif()
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/bench_*.cpp)
    if(NOT sources)
        return()
    endif()
    find_package(benchmark REQUIRED)
    foreach(source IN LISTS sources)
        cmake_path(GET source STEM name)
        add_executable(${name} ${source})
        set_target_properties(${name} PROPERTIES
            AUTOMOC ON
            CXX_EXTENSIONS OFF
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder}
        )
        target_link_libraries(${name} PRIVATE QMicroIO::Core benchmark::benchmark)
    endforeach()
endfunction()

# A target of an example, as a strict user would build it.
function(qmicroio_set_up_example target)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    target_compile_definitions(${target} PRIVATE QT_NO_KEYWORDS QT_NO_CAST_FROM_ASCII)
    target_link_libraries(${target} PRIVATE QMicroIO::Core)
    qmicroio_strict_warnings(${target})
endfunction()

# An example of one file, main.cpp, whose whole output is expected.txt.
function(qmicroio_add_example name)
    add_executable(${name} main.cpp)
    qmicroio_set_up_example(${name})
    if(QMICROIO_BUILD_TESTS)
        add_test(NAME example_${name}
            COMMAND ${CMAKE_COMMAND}
                -DPROGRAM=$<TARGET_FILE:${name}>
                -DEXPECTED=${CMAKE_CURRENT_SOURCE_DIR}/expected.txt
                -P ${PROJECT_SOURCE_DIR}/cmake/CompareOutput.cmake
        )
        qmicroio_set_up_test(example_${name} example 120)
    endif()
endfunction()
