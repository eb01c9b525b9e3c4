#!/usr/bin/env python3
"""Can ground detect that a thing is absent? Phrases that fit against names of absent things, on the drawn world.

Usage: absent.py PROGRAM [MODEL]
Two measures: ground's share (its limit calibrated on every second scene), and whether the model's own name for the box
found, from describe, is in the phrase. Prints what is kept and refused of the other scenes.
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

WORLD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data", "world", "scenes")
ABSENT, PRESENT = 12, 14  # at most, per scene


def lines(*arguments):
    out = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def phrases_of(image, annotations, referring, names, chance):
    here = {names[a["category_id"]] for a in annotations if a["image_id"] == image}
    fitting = [r["expression"] for r in referring if r["image_id"] == image][:PRESENT]
    absent = [name for name in names.values() if name not in here]
    return [(p, True) for p in fitting] + [("the " + name, False) for name in chance.sample(absent, ABSENT)]


def bare(text):
    return re.sub(r"^(a|an|the) ", "", text.strip().rstrip(".").lower())


def ask(program, options, path, phrases):
    """(share, whether the found box's name is in the phrase, fits) of each phrase."""
    wanted = [part for phrase, _ in phrases for part in ("--phrase", phrase)]
    [found] = lines(program, "ground", path, *wanted, *options)
    best = [result["regions"][0] for result in found["results"]]
    boxes = [part for region in best for part in ("--box", ",".join(str(x) for x in region["box"]))]
    [described] = lines(program, "describe", path, *boxes, *options)
    return [(region["score"], bare(one["text"]) in phrase.lower(), fits)
            for region, one, (phrase, fits) in zip(best, described["results"], phrases)]


def rates(rows, keeps):
    kept = [keeps(row) for row in rows if row[2]]
    refused = [not keeps(row) for row in rows if not row[2]]
    return sum(kept) / len(kept), sum(refused) / len(refused)


def main():
    program, model = sys.argv[1], ["-m", sys.argv[2]] if len(sys.argv) > 2 else []
    with open(os.path.join(WORLD, "annotations.json")) as file:
        world = json.load(file)
    with open(os.path.join(WORLD, "referring.json")) as file:
        referring = json.load(file)
    names, chance, halves = {c["id"]: c["name"] for c in world["categories"]}, random.Random(1), ([], [])
    for image in world["images"]:
        phrases = phrases_of(image["id"], world["annotations"], referring, names, chance)
        path = os.path.join(WORLD, "images", image["file_name"])
        with tempfile.TemporaryDirectory() as cache:
            halves[image["id"] % 2] += ask(program, [*model, "--cache", cache, "--json"], path, phrases)
    limit = max((t / 100 for t in range(101)), key=lambda t: sum(rates(halves[0], lambda row: row[0] >= t)))
    for name, keeps in (f"share >= {limit}", lambda row: row[0] >= limit), ("its own name fits", lambda row: row[1]):
        print("%-20s kept %.3f, refused %.3f" % (name, *rates(halves[1], keeps)))


if __name__ == "__main__":
    main()
