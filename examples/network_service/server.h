// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lines.h"

#include <qmicroio/qmicroio.h>

/// Answers each line "ID TEXT" with "ID TEXT in capitals", on the loopback interface.
class Server : public QMicroIO::LoopServiceThread
{
public:
    explicit Server(const Lines::Limits &limits = {});
    ~Server() override;
    quint16 port() const { return m_port; } // once it is ready

protected:
    QMicroIO::Task<> runAsync() override;

private:
    static QMicroIO::Task<QByteArray> answer(QByteArray line);

    const Lines::Limits m_limits;
    quint16 m_port = 0; // written before started()
};
