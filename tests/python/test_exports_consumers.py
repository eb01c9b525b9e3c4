"""Exports in the tools that they are made for, which are too large for the fast tests: Ultralytics' data
sets, Datumaro's importers (which CVAT's are made of), Label Studio's own validation. Each export is moved, and
read from a third folder. They must find what --json says of the same pictures."""
import json
import os
import shutil
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import run, scene  # noqa: E402

HOLDER = tempfile.TemporaryDirectory()
os.environ.update(YOLO_CONFIG_DIR=HOLDER.name, YOLO_OFFLINE="1", YOLO_VERBOSE="false")

from datumaro import Dataset  # noqa: E402
from datumaro.components.environment import Environment  # noqa: E402
from label_studio_sdk.label_interface import LabelInterface  # noqa: E402
from ultralytics.data.dataset import YOLODataset  # noqa: E402
from ultralytics.data.utils import check_det_dataset  # noqa: E402

CLASSES = ["a guitar", 'a "small", <red> & round thing', "a rabbit", "naïve 猫", "yes", "# no"]
NAMES = ["a/000.png", "a/b,c.jpg", "b/000.png", "b/quo'te & <tag>.jpg", "b/café 2.png", "b/" + "x" * 250 + ".jpg"]


class Consumers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = os.path.join(HOLDER.name, "written")
        for number, name in zip((0, 1, 3, 4, 6, 64), NAMES):
            path = os.path.join(cls.folder, "pictures", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copy(scene(number), path)
        os.mkdir(os.path.join(HOLDER.name, "moved"))
        os.mkdir(os.path.join(HOLDER.name, "third"))
        os.chdir(cls.folder)
        cls.command = ["ground", "--max-det", 2]
        for phrase in CLASSES:
            cls.command += ["--phrase", phrase]
        run(*cls.command, "-r", "pictures", "-o", "lines.jsonl")
        with open("lines.jsonl") as file:
            cls.want = [json.loads(line) for line in file]
        assert len(cls.want) == len(NAMES)

    @classmethod
    def tearDownClass(cls):
        os.chdir("/")
        HOLDER.cleanup()

    def moved(self, form, *options):
        """Writes the export in one folder, moves it to another; its path as seen from a third."""
        os.chdir(self.folder)
        name = self.id().rsplit(".", 1)[1]
        run("export", "lines.jsonl", "-f", form, "-o", name, *options)
        moved = os.path.join(HOLDER.name, "moved", name)
        shutil.rmtree(moved, ignore_errors=True)
        os.rename(name, moved)
        os.chdir(os.path.join(HOLDER.name, "third"))
        return os.path.join("..", "moved", name)

    def stems(self):
        """{name in the export without ending: line}"""
        found = {}
        for want in self.want:
            file = want["image"]["file"]
            stem = os.path.splitext(os.path.basename(file))[0]
            found[os.path.splitext(file)[0].replace("/", "-") if stem == "000" else stem] = want
        return found

    def regions(self, want):
        """Sorted (class number, x1, y1, x2, y2)."""
        return sorted((i, *region["box"]) for i, r in enumerate(want["results"]) for region in r["regions"])

    def check_yolo(self, yaml, classes=None):
        """Ultralytics reads the set's pictures and boxes; returns the stems of train and val."""
        classes = classes or CLASSES
        data = check_det_dataset(yaml, autodownload=False)
        self.assertEqual(list(data["names"].values()), classes)
        sets = []
        for part in "train", "val":
            made = YOLODataset(img_path=data[part], data=data, task="detect", augment=False, imgsz=224)
            sets.append(set())
            for label in made.labels:
                stem = os.path.splitext(os.path.basename(label["im_file"]))[0]
                sets[-1].add(stem)
                want = self.stems()[stem]
                height, width = label["shape"]
                self.assertEqual((width, height), (want["image"]["width"], want["image"]["height"]))
                x, y, w, h = label["bboxes"].T.astype(float)
                found = np.stack([(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width,
                                  (y + h / 2) * height], axis=1)
                found = sorted((CLASSES.index(classes[int(c)]), *box) for (c,), box in zip(label["cls"], found))
                # six decimals of at most 512 pixels, and float32
                np.testing.assert_allclose(found, self.regions(want), rtol=0, atol=0.002)
        return sets

    def test_yolo_in_ultralytics(self):
        folder = self.moved("yolo", "--link-images")
        everything = set(self.stems())
        for yaml in os.path.join(folder, "data.yaml"), os.path.abspath(os.path.join(folder, "data.yaml")):
            self.assertEqual(self.check_yolo(yaml), [everything, everything])
        os.chdir(folder)
        self.assertEqual(self.check_yolo("data.yaml"), [everything, everything])

    def test_yolo_split_in_ultralytics(self):
        folder = self.moved("yolo", "--link-images", "--split", "0.7", "--seed", "3")
        train, val = self.check_yolo(os.path.join(folder, "data.yaml"))
        self.assertEqual((len(train), len(val)), (4, 2))
        self.assertEqual(train | val, set(self.stems()))

    def test_yolo_without_links_in_ultralytics(self):
        """The pictures are put into images/ by hand, as data.yaml says."""
        for options in [], ["--split", "0.5"]:
            folder = self.moved("yolo", *options)
            shutil.copytree(os.path.join(self.folder, "pictures", "b"), os.path.join(folder, "images"))
            shutil.copy(os.path.join(self.folder, "pictures", "a", "b,c.jpg"), os.path.join(folder, "images"))
            for name in "a", "b":
                shutil.copy(os.path.join(self.folder, "pictures", name, "000.png"),
                            os.path.join(folder, "images", f"pictures-{name}-000.png"))
            os.remove(os.path.join(folder, "images", "000.png"))
            train, val = self.check_yolo(os.path.join(folder, "data.yaml"))
            self.assertEqual(train | val, set(self.stems()))

    def test_labels_that_change_are_read_anew(self):
        """Labels of the same names and sizes whose classes are others, which a cache could hide."""
        folder = self.moved("yolo", "--link-images")
        self.check_yolo(os.path.join(folder, "data.yaml"))
        turned = CLASSES[::-1]
        with open("classes.txt", "w") as file:
            file.write("\n".join(turned))
        os.chdir(self.folder)
        run("export", "lines.jsonl", "-f", "yolo", "-o", os.path.join("..", "moved", os.path.basename(folder)),
            "--link-images", "--force", "--classes", os.path.join("..", "third", "classes.txt"))
        os.chdir(os.path.join(HOLDER.name, "third"))
        self.check_yolo(os.path.join(folder, "data.yaml"), turned)

    def test_scores_are_nothing_to_train_on(self):
        """Why --save-conf is off: Ultralytics does not read boxes of lines with a score correctly."""
        folder = self.moved("yolo", "--link-images", "--save-conf")
        data = check_det_dataset(os.path.join(folder, "data.yaml"), autodownload=False)
        try:
            made = YOLODataset(img_path=data["train"], data=data, task="detect", augment=False, imgsz=224)
            boxes = sum(len(label["cls"]) for label in made.labels)
        except Exception:  # noqa: BLE001 - it may refuse the whole set
            boxes = 0
        self.assertEqual(boxes, 0)

    def check_datumaro(self, data, stem_of, box_of, tolerance):
        classes = [label.name for label in data.categories()[next(iter(data.categories()))].items]
        self.assertEqual([c for c in classes if c != "background"], self.classes)
        seen = {}
        for item in data:
            want = self.stems()[stem_of(item)]
            seen[stem_of(item)] = item.subset
            self.assertEqual(item.media.size, (want["image"]["height"], want["image"]["width"]))
            found = sorted((self.classes.index(classes[a.label]), a.x, a.y, a.x + a.w, a.y + a.h)
                           for a in item.annotations)
            expected = sorted((r[0], *box_of(r[1:])) for r in self.regions(want))
            self.assertEqual(len(found), len(expected))
            if found:
                np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
        self.assertEqual(set(seen), set(self.stems()))
        return seen

    def test_voc_in_datumaro(self):
        def pixels(box):
            """Corners counted from 1 and inside, as edges counted from 0."""
            return np.floor(box[0]), np.floor(box[1]), np.ceil(box[2]), np.ceil(box[3])

        self.classes = [c.replace("# no", "_ no") for c in CLASSES]  # labelmap.txt has comments
        for options, parts in (([], {"trainval"}), (["--split", "0.7"], {"train", "val"})):
            folder = self.moved("voc", "--link-images", *options)
            self.assertIn("voc", Environment().detect_dataset(folder))
            data = Dataset.import_from(folder, "voc", coordinate_mode="voc-one-based")
            seen = self.check_datumaro(data, lambda item: item.id, pixels, 0)
            self.assertEqual(set(seen.values()), parts)
            for item in data:
                self.assertEqual(item.media.data.shape[:2], item.media.size)

    def test_voc_without_links_in_datumaro(self):
        """As in voc_cvat.sh: the annotations alone are a data set too."""
        self.assertIn("voc", Environment().detect_dataset(self.moved("voc")))

    def test_yolo_in_datumaro(self):
        self.classes = CLASSES
        data = Dataset.import_from(self.moved("yolo", "--link-images"), "yolo")
        self.check_datumaro(data, lambda item: item.id, lambda box: box, 0.002)

    def test_coco_in_datumaro(self):
        self.classes = CLASSES
        file = self.moved("coco")
        os.makedirs(os.path.join("coco", "annotations"))
        shutil.copy(file, os.path.join("coco", "annotations", "instances_default.json"))
        shutil.copytree(os.path.join(self.folder, "pictures"), os.path.join("coco", "images", "default", "pictures"))
        data = Dataset.import_from("coco", "coco_instances")
        stems = {os.path.splitext(want["image"]["file"])[0]: stem for stem, want in self.stems().items()}
        self.check_datumaro(data, lambda item: stems[item.id], lambda box: box, 0.011)

    def test_label_studio(self):
        config = os.path.join(HOLDER.name, "third", "config.xml")
        file = self.moved("labelstudio", "--label-config", config, "--url-prefix", "/data/local-files/?d=")
        with open(config) as text:
            interface = LabelInterface(text.read())
        interface.validate()
        self.assertEqual(list(interface.get_control("label").labels), CLASSES)
        with open(file) as text:
            tasks = json.load(text)
        self.assertEqual(len(tasks), len(NAMES))
        for task in tasks:
            self.assertTrue(interface.validate_task({"data": task["data"]}))
            for prediction in task["predictions"]:
                self.assertEqual(interface.validate_prediction(prediction, return_errors=True), [])
        prediction["result"][0]["value"]["rectanglelabels"] = ["another"]
        self.assertNotEqual(interface.validate_prediction(prediction, return_errors=True), [])


if __name__ == "__main__":
    unittest.main()
