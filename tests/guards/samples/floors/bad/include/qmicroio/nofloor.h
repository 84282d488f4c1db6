// floor one: not a number // expect: the first line must be
// SPDX-License-Identifier: Apache-2.0
