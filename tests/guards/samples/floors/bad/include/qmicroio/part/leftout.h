// floor 1: a header that its umbrella forgot
// SPDX-License-Identifier: Apache-2.0
#pragma once
