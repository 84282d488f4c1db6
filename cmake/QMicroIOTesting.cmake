# SPDX-License-Identifier: Apache-2.0

# What a test program needs in its environment, whoever registers it.
set(QMICROIO_TEST_ENVIRONMENT)
if(QMICROIO_SANITIZE)
    set(common_options "")
    # The sanitizers of Clang find no symbolizer whose name ends in a version, as Debian's does.
    find_program(QMICROIO_SYMBOLIZER NAMES llvm-symbolizer-19 llvm-symbolizer)
    mark_as_advanced(QMICROIO_SYMBOLIZER)
    if(QMICROIO_SYMBOLIZER AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        string(APPEND common_options ":external_symbolizer_path=${QMICROIO_SYMBOLIZER}")
    endif()
    set(suppressions_folder ${PROJECT_SOURCE_DIR}/tests/sanitizers)
    set(tsan_options "second_deadlock_stack=1${common_options}")
    if(QMICROIO_SANITIZE MATCHES "thread")
        # A Qt without instrumentation hides its own locks from the sanitizer, which then takes every hand-over through
        # Qt for a race. With an instrumented Qt only what Qt and the C++ library do among themselves is suppressed.
        get_target_property(qt_core_file Qt6::Core LOCATION)
        file(STRINGS ${qt_core_file} qt_core_instrumented REGEX "__tsan_func_entry" LIMIT_COUNT 1)
        if(NOT qt_core_instrumented)
            message(STATUS "Qt is not built with ThreadSanitizer: calls from Qt's libraries are not checked")
            string(APPEND tsan_options ":suppressions=${suppressions_folder}/tsan.supp:print_suppressions=0")
        else()
            string(APPEND tsan_options ":suppressions=${suppressions_folder}/tsan_instrumented.supp:print_suppressions=0")
        endif()
    endif()
    list(APPEND QMICROIO_TEST_ENVIRONMENT
        "ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1${common_options}"
        "UBSAN_OPTIONS=print_stacktrace=1${common_options}"
        "LSAN_OPTIONS=suppressions=${suppressions_folder}/lsan.supp:print_suppressions=0"
        "TSAN_OPTIONS=${tsan_options}"
    )
endif()

# Tests of programs are registered with add_test() and then handed to this. Labels: unit, stress, package, guard, example.
function(qmicroio_set_up_test name label timeout)
    set_tests_properties(${name} PROPERTIES
        LABELS ${label}
        TIMEOUT ${timeout}
        ENVIRONMENT "${QMICROIO_TEST_ENVIRONMENT}"
    )
endfunction()
