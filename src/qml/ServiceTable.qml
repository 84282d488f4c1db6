// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QMicroIO
import QtQuick.Layouts

// The services of a ServiceModel: state, what it does, and why it does not.
ListView {
    id: table

    // The name of the service that is selected; empty without.
    property string selected
    readonly property bool compact: width < 430

    signal activated(string name)

    clip: true
    spacing: 2
    activeFocusOnTab: true
    keyNavigationEnabled: true
    boundsBehavior: Flickable.StopAtBounds
    currentIndex: 0

    Accessible.role: Accessible.List
    Accessible.name: qsTr("Services")

    function choose(index: int, name: string) {
        table.currentIndex = index;
        table.selected = name;
        table.activated(name);
    }

    delegate: Rectangle {
        id: row
        readonly property ServiceTable table: ListView.view as ServiceTable
        readonly property bool compact: table ? table.compact : false

        function choose() {
            row.table.forceActiveFocus();
            row.table.choose(row.index, row.name);
        }

        required property int index
        required property string name
        required property string stateName
        required property string reason
        required property string error
        required property string silent
        required property double uptime
        required property int restarts
        required property int tasks
        required property bool hasLoop
        required property double callsPerSecond
        required property double busy
        required property var busyHistory

        readonly property bool isSelected: table !== null && table.selected === name
        readonly property string trouble: error !== "" ? error : silent
        readonly property string shownState: silent !== "" && stateName === "Ready" ? "Silent" : stateName
        readonly property string facts: {
            const parts = [];
            if (stateName !== "Created")
                parts.push(Format.uptime(uptime, stateName));
            if (tasks >= 0 && stateName === "Ready")
                parts.push(Format.tasks(tasks));
            if (restarts > 0)
                parts.push(Format.restarts(restarts));
            if (stateName !== "Ready" && reason !== "" && trouble === "")
                parts.push(reason);
            return parts.join(" · ");
        }

        // Chosen by its name, it may be anywhere.
        function reveal() {
            if (isSelected)
                row.table.currentIndex = row.index;
        }
        onIsSelectedChanged: reveal()
        Component.onCompleted: reveal()

        width: ListView.view.width
        height: content.implicitHeight + 16
        radius: MicroTheme.radius
        color: isSelected ? MicroTheme.faint(MicroTheme.accent, MicroTheme.dark ? 0.16 : 0.08) : hover.hovered ? MicroTheme.raised : "transparent"
        border.width: ListView.isCurrentItem && table && table.activeFocus ? 2 : 0
        border.color: MicroTheme.accent

        Accessible.role: Accessible.ListItem
        Accessible.name: (name === "" ? qsTr("(unnamed)") : name) + ", " + Format.stateText(shownState)
        Accessible.description: trouble !== "" ? trouble : facts
        Accessible.selectable: true
        Accessible.selected: isSelected
        Accessible.onPressAction: choose()
        Keys.onReturnPressed: choose()
        Keys.onSpacePressed: choose()

        HoverHandler {
            id: hover
        }
        TapHandler {
            onTapped: row.choose()
        }

        RowLayout {
            id: content
            anchors.left: parent.left
            anchors.right: parent.right
            anchors.verticalCenter: parent.verticalCenter
            anchors.leftMargin: 10
            anchors.rightMargin: 10
            spacing: 10

            ColumnLayout {
                Layout.fillWidth: true
                Layout.preferredWidth: 10
                spacing: 1

                Text {
                    Layout.fillWidth: true
                    text: row.name === "" ? qsTr("(unnamed)") : row.name.slice(0, 200)
                    textFormat: Text.PlainText
                    elide: Text.ElideRight
                    maximumLineCount: 1
                    horizontalAlignment: Text.AlignLeft
                    color: MicroTheme.text
                    font.pixelSize: 14
                    font.weight: Font.DemiBold
                }
                Text {
                    Layout.fillWidth: true
                    visible: text !== ""
                    text: row.facts
                    textFormat: Text.PlainText
                    elide: Text.ElideRight
                    maximumLineCount: 1
                    horizontalAlignment: Text.AlignLeft
                    color: MicroTheme.muted
                    font.pixelSize: 12
                }
                Text {
                    Layout.fillWidth: true
                    visible: text !== ""
                    text: row.trouble.slice(0, 400)
                    textFormat: Text.PlainText
                    wrapMode: Text.Wrap
                    elide: Text.ElideRight
                    maximumLineCount: row.isSelected ? 4 : 1
                    horizontalAlignment: Text.AlignLeft
                    color: MicroTheme.bad
                    font.pixelSize: 12
                }
            }
            ColumnLayout {
                visible: !row.compact && row.hasLoop
                Layout.fillWidth: false
                Layout.preferredWidth: 116
                Layout.maximumWidth: 116
                spacing: 1

                Sparkline {
                    Layout.fillWidth: true
                    Layout.preferredHeight: 20
                    values: row.busyHistory
                    ceiling: 0.1
                    color: row.stateName === "Ready" ? MicroTheme.accent : MicroTheme.idle
                }
                Text {
                    Layout.fillWidth: true
                    text: row.stateName === "Stopped" || row.stateName === "Failed" ? "" : qsTr("%1 busy · %2 calls/s").arg(Format.percent(row.busy)).arg(Format.count(row.callsPerSecond))
                    textFormat: Text.PlainText
                    fontSizeMode: Text.HorizontalFit
                    minimumPixelSize: 8
                    elide: Text.ElideRight
                    maximumLineCount: 1
                    horizontalAlignment: Text.AlignLeft
                    color: MicroTheme.muted
                    font.pixelSize: 10
                }
            }
            StatusChip {
                Layout.alignment: Qt.AlignVCenter
                Layout.preferredWidth: Math.max(implicitWidth, 92)
                stateName: row.shownState
            }
        }
    }
}
