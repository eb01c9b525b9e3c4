"""eval ground --absent against the published formulas, written anew here, on answers drawn at random."""
import itertools
import json
import os
import random
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from program import lines  # noqa: E402

KINDS = ["noun", "near", "place", "attribute"]
THRESHOLDS = [0.5 + 0.05 * i for i in range(10)]


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h) if w > 0 and h > 0 else 0.0


def shaken(rng, box, by):
    return [round(v + rng.uniform(-by, by), 3) for v in box[:2]] + [round(v * rng.uniform(0.9, 1.1), 3) for v in box[2:]]


def drawn(rng, n_pictures):
    """Pictures, refs (some phrases with several boxes), absent phrases and answers."""
    images, refs, absent, answers = [], [], [], []
    for image in range(1, n_pictures + 1):
        images.append({"id": image, "file_name": "x.png", "width": 100, "height": 100})
        for k in range(rng.randint(0, 3)):
            boxes = [[rng.uniform(0, 60), rng.uniform(0, 60), rng.uniform(10, 40), rng.uniform(10, 40)]
                     for _ in range(rng.randint(1, 3))]
            refs += [{"image_id": image, "expression": f"thing {k}", "annotation_id": 1, "bbox": b} for b in boxes]
            given = [shaken(rng, b, 3) for b in boxes if rng.random() < 0.9]
            given += [[1, 1, 20, 20] for _ in range(rng.randint(0, 1))]
            answers.append((image, f"thing {k}", rng.betavariate(4, 2), given))
        for k in range(rng.randint(0, 3)):
            absent.append({"image_id": image, "expression": f"nothing {k}", "kind": rng.choice(KINDS)})
            given = [[rng.uniform(0, 50), 3, 20, 30] for _ in range(rng.randint(0, 2))]
            answers.append((image, f"nothing {k}", rng.betavariate(2, 4), given))
    answers = [{"image_id": i, "expression": x, "present": round(p, 2), "calibrated": rng.random() < 0.9,
                "regions": [{"bbox": b, "score": round(rng.random(), 2)} for b in boxes]} for i, x, p, boxes in answers]
    rng.shuffle(answers)
    return images, refs, absent, answers


def largest_sum(overlaps):
    """The IoUs of the pairs whose sum is largest, by trying all."""
    if not len(overlaps) or not len(overlaps[0]):
        return []
    table = np.array(overlaps)
    table = table if table.shape[0] <= table.shape[1] else table.T
    rows = range(table.shape[0])
    return max(([table[i, j] for i, j in zip(rows, p)] for p in itertools.permutations(range(table.shape[1]), len(rows))),
               key=sum)


def exact(overlaps, n_given, n_true):
    pairs, free = 0, {(i, j): o for i, row in enumerate(overlaps) for j, o in enumerate(row)}
    while free:
        (i, j), best = max(free.items(), key=lambda item: item[1])
        if best < 0.5:
            break
        pairs += 1
        free = {(a, b): o for (a, b), o in free.items() if a != i and b != j}
    return pairs == n_given == n_true


def calibration_error(p, right):
    p, right = np.array(p), np.array(right, dtype=float)
    bins = np.minimum(np.floor(p * 10), 9)
    return sum((bins == b).mean() * abs(p[bins == b].mean() - right[bins == b].mean()) for b in np.unique(bins))


def area(p, right):
    p, right = np.array(p), np.array(right)
    above = p[right][:, None] - p[~right][None, :]
    return (np.sum(above > 0) + 0.5 * np.sum(above == 0)) / above.size


def figures(refs, absent, answers, limit):
    truth, kinds = {}, {(a["image_id"], a["expression"]): a["kind"] for a in absent}
    for r in refs:
        truth.setdefault((r["image_id"], r["expression"]), []).append(r["bbox"])
    has_box, there, right, free_right, exact_ones, kind_of = [], [], [], [], [], []
    matched, n_boxes, n_true, alarms = np.zeros(10), 0, 0, 0
    claims, presents = [], []
    for a in answers:
        key = a["image_id"], a["expression"]
        true, free = truth.get(key, []), [r["bbox"] for r in a["regions"]]
        refused = a["calibrated"] and a["present"] < limit
        given = [] if refused else free
        overlaps = [[iou(g, t) for t in true] for g in given]
        best = max(a["regions"], key=lambda r: r["score"]) if free else None
        is_right = best is not None and any(iou(best["bbox"], t) > 0.5 for t in true)
        there.append(bool(true))
        has_box.append(bool(given))
        kind_of.append(kinds.get(key))
        right.append(is_right and not refused)
        free_right.append(is_right)
        exact_ones.append(exact(overlaps, len(given), len(true)))
        presents.append(a["present"])
        if best is not None:
            claims.append((best["score"], is_right))
        if true:
            n_boxes += len(given)
            n_true += len(true)
            matched += [sum(o >= round(t, 2) for o in largest_sum(overlaps)) for t in THRESHOLDS]
        else:
            alarms += len(given)
    there, has_box, kind_of = np.array(there), np.array(has_box), np.array(kind_of, dtype=object)
    precision, recall = matched / n_boxes, matched / n_true
    f1 = np.mean([2 * p * r / (p + r) if p else 0 for p, r in zip(precision, recall)])
    mcc = np.corrcoef(has_box, there)[0, 1]
    hard = ~there & (kind_of != "noun")
    return {"T-acc": has_box[there].mean(), "N-acc": (~has_box[~there]).mean(), "N-acc hard": (~has_box[hard]).mean(),
            **{f"N-acc {k}": (~has_box[kind_of == k]).mean() for k in KINDS},
            "right": np.array(right)[there].mean(), "right_unrefused": np.array(free_right)[there].mean(),
            "Pr@(F1=1,IoU>=0.5)": np.mean(exact_ones), "IL_MCC": mcc, "pmF1": f1, "cgF1": f1 * mcc,
            "false_alarms": alarms / len({a["image_id"] for a in answers}), "there": there.sum(), "absent": (~there).sum(),
            "answers": len(claims), "ECE": calibration_error(*zip(*claims)), "AUROC": area(*zip(*claims)),
            "ECE present": calibration_error(presents, there), "AUROC present": area(presents, there)}


class Presence(unittest.TestCase):
    def test_against_the_formulas(self):
        for seed, limit in ((1, None), (2, 0.3), (3, 0)):
            rng = random.Random(seed)
            images, refs, absent, answers = drawn(rng, 400)
            with tempfile.TemporaryDirectory() as folder:
                paths = {name: os.path.join(folder, name + ".json") for name in ("coco", "refs", "absent", "predictions")}
                for name, data in zip(paths, ({"images": images, "annotations": []}, refs, absent, answers)):
                    with open(paths[name], "w") as file:
                        json.dump(data, file)
                options = [part for name, path in paths.items() for part in ("--" + name, path)]
                options += [] if limit is None else ["--min-present", limit]
                [got] = lines("eval", "ground", *options)
            expected = figures(refs, absent, answers, 0.5 if limit is None else limit)
            self.assertGreater(expected["answers"], 700)
            for name, value in expected.items():
                # The output has ten digits.
                self.assertAlmostEqual(got[name], float(value), delta=1e-8, msg=f"{name}, seed {seed}")


if __name__ == "__main__":
    unittest.main()
