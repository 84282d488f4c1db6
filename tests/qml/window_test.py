#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the dashboard as a whole: window_test.py QML-DEMO FOLDER-FOR-PICTURES. Without Xvfb the real window is left out."""

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = ""
PICTURES = Path()
PATIENCE = 120


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
        self.assertNotRegex(done.stderr, r"\.qml:\d+", done.stderr)

    def picture(self, name, *arguments, size=(1280, 800)):
        file = PICTURES / name
        file.unlink(missing_ok=True)
        self.assert_clean(self.run_demo("--screenshot", str(file), *arguments))
        head = file.read_bytes()[:24]
        self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", head[16:24]), size)

    def test_picture_light(self):
        self.picture("light.png")

    def test_picture_small_dark_right_to_left(self):
        self.picture("small-dark-arabic.png", "--dark", "--language", "ar", "--size", "800x600", size=(800, 600))

    def test_wrong_use(self):
        for arguments in (["--size", "10x10"], ["--size", "big"], ["--language", "xx"]):
            done = self.run_demo(*arguments, QT_QPA_PLATFORM="offscreen")
            self.assertEqual(done.returncode, 2)
            self.assertIn(arguments[0], done.stderr)

    def test_a_picture_that_cannot_be_written(self):
        done = self.run_demo("--screenshot", "/no/such/folder/x.png")
        self.assertEqual(done.returncode, 2)
        self.assertIn("cannot write", done.stderr)

    def test_real_window(self):
        if not shutil.which("Xvfb"):
            self.skipTest("there is no Xvfb")
        ours, theirs = os.pipe()
        with subprocess.Popen(["Xvfb", "-displayfd", str(theirs), "-screen", "0", "1400x900x24"], pass_fds=[theirs],
                              stderr=subprocess.DEVNULL) as server:
            try:
                os.close(theirs)
                display = os.read(ours, 16).decode().strip()
                done = self.run_demo("--measure-start", DISPLAY=f":{display}", QT_QPA_PLATFORM="xcb",
                                     QT_QUICK_BACKEND="software")
                self.assert_clean(done)
                self.assertTrue(re.search(r"first frame after \d+ ms", done.stdout), done.stdout)
                print(done.stdout.strip())
            finally:
                server.terminate()


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    PICTURES = Path(sys.argv.pop(1))
    PICTURES.mkdir(parents=True, exist_ok=True)
    unittest.main()
