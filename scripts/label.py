#!/usr/bin/env python3
"""Writes docs/LABEL.md: how well `gromatic label` finds and names the things in the drawn scenes.

Usage: scripts/label.py [PROGRAM [OUTPUT]]   (default build/release/gromatic, docs/LABEL.md)
"""
import json
import os
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


def evaluate(cache, *options, coco=COCO):
    out = subprocess.run([PROGRAM, "eval", "label", "--json", "--cache", cache, "--coco", coco, "--images", IMAGES,
                          *options], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def main():
    with tempfile.TemporaryDirectory() as folder:
        write(folder)


def write(folder):
    cache = os.path.join(folder, "cache")
    lines = [HEAD, "| scores | no limit: AP50 | names right | the default limit: AP50 | names right |", "|---|---|---|---|---|"]
    for title, options in RUNS:
        free, default = (evaluate(cache, *none, *options) for none in (["--none", "-1"], ["--none", "0.6"]))
        lines.append(f"| {title} | {free['ap50']:.3f} | {free['accuracy']:.3f} | "
                     f"{default['ap50']:.3f} | {default['accuracy']:.3f} |")
    lines += [MERGED, "| `--merge-iou` | no limit: AP50 | the default limit: AP50 |", "|---|---|---|"]
    for limit in MERGES:
        free, default = (evaluate(cache, *none, "--merge-iou", limit) for none in (["--none", "-1"], ["--none", "0.6"]))
        lines.append(f"| {TITLES.get(limit, limit)} | {free['ap50']:.4f} | {default['ap50']:.4f} |")
    with open(os.path.join(ROOT, "docs/LABEL.md")) as file:  # that part is made by label_none.py
        page = file.read()
    none = page[page.index("## None of these"):]
    with open(OUTPUT, "w") as file:
        file.write("\n".join(lines) + "\n" + MIDDLE + none)


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
- "No limit" is `--none -1`. "The default limit" here is `--none 0.6`, the default before there was a head. Below the limit
  a region gets no name, not even the right one.
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

"""

if __name__ == "__main__":
    main()
