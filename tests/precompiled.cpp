// SPDX-License-Identifier: Apache-2.0
// Its target holds the precompiled headers of the tests; CMake wants a source for it.
