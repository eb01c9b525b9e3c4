"""eval label's AP50 against pycocotools, on the detections that `label -f coco` exports of the same pictures."""
import json
import os
import sys
import tempfile
import unittest

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import DATA, lines, run  # noqa: E402

SCENES = os.path.join(DATA, "world", "scenes")
LIMIT = 12  # pictures
NAMES = ["dog", "guitar", "rabbit", "tree", "sun", "pizza", "car", "apple", "fish", "cat"]


class EvalLabel(unittest.TestCase):
    def test_ap50_is_pycocotools(self):
        self.compare(os.path.join(SCENES, "annotations.json"))

    def test_with_crowds(self):
        """Every second object becomes a crowd, of twice its size."""
        with open(os.path.join(SCENES, "annotations.json")) as file:
            annotations = json.load(file)
        for a in annotations["annotations"][::2]:
            x, y, w, h = a["bbox"]
            a["bbox"], a["iscrowd"], a["area"] = [x - w / 2, y - h / 2, 2 * w, 2 * h], 1, 4 * w * h
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "crowds.json")
            with open(path, "w") as file:
                json.dump(annotations, file)
            self.compare(path)

    def compare(self, annotations):
        truth = COCO(annotations)
        categories = {c["name"]: c["id"] for c in truth.dataset["categories"]}
        names = [n for n in NAMES if n in categories]
        pictures = truth.dataset["images"][:LIMIT]
        options = ["--classes", ",".join(names), "--no-cache", "--none", "0.5"]
        [got] = lines("eval", "label", "--coco", annotations, "--images", os.path.join(SCENES, "images"),
                      "--limit", LIMIT, *options)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "found.json")
            run("label", *(os.path.join(SCENES, "images", p["file_name"]) for p in pictures), *options,
                "-f", "coco", "-o", path)
            with open(path) as file:
                found = json.load(file)
        self.assertEqual([c["name"] for c in found["categories"]], names)
        results = [{"image_id": pictures[a["image_id"] - 1]["id"], "bbox": a["bbox"], "score": a["score"],
                    "category_id": categories[names[a["category_id"] - 1]]} for a in found["annotations"]]
        self.assertGreater(len(results), 5)
        measure = COCOeval(truth, truth.loadRes(results), "bbox")
        measure.params.imgIds = [p["id"] for p in pictures]
        measure.params.catIds = [categories[n] for n in names]
        measure.evaluate()
        measure.accumulate()
        measure.summarize()
        # The export rounds boxes to 1/100 pixel and scores to 1e-6; no IoU here is that near to 0.5.
        self.assertAlmostEqual(got["ap50"], measure.stats[1], delta=2e-6)
        self.assertGreater(got["ap50"], 0.3)

    def test_another_class_leaves_raw_scores(self):
        picture = os.path.join(SCENES, "images", "000.png")
        [two] = lines("label", picture, "--classes", "guitar,rabbit", "--none", "-1", "--no-cache")
        [many] = lines("label", picture, "--classes", "guitar,sun,rabbit,tree", "--none", "-1", "--no-cache")
        same = [(a, b) for a, b in zip(two["regions"], many["regions"]) if a["label"] == b["label"]]
        self.assertGreater(len(same), 1)
        for a, b in same:
            self.assertAlmostEqual(a["raw_score"], b["raw_score"], delta=2e-6)  # printed to 1e-6
        [refused] = lines("label", picture, "--classes", "guitar", "--none", "0.999", "--no-cache")
        self.assertEqual({r["label"] for r in refused["regions"]}, {None})


if __name__ == "__main__":
    unittest.main()
