"""made_lines.py - JSON lines as the commands write them, made by hand for the tests of exports."""
import json


def region(box, label=None, score=0.5, label_score=None):
    made = {"box": box, "score": score, "index": 0}
    if label is not None:
        made.update(label=label, label_score=1 if label_score is None else label_score, raw_score=0.5)
    return made


def image(file, width=100, height=80):
    return {"file": file, "width": width, "height": height}


def labelled(file, *regions, width=100, height=80):
    """A line of label: regions are (label, x1, y1, x2, y2)."""
    return {"image": image(file, width, height), "regions": [region(list(box), label) for label, *box in regions]}


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False))
            file.write("\n")
    return path
