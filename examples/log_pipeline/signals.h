// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace LogPipeline {

/// From now on SIGINT and SIGTERM make the returned descriptor readable instead of killing the program. After the first one they
/// kill again: who presses Ctrl-C twice does not want to wait.
int catchStopSignals();

} // namespace LogPipeline
