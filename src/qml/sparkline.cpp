// SPDX-License-Identifier: Apache-2.0
#include "sparkline.h"

#include <QtGui/QPainter>
#include <QtGui/QPainterPath>

#include <algorithm>
#include <cmath>

namespace QMicroIO {

Sparkline::Sparkline(QQuickItem *parent)
    : QQuickPaintedItem(parent)
{
    setAntialiasing(true);
    setImplicitSize(120, 32);
}

void Sparkline::setValues(const QList<double> &values)
{
    if (values == m_values)
        return;
    m_values = values;
    m_peak = 0;
    for (double &value : m_values) {
        if (!std::isfinite(value) || value < 0)
            value = 0;
        m_peak = std::max(m_peak, value);
    }
    Q_EMIT valuesChanged();
    update();
}

void Sparkline::setColor(const QColor &color)
{
    if (color == m_color)
        return;
    m_color = color;
    Q_EMIT colorChanged();
    update();
}

void Sparkline::setLength(int length)
{
    length = std::clamp(length, 2, 100'000);
    if (length == m_length)
        return;
    m_length = length;
    Q_EMIT lengthChanged();
    update();
}

void Sparkline::setCeiling(double ceiling)
{
    if (!std::isfinite(ceiling) || ceiling <= 0 || ceiling == m_ceiling)
        return;
    m_ceiling = ceiling;
    Q_EMIT ceilingChanged();
    update();
}

void Sparkline::paint(QPainter *painter)
{
    const double w = width();
    const double h = height();
    QColor ground = m_color;
    ground.setAlphaF(0.35F);
    painter->setRenderHint(QPainter::Antialiasing);
    painter->setPen(QPen(ground, 1));
    painter->drawLine(QPointF(0, h - 0.5), QPointF(w, h - 0.5));
    const qsizetype count = std::min<qsizetype>(m_values.size(), m_length);
    if (count < 2 || w < 4 || h < 4)
        return;
    constexpr double Margin = 1.5; // of the line's width
    const double top = std::max(m_peak, m_ceiling);
    const double step = w / double(m_length - 1);
    const auto point = [&](qsizetype fromEnd) {
        const double value = m_values.at(m_values.size() - 1 - fromEnd);
        return QPointF(w - step * double(fromEnd), h - Margin - (h - 2 * Margin) * value / top);
    };
    QPainterPath line(point(count - 1));
    for (qsizetype i = count - 2; i >= 0; --i)
        line.lineTo(point(i));
    QPainterPath area(line);
    area.lineTo(w, h);
    area.lineTo(w - step * double(count - 1), h);
    area.closeSubpath();
    QLinearGradient fade(0, 0, 0, h);
    QColor light = m_color;
    light.setAlphaF(0.30F);
    fade.setColorAt(0, light);
    light.setAlphaF(0.04F);
    fade.setColorAt(1, light);
    painter->fillPath(area, fade);
    painter->strokePath(line, QPen(m_color, 1.5, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
}

} // namespace QMicroIO
