// SPDX-License-Identifier: Apache-2.0
namespace Lock {
    // snippet: turns
    void turns() {}
    // end of snippet
    // snippet: open
    void locks() {}
    // snippet: twice
    void rattles() {}
    // end of snippet
    // snippet: twice
    // end of snippet
}
