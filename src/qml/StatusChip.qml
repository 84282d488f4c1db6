// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QMicroIO

// A state as a shape, a word and a colour.
Rectangle {
    id: chip

    // A state name of one of the models; any other word is shown as it is.
    property string stateName
    property string text: Format.stateText(stateName)
    property color tint: MicroTheme.stateColor(stateName)

    implicitWidth: row.implicitWidth + 18
    implicitHeight: Math.max(row.implicitHeight + 8, 24)
    radius: height / 2
    color: MicroTheme.faint(tint, MicroTheme.dark ? 0.16 : 0.10)
    border.color: MicroTheme.faint(tint, 0.45)

    Accessible.role: Accessible.StaticText
    Accessible.name: chip.text

    Row {
        id: row
        anchors.centerIn: parent
        spacing: 6

        StateMark {
            anchors.verticalCenter: parent.verticalCenter
            width: 11
            height: 11
            stateName: chip.stateName
            color: chip.tint
        }
        Text {
            anchors.verticalCenter: parent.verticalCenter
            text: chip.text
            textFormat: Text.PlainText
            color: chip.tint
            font.pixelSize: 12
            font.weight: Font.DemiBold
        }
    }
}
