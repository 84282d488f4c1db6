# SPDX-License-Identifier: Apache-2.0

# Everything here acts on our own directories only. Nothing of it reaches a user through QMicroIO::Core,
# neither through the installed package nor through add_subdirectory().

option(QMICROIO_WERROR "Treat compiler warnings as errors (set by presets)" OFF)
option(QMICROIO_STRICT "Warn about narrowing and shadowing in the library and its headers (set by presets)" OFF)
option(QMICROIO_TEST_GUARDS "Register the tests of the source checks (needs clang-format-19, clang-tidy-19)" OFF)
option(QMICROIO_PRECOMPILE "With Clang, precompile headers for our own targets (set by presets)" OFF)
set(QMICROIO_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined (set by presets)")

if(PROJECT_IS_TOP_LEVEL)
    find_program(QMICROIO_CCACHE ccache)
    mark_as_advanced(QMICROIO_CCACHE)
    if(QMICROIO_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
        # Otherwise it would keep nothing that uses precompiled headers. Those hold no macro of a time or date. What was included it
        # takes from the compiler, which costs nothing, instead of running the preprocessor first.
        set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_DEPEND=1 ${QMICROIO_CCACHE})
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

# qmicroio_precompile(TARGET [HEADER...]): these headers are read once for the target, without HEADER those of Qt and of the standard
# library that much of the code includes.
# qmicroio_precompile(TARGET REUSE_FROM OTHER): what was precompiled for another target.
#
# With Clang that halves the time of compiling a source. With GCC 12 nothing is won, since each source maps a file of 250 MB which ccache reads
# as well; so it goes without, and finds forgotten includes.
function(qmicroio_precompile target)
    if(NOT QMICROIO_PRECOMPILE OR NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        return()
    endif()
    set(headers ${ARGN})
    if(NOT headers)
        set(headers
            <QtConcurrent/QtConcurrent>
            <QtCore/QCoreApplication>
            <QtCore/QDeadlineTimer>
            <QtCore/QFutureWatcher>
            <QtCore/QLoggingCategory>
            <QtCore/QPointer>
            <QtCore/QPromise>
            <QtCore/QThread>
            <QtCore/QTimer>
            <QCoro/QCoroTask>
            <algorithm> <atomic> <chrono> <condition_variable> <coroutine> <deque> <functional> <map> <memory> <mutex> <optional>
            <unordered_map> <variant> <vector>
        )
    endif()
    if(headers MATCHES "^REUSE_FROM;")
        target_precompile_headers(${target} ${headers})
    else()
        target_precompile_headers(${target} PRIVATE ${headers})
    endif()
    # What ccache asks for.
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
    # Where each source includes what moc makes of it this file is empty, and precompiled headers cost it seconds.
    set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/${target}_autogen/mocs_compilation.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# What a system alone offers stands in a file of its own: NAME_posix.cpp and NAME_windows.cpp, or NAME_linux.cpp and
# NAME_elsewhere.cpp. Takes from the list what belongs to others; tools/check-portability looks that nothing stands elsewhere.
function(qmicroio_keep_sources_of_this_system list)
    if(WIN32)
        set(others posix)
    else()
        set(others windows)
    endif()
    if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
        list(APPEND others elsewhere)
    else()
        list(APPEND others linux)
    endif()
    list(JOIN others "|" others)
    list(FILTER ${list} EXCLUDE REGEX "_(${others})\\.cpp$")
    set(${list} "${${list}}" PARENT_SCOPE)
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

# Whether an example that needs more than Core can be built here; says why not. MODULES: of Qt. POSIX: has files that need it.
function(qmicroio_example_needs name result)
    cmake_parse_arguments(PARSE_ARGV 2 arg "POSIX" "DEBIAN" "MODULES")
    set(${result} FALSE PARENT_SCOPE)
    if(arg_POSIX AND WIN32)
        message(STATUS "Example ${name} is left out: it needs POSIX")
        return()
    endif()
    foreach(module IN LISTS arg_MODULES)
        find_package(Qt6 6.4 QUIET COMPONENTS ${module})
        if(NOT TARGET Qt6::${module})
            message(STATUS "Example ${name} is left out: Qt6${module} was not found (Debian: ${arg_DEBIAN})")
            return()
        endif()
    endforeach()
    set(${result} TRUE PARENT_SCOPE)
endfunction()

# A target of an example, as a strict user would build it.
function(qmicroio_set_up_example target)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    target_compile_definitions(${target} PRIVATE QT_NO_KEYWORDS QT_NO_CAST_FROM_ASCII)
    target_link_libraries(${target} PRIVATE QMicroIO::Core)
    qmicroio_strict_warnings(${target})
    qmicroio_precompile(${target} REUSE_FROM qmicroio_example_headers)
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
