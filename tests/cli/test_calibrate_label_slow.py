#!/usr/bin/env python3
"""gromatic calibrate label: the head that it writes, and what label makes of it and of limits."""
import json
import os
import shutil
import tempfile
import unittest

from program import lines, run
from test_calibrate import annotated


def iou(a, b):
    both = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


class CalibrateLabel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.coco, cls.refs = annotated(cls.folder)
        cls.head = os.path.join(cls.folder, "head.gguf")
        out, _ = run("calibrate", "label", "--coco", cls.coco, "-o", cls.head, "--json", "-v")
        *cls.rows, cls.report = [json.loads(line) for line in out.splitlines()]
        cls.picture = os.path.join(cls.folder, "images", sorted(os.listdir(os.path.join(cls.folder, "images")))[0])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def label(self, *options):
        [got] = lines("label", self.picture, "--classes", "dog,guitar,rabbit", "--no-cache", *options)
        return got["regions"]

    def test_rows_are_right_or_nothing_by_the_annotations(self):
        with open(self.coco, encoding="utf-8") as file:
            world = json.load(file)
        names = {c["id"]: c["name"] for c in world["categories"]}
        files = {i["id"]: i["file_name"] for i in world["images"]}
        boxes = {}
        for a in world["annotations"]:
            x, y, w, h = a["bbox"]
            boxes.setdefault(files[a["image_id"]], []).append(((x, y, x + w, y + h), names[a["category_id"]]))
        for kind in ("right", "nothing"):
            self.assertEqual(self.report[kind], sum(row["kind"] == kind for row in self.rows))
        for row in self.rows:
            overlap, name = max((iou(row["box"], box), name) for box, name in boxes[os.path.basename(row["image"])])
            self.assertEqual(row["kind"] == "right", overlap > 0.5 and name == row["label"], row)
            self.assertFalse(0.3 <= overlap <= 0.5, row)
            self.assertTrue(overlap > 0.5 or row["kind"] == "nothing", row)

    def test_label_is_calibrated_by_it(self):
        options = ["--adapter", self.head]
        for region in self.label(*options):
            self.assertIs(region["calibrated"], True)
            self.assertTrue(0 <= region["present"] <= 1)
        for region in self.label(*options, "--method", "clip"):  # it was fitted to wca
            self.assertIs(region["calibrated"], False)
        merged = os.path.join(self.folder, "merged.gguf")
        clip = os.path.join(self.folder, "clip.gguf")
        run("convert", os.path.join(os.environ["GM_MODELS"], "clip-mini"), "-o", clip, "--type", "f32")
        plain = self.label("--clip-model", clip)
        self.assertTrue(all(not region["calibrated"] and region["label"] for region in plain))
        run("convert", clip, "--adapter", self.head, "-o", merged, "--type", "f32")
        self.assertEqual(self.label("--clip-model", merged), self.label(*options))

    def test_limits_of_classes(self):
        every = self.label("--none", "-1")
        self.assertTrue(every and all(region["label"] for region in every))
        name = every[0]["label"]
        limits = os.path.join(self.folder, "limits.json")
        for limit, among in ((1, False), (-1, True)):
            with open(limits, "w", encoding="utf-8") as file:
                json.dump({name: limit}, file)
            got = self.label("--none", "1" if among else "-1", "--thresholds", limits)
            self.assertEqual({region["label"] for region in got if region["label"]},
                             {name} if among else {r["label"] for r in every} - {name})
        for text, said in (('{"unicorn": 0.5}', "unicorn"), ('{"dog": 2}', "from -1 to 1"), ("[1]", "an object"),
                           ('{"dog": ', "line 1"), ('{"dog": "0.5"}', "from -1 to 1")):
            with open(limits, "w", encoding="utf-8") as file:
                file.write(text)
            _, err = run("label", self.picture, "--classes", "dog,cat", "--thresholds", limits, code=2)
            self.assertIn(said, err)

    def test_what_is_refused(self):
        out = os.path.join(self.folder, "none.gguf")
        for arguments, said in ((["words", "--coco", self.coco, "-o", out], "'label', or nothing"),
                                (["label", "--coco", self.coco, "-o", out, "--refs", self.refs], "--refs")):
            _, err = run("calibrate", *arguments, code=2)
            self.assertIn(said, err)
        few = os.path.join(self.folder, "few.json")
        with open(self.coco, encoding="utf-8") as file:
            world = json.load(file)
        for a in world["annotations"]:
            a["bbox"] = [0, 0, 2, 2]
        with open(few, "w", encoding="utf-8") as file:
            json.dump(world, file)
        _, err = run("calibrate", "label", "--coco", few, "-o", out, code=2)
        self.assertIn("found 0 regions with the right name", err)
        self.assertFalse(os.path.exists(out))


if __name__ == "__main__":
    unittest.main()
