// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/models.h>
#include <qmicroio/servicethread.h>

#include <QtQml/qqml.h>

// The names that the types of QMicroIO::Core, which knows no QML, have there.

struct ServiceModelForeign
{
    Q_GADGET
    QML_FOREIGN(QMicroIO::ServiceModel)
    QML_NAMED_ELEMENT(ServiceModel)
};

struct ChannelModelForeign
{
    Q_GADGET
    QML_FOREIGN(QMicroIO::ChannelModel)
    QML_NAMED_ELEMENT(ChannelModel)
};

struct RequestModelForeign
{
    Q_GADGET
    QML_FOREIGN(QMicroIO::RequestModel)
    QML_NAMED_ELEMENT(RequestModel)
};

struct TaskModelForeign
{
    Q_GADGET
    QML_FOREIGN(QMicroIO::TaskModel)
    QML_NAMED_ELEMENT(TaskModel)
};

struct TaskListModelForeign
{
    Q_GADGET
    QML_FOREIGN(QMicroIO::TaskListModel)
    QML_NAMED_ELEMENT(TaskListModel)
};

struct TaskRowForeign
{
    Q_GADGET
    QML_FOREIGN(QMicroIO::TaskRow)
    QML_NAMED_ELEMENT(TaskRow)
    QML_UNCREATABLE("TaskRow only holds the enums of the task models")
};

struct ServiceMonitorForeign
{
    Q_GADGET
    QML_FOREIGN(QMicroIO::ServiceMonitor)
    QML_NAMED_ELEMENT(ServiceMonitor)
};

struct ServiceThreadForeign
{
    Q_GADGET
    QML_FOREIGN(QMicroIO::ServiceThread)
    QML_NAMED_ELEMENT(ServiceThread)
    QML_UNCREATABLE("Services are made in C++; use a ServiceMonitor to look at one")
};
