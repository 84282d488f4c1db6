// SPDX-License-Identifier: Apache-2.0
namespace Lock {
    // snippet: turns
    void turns()
    {
        clicks();
    }
    // end of snippet
}
