#!/usr/bin/env python3
"""gromatic calibrate: the head that it writes, what ground makes of it, and what is refused."""
import json
import os
import shutil
import tempfile
import unittest

from program import DATA, lines, run, scene

WORLD = os.path.join(DATA, "world", "scenes")
PICTURES = 10


def annotated(folder):
    """The first pictures of the world, with their annotations."""
    os.mkdir(os.path.join(folder, "images"))
    with open(os.path.join(WORLD, "annotations.json"), encoding="utf-8") as file:
        world = json.load(file)
    with open(os.path.join(WORLD, "referring.json"), encoding="utf-8") as file:
        said = json.load(file)
    world["images"] = world["images"][:PICTURES]
    ids = {image["id"] for image in world["images"]}
    world["annotations"] = [a for a in world["annotations"] if a["image_id"] in ids]
    for image in world["images"]:
        shutil.copy(os.path.join(WORLD, "images", image["file_name"]), os.path.join(folder, "images"))
    coco, refs = os.path.join(folder, "annotations.json"), os.path.join(folder, "referring.json")
    with open(coco, "w", encoding="utf-8") as file:
        json.dump(world, file)
    with open(refs, "w", encoding="utf-8") as file:
        json.dump([r for r in said if r["image_id"] in ids], file)
    return coco, refs


class Calibrate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.coco, cls.refs = annotated(cls.folder)
        cls.head = os.path.join(cls.folder, "head.gguf")
        out, _ = run("calibrate", "--coco", cls.coco, "--refs", cls.refs, "-o", cls.head, "--json", "-v")
        *cls.rows, cls.report = [json.loads(line) for line in out.splitlines()]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def test_every_kind_of_phrase_is_asked(self):
        kinds = {row["kind"] for row in self.rows}
        self.assertTrue({"there", "noun", "near", "place"} <= kinds, kinds)
        for row in self.rows:
            self.assertEqual(len(row["signals"]), 9)
            self.assertTrue(row["kind"] == "there" or not row["right"], row)
        once = [row for row in self.rows if not row["all"]]
        self.assertEqual(self.report["there"], sum(row["kind"] == "there" for row in once))
        self.assertEqual(self.report["nouns"], sum(row["kind"] == "noun" for row in once))

    def test_names_that_are_said_not_to_be_there_are_not(self):
        with open(self.coco, encoding="utf-8") as file:
            world = json.load(file)
        names = {c["id"]: c["name"] for c in world["categories"]}
        has = {}
        for image in world["images"]:
            has[image["file_name"]] = {names[a["category_id"]] for a in world["annotations"]
                                       if a["image_id"] == image["id"]}
        for row in self.rows:
            if row["kind"] in ("noun", "near"):
                bare = row["phrase"].split(" ", 1)[-1]
                self.assertNotIn(bare, has[os.path.basename(row["image"])], row)

    def ground(self, *options):
        [got] = lines("ground", scene(0), "a guitar", "a pizza", "--adapter", self.head, *options)
        return got["results"]

    def test_ground_is_calibrated(self):
        kept = self.ground("--min-present", "0")
        for result in kept:
            self.assertIs(result["calibrated"], True)
            self.assertTrue(0 <= result["present"] <= 1)
            self.assertEqual(len(result["regions"]), 1)
            self.assertTrue(0 <= result["regions"][0]["score"] <= 1)
        self.assertGreater(kept[0]["present"], kept[1]["present"])
        for result in self.ground("--min-present", "1"):
            self.assertEqual(result["regions"], [])
        for result, with_box in zip(self.ground(), kept):
            self.assertEqual(result["regions"] == [], result["present"] < 0.5)
            if result["regions"]:
                self.assertEqual(result["regions"], with_box["regions"])
        out, _ = run("ground", scene(0), "a pizza", "--adapter", self.head, "--min-present", "1")
        self.assertIn("not there", out)
        for result in self.ground("--all", "--min-present", "1"):
            self.assertEqual(result["regions"], [])

    def test_a_merged_head_is_the_same(self):
        base, merged = os.environ["GM_EMBEDDED_MINI"], os.path.join(self.folder, "merged.gguf")
        run("convert", base, "-o", merged, "--type", "f32", "--adapter", self.head, "-q")
        [got] = lines("ground", scene(0), "a guitar", "a pizza", "-m", merged, "--min-present", "0")
        self.assertEqual(got["results"], self.ground("--min-present", "0"))

    def test_its_clip_may_be_of_another_type(self):
        """f16 changes a cosine by less than 1e-3, which the head multiplies by tens at most."""
        base = os.path.join(self.folder, "other.gguf")
        run("convert", os.path.join(os.environ["GM_MODELS"], "clip-mini"), "-o", base, "--type", "f16", "-q")
        [got] = lines("ground", scene(0), "a guitar", "--adapter", self.head, "--clip-model", base,
                      "--min-present", "0")
        self.assertIs(got["results"][0]["calibrated"], True)
        self.assertAlmostEqual(got["results"][0]["present"], self.ground("--min-present", "0")[0]["present"], delta=0.02)

    def test_eval_looks_as_ground_does(self):
        """And does not go on with the answers of another adapter."""
        absent, answers = (os.path.join(self.folder, name) for name in ("absent.json", "answers.jsonl"))
        with open(self.coco, encoding="utf-8") as file:
            image = json.load(file)["images"][0]
        with open(absent, "w", encoding="utf-8") as file:
            json.dump([{"image_id": image["id"], "expression": "a pizza", "kind": "noun"}], file)
        evaluate = ["eval", "ground", "--coco", self.coco, "--refs", self.refs, "--absent", absent, "--limit", "1", "--json"]
        run(*evaluate, "--adapter", self.head, "-o", answers)
        with open(answers, encoding="utf-8") as file:
            given = {answer["expression"]: answer for line in file for answer in json.loads(line)}
        self.assertGreater(len(given), 1)
        [got] = lines("ground", os.path.join(self.folder, "images", image["file_name"]), *given, "--adapter", self.head,
                      "--min-present", "0")
        for result in got["results"]:
            self.assertIs(given[result["phrase"]]["calibrated"], True)
            # The JSON of ground has six digits; phrases of another number in a batch add in another order.
            self.assertAlmostEqual(given[result["phrase"]]["present"], result["present"], delta=1e-4)
        _, err = run(*evaluate, "-o", answers, "--resume", code=2)
        self.assertIn("--adapter", err)
        _, err = run(*evaluate, "--adapter", self.head, "--clip-model", "none.gguf", code=3)
        self.assertIn("none.gguf", err)
        _, err = run(*evaluate, "--force", "-o", absent, code=2)
        self.assertIn("it would replace --absent", err)

    def test_too_few_pictures(self):
        """If one of two cannot be read, nothing is left to fit when the other is measured."""
        out, few = (os.path.join(self.folder, name) for name in ("few.gguf", "few.json"))
        with open(self.coco, encoding="utf-8") as file:
            world = json.load(file)
        with open(os.path.join(self.folder, "images", "broken.jpg"), "w", encoding="utf-8") as file:
            file.write("not a picture")
        world["images"] = [world["images"][0], dict(world["images"][1], file_name="broken.jpg")]
        ids = {image["id"] for image in world["images"]}
        world["annotations"] = [a for a in world["annotations"] if a["image_id"] in ids]
        with open(few, "w", encoding="utf-8") as file:
            json.dump(world, file)
        _, err = run("calibrate", "--coco", few, "-o", out, code=2)
        self.assertIn("broken.jpg", err)
        self.assertIn("too few pictures", err)
        self.assertFalse(os.path.exists(out))

    def test_no_box_is_right(self):
        """A box of 2 x 2 pixels overlaps no region by half: of no right boxes none can be kept."""
        out, wrong = (os.path.join(self.folder, name) for name in ("wrong.gguf", "wrong.json"))
        with open(self.coco, encoding="utf-8") as file:
            world = json.load(file)
        for annotation in world["annotations"]:
            annotation["bbox"] = [0, 0, 2, 2]
        with open(wrong, "w", encoding="utf-8") as file:
            json.dump(world, file)
        _, err = run("calibrate", "--coco", wrong, "-o", out, code=2)
        self.assertIn("only 0.000 would be kept; nothing was written", err)
        self.assertFalse(os.path.exists(out))

    def test_what_is_refused(self):
        out = os.path.join(self.folder, "none.gguf")
        for arguments, said in ((["--coco", self.coco], "-o FILE"), (["-o", out], "--coco"),
                                (["--coco", self.coco, "-o", out, "--adapter", self.head, "--adapter", self.head],
                                 "at most one"),
                                (["--coco", self.coco, "-o", self.coco], "give another name"),
                                (["--coco", self.coco, "-o", __file__], "a GGUF file")):
            with self.subTest(said):
                _, err = run("calibrate", *arguments, code=2)
                self.assertIn(said, err)
        _, err = run("ground", scene(0), "a dog", "--min-present", "1.5", code=2)
        self.assertIn("from 0 to 1", err)
        self.assertFalse(os.path.exists(out))


if __name__ == "__main__":
    unittest.main()
