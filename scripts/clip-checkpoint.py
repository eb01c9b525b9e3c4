#!/usr/bin/env python3
"""Writes a CLIP model file in Hugging Face's layout as the checkpoint that models/clip-mini is.

Usage: clip-checkpoint.py MODEL.gguf LIKE OUT

LIKE is a checkpoint folder of the same shape, from which configuration and tokenizer are copied. OUT gets those and
model.safetensors, with matrices in f16 and vectors in f32 if the model file has them so. What transformers computes
from OUT is what gromatic computes from MODEL.gguf. Needs numpy, gguf and safetensors (scripts/venv.sh).
"""
import os
import shutil
import sys

import numpy as np
from gguf import GGUFReader
from safetensors.numpy import load_file, save_file


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.split("\n\n")[1])
    source, like, out = sys.argv[1:]
    reader = GGUFReader(source)
    if reader.fields["clip.layout"].contents() != "huggingface":
        sys.exit(f"{source}: wanted the layout huggingface")
    wanted = load_file(os.path.join(like, "model.safetensors"))
    found = {tensor.name: tensor.data for tensor in reader.tensors}
    # Our one number that a checkpoint keeps as a tensor, and as its logarithm.
    found["logit_scale"] = np.array(np.log(reader.fields["clip.logit_scale"].contents()), np.float32)
    if set(found) != set(wanted):
        sys.exit(f"{source} and {like} have different tensors: {sorted(set(found) ^ set(wanted))[:5]}")
    # The patch kernel is a matrix in ours.
    tensors = {name: np.array(data).reshape(wanted[name].shape) for name, data in found.items()}
    os.makedirs(out)
    for name in os.listdir(like):
        if name != "model.safetensors":
            shutil.copy(os.path.join(like, name), out)
    weights = os.path.join(out, "model.safetensors")
    save_file(tensors, weights, metadata={"format": "pt"})
    os.chmod(weights, 0o644)


if __name__ == "__main__":
    main()
