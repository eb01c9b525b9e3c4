#!/usr/bin/env python3
"""Writes docs/LABEL.md: how well `gromatic label` finds and names what is in the drawn scenes.

Usage: scripts/label.py [PROGRAM [OUTPUT]]   (default build/release/gromatic, docs/LABEL.md)
"""
import json
import os
import random
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/gromatic")
OUTPUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "docs/LABEL.md")
COCO = os.path.join(ROOT, "tests/data/world/scenes/annotations.json")
DESCRIPTIONS = os.path.join(ROOT, "tests/data/descriptions/world.json")

RUNS = [
    ("clip: the region as a whole, \"a photo of a {}.\"", ["--method", "clip"]),
    ("cupl: the region as a whole, descriptions", ["--method", "cupl", "--descriptions", DESCRIPTIONS]),
    ("wca, the default: 10 crops, alpha 0.7, beta 1", []),
    ("wca with descriptions", ["--descriptions", DESCRIPTIONS]),
    ("wca with descriptions, alpha 0.5, beta 0.9",
     ["--descriptions", DESCRIPTIONS, "--alpha", "0.5", "--beta", "0.9"]),
]
LISTS = [1, 3, 10]  # lengths of shorter lists of classes, drawn with this number as the seed


def evaluate(*options):
    out = subprocess.run([PROGRAM, "eval", "label", "--json", "--no-cache", "--coco", COCO, *options],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def main():
    with open(COCO) as file:
        names = [c["name"] for c in json.load(file)["categories"]]
    lines = [HEAD, "| scores | AP50 | names right |", "|---|---|---|"]
    for title, options in RUNS:
        r = evaluate("--none", "-1", *options)
        lines.append(f"| {title} | {r['ap50']:.3f} | {r['accuracy']:.3f} |")
    lines += [MIDDLE, "| classes in the list | best limit | rate there | AP50 without a limit |", "|---|---|---|---|"]
    for n in [*LISTS, len(names)]:
        options = [] if n == len(names) else ["--classes", ",".join(random.Random(n).sample(names, n))]
        r = evaluate("--none", "-1", *options)
        lines.append(f"| {n} | {r['best_none']:.2f} | {r['best_none_rate']:.3f} | {r['ap50']:.3f} |")
    with open(OUTPUT, "w") as file:
        file.write("\n".join(lines) + "\n" + TAIL)


HEAD = """# Labels: open-vocabulary detection

`gromatic label` takes its regions from Groma's proposer (`-m`), which knows no classes, and names each by CLIP
(`--clip-model`) among the user's own words. A region is classified as `classify` classifies a picture that was
cut out along its box: the whole of it and crops inside of it, with any of the methods (docs/WCA.md). Without
`--descriptions`, wca knows a class by "a photo of a {class}." alone. All regions of a picture are
encoded as one batch.

A region's `raw_score` for a class is a cosine in which neither other classes nor other regions have a part:
adding a class to the list changes no bit of it. `label_score` is the softmax over the list, so it is 1 where the
list has one class. The score of an export is region score x label score.

## Measured on the drawn world

groma-mini and clip-mini, the 120 scenes of `tests/data/world` with 410 objects of 91 classes, every name in the
list, no limit; made by `scripts/label.py`. AP50 is COCO's average precision at IoU 0.5 (`tests/python/test_eval_label.py`
compares it with pycocotools). "Names right": share of the regions that stand on an object (IoU > 0.5) and get its name.
The proposer's recall, 0.966, bounds AP50.
"""

MIDDLE = """
A region is cut to its thing already, so large crops serve it better than a picture's.

## None of these

The label is null where the best class's raw score is below `--none T`. The raw score, not the probability:
a probability compares the classes of the list with each other, and says nothing of whether the thing is among them. With
a list of one it is always 1.

The limit was calibrated on lists of several lengths. Regions that are rightly named stand
against regions where nothing of the list is: those on an object of another class, and those on no object (IoU < 0.3).
"Rate" is the mean of the shares on the right side of the best limit.
"""

TAIL = """
Short lists, as users write them, are told apart nearly without error at 0.61 to 0.64; with all 91 classes only
background is left to refuse, and it looks like one class or another. clip-mini's default is 0.6, a little below, since
a thing that is refused costs more than one too many: it takes 0.004 from the names right above.

Cosines of another CLIP lie elsewhere (OpenAI's between 0.1 and 0.4), so with it no label is refused unless `--none` says so.
To calibrate it, run `gromatic eval label --coco FILE --clip-model MODEL` on some annotated pictures, with
`--classes` naming a part of their categories: it prints `best_none`. `--none -1` switches the limit off.
"""

if __name__ == "__main__":
    main()
