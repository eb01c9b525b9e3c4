#!/usr/bin/env python3
"""Draws how often answers of a score are right: a reliability plot.

    reliability.py --refs FILE ANSWERS OUTPUT.svg

ANSWERS: what `gromatic eval ground --absent FILE -o ANSWERS` wrote. A bar is one of 10 equal bins of the best boxes'
scores: its height is the share that is right (IoU > 0.5 with a true box of --refs), its width grows with their number,
and the dot is at their mean score.
On the diagonal a score means what it says. Prints the expected calibration error, as eval does."""

import argparse
import json
from pathlib import Path

BINS, SIDE, EDGE = 10, 360, 48


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h) if w > 0 and h > 0 else 0


def claims(refs, lines):
    """(score, whether it is right) of each answer's best box."""
    truth = {}
    for r in refs:
        if r.get("annotation_id") is not None:
            truth.setdefault((r["image_id"], r["expression"]), []).append(r["bbox"])
    out = []
    for answer in (a for line in lines if line.strip() for a in json.loads(line)):
        if answer["regions"]:
            best = max(answer["regions"], key=lambda r: r["score"])
            true = truth.get((answer["image_id"], answer["expression"]), [])
            out.append((best["score"], any(overlap(best["bbox"], t) > 0.5 for t in true)))
    return out


def bins(found):
    """[(bin, count, mean score, share that is right)]; a bin without answers is left out."""
    groups = [[c for c in found if min(int(c[0] * BINS), BINS - 1) == b] for b in range(BINS)]
    return [(b, len(g), sum(s for s, _ in g) / len(g), sum(r for _, r in g) / len(g)) for b, g in enumerate(groups) if g]


def svg(rows, n, error):
    size, step = SIDE + 2 * EDGE, SIDE / BINS

    def text(x, y, words, turn=""):
        return f'<text x="{x}" y="{y}" text-anchor="middle" font-size="13"{turn}>{words}</text>'

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" font-family="sans-serif">',
           f'<rect width="{size}" height="{size}" fill="white"/>']
    most = max(count for _, count, _, _ in rows)
    for b, count, _, right in rows:
        width = max(2, 0.9 * step * (count / most) ** 0.5)
        out.append(f'<rect x="{EDGE + (b + 0.5) * step - width / 2:.1f}" y="{EDGE + SIDE * (1 - right):.1f}" '
                   f'width="{width:.1f}" height="{SIDE * right:.1f}" fill="#4878a8"/>')
    out += [f'<circle cx="{EDGE + SIDE * p:.1f}" cy="{EDGE + SIDE * (1 - r):.1f}" r="3" fill="#c04030"/>'
            for _, _, p, r in rows]
    out.append(f'<path d="M{EDGE} {EDGE + SIDE}L{EDGE + SIDE} {EDGE}" stroke="#888" stroke-dasharray="4"/>')
    out.append(f'<path d="M{EDGE} {EDGE}V{EDGE + SIDE}H{EDGE + SIDE}" fill="none" stroke="black"/>')
    for k in (0, 0.5, 1):
        out += [text(EDGE + SIDE * k, EDGE + SIDE + 18, k), text(EDGE - 18, EDGE + SIDE * (1 - k) + 5, k)]
    out += [text(size / 2, size - 8, "score"), text(14, size / 2, "share right", f' transform="rotate(-90 14 {size / 2})"'),
            text(size / 2, EDGE - 16, f"{n} answers, expected calibration error {error:.3f}"), "</svg>"]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refs", type=Path, required=True)
    parser.add_argument("answers", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    found = claims(json.loads(args.refs.read_text()), args.answers.read_text().splitlines())
    if not found:
        parser.error(f"{args.answers}: no answer has a box")
    rows = bins(found)
    error = sum(count * abs(p - right) for _, count, p, right in rows) / len(found)
    args.output.write_text(svg(rows, len(found), error))
    print(f"{len(found)} answers, ECE {error:.4f}")


if __name__ == "__main__":
    main()
