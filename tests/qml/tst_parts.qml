// SPDX-License-Identifier: Apache-2.0
import QtQuick
import QtTest
import QMicroIO

Item {
    id: root
    width: 800
    height: 600

    ServiceModel {
        id: services
        rate: 60
    }
    TaskListModel {
        id: tasks
        rate: 60
    }
    ServiceTable {
        id: table
        width: 400
        height: 300
        model: services
    }
    TaskTree {
        id: tree
        y: 300
        width: 800
        height: 300
        tasks: tasks
    }
    ServiceMonitor {
        id: monitor
        rate: 60
    }
    StatusChip {
        id: chip
    }
    StatusChip {
        id: strangeChip // whose bindings do not outlive what is written into it
    }
    Sparkline {
        id: line
    }
    LatencyBars {
        id: bars
    }
    ChannelModel {
        id: channels
        rate: 60
    }
    ChannelTable {
        id: channelTable
        x: 400
        width: 400
        height: 300
        model: channels
    }
    RequestModel {
        id: requests
        rate: 60
    }
    StateMark {
        id: mark
    }

    TestCase {
        name: "Parts"
        when: windowShown

        function cleanup() {
            live.destroyAll();
            tryCompare(services, "count", 0);
            table.selected = "";
        }

        function row(name) {
            for (let i = 0; i < table.count; ++i) {
                const item = table.itemAtIndex(i);
                if (item && item.name === name)
                    return item;
            }
            return null;
        }

        function test_aServiceShowsItsStateAndItsTrouble() {
            live.start("first", 2);
            tryVerify(() => row("first") !== null && row("first").stateName === "Ready");
            tryVerify(() => row("first").tasks === 3);
            compare(row("first").shownState, "Ready");
            live.fail("first", "the disk is full");
            tryVerify(() => row("first").stateName === "Failed");
            verify(row("first").trouble.includes("the disk is full"));
        }

        function test_aServiceIsChosenByMouseAndByKeys() {
            live.start("first", 0);
            live.start("second", 0);
            tryCompare(table, "count", 2);
            tryVerify(() => row("second") !== null);
            mouseClick(row("second"));
            compare(table.selected, "second");
            verify(table.activeFocus);
            keyClick(Qt.Key_Up);
            compare(table.currentIndex, 0);
            keyClick(Qt.Key_Return);
            compare(table.selected, "first");
        }

        function test_tasksOpenAndCloseByKeys() {
            live.start("busy", 3);
            tasks.filter = "busy";
            tryCompare(tasks, "count", 6); // loop, group, main and three
            tree.forceActiveFocus();
            tree.currentIndex = 1;
            keyClick(Qt.Key_Left);
            compare(tasks.count, 2);
            keyClick(Qt.Key_Right);
            compare(tasks.count, 6);
            keyClick(Qt.Key_Space);
            compare(tasks.count, 2);
            keyClick(Qt.Key_Space);
            tryVerify(() => tree.itemAtIndex(5) !== null && tree.itemAtIndex(5).name === "task 2");
            tryVerify(() => tree.itemAtIndex(5).site.startsWith("tst_qmlparts.cpp:"));
            tasks.filter = "";
        }

        function test_aMonitorIsGoodForBindings() {
            monitor.name = "watched";
            verify(!monitor.exists);
            live.start("watched", 1);
            tryCompare(monitor, "ready", true);
            compare(monitor.state, ServiceThread.Ready);
            tryCompare(monitor, "tasks", 2);
            live.stop("watched", "enough");
            tryCompare(monitor, "stateName", "Stopped");
            compare(monitor.reason, "enough");
            monitor.name = "";
            compare(monitor.exists, false);
        }

        function test_everyStateHasAWordAndAColour_data() {
            return ["Created", "Starting", "Ready", "Stopping", "Stopped", "Failed", "Open", "Closed", "Silent"].map(name => ({
                            "tag": name
                        }));
        }

        function test_everyStateHasAWordAndAColour(data) {
            chip.stateName = data.tag;
            verify(chip.text.length > 0);
            tryVerify(() => chip.implicitWidth > 30);
            verify(MicroTheme.stateColor(data.tag).a > 0);
        }

        function test_nonsenseIsNoHarm() {
            chip.stateName = "no such state";
            compare(chip.text, "no such state");
            line.values = [NaN, -3, Infinity, 5];
            compare(line.peak, 5);
            line.length = -4;
            compare(line.length, 2);
            line.ceiling = NaN;
            compare(line.ceiling, 1);
            bars.latencies = undefined;
            compare(bars.shown.length, 0);
            bars.latencies = [0, "x", -4, 7];
            compare(bars.counts[3], 7);
            compare(bars.counts[1], 0);
            compare(Format.duration(-1), "");
            compare(Format.duration(NaN), "");
            compare(Format.count(NaN), "");
            ignoreWarning(/a rate of -5 is none/);
            services.rate = -5;
            compare(services.rate, 60);
            table.currentIndex = 99;
            tree.tasks = null;
            keyClick(Qt.Key_Space);
            tree.tasks = tasks;
        }

        function test_nonsenseInEveryPropertyIsNoHarm_data() {
            return [{
                    "tag": "ServiceModel",
                    "object": services,
                    "properties": ["rate", "historyInterval"]
                }, {
                    "tag": "ChannelModel",
                    "object": channels,
                    "properties": ["rate", "historyInterval"]
                }, {
                    "tag": "RequestModel",
                    "object": requests,
                    "properties": ["rate", "historyInterval"]
                }, {
                    "tag": "TaskListModel",
                    "object": tasks,
                    "properties": ["rate", "filter"]
                }, {
                    "tag": "ServiceMonitor",
                    "object": monitor,
                    "properties": ["rate", "name"]
                }, {
                    "tag": "ServiceTable",
                    "object": table,
                    "properties": ["selected", "currentIndex", "model"]
                }, {
                    "tag": "TaskTree",
                    "object": tree,
                    "properties": ["tasks", "currentIndex"]
                }, {
                    "tag": "ChannelTable",
                    "object": channelTable,
                    "properties": ["currentIndex", "model"]
                }, {
                    "tag": "StatusChip",
                    "object": strangeChip,
                    "properties": ["stateName", "text", "tint"]
                }, {
                    "tag": "StateMark",
                    "object": mark,
                    "properties": ["stateName", "color"]
                }, {
                    "tag": "Sparkline",
                    "object": line,
                    "properties": ["values", "color", "length", "ceiling"]
                }, {
                    "tag": "LatencyBars",
                    "object": bars,
                    "properties": ["latencies", "color"]
                }, {
                    "tag": "MicroTheme",
                    "object": MicroTheme,
                    "properties": ["dark", "window", "text", "accent", "monospace", "radius"]
                }];
        }

        function test_nonsenseInEveryPropertyIsNoHarm(data) {
            live.start("shown", 1);
            tryVerify(() => row("shown") !== null && row("shown").stateName === "Ready");
            const nonsense = [undefined, null, NaN, Infinity, -1, 0, 2147483647, 1e300, true, "", "nonsense", "x".repeat(100000), [], [null, "x", NaN, {}], ({
                        "length": 1e9
                    }), () => 1, Qt.point(1, 2), chip];
            for (const property of data.properties) {
                const before = data.object[property];
                for (const value of nonsense) {
                    const last = data.object[property];
                    try {
                        data.object[property] = value;
                    } catch (error) {
                        verify(error.message.startsWith("Cannot assign"), error.message);
                        compare(data.object[property], last); // refused, and nothing has changed
                    }
                    wait(0);
                }
                data.object[property] = before;
                compare(data.object[property], before);
            }
            waitForRendering(root);
            // All of it goes on.
            live.start("after", 1);
            tryVerify(() => row("after") !== null && row("after").stateName === "Ready");
            tryVerify(() => tasks.taskCount >= 4);
        }

        function test_strangeNamesAreShownAsTheyAre() {
            const arabic = "\u062e\u062f\u0645\u0629";
            const huge = "x".repeat(100000);
            for (const name of ["", arabic, huge, "<b>bold</b>"])
                live.start(name, 1);
            tryCompare(table, "count", 4);
            tryVerify(() => row(huge) !== null && row(huge).stateName === "Ready");
            compare(row("").Accessible.name, "(unnamed), Ready");
            compare(row(arabic).Accessible.name, arabic + ", Ready");
            compare(row("<b>bold</b>").Accessible.name, "<b>bold</b>, Ready");
            verify(row(huge).width <= table.width);
            tasks.filter = huge;
            tryCompare(tasks, "count", 4);
            tryVerify(() => tree.itemAtIndex(0) !== null);
            verify(tree.itemAtIndex(0).title.length <= 200);
            tasks.filter = "";
        }

        function test_aServiceMayDieWhileItIsShownAndChosen() {
            live.start("mortal", 2);
            tryVerify(() => row("mortal") !== null);
            mouseClick(row("mortal"));
            monitor.name = "mortal";
            tasks.filter = "mortal";
            tryCompare(monitor, "ready", true);
            tryCompare(tasks, "count", 5);
            live.destroyAll();
            tryCompare(table, "count", 0);
            tryCompare(tasks, "count", 0);
            tryCompare(monitor, "exists", false);
            verify(["Ready", "Stopping", "Stopped"].includes(monitor.stateName)); // as it was seen last
            tasks.filter = "";
            monitor.name = "";
        }

        function test_aHundredThousandTasksAreListed() {
            live.start("crowd", 100000);
            tasks.filter = "crowd";
            tryCompare(tasks, "count", 100003, 60000);
            tree.positionViewAtEnd();
            tryVerify(() => tree.itemAtIndex(100002) !== null);
            compare(tree.itemAtIndex(100002).name, "task 99999");
            tree.currentIndex = 1;
            tree.forceActiveFocus();
            keyClick(Qt.Key_Left);
            compare(tasks.count, 2);
            live.destroyAll();
            tryCompare(tasks, "count", 0, 60000);
            tasks.filter = "";
        }

        function test_rightToLeftMirrorsTheRows() {
            live.start("mirror", 0);
            tryVerify(() => row("mirror") !== null);
            root.LayoutMirroring.enabled = true;
            root.LayoutMirroring.childrenInherit = true;
            verify(row("mirror").LayoutMirroring.enabled);
            root.LayoutMirroring.enabled = false;
        }

        function test_rowsTellScreenReadersWhatTheyShow() {
            live.start("heard", 0);
            tryVerify(() => row("heard") !== null && row("heard").stateName === "Ready");
            compare(row("heard").Accessible.name, "heard, Ready");
            compare(table.Accessible.name, "Services");
        }

        function test_durationsAndCountsAreForPeople() {
            compare(Format.duration(0.74), "740 ms");
            compare(Format.duration(3.21), "3.2 s");
            compare(Format.duration(250), "4 min 10 s");
            compare(Format.duration(7500), "2 h 5 min");
            compare(Format.count(12), "12");
            compare(Format.count(34000), "34.0 k");
            compare(Format.percent(0.42), "42 %");
            compare(Format.tasks(1), "1 task");
            compare(Format.tasks(12), "12 tasks");
            compare(Format.restarts(1), "1 restart");
            compare(Format.turns(1), "1 turn");
            compare(Format.turns(34000), "34.0 k turns");
            compare(Format.turns(1e12), "1,000.0 G turns");
            compare(Format.uptime(3.21, "Ready"), "up 3.2 s");
            compare(Format.uptime(3.21, "Stopped"), "ran for 3.2 s");
            compare(Format.uptime(0, "Created"), "");
        }
    }
}
