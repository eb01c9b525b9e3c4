#!/usr/bin/env python3
"""Fits the measure of unlikeness to groma-mini's world, and writes src/embed/embedded_worlds.c:

    scripts/familiar.py build/release/tests/test_tool_patches MODEL FOLDER... > src/embed/embedded_worlds.c

MODEL is a file; only its vision encoder is used. The folders hold pictures of the drawn world, and none of
tests/data: those are to measure with. The committed file was made from build/train-mini/held, of make train-mini,
and from a folder of draw.py --singles 180 --seed familiar. Needs numpy. docs/MODEL.md describes the fit and its
results.
"""
import os
import subprocess
import sys

import numpy

WIDTH = 192  # of groma-mini's patches
ROWS = 8  # number of directions that are kept
LIMIT = 1.45  # a picture is unlike the fitted ones if the median over its patches of the mean square is above this

HEAD = """/* embedded_worlds.c - see embedded_worlds.h. The numbers are written by scripts/familiar.py. */
#include "embedded_worlds.h"

#define SCOPE "drawn emoji"

"""


def pictures(folders):
    for folder in folders:
        for path, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                if name.lower().endswith((".png", ".jpg", ".jpeg", ".webp")):
                    yield os.path.join(path, name)


def fit(states):
    """Rows a, c: a x + c has mean 0 over the patches x and deviation 1, along the directions in which they vary
    least; scaled so that the sum of their squares is 1 where its mean is the limit."""
    mean = states.mean(0)
    variance, axes = numpy.linalg.eigh(numpy.cov(states.T))
    a = (axes[:, :ROWS] / numpy.sqrt(variance[:ROWS] * ROWS * LIMIT)).T
    return numpy.concatenate([a, -(a @ mean)[:, None]], 1)


def main():
    names = list(pictures(sys.argv[3:]))
    done = subprocess.run(sys.argv[1:3], input="".join(n + "\n" for n in names).encode(), stdout=subprocess.PIPE,
                          check=True)
    rows = fit(numpy.frombuffer(done.stdout, "<f4").reshape(-1, WIDTH).astype(float))
    text = HEAD + f"/* of {len(names)} pictures */\nstatic const float familiar[{ROWS}][{WIDTH} + 1] = {{\n"
    for row in rows:
        text += "{" + ", ".join(f"{v:.6g}F" if "." in f"{v:.6g}" or "e" in f"{v:.6g}" else f"{v:.6g}.0F"
                                for v in row) + "},\n"
    text += "};\n\n"
    text += (f"const gm_embedded_world gm_groma_mini_world = {{SCOPE, familiar[0], {ROWS}, {WIDTH}}};\n"
             "/* No rows: its features cannot distinguish photographs from drawings (docs/MODEL.md). */\n"
             "const gm_embedded_world gm_clip_mini_world = {SCOPE, NULL, 0, 0};\n")
    sys.stdout.write(subprocess.run(["clang-format-14", "--assume-filename=embedded_worlds.c"], input=text, text=True,
                                    stdout=subprocess.PIPE, check=True).stdout)


if __name__ == "__main__":
    main()
