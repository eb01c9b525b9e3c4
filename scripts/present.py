#!/usr/bin/env python3
"""What tells that a thing is not in the picture: each signal alone, and the head, on drawn scenes.

Usage: present.py PROGRAM FITTED HELD HEAD [OPTION]...
FITTED and HELD are folders of scripts/world/draw.py (scenes/annotations.json), HEAD an adapter of gromatic calibrate.
The options (-m MODEL, --clip-model MODEL) go to all runs. Prints Markdown: AUC of each signal on FITTED for each kind
of phrase that is not there; on HELD, with the head, what is kept and refused, seconds of a phrase, and a reliability
table of the scores. The phrases are those that gromatic calibrate makes.
"""
import json
import os
import subprocess
import sys
import tempfile

KINDS = "noun", "near", "place", "attribute"


def run(*arguments):
    out = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def calibrated(program, folder, seed, options):
    """Rows and report of calibrate."""
    with tempfile.TemporaryDirectory() as out:
        *rows, report = run(program, "calibrate", "--coco", os.path.join(folder, "scenes", "annotations.json"), "--refs",
                            os.path.join(folder, "scenes", "referring.json"), "-o", os.path.join(out, "head.gguf"),
                            "--seed", seed, "-v", "-q", "--json", *options)
    return [row for row in rows if not row["all"]], report


def auc(there, absent):
    """The share of pairs in which what is there has the larger value; ties count half."""
    ranked = sorted([(v, 1) for v in there] + [(v, 0) for v in absent])
    total, below, i = 0.0, 0, 0
    while i < len(ranked):
        end = i
        while end < len(ranked) and ranked[end][0] == ranked[i][0]:
            end += 1
        positive = sum(kind for _, kind in ranked[i:end])
        total += positive * (below + (end - i - positive) / 2)
        below += end - i - positive
        i = end
    return total / (len(there) * len(absent)) if there and absent else float("nan")


def signals_table(rows):
    print("| signal | " + " | ".join(KINDS) + " | all |\n|---" * 1 + "|---" * (len(KINDS) + 1) + "|")
    for name in rows[0]["signals"]:
        there = [row["signals"][name] for row in rows if row["kind"] == "there"]
        cells = []
        for kinds in [[kind] for kind in KINDS] + [KINDS]:
            # a signal may be smaller for what is there
            value = auc(there, [row["signals"][name] for row in rows if row["kind"] in kinds])
            cells.append("%.3f" % max(value, 1 - value) if value == value else "")
        print(f"| `{name}` | " + " | ".join(cells) + " |")


def answers(program, rows, options):
    """The results of ground for the phrases of each picture, in the order of the rows, and seconds a phrase."""
    found, seconds, at = [], 0.0, 0
    while at < len(rows):
        end = at
        while end < len(rows) and rows[end]["image"] == rows[at]["image"]:
            end += 1
        phrases = [part for row in rows[at:end] for part in ("--phrase", row["phrase"])]
        [got] = run(program, "ground", *phrases, rows[at]["image"], "--json", "-v", "--no-cache", *options)
        found += got["results"]
        seconds += sum(got["timings"].get(stage, 0) for stage in ("text", "crops", "prefill", "generate"))
        at = end
    return found, seconds / len(rows)


def reliability(pairs):
    print("\n| score | answers | mean score | right |\n|---|---|---|---|")
    error = 0.0
    for b in range(10):
        inside = [(p, r) for p, r in pairs if min(int(p * 10), 9) == b]
        if not inside:
            continue
        mean, right = (sum(column) / len(inside) for column in zip(*inside))
        error += abs(mean - right) * len(inside) / len(pairs)
        print("| %.1f to %.1f | %d | %.3f | %.3f |" % (b / 10, (b + 1) / 10, len(inside), mean, right))
    print("\nExpected calibration error: %.3f of %d answers." % (error, len(pairs)))


def main():
    program, fitted, held, head, *options = sys.argv[1:]
    rows, report = calibrated(program, fitted, "0", options)
    print("AUC of each signal alone, %d phrases that are there, %d that are not; all together %.3f:\n" % (
        report["there"], report["nouns"] + report["hard"], report["auc"]))
    signals_table(rows)
    rows, _ = calibrated(program, held, "1", options)
    found, seconds = answers(program, rows, ["--adapter", head, *options])
    given = [bool(result["regions"]) for result in found]
    right = [row["right"] for row in rows]
    print("\nHeld scenes, %d phrases, limit 0.5:\n\n| phrases | | |\n|---|---|---|" % len(rows))
    print("| there, right box | still answered | %.3f |" % (sum(g and r for g, r in zip(given, right)) / sum(right)))
    for kind in KINDS:
        of = [g for g, row in zip(given, rows) if row["kind"] == kind]
        print("| not there, %s (%d) | refused | %.3f |" % (kind, len(of), 1 - sum(of) / max(len(of), 1)))
    reliability([(result["regions"][0]["score"], r) for result, r in zip(found, right) if result["regions"]])


if __name__ == "__main__":
    main()
