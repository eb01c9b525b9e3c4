#!/usr/bin/env python3
"""How resident memory grows with processes that share one model file.

    bench/processes.py PROGRAM MODEL.gguf PICTURE [--most N] [--draw OUT.svg]

Runs 1, 2, 4, ... copies of `PROGRAM ground -m MODEL PICTURE 'a dog'` at once, each with one thread
and no cache, and reads /proc/PID/smaps_rollup meanwhile. Prints, as JSON, the maximum of
their sums at one moment: Pss (a page that n processes map counts 1/n for each, so the sum is
what the machine needs), Rss (every page counts whole) and the part of Pss without files; and
the largest VmHWM of one process.
"""
import argparse
import json
import subprocess
import sys
import time


def fields(path, names):
    """The kilobytes that a file of /proc has under each name, as bytes; None if it is gone."""
    try:
        with open(path) as file:
            rows = dict(line.split(":", 1) for line in file if line.count(":") == 1)
        return [int(rows[name].split()[0]) * 1024 for name in names]
    except (OSError, KeyError, ValueError):
        return None


def watch(command, n):
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(n)]
    most = {"processes": n, "pss": 0, "rss": 0, "pss_anon": 0, "peak_of_one": 0}
    while any(p.poll() is None for p in processes):
        sums = [0, 0, 0]
        for p in processes:
            now = fields(f"/proc/{p.pid}/smaps_rollup", ["Pss", "Rss", "Pss_Anon"])
            sums = [a + b for a, b in zip(sums, now or [0, 0, 0])]
            peak = fields(f"/proc/{p.pid}/status", ["VmHWM"])
            most["peak_of_one"] = max(most["peak_of_one"], peak[0] if peak else 0)
        for name, value in zip(["pss", "rss", "pss_anon"], sums):
            most[name] = max(most[name], value)
        time.sleep(0.05)
    if any(p.returncode != 0 for p in processes):
        sys.exit(f"processes.py: {command[0]} failed")
    return most


def draw(rows, path):
    lines = ["set terminal svg size 640,360 font 'sans,12' background '#ffffff'",
             f"set output '{path}'", "set xlabel 'processes that share one model file'",
             "set ylabel 'GB at the peak of all'", "set xrange [0:*]", "set yrange [0:*]",
             "set key left top", "set grid"]
    curves = [("rss", "Rss: each page in each process"), ("pss", "Pss: shared pages counted once"),
              ("pss_anon", "of it, memory of its own")]
    lines.append("plot " + ", ".join(f"'-' with linespoints pointtype 7 linewidth 2 title '{t}'"
                                     for _, t in curves))
    for name, _ in curves:
        lines += [f"{r['processes']} {r[name] / 1e9:.4f}" for r in rows] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(lines) + "\n", text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("picture")
    parser.add_argument("--most", type=int, default=4)
    parser.add_argument("--draw", metavar="OUT.svg")
    args = parser.parse_args()
    command = [args.program, "ground", "-m", args.model, "-t", "1", "-q", args.picture, "a dog",
               "--no-cache"]
    rows, n = [], 1
    while n <= args.most:
        rows.append(watch(command, n))
        print(json.dumps(rows[-1]), flush=True)
        n *= 2
    if args.draw:
        draw(rows, args.draw)


if __name__ == "__main__":
    main()
