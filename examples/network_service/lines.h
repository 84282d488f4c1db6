// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lines over TCP with peers that nobody knows: whatever they send, or do not send, costs a bounded share of the server.

#include <qmicroio/qmicroio.h>

#include <QtCore/QByteArray>

#include <chrono>
#include <functional>
#include <optional>

QT_BEGIN_NAMESPACE
class QTcpServer;
class QTcpSocket;
QT_END_NAMESPACE

namespace Lines {

/// What one peer may take; who wants more loses the connection, and nobody else notices.
struct Limits
{
    qint64 longestLine = 1024; ///< bytes, with its end
    qsizetype answersAtOnce = 16; ///< a question more is answered with "ID !busy"
    qint64 unreadAnswers = 256 * 1024; ///< bytes that the peer does not fetch
    std::chrono::milliseconds wholeLine{10'000}; ///< from its first byte to its end
    std::chrono::milliseconds silence{60'000}; ///< without a question and without an answer under way
    qsizetype connections = 64; ///< of all peers together; one more is told so and closed
};

/// The next line, without its end; nothing once the other side has gone. Throws an Error when it sends too much or too slowly.
QMicroIO::Task<std::optional<QByteArray>> nextLine(QTcpSocket &socket, const Limits &limits,
                                                   const std::function<bool()> &maySayNothing);

/// Gives the answer to a line, without its end.
using Answer = std::function<QMicroIO::Task<QByteArray>(QByteArray line)>;

/// Accepts connections and answers their lines, in any order, until it is cancelled.
QMicroIO::Task<> serve(QTcpServer &server, const Limits &limits, const Answer &answer);

} // namespace Lines
