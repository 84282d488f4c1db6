// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QMicroIO
import QtQuick.Layouts

// The rows of a TaskListModel: what runs where, what it waits for, in which line of which file, and for how long.
ListView {
    id: tree

    // The model, with its type, for the rows that open and close.
    property TaskListModel tasks: null
    readonly property bool compact: width < 560

    model: tasks
    clip: true
    activeFocusOnTab: true
    keyNavigationEnabled: true
    boundsBehavior: Flickable.StopAtBounds
    // With Qt 6.4 a reused row now and then keeps showing what it showed before.
    reuseItems: false
    currentIndex: 0

    Accessible.role: Accessible.Tree
    Accessible.name: qsTr("Tasks")

    function open(expanded: bool) {
        if (tree.tasks)
            tree.tasks.setExpanded(tree.currentIndex, expanded);
    }

    Keys.onRightPressed: open(!LayoutMirroring.enabled)
    Keys.onLeftPressed: open(LayoutMirroring.enabled)
    Keys.onSpacePressed: {
        if (tree.tasks && tree.currentIndex >= 0)
            tree.tasks.setExpanded(tree.currentIndex, !tree.tasks.isExpanded(tree.currentIndex));
    }

    delegate: Rectangle {
        id: row
        readonly property TaskTree tree: ListView.view as TaskTree
        readonly property bool compact: tree ? tree.compact : false
        readonly property bool mirrored: tree ? tree.LayoutMirroring.enabled : false
        readonly property bool isFocused: ListView.isCurrentItem && tree && tree.activeFocus

        function toggle() {
            row.tree.tasks.setExpanded(row.index, !row.expanded);
        }

        required property int index
        required property int kind
        required property string name
        required property string stateName
        required property string waitsFor
        required property string site
        required property string file
        required property int line
        required property string coroutine
        required property double age
        required property double busy
        required property double polls
        required property bool cancelled
        required property string reason
        required property int warning
        required property double warningSeconds
        required property string warningText
        required property int childCount
        required property int depth
        required property bool expanded

        readonly property bool isTask: kind === TaskRow.Task
        readonly property bool isWarned: warning !== TaskRow.NoWarning
        readonly property string title: {
            switch (kind) {
            case TaskRow.Loop:
                return name === "" ? qsTr("(unnamed)") : name.slice(0, 200);
            case TaskRow.Group:
                return name === "" ? qsTr("Root group") : qsTr("Group");
            case TaskRow.Await:
                return coroutineName(coroutine);
            default:
                return name.slice(0, 200);
            }
        }
        readonly property string doing: {
            if (warning === TaskRow.IgnoresCancellation)
                return qsTr("ignores its cancellation for %1").arg(Format.duration(warningSeconds));
            if (warning === TaskRow.LoopSilent)
                return qsTr("does not answer: %1").arg(warningText);
            if (kind === TaskRow.Group)
                return Format.tasks(childCount) + (cancelled ? " · " + qsTr("cancelled: %1").arg(reason) : "");
            if (kind === TaskRow.Await)
                return "";
            if (kind === TaskRow.Loop)
                return "";
            const what = stateName === "Waiting" ? waitsFor : Format.stateText(stateName);
            return cancelled ? what + " · " + qsTr("cancelled: %1").arg(reason) : what;
        }

        // "Task<> Shop::serve(int)" is "Shop::serve", and a lambda in it "Shop::serve λ".
        function coroutineName(signature: string): string {
            const beforeArguments = signature.split("(")[0];
            const isLambda = /<lambda|\(anonymous|operator\(\)/.test(signature);
            return beforeArguments.slice(beforeArguments.lastIndexOf(" ") + 1) + (isLambda ? " λ" : "");
        }

        width: ListView.view.width
        height: kind === TaskRow.Loop ? 34 : 28
        radius: 6
        color: isFocused ? MicroTheme.faint(MicroTheme.accent, 0.14) : isWarned ? MicroTheme.faint(MicroTheme.bad, 0.10) : hover.hovered ? MicroTheme.raised : "transparent"
        border.width: isFocused ? 1 : 0
        border.color: MicroTheme.accent

        Accessible.role: Accessible.TreeItem
        Accessible.name: title + (doing === "" ? "" : ", " + doing)
        Accessible.description: (childCount === 0 ? "" : expanded ? qsTr("open") : qsTr("closed")) + (childCount !== 0 && site !== "" ? ", " : "") + site

        HoverHandler {
            id: hover
        }
        TapHandler {
            onTapped: {
                row.tree.forceActiveFocus();
                row.tree.currentIndex = row.index;
            }
            onDoubleTapped: row.toggle()
        }

        RowLayout {
            anchors.fill: parent
            anchors.leftMargin: 6 + (row.compact ? 11 : 16) * Math.min(row.depth, 12)
            anchors.rightMargin: 8
            spacing: 7

            Text {
                Layout.preferredWidth: 12
                text: row.childCount === 0 ? "" : row.expanded ? "\u25be" : row.mirrored ? "\u25c2" : "\u25b8"
                color: MicroTheme.muted
                font.pixelSize: 12
                horizontalAlignment: Text.AlignHCenter

                TapHandler {
                    onTapped: row.toggle()
                }
            }
            StateMark {
                Layout.preferredWidth: 12
                Layout.preferredHeight: 12
                visible: row.kind !== TaskRow.Await
                stateName: row.isWarned ? "Silent" : row.stateName
                color: MicroTheme.stateColor(row.isWarned ? "Silent" : row.stateName)
            }
            Text {
                Layout.maximumWidth: row.width * 0.42
                text: row.title
                textFormat: Text.PlainText
                elide: Text.ElideRight
                maximumLineCount: 1
                color: row.kind === TaskRow.Await || row.kind === TaskRow.Group ? MicroTheme.muted : MicroTheme.text
                font.pixelSize: row.kind === TaskRow.Loop ? 14 : 13
                font.weight: row.kind === TaskRow.Loop ? Font.DemiBold : Font.Normal
            }
            Text {
                Layout.fillWidth: true
                Layout.preferredWidth: 10
                text: row.doing
                textFormat: Text.PlainText
                elide: Text.ElideRight
                maximumLineCount: 1
                horizontalAlignment: Text.AlignLeft
                color: row.isWarned ? MicroTheme.bad : MicroTheme.muted
                font.pixelSize: 12
                font.weight: row.isWarned ? Font.DemiBold : Font.Normal
            }
            Text {
                visible: row.site !== ""
                text: row.site
                textFormat: Text.PlainText
                color: MicroTheme.accent
                font.family: MicroTheme.monospace
                font.pixelSize: 11
            }
            Text {
                Layout.preferredWidth: 58
                visible: row.isTask && !row.compact
                text: Format.turns(row.polls)
                textFormat: Text.PlainText
                horizontalAlignment: Text.AlignRight
                color: MicroTheme.muted
                font.pixelSize: 11
            }
            Text {
                Layout.preferredWidth: 66
                // In little room the warning, which tells a time as well, needs the place.
                visible: row.isTask && !(row.compact && row.isWarned)
                text: Format.duration(row.age)
                textFormat: Text.PlainText
                horizontalAlignment: Text.AlignRight
                color: MicroTheme.muted
                font.pixelSize: 11
            }
        }
    }
}
