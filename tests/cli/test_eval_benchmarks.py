"""The benchmarks of eval on answers that lie in a file, against what the public tools make of them (golden/eval)."""
import json
import math
import os
import tempfile
import unittest

from program import DATA, SCENES, run


def golden(name):
    with open(os.path.join(DATA, "golden", "eval", name), encoding="utf-8") as file:
        return json.load(file)


class Benchmark(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, data, name):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(data if isinstance(data, str) else json.dumps(data))
        return path

    def score(self, name, coco, answers, *options):
        out, _ = run("eval", name, "--coco", self.write(coco, "set.json"), "--predictions",
                     self.write(answers, "answers.json"), "--json", *options)
        return json.loads(out)

    def refused(self, name, coco, answers, says, *options):
        """It fails with this message, which has the file and, unless it speaks of a whole file, the line."""
        out, err = run("eval", name, "--coco", self.write(coco, "set.json"), "--predictions",
                       self.write(answers, "answers.json"), *options, code=2)
        self.assertEqual(out, "")
        self.assertIn(says, err)
        self.assertEqual(err.count("\n"), 1, err)

    def near(self, got, expected, tolerance=1e-6):
        for name, value in expected.items():
            self.assertAlmostEqual(got[name], value, delta=tolerance, msg=name)


def rec_set(entries):
    return {"images": [{"id": e["id"], "file_name": f"{e['id']}.jpg", "width": e["width"], "height": e["height"],
                        "caption": e["case"]} for e in entries],
            "annotations": [{"id": e["id"], "image_id": e["id"], "bbox": e["bbox"]} for e in entries]}


def pixels(e, region):
    cx, cy, w, h = region
    return [(cx - w / 2) * e["width"], (cy - h / 2) * e["height"], w * e["width"], h * e["height"]]


def rec_answers(entries):
    answers = []
    for e in entries:
        named = [int(token[2:-1]) for token in e["answer"] if token[:2] == "<r" and token[2:-1].isdigit()]
        named = [i for i in named if i < len(e["regions"])]
        answers.append({"id": e["id"], "bbox": pixels(e, e["regions"][named[0]]) if named else None,
                        "regions": [pixels(e, r) for r in e["regions"]]})
    return answers


class Rec(Benchmark):
    def setUp(self):
        super().setUp()
        self.case = golden("rec.json")
        self.entries = self.case["entries"]

    def test_all_entries(self):
        got = self.score("rec", rec_set(self.entries), rec_answers(self.entries))
        self.near(got, self.case["expected"])

    def test_each_entry(self):
        per_entry = {p["id"]: p for p in self.case["per_entry"]}
        for e in self.entries[24:]:  # the odd ones
            expected = per_entry[e["id"]]
            got = self.score("rec", rec_set([e]), rec_answers([e]))
            self.near(got, {"mean_iou": expected["iou"], "right": expected["right"], "missing": expected["missing"]})

    def test_entries_without_an_answer_are_missing(self):
        answers = rec_answers(self.entries)[:1]
        del answers[0]["regions"]
        got = self.score("rec", rec_set(self.entries), answers)
        n = len(self.entries)
        self.near(got, {"n": n, "missing": (n - 1) / n})
        self.assertIsNone(got["ceiling"])

    def test_refs_give_the_same(self):
        entries = self.entries
        refs = [{"ref_id": 10 + e["id"], "ann_id": e["id"], "image_id": e["id"], "split": "val",
                 "sentences": [{"sent": "a"}, {"sent": " b "}]} for e in entries]
        refs.append(dict(refs[0], ref_id=1, split="testA"))
        answers = [dict(a, id=f"{10 + a['id']}/{k}") for k in (0, 1) for a in rec_answers(entries)]
        coco = rec_set(entries)
        got = self.score("rec", coco, answers, "--refs", self.write(refs, "refs.json"), "--split", "val")
        expected = self.case["expected"]
        self.near(got, {"n": 2 * expected["n"], "right": 2 * expected["right"],
                        "mean_iou": expected["mean_iou"], "ceiling": expected["ceiling"]})
        self.refused("rec", coco, [], "no expression of the split testB", "--refs", os.path.join(self.folder, "refs.json"),
                     "--split", "testB")
        refs[0]["ann_id"] = 999
        self.refused("rec", coco, [], "refs.json:1: ann_id is not among", "--refs", self.write(refs, "refs.json"))

    def test_table(self):
        coco, answers = self.write(rec_set(self.entries), "set.json"), self.write(rec_answers(self.entries), "a.json")
        out, _ = run("eval", "rec", "--coco", coco, "--predictions", answers)
        self.assertIn("| right | accuracy | mean_iou | missing | ceiling | tiny |", out)
        self.assertIn("| 21 | 0.5385 |", out)

    def test_hostile_files(self):
        coco = rec_set(self.entries)
        for answers, says in (
                ("", "answers.json:1: wanted a list"), ("{}", "wanted a list"), ("[{]", "answers.json:1: is not JSON"),
                ("[{}]", "an entry without id"), ("[3]", "an entry without id"), ('[\n{"id":\n99}]', "json:2: id is not"),
                ('[{"id": 1, "bbox": null}] x', "is not JSON"), ('[{"id": 1}]', "bbox is not"),
                ('[{"id": 1, "bbox": [1, 2, 3]}]', "bbox is not"), ('[{"id": 1, "bbox": [1, 2, -3, 4]}]', "bbox is not"),
                ('[{"id": 1, "bbox": [1, 2, NaN, 4]}]', "bbox is not"), ("[" * 9999, "is not JSON"),
                ('[{"id": 1, "bbox": [1, 2, 1e999, 4]}]', "bbox is not"),
                ('[{"id": 1, "bbox": null},\n{"id": 1.0, "bbox": null}]', "json:2: the id of an earlier entry"),
                ('[{"id": 1, "bbox": null, "regions": 3}]', "regions is not")):
            self.refused("rec", coco, answers, says)
        first = coco["images"][0]
        for change, says in (({"width": 0}, "width and height"), ({"width": 1.5}, "width and height"),
                             ({"caption": None}, "caption is not a string"), ({"id": None}, "an entry without id"),
                             ({"id": 2}, "the id of an earlier entry"), ({"id": 1000}, "image_id is not among")):
            self.refused("rec", dict(coco, images=[dict(first, **change)] + coco["images"][1:]), "[]", says)
        twice = dict(coco, annotations=coco["annotations"] + [dict(coco["annotations"][0], id=1000)])
        self.refused("rec", twice, "[]", "has two boxes")
        self.refused("rec", dict(coco, annotations=[]), "[]", "has no box")
        self.refused("rec", {"images": [], "annotations": []}, "[]", "'images' is empty")
        self.refused("rec", {"images": coco["images"]}, "[]", "has no list 'annotations'")
        self.refused("rec", '{"images": [], "images": []}', "[]", "is there twice")


class Lvis(Benchmark):
    def setUp(self):
        super().setUp()
        self.case = golden("lvis.json")

    def test_both_lists_and_protocols(self):
        for name, expected in self.case["expected"].items():
            answers, protocol = name.split()
            got = self.score("lvis-ground", self.case, self.case[answers], "--protocol", protocol)
            self.near(got, {key: value for key, value in expected.items() if key != "AP"})
            self.assertIn(protocol, got["protocol"])
            self.assertEqual(got["n"], len(self.case["images"]))

    def test_released_is_the_default(self):
        got = self.score("lvis-ground", self.case, self.case["scored"])
        self.near(got, {"AR": self.case["expected"]["scored released"]["AR"]})

    def test_no_answer_and_no_true_box(self):
        self.near(self.score("lvis-ground", self.case, []), {"AR": 0, "AR50": 0, "ARs": 0, "ARl": 0})
        self.near(self.score("lvis-ground", dict(self.case, annotations=[]), self.case["answers"]),
                  {"AR": -1, "AR50": -1, "AR75": -1, "ARm": -1})

    def test_hostile_files(self):
        answer = {"image_id": 100, "category_id": 4, "bbox": [1, 2, 3, 4], "score": 1}
        for change, says in (({"image_id": 3}, "answers.json:1: image_id is not among"),
                             ({"category_id": 77}, "category_id is not among"), ({"category_id": None}, "without category_id"),
                             ({"score": None}, "score is not a number"), ({"score": math.inf}, "score is not a number"),
                             ({"bbox": None}, "bbox is not"), ({"bbox": [1, 2, 3, "4"]}, "bbox is not")):
            self.refused("lvis-ground", self.case, [dict(answer, **change)], says)
        first = self.case["annotations"][0]
        for change, says in (({"category_id": 77}, "set.json:1: category_id is not among"),
                             ({"area": "x"}, "area is not a number"), ({"bbox": []}, "bbox is not"),
                             ({"id": 2}, "the id of an earlier annotation")):
            self.refused("lvis-ground", dict(self.case, annotations=[dict(first, **change)] + self.case["annotations"][1:]),
                         [], says)
        self.refused("lvis-ground", dict(self.case, categories=3), [], "categories: wanted a list")
        self.refused("lvis-ground", self.case, [], "wanted --protocol", "--protocol", "x")


class Proposals(Benchmark):
    def test_golden(self):
        case = golden("proposals.json")
        self.near(self.score("proposals", case, case["detections"]), case["expected"])

    def test_usage(self):
        _, err = run("eval", "proposals", "--predictions", "x", code=2)
        self.assertIn("wanted --coco", err)
        for option in ["--predictions", "x"], ["--resume"], ["--long"], ["-o", "x"], ["--protocol", "released"]:
            _, err = run("eval", "detect", "--coco", "x", *option, code=2)
            self.assertIn(f"{option[0]} is for rec", err)
        _, err = run("eval", "rec", "--coco", "x", "--resize", "cubic", code=2)
        self.assertIn("--resize", err)
        _, err = run("eval", "rec", "--coco", "x", "--resume", code=2)
        self.assertIn("--resume wants -o FILE", err)
        _, err = run("eval", "proposals", "--coco", "x", "--predictions", "y", code=2)
        self.assertIn("x: cannot be opened", err)


# Answers as METEOR 1.5 does in -stdio mode: the statistics of an entry, here the numbers of its fields and words, then
# a score for each entry and for all. It stands in for java.
JAVA = """#!/usr/bin/env python3
import sys
want = ["-Xmx2G", "-jar", "the.jar", "-", "-", "-stdio", "-l", "en", "-norm"]
if sys.argv[1:] != want:
    sys.exit("wrong arguments")
for line in sys.stdin:
    kind, *fields = line.rstrip("\\n").split(" ||| ")
    if kind == "SCORE":
        print(len(fields), len(fields[-1].split()), flush=True)
    else:
        words = [int(f.split()[1]) for f in fields]
        print(*[0.5] * len(fields), sum(words) / 1000, sep="\\n", flush=True)
"""


class RegionCaptions(Benchmark):
    def setUp(self):
        super().setUp()
        self.case = golden("captions.json")

    def figures(self, expected):
        return {name: value for name, value in expected.items() if name != "METEOR"}

    def test_golden(self):
        got = self.score("region-captions", self.case, self.case["results"])
        self.near(got, self.figures(self.case["expected"]), 1e-8)
        self.assertIsNone(got["METEOR"])

    def test_small_sets(self):
        for case in self.case["sets"]:
            with self.subTest(case["name"]):
                images = [{"id": i} for i in {a["image_id"] for a in case["annotations"]}]
                got = self.score("region-captions", dict(case, images=images), case["results"])
                self.near(got, self.figures(case["expected"]), 1e-8)

    def test_meteor_is_asked_for_each_entry_and_for_all(self):
        java = self.write(JAVA, "java")
        os.chmod(java, 0o755)
        env = {"PATH": self.folder + os.pathsep + os.environ["PATH"]}
        options = ["eval", "region-captions", "--coco", self.write(self.case, "set.json"), "--predictions",
                   self.write(self.case["results"], "a.json"), "--json", "--meteor-jar"]
        out, _ = run(*options, "the.jar", env=env)
        words = sum(len(t["candidate"]) for t in self.case["tokens"])
        self.assertAlmostEqual(json.loads(out)["METEOR"], words / 1000)
        _, err = run(*options, "other.jar", env=env, code=2)
        self.assertIn("--meteor-jar other.jar: found no answer", err)
        _, err = run(*options, "the.jar", env={"PATH": self.folder + "/none"}, code=2)
        self.assertIn("java on the PATH", err)

    def test_table_says_what_was_not_computed(self):
        out, _ = run("eval", "region-captions", "--coco", self.write(self.case, "set.json"), "--predictions",
                     self.write(self.case["results"], "a.json"))
        self.assertIn("| not computed |", out)

    def test_hostile_files(self):
        for answers, says in (('[{"image_id": 1000}]', "answers.json:1: caption is not a string"), ("[]", "no entry has"),
                              ('[{"image_id": 1, "caption": ""}]', "image_id is not among")):
            self.refused("region-captions", self.case, answers, says)
        first = self.case["annotations"][0]
        changed = dict(self.case, annotations=[dict(first, caption=3)] + self.case["annotations"][1:])
        self.refused("region-captions", changed, "[]", "set.json:1: caption is not a string")
        images = self.case["images"] + [{"id": 1}]
        self.refused("region-captions", dict(self.case, images=images), self.case["results"], "image 1 has no caption")
        long = [{"image_id": 1000, "caption": "a-b/c_ 'd. <" * 5000}]
        self.score("region-captions", self.case, long)


class Scenes(Benchmark):
    """The embedded model on drawn scenes. What eval ground and eval describe ask is asked in the same words here."""

    def setUp(self):
        super().setUp()
        with open(os.path.join(SCENES, "..", "annotations.json"), encoding="utf-8") as file:
            self.world = json.load(file)
        self.world["images"] = self.world["images"][:2]
        self.images = {i["id"]: i for i in self.world["images"]}
        self.world["annotations"] = [a for a in self.world["annotations"] if a["image_id"] in self.images]

    def ask(self, task, data, *options, code=0):
        out, err = run("eval", task, "--coco", self.write(data, "set.json"), "--images", SCENES, "--json", "-q", *options,
                       code=code)
        return json.loads(out), err

    def regions(self, texts):
        """An entry of images for each annotation, with its text."""
        kept = [dict(self.images[a["image_id"]], id=a["id"], caption=t) for a, t in zip(self.world["annotations"], texts)]
        return {"images": kept, "annotations": [dict(a, image_id=a["id"], caption=t)
                                                for a, t in zip(self.world["annotations"], texts)]}

    def names(self):
        names = {c["id"]: c.get("article", "a") + " " + c["name"] for c in self.world["categories"]}
        return [names[a["category_id"]] for a in self.world["annotations"]]

    def test_rec_is_eval_ground(self):
        names = self.names()
        refs = [{"image_id": a["image_id"], "expression": n, "annotation_id": a["id"], "bbox": a["bbox"]}
                for a, n in zip(self.world["annotations"], names)]
        ground, _ = self.ask("ground", self.world, "--refs", self.write(refs, "refs.json"))
        rec, _ = self.ask("rec", self.regions(names))
        self.assertEqual(rec["n"], len(names))
        self.assertAlmostEqual(rec["accuracy"], ground["accuracy_free"], delta=1e-6)
        self.assertLessEqual(rec["accuracy"], rec["ceiling"])
        self.assertGreater(rec["mean_iou"], 0.5)
        self.assertRegex(rec["model_sha256"], "^[0-9a-f]{64}$")

    def test_region_captions_are_eval_describe(self):
        describe, _ = self.ask("describe", self.world)
        got, _ = self.ask("region-captions", self.regions(self.names()))
        self.assertEqual((got["entries"], got["missing"]), (describe["n"], 0))
        # An exact answer has a ROUGE-L of 1, another one shares its words with the name in part.
        self.assertGreaterEqual(got["ROUGE-L"], describe["exact"])
        if describe["exact"] == 1:
            self.assertEqual(got["ROUGE-L"], 1)
        drawn, _ = self.ask("region-captions", self.regions(self.names()), "--templates", "random", "--long", "--limit", 1)
        self.assertEqual((drawn["n"], drawn["templates"]), (1, "random"))

    def test_proposals_find_what_eval_detect_finds(self):
        detect, _ = self.ask("detect", self.world)
        got, _ = self.ask("proposals", self.world)
        # One of the thresholds is 0.5, where each true box has a region of its own if any region is on it alone.
        self.assertGreaterEqual(detect["recall"], got["AR@300"])
        self.assertGreater(got["AR@300"], 0.5)
        self.assertLessEqual(got["AR@1"], got["AR@10"])

    def test_lvis_asks_for_the_first_class(self):
        first = {}
        for a in self.world["annotations"]:
            first.setdefault(a["image_id"], a["category_id"])
        one = dict(self.world, annotations=[a for a in self.world["annotations"] if first[a["image_id"]] == a["category_id"]])
        got, _ = self.ask("lvis-ground", one)
        self.assertEqual(got["n"], 2)
        self.assertGreaterEqual(got["AR50"], 0.5)  # of one or both classes

    def test_a_run_goes_on_where_it_stopped(self):
        data, answers = self.regions(self.names()), os.path.join(self.folder, "answers.jsonl")
        for image in data["images"]:
            if image["file_name"] == self.world["images"][1]["file_name"]:
                image["file_name"] = os.path.join(self.folder, "later")
        # The second picture fails at first, so the file has the first one's answers.
        got, _ = self.ask("rec", data, "-o", answers, code=1)
        self.assertEqual(got["failed"], 1)
        os.symlink(os.path.join(SCENES, self.world["images"][1]["file_name"]), os.path.join(self.folder, "later"))
        whole, _ = self.ask("rec", data, "-o", answers, "--resume")
        self.assertEqual((whole["failed"], whole["missing"]), (0, 0))
        with open(answers, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 2)  # one a picture
        scored = self.score("rec", data, "\n".join(lines))
        self.near(scored, {k: whole[k] for k in ("n", "accuracy", "mean_iou", "ceiling")}, 0)
        out, err = run("eval", "rec", "--coco", self.write(data, "set.json"), "--images", SCENES, "-o", answers, "--resume",
                       "--conf", "0.3", code=2)
        self.assertEqual(out, "")
        self.assertIn("--conf", err)

    def test_a_picture_that_fails_is_named_and_missing(self):
        data = self.regions(self.names())
        data["images"][0]["file_name"] = "none.png"
        got, err = self.ask("rec", data, code=1)
        self.assertIn("none.png", err)
        self.assertEqual(got["failed"], 1)
        self.assertAlmostEqual(got["missing"], 1 / got["n"])
        for image in data["images"]:
            image["file_name"] = "none.png"
        out, err = run("eval", "rec", "--coco", self.write(data, "set.json"), "--images", SCENES, code=1)
        self.assertEqual(out, "")
        self.assertIn("nothing was measured", err)
        del data["images"][0]["file_name"]
        _, err = run("eval", "rec", "--coco", self.write(data, "set.json"), code=2)
        self.assertIn("without a file_name", err)


if __name__ == "__main__":
    unittest.main()
