// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QtQuick.Layouts
import QMicroIO

// A titled surface for one subject.
Rectangle {
    id: card

    property string title
    property string subtitle
    property alias extra: extraPlace.data
    default property alias content: body.data
    property int padding: 12
    property real contentHeight: 0

    color: MicroTheme.surface
    radius: 12
    border.color: MicroTheme.border
    implicitHeight: contentHeight + heading.height + 2 * padding + 8
    implicitWidth: 300

    Accessible.role: Accessible.Grouping
    Accessible.name: title

    RowLayout {
        id: heading
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.top: parent.top
        anchors.margins: card.padding
        anchors.leftMargin: card.padding + 4
        anchors.rightMargin: card.padding + 4
        height: 22
        spacing: 8

        Text {
            text: card.title
            color: MicroTheme.text
            font.pixelSize: 15
            font.weight: Font.DemiBold
        }
        Text {
            Layout.fillWidth: true
            Layout.preferredWidth: 10
            text: card.subtitle
            textFormat: Text.PlainText
            elide: Text.ElideMiddle
            horizontalAlignment: Text.AlignLeft
            color: MicroTheme.muted
            font.pixelSize: 12
        }
        RowLayout {
            id: extraPlace
            spacing: 8
        }
    }
    Item {
        id: body
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.top: heading.bottom
        anchors.bottom: parent.bottom
        anchors.margins: card.padding
        anchors.topMargin: 8
    }
}
