// SPDX-License-¦Identifier: Apache-2.0 // expect: the first line must be
// floor 0: in the wrong place
