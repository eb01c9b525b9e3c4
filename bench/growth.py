#!/usr/bin/env python3
"""How cost grows: times `gromatic bench` at some sizes, draws each curve with gnuplot.

    bench/growth.py PROGRAM --prepare                  # makes the model that the curves share
    bench/growth.py PROGRAM [--only regions,crops]     # adds to bench/growth.json what it measures
    bench/growth.py --draw                             # docs/pictures/growth-CURVE.svg, docs/SPEED.md

Every point is a process of its own, the least of 5 runs inside it (phrases: 3). A curve that is measured again
replaces the old one; each takes less than 90 seconds. Nothing else should run on the machine meanwhile.
"""
import argparse
import json
import os
import subprocess
import sys
import time

import growth_page
import processes

ROOT = growth_page.ROOT
STORE = os.path.join(ROOT, "bench", "growth.json")
PHOTO = os.path.join(ROOT, "tests", "data", "photos", "astronaut.png")
SPEC = "synthetic:groma-7b-4l:q4_k:fast"  # true widths, 4 of 32 layers of language


def thread_counts():
    n, most = 1, len(os.sched_getaffinity(0))
    counts = []
    while n < most:
        counts.append(n)
        n *= 2
    return counts + [most]


MODEL = ["model", "-m", "{model}"]
STAGES = ["vision", "proposer", "maps", "regions", "prefill", "decode"]
# curve: values, {line: arguments; {n} is the value, {model} the file}
CURVES = {
    "regions": ([1, 10, 25, 50, 75, 100],
                {"regions": MODEL + ["--stage", "regions", "--count", "{n}"]}),
    "phrases": ([1, 4, 8, 16, 32, 64],
                {"ground": ["image", PHOTO, "-m", "{model}", "--stage", "ground", "--count", "{n}"]}),
    "crops": ([1, 10, 25, 50, 100, 200],
              {"crops": ["clip", "--shape", "clip-vit-b-32", "--stage", "crops", "--count", "{n}"]}),
    "prompt": ([16, 64, 256, 512, 1024, 1536],
               {"prefill": MODEL + ["--stage", "prefill", "-c", "{n}"]}),
    "context": ([16, 256, 512, 1024, 1536, 2000],
                {"f16": MODEL + ["--stage", "decode", "-n", "16", "-c", "{n}", "-t", "1"],
                 "q8_0": MODEL + ["--stage", "decode", "-n", "16", "-c", "{n}", "-t", "1", "-ctk", "q8_0", "-ctv",
                                  "q8_0"]}),
    "threads": (thread_counts(), {"": MODEL + ["--stage", ",".join(STAGES), "-t", "{n}"]}),
    "processes": ([1, 2, 4], {}),
}


def save(store):
    with open(STORE + ".new", "w") as file:
        json.dump(store, file, indent=1)
        file.write("\n")
    os.replace(STORE + ".new", STORE)


def load():
    if not os.path.exists(STORE):
        return {}
    with open(STORE) as file:
        return json.load(file)


def prepare(program, model):
    if not os.path.exists(model):
        os.makedirs(os.path.dirname(model), exist_ok=True)
        subprocess.run([program, "convert", "-q", SPEC, "-o", model], check=True)


def bench(program, arguments, repeat):
    command = [program, "bench", *arguments, "--json", "--repeat", str(repeat)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure_times(program, model, name):
    (values, lines), repeat = CURVES[name], 3 if name == "phrases" else 5
    rows = []
    for value in values:
        seconds = {}
        for line, arguments in lines.items():
            report = bench(program, [a.format(n=value, model=model) for a in arguments], repeat)
            seconds.update({line or s["stage"]: s["seconds_min"] for s in report["stages"]})
        rows.append({"value": value, "seconds": seconds})
        print(name, value, seconds, flush=True)
    return {key: report[key] for key in ("processor", "kernels", "threads")} | {"rows": rows}


def measure_processes(program, model):
    command = [program, "ground", "-m", model, "-t", "1", "-q", PHOTO, "a dog", "--no-cache"]
    rows = []
    for n in CURVES["processes"][0]:
        rows.append(processes.watch(command, n))
        print("processes", rows[-1], flush=True)
    return {"file_bytes": os.path.getsize(model), "rows": rows}


def measure(program, model, names):
    prepare(program, model)
    for name in names:
        began = time.time()
        curve = (measure_processes(program, model) if name == "processes"
                 else measure_times(program, model, name))
        store = load()
        store[name] = {"date": time.strftime("%Y-%m-%d"), **curve}
        save(store)
        print(f"{name}: {time.time() - began:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="gromatic")
    parser.add_argument("--only", help="some of " + ", ".join(CURVES))
    parser.add_argument("--model", default=os.path.join(ROOT, "bench", "work", "groma-7b-4l-q4_k.gguf"),
                        help="a file of " + SPEC + ", made if it is missing")
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--draw", action="store_true")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(CURVES)
    if args.draw:
        growth_page.write(load())
    elif not args.program or any(n not in CURVES for n in names):
        parser.error("wanted the program, and --only some of " + ", ".join(CURVES))
    elif args.prepare:
        prepare(args.program, args.model)
    else:
        measure(args.program, args.model, names)


if __name__ == "__main__":
    sys.exit(main())
