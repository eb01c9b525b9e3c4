"""CLIP's peers: open_clip in PyTorch, and its towers in onnxruntime, fp32 and dynamic int8; random weights.

Images: 60 square crops of one decoded picture -> open_clip's own preprocessing -> unit features. Texts: 50
strings -> tokenizer -> unit features. Exported towers are kept in a directory, since exporting takes longer
than all runs.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import peer_torch

CROPS, TEXTS = 60, 50
NAMES = {"clip-vit-b-32": "ViT-B-32-quickgelu", "clip-vit-l-14": "ViT-L-14-quickgelu"}


def picture(width=640, height=480, seed=1):
    """Smooth noise: the time depends on its size, not on its content."""
    from PIL import Image
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.BICUBIC)


def crops(image, n=CROPS, low=0.5, high=0.9, seed=2):
    """Random squares as WCA draws them: side low..high of the shorter side."""
    rng, out = np.random.default_rng(seed), []
    for _ in range(n):
        side = int(rng.uniform(low, high) * min(image.size))
        x, y = rng.integers(0, image.width - side + 1), rng.integers(0, image.height - side + 1)
        out.append((int(x), int(y), int(x) + side, int(y) + side))
    return out


def strings(n=TEXTS):
    kinds = ["bird", "dog", "boat", "flower", "car"]
    return [f"a photo of a {kinds[i % 5]}, which has {i + 2} spots, a long tail and small round ears, number {i}."
            for i in range(n)]


class VisionTower(nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, pixels):
        return F.normalize(self.clip.encode_image(pixels).float(), dim=-1)


class TextTower(nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, ids):
        return F.normalize(self.clip.encode_text(ids).float(), dim=-1)


def _model(shape):
    import open_clip
    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms(NAMES[shape], pretrained=None)
    return model.eval(), preprocess, open_clip.get_tokenizer(NAMES[shape])


def _tower(model, kind):
    return (VisionTower if kind == "vision" else TextTower)(model).eval()


def _torch_tower(model, kind, variant):
    tower = _tower(model, kind)
    if variant.startswith("bf16"):
        tower = tower.to(torch.bfloat16)
    if variant == "int8":
        tower = peer_torch.dynamic_int8(tower)
    if variant.endswith("compiled"):
        tower = torch.compile(tower)
    dtype = torch.bfloat16 if variant.startswith("bf16") and kind == "vision" else None

    def run(x):
        with torch.inference_mode():
            return tower(x.to(dtype) if dtype else x).float().numpy()
    return run


def export(shape, kind, directory, model=None):
    """The tower as ONNX, fp32 and dynamically quantised to int8, if it does not exist yet; returns both paths."""
    from onnxruntime.quantization import QuantType, quantize_dynamic
    plain, int8 = (os.path.join(directory, f"{shape}-{kind}{end}.onnx") for end in ("", ".int8"))
    if os.path.exists(int8):
        return plain, int8
    model = model or _model(shape)[0]
    size = model.visual.image_size[0]
    example = torch.zeros(2, 3, size, size) if kind == "vision" else torch.zeros(2, 77, dtype=torch.long)
    torch.backends.mha.set_fastpath_enabled(False)
    torch.onnx.export(_tower(model, kind), (example,), plain, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, dynamo=False, opset_version=17)
    quantize_dynamic(plain, int8, weight_type=QuantType.QInt8)
    return plain, int8


def _ort_tower(model, shape, kind, variant, directory):
    import onnxruntime as ort
    plain, int8 = export(shape, kind, directory, model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = ort.InferenceSession(int8 if variant == "ort-int8" else plain, options,
                                   providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x.numpy()})[0]


def make(shape, kind, variant, directory, count=CROPS):
    """kind: vision or text; count: of crops; variant: fp32, int8, bf16, bf16-compiled, ort-fp32, ort-int8."""
    model, preprocess, tokenizer = _model(shape)
    tower = (_ort_tower(model, shape, kind, variant, directory) if variant.startswith("ort")
             else _torch_tower(model, kind, variant))
    if kind == "text":
        texts = strings()
        return lambda: tower(tokenizer(texts))
    image = picture()
    boxes = crops(image, int(count))
    return lambda: tower(torch.stack([preprocess(image.crop(box)) for box in boxes]))
