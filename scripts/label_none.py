#!/usr/bin/env python3
"""Which regions get no name: what `gromatic label` decides with a head, by the length of the list of classes.

Usage: label_none.py PROGRAM SCENES HEAD [OPTION]...
SCENES is a folder with annotations.json and images, HEAD an adapter of gromatic calibrate label. The options (-m MODEL,
--clip-model MODEL) go to all runs. Prints Markdown: of the regions with the right name the share that keeps it, of the
regions on nothing or on an object that is not in the list the share that gets no name; with the head, and with one limit
of the raw score for all lists (--none).
"""
import json
import os
import random
import subprocess
import sys
import tempfile

LISTS = [1, 3, 10, 30]  # lengths of shorter lists, drawn with this number as the seed
NONE = "0.6"


def evaluate(program, scenes, *options):
    out = subprocess.run([program, "eval", "label", "--json", "-q", "--coco", os.path.join(scenes, "annotations.json"),
                          "--images", os.path.join(scenes, "images"), *options],
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(out)


def main():
    program, scenes, head, *options = sys.argv[1:]
    with open(os.path.join(scenes, "annotations.json"), encoding="utf-8") as file:
        names = [c["name"] for c in json.load(file)["categories"]]
    print(f"| classes in the list | head: kept | head: refused | AP50 | `--none {NONE}`: kept | refused | AP50 |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as cache:
        for n in [*LISTS, len(names)]:
            some = [] if n == len(names) else ["--classes", ",".join(random.Random(n).sample(names, n))]
            found = [evaluate(program, scenes, "--cache", cache, *some, *options, *how)
                     for how in (["--adapter", head], ["--none", NONE])]
            cells = [f"{r[figure]:.3f}" for r in found for figure in ("kept", "refused", "ap50")]
            print(f"| {n} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
