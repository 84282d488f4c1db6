// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QtQuick.Controls.Basic
import QtQuick.Layouts
import QMicroIO
import QMicroIODemo

Rectangle {
    id: header

    required property Director director
    required property int serviceCount
    required property int taskCount
    required property int warningCount
    required property bool dark
    required property bool roomy

    signal darkToggled

    implicitHeight: roomy ? 60 : 52
    color: MicroTheme.surface

    Rectangle {
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.bottom: parent.bottom
        height: 1
        color: MicroTheme.border
    }
    component Figure: Column {
        id: figure
        property string label
        property bool big: true
        property string value
        property color tint: MicroTheme.text
        Accessible.role: Accessible.StaticText
        Accessible.name: label + " " + value
        Text {
            text: figure.value
            color: figure.tint
            font.pixelSize: figure.big ? 17 : 15
            font.weight: Font.DemiBold
            height: figure.big ? 22 : 20
            anchors.left: parent.left
        }
        Text {
            text: figure.label
            color: MicroTheme.muted
            font.pixelSize: 11
            anchors.left: parent.left
        }
    }

    RowLayout {
        anchors.fill: parent
        anchors.leftMargin: header.roomy ? 20 : 14
        anchors.rightMargin: header.roomy ? 20 : 14
        spacing: header.roomy ? 26 : 16

        Row {
            spacing: 10
            Rectangle {
                width: 30
                height: 30
                radius: 9
                color: MicroTheme.accent
                anchors.verticalCenter: parent.verticalCenter
                Sparkline {
                    anchors.fill: parent
                    anchors.margins: 6
                    length: 7
                    ceiling: 6
                    values: [1, 3, 2, 6, 3, 4, 2]
                    color: MicroTheme.onAccent
                }
            }
            Column {
                anchors.verticalCenter: parent.verticalCenter
                Text {
                    text: "QMicroIO"
                    anchors.left: parent.left
                    color: MicroTheme.text
                    font.pixelSize: 16
                    font.weight: Font.Bold
                }
                Text {
                    text: qsTr("Services in this process, live")
                    anchors.left: parent.left
                    color: MicroTheme.muted
                    font.pixelSize: 11
                }
            }
        }
        Item {
            Layout.fillWidth: true
        }
        Figure {
            big: header.roomy
            label: qsTr("Services")
            value: Format.count(header.serviceCount)
        }
        Figure {
            big: header.roomy
            label: qsTr("Tasks")
            value: Format.count(header.taskCount)
        }
        Row {
            spacing: 7
            StateMark {
                anchors.verticalCenter: parent.verticalCenter
                width: 18
                height: 18
                stateName: header.warningCount > 0 ? "Warning" : "Ready"
                color: header.warningCount > 0 ? MicroTheme.bad : MicroTheme.good
            }
            Figure {
                big: header.roomy
                label: qsTr("Warnings")
                value: Format.count(header.warningCount)
                tint: header.warningCount > 0 ? MicroTheme.bad : MicroTheme.text
            }
        }
        Rectangle {
            Layout.preferredWidth: 1
            Layout.preferredHeight: 28
            color: MicroTheme.border
        }
        ComboBox {
            id: languages
            readonly property var codes: ["en", "de", "ar"]
            Layout.preferredWidth: 104
            implicitHeight: 30
            model: ["English", "Deutsch", "العربية"]
            currentIndex: Math.max(codes.indexOf(header.director.language), 0)
            font.pixelSize: 12
            Accessible.name: qsTr("Language")
            onActivated: index => header.director.language = codes[index]
            contentItem: Text {
                leftPadding: 10
                rightPadding: 10
                text: languages.displayText
                font: languages.font
                color: MicroTheme.text
                verticalAlignment: Text.AlignVCenter
                horizontalAlignment: Text.AlignLeft
            }
            indicator: Text {
                x: languages.mirrored ? 9 : languages.width - width - 9
                y: (languages.height - height) / 2
                text: "\u25be"
                color: MicroTheme.muted
            }
            background: Rectangle {
                radius: MicroTheme.radius
                color: MicroTheme.raised
                border.color: languages.visualFocus ? MicroTheme.accent : MicroTheme.border
                border.width: languages.visualFocus ? 2 : 1
            }
            popup.background: Rectangle {
                color: MicroTheme.surface
                border.color: MicroTheme.border
                radius: MicroTheme.radius
            }
            delegate: ItemDelegate {
                id: choice
                required property int index
                required property string modelData
                width: ListView.view ? ListView.view.width : 0
                highlighted: ListView.isCurrentItem
                contentItem: Text {
                    text: choice.modelData
                    color: MicroTheme.text
                    font.pixelSize: 12
                    horizontalAlignment: Text.AlignLeft
                }
                background: Rectangle {
                    color: choice.highlighted ? MicroTheme.raised : "transparent"
                    radius: 6
                }
            }
        }
        ActionButton {
            text: header.dark ? qsTr("Light") : qsTr("Dark")
            tint: MicroTheme.muted
            Accessible.description: qsTr("Changes the colours")
            onClicked: header.darkToggled()
        }
    }
}
