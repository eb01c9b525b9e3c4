"""Exports, loaded back by the libraries that read them: pycocotools, supervision, and the standard library's
CSV, XML and JSON readers. They must find what --json says of the same pictures."""
import csv
import json
import os
import shutil
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import numpy as np
import supervision as sv
from pycocotools.coco import COCO

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import lines, run, scene  # noqa: E402

CLASSES = ["a guitar", 'a "small", <red> & round thing', "=a rabbit", "naïve 猫"]


class Exports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Four pictures with names that are difficult for formats; what ground finds in them."""
        cls.folder = tempfile.mkdtemp()
        names = ["a,b.png", 'quo"te & <tag>.jpg', "café 2.png", "plain.jpg"]
        cls.pictures = os.path.join(cls.folder, "pictures")
        os.mkdir(cls.pictures)
        for number, name in zip((0, 1, 3, 4), names):  # supervision looks for PNG and JPEG only
            shutil.copy(scene(number), os.path.join(cls.pictures, name))
        cls.paths = [os.path.join(cls.pictures, name) for name in sorted(names)]
        cls.command = ["ground", "--max-det", 2]
        for phrase in CLASSES:
            cls.command += ["--phrase", phrase]
        cls.want = lines(*cls.command, *cls.paths)
        assert len(cls.want) == 4
        for name in "written", "moved", "third":
            os.mkdir(os.path.join(cls.folder, name))
        os.chdir(os.path.join(cls.folder, "third"))

    @classmethod
    def tearDownClass(cls):
        os.chdir("/")
        shutil.rmtree(cls.folder)

    def export(self, form, *options):
        """Writes the export in one folder and moves it to another; tests run in a third."""
        name = self.id() + "." + form
        written, moved = os.path.join(self.folder, "written", name), os.path.join(self.folder, "moved", name)
        run(*self.command, *self.paths, "-f", form, "-o", written, *options)
        os.rename(written, moved)
        return os.path.relpath(moved)

    def regions(self, result):
        """(phrase, box, score) of one picture, in the order of the JSON."""
        return [(r["phrase"], region["box"], region["score"]) for r in result["results"]
                for region in r["regions"]]

    def check_detections(self, data, tolerance, boxes_of=np.array):
        """A supervision data set against the JSON."""
        found = {os.path.basename(path): detections for path, _, detections in data}
        self.assertEqual(len(found), 4)
        for want in self.want:
            detections = found[os.path.basename(want["image"]["file"])]
            expected = self.regions(want)
            boxes = boxes_of([box for _, box, _ in expected])
            self.assertEqual([data.classes[i] for i in detections.class_id], [p for p, _, _ in expected])
            np.testing.assert_allclose(detections.xyxy, boxes, rtol=0, atol=tolerance)

    def test_coco_in_pycocotools(self):
        path = self.export("coco")
        with open(path) as file:
            self.assertNotIn("segmentation", file.read())
        coco = COCO(path)
        self.assertEqual(coco.getImgIds(), [1, 2, 3, 4])
        self.assertEqual([c["name"] for c in coco.loadCats([1, 2, 3, 4])], CLASSES)
        for number, want in enumerate(self.want, 1):
            [image] = coco.loadImgs(number)
            self.assertEqual((image["file_name"], image["width"], image["height"]),
                             tuple(want["image"].values()))
            found = coco.loadAnns(coco.getAnnIds(imgIds=number))
            expected = self.regions(want)
            self.assertEqual([CLASSES[a["category_id"] - 1] for a in found], [p for p, _, _ in expected])
            self.assertEqual([a["score"] for a in found], [s for _, _, s in expected])
            for a, (_, (x1, y1, x2, y2), _) in zip(found, expected):
                # both sides are rounded to 1/100 pixel
                np.testing.assert_allclose(a["bbox"], [x1, y1, x2 - x1, y2 - y1], atol=0.0051)
                self.assertAlmostEqual(a["area"], a["bbox"][2] * a["bbox"][3], delta=0.0051)
                self.assertEqual(a["iscrowd"], 0)
        # and as results, against itself as the truth
        results = coco.loadRes([{k: a[k] for k in ("image_id", "category_id", "bbox", "score")}
                                for a in coco.dataset["annotations"]])
        self.assertEqual(len(results.getAnnIds()), len(coco.getAnnIds()))

    def test_coco_in_supervision(self):
        path = self.export("coco")
        data = sv.DetectionDataset.from_coco(self.pictures, path)
        self.assertEqual(data.classes, CLASSES)
        self.check_detections(data, 0.011)

    def test_yolo_in_supervision(self):
        path = self.export("yolo")
        with open(os.path.join(path, "classes.txt")) as file:
            self.assertEqual(file.read().splitlines(), CLASSES)
        data = sv.DetectionDataset.from_yolo(self.pictures, os.path.join(path, "labels"),
                                             os.path.join(path, "data.yaml"))
        self.assertEqual(data.classes, CLASSES)
        # six decimals of the picture's size (up to 512 pixels), and float32
        self.check_detections(data, 0.002)

    def test_yolo_with_confidence(self):
        path = self.export("yolo", "--save-conf")
        for want in self.want:
            stem = os.path.splitext(os.path.basename(want["image"]["file"]))[0]
            rows = np.loadtxt(os.path.join(path, "labels", stem + ".txt"), ndmin=2)
            self.assertEqual(rows.shape[1], 6)
            np.testing.assert_allclose(rows[:, 5], [s for _, _, s in self.regions(want)], atol=1e-6)

    def test_voc_in_supervision(self):
        def pixels_inside(boxes):
            """supervision's reading of 1-based inclusive corners: it subtracts 1 from all four."""
            boxes = np.array(boxes)
            return np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:]) - 1], axis=1)

        path = self.export("voc")
        data = sv.DetectionDataset.from_pascal_voc(self.pictures, os.path.join(path, "Annotations"))
        self.assertEqual(sorted(data.classes), sorted(CLASSES))  # it numbers them in order of appearance
        self.check_detections(data, 0, pixels_inside)

    def test_voc_is_xml_within_the_picture(self):
        path = self.export("voc", "--save-conf")
        for want in self.want:
            stem = os.path.splitext(os.path.basename(want["image"]["file"]))[0]
            root = ElementTree.parse(os.path.join(path, "Annotations", stem + ".xml")).getroot()
            self.assertEqual(root.findtext("filename"), os.path.basename(want["image"]["file"]))
            self.assertEqual(root.findtext("size/width"), str(want["image"]["width"]))
            objects = root.findall("object")
            self.assertEqual([o.findtext("name") for o in objects],
                             [p for p, _, _ in self.regions(want)])
            for o, (_, _, score) in zip(objects, self.regions(want)):
                x1, y1, x2, y2 = (int(o.findtext("bndbox/" + k)) for k in ("xmin", "ymin", "xmax", "ymax"))
                self.assertTrue(1 <= x1 <= x2 <= want["image"]["width"])
                self.assertTrue(1 <= y1 <= y2 <= want["image"]["height"])
                self.assertAlmostEqual(float(o.findtext("confidence")), score, delta=1e-6)

    def test_csv(self):
        path = self.export("csv")
        with open(path, newline="") as file:
            text = file.read()
        self.assertTrue(text.endswith("\r\n"))
        rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
        expected = [(want["image"]["file"], *region) for want in self.want for region in self.regions(want)]
        self.assertEqual(len(rows), len(expected))
        for row, (file, phrase, box, score) in zip(rows, expected):
            self.assertEqual((row["file"], row["label"]), (file, phrase))
            self.assertEqual([float(row[k]) for k in ("x1", "y1", "x2", "y2")], box)
            self.assertEqual(float(row["score"]), score)
        out, _ = run(*self.command, *self.paths, "-f", "csv")
        self.assertEqual(out.replace("\r\n", "\n"), text.replace("\r\n", "\n"))

    def test_label_studio(self):
        with open(self.export("labelstudio")) as file:
            tasks = json.load(file)
        self.assertEqual([t["data"]["image"] for t in tasks], self.paths)
        for task, want in zip(tasks, self.want):
            [prediction] = task["predictions"]
            self.assertEqual(prediction["model_version"], "groma-mini")
            w, h = want["image"]["width"], want["image"]["height"]
            for result, (phrase, box, score) in zip(prediction["result"], self.regions(want)):
                value = result["value"]
                self.assertEqual((result["original_width"], result["original_height"]), (w, h))
                self.assertEqual((value["rectanglelabels"], result["score"]), ([phrase], score))
                x, y = value["x"] * w / 100, value["y"] * h / 100
                found = [x, y, x + value["width"] * w / 100, y + value["height"] * h / 100]
                # 1e-4 per cent of at most 512 pixels: 5e-4
                np.testing.assert_allclose(found, box, atol=0.001)
            ids = [r["id"] for r in prediction["result"]]
            self.assertEqual(len(ids), len(set(ids)))

    def test_detect_has_one_class_and_failures_keep_their_number(self):
        path = os.path.join(self.folder, "detect.json")
        broken = os.path.join(self.folder, "broken.png")
        with open(broken, "w") as file:
            file.write("no picture")
        run("detect", self.paths[0], broken, self.paths[1], "-f", "coco", "-o", path, code=1)
        coco = COCO(path)
        self.assertEqual(coco.getImgIds(), [1, 3])
        self.assertEqual([c["name"] for c in coco.loadCats(coco.getCatIds())], ["object"])
        [want] = lines("detect", self.paths[1])
        self.assertEqual([a["score"] for a in coco.loadAnns(coco.getAnnIds(imgIds=3))],
                         [r["score"] for r in want["regions"]])

    def test_resumed_run_exports_the_same(self):
        whole = self.export("coco")
        path = os.path.join(self.folder, "resumed.coco")
        run(*self.command, *self.paths[:2], "-f", "coco", "-o", path)
        run(*self.command, *self.paths, "-f", "coco", "-o", path, "--resume")
        with open(whole) as a, open(path) as b:
            self.assertEqual(a.read(), b.read())
        folder = os.path.join(self.folder, "resumed.yolo")
        run(*self.command, *self.paths, "-f", "yolo", "-o", folder)
        run(*self.command, *self.paths, "-f", "yolo", "-o", folder, code=2)
        run(*self.command, *self.paths, "-f", "yolo", "-o", folder, "--resume")
        self.assertEqual(len(os.listdir(os.path.join(folder, "labels"))), 4)
        self.assertFalse([n for n in os.listdir(folder) if n.count(".") > 1])

    def test_refusals(self):
        _, err = run("detect", self.paths[0], "-f", "jolo", code=2)
        self.assertIn("yolo", err)
        _, err = run("detect", self.paths[0], "-f", "yolo", code=2)
        self.assertIn("-o", err)
        _, err = run("detect", self.paths[0], "-f", "coco", "--box-format", "xywh", code=2)
        self.assertIn("--box-format", err)
        _, err = run("detect", self.paths[0], self.paths[0], "-f", "voc", "-o",
                     os.path.join(self.folder, "twice"), code=2)
        self.assertIn("twice", err)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "twice")))


if __name__ == "__main__":
    unittest.main()
