#!/usr/bin/env python3
"""Measures all methods on the drawn world with clip-mini and writes the table of docs/WCA.md.

Usage: wca-table.py PROGRAM [--seeds N] [--threads N] [--state FILE] [--time | --write]

Every method and seed is a run whose result is kept in the state file (default
build/wca-table.json), so an interrupted run continues there. 20 seeds take about 20 minutes of one
core. With --time only the times are measured (first seed, first pictures, nothing cached, on a machine
that does nothing else) and added to the state. With --write nothing is measured: the table shows the
runs in the state.
"""
import argparse
import json
import os
import subprocess

import doc_table

DATA = os.path.join(doc_table.ROOT, "tests", "data")
TIMED = 40  # pictures

# Name, drawn for each seed, options.
ROWS = [
    ("clip", False, ["--method", "clip"]),
    ("clip-e", False, ["--method", "clip-e"]),
    ("clip-d", False, ["--method", "clip-d"]),
    ("cupl", False, ["--method", "cupl"]),
    ("waffle", True, ["--method", "waffle"]),
    ("wca", True, ["--method", "wca", "--crops", "60"]),
    ("wca-released", True, ["--method", "wca-released", "--crops", "100"]),
    ("wca --dedup", True, ["--method", "wca", "--crops", "60", "--dedup"]),
    *((f"wca --stop {rate}", True, ["--method", "wca", "--crops", "60", "--stop", rate])
      for rate in ("0.01", "0.05", "0.2")),
    ("wca --proposals", False, ["--method", "wca", "--proposals"]),
]


def evaluate(program, *options):
    descriptions = os.path.join(DATA, "descriptions")
    command = [program, "eval", "classify", os.path.join(DATA, "world", "classify"),
               "--descriptions", os.path.join(descriptions, "world.json"),
               "--templates", os.path.join(descriptions, "world-templates.json"),
               "--descriptors", os.path.join(descriptions, "world-descriptors.json"),
               "--json", "--seeds", "1", *options]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = json.loads(out)
    del line["per_class"]
    return line


class State:
    """Results by name, saved to a file after each."""

    def __init__(self, path):
        self.path, self.results = path, {}
        if os.path.exists(path):
            with open(path) as file:
                self.results = json.load(file)

    def get(self, key, make):
        if key not in self.results:
            self.results[key] = make()
            with open(self.path + ".part", "w") as file:
                json.dump(self.results, file)
            os.replace(self.path + ".part", self.path)
        return self.results[key]


def mean(values):
    return sum(values) / len(values)


def percent(values):
    m = mean(values)
    deviation = mean([(v - m) ** 2 for v in values]) ** 0.5
    return f"{100 * m:.2f}" + (f" ± {100 * deviation:.2f}" if len(values) > 1 else "")


def row(name, lines, timed):
    changed = [line["stop_changed"] for line in lines if "stop_changed" in line]
    crops = mean([line["crops"] for line in lines])
    milliseconds = f"{1000 * timed['seconds'] / timed['n']:.1f}" if timed else ""
    return (f"| {name} | {percent([line['top1'] for line in lines])} | "
            f"{percent([line['top5'] for line in lines])} | {f'{crops:.1f}' if crops else ''} | "
            f"{milliseconds} | {f'{100 * mean(changed):.2f}' if changed else ''} | {len(lines)} |\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--threads", default="0")
    parser.add_argument("--state", default=os.path.join(doc_table.ROOT, "build", "wca-table.json"))
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    state = State(args.state)
    threads = ["--threads", args.threads] if args.threads != "0" else []
    if args.time:
        for name, _, options in ROWS:
            state.get(f"time {name}", lambda: evaluate(args.program, "--no-cache", "--limit", str(TIMED), *threads,
                                                       *options))
        return
    table = ("| method | top-1 | top-5 | crops | ms a picture | changed by stopping | seeds |\n"
             "|---|---|---|---|---|---|---|\n")
    for name, drawn, options in ROWS:
        keys = [f"{name} {seed}" for seed in range(args.seeds if drawn else 1)]
        lines = [state.get(key, lambda: evaluate(args.program, "--seed", str(seed), *threads, *options))
                 for seed, key in enumerate(keys) if key in state.results or not args.write]
        table += row(name, lines, state.results.get(f"time {name}"))
    doc_table.write("WCA.md", "methods", table)


if __name__ == "__main__":
    main()
