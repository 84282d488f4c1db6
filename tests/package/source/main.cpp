// SPDX-License-Identifier: Apache-2.0

#include <qmicroio/qmicroio.h>

int main()
{
    QMicroIO::CloseScope scope;
    scope.close(QStringLiteral("bye"));
    return scope.isClosed() ? 0 : 1;
}
