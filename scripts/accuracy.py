#!/usr/bin/env python3
"""Writes docs/ACCURACY.md: how good groma-mini is on the drawn world in every type, beside the reference.

Usage: scripts/accuracy.py [PROGRAM [OUTPUT]]   (default build/release/gromatic, docs/ACCURACY.md)
"""
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/gromatic")
OUTPUT = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, "docs/ACCURACY.md")
SCENES = os.path.join(ROOT, "tests/data/world/scenes")
TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0"]

# The official code in fp32 on the same pictures: tests/data/world/README.md.
REFERENCE = {"recall": 0.966, "precision": 0.801, "accuracy_free": 0.868, "exact": 0.910, "f1": 0.762}
ROWS = [
    ("recall", "proposal recall, IoU > 0.5 (410 objects)"),
    ("precision", "proposal precision, IoU > 0.5"),
    ("accuracy_free", "ground, free answer's first region (410 expressions)"),
    ("accuracy_constrained", "ground, under constraint"),
    ("exact", "region names, exact with article (410)"),
    ("exact_appended", "region names with `--append-boxes`"),
    ("f1", "caption phrases, F1 (120 pictures)"),
]


def evaluate(model, *options):
    out = subprocess.run(
        [PROGRAM, "eval", *options, "--json", "-m", model, "--coco",
         os.path.join(SCENES, "annotations.json"), "--refs", os.path.join(SCENES, "referring.json")],
        check=True, capture_output=True, text=True).stdout
    figures = {}
    for line in out.splitlines():
        figures.update(json.loads(line))
    return figures


def main():
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in TYPES:
            path = os.path.join(folder, name + ".gguf")
            subprocess.run([PROGRAM, "convert", os.path.join(ROOT, "models/groma-mini"), "-o", path,
                            "--type", name, "-q"], check=True)
            columns[name] = evaluate(path, "detect", "ground", "describe", "caption")
            columns[name]["exact_appended"] = evaluate(path, "describe", "--append-boxes")["exact"]
            columns[name]["size"] = os.path.getsize(path)
    with open(OUTPUT, "w") as file:
        file.write(render(columns))


def render(columns):
    lines = [
        "# How good groma-mini is on the drawn world",
        "",
        "All 120 scenes of `tests/data/world`, greedy answers; made by `scripts/accuracy.py`. The reference is",
        "the official code in fp32 on the same pictures; docs/MODEL.md tells how each figure is defined.",
        "",
        "| | reference | " + " | ".join(TYPES) + " |",
        "|---|---|" + "---|" * len(TYPES),
    ]
    for key, title in ROWS:
        reference = f"{REFERENCE[key]:.3f}" if key in REFERENCE else "none"
        cells = " | ".join(f"{columns[t][key]:.3f}" for t in TYPES)
        lines.append(f"| {title} | {reference} | {cells} |")
    sizes = " | ".join(f"{columns[t]['size'] / 1e6:.1f} MB" for t in TYPES)
    lines.append(f"| file | 17.1 MB (fp16) | {sizes} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
