#!/usr/bin/env python3
"""Computes with the real libraries the values that tests/cli/test_clip_variants.py compares with, and writes them into
tests/data/golden/clip_variants.json. Each library has an environment of its own:

    python3 -m venv ENV && ENV/bin/pip install -r scripts/clip-reference/LIBRARY.txt
    ENV/bin/python scripts/clip-reference/reference.py LIBRARY

with LIBRARY transformers-4, transformers-5 or open_clip."""
import importlib.metadata
import json
import os
import sys
import tempfile
import warnings

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "cli"))
import clip_variants as variants  # noqa: E402

DATA = os.path.join(ROOT, "tests", "data")
GOLDEN = os.path.join(DATA, "golden", "clip_variants.json")
TEXTS = [variants.TEXT.format(c) for c in variants.CLASSES]


def by_transformers(folder, picture):
    import torch
    from transformers import CLIPModel, CLIPProcessor
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = CLIPProcessor.from_pretrained(folder)(text=TEXTS, images=picture, return_tensors="pt", padding=True)
    with torch.no_grad():
        out = model(**inputs)
    return torch.nn.functional.cosine_similarity(out.text_embeds, out.image_embeds).tolist()


def by_open_clip(folder, picture):
    import open_clip
    import torch
    model, _, pre = open_clip.create_model_and_transforms("local-dir:" + folder)
    tokenizer = open_clip.get_tokenizer("local-dir:" + folder)
    model.eval()
    with torch.no_grad():
        image, text = model.encode_image(pre(picture)[None]), model.encode_text(tokenizer(TEXTS))
    return torch.nn.functional.cosine_similarity(text, image).tolist()


def main():
    library = sys.argv[1]
    warnings.filterwarnings("ignore")
    from PIL import Image
    picture = Image.open(os.path.join(DATA, variants.PICTURE)).convert("RGB")
    packages = ["torch", "torchvision", "pillow"]
    packages += ["open_clip_torch"] if library == "open_clip" else ["transformers", "tokenizers"]
    with tempfile.TemporaryDirectory() as folder:
        if library == "open_clip":
            made, compute = variants.open_clip(DATA, folder), by_open_clip
        else:
            made, compute = variants.huggingface(os.path.join(ROOT, "models"), folder), by_transformers
        cosines = {name: [round(c, 6) for c in compute(path, picture)] for name, path in made.items()}
    golden = {}
    if os.path.exists(GOLDEN):
        with open(GOLDEN) as file:
            golden = json.load(file)
    golden[library] = {"versions": {p: importlib.metadata.version(p).split("+")[0] for p in packages},
                       "cosines": cosines}
    lines = json.dumps(dict(sorted(golden.items())), indent=1)
    with open(GOLDEN, "w") as file:
        file.write(lines.replace("[\n    ", "[").replace(",\n    ", ", ").replace("\n   ]", "]") + "\n")


if __name__ == "__main__":
    main()
