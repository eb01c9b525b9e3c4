"""The errors of ggml's own quantiser on fixed rows: the oracle of tests/test_quantiser_golden.c.

    python tests/python/quantiser_golden.py /path/to/libggml-base.so

The library is the one that llama-cpp-python installs (llama_cpp/lib/libggml-base.so), or the
target ggml-base built from the sources in its sdist (version in the JSON). Writes
tests/data/golden-quant/ggml.json: {rows: {type: root of the mean squared error}}, where a row
set is one of make_rows() or a tensor of a committed checkpoint, quantised without importance
weights.
"""

import ctypes
import json
import pathlib
import struct
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TYPES = {"q4_k": (12, 144), "q6_k": (14, 210)}
TENSORS = {
    "groma-mini": [
        "perceiver.vis_encoder.encoder.layer.0.mlp.fc1.weight",
        "region_encoder.roi_align.flatten_linear.weight",
        "llm.model.layers.0.mlp.down_proj.weight",
        "llm.model.embed_tokens.weight",
    ],
    "clip-mini": [
        "text_model.embeddings.token_embedding.weight",
        "vision_model.encoder.layers.1.mlp.fc1.weight",
    ],
}


def splitmix64(seed, n):
    """n outputs of SplitMix64, as in src/base/rng.h."""
    z = (numpy.arange(1, n + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)) + numpy.uint64(seed)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def uniform(seed, n):
    return (splitmix64(seed, n) >> numpy.uint64(40)).astype(numpy.float32) * numpy.float32(2.0**-24)


def make_rows():
    """Row sets of 16 x 1024, all of sums and products that are exact or correctly rounded, so
    that the C test makes the same bits."""
    n = 16 * 1024
    one = numpy.float32(1)
    # The sum of 12 uniform numbers minus 6: mean 0, variance 1, nearly normal.
    u = uniform(1, 12 * n).reshape(n, 12)
    normal = numpy.zeros(n, numpy.float32)
    for k in range(12):
        normal = normal + u[:, k]
    normal = normal - numpy.float32(6)
    rows = {"normal": normal, "uniform": uniform(2, n)}
    rows["outliers"] = numpy.where(uniform(3, n) < numpy.float32(1 / 64), normal * numpy.float32(16), normal)
    rows["one-sided"] = numpy.abs(normal) + one
    rows["cubed"] = normal * normal * normal
    rows["tiny"] = normal * numpy.float32(2.0**-14)
    rows["sparse"] = numpy.where(uniform(4, n) < numpy.float32(0.9), numpy.float32(0), normal)
    return rows


def model_tensors():
    for model, names in TENSORS.items():
        folder = ROOT / "tests/data/models" if model == "groma-mini" else ROOT / "models"
        data = (folder / model / "model.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        for name in names:
            entry = header[name]
            begin, end = (8 + length + o for o in entry["data_offsets"])
            kind = {"F32": "<f4", "F16": "<f2"}[entry["dtype"]]
            values = numpy.frombuffer(data[begin:end], kind).astype(numpy.float32)
            yield f"{model}/{name}", values[: len(values) // 256 * 256]


def errors(ggml, x):
    x = numpy.ascontiguousarray(x, numpy.float32)
    result = {}
    for name, (number, block_bytes) in TYPES.items():
        packed = (ctypes.c_uint8 * (len(x) // 256 * block_bytes))()
        back = numpy.zeros(len(x), numpy.float32)
        pointer = x.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        size = ggml.ggml_quantize_chunk(
            ctypes.c_int(number), pointer, packed, ctypes.c_int64(0),
            ctypes.c_int64(len(x) // 256), ctypes.c_int64(256), None,
        )
        assert size == len(packed)
        unpack = getattr(ggml, f"dequantize_row_{name[:-1]}K")
        unpack(packed, back.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), ctypes.c_int64(len(x)))
        result[name] = float(numpy.sqrt(numpy.mean((back.astype(float) - x) ** 2)))
    return result


def main():
    ggml = ctypes.CDLL(sys.argv[1])
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    version = sys.argv[2] if len(sys.argv) > 2 else "0.3.36"
    found = {"source": f"ggml of llama-cpp-python {version}", "rows": {}}
    for name, x in [*make_rows().items(), *model_tensors()]:
        found["rows"][name] = {"n": len(x)} | errors(ggml, x)
    target = ROOT / "tests/data/golden-quant/ggml.json"
    target.write_text(json.dumps(found, indent=1) + "\n")
    print(target.read_text())


if __name__ == "__main__":
    main()
