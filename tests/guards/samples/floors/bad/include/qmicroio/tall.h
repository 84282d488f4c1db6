// floor 3: as high as the umbrella
// SPDX-License-Identifier: Apache-2.0
