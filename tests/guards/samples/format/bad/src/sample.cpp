// SPDX-License-Identifier: Apache-2.0

int sum(const int* values, int count) // expect: clang-format
{
    int result = 0;
    for(int i = 0; i < count; ++i) // expect: clang-format
        result += values[i];
    return result;
}
