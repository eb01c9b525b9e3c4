#!/usr/bin/env python3
"""Measures how long `eval` takes to read a data set of train2017's size, and how much memory.

    cmake --build --preset release --target bench_dataset
    bench/dataset.py [PROGRAM]          # build/release/bench/bench_dataset

Makes annotations with COCO train2017's numbers of pictures and boxes, and with outlines of a length that gives
its file's size; the same without outlines; the same with a reference to each box. Times are the least of
three runs; the files go to a temporary folder.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PICTURES, BOXES, CLASSES = 118_287, 860_001, 80
OUTLINE = 40  # numbers, on average


def write_coco(path, outlines):
    rng = random.Random(1)
    pool = [f"{rng.uniform(0, 640):.2f}" for _ in range(1 << 16)]
    with open(path, "w") as out:
        out.write('{"info": {}, "licenses": [], "images": [')
        for i in range(PICTURES):
            out.write((", " if i else "") + '{"license": 3, "file_name": "%012d.jpg", "coco_url": "http://images.'
                      'invalid/train2017/%012d.jpg", "height": 480, "width": 640, "date_captured": '
                      '"2013-11-14 11:18:45", "id": %d}' % (4 * i + 9, 4 * i + 9, 4 * i + 9))
        out.write('], "annotations": [')
        for i in range(BOXES):
            n = 6 + int(rng.expovariate(1 / (OUTLINE - 6))) if outlines else 0
            at = rng.randrange(len(pool) - 400)
            x, y = rng.uniform(0, 600), rng.uniform(0, 440)
            out.write((", " if i else "") + '{"segmentation": [[%s]], "area": %.4f, "iscrowd": 0, "image_id": %d, '
                      '"bbox": [%.2f, %.2f, %.2f, %.2f], "category_id": %d, "id": %d}'
                      % (", ".join(pool[at:at + min(n, 400)]), rng.uniform(100, 90000),
                         4 * rng.randrange(PICTURES) + 9, x, y, rng.uniform(1, 40), rng.uniform(1, 40),
                         rng.randrange(CLASSES) + 1, i + 1))
        categories = [{"supercategory": "thing", "id": i + 1, "name": f"class {i}"} for i in range(CLASSES)]
        out.write('], "categories": ' + json.dumps(categories) + "}")


def write_refs(coco, path):
    with open(coco) as file:
        boxes = json.load(file)["annotations"]
    refs = [{"image_id": b["image_id"], "annotation_id": b["id"], "expression": f"the thing {b['id']}",
             "bbox": b["bbox"]} for b in boxes]
    with open(path, "w") as file:
        json.dump(refs, file)


def read(program, *files):
    runs = [json.loads(subprocess.run([program, *files], check=True, stdout=subprocess.PIPE).stdout)
            for _ in range(3)]
    return min(runs, key=lambda run: run["seconds"])


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "release", "bench", "bench_dataset")
    with tempfile.TemporaryDirectory() as folder:
        whole, plain, refs = (os.path.join(folder, name) for name in ("whole.json", "plain.json", "refs.json"))
        write_coco(whole, True)
        write_coco(plain, False)
        write_refs(plain, refs)
        print("| files | size | pictures | boxes | read in | of the processor | peak memory |\n|---|---|---|---|---|---|---|")
        for what, files in (("with outlines", [whole]), ("without", [plain]),
                            ("without, and a reference to each box", [plain, refs])):
            got = read(program, files[0], folder, *files[1:])
            size = sum(os.path.getsize(file) for file in files)
            assert got["left_out"] == 0, got
            print(f"| {what} | {size / 1e6:.0f} MB | {got['pictures']:,} | {got['boxes']:,} | {got['seconds']:.2f} s | "
                  f"{got['cpu_seconds']:.2f} s | {got['peak_bytes'] / 2**20:.0f} MiB |")


if __name__ == "__main__":
    main()
