"""Runs that are killed before each of their calls; the hardest case is in test_ledger.py."""
import unittest

import folders
from program import run, scene


class Killed(folders.Killed):
    def test_a_first_run(self):
        command = ["detect", scene(0), scene(1), "-o", self.path("out.jsonl")]
        for half in False, True:
            killed = self.sweep(command + ["--resume"], lambda: None, half=half)
            self.assertGreater(killed, 15)
            self.clear()

    def test_an_export_that_goes_on(self):
        out = self.path("out.csv")
        command = ["detect", "-f", "csv", "-o", out]
        self.assertGreater(self.sweep([*command, scene(0), scene(1), "--resume"], lambda: run(*command, scene(0))), 15)

    def test_drawings(self):
        command = ["detect", scene(0), scene(1), "-o", self.path("out.jsonl"), "--draw", self.path("d") + "/", "--resume"]
        self.assertGreater(self.sweep(command, lambda: None), 15)

    def test_a_run_anew(self):
        """The old file stays until the new one is whole."""
        out = self.path("out.jsonl")
        command = ["detect", "-o", out, scene(1), scene(2)]
        again = ["detect", "-o", out, scene(1), scene(2), "--force"]
        self.assertGreater(self.sweep(command, lambda: run("detect", "-o", out, scene(0)), again), 15)


if __name__ == "__main__":
    unittest.main()
