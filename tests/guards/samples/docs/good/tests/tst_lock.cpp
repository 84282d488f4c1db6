// SPDX-License-Identifier: Apache-2.0
namespace Lock {
// Trap 1
// snippet: turns
void turns()
{
    clicks();
}
// end of snippet
} // namespace Lock
