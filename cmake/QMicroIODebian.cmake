# SPDX-License-Identifier: Apache-2.0

# Run by CPack between the installation into its own folders and the packing: what each Debian package has in its folder of
# documents. The licence is named, since Debian has its text once for all; the changelog has Debian's form.

file(GLOB folders ${CPACK_TEMPORARY_DIRECTORY}/*/usr/share/doc/*)
if(NOT folders)
    message(FATAL_ERROR "No folder of documents below ${CPACK_TEMPORARY_DIRECTORY}")
endif()
# Of SOURCE_DATE_EPOCH where that is set.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
foreach(folder IN LISTS folders)
    file(WRITE ${folder}/copyright
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: QMicroIO

Files: *
Copyright: 2026, the QMicroIO contributors
License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
")
    file(WRITE ${folder}/changelog
"qmicroio (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium

  * What has changed is in CHANGELOG.md of the sources.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
    file(REMOVE ${folder}/changelog.gz)
    execute_process(COMMAND gzip -9n ${folder}/changelog RESULT_VARIABLE result)
    if(NOT result EQUAL 0)
        message(FATAL_ERROR "gzip ended with ${result}")
    endif()
    file(CHMOD ${folder}/copyright ${folder}/changelog.gz PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endforeach()
