// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QMicroIO

Window {
    id: root

    // The program ends once this is true.
    readonly property bool seen: table.count === 1 && monitor.ready && tree.count > 0

    width: 600
    height: 400
    visible: true

    ServiceTable {
        id: table
        anchors.fill: parent
        anchors.bottomMargin: 200
        model: ServiceModel {
        }
    }
    TaskTree {
        id: tree
        anchors.fill: parent
        anchors.topMargin: 200
        tasks: TaskListModel {
        }
    }
    // snippet: monitor
    ServiceMonitor {
        id: monitor
        name: "thermometer"
    }
    Text {
        text: monitor.ready ? qsTr("live") : monitor.error
    }
    // end of snippet
}
