"""--resize opencv of the benchmarks: the pixels of cv2.resize, bit for bit, and boxes in the picture's own pixels."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import cv2
import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import SCENES, run  # noqa: E402

TOOL = os.path.join(os.environ["GM_TEST_TOOLS"], "test_tool_opencv_resize")
# Enlarged, shrunk, one side each, the same size, exactly half in both and in one direction, a side of one pixel.
SHAPES = ((1, 1), (2, 3), (100, 80), (448, 448), (896, 896), (896, 448), (448, 896), (640, 480), (333, 1000), (449, 447),
          (1999, 57), (64, 2000), (448, 1))


class Resize(unittest.TestCase):
    def test_pixels(self):
        draw = np.random.default_rng(0)
        for width, height in SHAPES:
            picture = draw.integers(0, 256, (height, width, 3), dtype=np.uint8)
            picture[: height // 2] = draw.choice([0, 255], (height // 2, width, 3))  # the largest steps
            done = subprocess.run([TOOL, str(width), str(height), "448"], input=picture.tobytes(), capture_output=True,
                                  check=True)
            got = np.frombuffer(done.stdout, np.uint8).reshape(448, 448, 3)
            self.assertTrue((got == cv2.resize(picture, (448, 448))).all(), (width, height))

    def test_boxes(self):
        """A picture of 280 x 320 that cv2 resized beforehand gives the same answers, its boxes scaled."""
        with open(os.path.join(SCENES, "..", "annotations.json"), encoding="utf-8") as file:
            world = json.load(file)
        image = next(i for i in world["images"] if i["width"] != i["height"])
        boxes = [a for a in world["annotations"] if a["image_id"] == image["id"]]
        with tempfile.TemporaryDirectory() as folder:
            out, _ = run("inspect", "groma-mini", "--json")
            size = json.loads(out)["metadata"]["groma.image_size"]["value"]
            picture = cv2.imread(os.path.join(SCENES, image["file_name"]))
            cv2.imwrite(os.path.join(folder, "small.png"), cv2.resize(picture, (size, size)))
            scale = np.array([image["width"] / size, image["height"] / size] * 2)

            def ask(task, name, width, height, by, *options):
                coco = {"images": [{"id": a["id"], "file_name": name, "width": width, "height": height, "caption": "the dog"}
                                   for a in boxes],
                        "annotations": [dict(a, image_id=a["id"], caption="a", bbox=list(np.array(a["bbox"]) / by))
                                        for a in boxes]}
                paths = [os.path.join(folder, f"{name}{end}") for end in (".json", ".jsonl")]
                with open(paths[0], "w") as file:
                    json.dump(coco, file)
                out, _ = run("eval", task, "--coco", paths[0], "--images", SCENES if options else folder, "-o", paths[1],
                             "--json", "--force", *options)
                with open(paths[1]) as file:
                    return json.loads(out), [answer for line in file for answer in json.loads(line)]

            for task in "rec", "region-captions":
                got, answers = ask(task, image["file_name"], image["width"], image["height"], 1, "--resize", "opencv")
                _, small = ask(task, "small.png", size, size, scale)
                self.assertEqual(got["resize"], "OpenCV's bilinear")
                self.assertEqual(len(answers), len(boxes))
                for a, b in zip(answers, small):
                    if task == "region-captions":
                        self.assertEqual(a["caption"], b["caption"])
                    else:
                        self.assertEqual(a["bbox"] is None, b["bbox"] is None)
                        np.testing.assert_allclose(np.array(a["regions"]), np.array(b["regions"]) * scale, rtol=1e-6, atol=1e-4)


if __name__ == "__main__":
    unittest.main()
