#!/usr/bin/env python3
"""Which tensors of Groma need precision: each group of groma-mini's tensors alone in a smaller type,
the others in f32, against f32 throughout. Writes the table of docs/ACCURACY.md; one group is printed only. (Half precision is not
tried: the checkpoint is in it.)

Usage: .venv/bin/python scripts/precision.py [PROGRAM [GROUP]]   (default build/release/gromatic, all)
"""

import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
from gguf import GGMLQuantizationType as Type, GGUFReader, GGUFWriter, quants

import doc_table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build/release/gromatic")
ONLY = sys.argv[2] if len(sys.argv) > 2 else ""
SCENES = os.path.join(ROOT, "tests/data/world/scenes")
STEP = 3  # every third scene

GROUPS = [
    ("DINOv2: attention and MLP", r"(vis_encoder|dinov2).*(query|key|value|dense|fc1|fc2)\.weight", "q8_0 q4_0"),
    ("proposer: values, outputs, FFN, input", r"(ddetr.*(value_proj|output_proj|[qkv]_proj|out_proj|fc1|fc2)|enc_output|input_proj.0.0)\.weight", "q8_0 q4_0"),
    ("proposer: sampling offsets", r"sampling_offsets.weight", "q8_0"),
    ("proposer: attention weights", r"attention_weights.weight", "q8_0"),
    ("proposer: class heads", r"class_embed.*weight", "q8_0"),
    ("proposer: box heads", r"bbox_embed.*weight", "q8_0"),
    ("proposer: query position (pos_trans)", r"pos_trans.weight", "q8_0"),
    ("proposer: query contents", r"query_position_embeddings", "q8_0"),
    ("region encoder: convolutions, flatten", r"(input_conv.*weight|fuse_convs.*conv|pconvs.*weight|flatten_linear.weight|updims.weight)", "q8_0 q4_0"),
    ("region encoder: box branch", r"pos_embedd.[03].weight", "q8_0"),
    ("image tokens", r"img_txt_bridge.*weight", "q8_0 q4_0"),
    ("LLM: token embeddings", r"embed_tokens", "q8_0 q4_0"),
    ("LLM: added embeddings and head", r"(new_input_embs|extra_lm_head)", "q8_0 q4_0"),
    ("LLM: attention q, k, o", r"llm.*[qko]_proj", "q8_0 q4_0"),
    ("LLM: attention v", r"llm.*v_proj", "q8_0 q4_0"),
    ("LLM: FFN gate, up", r"llm.*(gate|up)_proj", "q8_0 q4_0"),
    ("LLM: FFN down", r"llm.*down_proj", "q8_0 q4_0"),
    ("LLM: head", r"llm.lm_head", "q8_0 q4_0"),
]


def copy_key(writer, field):
    kind = field.types[0]
    sub = field.types[-1] if len(field.types) > 1 else None
    writer.add_key_value(field.name, field.contents(), kind, sub_type=sub)


def write_mixed(path, reader, pattern, kind):
    """The model with the tensors of one group in another type; False if no tensor fits."""
    writer = GGUFWriter(path, "groma")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in ("general.architecture", "gromatic.tensor_sha256"):
            copy_key(writer, field)
    changed = 0
    for t in reader.tensors:
        data = np.array(t.data)
        name = t.name
        chosen = re.search(pattern, name) and data.shape[-1] % 32 == 0
        if not chosen:
            writer.add_tensor(name, data)
        else:
            writer.add_tensor(name, quants.quantize(data, Type[kind.upper()]), raw_dtype=Type[kind.upper()])
        changed += bool(chosen)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return changed


def run(*args):
    out = subprocess.run([PROGRAM, *args, "--json"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def results(model, pictures, phrases):
    boxes = [r["regions"] for r in run("detect", "-m", model, *pictures)]
    scores = []
    for picture, expressions in zip(pictures, phrases):
        if expressions:
            answer = run("ground", "-m", model, picture, *expressions)[0]
            scores += [r["regions"] for r in answer["results"]]
    return boxes, scores


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(w, 0) * max(h, 0)
    area = lambda c: (c[2] - c[0]) * (c[3] - c[1])
    return inter / (area(a) + area(b) - inter)


def compare(ours, exact):
    """Mean shift of a box (pixels) and of its score, regions without a partner, mean shift of the best
    phrase score, phrases whose best region is another."""
    shift, score, lost, total = [], [], 0, 0
    for mine, theirs in zip(ours[0], exact[0]):
        total += len(theirs)
        for region in theirs:
            best = max(mine, key=lambda m: iou(m["box"], region["box"]))
            if iou(best["box"], region["box"]) < 0.8:
                lost += 1
                continue
            shift.append(np.abs(np.subtract(best["box"], region["box"])).mean())
            score.append(abs(best["score"] - region["score"]))
    change, other = [], 0
    for mine, theirs in zip(ours[1], exact[1]):
        top = theirs[0]
        other += iou(mine[0]["box"], top["box"]) < 0.8
        change.append(abs(mine[0]["score"] - top["score"]))
    return (np.mean(shift), np.mean(score), 100 * lost / total, np.mean(change), 100 * other / len(ours[1]))


def main():
    with open(os.path.join(SCENES, "referring.json")) as file:
        referring = json.load(file)
    names = sorted(os.listdir(os.path.join(SCENES, "images")))
    chosen = range(0, len(names), STEP)
    pictures = [os.path.join(SCENES, "images", names[i]) for i in chosen]
    phrases = [[r["expression"] for r in referring if r["image_id"] == i + 1] for i in chosen]
    table = ("| alone in a smaller type | type | box, px | its score | regions lost or new | phrase score | other region |\n"
             "|---|---|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "f32.gguf")
        subprocess.run([PROGRAM, "convert", os.path.join(ROOT, "tests/data/models/groma-mini"), "-o", base, "--type", "f32", "-q"], check=True)
        exact = results(base, pictures, phrases)
        reader = GGUFReader(base)
        for label, pattern, kinds in GROUPS:
            for kind in kinds.split() if ONLY in label else []:
                path = os.path.join(folder, "mixed.gguf")
                if not write_mixed(path, reader, pattern, kind):
                    sys.exit(f"no tensor fits {pattern}")
                row = compare(results(path, pictures, phrases), exact)
                line = "| %s | %s | %.3f | %.4f | %.1f %% | %.4f | %.1f %% |" % (label, kind, *row)
                print(line, flush=True)
                table += line + "\n"
    if not ONLY:
        doc_table.write("ACCURACY.md", "phrases", table)


main()
