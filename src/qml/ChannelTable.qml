// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QMicroIO
import QtQuick.Layouts

// The channels of a ChannelModel: how deep each is and how fast it moves, over the last minutes.
ListView {
    id: table

    clip: true
    spacing: 2
    activeFocusOnTab: true
    keyNavigationEnabled: true
    boundsBehavior: Flickable.StopAtBounds

    Accessible.role: Accessible.List
    Accessible.name: qsTr("Channels")

    delegate: Rectangle {
        id: row
        required property string name
        required property string stateName
        required property string error
        required property int depth
        required property int peak
        required property double dropped
        required property double receivedPerSecond
        required property var depthHistory
        required property var rateHistory

        readonly property real chartWidth: Math.min(150, width * 0.26)
        // What is wrong, or else the most that ever waited.
        readonly property string facts: error !== "" ? error.slice(0, 200) : dropped > 0 ? qsTr("%1 dropped").arg(Format.count(dropped)) : stateName === "Open" ? qsTr("peak %1").arg(Format.count(peak)) : Format.stateText(stateName) + " · " + qsTr("peak %1").arg(Format.count(peak))

        width: ListView.view.width
        height: content.implicitHeight + 14
        radius: MicroTheme.radius
        color: "transparent"
        border.width: ListView.isCurrentItem && ListView.view && ListView.view.activeFocus ? 2 : 0
        border.color: MicroTheme.accent

        Accessible.role: Accessible.ListItem
        Accessible.name: (name === "" ? qsTr("(unnamed)") : name) + ", " + Format.stateText(stateName)
        Accessible.description: qsTr("%1 waiting, %2 received").arg(Format.count(depth)).arg(Format.rate(receivedPerSecond))

        GridLayout {
            id: content
            anchors.left: parent.left
            anchors.right: parent.right
            anchors.verticalCenter: parent.verticalCenter
            anchors.leftMargin: 10
            anchors.rightMargin: 10
            columns: 3
            columnSpacing: 12
            rowSpacing: 2

            RowLayout {
                Layout.fillWidth: true
                Layout.preferredWidth: 10
                spacing: 7

                StateMark {
                    Layout.preferredWidth: 12
                    Layout.preferredHeight: 12
                    stateName: row.stateName
                    color: MicroTheme.stateColor(row.stateName)
                }
                Text {
                    Layout.fillWidth: true
                    text: row.name === "" ? qsTr("(unnamed)") : row.name.slice(0, 200)
                    textFormat: Text.PlainText
                    elide: Text.ElideRight
                    maximumLineCount: 1
                    horizontalAlignment: Text.AlignLeft
                    color: MicroTheme.text
                    font.pixelSize: 13
                    font.weight: Font.DemiBold
                }
            }
            Sparkline {
                Layout.preferredWidth: row.chartWidth
                Layout.preferredHeight: 22
                values: row.depthHistory
                ceiling: 4
                color: row.dropped > 0 ? MicroTheme.warn : MicroTheme.accent
            }
            Sparkline {
                Layout.preferredWidth: row.chartWidth
                Layout.preferredHeight: 22
                values: row.rateHistory
                ceiling: 4
                color: MicroTheme.good
            }
            Text {
                Layout.fillWidth: true
                Layout.preferredWidth: 10
                text: row.facts
                textFormat: Text.PlainText
                elide: Text.ElideRight
                maximumLineCount: 1
                horizontalAlignment: Text.AlignLeft
                color: row.error !== "" ? MicroTheme.bad : row.dropped > 0 ? MicroTheme.warn : MicroTheme.muted
                font.pixelSize: 11
            }
            Text {
                Layout.preferredWidth: row.chartWidth
                text: qsTr("%1 waiting").arg(Format.count(row.depth))
                textFormat: Text.PlainText
                elide: Text.ElideRight
                maximumLineCount: 1
                horizontalAlignment: Text.AlignLeft
                color: MicroTheme.muted
                font.pixelSize: 11
            }
            Text {
                Layout.preferredWidth: row.chartWidth
                text: Format.rate(row.receivedPerSecond)
                textFormat: Text.PlainText
                elide: Text.ElideRight
                maximumLineCount: 1
                horizontalAlignment: Text.AlignLeft
                color: MicroTheme.muted
                font.pixelSize: 11
            }
        }
    }
}
