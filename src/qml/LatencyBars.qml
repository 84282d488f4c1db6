// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QMicroIO
import QtQuick.Layouts

// How long requests took, as bars whose spans double: RequestModel's `latencies`.
Item {
    id: bars

    // How many took less than 2^i microseconds, but not less than half of that.
    property var latencies: []
    property color color: MicroTheme.accent
    readonly property var counts: {
        const list = [];
        const longest = 64; // beyond that the spans are longer than any time; and who knows what this was set to
        for (let i = 0; latencies && i < Math.min(latencies.length, longest); ++i)
            list.push(isFinite(latencies[i]) ? Math.max(Number(latencies[i]), 0) : 0);
        return list;
    }
    readonly property int first: {
        for (let i = 0; i < counts.length; ++i) {
            if (counts[i] > 0)
                return Math.max(i - 1, 0);
        }
        return 0;
    }
    readonly property int last: {
        for (let i = counts.length - 1; i >= 0; --i) {
            if (counts[i] > 0)
                return Math.min(Math.max(i + 1, first + 7), counts.length - 1);
        }
        return -1;
    }
    readonly property real most: Math.max(1, ...counts)

    readonly property var shown: {
        const list = [];
        // Counts differ by orders of magnitude; a single slow request must show.
        for (let i = first; i <= last; ++i) {
            list.push({
                    "share": Math.log(1 + counts[i]) / Math.log(1 + most),
                    "label": Format.duration(Math.pow(2, i) / 1e6),
                    "color": bars.color,
                    "of": last - first + 1
                });
        }
        return list;
    }

    implicitWidth: 220
    implicitHeight: 84

    Accessible.role: Accessible.Graphic
    Accessible.name: last < 0 ? qsTr("No request was answered yet") : qsTr("Latencies from %1 to %2").arg(Format.duration(Math.pow(2, first) / 1e6)).arg(Format.duration(Math.pow(2, last) / 1e6))

    Text {
        anchors.centerIn: parent
        visible: bars.last < 0
        text: qsTr("No request was answered yet")
        color: MicroTheme.muted
        font.pixelSize: 12
    }
    RowLayout {
        anchors.fill: parent
        // Short times stay on the left in every language, as on other axes of numbers.
        layoutDirection: Qt.LeftToRight
        LayoutMirroring.enabled: false
        spacing: 3

        Repeater {
            model: bars.shown

            Item {
                id: bar
                required property int index
                required property var modelData

                Layout.fillWidth: true
                Layout.fillHeight: true
                Layout.preferredWidth: 10

                Rectangle {
                    anchors.bottom: parent.bottom
                    anchors.bottomMargin: 18
                    width: parent.width
                    height: bar.modelData.share > 0 ? 3 + (parent.height - 21) * bar.modelData.share : 1
                    radius: Math.min(3, width / 2)
                    color: bar.modelData.share > 0 ? bar.modelData.color : MicroTheme.border
                }
                Text {
                    readonly property int every: Math.ceil(54 / Math.max(bar.width, 1))
                    visible: bar.index % every === 0 && bar.index + every <= bar.modelData.of
                    anchors.bottom: parent.bottom
                    anchors.left: parent.left
                    text: bar.modelData.label
                    color: MicroTheme.muted
                    font.pixelSize: 10
                }
            }
        }
    }
}
