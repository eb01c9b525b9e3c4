"""The released CLIPs' true shapes, in the layouts that they are released in, with made-up weights: they convert, their
heads and sizes are found, and they answer. ViT-B/32 has all its layers, the others have two per tower."""
import json
import math
import os
import struct
import tempfile
import unittest

import torch_file
from program import lines, run, scene

# Image tower: width, layers, heads, patch, pixels. Text tower: width, layers, heads. Features.
SHAPES = {
    "B/32": ((768, 12, 12, 32, 224), (512, 12, 8), 512),
    "B/16": ((768, 2, 12, 16, 224), (512, 2, 8), 512),
    "L/14": ((1024, 2, 16, 14, 224), (768, 2, 12), 768),
    "L/14-336": ((1024, 2, 16, 14, 336), (768, 2, 12), 768),
    "H/14": ((1280, 2, 16, 14, 224), (1024, 2, 16), 1024),
}
VOCABULARY, CONTEXT = 49408, 77
# 256 weights from -0.03 to 0.03, over and over
PATTERN = struct.pack("<256e", *(0.03 * math.sin(37.0 * i) for i in range(256)))


def block(shapes, prefix, width):
    for norm in ("ln_1", "ln_2"):
        shapes[f"{prefix}.{norm}.weight"] = shapes[f"{prefix}.{norm}.bias"] = [width]
    for name, out, into in (("attn.in_proj_", 3 * width, width), ("attn.out_proj.", width, width),
                            ("mlp.c_fc.", 4 * width, width), ("mlp.c_proj.", width, 4 * width)):
        shapes[f"{prefix}.{name}weight"], shapes[f"{prefix}.{name}bias"] = [out, into], [out]


def shapes_of(vision, text, features):
    width, layers, _, patch, pixels = vision
    out = {"visual.class_embedding": [width], "visual.positional_embedding": [(pixels // patch) ** 2 + 1, width],
           "visual.proj": [width, features], "visual.conv1.weight": [width, 3, patch, patch],
           "positional_embedding": [CONTEXT, text[0]], "text_projection": [text[0], features], "logit_scale": [],
           "token_embedding.weight": [VOCABULARY, text[0]]}
    for norm, n in (("visual.ln_pre", width), ("visual.ln_post", width), ("ln_final", text[0])):
        out[f"{norm}.weight"] = out[f"{norm}.bias"] = [n]
    for i in range(layers):
        block(out, f"visual.transformer.resblocks.{i}", width)
    for i in range(text[1]):
        block(out, f"transformer.resblocks.{i}", text[0])
    return out


class Shapes(unittest.TestCase):
    def check(self, name, file, config=None):
        vision, text, features = SHAPES[name]
        shapes = shapes_of(vision, text, features)
        most = -(-max(math.prod(s) for s in shapes.values()) // 256)
        with tempfile.TemporaryDirectory() as folder:
            path, model = os.path.join(folder, file), os.path.join(folder, "model.gguf")
            storage = {"0": (most * 256, (PATTERN for _ in range(most)))}
            torch_file.write_archive(path, {n: ("F16", s, "0") for n, s in shapes.items()}, storage)
            if config:
                with open(os.path.join(folder, "open_clip_config.json"), "w") as out:
                    json.dump(config, out)
            run("convert", path, "-o", model, "--type", "f16", "-q")
            metadata = json.loads(run("inspect", model, "--json")[0])["metadata"]
            [answer] = lines("classify", scene(0), "-m", model, "--classes", "dog,cat", "--method", "clip",
                             "--no-cache")
        keys = {k: v.get("value") for k, v in metadata.items()}
        self.assertEqual([keys[f"clip.{k}"] for k in (
            "image_size", "patch_size", "vision.block_count", "vision.head_count", "text.block_count",
            "text.head_count")], [vision[4], vision[3], vision[1], vision[2], text[1], text[2]])
        self.assertEqual(keys["clip.activation"], "gelu" if config else "quick_gelu")
        self.assertEqual({r["label"] for r in answer["results"]}, {"dog", "cat"})
        self.assertTrue(all(-1 <= r["raw_score"] <= 1 for r in answer["results"]))

    def test_openai(self):
        for name in ("B/32", "B/16", "L/14", "L/14-336"):
            with self.subTest(name):
                self.check(name, f"ViT-{name.replace('/', '-')}.pt")

    def test_open_clip_h14(self):
        config = {"model_cfg": {"embed_dim": 1024,
                                "vision_cfg": {"image_size": 224, "layers": 2, "width": 1280, "head_width": 80,
                                               "patch_size": 14},
                                "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 1024, "heads": 16,
                                             "layers": 2}}}
        self.check("H/14", "open_clip_pytorch_model.bin", config)


if __name__ == "__main__":
    unittest.main()
