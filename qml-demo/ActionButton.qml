// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QtQuick.Controls.Basic
import QMicroIO

// A button in the colours of the theme.
Button {
    id: button

    property color tint: MicroTheme.accent
    property bool strong: false
    readonly property color ink: !enabled ? MicroTheme.muted : strong ? MicroTheme.onAccent : tint
    property string mark

    implicitHeight: 30
    property bool dense: false
    leftPadding: dense ? 8 : 12
    rightPadding: dense ? 8 : 12
    font.pixelSize: 12
    font.weight: Font.DemiBold
    Accessible.name: text
    Keys.onReturnPressed: clicked()

    contentItem: Row {
        spacing: 6

        StateMark {
            anchors.verticalCenter: parent.verticalCenter
            visible: button.mark !== ""
            width: 11
            height: 11
            stateName: button.mark
            color: button.ink
        }
        Text {
            anchors.verticalCenter: parent.verticalCenter
            text: button.text
            font: button.font
            color: button.ink
        }
    }
    background: Rectangle {
        radius: MicroTheme.radius
        color: !button.enabled ? "transparent" : button.strong ? (button.down ? Qt.darker(button.tint, 1.2) : button.tint) : button.down ? MicroTheme.faint(button.tint, 0.25) : button.hovered ? MicroTheme.faint(button.tint, 0.14) : MicroTheme.faint(button.tint, 0.07)
        border.color: button.visualFocus ? MicroTheme.accent : button.enabled ? MicroTheme.faint(button.tint, 0.35) : MicroTheme.border
        border.width: button.visualFocus ? 2 : 1
        opacity: button.enabled ? 1 : 0.6
    }
}
