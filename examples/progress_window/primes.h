// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/channel.h>
#include <qmicroio/task.h>

// How many primes there are below `limit`. Runs on the loop of whoever awaits it, tells how many per cent are done, and
// lets others have their turn, so that it can be cancelled at any time.
QMicroIO::Task<int> countPrimes(int limit, QMicroIO::ChannelSender<int> percent);
