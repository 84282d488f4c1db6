// SPDX-License-Identifier: Apache-2.0
#include "primes.h"

#include <qmicroio/cancelscope.h>

using namespace QMicroIO;

namespace {

bool isPrime(int number)
{
    for (int divisor = 2; divisor * divisor <= number; ++divisor) {
        if (number % divisor == 0)
            return false;
    }
    return number > 1;
}

} // namespace

// snippet: work
Task<int> countPrimes(int limit, ChannelSender<int> percent)
{
    int count = 0;
    for (int number = 0; number < limit; ++number) {
        count += isPrime(number) ? 1 : 0;
        if (number % 1000 == 0) {
            percent.sendNowait(int(100LL * number / limit)); // as often as it likes: only the newest value is kept
            co_await checkpoint(); // throws Cancelled once somebody has pressed the button
        }
    }
    percent.sendNowait(100);
    co_return count;
}
// end of snippet
