// floor 1: a header of a part
// SPDX-License-Identifier: Apache-2.0
#pragma once
