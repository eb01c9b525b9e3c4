"""curate without a network: replies in a file, templates, refusals."""
import hashlib
import json
import os
import re
import tempfile
import unittest

from program import DATA, run

BOXES = [[10, 10, 60, 60], [120, 10, 60, 60], [10, 120, 60, 60], [120, 120, 60, 60]]
SCENES = os.path.join(DATA, "world", "scenes", "annotations.json")


def coco(pictures):
    """A COCO file of {id: (descriptions, classes or None)}, one box for each description."""
    kinds = sorted({kind for _, classes in pictures.values() for kind in classes or []})
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 200, "height": 200} for i in pictures],
        "categories": [{"id": k, "name": kind} for k, kind in enumerate(kinds)],
        "annotations": [dict({"image_id": i, "bbox": BOXES[n], "caption": text},
                             **({"category_id": kinds.index(classes[n])} if classes else {}))
                        for i, (texts, classes) in pictures.items() for n, text in enumerate(texts)]}


def is_held(name, share):
    """2 % by the hash of the file's name: the first 32 bits of its SHA-256."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) < share * 2**32


class Curate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = self.path("instruct.jsonl")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, *values):
        with open(self.path(name), "w") as file:
            file.writelines(json.dumps(value) + "\n" for value in values)
        return self.path(name)

    def result(self):
        with open(self.out) as file:
            return [json.loads(line) for line in file]

    def check_form(self, line):
        """What the reader of Groma Instruct wants."""
        for n, turn in enumerate(line["conversation"]):
            self.assertEqual(turn["value"].count("<ground_box>"), len(turn["box_inds"]))
            self.assertEqual(len(re.findall(r"<p>[^<]+</p><roi>(?:<ground_box>)+</roi>", turn["value"])),
                             turn["value"].count("<roi>"))
            self.assertFalse(n % 2 == 0 and turn["box_inds"])
            self.assertTrue(all(0 <= i < len(line["boxes"]) for i in turn["box_inds"]))

    def test_a_share_is_held_out_by_the_hash_of_the_name(self):
        with open(SCENES) as file:
            names = [image["file_name"] for image in json.load(file)["images"]]
        held = self.path("instruct-held.jsonl")
        for options, share in ([], 0.02), (["--held-out", 0.25], 0.25), (["--held-out", 0], 0):
            _, err = run("curate", "--coco", SCENES, "--from-labels", "-o", self.out, *options)
            kept = {line["file_name"] for line in self.result()}
            out = set()
            if os.path.exists(held) and share:
                with open(held) as file:
                    out = {json.loads(line)["file_name"] for line in file}
            self.assertEqual(len(kept) + len(out), 86)
            self.assertEqual((kept & out, {n for n in kept | out if is_held(n, share)}), (set(), out))
            self.assertIn(f"{len(out)} held out", err)
        # The share of the names, within three deviations.
        self.assertLess(abs(sum(is_held(n, 0.25) for n in names) - 30), 3 * (120 * 0.25 * 0.75) ** 0.5)
        with open(held, "w") as file:
            file.write("mine")
        _, err = run("curate", "--coco", SCENES, "--from-labels", "-o", self.out, code=2)
        self.assertIn("instruct-held.jsonl", err)
        run("curate", "--coco", SCENES, "--from-labels", "-o", self.out, "--held-out", 0.6, code=2)

    def test_golden_replies(self):
        with open(os.path.join(DATA, "curate", "golden.json")) as file:
            cases = json.load(file)["cases"]
        boxes = self.write("coco.json", coco({n: (c["descriptions"], c.get("classes")) for n, c in enumerate(cases)}))
        replies = self.write("replies.jsonl", *({"id": n, "reply": c["reply"]} for n, c in enumerate(cases)))
        _, err = run("curate", "--coco", boxes, "--replies", replies, "-o", self.out, "--endpoint-model", "some-model")
        kept = {line["id"]: line for line in self.result()}
        for n, case in enumerate(cases):
            self.assertEqual(kept.get(n, {}).get("conversation"), case["expected"]["conversation"], case["name"])
        for line in kept.values():
            self.check_form(line)
            self.assertEqual(line["boxes"], BOXES)
            self.assertEqual(line["source"]["model"], "some-model")
        reasons = [reason for case in cases for _, reason in case["expected"]["rejects"]]
        for reason in set(reasons):
            self.assertRegex(err, rf"rejected: {reason} +{reasons.count(reason)}\n")
        self.assertIn(f"; {sum(c['expected']['repaired'] for c in cases)} repaired", err)

    def test_the_last_reply_counts_and_strangers_are_told(self):
        boxes = self.write("coco.json", coco({"a": (["a dog", "a cat", "a ball"], None)}))
        turn = '[{"q": "What is there?", "a": "There is {%s}[1]."}]'
        replies = self.write("replies.jsonl", {"id": "a", "reply": turn % "a dog"}, {"id": 7, "reply": "x"},
                             {"id": "a", "reply": turn % "the dog"}, {"id": "a"})
        _, err = run("curate", "--coco", boxes, "--replies", replies, "-o", self.out)
        self.assertEqual(self.result()[0]["conversation"][1]["value"], "There is <p>the dog</p><roi><ground_box></roi>.")
        self.assertIn("1 are about pictures that are not among", err)
        self.assertIn("1 entries have no id or no reply", err)

    def test_labels(self):
        _, err = run("curate", "--coco", SCENES, "--from-labels", "-o", self.out)
        with open(SCENES) as file:
            data = json.load(file)
        name = {kind["id"]: kind["name"] for kind in data["categories"]}
        self.assertGreater(len(self.result()), 80)
        self.assertNotIn("rejected", err)
        for line in self.result():
            self.check_form(line)
            given = {tuple(a["bbox"]): name[a["category_id"]] for a in data["annotations"] if a["image_id"] == line["id"]}
            first = line["conversation"][1]
            self.assertEqual(sorted(first["box_inds"]), list(range(len(line["boxes"]))))
            for phrase, n in re.findall(r"<p>(?:an? )?([^<]+)</p><roi>((?:<ground_box>)+)", first["value"]):
                of = [given[tuple(map(float, line["boxes"][first["box_inds"].pop(0)]))] for _ in range(n.count("<"))]
                self.assertEqual(len(set(of)), 1)
                self.assertTrue(phrase == of[0] if len(of) == 1 else of[0][0] in phrase, (phrase, of))
        before = self.result()
        run("curate", "--coco", SCENES, "--from-labels", "-o", self.out, "-q")  # its own result may be replaced
        self.assertEqual(self.result(), before)

    def test_captions_get_marks(self):
        boxes = self.write("coco.json", {
            "images": [{"id": 1, "file_name": "1.png", "width": 200, "height": 200}],
            "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "sports ball"}, {"id": 3, "name": "dog"}],
            "annotations": [{"image_id": 1, "bbox": b, "category_id": k} for b, k in zip(BOXES, (1, 2, 3, 3))]})
        captions = self.write("captions.json", {
            "annotations": [{"image_id": 1, "caption": "A person throws a red ball to dogs."}]})
        run("curate", "--coco", boxes, "--captions", captions, "--from-labels", "-o", self.out)
        turn = self.result()[0]["conversation"][3]
        self.assertEqual(turn["box_inds"], [0, 1, 2, 3])
        self.assertEqual(turn["value"], "<p>A person</p><roi><ground_box></roi> throws <p>a red ball</p><roi><ground_box></roi> "
                         "to <p>dogs</p><roi><ground_box><ground_box></roi>.")

    def test_refusals(self):
        boxes = self.write("coco.json", coco({1: (["a dog", "a cat", "a ball"], None)}))
        few = self.write("few.json", coco({1: (["a dog", "a cat"], None)}))
        replies = self.write("r.jsonl", {"id": 1, "reply": "No."})
        for args, said in (
                ([], "wanted --coco FILE"), (["--coco", boxes], "wanted --coco FILE"),
                (["--coco", boxes, "--from-labels", "--replies", replies], "--replies FILE or --from-labels"),
                (["--coco", few, "--from-labels"], "3 boxes or more"),
                (["--coco", replies, "--from-labels"], "\"annotations\""),
                (["--coco", boxes, "--replies", self.path("none")], "cannot read"),
                (["--coco", boxes, "--replies", self.write("bad.jsonl", {"id": 1})[:-5] + "json"], "cannot read")):
            _, err = run("curate", *args, "-o", self.out, code=2)
            self.assertIn(said, err)
        _, err = run("curate", "--coco", boxes, "--replies", replies, "-o", self.out, code=1)
        self.assertIn("no conversation is left", err)
        self.assertFalse(os.path.exists(self.out))
        _, err = run("curate", "--coco", boxes, "--from-labels", "-o", boxes, "--force", code=2)
        self.assertIn("which this run reads", err)
        _, err = run("curate", "--coco", few, "--from-labels", "-o", boxes, code=2)  # not ours
        self.assertIn("coco.json", err)


if __name__ == "__main__":
    unittest.main()
