#!/usr/bin/env python3
"""Writes docs/LABEL.md: how well `gromatic label` finds and names the things in the drawn scenes.

Usage: scripts/label.py [PROGRAM [OUTPUT]]   (default build/release/gromatic, docs/LABEL.md)
"""
import json
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/gromatic")
OUTPUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "docs/LABEL.md")
COCO = os.path.join(ROOT, "tests/data/world/scenes/annotations.json")
IMAGES = os.path.join(ROOT, "tests/data/world/scenes/images")
DESCRIPTIONS = os.path.join(ROOT, "tests/data/descriptions/world.json")

RUNS = [
    ("clip: the region as a whole, \"a photo of a {}.\"", ["--method", "clip"]),
    ("cupl: the region as a whole, descriptions", ["--method", "cupl", "--descriptions", DESCRIPTIONS]),
    ("wca, the default: 10 crops, alpha 0.7, beta 1", []),
    ("wca with descriptions", ["--descriptions", DESCRIPTIONS]),
    ("wca with descriptions, alpha 0.5, beta 0.9",
     ["--descriptions", DESCRIPTIONS, "--alpha", "0.5", "--beta", "0.9"]),
]
MERGES = ["0", "0.3", "0.5", "0.7"]
TITLES = {"0": "0: all boxes", "0.5": "0.5, the default"}
LISTS = [1, 3, 10]  # lengths of shorter lists of classes, drawn with this number as the seed


def evaluate(cache, *options, coco=COCO):
    out = subprocess.run([PROGRAM, "eval", "label", "--json", "--cache", cache, "--coco", coco, "--images", IMAGES,
                          *options], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def write_half(path, annotations, first):
    """Every second scene, from `first` on."""
    images = annotations["images"][first::2]
    ids = {i["id"] for i in images}
    half = dict(annotations, images=images,
                annotations=[a for a in annotations["annotations"] if a["image_id"] in ids])
    with open(path, "w") as file:
        json.dump(half, file)


def main():
    with tempfile.TemporaryDirectory() as folder:
        write(folder)


def write(folder):
    with open(COCO) as file:
        annotations = json.load(file)
    names = [c["name"] for c in annotations["categories"]]
    halves = [os.path.join(folder, f"half{i}.json") for i in (0, 1)]
    for i in (0, 1):
        write_half(halves[i], annotations, i)
    cache = os.path.join(folder, "cache")
    lines = [HEAD, "| scores | no limit: AP50 | names right | the default limit: AP50 | names right |", "|---|---|---|---|---|"]
    for title, options in RUNS:
        free, default = (evaluate(cache, *none, *options) for none in (["--none", "-1"], []))
        lines.append(f"| {title} | {free['ap50']:.3f} | {free['accuracy']:.3f} | "
                     f"{default['ap50']:.3f} | {default['accuracy']:.3f} |")
    lines += [MERGED, "| `--merge-iou` | no limit: AP50 | the default limit: AP50 |", "|---|---|---|"]
    for limit in MERGES:
        free, default = (evaluate(cache, *none, "--merge-iou", limit) for none in (["--none", "-1"], []))
        lines.append(f"| {TITLES.get(limit, limit)} | {free['ap50']:.4f} | {default['ap50']:.4f} |")
    lines += [MIDDLE, "| classes in the list | limit | its rate on the other half | rate of the default there | "
              "names right: no limit, limit, default |", "|---|---|---|---|---|"]
    for n in [*LISTS, len(names)]:
        options = [] if n == len(names) else ["--classes", ",".join(random.Random(n).sample(names, n))]
        limit = evaluate(cache, "--none", "-1", *options, coco=halves[0])["best_none"]
        free, own, default = (evaluate(cache, *none, *options, coco=halves[1])
                              for none in (["--none", "-1"], ["--none", str(limit)], []))
        right = ", ".join(f"{r['accuracy']:.3f}" for r in (free, own, default))
        lines.append(f"| {n} | {limit:.2f} | {own['none_rate']:.3f} | {default['none_rate']:.3f} | {right} |")
    with open(OUTPUT, "w") as file:
        file.write("\n".join(lines) + "\n" + TAIL)


HEAD = """# Labels: open-vocabulary detection

`gromatic label` takes its regions from Groma's proposer (`-m`), which knows no classes. CLIP (`--clip-model`) then
names each region with one of the user's own words. A region is classified as `classify` would classify a picture that
was cut out along its box: as a whole and by crops inside it, with any of the methods (docs/WCA.md). Without
`--descriptions`, wca knows a class only by "a photo of a {class}.". All regions of a picture are encoded as one batch.

A region's `raw_score` for a class is a cosine. It does not depend on other classes or other regions: adding a class to
the list leaves it bit-identical. `label_score` is the softmax over the list, so it is 1 if the list has one class. The
score of an export is region score x label score.

## Measured on the drawn world

groma-mini and clip-mini on the 120 scenes of `tests/data/world` with 410 objects of 91 classes, with every name in the
list; made by `scripts/label.py`.

- AP50 is COCO's average precision at IoU 0.5 (`tests/python/test_eval_label.py` compares it with pycocotools). The
  proposer's recall, 0.966, is its upper bound.
- "Names right": of the regions that lie on an object (IoU > 0.5), the share that gets its name; `eval label` calls it
  `accuracy`.
- "No limit" is `--none -1`. The default limit is clip-mini's 0.6. Below the limit a region gets no name, not even the
  right one.
"""

MERGED = """
A region is already cut to its object, so large crops work better for it than for a whole picture.

## Two boxes of one label

The proposer knows no classes, and often finds both an object and a part of it, which then get the same label. If two
boxes of one label overlap by more than `--merge-iou T`, the one with the lower score is left out. The highest score
goes first, and a box that is left out does not remove others. The score is region score x label score, as in the
exports. Regions without a label are not touched. The default is 0.5; 0 keeps all boxes. `eval label` does the same for
AP50; its other figures are of all regions. With wca, the default:
"""
MIDDLE = """
On drawn scenes of other things, which both models know badly (1,631 objects, not in this repository), AP50 is 0.1645
with all boxes and 0.1639 with the default. Merging helps if names are right.

## None of these

The label is null if the best class's raw score is below `--none T`. The raw score is used and not the probability: a
probability compares the classes of the list with each other, and does not say whether the object is among them. With
one class in the list it is always 1.

The limit was calibrated on every second scene with lists of several lengths, and judged on the other scenes. Correctly
named regions are compared with regions that match nothing in the list: those on an object of another class, and those
on no object (IoU < 0.3). "Limit": the best one on the first half. "Rate": the mean over both groups of the share on the
correct side of the limit.
"""

TAIL = """
Short lists, as users write them, are separated nearly without error. clip-mini's default is 0.6: the limits of the
short lists on the first half, less a margin, since a right label that is refused costs more than a wrong one that is
kept. (With 3 classes the limit itself refuses right names of the other half; the default refuses none.) The default was
first chosen with all scenes in view; the table's column for it is of the other half alone.

**With many classes, expect little of it.** With all 91, only background is left to refuse, and it looks like one class
or another. The default keeps every right name but refuses only 12 of 100 regions on nothing (0.558 = (1 + 0.116) / 2).
The limit of such a list, 0.79, refuses 92 of them and, with them, a fifth of the right names (0.783 / 0.976). The best
of n chance cosines grows about as sqrt(2 ln n), so a default that grows with the list would reach that limit. Since
that costs right names, the default stays. For fewer wrong boxes give `--none 0.79`, or ask for fewer regions with
`--conf`.

The cosines of another CLIP are in another range (OpenAI's between 0.1 and 0.4), so with such a model no label is
refused unless `--none` is given. To find its limit, run `gromatic eval label --coco FILE --clip-model MODEL` on some
annotated pictures, with `--classes` naming a part of their categories: it prints `best_none`. `--none -1` switches the
limit off.
"""

if __name__ == "__main__":
    main()
