// SPDX-License-Identifier: Apache-2.0
// B7
void opensOnce() {}
