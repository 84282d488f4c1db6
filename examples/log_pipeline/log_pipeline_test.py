#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests the log_pipeline program: follows real files, kills it at random moments, and checks what is in the database."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

PROGRAM = ""
DEADLINE = 60  # seconds; only a program that hangs takes that long
SEED = int(os.environ.get("LOG_PIPELINE_SEED", "0")) or random.randrange(1, 1 << 31)
KILLS = 25
INTERRUPTED = 130


class Database:
    """What the program has stored."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, timeout=DEADLINE)

    def close(self):
        self.connection.close()

    def has_tables(self):
        found = self.connection.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('files', 'lines')").fetchone()
        return found[0] == 2

    def offset(self, path):
        row = self.connection.execute("SELECT offset FROM files WHERE path = ?", (str(path),)).fetchone()
        return row[0] if row else 0

    def lines(self, path):
        return [(offset, text.encode()) for offset, text in self.connection.execute(
            "SELECT offset, text FROM lines WHERE path = ? ORDER BY id", (str(path),))]


def lines_of(content, pattern):
    """The lines that are to be stored, each with its offset."""
    found, begin = [], 0
    for line in content.split(b"\n")[:-1]:
        if re.search(pattern, line):
            found.append((begin, line))
        begin += len(line) + 1
    return found


class Run:
    """The program while it runs; its acknowledgements are collected."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.acknowledged = {}
        self.errors = b""
        self.threads = [threading.Thread(target=self.read_acknowledgements), threading.Thread(target=self.read_errors)]
        for thread in self.threads:
            thread.start()

    def read_acknowledgements(self):
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                offset, path = line[:-1].split(b" ", 1)
                self.acknowledged[path.decode()] = int(offset)

    def read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def end(self, what=None):
        """The exit code, after a signal if there is to be one."""
        if what is not None:
            self.process.send_signal(what)
        try:
            code = self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            for thread in self.threads:
                thread.join()
            self.process.stdout.close()
            self.process.stderr.close()
        return code


class LogPipelineTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.path = self.folder / "log.sqlite"

    def database(self):
        database = Database(self.path)
        self.addCleanup(database.close)
        return database

    def until(self, happens, run=None):
        end = time.monotonic() + DEADLINE
        while not happens():
            self.assertLess(time.monotonic(), end, "it does not come to that")
            self.assertTrue(run is None or run.process.poll() is None, run and run.errors.decode())
            time.sleep(0.002)

    def check_stored(self, database, path, content, pattern, acknowledged=0):
        offset = database.offset(path)
        self.assertGreaterEqual(offset, acknowledged, "an acknowledged line is lost")
        self.assertLessEqual(offset, len(content))
        self.assertEqual(database.lines(path), lines_of(content[:offset], pattern))
        return offset

    def test_stores_the_lines_that_match(self):
        one, other = self.folder / "one.log", self.folder / "other.log"
        one.write_bytes(b"error: a\nfine\n\nerror: \xc3\xa4\nerror without an end")
        other.write_bytes(b"".join(b"%d %s\n" % (i, b"error" if i % 3 else b"fine") for i in range(50_000)))
        run = Run("--once", "--acknowledge", "--match", "^error|error$", "--database", self.path, one, other)
        self.assertEqual(run.end(), 0, run.errors)
        database = self.database()
        self.assertEqual([text for _, text in database.lines(one)], [b"error: a", "error: ä".encode()])
        for path in (one, other):
            self.check_stored(database, path, path.read_bytes(), b"^error|error$", run.acknowledged[str(path)])
        self.assertEqual(database.offset(other), other.stat().st_size)
        # Again: nothing twice. With its end, the last line is there, too.
        with one.open("ab") as file:
            file.write(b"\n")
        self.assertEqual(Run("--once", "--match", "^error|error$", "--database", self.path, one, other).end(), 0)
        for path in (one, other):
            self.assertEqual(self.check_stored(database, path, path.read_bytes(), b"^error|error$"), path.stat().st_size)

    def test_a_long_line_is_one_line(self):
        log = self.folder / "long.log"
        log.write_bytes(b"x" * 300_000 + b"\nshort\n" + b"y" * 65_536 + b"\n")
        self.assertEqual(Run("--once", "--database", self.path, log).end(), 0)
        self.assertEqual(self.check_stored(self.database(), log, log.read_bytes(), b""), log.stat().st_size)

    def test_killed_at_any_moment_it_loses_nothing_and_stores_nothing_twice(self):
        generator = random.Random(SEED)
        logs = [self.folder / f"{number}.log" for number in range(3)]
        files = [log.open("ab", buffering=0) for log in logs]
        for file in files:
            self.addCleanup(file.close)
        numbers = [0] * len(files)
        arguments = ["--acknowledge", "--match", "keep", "--batch", "4", "--database", self.path, *logs]
        acknowledged = dict.fromkeys(map(str, logs), 0)
        killed_at_work = 0

        def write():
            which = generator.randrange(len(files))
            text = b""
            for _ in range(generator.randrange(100)):
                numbers[which] += 1
                text += b"%d %s %s\n" % (numbers[which], generator.choice((b"keep", b"drop")), b"." * generator.randrange(80))
            # In pieces that end in the middle of lines.
            cut = generator.randrange(len(text) + 1)
            files[which].write(text[:cut])
            files[which].write(text[cut:])

        for _ in range(KILLS):
            run = Run(*arguments)
            if generator.random() < 0.7:
                self.until(lambda: write() or run.acknowledged, run)
            end = time.monotonic() + generator.choice((0.01, 0.1)) * generator.random()
            while time.monotonic() < end:
                write()
            self.assertIsNone(run.process.poll(), run.errors)
            self.assertEqual(run.end(signal.SIGKILL), -signal.SIGKILL)
            acknowledged.update(run.acknowledged)
            killed_at_work += bool(run.acknowledged)
            database = Database(self.path)
            if database.has_tables():
                for log in logs:
                    self.check_stored(database, log, log.read_bytes(), b"keep", acknowledged[str(log)])
            database.close()
        self.assertGreater(killed_at_work, KILLS // 4, "it was mostly killed before it had done anything")
        self.assertEqual(Run("--once", *arguments).end(), 0)
        database = self.database()
        for log, number in zip(logs, numbers):
            self.assertEqual(self.check_stored(database, log, log.read_bytes(), b"keep"), log.stat().st_size)
            self.assertEqual(log.read_bytes().count(b"\n"), number)

    def test_ctrl_c_stores_what_was_read_and_says_how_much(self):
        log = self.folder / "a.log"
        log.write_bytes(b"first\n")
        run = Run("--progress", "--acknowledge", "--database", self.path, log)
        self.until(lambda: run.acknowledged.get(str(log)) == 6, run)
        with log.open("ab") as file:
            file.write(b"second\n" * 1000)
        self.until(lambda: run.acknowledged.get(str(log)) == 7006, run)
        self.assertEqual(run.end(signal.SIGINT), INTERRUPTED, run.errors)
        last = run.errors.decode().splitlines()[-1]
        self.assertRegex(last, r"^0\.0 MB read \(.* MB/s\), 1001 lines, 1001 stored in \d+ transactions, waiting: 0 \+ 0$")
        self.assertNotIn("destroyed", run.errors.decode())
        self.assertEqual(self.check_stored(self.database(), log, log.read_bytes(), b""), 7006)

    def test_ctrl_c_under_load_leaves_the_database_whole(self):
        log = self.folder / "a.log"
        log.write_bytes(b"".join(b"%d\n" % number for number in range(300_000)))
        run = Run("--acknowledge", "--database", self.path, log)
        self.until(lambda: run.acknowledged, run)
        self.assertEqual(run.end(signal.SIGINT), INTERRUPTED, run.errors)
        self.assertEqual(run.errors, b"")
        offset = self.check_stored(self.database(), log, log.read_bytes(), b"")
        self.assertEqual(offset, run.acknowledged[str(log)])

    def test_status_on_a_signal(self):
        log = self.folder / "a.log"
        log.write_bytes(b"first\n")
        for option in ("--status", "--status=json"):
            run = Run(option, "--acknowledge", "--database", self.path, log)
            with log.open("ab") as file:
                file.write(b"more\n")
            self.until(lambda run=run: run.acknowledged.get(str(log)) == log.stat().st_size, run)
            run.process.send_signal(signal.SIGUSR1)
            if option == "--status":
                self.until(lambda run=run: run.errors.endswith(b"--- end ---\n"), run)
                for part in (b"service tail: Ready", b"service store: Ready", b"channel chunks:",
                             b"channel selections:", b"tail.cpp:"):
                    self.assertIn(part, run.errors)
            else:
                self.until(lambda run=run: run.errors.endswith(b"\n"), run)
                status = json.loads(run.errors)
                self.assertLessEqual({"tail", "store"}, {service["name"] for service in status["services"]})
                self.assertLessEqual({"chunks", "selections"}, {channel["name"] for channel in status["channels"]})
                self.assertIn("tail.cpp", json.dumps(status["loops"]))
            self.assertEqual(run.end(signal.SIGINT), INTERRUPTED, run.errors)

    def test_a_database_that_is_locked_holds_up_the_reading(self):
        log = self.folder / "a.log"
        log.write_bytes(b"12345678901234567890\n" * 500_000)
        self.assertEqual(Run("--once", "--database", self.path, os.devnull).end(), 0)
        locked = sqlite3.connect(self.path, timeout=DEADLINE, isolation_level=None)
        self.addCleanup(locked.close)
        locked.execute("BEGIN IMMEDIATE")
        run = Run("--progress", "--capacity", "4", "--database", self.path, "--once", log)
        # When both channels are full and a few turns later, nothing more is read.
        self.until(lambda: run.errors.count(b"waiting: 4 + 4") >= 3, run)
        read = [float(match) for match in re.findall(rb"([\d.]+) MB read", run.errors)]
        self.assertLess(read[-1], 1.5)
        locked.execute("COMMIT")
        self.assertEqual(run.end(), 0, run.errors)
        self.assertEqual(self.check_stored(self.database(), log, log.read_bytes(), b""), log.stat().st_size)

    def test_files_that_are_cut_or_replaced_are_read_from_their_start(self):
        log = self.folder / "a.log"
        log.write_bytes(b"old 1\nold 2\n")
        run = Run("--acknowledge", "--database", self.path, log)
        database = self.database()
        self.until(lambda: run.acknowledged.get(str(log)) == 12, run)
        log.write_bytes(b"cut\n")
        self.until(lambda: run.acknowledged.get(str(log)) == 4, run)
        new = self.folder / "new.log"
        new.write_bytes(b"replaced\n")
        with log.open("ab") as file:
            file.write(b"last\n")
        new.rename(log)
        self.until(lambda: run.acknowledged.get(str(log)) == 9 and database.offset(log) == 9
                   and database.lines(log)[-1][1] == b"replaced", run)
        self.assertEqual(run.end(signal.SIGTERM), INTERRUPTED)
        self.assertEqual([text for _, text in database.lines(log)], [b"old 1", b"old 2", b"cut", b"last", b"replaced"])

    def test_says_what_is_wrong(self):
        log = self.folder / "a.log"
        log.write_bytes(b"a\n")
        for arguments, code, text in (
            ([], 2, b"name the files"),
            (["--capacity", "0", log], 2, b"from 1 up"),
            (["--match", "(", log], 2, b"--match"),
            (["--no-such-option", log], 2, b"no-such-option"),
            (["--status=xml", log], 2, b"--status"),
            (["--once", "--database", self.path, self.folder / "missing.log"], 1, b"missing.log"),
            (["--once", "--database", self.folder / "no" / "folder", log], 1, b"no/folder"),
        ):
            with self.subTest(arguments=arguments):
                run = Run(*arguments)
                self.assertEqual(run.end(), code, run.errors)
                self.assertIn(text, run.errors)
        self.path.write_bytes(b"this is no database, however long it may be\n" * 100)
        run = Run("--once", "--database", self.path, log)
        self.assertEqual(run.end(), 1)
        self.assertIn(b"not a database", run.errors)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    print(f"LOG_PIPELINE_SEED={SEED}")
    unittest.main(verbosity=2)
