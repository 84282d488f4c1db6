// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/qmicroio.h>

namespace Demo {

/// A service of very many tasks, each of which goes on once a second. To see what that costs the dashboard.
class Crowd : public QMicroIO::LoopServiceThread
{
public:
    explicit Crowd(int members);
    ~Crowd() override;

protected:
    QMicroIO::Task<> runAsync() override;

private:
    const int m_members;
};

} // namespace Demo
