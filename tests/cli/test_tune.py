"""tune: its options, and the annotated pictures that it reads. What it learns: test_tune_slow.py."""
import json
import os
import shutil
import tempfile
import unittest

from program import run, scene

BOXES = [[33, 18, 70, 58], [82, 141, 105, 108]]  # of scene 064, which is 280 x 320


class Tune(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.makedirs(os.path.join(self.folder, "images", "train"))
        self.out = os.path.join(self.folder, "my.gguf")

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        return path

    def coco(self, pictures=2, boxes=tuple(BOXES), name="annotations.json"):
        for i in range(pictures):
            shutil.copy(scene(64), os.path.join(self.folder, "images", f"{i}.jpg"))
        return self.write(name, {
            "images": [{"id": i, "file_name": f"{i}.jpg", "background": "blue"} for i in range(pictures)],
            "annotations": [{"id": 10 * i + k, "image_id": i, "category_id": k, "bbox": box}
                            for i in range(pictures) for k, box in enumerate(boxes)],
            "categories": [{"id": 0, "name": "crown"}, {"id": 1, "name": "green apple"}]})

    def refuse(self, says, *options, code=2):
        out, err = run("tune", *options, code=code)
        self.assertEqual(out, "")
        self.assertIn(says, err)
        self.assertFalse(os.path.exists(self.out))

    def test_options(self):
        data = self.coco()
        self.refuse("wanted --coco FILE or FOLDER, and -o FILE.gguf", "--coco", data)
        self.refuse("wanted --coco FILE or FOLDER", "-o", self.out)
        _, err = run("tune", "--coco", data, "-o", self.out, "--clip-model", "none.gguf", code=3)
        self.assertIn("none.gguf", err)
        for time in "0", "soon", "5x", "-3m", "nan", "1e9h":
            self.refuse(f"--time: found '{time}', wanted a time", "--coco", data, "-o", self.out, f"--time={time}")
        for share in "1", "-0.1", "nan":
            self.refuse("--val: found", "--coco", data, "-o", self.out, f"--val={share}")
        self.refuse("--steps: found 'many'", "--coco", data, "-o", self.out, "--steps", "many")
        self.refuse("--rank: found 0", "--coco", data, "-o", self.out, "--rank", "0")
        self.refuse("found 'eyes', wanted boxes, regions and words", "--coco", data, "-o", self.out, "--parts",
                    "boxes,eyes", "--dry-run")

    def test_a_file_of_another_kind_is_not_replaced(self):
        self.write("my.gguf", "my thesis")
        _, err = run("tune", "--coco", self.coco(), "-o", self.out, code=2)
        self.assertIn("my.gguf", err)
        with open(self.out, encoding="utf-8") as file:
            self.assertEqual(file.read(), "my thesis")

    def test_data_that_cannot_be_learned(self):
        self.refuse("found 1 pictures with 2 boxes, wanted 2 pictures or more", "--coco", self.coco(1), "-o", self.out)
        self.refuse("holds all 2 pictures out", "--coco", self.coco(), "-o", self.out, "--val", "0.9")
        self.refuse("this is no JSON", "--coco", self.write("broken.json", '{"images": ['), "-o", self.out)
        self.refuse("none of its annotations can be used", "--coco", self.coco(2, [[1, 1, 0, 0]]), "-o", self.out)

    def test_a_folder_without_names_is_no_yolo_set(self):
        shutil.copy(scene(64), os.path.join(self.folder, "images", "train", "a.jpg"))
        self.refuse("wanted annotations.json, or data.yaml or classes.txt", "--coco", self.folder, "-o", self.out)

    def test_lines_of_a_yolo_set_that_are_left_out(self):
        """Nothing but a file without usable lines: each reason is told, with file and line."""
        shutil.copy(scene(64), os.path.join(self.folder, "images", "train", "a.jpg"))
        self.write("data.yaml", "path: .\nnames:\n  0: crown\n  1: green apple\nnc: 2\n")
        self.write("labels/train/a.txt", "0 nan 0.5 0.1 0.1\n2 0.5 0.5 0.1 0.1\n1 0.5 0.5 0 0.1\n0 0.1\n\n1 0.4 2 0.1 0.1\n")
        _, err = run("tune", "--coco", self.folder, "-o", self.out, code=2)
        for says in ("2 lines left out that are not a class and four numbers or a polygon", "a.txt:1", "a.txt:4",
                     "1 line left out whose class has no name", "a.txt:2",
                     "2 lines left out without area in the picture", "a.txt:3", "a.txt:6", "found 1 pictures with 0 boxes"):
            self.assertIn(says, err)

    def test_a_dry_run_of_coco_and_yolo(self):
        """Both say the same of the same boxes: all 2 or 3 pictures, of which one is held out."""
        data = self.coco(3)
        options = "--parts", "boxes", "--dry-run", "--val", "0.4", "-t", "1"
        coco, err = run("tune", "--coco", data, *options)
        self.assertEqual(err, "")
        self.assertRegex(coco, r"pictures +2 to learn from, 1 held out, 0 to keep\n")
        self.assertRegex(coco, r"what learns +0\.\d\d M numbers\na picture +\d+\.\d\d s"
                               r", when it was seen before \d+\.\d\d s\nin 30m +about \d+ pictures\n"
                               r"memory +\d+ MB, and the model's file of \d+ MB\n")
        os.remove(data)
        self.write("classes.txt", "crown\ngreen_apple\n")
        for i in range(3):
            self.write(f"labels/{i}.txt", "".join(
                f"{k} {(x + w / 2) / 280} {(y + h / 2) / 320} {w / 280} {h / 320}\n"
                for k, (x, y, w, h) in enumerate(BOXES)))
        yolo, err = run("tune", "--coco", self.folder, *options)
        self.assertEqual(err, "")
        self.assertEqual(coco.splitlines()[:2], yolo.splitlines()[:2])


if __name__ == "__main__":
    unittest.main()
