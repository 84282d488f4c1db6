// SPDX-License-Identifier: Apache-2.0
pragma Singleton
import QtQuick

// Numbers as people read them, in the language of the program.
QtObject {
    id: root

    function decimal(value, places) {
        return Number(value).toLocaleString(Qt.locale(), "f", places);
    }

    // "740 ms", "3.2 s", "4 min 10 s", "2 h 5 min"; empty for what is no span of time.
    function duration(seconds) {
        if (!(seconds >= 0) || !isFinite(seconds))
            return "";
        if (seconds < 0.0005)
            return qsTr("%1 µs").arg(decimal(seconds * 1e6, 0));
        if (seconds < 0.0095)
            return qsTr("%1 ms").arg(decimal(seconds * 1000, 1));
        if (seconds < 1)
            return qsTr("%1 ms").arg(decimal(seconds * 1000, 0));
        if (seconds < 60)
            return qsTr("%1 s").arg(decimal(seconds, 1));
        const whole = Math.floor(seconds);
        if (whole < 3600)
            return qsTr("%1 min %2 s").arg(decimal(Math.floor(whole / 60), 0)).arg(decimal(whole % 60, 0));
        return qsTr("%1 h %2 min").arg(decimal(Math.floor(whole / 3600), 0)).arg(decimal(Math.floor(whole % 3600 / 60), 0));
    }

    // "12", "3.4 k", "1.2 M"; empty for what is no number.
    function count(value) {
        if (!isFinite(value))
            return "";
        if (value >= 1e9)
            return qsTr("%1 G").arg(decimal(value / 1e9, 1));
        if (value >= 1e6)
            return qsTr("%1 M").arg(decimal(value / 1e6, 1));
        if (value >= 1e4)
            return qsTr("%1 k").arg(decimal(value / 1e3, 1));
        return decimal(value, value > 0 && value < 9.95 && value !== Math.floor(value) ? 1 : 0);
    }

    function rate(value) {
        return qsTr("%1/s").arg(count(value));
    }

    function percent(share) {
        return isFinite(share) ? qsTr("%1 %").arg(decimal(share * 100, 0)) : "";
    }

    // "1 task", "12 tasks". The one needs no translation to be right in English.
    function tasks(count) {
        return count === 1 ? qsTr("1 task") : qsTr("%n tasks", "", count);
    }

    function restarts(count) {
        return count === 1 ? qsTr("1 restart") : qsTr("%n restarts", "", count);
    }

    // May be more than fit into an int, so the number is put in apart from its plural.
    function turns(count) {
        return count === 1 ? qsTr("1 turn") : qsTr("%1 turns", "", Math.min(count, 1e9)).arg(root.count(count));
    }

    // How long a service has been up, or was.
    function uptime(seconds, stateName) {
        switch (stateName) {
        case "Created":
            return "";
        case "Stopped":
        case "Failed":
            return qsTr("ran for %1").arg(duration(seconds));
        default:
            return qsTr("up %1").arg(duration(seconds));
        }
    }

    // The state of a service, a channel or a task in the language of the program.
    function stateText(name) {
        switch (name) {
        case "Created":
            return qsTr("Created");
        case "Starting":
            return qsTr("Starting");
        case "Ready":
            return qsTr("Ready");
        case "Stopping":
            return qsTr("Stopping");
        case "Stopped":
            return qsTr("Stopped");
        case "Failed":
            return qsTr("Failed");
        case "Open":
            return qsTr("Open");
        case "Closed":
            return qsTr("Closed");
        case "NotBegun":
            return qsTr("Not begun");
        case "Running":
            return qsTr("Running");
        case "Waiting":
            return qsTr("Waiting");
        case "Body":
            return qsTr("Open");
        case "Exit":
            return qsTr("Ending");
        case "Answers":
            return qsTr("Answers");
        case "Silent":
            return qsTr("Does not answer");
        default:
            return name;
        }
    }
}
