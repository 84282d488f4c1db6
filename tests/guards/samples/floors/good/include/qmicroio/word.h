// floor 0: a word
// SPDX-License-Identifier: Apache-2.0
