// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QList>
#include <QtGui/QColor>
#include <QtQml/qqml.h>
#include <QtQuick/QQuickPaintedItem>

namespace QMicroIO {

/// A small chart of one number over time, the newest value at the end of the line.
///
/// Values that are no numbers, or less than zero, are shown as zero. Without values it is empty.
/// Thread: the GUI's.
class Sparkline : public QQuickPaintedItem
{
    Q_OBJECT
    QML_ELEMENT
    Q_PROPERTY(QList<double> values READ values WRITE setValues NOTIFY valuesChanged)
    Q_PROPERTY(QColor color READ color WRITE setColor NOTIFY colorChanged)
    /// How many values the whole width stands for; fewer begin further on.
    Q_PROPERTY(int length READ length WRITE setLength NOTIFY lengthChanged)
    /// The value at the top; at least this much, and more when a value is greater.
    Q_PROPERTY(double ceiling READ ceiling WRITE setCeiling NOTIFY ceilingChanged)
    /// The greatest value shown.
    Q_PROPERTY(double peak READ peak NOTIFY valuesChanged)
public:
    explicit Sparkline(QQuickItem *parent = nullptr);

    QList<double> values() const { return m_values; }
    void setValues(const QList<double> &values);
    QColor color() const { return m_color; }
    void setColor(const QColor &color);
    int length() const { return m_length; }
    void setLength(int length);
    double ceiling() const { return m_ceiling; }
    void setCeiling(double ceiling);
    double peak() const { return m_peak; }

    void paint(QPainter *painter) override;

Q_SIGNALS:
    void valuesChanged();
    void colorChanged();
    void lengthChanged();
    void ceilingChanged();

private:
    QList<double> m_values;
    QColor m_color = QColor(0x2f, 0x5f, 0xd0);
    int m_length = 120;
    double m_ceiling = 1;
    double m_peak = 0;
};

} // namespace QMicroIO
