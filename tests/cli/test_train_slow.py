"""gromatic train: faults of the data, going on after a stop or a kill, full disks, and that it learns."""
import json
import os
import random
import resource
import signal
import subprocess
import time
import unittest

from folders import read
from program import GROMATIC, run
from training import Runs


class Data(Runs):
    def test_faults(self):
        """Each is named, left out and counted; with --strict the first one ends the run."""
        found = self.annotations(0, 4)
        image = found["images"][0]["id"]
        found["annotations"] += [
            {"id": 9001, "image_id": image, "category_id": 1, "bbox": [5, 5, 0, 9]},
            {"id": 9002, "image_id": image, "category_id": 1, "bbox": [9000, 5, 20, 20]},
            {"id": 9003, "image_id": image, "category_id": 1, "bbox": [1, 2, 3]},
            {"id": 9004, "image_id": 777777, "category_id": 1, "bbox": [1, 2, 30, 30]}]
        data = self.write("c.json", {"sets": [self.spec("train", found)]})
        command = self.command("detect", data, "out", "--steps", "1", "--no-cache")
        _, err = run(*command)
        for part in "9001", "9002", "9003", "9004", "left out or mended: 1 x", "no held-out sets":
            self.assertIn(part, err)
        _, err = run(*self.command("detect", data, "strict", "--strict"), code=2)
        self.assertIn("9001", err)
        self.assertFalse(os.path.exists(self.path("strict")))


class Measures(Runs):
    def test_captions(self):
        """Near to what eval says of the same pictures, whose question has other words."""
        spec = self.spec("captions", self.captions(8), format="flickr", task="grounded-caption")
        run(*self.command("instruct", self.write("c.config", {"sets": [spec], "val": [spec]}), "out", "--steps", "1",
                          "--accumulate", "1"))
        measured = float(self.rows("out")[0]["caption_f1"])
        out, _ = run("eval", "caption", "--coco", self.path("captions.json"), "--images", spec["images"], "--json")
        self.assertAlmostEqual(measured, json.loads(out)["f1"], delta=0.1)
        self.assertGreater(measured, 0.5)


class Stops(Runs):
    def test_words(self):
        run(*self.command("align", self.words(), "out", "--steps", "1", "--accumulate", "1"))
        for row in self.rows("out"):
            self.assertTrue(0 <= float(row["located"]) <= 1 and float(row["val_loss"]) > 0)
            self.assertEqual(row["named"], "")

    def test_going_on(self):
        """Stopped by Ctrl-C, then killed: the losses and the model are those of an unbroken run, to the bit."""
        options = ["--steps", "4", "--save-every", "1", "--eval-every", "2", "--ema", "0.9"]
        data = self.boxes()
        run(*self.command("detect", data, "whole", *options))
        broken = self.command("detect", data, "broken", *options)
        self.assertEqual(self.killed(broken, lambda: self.steps_done("broken", 1), signal.SIGINT), 130)
        resume = ["train", "--resume", self.path("broken")]
        self.killed(resume, lambda: self.steps_done("broken", 3))
        run(*resume)
        self.assertEqual(self.losses("broken"), self.losses("whole"))
        for name in "last.gguf", "best.gguf":
            self.assertEqual(read(self.path("broken", name)), read(self.path("whole", name)), name)

    def test_killed_at_any_time(self):
        """Killed again and again until it is done."""
        options = ["--steps", "12", "--save-every", "2", "--eval-every", "3"]
        data = self.boxes()
        began = time.monotonic()
        run(*self.command("detect", data, "whole", *options))
        whole = time.monotonic() - began
        draw = random.Random(7)
        command, kills = self.command("detect", data, "broken", *options), 0
        while self.killed(command, draw.uniform(0.05, 0.8) * whole if kills < 20 else 300) != 0:
            kills += 1
            if os.path.exists(self.path("broken", "config.json")):
                command = ["train", "--resume", self.path("broken")]
            for name in "last.gguf", "best.gguf":  # whole at any time
                if os.path.exists(self.path("broken", name)) and kills % 5 == 0:
                    run("inspect", self.path("broken", name), "--verify")
        self.assertGreater(kills, 2)
        self.assertEqual(self.losses("broken"), self.losses("whole"))
        for name in "last.gguf", "best.gguf":
            self.assertEqual(read(self.path("broken", name)), read(self.path("whole", name)), name)
        strip = [[{k: v for k, v in row.items() if k != "seconds"} for row in self.rows(name)]
                 for name in ("broken", "whole")]
        self.assertEqual(*strip)
        self.assertEqual([n for n in os.listdir(self.path("broken")) if ".part" in n], [])

    def test_full_disk(self):
        """Said with the file's name; the last good checkpoint stays, and the run goes on when there is room."""
        options = ["--steps", "4", "--save-every", "1"]
        data = self.boxes(val=0)
        run(*self.command("detect", data, "whole", *options))
        self.killed(self.command("detect", data, "full", *options),
                    lambda: os.path.exists(self.path("full", "last.state")))
        state = read(self.path("full", "last.state"))

        def no_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        done = subprocess.run([GROMATIC, "train", "--resume", self.path("full")], capture_output=True,
                              preexec_fn=no_room, timeout=120)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(b".gguf", done.stderr)
        self.assertEqual(read(self.path("full", "last.state")), state)
        run("train", "--resume", self.path("full"))
        self.assertEqual(read(self.path("full", "last.gguf")), read(self.path("whole", "last.gguf")))

    def test_changed_data(self):
        options = ["--steps", "4", "--save-every", "1"]
        self.killed(self.command("detect", self.boxes(), "out", *options),
                    lambda: os.path.exists(self.path("out", "last.state")))
        self.boxes(n=5)
        self.refused("train", "--resume", self.path("out"), said=["data has changed"])


class Learns(Runs):
    def seen_again(self, data):
        """The configuration with its training sets as held-out ones: what is learned is measured without the noise of
        augmentation and of the choice of pictures."""
        with open(data) as file:
            config = json.load(file)
        return self.write("seen.config", {"sets": config["sets"], "val": config["sets"]})

    def loss_falls(self, stage, data, share, *options):
        run(*self.command(stage, self.seen_again(data), stage, "--batch", "8", "--eval-every", "1000", *options))
        first, last = self.rows(stage)
        self.assertLess(float(last["val_loss"]), share * float(first["val_loss"]), stage)
        return first, last

    def test_detect(self):
        first, last = self.loss_falls("detect", self.boxes(8), 0.9, "--steps", "40", "--lr", "1e-4", "--dropout", "0")
        self.assertGreater(float(last["recall"]), float(first["recall"]) - 0.05)

    def test_words(self):
        for stage, share in ("align", 0.93), ("instruct", 0.5):
            self.loss_falls(stage, self.words(8, task="describe"), share, "--steps", "12", "--lr", "2e-3", "--freeze",
                            "regions", "--accumulate", "1")


if __name__ == "__main__":
    unittest.main()
