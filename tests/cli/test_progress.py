"""The progress line on terminals of several widths, and the last message of a run over many pictures."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from program import GROMATIC, run, scene


def on_terminal(*args, columns, output=subprocess.DEVNULL, **env):
    """The bytes that gromatic writes to its stderr, a terminal of that many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    full = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen([GROMATIC, *args, "-m", "groma-mini"], stdin=subprocess.DEVNULL, stdout=output or slave, stderr=slave,
                               env=dict(full, **env))
    os.close(slave)
    got, end = b"", time.time() + 120
    while time.time() < end and select.select([master], [], [], 120)[0]:
        try:
            got += os.read(master, 4096)
        except OSError:  # the other end is closed
            break
    os.close(master)
    return process.wait(), got.decode()


PICTURES = [scene(i) for i in range(30, 54)]


class Progress(unittest.TestCase):
    def segments(self, got):
        """The contents of the line, one after another."""
        return [part for line in got.split("\r\n") for part in line.split("\r") if part]

    def test_widths(self):
        for columns in 8, 20, 40, 80, 200:
            for env in {"TERM": "xterm"}, {"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}:
                with self.subTest(columns, env=env), tempfile.TemporaryDirectory() as folder:
                    code, got = on_terminal("detect", *PICTURES, "-t", "1", "--no-cache", "-o",
                                            os.path.join(folder, "o"), columns=columns, **env)
                    self.assertEqual(code, 0)
                    self.assertNotIn("\x1b", got)
                    *drawn, said = self.segments(got)
                    self.assertRegex(said, r"^gromatic: 24 pictures, \d+ boxes, 0 failures, ")
                    self.assertTrue(drawn)
                    for part in drawn:
                        self.assertLess(len(part), columns)
                    # it stays from picture to picture, and is erased once, at the end
                    self.assertEqual([not part.strip() for part in drawn], [False] * (len(drawn) - 1) + [True])
                    for part in drawn[:-1]:
                        self.assertRegex(part, r"\d %|^ *\d+ %$" if columns > 8 else r"^ *\d+ % *$")
                        if re.search(r"\b0 %", part):
                            self.assertNotIn("left", part)
                        self.assertNotIn(" 0 s left", part)
                        self.assertEqual("[" in part, columns >= 40)
                        if columns >= 80:
                            self.assertRegex(part, r"\d+ of 24, ")

    def test_it_comes_back_after_a_result(self):
        """Results and the line on one terminal: each result begins on a new line."""
        code, got = on_terminal("caption", *PICTURES[:6], columns=60, output=None, TERM="dumb")
        self.assertEqual(code, 0)
        for line in got.split("\r\n"):
            if "== " in line:
                self.assertRegex(line, r"^(.*\r)?== [^\r]*$")
        self.assertGreater(len(re.findall(r"\d of 6, ", got)), 2)

    def test_nothing_where_nobody_looks(self):
        pictures = PICTURES[:2]
        _, err = run("detect", *pictures)
        self.assertEqual(err.count("\n"), 1)
        _, err = run("detect", *pictures, "-q")
        self.assertEqual(err, "")
        code, got = on_terminal("detect", *PICTURES, "-q", columns=80)
        self.assertEqual((code, got), (0, ""))


class ClosingLine(unittest.TestCase):
    def test_counts(self):
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "o")
            boxes = ["--box", "10,10,50,50", "--box", "20,20,90,90"]
            command = ["describe", *PICTURES[:3], *boxes, "-n", "3", "-o", output]
            _, err = run(*command)
            self.assertRegex(err.splitlines()[-1], r"^gromatic: 3 pictures, 6 boxes, 0 failures, \d+\.\d s$")
            _, err = run(*command, "--resume", PICTURES[3], "/nonexistent.png", code=1)
            self.assertRegex(err.splitlines()[-1],
                             r"^gromatic: 2 pictures and 3 done before, 2 boxes, 1 failure, \d+\.\d s$")
        _, err = run("classify", *PICTURES[:2], "--classes", "a,b", "--method", "clip")
        self.assertRegex(err, r"^gromatic: 2 pictures, 0 failures, \d+\.\d s\n$")
        _, err = run("detect", PICTURES[0])
        self.assertEqual(err, "")

    def test_quiet_keeps_warnings(self):
        _, err = run("detect", "/nonexistent.png", PICTURES[0], "-q", code=1)
        self.assertEqual(err.count("\n"), 1)
        self.assertIn("/nonexistent.png: ", err)
        _, err = run("detect", *PICTURES[:2], "--conf", "1", "-q")
        self.assertIn("found nothing", err)


if __name__ == "__main__":
    unittest.main()
