// SPDX-License-Identifier: Apache-2.0
#include "statemark.h"

#include <QtCore/QHash>
#include <QtGui/QPainter>
#include <QtGui/QPainterPath>

#include <algorithm>

namespace QMicroIO {

namespace {

enum class Shape { Point, Check, Cross, Ring, HalfRing, Square, Triangle, Play, Pause, Clock };

Shape shapeOf(const QString &state)
{
    static const QHash<QString, Shape> shapes{
        {QStringLiteral("Ready"), Shape::Check},       {QStringLiteral("Answers"), Shape::Check},
        {QStringLiteral("Open"), Shape::Check},        {QStringLiteral("Failed"), Shape::Cross},
        {QStringLiteral("Created"), Shape::Ring},      {QStringLiteral("NotBegun"), Shape::Ring},
        {QStringLiteral("Starting"), Shape::HalfRing}, {QStringLiteral("Stopping"), Shape::Pause},
        {QStringLiteral("Exit"), Shape::Pause},        {QStringLiteral("Stopped"), Shape::Square},
        {QStringLiteral("Closed"), Shape::Square},     {QStringLiteral("Silent"), Shape::Triangle},
        {QStringLiteral("Warning"), Shape::Triangle},  {QStringLiteral("Running"), Shape::Play},
        {QStringLiteral("Body"), Shape::Play},         {QStringLiteral("Waiting"), Shape::Clock},
    };
    return shapes.value(state, Shape::Point);
}

} // namespace

StateMark::StateMark(QQuickItem *parent)
    : QQuickPaintedItem(parent)
{
    setAntialiasing(true);
    setImplicitSize(16, 16);
}

void StateMark::setStateName(const QString &name)
{
    if (name == m_stateName)
        return;
    m_stateName = name;
    Q_EMIT stateNameChanged();
    update();
}

void StateMark::setColor(const QColor &color)
{
    if (color == m_color)
        return;
    m_color = color;
    Q_EMIT colorChanged();
    update();
}

void StateMark::paint(QPainter *painter)
{
    // Drawn in a square of 16 units.
    const double side = std::min(width(), height());
    if (side <= 0)
        return;
    painter->setRenderHint(QPainter::Antialiasing);
    painter->translate((width() - side) / 2, (height() - side) / 2);
    painter->scale(side / 16, side / 16);
    const QPen pen(m_color, 2, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin);
    painter->setPen(pen);
    painter->setBrush(Qt::NoBrush);
    const QRectF circle(2, 2, 12, 12);
    QPainterPath path;
    switch (shapeOf(m_stateName)) {
    case Shape::Point:
        painter->setBrush(m_color);
        painter->drawEllipse(QRectF(6, 6, 4, 4));
        break;
    case Shape::Check:
        path.moveTo(2.5, 8.5);
        path.lineTo(6.5, 12.5);
        path.lineTo(13.5, 4);
        painter->drawPath(path);
        break;
    case Shape::Cross:
        painter->drawLine(QPointF(3.5, 3.5), QPointF(12.5, 12.5));
        painter->drawLine(QPointF(12.5, 3.5), QPointF(3.5, 12.5));
        break;
    case Shape::Ring:
        painter->drawEllipse(circle);
        break;
    case Shape::HalfRing:
        painter->drawArc(circle, 90 * 16, -270 * 16);
        break;
    case Shape::Square:
        painter->drawRect(QRectF(3.5, 3.5, 9, 9));
        break;
    case Shape::Triangle:
        path.moveTo(8, 2);
        path.lineTo(14.5, 13.5);
        path.lineTo(1.5, 13.5);
        path.closeSubpath();
        painter->drawPath(path);
        painter->drawLine(QPointF(8, 6.5), QPointF(8, 9));
        painter->drawPoint(QPointF(8, 11.4));
        break;
    case Shape::Play:
        path.moveTo(4.5, 3);
        path.lineTo(13, 8);
        path.lineTo(4.5, 13);
        path.closeSubpath();
        painter->drawPath(path);
        break;
    case Shape::Pause:
        painter->drawLine(QPointF(5, 3.5), QPointF(5, 12.5));
        painter->drawLine(QPointF(11, 3.5), QPointF(11, 12.5));
        break;
    case Shape::Clock:
        painter->drawEllipse(circle);
        painter->drawLine(QPointF(8, 8), QPointF(8, 5));
        painter->drawLine(QPointF(8, 8), QPointF(10.2, 9.2));
        break;
    }
}

} // namespace QMicroIO
