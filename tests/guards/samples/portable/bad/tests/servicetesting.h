// SPDX-License-Identifier: Apache-2.0, expect: needs it no more
