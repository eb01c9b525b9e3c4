#!/usr/bin/env python3
"""Counts instructions, for processors where time cannot be measured, and writes the table of docs/SPEED-LOG.md.

    cmake --build --preset release --target bench_instructions
    bench/instructions.py [--arm BUILD]        # BUILD: build/aarch64, as scripts/aarch64.sh leaves it

Plain C and AVX2: whole operations of bench/instructions.c under callgrind (which knows no AVX-512), packing,
scales and epilogues included. 64-bit ARM: one pass of the hottest loop, by bench/neon_loops.py.
"""
import argparse
import os
import re
import subprocess
import sys

import neon_loops

ROOT = neon_loops.ROOT
PAGE = os.path.join(ROOT, "docs", "SPEED-LOG.md")
BEGIN, END = "<!-- instructions: begin -->", "<!-- instructions: end -->"

# rows of the table: (work of bench/instructions.c, type, kernel of neon_loops)
WORK = {f"{title}, {kind.upper() if kind[0] == 'q' else kind}": (name, kind, f"{name} {kind}")
        for name, title, kinds in (
            ("gemm", "128 rows", ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q6_k"]),
            ("gemv", "one row", ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q6_k"]))
        for kind in kinds}
WORK.update({"attention, 128 queries, 512 keys, f32": ("attention", "f32", "attention f32"),
             "attention, one query, f16 cache": ("decode", "f16", ("dots f16", "mix f16")),
             "attention, one query, Q8_0 cache": ("decode", "q8_0", ("dots q8_0", "mix q8_0")),
             "3x3 convolution, f32 (Winograd)": ("conv", "f32", None)})


def counted(program, work, kind, cpu):
    """Instructions for 1000 multiply-adds of the straightforward algorithm."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               "--toggle-collect=gm_measured", program, work, kind]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         env=dict(os.environ, GROMATIC_CPU=cpu))
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not found:
        sys.exit(f"instructions.py: {' '.join(command)} failed:\n{run.stderr}")
    kernels, multiply_adds = run.stdout.split()
    if kernels != cpu:
        sys.exit(f"instructions.py: {cpu} was wanted, {kernels} ran; this processor lacks it")
    return 1000 * int(found[1]) / float(multiply_adds)


def arm(loops, level, kernels):
    """The mean of these kernels' loops, "" if the level has none of its own."""
    kernels = [kernels] if isinstance(kernels, str) else kernels or []
    found = [loops[level, k] for k in kernels if (level, k) in loops]
    return f"{sum(found) / len(found):.0f}" if found else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(ROOT, "build", "release", "bench", "bench_instructions"))
    parser.add_argument("--arm", default=os.path.join(ROOT, "build", "aarch64"))
    args = parser.parse_args()
    loops = {(r["level"], r["kernel"]): r["per_1000"] for r in neon_loops.rows(args.arm)}
    lines = ["| work | plain C | AVX2 | NEON, loop | + dot products | + int8 matrices |", "|---|---|---|---|---|---|"]
    for title, (work, kind, kernels) in WORK.items():
        cells = [f"{counted(args.program, work, kind, cpu):.0f}" for cpu in ("ref", "avx2")]
        cells += [arm(loops, level, kernels) for level in ("neon", "dotprod", "i8mm")]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    with open(PAGE) as file:
        page = file.read()
    head, rest = page.split(BEGIN)
    with open(PAGE, "w") as file:
        file.write(head + BEGIN + "\n" + "\n".join(lines) + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
