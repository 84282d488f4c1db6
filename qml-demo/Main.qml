// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QtQuick.Controls.Basic
import QtQuick.Layouts
import QMicroIO
import QMicroIODemo

ApplicationWindow {
    id: window

    required property Director director
    property bool dark: false
    property alias onlyChosen: onlySelected.checked
    // For measuring.
    property alias taskPosition: taskTree.contentY
    readonly property alias taskCount: taskRows.taskCount
    readonly property bool roomy: width >= 1080 && height >= 700

    minimumWidth: 800
    minimumHeight: 600
    visible: true
    title: qsTr("QMicroIO dashboard")
    color: MicroTheme.window

    LayoutMirroring.enabled: director.rightToLeft
    LayoutMirroring.childrenInherit: true

    // For the picture.
    function showLastTasks() {
        taskTree.positionViewAtEnd();
    }

    onDarkChanged: MicroTheme.dark = dark
    Component.onCompleted: MicroTheme.dark = dark

    ServiceModel {
        id: services
        historyInterval: window.director.historyInterval
    }
    ChannelModel {
        id: channels
        historyInterval: window.director.historyInterval
    }
    RequestModel {
        id: requests
        historyInterval: window.director.historyInterval
    }
    TaskListModel {
        id: taskRows
        filter: onlySelected.checked ? serviceCard.selected : ""
    }

    Shortcut {
        sequence: "Ctrl+D"
        onActivated: window.dark = !window.dark
    }
    Shortcut {
        sequence: "Ctrl+Q"
        onActivated: Qt.quit()
    }

    ColumnLayout {
        anchors.fill: parent
        spacing: 0
        LayoutMirroring.enabled: window.director.rightToLeft
        LayoutMirroring.childrenInherit: true

        Header {
            Layout.fillWidth: true
            director: window.director
            serviceCount: services.count
            taskCount: taskRows.taskCount
            warningCount: taskRows.warningCount
            dark: window.dark
            roomy: window.roomy
            onDarkToggled: window.dark = !window.dark
        }
        RowLayout {
            Layout.fillWidth: true
            Layout.fillHeight: true
            Layout.margins: window.roomy ? 16 : 10
            Layout.topMargin: window.roomy ? 14 : 8
            spacing: window.roomy ? 16 : 10

            ColumnLayout {
                Layout.fillHeight: true
                Layout.fillWidth: true
                Layout.preferredWidth: 42
                spacing: window.roomy ? 14 : 8

                ServiceCard {
                    id: serviceCard
                    Layout.fillWidth: true
                    Layout.fillHeight: true
                    director: window.director
                    roomy: window.roomy
                    services: services
                }
                ChecksumCard {
                    Layout.fillWidth: true
                    director: window.director
                }
                FaultCard {
                    Layout.fillWidth: true
                    director: window.director
                    roomy: window.roomy
                }
            }
            ColumnLayout {
                Layout.fillHeight: true
                Layout.fillWidth: true
                Layout.preferredWidth: 58
                spacing: window.roomy ? 14 : 8

                TabBar {
                    id: tabs
                    Layout.fillWidth: true
                    visible: !window.roomy
                    background: null
                    spacing: 6

                    Tab {
                        text: qsTr("Tasks")
                    }
                    Tab {
                        text: qsTr("Channels")
                    }
                    Tab {
                        text: qsTr("Requests")
                    }
                }
                Card {
                    Layout.fillWidth: true
                    Layout.fillHeight: true
                    Layout.preferredHeight: 62
                    visible: window.roomy || tabs.currentIndex === 0
                    title: qsTr("Tasks")
                    subtitle: qsTr("what runs where, and what it waits for")
                    extra: CheckBox {
                        id: onlySelected
                        text: qsTr("Only the chosen service")
                        enabled: serviceCard.selected !== ""
                        Accessible.name: text
                        font.pixelSize: 12
                        padding: 0
                        contentItem: Text {
                            text: onlySelected.text
                            color: onlySelected.enabled ? MicroTheme.text : MicroTheme.muted
                            font: onlySelected.font
                            verticalAlignment: Text.AlignVCenter
                            leftPadding: onlySelected.mirrored ? 0 : onlySelected.indicator.width + 7
                            rightPadding: onlySelected.mirrored ? onlySelected.indicator.width + 7 : 0
                        }
                        indicator: Rectangle {
                            x: onlySelected.mirrored ? onlySelected.width - width : 0
                            y: (onlySelected.height - height) / 2
                            implicitWidth: 16
                            implicitHeight: 16
                            radius: 4
                            color: onlySelected.checked ? MicroTheme.accent : "transparent"
                            border.color: onlySelected.visualFocus ? MicroTheme.accent : MicroTheme.muted
                            border.width: onlySelected.visualFocus ? 2 : 1

                            StateMark {
                                anchors.centerIn: parent
                                width: 11
                                height: 11
                                visible: onlySelected.checked
                                stateName: "Ready"
                                color: MicroTheme.onAccent
                            }
                        }
                    }

                    TaskTree {
                        id: taskTree
                        anchors.fill: parent
                        tasks: taskRows
                    }
                }
                RowLayout {
                    Layout.fillWidth: true
                    Layout.fillHeight: true
                    Layout.preferredHeight: 38
                    visible: window.roomy || tabs.currentIndex > 0
                    spacing: 16

                    Card {
                        Layout.fillWidth: true
                        Layout.fillHeight: true
                        Layout.preferredWidth: 58
                        visible: window.roomy || tabs.currentIndex === 1
                        title: qsTr("Channels")
                        subtitle: qsTr("depth and rate")

                        ChannelTable {
                            anchors.fill: parent
                            model: channels
                        }
                    }
                    RequestCard {
                        Layout.fillWidth: true
                        Layout.fillHeight: true
                        Layout.preferredWidth: 42
                        visible: window.roomy || tabs.currentIndex === 2
                        requests: requests
                    }
                }
            }
        }
    }

    component Tab: TabButton {
        id: tab
        implicitHeight: 32
        Accessible.name: text
        contentItem: Text {
            text: tab.text
            color: tab.checked ? MicroTheme.text : MicroTheme.muted
            font.pixelSize: 13
            font.weight: tab.checked ? Font.DemiBold : Font.Normal
            horizontalAlignment: Text.AlignHCenter
            verticalAlignment: Text.AlignVCenter
        }
        background: Rectangle {
            radius: MicroTheme.radius
            color: tab.checked ? MicroTheme.surface : "transparent"
            border.color: tab.visualFocus ? MicroTheme.accent : tab.checked ? MicroTheme.border : "transparent"
            border.width: tab.visualFocus ? 2 : 1
        }
    }
}
