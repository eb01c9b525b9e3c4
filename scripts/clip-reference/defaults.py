#!/usr/bin/env python3
"""Writes the members of CLIP's and Groma's files as transformers writes them by default,
into tests/data/golden/transformers_defaults.json, for tests/cli/test_convert_defaults.py:

    ENV/bin/python scripts/clip-reference/defaults.py

with the environments of transformers-4 and transformers-5 (see reference.py)."""
import json
import os

import transformers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOLDEN = os.path.join(ROOT, "tests", "data", "golden", "transformers_defaults.json")
CLASSES = ("CLIPConfig", "LlamaConfig", "Dinov2Config", "DeformableDetrConfig", "GenerationConfig",
           "CLIPImageProcessor", "BitImageProcessor")


def main():
    found = {}
    if os.path.exists(GOLDEN):
        with open(GOLDEN, encoding="utf-8") as file:
            found = json.load(file)
    found[transformers.__version__] = {name: getattr(transformers, name)().to_dict() for name in CLASSES}
    with open(GOLDEN, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
