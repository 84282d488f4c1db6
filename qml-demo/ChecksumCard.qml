// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QtQuick.Layouts
import QMicroIO
import QMicroIODemo

Card {
    id: card

    required property Director director
    readonly property real share: director.bytesTotal > 0 ? Math.min(director.bytesDone / director.bytesTotal, 1) : 0

    title: qsTr("Checksums")
    subtitle: director.folder
    contentHeight: column.implicitHeight

    ColumnLayout {
        id: column
        anchors.left: parent.left
        anchors.right: parent.right
        anchors.leftMargin: 4
        anchors.rightMargin: 4
        spacing: 6

        Rectangle {
            Layout.fillWidth: true
            Layout.preferredHeight: 8
            radius: 4
            color: MicroTheme.raised
            Accessible.role: Accessible.ProgressBar
            Accessible.name: qsTr("Progress of the checksums")
            Accessible.description: Format.percent(card.share)

            Rectangle {
                anchors.left: parent.left
                width: Math.max(parent.width * card.share, card.share > 0 ? 8 : 0)
                height: parent.height
                radius: 4
                color: card.share < 1 ? MicroTheme.accent : MicroTheme.good
            }
        }
        RowLayout {
            Layout.fillWidth: true
            Text {
                Layout.fillWidth: true
                Layout.preferredWidth: 10
                elide: Text.ElideRight
                horizontalAlignment: Text.AlignLeft
                text: card.director.counted ? qsTr("Files: %1 of %2, %3 MB").arg(Format.count(card.director.filesDone)).arg(Format.count(card.director.filesTotal)).arg(Format.decimal(card.director.bytesDone / 1e6, 0)) : qsTr("Files: %1, counting …").arg(Format.count(card.director.filesDone))
                color: MicroTheme.muted
                font.pixelSize: 12
            }
            Text {
                text: qsTr("Journal: %1").arg(Format.count(card.director.journalRows))
                color: MicroTheme.muted
                font.pixelSize: 12
            }
        }
    }
}
