# SPDX-License-Identifier: Apache-2.0

# Runs a program and compares what it prints on standard output with a file, byte for byte. Used by the tests of examples:
#   cmake -DPROGRAM=... [-DARGUMENTS=...] -DEXPECTED=... -P CompareOutput.cmake

foreach(name IN ITEMS PROGRAM EXPECTED)
    if(NOT ${name})
        message(FATAL_ERROR "CompareOutput.cmake: -D${name}=... is missing")
    endif()
endforeach()

# Through a file: in a variable CMake would drop a carriage return here and a NUL there.
string(RANDOM LENGTH 12 unique)
cmake_path(GET PROGRAM FILENAME name)
set(printed ${CMAKE_CURRENT_BINARY_DIR}/${name}-${unique}.out)
execute_process(COMMAND ${PROGRAM} ${ARGUMENTS} OUTPUT_FILE ${printed} ERROR_VARIABLE complaints RESULT_VARIABLE code)
file(READ ${printed} hex HEX)
file(READ ${EXPECTED} expected_hex HEX)
file(READ ${printed} text)
file(REMOVE ${printed})

if(NOT code STREQUAL "0")
    message(FATAL_ERROR "${name} ended with ${code}\n${complaints}${text}")
endif()
if(NOT complaints STREQUAL "")
    message(FATAL_ERROR "${name} wrote to standard error:\n${complaints}")
endif()
if(NOT hex STREQUAL expected_hex)
    file(READ ${EXPECTED} expected)
    message(FATAL_ERROR "${name} printed\n${text}\ninstead of\n${expected}")
endif()
