"""Renders docs/ACCURACY.md from accuracy.py's results. Used by accuracy.py only."""
import textwrap

import doc_table

# The official code in fp32 on the same pictures: tests/data/world/README.md.
REFERENCE = {"recall": 0.966, "precision": 0.801, "accuracy_free": 0.868, "exact": 0.910, "f1": 0.762}
ACCURACY = [
    ("recall", "proposals: recall, IoU > 0.5 (410 objects)"),
    ("precision", "proposals: precision, IoU > 0.5"),
    ("accuracy_free", "ground: first region of the free greedy answer (410 expressions)"),
    ("accuracy_constrained", "ground: best region under constraint"),
    ("exact", "region names, exact with article (410)"),
    ("f1", "caption phrases, F1 (120 pictures)"),
]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def small(x):
    """Two significant digits."""
    return "0" if x == 0 else f"{x:.2g}" if x >= 1e-4 else f"{x:.1e}".replace("e-0", "e-")


def percent(part, whole):
    return f"{100 * part / whole:.1f} %"


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    area = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / area if area > 0 else 0


def same_answers(answers, base, method):
    """(how many of the answers are the base's, how many there are)"""
    pairs = list(zip(answers[method], base[method]))
    if method == "caption":
        same = [a["text"] == b["text"] for a, b in pairs]
    elif method == "describe":
        same = [a["raw"] == b["raw"] for a, b in pairs]
    else:  # the same region: the boxes are nearly equal
        same = [iou(a["box"], b["box"]) > 0.5 or a["box"] == b["box"] for a, b in pairs]
    return sum(same), len(same)


def embedded(figures, sizes):
    """The table of the embedded model: figures and sizes of files by type."""
    rows = [[title] + [f"{figures[t][key]:.3f}" for t in figures] for key, title in ACCURACY]
    rows.append(["file"] + [f"{sizes[t] / 1e6:.1f} MB" for t in sizes])
    return "\n".join(table([""] + list(figures), rows))


def accuracy(data):
    types = list(data["types"])
    rows = []
    for key, title in ACCURACY:
        reference = f"{REFERENCE[key]:.3f}" if key in REFERENCE else "none"
        rows.append([title, reference] + [f"{data['types'][t]['figures'][key]:.3f}" for t in types])
        if key == "exact":
            rows.append(["region names with `--append-boxes`", "none"] +
                        [f"{data['appended'][t]['figures']['exact']:.3f}" for t in types])
    rows.append(["file", "17.1 MB (fp16)"] + [f"{data['sizes'][t] / 1e6:.1f} MB" for t in types])
    return table(["", "reference"] + types, rows)


def answers(data):
    types = list(data["types"])
    base = data["types"]["f32"]["answers"]
    rows = []
    for method, title in [("caption", "captions, word for word"), ("describe", "region names"),
                          ("ground_free", "ground, free: the region"),
                          ("ground", "ground, constrained: the region")]:
        counts = [same_answers(data["types"][t]["answers"], base, method) for t in types[1:]]
        rows.append([title + f" (of {counts[0][1]})", "all"] + [same for same, _ in counts])
    counts = [same_answers(data["appended"][t]["answers"], base, "describe") for t in types]
    rows.append([f"region names with `--append-boxes` (of {counts[0][1]})"] + [same for same, _ in counts])
    return table(["the same as f32's"] + types, rows)


def drift_rows(drifts, steps_title):
    regions = [d["regions"] for d in drifts]
    answer = [d["answers"] for d in drifts]
    rows = [[f"regions kept (of {regions[0]['reference']})"] +
            [f"{r['kept']}, {r['found'] - r['kept']} new" for r in regions],
            ["their corners moved, mean (worst)"] +
            [f"{small(r['shift'])} ({small(r['worst_shift'])}) px" for r in regions],
            ["their IoU, mean (worst)"] + [f"{r['iou']:.3f} ({r['worst_iou']:.3f})" for r in regions],
            ["their scores moved, mean (worst)"] +
            [f"{small(r['score'])} ({small(r['worst_score'])})" for r in regions]]
    for key, title in [("hidden", "last hidden state of DINOv2"), ("tokens", "image tokens"),
                       ("vectors", "region vectors"), ("first", "logits of the first word"),
                       ("logits", f"logits of all {steps_title}")]:
        rows.append([title + ", rms (worst)"] +
                    [f"{small(d[key]['rms'])} ({small(d[key]['max'])})" for d in drifts])
    rows.append(["KL divergence of the next token, mean (worst)"] +
                [f"{small(a['kl'])} ({small(a['worst_kl'])})" for a in answer])
    rows.append(["likeliest next token the same"] + [percent(a["same_next"], 1) for a in answer])
    return rows


def drift(data):
    drifts = data["drift"]
    steps = drifts["q8_0"]["answers"]["steps"]
    return table(["against f32"] + list(drifts), drift_rows(list(drifts.values()), f"{steps} words"))


def true_shapes(data):
    drifts = data["true"]
    steps = drifts["q8_0"]["answers"]["steps"]
    return table(["against f32"] + list(drifts), drift_rows(list(drifts.values()), f"{steps} words"))


def group_drift(data):
    whole = data["groups"][-1]["q4_0"]["rounded"]
    rows = []
    for g in data["groups"]:
        cells = [g["title"], percent(g["q4_0"]["rounded"], whole),
                 g["kept"]]
        for t in ("q8_0", "q4_0"):
            r, d = g[t]["regions"], g[t]
            cells += [f"{r['kept']}+{r['found'] - r['kept']}", small(r["shift"]), small(d["vectors"]["rms"]),
                      small(d["logits"]["rms"]), small(d["answers"]["kl"]), d["answers"]["same_captions"]]
        rows.append(cells)
    head = ["rounded alone", "weights", "keeps"]
    for t in ("q8_0", "q4_0"):
        head += [f"{t}: regions", "px", "vectors", "logits", "KL", "captions"]
    return table(head, rows)


def group_accuracy(data):
    base = data["few"]
    rows = [["none (f32)"] + [f"{base['figures'][key]:.3f}" for key, _ in ACCURACY if key != "accuracy_free"] +
            ["all"] * 3]
    for g in data["groups"]:
        same = [same_answers(g["eval"]["answers"], base["answers"], m) for m in ("ground", "describe", "caption")]
        rows.append([g["title"]] +
                    [f"{g['eval']['figures'][key]:.3f}" for key, _ in ACCURACY if key != "accuracy_free"] +
                    [f"{s} of {n}" for s, n in same])
    return table(["q4_0 alone", "recall", "precision", "ground", "names", "captions",
                  "ground same", "names same", "captions same"], rows)


def near_ties(data):
    free = data["types"]["f32"]["answers"]["ground_free"]
    near = sorted(free, key=lambda a: a["margin"])[:5]
    return table(["picture", "expression", "margin", "right"],
                 [[f"`{a['image'].split('/')[-1]}`", a["asked"], f"{a['margin']:.4f}",
                   "yes" if a["right"] else "no"] for a in near])


def render(data):
    free = sum(a["right"] for a in data["types"]["f32"]["answers"]["ground_free"])
    parts = {"accuracy": accuracy(data), "answers": answers(data), "drift": drift(data),
             "group_drift": group_drift(data), "group_accuracy": group_accuracy(data),
             "true_shapes": true_shapes(data), "near_ties": near_ties(data),
             "phrases": doc_table.block("ACCURACY.md", "phrases").splitlines(),
             "embedded": doc_table.block("ACCURACY.md", "embedded").splitlines()}
    filled = {key: "\n".join(lines) for key, lines in parts.items()}
    by = {g["title"]: g for g in data["groups"]}
    norms, classes = by["norms, biases, LayerScale"], by["proposer, class heads"]
    vit, head = by["DINOv2, matrices"], by["output head"]
    page = PAGE.format(
        free=free, few=data["n_few"], **filled,
        norms_8=norms["q8_0"]["answers"]["same_captions"], vit_8=vit["q8_0"]["answers"]["same_captions"],
        vit_4=vit["q4_0"]["answers"]["same_captions"], classes=classes["q4_0"]["rounded"],
        classes_4=classes["q4_0"]["answers"]["same_captions"], head_4=small(head["q4_0"]["logits"]["rms"]),
        regions_8=small(by["region encoder, convolutions and linears"]["q8_0"]["vectors"]["rms"]),
        vectors_8=small(data["drift"]["q8_0"]["vectors"]["rms"]),
        hidden_alone=small(vit["q8_0"]["hidden"]["rms"]), hidden_file=small(data["drift"]["q8_0"]["hidden"]["rms"]),
        logits_f16=small(data["drift"]["f16"]["logits"]["max"]))
    return "\n\n".join(fill(block.strip()) for block in page.split("\n\n") if block.strip()) + "\n"


def fill(block):
    """Wraps paragraphs and lists; headings, tables and text between comments stay."""
    if block[0] in "#|<":
        return block
    items = [" ".join(item.split()) for item in block.split("\n- ")]
    items = [items[0]] + ["- " + item for item in items[1:]]
    return "\n".join(textwrap.fill(item, 116, break_long_words=False, break_on_hyphens=False,
                                   subsequent_indent="  " if item.startswith("- ") else "")
                     for item in items)


PAGE = """\
# Accuracy, and what smaller types cost

Made by `scripts/accuracy.py`; do not edit. To make it again: `rm -rf build/accuracy && scripts/accuracy.py`, on a build
with its tests (`make test` makes one) and with 8 GB of memory. It takes about 15 minutes on two idle cores.
`test_cli_accuracy_slow` checks the code against the reference's figures, and q8_0 against bounds.
[GLOSSARY.md](GLOSSARY.md) explains the words.

## The embedded model on the drawn world

groma-mini, as it is built in, on all 120 scenes of `tests/data/world`, greedy answers. `tests/data/world/README.md`
defines each figure. The model never saw these pictures ([TRAINING.md](TRAINING.md)).
`scripts/accuracy.py --embedded` makes this table alone.

{embedded}

## The reference's model on the drawn world

All that follows is measured on `tests/data/models/groma-mini`, which the reference code trained, and whose figures under
that code are known: the official code in fp32 on the same pictures is "reference". Its architecture is that of the
embedded model. A file of f32 equals it. A file of f16, the type of the
checkpoint, holds the same weights. It computes the same too, except on processors with products of bf16, which round
their factors (docs/SPEED-LOG.md).

{accuracy}

A file of a block type keeps the proposer in f16, most of the other vision weights in q8_0, and what is small or
sensitive in f32 ([FORMAT.md](FORMAT.md)). So q4_0 differs from q8_0 in the language model alone. The rows of this
model are not multiples of 256; q4_k and q6_k are therefore shown at true shapes, below.

Free ground answers: {free} of 410 are right in f32; the reference's 0.868 is 356. (The reference does not say which of
them it had right, so the differences cannot be listed.) Two correct programs can differ in an answer only where logits
nearly tie. The table has the five nearest in f32, with the smallest lead of the leading token's logit. (A file of f16 of
these weights moves a logit by {logits_f16} of the largest at most.)

{near_ties}

## How many answers change

{answers}

"The region" is the same if the two boxes overlap by more than half. A caption counts as changed if one letter does.
`--append-boxes` appends a referred box to the picture's regions instead of letting it take part in their choice, so
that the whole prefix's cache serves every question. Its row compares with f32's answers without it.

## How far values move

Each type's file against the f32 file, all 120 pictures. Each model computes a stage from its own values of the stages
before, so errors add up downwards. Regions are matched by overlap (IoU > 0.5), the best pair first. Of a region's two
corners, the one that moved farther counts, in pixels of the picture (224 to 512 wide). Region vectors are those of
f32's boxes, and logits are those at every word of f32's own caption, so that both models are asked the same. "rms" is
relative to the root mean square of f32's values, "worst" to the largest of them. For logits, both are relative to the
largest logit.

{drift}

## Which weights are sensitive

One group of its weights is rounded alone to the type and back, all else is exact, and products are in f32: this
is the error of the weights themselves. (The products of block types also round activations to 8 bits; the table above
includes that.) First {few} pictures.

- "keeps": the type that the group has in every file of block types; T is the type asked for.
- "regions": how many of f32's regions stay, and how many are new.
- "px": how far their corners move, mean.
- "vectors", "logits", "KL": rms of region vectors and logits, and the mean KL divergence, as above.
- "captions": how many of {few} stay as they are, region numbers included.

{group_drift}

The same at q4_0 in answers. One answer is about 1.5 %, so only large differences mean anything; the number of answers
that differ from f32's says more.

{group_accuracy}

The effect on boxes and phrases, with each group alone in a file of that type and multiplied as the type is
(`scripts/precision.py`, on 40 pictures with 290 phrases). "box" and "its score" are the mean changes of the proposed
regions. Regions lost or new have no partner at IoU 0.8. "phrase score" is the mean change of the best region's score in
`ground`. "other region" is the share of phrases whose best region became another one.

{phrases}

What follows for the types of FORMAT.md:

- **Norms, biases and LayerScale stay f32.** They are 0.3 % of the weights. Rounded to q8_0 alone, they change more
captions than any other group does ({norms_8} of {few} stay): a block has one scale for 32 channels of unlike size, and
every later product carries the error.
- **The proposer stays f32 and f16.** The score of a box decides, by thresholds, what the language model sees at all. The
proposer's matrices in q8_0 give 6 % of the phrases another region, as no other group does, and are 0.1 % of Groma-7B's
weights: f16. The class heads, {classes} weights, leave {classes_4} of {few} captions the same in 4 bits, and alone in
q8_0 change 4 % of the phrases. Offsets, box heads and queries change less, and they are smaller still: f32.
- **DINOv2 takes q8_0.** In 4 bits it loses or adds 6 % of the regions and moves every later stage ({vit_4} of {few}
captions stay). In q8_0 it loses or adds 0.5 % ({vit_8} of {few}). f16 would cost 0.3 GB more at Groma-7B's size.
- **The region encoder** makes nearly all of the region vectors' error in q8_0 ({regions_8} of {vectors_8}), and answers
tolerate it. It and the image token bridge tolerate 4 bits nearly as well. q8_0 costs 0.15 GB more at Groma-7B's size and
keeps the error of names and phrases below the language model's own.
- **The output head** costs most in the language model in 4 bits (logits {head_4}): q6_k in 4-bit files.
- **The added embeddings and their head** change words no more than the language model around them, in 8 bits and in 4.
But region tokens come from that head, so in 4 bits they change the scores of phrases most. They are 4 MB of Groma-7B: f32.
The coordinate columns and the box branch would tolerate less; their rows of 2 and 4 fill no block, and they are small: f32.
- **The language model's other parts** differ little from one another at this size. That `v_proj` and `down_proj` deserve
q6_k in some layers is llama.cpp's measurement on large models, which we use.
- **Rounded activations** cost as much as rounded weights: DINOv2's weights in q8_0 alone move its last hidden state by
{hidden_alone}, the q8_0 file by {hidden_file}.

## At Groma-7B's true shapes

`synthetic:groma-7b-2l` on `tests/data/photos/astronaut.png`: the widths, vision layers and vocabulary of Groma-7B, 2
language layers instead of 32, computed weights; 16 words.

{true_shapes}

This shows that every type is computed as it is stored at these widths, and what 4.5 to 16 bits a weight cost in each
stage, in the order of their bits. (q8_0, q6_k and q4_k files have the same vision half, so only their logits differ.) It
does not show how good Groma-7B's answers are, for three reasons. The weights are uniform noise, without the outlier
channels that make trained weights harder to round. There are no objects, so hundreds of proposals crowd at one score, 100
are chosen among near equals, and even f16 exchanges a quarter of them. There are no trained margins between the best and
the second word. Also, two layers add up less error than 32.
"""
