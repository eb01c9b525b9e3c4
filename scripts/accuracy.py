#!/usr/bin/env python3
"""Measures the accuracy of each type of model files, and writes docs/ACCURACY.md.

Usage: scripts/accuracy.py [--build DIR] [--work DIR] [--output FILE] [--embedded]

Needs a build with tests (build/release), 8 GB of memory for the true shapes, and about 30 minutes on two
cores. With --embedded only the table of the embedded model is made again, which takes a few minutes. Results are kept in --work (default build/accuracy), one JSON file per step, and not measured
again; remove the folder for a fresh run. The page itself is in accuracy_page.py.
"""
import argparse
import json
import os
import subprocess

import accuracy_page
import doc_table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCENES = os.path.join(ROOT, "tests/data/world/scenes")
PHOTO = os.path.join(ROOT, "tests/data/photos/astronaut.png")
TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0"]
TRUE_TYPES = ["f16", "q8_0", "q6_k", "q4_k"]
TASKS = ["detect", "ground", "describe", "caption"]
FEW = 20  # number of pictures in the tables by group

V = "perceiver.vis_encoder."
D = "perceiver.ddetr_transformer."
R = "region_encoder.roi_align."
# Groups of weights by upstream's names: (title, the type they keep in files of block types, patterns).
GROUPS = [
    ("DINOv2, matrices", "q8_0", [V + "encoder.layer.*.attention.*.weight", V + "encoder.layer.*.mlp.*.weight",
                                 V + "*projection.weight"]),
    ("DINOv2, positions and class token", "f32", [V + "embeddings.position*", V + "embeddings.cls*"]),
    ("proposer, projections and FFNs", "f16",
     ["perceiver.input_proj.0.0.weight", D + "*.value_proj.weight", D + "*.output_proj.weight",
      D + "*.[qkv]_proj.weight", D + "*.out_proj.weight", D + "*.fc[12].weight", D + "enc_output.weight"]),
    ("proposer, sampling offsets and attention weights", "f32",
     [D + "*sampling_offsets.weight", D + "*attention_weights.weight"]),
    ("proposer, class heads", "f32", [D + "class_embed*.weight"]),
    ("proposer, box heads", "f32", [D + "bbox_embed*.weight"]),
    ("proposer, query contents and positions", "f32",
     [D + "pos_trans.weight", D + "query_position_embeddings.weight", D + "level_embed"]),
    ("region encoder, convolutions and linears", "q8_0",
     ["region_encoder.*input_conv.*.weight", "region_encoder.*.conv.weight", R + "pconvs.*.weight",
      R + "flatten_linear.weight", R + "updims.weight"]),
    ("region encoder, coordinates and box branch", "f32",
     ["region_encoder.*.coord", R + "pos_embedd.[03].weight"]),
    ("image token bridge", "q8_0", ["img_txt_bridge.*.weight"]),
    ("token embeddings", "T", ["llm.model.embed_tokens.weight"]),
    ("language model, attention q, k, o", "T", ["llm.*[qko]_proj.weight"]),
    ("language model, attention v", "T", ["llm.*v_proj.weight"]),
    ("language model, FFN gate, up", "T", ["llm.*gate_proj.weight", "llm.*up_proj.weight"]),
    ("language model, FFN down", "T", ["llm.*down_proj.weight"]),
    ("output head", "T", ["llm.lm_head.weight"]),
    ("embeddings of the added tokens", "f32", ["new_input_embs.weight"]),
    ("head of the added tokens", "f32", ["extra_lm_head.weight"]),
    ("norms, biases, LayerScale", "f32",
     ["*.bias", "*norm*.weight", "*.lambda1", "*.gn.weight", "perceiver.input_proj.0.1.weight",
      R + "pos_embedd.[25].weight"]),
]
KEPT = ",".join(p for _, kept, patterns in GROUPS if kept in ("f32", "f16")
                for p in patterns)
SUMS = [("all that stay f32 or f16", KEPT), ("all weights", "*")]


class Measure:
    def __init__(self, build, work):
        self.program = os.path.join(build, "gromatic")
        self.tool = os.path.join(build, "tests/test_tool_drift")
        self.embedded = os.path.join(build, "src/embed/groma-mini.gguf")
        self.work = work
        os.makedirs(work, exist_ok=True)

    def kept(self, name, measure):
        """The step's result: kept from an earlier run, else measured now."""
        path = os.path.join(self.work, name + ".json")
        if not os.path.exists(path):
            print("measuring", name, flush=True)
            result = measure()
            with open(path + ".new", "w") as file:
                json.dump(result, file)
            os.rename(path + ".new", path)
        with open(path) as file:
            return json.load(file)

    def lines(self, *command):
        out = subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, text=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def model(self, name, source=os.path.join(ROOT, "tests/data/models/groma-mini"), prefix=""):
        path = os.path.join(self.work, prefix + name + ".gguf")
        if not os.path.exists(path):
            subprocess.run([self.program, "convert", source, "-o", path, "--type", name, "-q"], check=True)
        return path

    def eval(self, model, tasks, *options):
        """{"figures": {measure: value}, "answers": {method: [...]}}"""
        figures, answers = {}, {}
        for line in self.lines(self.program, "eval", *tasks, "-v", "--json", "-m", model, "--coco",
                               os.path.join(SCENES, "annotations.json"), "--refs",
                               os.path.join(SCENES, "referring.json"), *options):
            if "set" in line:
                figures.update(line)
            else:
                answers.setdefault(line["method"], []).append(line)
        return {"figures": figures, "answers": answers}

    def pictures(self, most=None):
        with open(os.path.join(SCENES, "annotations.json")) as file:
            return [os.path.join(SCENES, "images", i["file_name"]) for i in json.load(file)["images"]][:most]

    def drift(self, reference, others, pictures, *options):
        return self.lines(self.tool, *options, reference, *others, "--", *pictures)

    def eval_group(self, patterns):
        path = os.path.join(self.work, "rounded.gguf")
        self.lines(self.tool, "round", f"{self.model('f32')}@q4_0:{patterns}", path)
        result = self.eval(path, TASKS, "--limit", FEW)
        os.remove(path)
        return result

    def table_of_embedded(self):
        figures, sizes = {}, {}
        for name in TYPES:
            path = self.model(name, self.embedded, "embedded-")
            figures[name] = self.kept("embedded-" + name, lambda p=path: self.eval(p, TASKS))["figures"]
            sizes[name] = os.path.getsize(path)
        return accuracy_page.embedded(figures, sizes)

    def all(self):
        types = {t: self.kept("eval-" + t, lambda t=t: self.eval(self.model(t), TASKS)) for t in TYPES}
        appended = {t: self.kept("append-" + t,
                                 lambda t=t: self.eval(self.model(t), ["describe"], "--append-boxes"))
                    for t in TYPES}
        drift = self.kept("drift", lambda: self.drift(
            self.model("f32"), [self.model(t) for t in TYPES[1:]], self.pictures()))
        rows = [(title, kept, ",".join(patterns)) for title, kept, patterns in GROUPS]
        rows += [(title, "", patterns) for title, patterns in SUMS]
        few = self.kept("few-f32", lambda: self.eval(self.model("f32"), TASKS, "--limit", FEW))
        by_group = self.kept("drift-groups", lambda: self.drift(
            self.model("f32"), [f"{self.model('f32')}@{t}:{p}" for _, _, p in rows for t in ("q8_0", "q4_0")],
            self.pictures(FEW)))
        groups = []
        for i, (title, kept, patterns) in enumerate(rows):
            groups.append({"title": title, "kept": kept, "q8_0": by_group[2 * i], "q4_0": by_group[2 * i + 1],
                           "eval": self.kept(f"group-{i}", lambda p=patterns: self.eval_group(p))})
        true = self.kept("true-shapes", lambda: self.drift(
            "synthetic:groma-7b-2l", ["synthetic:groma-7b-2l:" + t for t in TRUE_TYPES], [PHOTO], "-n", 16))
        return {"types": types, "appended": appended, "drift": dict(zip(TYPES[1:], drift)),
                "groups": groups, "few": few, "true": dict(zip(TRUE_TYPES, true)), "n_few": FEW,
                "sizes": {t: os.path.getsize(self.model(t)) for t in TYPES}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    parser.add_argument("--work", default=os.path.join(ROOT, "build/accuracy"))
    parser.add_argument("--output", default=os.path.join(ROOT, "docs/ACCURACY.md"))
    parser.add_argument("--embedded", action="store_true")
    args = parser.parse_args()
    measure = Measure(args.build, args.work)
    doc_table.write("ACCURACY.md", "embedded", measure.table_of_embedded())
    if args.embedded:
        return
    page = accuracy_page.render(measure.all())
    with open(args.output, "w") as file:
        file.write(page)


if __name__ == "__main__":
    main()
