#!/usr/bin/env python3
"""Smaller types' effect on CLIP: features and scores against f32, and accuracy. Writes the second table of docs/WCA.md.

Usage: clip-types.py BUILD_DIRECTORY     (about two minutes of one core)
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

import doc_table

DATA = os.path.join(doc_table.ROOT, "tests", "data")
DESCRIPTIONS = os.path.join(DATA, "descriptions", "world.json")
CLASSIFY = os.path.join(DATA, "world", "classify")
TYPES = ("f32", "f16", "bf16", "q8_0")
MODELS = {"clip-mini": os.path.join(doc_table.ROOT, "models", "clip-mini"),
          "clip-tiny": os.path.join(DATA, "models", "clip-tiny", "openai-torchscript.pt"),
          "clip-tiny-openclip": os.path.join(DATA, "models", "clip-tiny-openclip")}
TRAINED = "clip-mini"
SEEDS = 3


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def top1(program, model, method, *options):
    line = output(program, "eval", "classify", CLASSIFY, "-m", model, "--descriptions", DESCRIPTIONS, "--method",
                  method, "--no-cache", "--json", *options)
    return f"{100 * json.loads(line)['top1']:.2f}"


def small(value):
    return f"{value:.1e}"


def rows_of(name, build, folder):
    program = os.path.join(build, "gromatic")
    files = {kind: os.path.join(folder, f"{name}-{kind}.gguf") for kind in TYPES}
    for kind, path in files.items():
        output(program, "convert", MODELS[name], "-o", path, "--type", kind, "-q")
    pictures = sorted(glob.glob(os.path.join(CLASSIFY, "*", "0.png")))[::2]
    drift = output(os.path.join(build, "tests", "test_tool_clip_drift"), DESCRIPTIONS, *files.values(), "--", *pictures)
    found = dict(zip(TYPES[1:], map(json.loads, drift.splitlines())))
    for kind in TYPES:
        accuracy = ["", ""]
        if name == TRAINED:
            accuracy = [top1(program, files[kind], "cupl"),
                        top1(program, files[kind], "wca", "--crops", "60", "--seeds", str(SEEDS))]
        cells = [name, kind, *[""] * 5]
        if kind in found:
            f = found[kind]
            cells[2:] = [f"{small(1 - f['pictures']['least_cosine'])}", small(f["pictures"]["error"]),
                         f"{small(1 - f['texts']['least_cosine'])}", small(f["texts"]["error"]),
                         small(f["score_error"])]
        yield f"| {' | '.join(cells + accuracy)} |\n"


def main():
    table = ("| model | type | pictures: 1 - cosine | error | texts: 1 - cosine | error | score error | cupl | wca |\n"
             "|---|---|---|---|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in MODELS:
            table += "".join(rows_of(name, sys.argv[1], folder))
    doc_table.write("WCA.md", "types", table)


if __name__ == "__main__":
    main()
