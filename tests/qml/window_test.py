#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the dashboard as a whole: window_test.py QML-DEMO FOLDER-FOR-PICTURES. Without Xvfb the real window is left out."""

import concurrent.futures
import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = ""
PICTURES = Path()
PATIENCE = 120


@contextlib.contextmanager
def display():
    """A display of our own, as the environment that leads to it."""
    ours, theirs = os.pipe()
    with subprocess.Popen(["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1400x900x24"], pass_fds=[theirs],
                          stderr=subprocess.DEVNULL) as server:
        try:
            os.close(theirs)
            name = os.read(ours, 16).decode().strip()
            yield {"DISPLAY": f":{name}", "QT_QPA_PLATFORM": "xcb", "QT_QUICK_BACKEND": "software"}
        finally:
            os.close(ours)
            server.terminate()


class WindowTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for number in range(50):
            (self.folder / f"file {number}").write_bytes(b"x" * 1000 * number)
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": folder.name}
        os.chmod(folder.name, 0o700)

    def run_demo(self, *arguments, **extra):
        return subprocess.run([PROGRAM, *arguments, str(self.folder)], check=False, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env={**self.environment, **extra})

    def assert_clean(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        # Broken bindings and missing types show here.
        self.assertNotRegex(done.stderr, r"\.qml:\d+|Argument missing", done.stderr)

    def take_picture(self, name, *arguments, size, **extra):
        file = PICTURES / name
        file.unlink(missing_ok=True)
        self.assert_clean(self.run_demo("--screenshot", str(file), "--script-seconds", "8", "--size",
                                        f"{size[0]}x{size[1]}", *arguments, **extra))
        head = file.read_bytes()[:24]
        self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", head[16:24]), size)

    def test_pictures(self):
        with contextlib.ExitStack() as stack:
            # They mostly wait, so they run at the same time.
            pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor())
            takes = [
                pool.submit(self.take_picture, "light.png", size=(1280, 800)),
                pool.submit(self.take_picture, "small-dark-arabic.png", "--dark", "--language", "ar", size=(800, 600)),
                pool.submit(self.take_picture, "small-german.png", "--language", "de", size=(800, 600)),
            ]
            if shutil.which("Xvfb"):
                where = stack.enter_context(display())
                takes.append(pool.submit(self.take_picture, "real-window.png", size=(1280, 800), **where))
            for take in takes:
                take.result()

    def describe(self, *arguments):
        done = self.run_demo("--describe", *arguments, QT_QPA_PLATFORM="offscreen", QT_QUICK_BACKEND="software")
        self.assert_clean(done)
        return done.stdout.splitlines()

    def focused(self, lines):
        return [line.removeprefix("focus: ") for line in lines if line.startswith("focus: ")]

    def test_everything_is_reached_by_keys_and_has_a_name(self):
        focused = self.focused(self.describe())
        for control in ("Services", "Stop", "Restart", "Cancel its tasks", "Fail", "Stall for 5 s",
                        "Ignore a cancellation", "Flood a channel", "Only the chosen service", "Tasks", "Channels",
                        "Requests", "Language", "Dark"):
            self.assertIn(control, focused)
        self.assertNotIn("", focused)

    def test_screen_readers_hear_states_and_numbers(self):
        heard = [line.strip() for line in self.describe() if not line.startswith("focus: ")]
        for line in (r"ListItem 'troubled, Ready' 'up .* · \d+ tasks'", r"ListItem 'line server, Ready' .*",
                     r"ListItem 'checksum, \w+' .*", r"ProgressBar 'Progress of the checksums' '\d+ %'",
                     r"TreeItem 'worker 1, sleep' 'troubled\.cpp:\d+'", r"TreeItem 'main, .*' 'open, .*\.cpp:\d+'",
                     r"ListItem 'flood, Open' '.* waiting, .*/s received'", r"StaticText 'Services 5' ''",
                     r"Graphic 'Latencies from .* to .*' ''",
                     r"ListItem 'line requests' '.*/s · \d+ pending · \d+ failed'", r"Button 'Fail' ''"):
            self.assertTrue(any(re.fullmatch(line, one) for one in heard), line + "\n" + "\n".join(heard))

    def test_in_arabic_nothing_is_left_in_english(self):
        lines = self.describe("--language", "ar")
        own = r"checksum|line|journal|troubled|flood|room|worker|drink|main|entries|server|client|requests|checksums"
        for line in lines:
            role, _, texts = line.strip().partition(" ")
            if role in ("Button", "ComboBox", "CheckBox", "ProgressBar", "Grouping", "List", "Tree", "Graphic", "focus:"):
                text = re.sub(rf"\b({own})\b", "", texts)
                self.assertNotRegex(text, "[A-Za-z]{2}", line)
        self.assertIn("mirrored: yes", lines)
        self.assertIn("mirrored: no", self.describe("--language", "de"))

    def test_nothing_that_a_user_does_makes_the_window_stand_still(self):
        with (self.folder / "great").open("wb") as file:
            file.truncate(64 << 30)  # without content; until the end there is something to hash
        offscreen = {"QT_QPA_PLATFORM": "offscreen", "QT_QUICK_BACKEND": "software"}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            good = pool.submit(self.run_demo, "--exercise", **offscreen)
            # Of what is found if there is something to find.
            bad = pool.submit(self.run_demo, "--exercise", "--with-blocking-call", **offscreen)
            good, bad = good.result(), bad.result()
        print(good.stdout.strip())
        self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
        self.assert_clean(good)
        self.assertLess(self.longest_pause(good), 1000)
        self.assertEqual(bad.returncode, 1, bad.stdout + bad.stderr)
        self.assertGreater(self.longest_pause(bad), 2000)
        self.assertRegex(bad.stdout, r"has not turned for \d+ ms: exercise runs, .*, blocked in a call to troubled")

    def longest_pause(self, done):
        found = re.search(r"^(\d+) turns of the GUI's thread, the longest pause: (\d+) ms", done.stdout, re.MULTILINE)
        self.assertTrue(found, done.stdout + done.stderr)
        self.assertGreater(int(found[1]), 100)
        return int(found[2])

    def test_status_on_a_signal(self):
        for option, one in (("--status", signal.SIGUSR1), ("--status=json", signal.SIGQUIT)):
            process = subprocess.Popen([PROGRAM, option, str(self.folder)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True,
                                       env={**self.environment, "QT_QPA_PLATFORM": "offscreen",
                                            "QT_QUICK_BACKEND": "software"})
            try:
                found = set()
                while not found >= {"line server", "line client", "journal", "troubled"}:
                    if self.catches(process, one):
                        process.send_signal(one)
                        found = self.ready_services(process.stderr, option)
            finally:
                process.kill()
                process.communicate(timeout=PATIENCE)

    def catches(self, process, one):
        caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())
        self.assertTrue(caught, "the program has ended")
        return bool(int(caught[1], 16) & 1 << (one - 1))

    def ready_services(self, errors, option):
        """Of the next status that is printed."""
        if option == "--status=json":
            line = ""
            while not line.startswith("{"):
                line = errors.readline()
            return {service["name"] for service in json.loads(line)["services"] if service["state"] == "Ready"}
        found, line = set(), ""
        while line != "--- end ---\n":
            line = errors.readline()
            if (service := re.match(r"service (.*): Ready", line)):
                found.add(service[1])
        return found

    def test_wrong_use(self):
        for arguments in (["--status=xml"], ["--no-such-option"], ["--size", "10x10"], ["--size", "big"], ["--language", "xx"], ["--tasks", "-1"],
                          ["--tasks", "many"], ["--script-seconds", "1"]):
            done = self.run_demo(*arguments, QT_QPA_PLATFORM="offscreen")
            self.assertEqual(done.returncode, 2)
            self.assertIn(arguments[0].lstrip("-").partition("=")[0], done.stderr)

    def test_a_picture_that_cannot_be_written_is_told_before_the_script(self):
        done = self.run_demo("--screenshot", "/no/such/folder/x.png")
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot write", done.stderr)

    def test_ten_thousand_tasks_in_a_real_window(self):
        if not shutil.which("Xvfb"):
            self.skipTest("there is no Xvfb")
        with display() as where:
            done = self.run_demo("--measure", "--tasks", "10000", **where)
        self.assert_clean(done)
        print(done.stdout.strip())
        cpu = re.search(r"first frame: \d+ ms after the process began, (\d+) ms of CPU time", done.stdout)
        self.assertTrue(cpu, done.stdout)
        self.assertLess(int(cpu[1]), 1000)
        for phase in ("updates only", "scrolling"):
            shares = re.search(phase + r": GUI thread ([\d.]+) % of a core, render thread ([\d.]+) %", done.stdout)
            self.assertTrue(shares, done.stdout)
            # The goal of 30 % is one of an optimised build; this one may be for debugging, where it takes twice that.
            self.assertLess(float(shares[1]) + float(shares[2]), 90, done.stdout)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    PICTURES = Path(sys.argv.pop(1))
    PICTURES.mkdir(parents=True, exist_ok=True)
    unittest.main()
