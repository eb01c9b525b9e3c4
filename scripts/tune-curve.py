#!/usr/bin/env python3
"""How much tune learns from few pictures: one adapter each for 20, 50, 100 .. of a set's pictures, measured on the same
held pictures of it.

Usage: tune-curve.py PROGRAM FOLDER [-m MODEL] [--pictures 20,50,100,400] [--held 100] [--seed 0] [-o TABLE.md]
                     [-- OPTIONS OF TUNE, as --keep FILE --time 30m]

FOLDER has annotations.json (COCO), referring.json and images/. Needs the machine to itself: tune learns for a time, and
an hour and a half pass at four sizes with the default of 30 minutes each. Prints a table in Markdown.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

TASKS = (("detect", "recall", "boxes found"), ("ground", "accuracy_free", "phrases found"),
         ("describe", "exact", "names"), ("caption", "f1", "captions, F1"))


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Set:
    """A folder's pictures; parts of them are written as folders that share its images."""

    def __init__(self, folder, out):
        self.folder, self.out = os.path.abspath(folder), out
        self.coco = read(os.path.join(folder, "annotations.json"))
        self.refs = read(os.path.join(folder, "referring.json"))

    def part(self, name, images):
        """The files of these images: COCO's and the expressions'."""
        ids = {image["id"] for image in images}
        annotations = [a for a in self.coco["annotations"] if a["image_id"] in ids]
        files = [os.path.join(self.out, f"{name}-{kind}.json") for kind in ("coco", "refs")]
        contents = ({**self.coco, "images": images, "annotations": annotations},
                    [r for r in self.refs if r["image_id"] in ids])
        for path, content in zip(files, contents):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(content, file)
        return files


def measure(program, held, images, options):
    """The tasks' values on the held pictures."""
    values = []
    for task, key, _ in TASKS:
        out = subprocess.run([program, "eval", task, "--coco", held[0], "--refs", held[1], "--images", images, "--json",
                              "-q", *options], check=True, stdout=subprocess.PIPE, text=True).stdout
        values.append(json.loads(out.splitlines()[-1])[key])
    return values


def row(name, seconds, values):
    return f"| {name} | {seconds} | " + " | ".join(f"{value:.3f}" for value in values) + " |\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("-m", "--model", default="groma-mini")
    parser.add_argument("--pictures", default="20,50,100,400")
    parser.add_argument("--held", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output")
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args, options = parser.parse_args(sys.argv[1:split]), sys.argv[split + 1:]
    model = ["-m", args.model]
    sizes = [int(size) for size in args.pictures.split(",")]
    with tempfile.TemporaryDirectory() as out:
        whole = Set(args.folder, out)
        images = whole.coco["images"][:]
        random.Random(args.seed).shuffle(images)
        if args.held + max(sizes) > len(images):
            sys.exit(f"{args.folder}: found {len(images)} pictures, wanted {args.held} to hold and {max(sizes)} to learn")
        pictures = os.path.join(whole.folder, "images")
        held = whole.part("held", images[:args.held])
        table = "| pictures | time | " + " | ".join(name for _, _, name in TASKS) + " |\n|---|---|" + "---|" * len(TASKS)
        table += "\n" + row("before", "", measure(args.program, held, pictures, model))
        for size in sizes:
            coco, refs = whole.part(str(size), images[args.held:args.held + size])
            adapter = os.path.join(out, f"{size}.gguf")
            subprocess.run([args.program, "tune", *model, "--coco", coco, "--refs", refs, "--images", pictures, "-o", adapter,
                            "--seed", str(args.seed), "--force", *options], check=True, stdout=sys.stderr)
            time = " ".join(options[options.index(o) + 1] for o in ("--time", "--steps") if o in options) or "30m"
            table += row(size, time, measure(args.program, held, pictures, [*model, "--adapter", adapter]))
    print(table, end="")
    if args.output:
        with open(args.output, "w", encoding="utf-8") as file:
            file.write(table)


if __name__ == "__main__":
    main()
