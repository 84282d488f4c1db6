// floor 2: what happens to a channel, as Qt signals
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <qmicroio/channeloptions.h>
#include <qmicroio/export.h>

#include <QtCore/QObject>

namespace QMicroIO {

namespace detail {
class ChannelBase;
}

/// Tells of a channel's turning points. It is made by the first channelStatus() and tells what happens from then on.
///
/// Thread:   the methods: any.
/// Lifetime: as long as one end of its channel exists; it belongs to the channel, do not delete it. Keep a QPointer.
/// Signals:  with no lock held, each from the thread that causes it, at most once (highWater(): once a mark). An automatic
///           connection brings them to the thread of the object that listens. A slot may use the channel and destroy its ends.
/// Cost:     nothing for each item, but a comparison of two numbers; one allocation, at the first call.
class QMICROIO_EXPORT ChannelStatus : public QObject
{
    Q_OBJECT
    Q_PROPERTY(QString name READ name CONSTANT)
public:
    ~ChannelStatus() override;

    /// The name that the channel was made with.
    QString name() const;
    /// Of the whole channel, as either end gives them. Thread: any.
    ChannelStats stats() const;
    /// The first highWater() comes at `items` queued ones. Units: items; 0: never. By default the capacity of a bounded channel,
    /// 1024 otherwise, never for createLatest(). Fails: std::invalid_argument for a negative number.
    void setHighWaterMark(qsizetype items);

Q_SIGNALS:
    /// Emitted: from the receiver's thread. A loop was bound to the channel, of several receivers the first one's.
    void bound();
    /// Emitted: from the thread that closed it, destroyed its last end of a kind or ended the receiver's loop. Not after a failure.
    void closed();
    /// Emitted: from the thread that called fail(). The text is the error's.
    void failed(const QString &message);
    /// Emitted: from the receiver's thread or the one that closed it. The channel has ended, closed() or failed() was emitted,
    /// and everything that was accepted has been received.
    void drained();
    /// Emitted: from the thread that sent the item. So many are queued for the first time: at the mark, and each time the number
    /// has doubled since.
    void highWater(qsizetype queued);

private:
    friend class detail::ChannelBase;
    explicit ChannelStatus(detail::ChannelBase &channel);
    detail::ChannelBase &m_channel;
};

} // namespace QMicroIO
