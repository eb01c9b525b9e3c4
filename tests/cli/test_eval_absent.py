"""eval ground --absent: its files, its model's run, and the generator of phrases that name nothing."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from program import DATA, run

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCENES = os.path.join(DATA, "world", "scenes")
COCO, REFS = (os.path.join(SCENES, name) for name in ("annotations.json", "referring.json"))
GENERATOR = os.path.join(ROOT, "scripts", "world", "absent.py")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def generate(*options):
    return subprocess.run([sys.executable, GENERATOR, "--coco", COCO, "--refs", REFS, *options], check=True,
                          stdout=subprocess.PIPE, text=True).stdout


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.data = {"coco": {"images": [{"id": 1}, {"id": 2}], "annotations": []},
                     "refs": [{"image_id": 1, "expression": "a dog", "annotation_id": 1, "bbox": [0, 0, 5, 5]},
                              {"image_id": 1, "expression": "a cow", "annotation_id": None, "bbox": None}],
                     "absent": [{"image_id": 2, "expression": "a dog", "kind": "noun"}],
                     "predictions": [{"image_id": 2, "expression": "a dog", "present": 0.1, "regions": []},
                                     {"image_id": 1, "expression": "a dog", "present": 0.9,
                                      "regions": [{"bbox": [0, 0, 5, 4], "score": 0.8}]}]}

    def options(self, **changed):
        out = []
        for name, data in dict(self.data, **changed).items():
            path = os.path.join(self.folder, name + ".json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(data if isinstance(data, str) else json.dumps(data))
            out += ["--" + name, path]
        return out

    def refused(self, says, **changed):
        out, err = run("eval", "ground", *self.options(**changed), code=2)
        self.assertEqual(out, "")
        self.assertIn(says, err)
        self.assertEqual(err.count("\n"), 1, err)

    def test_figures(self):
        out, _ = run("eval", "ground", *self.options(), "--json")
        got = json.loads(out)
        self.assertEqual((got["method"], got["n"], got["there"], got["absent"]), ("ground", 2, 1, 1))
        self.assertEqual((got["T-acc"], got["right"], got["N-acc"], got["N-acc noun"], got["IL_MCC"]), (1, 1, 1, 1, 1))
        self.assertIsNone(got["N-acc place"])
        self.assertAlmostEqual(got["pmF1"], 0.7)  # IoU 0.8: right at 0.50 to 0.80
        out, _ = run("eval", "ground", *self.options())
        self.assertIn("| there | absent | T-acc | right | right_unrefused | N-acc |", out)

    def test_hostile_files(self):
        for absent, says in (("", "absent.json:1: wanted a list"), ("{}", "wanted a list"), ("[]", "no expression about"),
                             ("[{]", "is not JSON"), ("[3]", "kind is not"), ('[\n{"kind": 3}]', "json:2: kind is not"),
                             ('[{"kind": "there"}]', "kind is not"), ('[{"kind": "noun"}]', "without image_id")):
            self.refused(says, absent=absent)
        entry = self.data["absent"][0]
        for change, says in (({"image_id": 3}, "image_id is not among"), ({"expression": None}, "expression is not a string"),
                             ({"expression": " "}, "the expression is empty"), ({"image_id": 1}, "'a dog' is in the picture")):
            self.refused(says, absent=[dict(entry, **change)])
        self.refused("json:1: 'a dog' is the expression of an earlier entry", absent=[entry, entry])
        for refs, says in (("[]", "no expression about"), ('[{"image_id": 1, "expression": "x"}]', "bbox is not"),
                           ('[{"image_id": 9, "expression": "x", "bbox": [1, 2, 3, 4]}]', "image_id is not among")):
            self.refused(says, refs=refs)
        answers = self.data["predictions"]
        for change, says in (({"present": 1.5}, "present is not a number from 0 to 1"), ({"present": None}, "present is not"),
                             ({"image_id": 7}, "image_id is not among the images"), ({"calibrated": 3}, "calibrated is not"),
                             ({"expression": "a cat"}, "'a cat' is not among"), ({"regions": 3}, "regions is not a list"),
                             ({"regions": [3]}, "bbox is not"), ({"regions": [{"bbox": [1, 2, 3, 4]}]}, "score is not")):
            self.refused(says, predictions=[answers[0], dict(answers[1], **change)])
        self.refused("json:1: the expression of an earlier entry", predictions=[answers[0], answers[0]])
        self.refused("found no answer to 1 of 2 expressions", predictions=answers[:1])
        answers[0].pop("regions")
        self.refused("an entry without regions", predictions=answers)

    def test_usage(self):
        for arguments, says in ((["ground", "--absent", "x", "--coco", "x"], "--absent wants --refs"),
                                (["rec", "--absent", "x", "--coco", "x"], "--absent is for ground"),
                                (["detect", "--absent", "x", "--coco", "x"], "--absent is for"),
                                (["rec", "--coco", "x", "--min-present", "0.3"], "--min-present is for ground"),
                                (["rec", "--coco", "x", "--clip-model", "clip-mini"], "--clip-model is for ground")):
            _, err = run("eval", *arguments, code=2)
            self.assertIn(says, err)

    def test_a_model_run_is_scored_as_its_lines(self):
        absent, answers = (os.path.join(self.folder, name) for name in ("a.json", "answers.jsonl"))
        with open(absent, "w") as file:
            file.write(generate("--drawn"))
        files = ["--coco", COCO, "--refs", REFS, "--absent", absent]
        out, _ = run("eval", "ground", *files, "--limit", 2, "--json", "-o", answers)
        whole = json.loads(out)
        self.assertEqual(whole["failed"], 0)
        ids = {image["id"] for image in load(COCO)["images"][:2]}
        self.assertEqual(whole["absent"], sum(a["image_id"] in ids for a in load(absent)))
        few = {name: [x for x in load(path) if x["image_id"] in ids] for name, path in (("refs", REFS), ("absent", absent))}
        with open(answers) as file:
            out, _ = run("eval", "ground", *self.options(coco=load(COCO), predictions=file.read(), **few), "--json")
        again = json.loads(out)
        for name in set(whole) - {"set", "model_sha256", "resize", "templates", "failed"}:
            self.assertEqual(whole[name], again[name], name)
        script, plot = os.path.join(ROOT, "scripts", "reliability.py"), os.path.join(self.folder, "plot.svg")
        said = subprocess.run([sys.executable, script, "--refs", REFS, answers, plot], check=True, stdout=subprocess.PIPE,
                              text=True).stdout
        self.assertEqual(said, f"{whole['answers']} answers, ECE {whole['ECE']:.4f}\n")
        with open(plot) as file:
            self.assertTrue(file.read().endswith("</svg>\n"))


class Generator(unittest.TestCase):
    def test_repeats(self):
        self.assertEqual(generate(), generate())
        self.assertNotEqual(generate(), generate("--seed", "other"))

    def test_nothing_is_true(self):
        coco, refs = load(COCO), load(REFS)
        names = {c["id"]: c["name"] for c in coco["categories"]}
        longest = sorted(names.values(), key=len, reverse=True)
        sizes = {i["id"]: (i["width"], i["height"]) for i in coco["images"]}
        kinds = {}
        for entry in json.loads(generate("--drawn")):
            phrase, kind, image = entry["expression"], entry["kind"], entry["image_id"]
            kinds[kind] = kinds.get(kind, 0) + 1
            boxes = [a["bbox"] for a in coco["annotations"] if a["image_id"] == image
                     and names[a["category_id"]] == next(n for n in longest if re.search(rf"\b{n}\b", phrase))]
            self.assertNotIn(phrase, [r["expression"] for r in refs if r["image_id"] == image])
            if kind in ("noun", "near"):
                self.assertEqual(boxes, [], entry)
            elif kind == "place" and boxes:
                [[x, y, w, h]] = boxes
                width, height = sizes[image]
                side = re.search(r"\b(left|right|upper|top|lower|bottom)\b", phrase).group()
                self.assertTrue({"left": x > width / 2, "right": x + w < width / 2, "upper": y > height / 2,
                                 "top": y > height / 2, "lower": y + h < height / 2, "bottom": y + h < height / 2}[side], entry)
            elif kind == "attribute" and boxes:
                self.assertEqual(len(boxes), 1, entry)
        self.assertEqual(sorted(kinds), ["attribute", "near", "noun", "place"])
        self.assertGreater(min(kinds.values()), 150)


if __name__ == "__main__":
    unittest.main()
