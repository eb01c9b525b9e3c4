"""What eval reads: entries that cannot be used are left out, counted and named; pictures that fail are named once."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from program import DATA, GROMATIC, run, scene

BOXES = [[33, 18, 70, 58], [82, 141, 105, 108]]  # of scene 064, as drawn
MORE = {"id": 3, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20], "iscrowd": 0}


class Data(unittest.TestCase):
    """A set of one picture with two boxes, which each test changes."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.makedirs(os.path.join(self.folder, "images", "sub"))
        for name in "064.jpg", os.path.join("sub", "064.jpg"):
            shutil.copy(scene(64), os.path.join(self.folder, "images", name))
        self.set = {
            "images": [{"id": 1, "file_name": "064.jpg", "width": 280, "height": 320}],
            "annotations": [{"id": i + 1, "image_id": 1, "category_id": i + 1, "bbox": box, "iscrowd": 0}
                            for i, box in enumerate(BOXES)],
            "categories": [{"id": 1, "name": "crown"}, {"id": 2, "name": "green apple"}]}
        self.first = self.set["annotations"][0]

    def write(self, data, name="set.json"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(data if isinstance(data, str) else json.dumps(data))
        return path

    def evaluate(self, *tasks, code=0, options=()):
        """The lines of the tasks, and stderr."""
        out, err = run("eval", *(tasks or ["detect"]), "--coco", self.write(self.set), "--json", *options, code=code)
        return [json.loads(line) for line in out.splitlines()], err

    def check(self, n, entries=0, says="", code=0):
        """The numbers of boxes that are measured and of entries that are not, and the messages about these."""
        [got], err = self.evaluate(code=code)
        self.assertEqual((got["n"], got["skipped"]["entries"]), (n, entries), err)
        self.assertEqual(got["recall"], 1, "the detector finds both boxes")
        self.assertIn(says, err)
        if not entries:
            self.assertEqual(err, "")


class Entries(Data):
    def test_nothing_is_left_out(self):
        self.check(2)

    def test_boxes_that_are_none(self):
        for box, says in (([5, 5, 1.03, 0.0], "whose bbox has no area: 3"), ([5, 5, 0, 9], "whose bbox has no area"),
                          ([5, 5, -2, 9], "whose bbox has no area"), ([], "without a bbox"),
                          (None, "without a bbox"), (["5", "5", "9", "9"], "without a bbox"),
                          ([1, 2, 3], "without a bbox"), ([1, 2, 3, 4, 5], "without a bbox"),
                          ([float("nan"), 1, 2, 3], "without a bbox"), ({"x": 1}, "without a bbox")):
            with self.subTest(box=box):
                self.set["annotations"][2:] = [dict(MORE, bbox=box)]
                self.check(2, 1, "set.json: 1 annotation left out " + says)
        del self.set["annotations"][2]["bbox"]
        self.check(2, 1, "1 annotation left out without a bbox [x, y, width, height]: 3\n")

    def test_crowds(self):
        for value, n in ((True, 1), (1, 1), (1.0, 1), (False, 2), (0, 2), (None, 2), (0.0, 2)):
            with self.subTest(value=value):
                self.first["iscrowd"] = value
                self.check(n)

    def test_ids_of_every_kind(self):
        for one, other in (("000001", "000001"), (1.0, 1), (1, 1.0), (-7, -7), (2**63, 2**63), (-2**63, -2**63),
                           (2**64 + 1, 2**64 + 1), (0, -0.0), ("a\u00e9\"", "a\u00e9\""), (1e3, 1000), ("", "")):
            with self.subTest(one=one):
                self.set["images"][0]["id"] = one
                for entry in self.set["annotations"]:
                    entry["image_id"] = other
                self.check(2)

    def test_ids_that_differ(self):
        for one, other, name in ((1, "1", "1, 2"), ("1", 1, "1, 2"), (2**63, 2**63 + 1, "1, 2"), ("01", "1", "1, 2")):
            with self.subTest(one=one):
                self.set["images"][0]["id"] = one
                for entry in self.set["annotations"]:
                    entry["image_id"] = other
                out, err = self.evaluate(code=2)
                self.assertEqual(out, [])
                self.assertIn("2 annotations left out whose image_id is not among the images: " + name, err)
                self.assertIn("none of its annotations can be used", err)

    def test_categories_by_ids_of_every_kind(self):
        for one, other in ((1, 1.0), ("x", "x"), (-1, -1), (0, 0)):
            with self.subTest(one=one):
                self.set["categories"][0]["id"] = one
                self.first["category_id"] = other
                self.check(2)

    def test_what_is_not_there(self):
        for name, says in (("image_id", "without an image_id: 1"), ("category_id", "without a category_id: 1")):
            with self.subTest(name=name):
                kept = self.first.pop(name)
                self.check(1, 1, says)
                self.first[name] = True  # no id, either
                self.check(1, 1, says)
                self.first[name] = kept
        self.first["category_id"] = 9
        self.check(1, 1, "whose category_id is not among the categories: 1\n")
        del self.first["id"]
        self.check(1, 1, "whose category_id is not among the categories: [0]\n")  # by its place
        self.first["category_id"] = 1
        self.check(2)
        self.set["annotations"].append("what is this")
        self.check(2, 1, "without an image_id: [2]\n")

    def test_many_are_counted(self):
        self.set["annotations"] += [dict(MORE, id=f"n{i}", bbox=[0, 0, 0, 1]) for i in range(120)]
        self.check(2, 120, "120 annotations left out whose bbox has no area: \"n0\", \"n1\", \"n2\", \"n3\", \"n4\" "
                           "and 115 more\n")

    def test_twice(self):
        self.set["annotations"].append(dict(self.first))
        self.check(2, 1, "1 annotation left out that the file has twice: 1\n")
        self.set["annotations"][2]["category_id"] = 2  # another thing under an id that is taken
        self.check(3)
        self.set["images"].append({"id": 1, "file_name": "gone.png"})
        self.check(3, 1, "1 image left out whose id an earlier one has: 1\n")

    def test_images_and_categories(self):
        self.set["images"] += [{"id": 5}, {"file_name": "x.png"}, 7, {"id": 6, "file_name": ""}]
        self.set["categories"] += [{"id": 8}, {"name": "x"}, {"id": 1, "name": "other"}, {"id": 9, "name": ""}]
        [got], err = self.evaluate()
        self.assertEqual((got["n"], got["skipped"]["entries"]), (2, 8))
        for says in ("2 images left out without a file_name: 5, 6\n", "2 images left out without an id: [2], [3]\n",
                     "2 categories left out without a name: 8, 9\n", "1 category left out without an id: [3]\n",
                     "1 category left out whose id an earlier one has: 1\n"):
            self.assertIn(says, err)

    def test_names_twice_are_one(self):
        self.set["categories"] += [{"id": 3, "name": "crown"}, {"id": 0, "name": "things"}]
        self.set["annotations"].append(dict(MORE, category_id=3))
        [got], _ = self.evaluate("label")
        self.assertEqual(got["n"], 3)

    def test_names_as_unicode_sees_them(self):
        self.set["categories"] = [{"id": 1, "name": "caf\u00e9"}, {"id": 2, "name": "cafe\u0301"}]
        [got], _ = self.evaluate("label")
        self.assertEqual(got["n"], 2)  # one class, and not the same name twice

    def test_marks_and_encodings(self):
        path = self.write("\ufeff" + json.dumps(self.set))
        out, err = run("eval", "detect", "--coco", path, "--json")
        self.assertEqual((json.loads(out)["n"], err), (2, ""))
        with open(path, "w", encoding="utf-16") as file:
            json.dump(self.set, file)
        _, err = run("eval", "detect", "--coco", path, code=2)
        self.assertIn("UTF-16", err)

    def test_order_of_the_lists(self):
        for order in (["annotations", "categories", "images"], ["categories", "images", "annotations"],
                      ["info", "images", "annotations", "categories"]):
            self.set["info"] = {"segmentation": [[[1.5, {"a": None}]], "]"]}
            self.set = {name: self.set[name] for name in order + [n for n in self.set if n not in order]}
            self.check(2)

    def test_limit_is_no_fault(self):
        self.set["images"].append({"id": 2, "file_name": "gone.png"})
        self.set["annotations"].append(dict(MORE, image_id=2))
        [got], err = self.evaluate(options=["--limit", "1"])
        self.assertEqual((got["n"], got["skipped"], err), (2, {"pictures": 0, "entries": 0}, ""))

    def test_lists_that_are_missing(self):
        for name in "images", "annotations", "categories":
            for value in None, {}, 3:
                data = dict(self.set, **{name: value})
                _, err = run("eval", "detect", "--coco", self.write(data), code=2)
                self.assertIn(f"no \"{name}\"; wanted annotations in COCO's format", err)
        for name in "images", "categories":
            _, err = run("eval", "detect", "--coco", self.write(dict(self.set, **{name: []})), code=2)
            self.assertIn({"images": "no picture with an id", "categories": "none of its annotations"}[name], err)
        _, err = run("eval", "detect", "--coco", self.write([1]), code=2)
        self.assertIn("wanted an object as COCO's", err)

    def test_broken_json(self):
        _, err = run("eval", "detect", "--coco", self.write("{\"images\": [\n{\"id\": 1,}]}"), code=2)
        self.assertIn("set.json: line 2: this is no JSON: wanted a member's name in quotes", err)

    def test_nan_elsewhere(self):
        """Python writes NaN, which JSON does not know."""
        self.first["area"] = float("nan")
        self.check(2)

    def test_expressions(self):
        ref = {"image_id": 1, "annotation_id": 1, "expression": "a crown", "bbox": BOXES[0]}
        refs = [ref, dict(ref, expression="the crown"),  # of an object that has one
                dict(ref, annotation_id=2, expression="a green apple", bbox=BOXES[1])]
        bad = [dict(ref, annotation_id="x", bbox=[1, 2, 0, 0]), dict(ref, annotation_id=7, image_id=9),
               dict(ref, annotation_id=8, expression=None), dict(ref, annotation_id=None), 5]
        run_with = lambda entries, code=0: run("eval", "ground", "--coco", self.write(self.set), "--refs",
                                               self.write(entries, "refs.json"), "--json", code=code)
        out, err = run_with(refs)
        self.assertEqual((json.loads(out)["n"], json.loads(out)["skipped"]["entries"], err), (2, 0, ""))
        out, err = run_with(bad[:2] + refs + bad[2:])
        self.assertEqual((json.loads(out)["n"], json.loads(out)["skipped"]["entries"]), (2, 5))
        for says in ("refs.json: 1 expression left out whose bbox has no area: \"x\"\n",
                     "1 expression left out whose image_id is not among the images: 7\n",
                     "2 expressions left out without an expression: 8, [7]\n",
                     "1 expression left out without an annotation_id: [6]\n"):
            self.assertIn(says, err)
        self.assertIn("none of its expressions can be used", run_with(bad, code=2)[1])
        self.assertIn("wanted a list of", run_with({}, code=2)[1])


class Pictures(Data):
    def test_names_with_folders(self):
        for name in ("sub/064.jpg", "sub\\064.jpg", os.path.join(self.folder, "images", "064.jpg")):
            self.set["images"][0]["file_name"] = name
            self.check(2)

    def test_a_missing_picture_is_named_once(self):
        self.set["images"].append({"id": 2, "file_name": "gone.png"})
        for tasks in (["detect", "describe", "caption"], ["label"]):
            got, err = self.evaluate(*tasks, code=1)
            self.assertEqual([line["method"] for line in got], tasks)
            for line in got:
                self.assertEqual(line["skipped"], {"pictures": 1, "entries": 0})
            self.assertEqual(err.count("gone.png"), 1, err)
            self.assertRegex(err.splitlines()[-1], r"^gromatic: 2 pictures, 2 true boxes, 1 failure, 0 entries left "
                                                   r"out, \d+\.\d s$")

    def test_many_missing_pictures_are_counted(self):
        self.set["images"] += [{"id": i, "file_name": f"gone-{i}.png"} for i in range(2, 25)]
        _, err = self.evaluate(code=1)
        self.assertEqual((err.count("gone-"), "13 more pictures failed" in err), (10, True), err)
        _, err = self.evaluate(code=1, options=["-v"])
        self.assertEqual((err.count("gone-"), "more pictures" in err), (23, False), err)

    def test_all_pictures_are_missing(self):
        self.set["images"][0]["file_name"] = "gone.png"
        for task in "detect", "label":
            got, err = self.evaluate(task, code=1)
            self.assertEqual(got, [])
            self.assertIn("nothing was measured: all pictures failed", err)

    def test_a_damaged_picture(self):
        with open(os.path.join(self.folder, "images", "cut.jpg"), "wb") as file, open(scene(64), "rb") as whole:
            file.write(whole.read(300))
        self.set["images"].insert(0, {"id": 2, "file_name": "cut.jpg"})
        [got], err = self.evaluate(code=1)
        self.assertEqual((got["n"], got["skipped"]["pictures"], err.count("cut.jpg")), (2, 1, 1))

    def test_a_missing_folder_is_said_once(self):
        self.set["images"] += [{"id": i, "file_name": f"{i}.png"} for i in range(2, 100)]
        for task in "detect", "label":
            _, err = self.evaluate(task, code=2, options=["--images", "/nowhere/at/all"])
            self.assertEqual(err, "gromatic: /nowhere/at/all: there is no such folder; say where the pictures are "
                                  "with --images FOLDER\n")

    def test_quiet(self):
        self.set["images"].append({"id": 2, "file_name": "gone.png"})
        self.set["annotations"].append(dict(MORE, bbox=[0, 0, 0, 0]))
        _, err = self.evaluate(code=1, options=["--quiet"])
        self.assertEqual([("gone.png" in line, "left out" in line) for line in err.splitlines()],
                         [(False, True), (True, False)])  # warnings, and no closing line


class Labelled(unittest.TestCase):
    """eval classify: rows of a CSV, pictures of folders."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        world = os.path.join(DATA, "world", "classify")
        self.names = ["bus", "dog", "koala"]
        for name in self.names:
            os.makedirs(os.path.join(self.folder, "set", name))
            source = os.path.join(world, name, sorted(os.listdir(os.path.join(world, name)))[0])
            shutil.copy(source, os.path.join(self.folder, "set", name, "1.png"))

    def evaluate(self, path, *options, code=0):
        out, err = run("eval", "classify", path, "--method", "clip", "--no-cache", "--json", *options, code=code)
        return [json.loads(line) for line in out.splitlines()], err

    def csv(self, *rows):
        path = os.path.join(self.folder, "set.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(("file,label",) + rows) + "\n")
        return path

    def test_rows_without_a_label(self):
        path = self.csv("set/bus/1.png,bus", "set/dog/1.png", ",dog", "set/dog/1.png,", "set/dog/1.png,dog")
        [got], err = self.evaluate(path)
        self.assertEqual((got["n"], got["skipped"]), (2, {"pictures": 0, "entries": 3}))
        self.assertIn("set.csv: 3 entries left out without a file or its label: line 3, line 4, line 5\n", err)
        self.assertRegex(err.splitlines()[-1], r"^gromatic: 2 pictures, 0 failures, 3 entries left out, \d+\.\d s$")
        _, err = self.evaluate(self.csv("set/bus/1.png"), code=2)
        self.assertIn("set.csv: 1 entry left out without a file or its label: line 2\n", err)
        self.assertIn("set.csv: found no pictures; wanted rows of a file and its label with a comma between them", err)

    def test_a_quote_that_does_not_end(self):
        path = self.csv("set/bus/1.png,bus", 'set/dog/1.png,"a dog', 'or so"', 'set/koala/1.png,"koala"')
        [got], err = self.evaluate(path)
        self.assertEqual((got["n"], sorted(got["per_class"])), (2, ["bus", "koala"]))
        self.assertIn("set.csv: 1 entry left out whose quote does not end on its line: line 3\n", err)

    def test_rows_through_a_pipe(self):
        """Their files are found from where the program runs: a pipe lies in no folder."""
        rows = b"file,label\nset/bus/1.png,bus\nset/dog/1.png,dog\n"
        out, _ = run("eval", "classify", "-", "--method", "clip", "--no-cache", "--json", stdin=rows, cwd=self.folder)
        command = 'cd "$1" && "$2" eval classify <(printf "$3") --method clip --no-cache --json'
        piped = subprocess.run(["bash", "-c", command, "-", self.folder, GROMATIC, rows], check=True, timeout=300,
                               capture_output=True).stdout
        for got in out, piped:
            self.assertEqual(list(json.loads(got)["per_class"]), ["bus", "dog"])

    def test_a_folder_without_pictures(self):
        for name in "cat", "ant":
            os.makedirs(os.path.join(self.folder, "set", name))
        [got], err = self.evaluate(os.path.join(self.folder, "set"))
        self.assertEqual((got["n"], got["skipped"], list(got["per_class"])),
                         (3, {"pictures": 0, "entries": 2}, self.names))
        self.assertIn("/set: 2 entries left out without pictures: ant, cat\n", err)

    def test_a_set_by_any_name(self):
        os.rename(os.path.join(self.folder, "set"), os.path.join(self.folder, "@set"))
        os.rename(os.path.join(self.folder, "@set", "bus"), os.path.join(self.folder, "@set", "@bus.tar"))
        out, _ = run("eval", "classify", "@set", "--method", "clip", "--no-cache", "--json", cwd=self.folder)
        self.assertEqual(list(json.loads(out)["per_class"]), ["@bus.tar", "dog", "koala"])

    def test_pictures_of_other_classes(self):
        [got], err = self.evaluate(os.path.join(self.folder, "set"), "--classes", "dog,koala,cat")
        self.assertEqual((got["n"], got["skipped"], sorted(got["per_class"])),
                         (2, {"pictures": 0, "entries": 1}, ["dog", "koala"]))
        self.assertIn("1 entry left out whose class is not among the classes: ", err)
        self.assertIn("1.png ('bus')\n", err)
        got, err = self.evaluate(os.path.join(self.folder, "set"), "--classes", "cat,cow", code=2)
        self.assertEqual(got, [])
        self.assertIn("none of its pictures is of one of the classes", err)

    def test_pictures_that_fail_are_named_once(self):
        path = self.csv("set/bus/1.png,bus", "gone.png,dog", "set/koala/1.png,koala")
        out, err = run("eval", "classify", path, "--method", "clip,waffle", "--no-cache", "--json", code=1)
        for line in out.splitlines():
            got = json.loads(line)
            self.assertEqual((got["n"], got["skipped"], sorted(got["per_class"])),
                             (2, {"pictures": 1, "entries": 0}, ["bus", "koala"]))
        self.assertEqual((len(out.splitlines()), err.count("gone.png")), (2, 1))
        [got], _ = self.evaluate(path, code=1)
        [whole], _ = self.evaluate(self.csv("set/bus/1.png,bus", "set/koala/1.png,koala"), "--classes",
                                   "bus,dog,koala")
        self.assertEqual(got["top1"], whole["top1"])
        got, err = self.evaluate(self.csv("gone.png,dog", "away.png,bus"), code=1)
        self.assertEqual(got, [])
        self.assertIn("nothing was measured: all pictures failed", err)

    def test_labels_as_unicode_sees_them(self):
        path = self.csv("set/bus/1.png,caf\u00e9", "set/dog/1.png,cafe\u0301", "set/koala/1.png,koala")
        [got], _ = self.evaluate(path)
        self.assertEqual((got["n"], list(got["per_class"])), (3, ["caf\u00e9", "koala"]))


if __name__ == "__main__":
    unittest.main()
