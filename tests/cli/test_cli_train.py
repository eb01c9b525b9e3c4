"""gromatic train: what is refused, and the run's folder; test_train_slow.py has the longer runs."""
import json
import os
import unittest

from folders import read
from program import run
from training import Runs


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
