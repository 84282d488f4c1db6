// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QString>
#include <QtGui/QColor>
#include <QtQml/qqml.h>
#include <QtQuick/QQuickPaintedItem>

namespace QMicroIO {

/// A state as a shape, so that no state is told by its colour alone: each has a shape of its own.
///
/// Thread: the GUI's.
class StateMark : public QQuickPaintedItem
{
    Q_OBJECT
    QML_ELEMENT
    /// A state name of ServiceModel, TaskListModel or ChannelModel; any other is drawn as a point.
    Q_PROPERTY(QString stateName READ stateName WRITE setStateName NOTIFY stateNameChanged)
    Q_PROPERTY(QColor color READ color WRITE setColor NOTIFY colorChanged)
public:
    explicit StateMark(QQuickItem *parent = nullptr);

    QString stateName() const { return m_stateName; }
    void setStateName(const QString &name);
    QColor color() const { return m_color; }
    void setColor(const QColor &color);

    void paint(QPainter *painter) override;

Q_SIGNALS:
    void stateNameChanged();
    void colorChanged();

private:
    QString m_stateName;
    QColor m_color = Qt::gray;
};

} // namespace QMicroIO
