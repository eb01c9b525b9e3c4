#!/usr/bin/env python3
"""What a call through Python costs: detect on a numpy picture of 640 x 480 with the embedded model, beside the same
calls in C.

Usage: python_overhead.py [RUNS]    (numpy is needed; GROMATIC_LIBRARY: default build/release/src/libgromatic.so)
The two take turns, so that both see the same machine. Prints the median of each, and of the differences of neighbours,
as a share of C's. Run it on a quiet machine: the difference is microseconds, a run tens of milliseconds.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
LIBRARY = os.environ.setdefault("GROMATIC_LIBRARY", os.path.join(ROOT, "build", "release", "src", "libgromatic.so"))
sys.path.insert(0, os.path.join(ROOT, "python"))

import numpy as np  # noqa: E402

import gromatic  # noqa: E402

WIDTH, HEIGHT = 640, 480


def picture():
    """Discs of colour on grey: some regions are found."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for i in range(6):
        pixels[(x - 60 - 100 * i) ** 2 + (y - 120 - 40 * i) ** 2 < 2500] = (40 * i, 255 - 40 * i, 90)
    return pixels


def build(folder):
    program = os.path.join(folder, "python_overhead")
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O2", "-I", os.path.join(ROOT, "include"), "-o", program,
                    os.path.join(ROOT, "bench", "python_overhead.c"), LIBRARY,
                    f"-Wl,-rpath,{os.path.dirname(LIBRARY)}"], check=True)
    return program


def main(runs=200):
    pixels = picture()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pixels")
        pixels.tofile(path)
        other = subprocess.Popen([build(folder), path, str(WIDTH), str(HEIGHT)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        with gromatic.Model() as model, other:
            mine, theirs, regions = [], [], ()

            def in_c():
                other.stdin.write("\n")
                other.stdin.flush()
                theirs.append(float(other.stdout.readline()))

            def in_python():
                nonlocal regions
                begin = time.perf_counter()
                regions = model.detect(pixels).regions
                mine.append(time.perf_counter() - begin)

            for i in range(runs + 5):  # the first five warm up
                for turn in (in_c, in_python) if i % 2 else (in_python, in_c):  # who goes second may run warmer
                    turn()
            other.stdin.close()
    mine, theirs = mine[5:], theirs[5:]
    c, python = statistics.median(theirs), statistics.median(mine)
    difference = statistics.median(a - b for a, b in zip(mine, theirs))
    print(f"{len(regions)} regions, {runs} runs each, in turns")
    print(f"C {1e3 * c:.3f} ms, Python {1e3 * python:.3f} ms, difference {1e3 * difference:+.3f} ms: "
          f"{100 * difference / c:+.2f} % of C")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
