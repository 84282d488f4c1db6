// SPDX-License-Identifier: Apache-2.0
// For targets that hold the precompiled headers of others; CMake wants a source for them.
