// SPDX-License-Identifier: Apache-2.0
int main()
{
    return sched_getcpu() == 0 ? 1 : 0; // expect: sched_getcpu() is no function of C++
}
