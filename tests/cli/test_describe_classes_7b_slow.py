"""describe-classes by the built-in language model, in Groma-7B's shapes with two language layers. The weights are made
up, so its words mean nothing: the tests are that the file has some, and that --resume continues."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

from program import GROMATIC, lines, run, scene

SHAPE = "synthetic:groma-7b-2l:q4_k:fast"


class BuiltInModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.model, cls.out = (os.path.join(folder.name, name) for name in ("model.gguf", "d.json"))
        run("convert", SHAPE, "-o", cls.model, "-q")

    def setUp(self):
        if os.path.exists(self.out):
            os.remove(self.out)

    def command(self, classes, *options):
        return "describe-classes", "-m", self.model, "--classes", classes, "-o", self.out, *options

    def result(self):
        with open(self.out, encoding="utf-8") as file:
            return json.load(file)

    def test_it_describes_and_goes_on(self):
        run(*self.command("dog"))
        first = self.result()
        self.assertEqual(list(first), ["dog"])
        run(*self.command("dog,apple", "--resume"))
        both = self.result()
        self.assertEqual(list(both), ["dog", "apple"])
        self.assertEqual(both["dog"], first["dog"])
        for texts in both.values():
            self.assertGreater(len(texts), 0)
            for text in texts:
                self.assertIsInstance(text, str)
                self.assertEqual(text, text.strip())
                self.assertTrue(text)
        [got] = lines("classify", scene(0), "--descriptions", self.out, "--method", "cupl", "--no-cache")
        self.assertEqual({r["label"] for r in got["results"]}, {"dog", "apple"})
        _, err = run(*self.command("dog"), code=2)
        self.assertIn("it would be lost", err)
        run(*self.command("dog", "--force"))
        self.assertEqual(self.result(), first)  # greedy: the same again

    def test_interrupted_it_keeps_what_is_done(self):
        names = ["dog", "apple", "tree"]
        process = subprocess.Popen([GROMATIC, *self.command(",".join(names))], stderr=subprocess.DEVNULL)
        until = time.monotonic() + 600
        while not os.path.exists(self.out) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        process.wait()
        done = self.result()
        self.assertGreater(len(done), 0)
        if process.returncode == 0:
            self.skipTest("it was done before it was told to stop")
        self.assertEqual(process.returncode, 130)
        run(*self.command(",".join(names), "--resume"))
        self.assertEqual(list(self.result()), names)
        self.assertEqual({name: self.result()[name] for name in done}, done)


if __name__ == "__main__":
    unittest.main()
