// Another licence. expect: no "SPDX
// SPDX-License-¦Identifier: MIT
