"""training.py - small data sets and runs for the tests of gromatic train."""
import csv
import json
import os
import signal
import subprocess
import time

import folders
from program import DATA, GROMATIC

WORLD = os.path.join(DATA, "world", "scenes")


class Runs(folders.Folder):
    def write(self, name, value):
        with open(self.path(name), "w") as file:
            file.write(value if isinstance(value, str) else json.dumps(value))
        return self.path(name)

    def spec(self, name, annotations, **members):
        file = self.write(name + ".json", annotations)
        return dict({"name": name, "format": "coco", "file": file, "images": os.path.join(WORLD, "images"),
                     "task": "detect"}, **members)

    def annotations(self, first, n):
        """n of the drawn world's pictures in COCO's format."""
        with open(os.path.join(WORLD, "annotations.json")) as file:
            world = json.load(file)
        images = world["images"][first:first + n]
        ids = {image["id"] for image in images}
        return {"images": images, "categories": world["categories"],
                "annotations": [a for a in world["annotations"] if a["image_id"] in ids]}

    def expressions(self, first, n):
        """The same pictures with a caption each, in RefCOCO's format."""
        found = self.annotations(first, n)
        names = {c["id"]: c["name"] for c in found["categories"]}
        kept = {a["image_id"]: a for a in reversed(found["annotations"])}
        for image in found["images"]:
            image["caption"] = "the " + names[kept[image["id"]]["category_id"]]
        return dict(found, annotations=list(kept.values()))

    def boxes(self, n=6, val=2):
        """A configuration of stage detect."""
        return self.write("boxes.config", {"sets": [self.spec("train", self.annotations(0, n))],
                                           "val": [self.spec("held", self.annotations(n, val))] if val else []})

    def captions(self, n):
        """The first n pictures with a caption by template, in Flickr's format."""
        found = self.annotations(0, n)
        names = {c["id"]: c["name"] for c in found["categories"]}
        for image in found["images"]:
            caption = ""
            for a in found["annotations"]:
                if a["image_id"] == image["id"]:
                    phrase = "a " + names[a["category_id"]]
                    caption += ", " if caption else ""
                    a["tokens_positive"] = [[len(caption), len(caption) + len(phrase)]]
                    caption += phrase
            image["caption"] = caption + "."
        return found

    def words(self, n=6, val=2, task="locate"):
        def spec(name, first, count):
            return self.spec(name, self.expressions(first, count), format="refcoco", task=task)

        return self.write("words.config", {"sets": [spec("train", 0, n)], "val": [spec("held", n, val)]})

    def command(self, stage, data, out, *options):
        return ["train", stage, "--data", data, "-o", self.path(out), "--batch", "2", *options]

    def rows(self, out):
        with open(self.path(out, "results.csv")) as file:
            return list(csv.DictReader(file))

    def losses(self, out):
        """(step, loss, norm) of each update in the log."""
        with open(self.path(out, "log.jsonl")) as file:
            entries = [json.loads(line) for line in file]
        return [(e["step"], e["loss"], e["norm"]) for e in entries if e["event"] == "update"]

    def killed(self, command, after, how=signal.SIGKILL):
        """Runs the command and sends the signal after so many seconds, or when after() is true. The exit code."""
        process = subprocess.Popen([GROMATIC, *command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + (60 if callable(after) else after)
        while process.poll() is None and time.monotonic() < end and not (callable(after) and after()):
            time.sleep(0.005)
        process.send_signal(how)
        return process.wait(60)

    def steps_done(self, out, n):
        """Whether the log has n updates."""
        try:
            with open(self.path(out, "log.jsonl")) as file:
                return file.read().count('"update"') >= n
        except FileNotFoundError:
            return False
