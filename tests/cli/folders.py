"""folders.py - tests that check all files that a run leaves."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from program import GROMATIC, run


def read(path):
    with open(path, "rb") as file:
        return file.read()


def contents(folder):
    """All files below, with their bytes, except the lock of a killed process."""
    return {os.path.relpath(os.path.join(top, name), folder): read(os.path.join(top, name))
            for top, _, names in os.walk(folder) for name in names if not name.endswith(".lock")}


def files_of(path):
    with open(path) as file:
        return [json.loads(line)["image"]["file"] for line in file]


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def refused(self, *command, said):
        """Exit code 2 with a message, and no byte changed."""
        before = contents(self.folder)
        _, err = run(*command, code=2)
        for part in said:
            self.assertIn(part, err)
        self.assertEqual(contents(self.folder), before)


@unittest.skipUnless("GM_KILL_LIBRARY" in os.environ, "needs the library that kills")
class Killed(Folder):
    """SIGKILL before each call that changes something on disk, one run for each: the next run makes of it what a
    run makes that was not disturbed, and whatever was whole before is whole all the time."""

    def sweep(self, command, prepare, again=None, half=False):
        """Returns how often it was killed. again: the command that follows, else the same."""
        prepare()
        before = contents(self.folder)
        run(*command)
        wanted = contents(self.folder)
        results = [name for name in before if not name.endswith((".ledger", ".png", ".jpg"))]
        n = 0
        while True:
            n += 1
            self.clear()
            for name, data in before.items():
                with open(self.path(name), "wb") as file:
                    file.write(data)
            env = dict(os.environ, LD_PRELOAD=os.environ["GM_KILL_LIBRARY"], GM_KILL_AT=str(n),
                       GM_KILL_FOLDER=self.folder, **({"GM_KILL_HALF": "1"} if half else {}))
            done = subprocess.run([GROMATIC, *command], env=env, capture_output=True)
            if done.returncode != -signal.SIGKILL:
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(contents(self.folder), wanted)
                return n - 1
            for name in results:
                self.assertIn(read(self.path(name)), (before[name], wanted[name]), n)
            run(*(again or command))
            self.assertEqual(contents(self.folder), wanted, n)

    def clear(self):
        for name in os.listdir(self.folder):
            if os.path.isdir(self.path(name)):
                shutil.rmtree(self.path(name))
            else:
                os.remove(self.path(name))
