"""Sources of convert that are not checkpoints, its messages after success, and model files whose keys ask for
what is not computed."""
import json
import os
import shutil
import struct
import tempfile
import unittest

import clip_variants
import torch_file
from program import DATA, run, scene

MODELS = os.environ["GM_MODELS"]
CLIP, GROMA = os.path.join(MODELS, "clip-mini"), os.path.join(DATA, "models", "groma-mini")
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 7078740\n"
PAGE = b"\n<!DOCTYPE html><html><head><title>Error 404</title></head></html>" * 3


class Sources(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.model = os.path.join(self.folder, "model.gguf")

    def copy(self, source, name, **files):
        """The folder with files replaced by bytes, None (removed) or a link's target."""
        out = os.path.join(self.folder, name)
        shutil.copytree(source, out)
        for file, content in files.items():
            path = os.path.join(out, file.replace("__", "."))
            if os.path.lexists(path):
                os.remove(path)
            if isinstance(content, str):
                os.symlink(content, path)
            elif content is not None:
                with open(path, "wb") as stream:
                    stream.write(content)
        return out

    def refused(self, source, *words, **how):
        _, err = run("convert", source, "-o", self.model, "-q", **{"code": 3, **how})
        for word in words:
            self.assertIn(word, err)

    def test_placeholders(self):
        nowhere = "/nonexistent/blobs/abc"
        weights = "model__safetensors"
        self.refused(self.copy(CLIP, "a", **{weights: POINTER}), "model.safetensors: found a Git LFS pointer",
                     "git lfs pull")
        self.refused(self.copy(CLIP, "b", **{weights: PAGE}), "model.safetensors: found a web page")
        self.refused(self.copy(CLIP, "c", **{weights: b""}), "model.safetensors: found an empty file")
        self.refused(self.copy(CLIP, "d", **{weights: nowhere}), "found a link to " + nowhere)
        self.refused(self.copy(CLIP, "e", config__json=PAGE), "config.json: found a web page")
        self.refused(self.copy(CLIP, "f", tokenizer_config__json=nowhere), "tokenizer_config.json: found a link to")
        self.refused(self.copy(GROMA, "g", tokenizer__model=POINTER), "tokenizer.model: found a Git LFS pointer")
        self.refused(self.copy(CLIP, "h", **{weights: None, "pytorch_model__bin": POINTER}),
                     "pytorch_model.bin: found a Git LFS pointer")
        for name, content, word in (("x.gguf", POINTER, "Git LFS pointer"), ("y.pt", PAGE, "a web page")):
            path = os.path.join(self.folder, name)
            with open(path, "wb") as file:
                file.write(content)
            self.refused(path, word)
        _, err = run("classify", scene(0), "-m", os.path.join(self.folder, "x.gguf"), "--classes", "a,b", code=3)
        self.assertIn("Git LFS pointer", err)

    def test_incomplete(self):
        with open(os.path.join(CLIP, "model.safetensors"), "rb") as file:
            weights = file.read()
        self.refused(self.copy(CLIP, "variant", model__safetensors=None, model__fp16__safetensors=weights),
                     "but model.fp16.safetensors: give the file itself")
        part = "model-00001-of-00002__safetensors"
        self.refused(self.copy(CLIP, "no_index", **{"model__safetensors": None, part: weights}),
                     "found model-00001-of-00002.safetensors, but not the .index.json")
        index = json.dumps({"weight_map": {"logit_scale": "model-00002-of-00002.safetensors"}}).encode()
        self.refused(self.copy(CLIP, "no_part", **{"model__safetensors": None, part: weights,
                                                   "model__safetensors__index__json": index}),
                     "a part that the index names is missing", "model-00002-of-00002.safetensors")
        self.refused(self.copy(CLIP, "no_tensor", **{"model__safetensors": None,
                                                     "model__safetensors__index__json": b'{"weight_map": {}}'}),
                     "model.safetensors.index.json: found 0 tensors")

    def test_other_encodings(self):
        with open(os.path.join(CLIP, "config.json")) as file:
            text = file.read()
        self.refused(self.copy(CLIP, "utf16", config__json=text.encode("utf-16")), "config.json: line 1", "UTF-8")
        latin = text.replace("CLIPModel", "CLIPM\u00f6del").encode("latin-1")
        self.refused(self.copy(CLIP, "latin", config__json=latin), "config.json: line 3", "UTF-8")

    def test_its_own_source(self):
        run("convert", CLIP, "-o", self.model, "-q")
        with open(self.model, "rb") as file:
            before = file.read()
        os.symlink(self.model, os.path.join(self.folder, "link.gguf"))
        for destination in (self.model, os.path.join(self.folder, "link.gguf")):
            _, err = run("convert", self.model, "-o", destination, "--type", "q8_0", "-q", "--force", code=2)
            self.assertIn("which this run reads", err)
        with open(self.model, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_types_that_differ_are_told(self):
        """Counted from the output of inspect."""
        _, err = run("convert", GROMA, "-o", self.model, "--type", "q4_k", "-q")
        tensors = json.loads(run("inspect", self.model, "--json", "--tensors")[0])["tensors"]
        kinds = {}
        for t in tensors:
            note = t.get("note", "")
            rows = ("rows no multiple of 256" if "block does not divide" in note else
                    "rows no multiple of 32" if "no block" in note else
                    "small or sensitive" if note == "kept in f32" else
                    "more precision than q4_k where it matters")
            if t["type"] != "q4_k":
                kinds[t["type"], rows] = kinds.get((t["type"], rows), 0) + 1
        [line] = err.splitlines()
        self.assertTrue(line.startswith(f"{sum(kinds.values())} of {len(tensors)} tensors are not q4_k: "), line)
        self.assertGreater(len(kinds), 4)
        for (kind, why), n in kinds.items():
            self.assertIn(f"{n} {kind} ({why})", line)
        _, err = run("convert", GROMA, "-o", self.model, "--type", "f16", "-q", "--force")
        self.assertEqual(err, "")

    def test_f64_is_rounded_to_nearest(self):
        tensors = torch_file.read_safetensors(os.path.join(CLIP, "model.safetensors"))
        double = clip_variants.doubles(tensors)
        name = "text_model.final_layer_norm.bias"
        values = [1 + 2.0 ** -24, 1 + 2.0 ** -24 + 2.0 ** -40, 1e-46, -0.1] * 32  # a tie, above it, below f32, plain
        double[name] = "F64", [128], struct.pack("<128d", *values)
        tensors[name] = "F32", [128], struct.pack("<128f", *[1.0, 1 + 2.0 ** -23, 0.0, -0.1] * 32)
        for key, (_, _, content) in double.items():
            if key != name:
                n = len(content) // 8
                tensors[key] = "F32", tensors[key][1], struct.pack(f"<{n}f", *struct.unpack(f"<{n}d", content))
        sums = {}
        for kind, content in (("f32", tensors), ("f64", double)):
            folder = self.copy(CLIP, kind)
            clip_variants.write_safetensors(os.path.join(folder, "model.safetensors"), content)
            out, err = run("convert", folder, "-o", self.model, "--type", "f32", "-q", "-v", "--force")
            self.assertEqual("rounded from f64" in err, kind == "f64")
            listed = json.loads(run("inspect", self.model, "--json", "--tensors")[0])["tensors"]
            sums[kind] = {t["name"]: t["sha256"] for t in listed}
        self.assertEqual(sums["f64"], sums["f32"])

    def test_keys_that_are_not_known(self):
        """Renames a key without meaning (general.quantization_version) to one that would have a meaning."""
        old = b"general.quantization_version"
        for source, key in ((CLIP, b"clip.vision.rotary_embedding"), (GROMA, b"groma.llm.rope_scaling_type1"),
                            (CLIP, b"tokenizer.ggml.normalizer_v2"), (GROMA, b"tokenizer.ggml.normalizer_v2"),
                            (GROMA, b"llama.attention.sliding_wind")):
            self.assertEqual(len(key), len(old))
            run("convert", source, "-o", self.model, "-q", "--force")
            with open(self.model, "rb") as file:
                content = file.read()
            self.assertEqual(content.count(old), 1)
            with open(self.model, "wb") as file:
                file.write(content.replace(old, key))
            command = ("classify", "--classes", "a,b", "--method", "clip") if source == CLIP else ("detect",)
            _, err = run(*command, scene(0), "-m", self.model, code=3)
            self.assertIn(f"found key {key.decode()}, which is not known here", err)

    def test_ways_of_the_tokenizer(self):
        run("convert", GROMA, "-o", self.model, "-q")
        with open(self.model, "rb") as file:
            content = bytearray(file.read())
        key = b"tokenizer.ggml.add_space_prefix"
        at = content.index(key) + len(key) + 4
        self.assertEqual(content[at], 1)
        content[at] = 0
        with open(self.model, "wb") as file:
            file.write(content)
        _, err = run("detect", scene(0), "-m", self.model, code=3)
        self.assertIn("add_space_prefix: found false", err)


if __name__ == "__main__":
    unittest.main()
