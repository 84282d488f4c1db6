// floor 0: a peer
// SPDX-License-Identifier: Apache-2.0
