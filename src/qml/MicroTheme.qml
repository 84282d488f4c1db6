// SPDX-License-Identifier: Apache-2.0
pragma Singleton
import QtQuick

// The colours that the parts of this module use. Set `dark`, or assign single colours.
QtObject {
    property bool dark: false

    property color window: dark ? "#11141b" : "#f3f5f9"
    property color surface: dark ? "#1a1f29" : "#ffffff"
    property color raised: dark ? "#252c3a" : "#eceff5"
    property color border: dark ? "#303848" : "#d8dde7"
    property color text: dark ? "#e9edf5" : "#182032"
    property color muted: dark ? "#9ba6ba" : "#566076"
    property color accent: dark ? "#85a9ff" : "#2a56c6"
    property color onAccent: dark ? "#0d1424" : "#ffffff"
    property color good: dark ? "#5fd097" : "#17774a"
    property color warn: dark ? "#efb352" : "#8f5200"
    property color bad: dark ? "#ff8791" : "#b91f33"
    property color idle: dark ? "#8a95aa" : "#626c80"
    property string monospace: "monospace"
    property int radius: 8

    // The colour of a state of a service, a channel or a task.
    function stateColor(name) {
        switch (name) {
        case "Ready":
        case "Answers":
        case "Open":
        case "Running":
            return good;
        case "Starting":
        case "Stopping":
        case "Exit":
        case "Warning":
            return warn;
        case "Failed":
        case "Silent":
            return bad;
        case "Waiting":
        case "Body":
            return accent;
        default:
            return idle;
        }
    }

    function faint(color, share) {
        return Qt.rgba(color.r, color.g, color.b, share);
    }
}
