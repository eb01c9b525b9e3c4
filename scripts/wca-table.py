#!/usr/bin/env python3
"""Measures all methods on the drawn world with clip-mini and writes the table of docs/WCA.md.

Usage: wca-table.py PROGRAM [SEEDS]     (20 seeds take about 20 minutes of one core)
"""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, "tests", "data")
BEGIN, END = "<!-- table -->\n", "<!-- end -->\n"


def evaluate(program, methods, *options):
    command = [program, "eval", "classify", os.path.join(DATA, "world", "classify"), "--descriptions",
               os.path.join(DATA, "descriptions", "world.json"), "--templates",
               os.path.join(DATA, "descriptions", "world-templates.json"), "--method", methods,
               "--json", *options]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def row(name, line):
    deviation = f" ± {100 * line['top1_std']:.2f}" if line["seeds"] > 1 else ""
    stop = f"{100 * line['stop_changed']:.2f}" if "stop_changed" in line else ""
    return (f"| {name} | {100 * line['top1']:.2f}{deviation} | {100 * line['top5']:.2f} | "
            f"{line['crops']:.1f} | {line['seeds']} | {stop} |\n")


def main():
    program, seeds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "20"
    table = "| method | top-1 | top-5 | crops | seeds | changed by stopping |\n|---|---|---|---|---|---|\n"
    for line in evaluate(program, "clip,clip-e,cupl,waffle"):
        table += row(line["method"], line)
    runs = (("wca", "wca", ("--crops", "60")),
            ("wca-released", "wca-released", ("--crops", "100")),
            ("wca --dedup", "wca", ("--crops", "60", "--dedup")),
            ("wca --stop 0.05", "wca", ("--crops", "60", "--stop", "0.05")))
    for name, method, options in runs:
        [line] = evaluate(program, method, "--seeds", seeds, *options)
        table += row(name, line)
    path = os.path.join(ROOT, "docs", "WCA.md")
    with open(path) as file:
        text = file.read()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    with open(path, "w") as file:
        file.write(head + BEGIN + table + END + tail)


if __name__ == "__main__":
    main()
