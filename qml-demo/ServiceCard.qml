// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QtQuick.Layouts
import QMicroIO
import QMicroIODemo

// The services, and what can be done with the one that is chosen.
Card {
    id: card

    required property Director director
    required property bool roomy
    required property ServiceModel services
    property alias selected: table.selected
    readonly property bool canStop: chosen.stateName === "Starting" || chosen.stateName === "Ready"
    readonly property bool canStart: chosen.exists && (chosen.stateName === "Created" || chosen.stateName === "Stopped" || chosen.stateName === "Failed")

    title: qsTr("Services")
    subtitle: director.note

    ServiceMonitor {
        id: chosen
        name: table.selected
    }

    ColumnLayout {
        anchors.fill: parent
        spacing: 8

        ServiceTable {
            id: table
            Layout.fillWidth: true
            Layout.fillHeight: true
            model: card.services
            Layout.preferredHeight: 10
            selected: "troubled"
        }
        Rectangle {
            visible: card.roomy
            Layout.fillWidth: true
            Layout.preferredHeight: 1
            color: MicroTheme.border
        }
        RowLayout {
            visible: card.roomy
            Layout.fillWidth: true
            Layout.leftMargin: 4
            Layout.rightMargin: 4
            spacing: 10

            Text {
                Layout.fillWidth: true
                Layout.preferredWidth: 10
                text: chosen.name === "" ? qsTr("Choose a service") : chosen.name
                textFormat: Text.PlainText
                elide: Text.ElideRight
                horizontalAlignment: Text.AlignLeft
                color: MicroTheme.text
                font.pixelSize: 14
                font.weight: Font.DemiBold
            }
            Text {
                text: {
                    const parts = [];
                    if (chosen.exists && chosen.stateName !== "Created")
                        parts.push(Format.uptime(chosen.uptime, chosen.stateName));
                    if (chosen.ready && chosen.tasks >= 0)
                        parts.push(Format.tasks(chosen.tasks));
                    if (chosen.exists)
                        parts.push(Format.restarts(chosen.restarts));
                    return parts.join(" · ");
                }
                textFormat: Text.PlainText
                color: MicroTheme.muted
                font.pixelSize: 12
            }
        }
        Text {
            Layout.fillWidth: true
            Layout.leftMargin: 4
            Layout.rightMargin: 4
            visible: card.roomy && text !== ""
            text: chosen.error !== "" ? qsTr("Failed: %1").arg(chosen.error) : chosen.reason !== "" ? qsTr("Reason: %1").arg(chosen.reason) : ""
            textFormat: Text.PlainText
            wrapMode: Text.Wrap
            maximumLineCount: 3
            elide: Text.ElideRight
            horizontalAlignment: Text.AlignLeft
            color: chosen.error !== "" ? MicroTheme.bad : MicroTheme.muted
            font.pixelSize: 12
        }
        Flow {
            Layout.fillWidth: true
            spacing: card.roomy ? 8 : 5

            ActionButton {
                dense: !card.roomy
                text: qsTr("Start")
                mark: "Running"
                strong: enabled
                enabled: card.canStart
                onClicked: card.director.start(chosen.name)
            }
            ActionButton {
                dense: !card.roomy
                text: qsTr("Stop")
                mark: "Stopped"
                enabled: card.canStop
                onClicked: card.director.stop(chosen.name)
            }
            ActionButton {
                dense: !card.roomy
                text: qsTr("Restart")
                enabled: chosen.exists && chosen.stateName !== "Stopping"
                onClicked: card.director.restart(chosen.name)
            }
            ActionButton {
                dense: !card.roomy
                text: qsTr("Cancel its tasks")
                tint: MicroTheme.warn
                enabled: chosen.ready && (chosen.name === "troubled" || chosen.name === "line client")
                onClicked: card.director.cancelTasks(chosen.name)
            }
        }
    }
}
