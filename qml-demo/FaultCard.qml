// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QMicroIO
import QMicroIODemo

Card {
    id: card

    required property Director director
    required property bool roomy

    title: qsTr("Faults")
    subtitle: qsTr("injected into the service “troubled”")
    contentHeight: flow.implicitHeight

    ServiceMonitor {
        id: troubled
        name: "troubled"
    }

    Flow {
        id: flow
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.leftMargin: 4
        anchors.rightMargin: 4
        spacing: card.roomy ? 8 : 5

        ActionButton {
            dense: !card.roomy
            text: qsTr("Fail")
            mark: "Failed"
            tint: MicroTheme.bad
            enabled: troubled.ready
            onClicked: card.director.inject("fail")
        }
        ActionButton {
            dense: !card.roomy
            text: qsTr("Stall for 5 s")
            mark: "Silent"
            tint: MicroTheme.warn
            enabled: troubled.ready
            onClicked: card.director.inject("stall")
        }
        ActionButton {
            dense: !card.roomy
            text: qsTr("Ignore a cancellation")
            mark: "Exit"
            tint: MicroTheme.warn
            enabled: troubled.ready
            onClicked: card.director.inject("ignore")
        }
        ActionButton {
            dense: !card.roomy
            text: qsTr("Flood a channel")
            mark: "Body"
            tint: MicroTheme.warn
            enabled: troubled.ready
            onClicked: card.director.inject("flood")
        }
    }
}
