#!/usr/bin/env python3
"""How cost grows: times `gromatic bench` at many sizes and draws each curve with gnuplot.

    bench/growth.py PROGRAM measure [CURVE ...]   # adds to bench/growth.json what it measured
    bench/growth.py PROGRAM draw                  # docs/pictures/growth-CURVE.svg, docs/SPEED.md

Every point is a process of its own, the least of --repeat runs inside it. A curve that is
measured again replaces the old one. Nothing else should run on the machine meanwhile.
"""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STORE = os.path.join(ROOT, "bench", "growth.json")
PAGE = os.path.join(ROOT, "docs", "SPEED.md")
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"

GROMA = ["model", "--shape", "groma-7b-2l", "--type", "q4_k"]  # true widths, 2 layers of language
# name: what grows, at which values, the arguments ({} is the value), the stages of the picture
CURVES = {
    "regions": ("regions", [1, 2, 5, 10, 20, 40, 60, 80, 100],
                GROMA + ["--stage", "regions", "--count", "{}"], ["regions"]),
    "prompt": ("positions of the prompt", [16, 32, 64, 128, 256, 512, 1024, 1536],
               GROMA + ["--stage", "prefill", "-c", "{}"], ["prefill"]),
    "context": ("positions in the cache", [16, 128, 256, 512, 1024, 1536],
                GROMA + ["--stage", "decode", "-n", "16", "-c", "{}"], ["decode"]),
    "crops": ("crops of one picture", [1, 5, 10, 20, 40, 60, 100, 150, 200],
              ["clip", "--shape", "clip-vit-b-32", "--type", "q8_0", "--stage", "crops",
               "--count", "{}"], ["crops"]),
    "threads": ("threads", [1, 2],
                GROMA + ["--stage", "vision,maps,regions,prefill,decode", "-t", "{}"],
                ["vision", "maps", "regions", "prefill", "decode"]),
}


def measure(program, names, repeat):
    store = load()
    for name in names:
        label, values, arguments, _ = CURVES[name]
        rows = []
        for value in values:
            command = [program, "bench"] + [a.format(value) for a in arguments]
            command += ["--json", "--repeat", str(repeat)]
            report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            rows.append({"value": value,
                         "seconds": {s["stage"]: s["seconds_min"] for s in report["stages"]}})
            print(name, value, rows[-1]["seconds"], flush=True)
        store[name] = {"label": label, "processor": report["processor"],
                       "kernels": report["kernels"], "threads": report["threads"],
                       "limits": report["limits"], "arguments": " ".join(arguments), "rows": rows}
        with open(STORE + ".new", "w") as file:
            json.dump(store, file, indent=1)
        os.replace(STORE + ".new", STORE)


def load():
    if not os.path.exists(STORE):
        return {}
    with open(STORE) as file:
        return json.load(file)


def draw(name, curve):
    stages = CURVES[name][3]
    picture = os.path.join(ROOT, "docs", "pictures", f"growth-{name}.svg")
    lines = ["set terminal svg size 640,360 font 'sans,12' background '#ffffff'",
             f"set output '{picture}'", f"set xlabel '{curve['label']}'", "set ylabel 'seconds'",
             "set yrange [0:*]", "set xrange [0:*]", "set key left top", "set grid",
             f"set title '{curve['kernels']}, {curve['threads']} threads' noenhanced"]
    if name == "threads":
        lines[-1] = f"set title '{curve['kernels']}' noenhanced"
    plots = [f"'-' using 1:2 with linespoints pointtype 7 linewidth 2 title '{s}'" for s in stages]
    lines.append("plot " + ", ".join(plots))
    for stage in stages:
        lines += [f"{r['value']} {r['seconds'][stage]:.6g}" for r in curve["rows"]] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(lines) + "\n", text=True, check=True)


def table(name, curve):
    stages = CURVES[name][3]
    head = f"| {curve['label']} | " + " | ".join(f"{s}, s" for s in stages) + " |"
    rows = [f"| {r['value']} | " + " | ".join(f"{r['seconds'][s]:.3g}" for s in stages) + " |"
            for r in curve["rows"]]
    return "\n".join([f"![{name}](pictures/growth-{name}.svg)", "",
                      f"`gromatic bench {curve['arguments']}`", "",
                      head, "|---" * (len(stages) + 1) + "|"] + rows)


def write_page(store):
    parts = [f"### Growth with {store[n]['label']}\n\n" + table(n, store[n])
             for n in CURVES if n in store]
    with open(PAGE) as file:
        page = file.read()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    with open(PAGE, "w") as file:
        file.write(before + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("what", choices=["measure", "draw"])
    parser.add_argument("curves", nargs="*", help="of " + ", ".join(CURVES))
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    unknown = set(args.curves) - set(CURVES)
    if unknown:
        sys.exit(f"growth.py: no curve {', '.join(sorted(unknown))}; wanted {', '.join(CURVES)}")
    if args.what == "measure":
        measure(args.program, args.curves or list(CURVES), args.repeat)
        return
    store = load()
    for name in CURVES:
        if name in store:
            draw(name, store[name])
    write_page(store)


if __name__ == "__main__":
    main()
