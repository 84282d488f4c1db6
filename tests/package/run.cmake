# SPDX-License-Identifier: Apache-2.0
#
# Builds and runs one consumer project the way a user would, in a fresh folder.

function(run)
    cmake_parse_arguments(PARSE_ARGV 0 arg "EXPECT_FAILURE" "OUTPUT" "COMMAND")
    execute_process(COMMAND ${arg_COMMAND} RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
    list(JOIN arg_COMMAND " " shown)
    if(arg_EXPECT_FAILURE)
        if(result EQUAL 0)
            message(FATAL_ERROR "Succeeded and should not: ${shown}\n${text}")
        endif()
    elseif(NOT result EQUAL 0)
        message(FATAL_ERROR "Failed (${result}): ${shown}\n${text}")
    endif()
    if(arg_OUTPUT)
        # CMake wraps its messages at an arbitrary word.
        string(REGEX REPLACE "[ \n]+" " " text "${text}")
        set(${arg_OUTPUT} "${text}" PARENT_SCOPE)
    endif()
endfunction()

set(build ${WORK}/build)
set(prefix ${WORK}/prefix)
file(REMOVE_RECURSE ${WORK})

set(configure
    ${CMAKE_COMMAND} -S ${CONSUMER} -B ${build} -G ${GENERATOR}
    -DCMAKE_BUILD_TYPE=Debug
    -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
    -DQt6_DIR=${Qt6_DIR}
)

if(KIND STREQUAL "installed")
    run(COMMAND ${CMAKE_COMMAND} --install ${BUILT} --prefix ${prefix})
    # Nothing of the build or source tree may be needed by, or named in, what was installed.
    file(GLOB_RECURSE package_files ${prefix}/*.cmake)
    if(NOT package_files)
        message(FATAL_ERROR "No CMake package was installed into ${prefix}")
    endif()
    foreach(file IN LISTS package_files)
        file(READ ${file} text)
        string(FIND "${text}" "${SOURCE}" found)
        if(NOT found EQUAL -1)
            message(FATAL_ERROR "${file} names the source tree ${SOURCE}")
        endif()
        # Our warnings are ours.
        if(text MATCHES "-W(error|all|extra|pedantic)|-fsanitize|QT_NO_")
            message(FATAL_ERROR "${file} hands \"${CMAKE_MATCH_0}\" on to users")
        endif()
    endforeach()

    list(APPEND configure -DCMAKE_PREFIX_PATH=${prefix})
    run(COMMAND ${configure} -DWANTED_VERSION=${VERSION})
    run(COMMAND ${CMAKE_COMMAND} --build ${build})
    run(COMMAND ${build}/consumer)
    run(COMMAND ${build}/consumer_test)

    run(EXPECT_FAILURE OUTPUT said COMMAND ${configure} -DWANTED_VERSION=${VERSION} -DWANTED_COMPONENT=Kore)
    if(NOT said MATCHES "has no component \"Kore\"")
        message(FATAL_ERROR "An unknown component is not named: ${said}")
    endif()
    run(EXPECT_FAILURE OUTPUT said COMMAND ${configure} -DWANTED_VERSION=99.0 -DWANTED_COMPONENT=Core)
    if(NOT said MATCHES "${VERSION}")
        message(FATAL_ERROR "The version that was found and not accepted is not named: ${said}")
    endif()
elseif(KIND STREQUAL "qml")
    run(COMMAND ${CMAKE_COMMAND} --install ${BUILT} --prefix ${prefix})
    foreach(name IN ITEMS qmldir QMicroIOQml.qmltypes StatusChip.qml)
        file(GLOB_RECURSE found ${prefix}/${name}) # at any depth
        if(NOT found)
            message(FATAL_ERROR "${name} of the QML module was not installed into ${prefix}")
        endif()
    endforeach()
    run(COMMAND ${configure} -DCMAKE_PREFIX_PATH=${prefix} -DWANTED_VERSION=${VERSION})
    run(COMMAND ${CMAKE_COMMAND} --build ${build})
    run(COMMAND ${build}/consumer)
else()
    run(COMMAND ${configure} -DQMICROIO_SOURCE=${SOURCE})
    run(COMMAND ${CMAKE_COMMAND} --build ${build})
    run(COMMAND ${build}/consumer)
endif()
