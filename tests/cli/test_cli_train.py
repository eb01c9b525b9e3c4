"""gromatic train: what is refused, and the run's folder; test_train_slow.py has the longer runs."""
import json
import os
import shutil
import unittest

from folders import read
from program import run
from training import WORLD, Runs


class Refusals(Runs):
    def refused_data(self, config, *said, stage="detect", options=()):
        data = self.write("c.json", config)
        _, err = run("train", stage, "--data", data, "-o", self.path("out"), *options, code=2)
        for part in said:
            self.assertIn(part, err)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_usage(self):
        data = self.boxes()
        for command, said in [
            (["train"], "wanted detect, align or instruct"),
            (["train", "detect", "-o", "x"], "--data CONFIG.json"),
            (["train", "dance", "--data", data, "-o", "x"], "found 'dance'"),
            (["train", "detect", "--data", data, "-o", "x", "--lr", "words=1e-3"], "part 'words'"),
            (["train", "detect", "--data", data, "-o", "x", "--lr", "much"], "lr: found 'much'"),
            (["train", "detect", "--data", data, "-o", "x", "--freeze", "proposer"], "nothing is left"),
            (["train", "detect", "--data", data, "-o", "x", "--dtype", "f16"], "found 'f16'"),
            (["train", "detect", "--data", data, "-o", "x", "--batch", "6", "--accumulate", "4"], "a batch of 6"),
            (["train", "align", "--data", data, "-o", "x", "--dropout", "0.1"], "dropout: found 0.1 in stage align"),
            (["train", "--resume", self.path("nowhere")], "no run to go on with"),
            (["train", "--resume", "x", "--steps", "3"], "--steps beside --resume"),
        ]:
            self.refused(*command, said=[said])

    def test_data(self):
        good = self.spec("train", self.annotations(0, 4))
        self.refused_data("{\n\"sets\": [\n", "line 3")
        self.refused_data({"sets": []}, "no sets")
        self.refused_data({"sets": [dict(good, task="locate")]}, "has no task locate")
        self.refused_data({"sets": [good]}, "has task detect", stage="align")
        self.refused_data({"sets": [good]}, "as many pictures as a chunk", options=["--batch", "8"])
        broken = self.write("broken.json", "{\"images\": [{]}")
        self.refused_data({"sets": [dict(good, file=broken)]}, "broken.json", "line 1")


class Folders(Runs):
    def test_a_run_that_ended_before_it_began(self):
        """Such as where the disk was full: the lists are there, and no config.json."""
        os.mkdir(self.path("out"))
        self.write("out/log.jsonl", "")
        self.write("out/results.csv", "")
        run(*self.command("detect", self.boxes(2, 0), "out", "--steps", "1"))
        self.assertEqual([row["step"] for row in self.rows("out")], ["1"])

    def test_changed_pictures(self):
        """A copy of the data is the same data; another picture under an old name is not."""
        images = self.path("images")
        shutil.copytree(os.path.join(WORLD, "images"), images)
        found = self.annotations(0, 2)
        data = self.write("boxes.config", {"sets": [self.spec("train", found, images=images)]})
        run(*self.command("detect", data, "out", "--steps", "1"))
        first, second = (os.path.join(images, image["file_name"]) for image in found["images"])
        os.utime(first, (0, 0))
        run("train", "--resume", self.path("out"))
        shutil.copyfile(second, first)
        self.refused("train", "--resume", self.path("out"), said=["data has changed"])
        with open(first, "r+b") as file:  # of the old size
            file.truncate(os.path.getsize(os.path.join(WORLD, "images", os.path.basename(first))))
        self.refused("train", "--resume", self.path("out"), said=["data has changed"])

    def test_a_run(self):
        command = self.command("detect", self.boxes(), "out", "--steps", "3", "--eval-every", "2")
        run(*command)
        self.assertEqual(sorted(os.listdir(self.path("out"))), sorted(
            ["config.json", "results.csv", "results.png", "log.jsonl", "train_batch0.png", "val_pred.png", "best.gguf",
             "last.gguf", "last.state"]))
        self.assertEqual([row["step"] for row in self.rows("out")], ["0", "2", "3"])
        for name in "ar", "recall", "precision", "val_loss":
            self.assertTrue(all(float(row[name]) > 0 for row in self.rows("out")), name)
        self.assertEqual([step for step, _, _ in self.losses("out")], [1, 2, 3])
        with open(self.path("out", "config.json")) as file:
            config = json.load(file)
        self.assertEqual((config["lr"], config["batch"], config["dropout"]), ({"proposer": 0.0002}, 2, 0.1))
        out, _ = run("inspect", self.path("out", "last.gguf"), "--verify")
        self.assertIn("gromatic.training.updates", out)
        self.refused(*command, said=["another run", "--resume"])
        before = read(self.path("out", "last.gguf"))
        run("train", "--resume", self.path("out"))  # it is at its end
        self.assertEqual(read(self.path("out", "last.gguf")), before)


if __name__ == "__main__":
    unittest.main()
