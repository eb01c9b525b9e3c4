#!/usr/bin/env python3
"""Times a training step of each part of Groma-7B beside PyTorch's, in turn, and prints a table in Markdown.

    ninja -C build/release bench_train_steps
    VENV/bin/python bench/train/steps.py build/release/bench/bench_train_steps [--only words,...]

VENV needs torch, torchvision and scipy of PyPI. Each round starts each side's process anew: a step to warm up, then
--steps steps. By default one thread and processor time, which works on a busy machine too; --threads 2 takes the time
by the clock. The faster of PyTorch's two columns counts. GROMATIC_CPU=avx2 caps ours, and PyTorch's with it.
"""
import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

MODEL = "synthetic:groma-7b-2l:"
# part, pictures, type of our frozen weights, positions with a target
CASES = {"proposer": ("proposer", 8, "q4_k", []), "regions": ("regions", 1, "q4_k", []),
         "words": ("words", 1, "q4_k", []), "words-f16": ("words", 1, "f16", []),
         "words-answers": ("words", 1, "q4_k", ["64"])}


def capped():
    env = dict(os.environ)
    if env.get("GROMATIC_CPU") == "avx2":
        env.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_ENABLE_INSTRUCTIONS="AVX2")
    return env


def run(command, steps, column):
    """Seconds of each step but the first, and the peak of memory in MB."""
    process = subprocess.run(command, input="\n" * (steps + 1), capture_output=True, text=True, env=capped())
    if process.returncode:
        sys.exit(f"{' '.join(command)}: {process.stderr}")
    lines = [line.split() for line in process.stdout.splitlines()]
    seconds = [float(line[column]) for line in lines if line[0] == "step"]
    return seconds[1:] or seconds, next(float(line[1]) for line in lines if line[0] == "memory")


def sides_of(program, case, threads):
    part, pictures, weights, targets = CASES[case]
    ours = [program, part, f"{MODEL}{weights}:fast" if weights.startswith("q") else MODEL + weights,
            "-t", threads, "-n", str(pictures)]
    theirs = [sys.executable, str(Path(__file__).with_name("torch_steps.py")), part]
    return {"gromatic": ours + (["-a"] + targets if targets else []),
            "PyTorch fp32": theirs + ["fp32", threads, str(pictures)] + targets,
            "PyTorch bf16": theirs + ["bf16", threads, str(pictures)] + targets}


def cell(seconds, memory):
    return f"{min(seconds):.3g}, {statistics.median(seconds):.3g} s, {memory:.0f} MB"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    args = parser.parse_args()
    column = 2 if args.threads == 1 else 1
    print("| step | gromatic: least, median, memory | PyTorch fp32 | PyTorch bf16 | PyTorch / gromatic | memory |")
    print("|---|---|---|---|---|---|")
    for case in args.only.split(","):
        sides = sides_of(args.program, case, str(args.threads))
        seconds, memory = {name: [] for name in sides}, {name: 0 for name in sides}
        for _ in range(args.rounds):
            for name, command in sides.items():
                some, peak = run(command, args.steps, column)
                seconds[name] += some
                memory[name] = max(memory[name], peak)
        best = min(list(sides)[1:], key=lambda name: min(seconds[name]))
        ratio = min(seconds[best]) / min(seconds["gromatic"])
        cells = [cell(seconds[name], memory[name]) for name in sides]
        print(f"| {case} | {' | '.join(cells)} | {ratio:.2f} | {memory['gromatic'] / memory[best]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
