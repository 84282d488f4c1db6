// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QtCore/QByteArray>
#include <QtCore/QString>

#include <utility>

// What a call throws: an E, or a class derived from it.

template<class E, class F>
bool throws(F &&call)
{
    try {
        std::forward<F>(call)();
    } catch (const E &) {
        return true;
    } catch (...) {
    }
    return false;
}

// Empty when it throws no E.
template<class E, class F>
QByteArray textOf(F &&call)
{
    try {
        std::forward<F>(call)();
    } catch (const E &error) {
        const QByteArray text = error.what();
        return text.isEmpty() ? QByteArrayLiteral("(empty)") : text;
    } catch (...) {
    }
    return {};
}

template<class E, class F>
QString messageOf(F &&call)
{
    return QString::fromUtf8(textOf<E>(std::forward<F>(call)));
}
