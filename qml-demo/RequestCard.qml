// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QtQuick.Layouts
import QMicroIO

Card {
    id: card

    required property RequestModel requests

    title: qsTr("Requests")
    subtitle: qsTr("how long answers take")

    ListView {
        id: list
        anchors.fill: parent
        model: card.requests
        clip: true
        spacing: 6
        activeFocusOnTab: true
        boundsBehavior: Flickable.StopAtBounds
        Accessible.role: Accessible.List
        Accessible.name: card.title

        delegate: ColumnLayout {
            id: row
            required property string name
            required property int pending
            required property double oldest
            required property double requestsPerSecond
            required property double failed
            required property double median
            required property double p99
            required property var latencies
            required property var rateHistory

            readonly property real room: ListView.view ? ListView.view.height : 0
            width: ListView.view ? ListView.view.width : 0
            spacing: 6

            Accessible.role: Accessible.ListItem
            Accessible.name: name
            Accessible.description: facts.text

            RowLayout {
                Layout.fillWidth: true
                Layout.leftMargin: 4
                Layout.rightMargin: 4
                spacing: 8

                Text {
                    Layout.fillWidth: true
                    Layout.preferredWidth: 10
                    text: row.name
                    textFormat: Text.PlainText
                    elide: Text.ElideRight
                    horizontalAlignment: Text.AlignLeft
                    color: MicroTheme.text
                    font.pixelSize: 13
                    font.weight: Font.DemiBold
                }
                Sparkline {
                    Layout.preferredWidth: 84
                    Layout.preferredHeight: 22
                    values: row.rateHistory
                    color: MicroTheme.good
                }
            }
            Text {
                id: facts
                Layout.fillWidth: true
                Layout.leftMargin: 4
                text: qsTr("%1 · %2 pending · %3 failed").arg(Format.rate(row.requestsPerSecond)).arg(Format.count(row.pending)).arg(Format.count(row.failed))
                textFormat: Text.PlainText
                elide: Text.ElideRight
                horizontalAlignment: Text.AlignLeft
                color: MicroTheme.muted
                font.pixelSize: 12
            }
            LatencyBars {
                Layout.fillWidth: true
                Layout.leftMargin: 4
                Layout.rightMargin: 4
                Layout.preferredHeight: Math.max(76, Math.min(150, row.room - 84))
                latencies: row.latencies
            }
            Text {
                Layout.fillWidth: true
                Layout.leftMargin: 4
                text: qsTr("half within %1, 99 % within %2").arg(Format.duration(row.median / 1000)).arg(Format.duration(row.p99 / 1000))
                textFormat: Text.PlainText
                elide: Text.ElideRight
                horizontalAlignment: Text.AlignLeft
                color: MicroTheme.muted
                font.pixelSize: 11
            }
        }
    }
}
