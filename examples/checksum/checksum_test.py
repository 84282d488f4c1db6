#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the program and looks at what a user sees: checksum_test.py PROGRAM [-v] [NAME OF A TEST...]

CHECKSUM_TEST_FILES is the number of files in the test of memory, 20,000 by default. CHECKSUM_TEST_SANITIZED leaves that
test out."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest
from pathlib import Path

PROGRAM = b""
MEMORY_FILES = int(os.environ.get("CHECKSUM_TEST_FILES", "20000"))
SANITIZED = "CHECKSUM_TEST_SANITIZED" in os.environ
PATIENCE = 60  # seconds until a run counts as hanging
GREAT = 64 << 30  # bytes of a sparse file that takes minutes to hash
LINE = re.compile(rb"\\?[0-9a-f]{64}  [^\n]+\n")
ODD_NAMES = [b"plain", b"new\nline", b"\n", b"back\\slash", b"\\", b"carriage\rreturn", b"not \xff\xfe UTF-8",
             "Größe".encode(), b"-dash", b"--jobs", b" space ", b"quote'\"", b"bell\a", b"x" * 255]


def run(*arguments, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": PATIENCE, **options}
    return subprocess.run([PROGRAM, *arguments], check=False, **options)


def tool(name, *arguments, **options):
    return subprocess.run([name, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          timeout=PATIENCE, **options)


def walked(folder):
    """The files below a folder in the order that is promised."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from walked(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited too long")
        time.sleep(0.005)


def read_bytes(process):
    """How much of its files a process has read so far."""
    return int(re.search(r"rchar: (\d+)", Path(f"/proc/{process.pid}/io").read_text())[1])


def until_stuck(process):
    """Until it reads no more, as it waits for somebody to take what it prints."""
    last = -1
    while (now := read_bytes(process)) != last:
        last = now
        time.sleep(0.3)


def in_terminal(*arguments, columns=80, meanwhile=None):
    """Runs with standard error on a terminal. Gives the exit code, standard output and what the terminal got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([PROGRAM, *arguments], stdout=output, stderr=theirs)
        os.close(theirs)
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                part = b""
            if not part:
                break
            shown += part
            if meanwhile and meanwhile(process, shown):
                meanwhile = None
        os.close(ours)
        code = process.wait(PATIENCE)
        watchdog.cancel()
        output.seek(0)
        return code, output.read(), shown


class ChecksumTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="checksum test ")
        self.addCleanup(folder.cleanup)
        self.before = os.getcwd()
        self.addCleanup(os.chdir, self.before)
        os.chdir(folder.name)

    def make(self, path, content=b""):
        os.makedirs(os.path.dirname(path) or b".", exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def make_odd_tree(self):
        for number, name in enumerate(ODD_NAMES):
            self.make(b"tree/" + name, b"content %d" % number)
            self.make(b"tree/folder " + name[:200] + b"/deep/" + name, name)
        self.make(b"tree/empty")
        self.make(b"tree/one block", b"b" * (256 * 1024))
        self.make(b"tree/several blocks", os.urandom(3 * 1024 * 1024 + 17))
        os.makedirs(b"tree/empty folder")
        os.symlink(b"plain", b"tree/link to a file")
        os.symlink(b"..", b"tree/folder plain/link upwards")
        os.symlink(b"nowhere", b"tree/dangling")

    def make_great_file(self, path):
        self.make(path)
        os.truncate(path, GREAT)

    def start(self, *arguments, stdout=subprocess.PIPE):
        process = subprocess.Popen([PROGRAM, *arguments], stdout=stdout, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        process.kill()
        process.communicate()

    def assert_usage(self, result, message):
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stdout, b"")
        self.assertIn(message, result.stderr)
        self.assertRegex(result.stderr, rb"(?m)^Usage: checksum ")

    # What it prints

    def test_output_is_that_of_coreutils_and_checks(self):
        self.make_odd_tree()
        files = list(walked(b"tree"))
        self.assertGreater(len(files), 2 * len(ODD_NAMES))
        for name in ("sha256", "sha1", "md5", "sha512", "sha224", "sha384"):
            with self.subTest(algorithm=name):
                result = run("--algorithm", name, "tree")
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertEqual(result.stdout, tool(name + "sum", "--", *files).stdout)
                checked = tool(name + "sum", "--check", "--strict", "--quiet", input=result.stdout)
                self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, b"", b""))

    def test_named_files_come_in_the_given_order(self):
        self.make_odd_tree()
        os.chdir("tree")
        names = [b"./" + name if name.startswith(b"-") else name for name in reversed(ODD_NAMES)]
        names += [b"link to a file", b"plain"]
        result = run(*names)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(result.stdout, tool("sha256sum", *names).stdout)
        after_dashes = run("--", "-dash", "--jobs")
        self.assertEqual(after_dashes.stdout, tool("sha256sum", "--", "-dash", "--jobs").stdout)

    def test_order_does_not_depend_on_jobs(self):
        self.make_odd_tree()
        for number in range(300):
            self.make(b"tree/many/%d" % number, b"m" * (number * 137 % 50000))
        outputs = {run("--jobs", str(jobs), "tree", "tree/plain").stdout for jobs in (1, 4, 16) for _ in range(3)}
        self.assertEqual(len(outputs), 1)

    def test_no_more_threads_hash_than_jobs(self):
        for number in range(4):
            self.make_great_file(b"great/%d" % number)
        for jobs in (1, 3):
            process = self.start(f"--jobs={jobs}", "great")
            names = []
            until(lambda process=process: read_bytes(process) > 8 << 20)
            for task in Path(f"/proc/{process.pid}/task").iterdir():
                names.append((task / "comm").read_text().strip())
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)
            self.assertEqual(sum("pooled" in name for name in names), jobs, names)

    def test_very_many_arguments(self):
        names = [b"some file with a long name %06d" % number for number in range(20000)]
        for name in names:
            self.make(name, name)
        result = run(*names)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertEqual(re.findall(rb"  (.*)\n", result.stdout), names)

    # What goes wrong

    def test_wrong_use(self):
        self.make(b"file")
        self.assert_usage(run(), b"no file or folder")
        self.assert_usage(run("file", "missing"), b"'missing'")
        self.assert_usage(run("file/below a file"), b"'file/below a file'")
        self.assert_usage(run(""), b"''")
        self.assert_usage(run("--nonsense", "file"), b"'--nonsense'")
        self.assert_usage(run("-", "file"), b"./-")
        self.assert_usage(run("--algorithm", "crc", "file"), b"'crc'")
        self.assert_usage(run("--algorithm"), b"--algorithm")
        for jobs in ("0", "-1", "many", "", "4x", "99999999999999"):
            self.assert_usage(run("--jobs", jobs, "file"), b"--jobs")
        self.assert_usage(run("missing\n\x1b[31m"), rb"'missing\n\x1b[31m'")

    def test_help(self):
        result = run("--help")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertTrue(result.stdout.startswith(b"Usage: checksum "))

    def test_unreadable_files_are_named_and_the_others_hashed(self):
        self.make(b"tree/good", b"good")
        self.make(b"tree/zoo", b"zoo")
        os.symlink("nowhere", "dangling\n")
        os.symlink("circle", "circle")
        os.mkfifo("pipe")
        os.mkfifo("tree/pipe")
        unreadable = ["dangling\n", "circle", "pipe"]
        if os.geteuid() != 0:  # root may read everything
            self.make(b"tree/secret")
            os.chmod("tree/secret", 0)
            os.makedirs("tree/locked")
            os.chmod("tree/locked", 0)
            self.addCleanup(os.chmod, "tree/locked", 0o700)
            unreadable += ["tree/secret", "tree/locked"]
        result = run("tree", *unreadable[:3])
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, tool("sha256sum", "tree/good", "tree/zoo").stdout)
        for name in unreadable:
            self.assertIn(b"'" + name.replace("\n", "\\n").encode() + b"': ", result.stderr)
        self.assertIn(b"'tree/pipe': skipped", result.stderr)
        alone = run("tree/pipe", "tree/good")
        self.assertEqual(alone.returncode, 1)
        fine = run("tree")
        self.assertEqual(fine.returncode, 0 if os.geteuid() == 0 else 1)

    def test_file_that_cannot_be_read_to_its_end(self):
        if not os.path.exists("/proc/self/mem"):
            self.skipTest("needs /proc")
        result = run("/proc/self/mem", "/proc/version")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"'/proc/self/mem': Input/output error", result.stderr)
        self.assertEqual(result.stdout, tool("sha256sum", "/proc/version").stdout)

    def test_file_that_vanishes(self):
        self.make(b"tree/1 first", b"first")
        for number in range(2):
            self.make_great_file(b"tree/2 great %d" % number)
        self.make(b"tree/3 vanishing", b"vanishing")
        process = self.start("-j", "2", "tree")
        until(lambda: read_bytes(process) > 8 << 20)
        os.remove("tree/3 vanishing")
        for number in range(2):
            os.truncate(f"tree/2 great {number}", 0)
        output, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(output, tool("sha256sum", "tree/1 first").stdout)
        self.assertIn(b"'tree/2 great 0': became shorter", errors)
        self.assertIn(b"'tree/3 vanishing': No such file", errors)

    def test_output_that_cannot_be_written(self):
        self.make_odd_tree()
        with open("/dev/full", "wb") as full:
            result = run("tree", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"write error: No space left", result.stderr)
        closed = subprocess.run([b"/bin/sh", b"-c", b'"$0" tree >&-', PROGRAM], stderr=subprocess.PIPE, check=False,
                                timeout=PATIENCE)
        self.assertEqual(closed.returncode, 1)
        self.assertIn(b"write error", closed.stderr)

    def test_reader_who_has_seen_enough(self):
        self.make_great_file(b"tree/z great")
        for number in range(5000):
            self.make(b"tree/%d" % number)
        process = self.start("tree")
        self.assertRegex(process.stdout.readline(), LINE)
        process.stdout.close()
        self.assertEqual(process.wait(PATIENCE), 1)
        self.assertEqual(process.stderr.read(), b"")

    # Ctrl-C

    def interrupt(self, process):
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
        # 100 ms are promised after the current block; the rest is for a machine that does other things as well.
        self.assertLess(time.monotonic() - asked, 3.0)
        self.assertEqual(process.returncode, 130)
        return output, errors

    def test_interrupted(self):
        # The great file comes first: those after it are finished nevertheless.
        self.make_great_file(b"tree/0 great")
        small = [b"tree/%d" % number for number in range(1, 10)]
        for name in small:
            self.make(name, name)
        for jobs in ("2", "8"):
            process = self.start("--jobs", jobs, "tree")
            until(lambda process=process: read_bytes(process) > 64 << 20)
            output, errors = self.interrupt(process)
            self.assertEqual(output, tool("sha256sum", *small).stdout)
            self.assertEqual(errors, b"")

    def test_status_on_a_signal(self):
        self.make_great_file(b"tree/great")
        for option, wanted in (("--status", [b"service checksum: Ready", b"channel results:", b"waits for"]),
                               ("--status=json", [b'"services":', b'"loops":'])):
            process = self.start(option, "tree")
            until(lambda process=process: read_bytes(process) > 64 << 20)
            process.send_signal(signal.SIGUSR1)
            text = b""
            while not (text.endswith(b"--- end ---\n") or (text.startswith(b"{") and text.endswith(b"\n"))):
                text += process.stderr.readline()
            for part in wanted:
                self.assertIn(part, text)
            self.interrupt(process)

    def test_interrupted_at_any_time(self):
        for number in range(3000):
            self.make(b"tree/%d/%d" % (number % 10, number), b"x" * number)
        everything = run("tree").stdout.splitlines(keepends=True)
        for step in range(12):
            process = self.start("tree")
            # By now it listens to signals; before that one would end it as any other program.
            until(lambda process=process: process.poll() is not None or self.catches_interrupt(process))
            time.sleep(step * 0.01)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=PATIENCE)
            self.assertIn(process.returncode, (0, 130))
            self.assertEqual(errors, b"")
            lines = output.splitlines(keepends=True)
            kept = set(lines)
            self.assertEqual(lines, [line for line in everything if line in kept])
            if process.returncode == 0:
                self.assertEqual(lines, everything)

    def catches_interrupt(self, process):
        try:
            caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text())
        except OSError:
            return True
        return caught is not None and bool(int(caught[1], 16) & 1 << (signal.SIGINT - 1))

    def test_interrupted_while_nobody_reads(self):
        for number in range(5000):
            self.make(b"tree/%d" % number)
        ours, theirs = os.pipe()
        process = self.start("tree", stdout=theirs)
        os.close(theirs)
        until_stuck(process)
        self.interrupt(process)
        with os.fdopen(ours, "rb") as reader:
            output = reader.read()
        self.assertRegex(output, rb"\A(" + LINE.pattern + rb")+\Z")

    # The progress

    def test_progress_on_a_terminal(self):
        self.make_great_file(b"great")
        self.make(b"small", b"small")

        for columns, last_seen in ((100, b" left"), (40, b" GB")):
            # The small one is named only once it has been written.
            def interrupt_when_seen(process, shown, last_seen=last_seen):
                if last_seen not in shown or b" 1/2 files" not in shown:
                    return False
                process.send_signal(signal.SIGINT)
                return True

            code, output, shown = in_terminal("small", "great", columns=columns, meanwhile=interrupt_when_seen)
            self.assertEqual(code, 130)
            self.assertEqual(output, tool("sha256sum", "small").stdout)
            drawn = [part for part in re.split(rb"\r|\x1b\[K|\n", shown) if part]
            self.assertLess(max(len(part) for part in drawn[:-1]), columns)
            if columns == 100:
                self.assertRegex(shown, rb"\[[#-]+\] +\d+%  1/2 files  [\d.]+ MB/68.7 GB  [\d.]+ MB/s  [\d:]+ left")
            # The bar is gone before the last line, which stands alone.
            self.assertRegex(shown, rb"\r\x1b\[Kchecksum: 1 files, [^\r\n]*, interrupted\r\n\Z")

    def test_progress_of_a_short_run(self):
        self.make_odd_tree()
        os.remove("tree/dangling")
        code, output, shown = in_terminal("tree")
        self.assertEqual((code, output), (0, run("tree").stdout))
        self.assertRegex(shown, rb"\r\x1b\[Kchecksum: \d+ files, [\d.]+ MB in [\d.]+ s, [^\r\n]*left out: 2\r\n\Z")

    def test_no_progress_elsewhere(self):
        for number in range(2000):
            self.make(b"tree/%d" % number)
        with tempfile.TemporaryFile() as errors:
            self.assertEqual(run("tree", stderr=errors).returncode, 0)
            errors.seek(0)
            self.assertEqual(errors.read(), b"")

    # Memory

    def peak(self, *arguments):
        """VmHWM in KiB."""
        with open(os.devnull, "wb") as nowhere:
            process = subprocess.Popen([PROGRAM, *arguments], stdout=nowhere)  # wait4() below is the one who waits
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        return usage.ru_maxrss

    @unittest.skipIf(SANITIZED, "sanitizers keep freed memory")
    def test_memory_stays_flat(self):
        for number in range(MEMORY_FILES):
            self.make(b"large/%d/some file %d" % (number // 1000, number), b"x" * (number % 3000))
        for number in range(2000):
            self.make(b"small/%d/some file %d" % (number // 1000, number), b"x" * (number % 3000))
        small, large = self.peak("-j", "4", "small"), self.peak("-j", "4", "large")
        self.assertLess(large, small + 6 * 1024, f"{small} KiB for 2,000 files, {large} KiB for {MEMORY_FILES}")

    def test_nothing_more_is_read_while_nobody_takes_the_results(self):
        for number in range(20000):
            self.make(b"tree/%d/some file %d" % (number // 1000, number), b"x" * 1000)
        process = self.start("-j", "2", "tree")
        until_stuck(process)
        self.assertLess(read_bytes(process), 20000 * 1000 // 2)
        output, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(output.count(b"\n"), 20000)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAM = os.fsencode(os.path.abspath(sys.argv.pop(1)))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    unittest.main()
