// SPDX-License-Identifier: Apache-2.0
#include "logging_p.h"

namespace QMicroIO::detail {

Q_LOGGING_CATEGORY(lcService, "qmicroio.service", QtWarningMsg)
Q_LOGGING_CATEGORY(lcTask, "qmicroio.task", QtWarningMsg)
Q_LOGGING_CATEGORY(lcChannel, "qmicroio.channel", QtWarningMsg)
Q_LOGGING_CATEGORY(lcRequest, "qmicroio.request", QtWarningMsg)

} // namespace QMicroIO::detail
