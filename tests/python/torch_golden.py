"""The contents of PyTorch archives, read by Python's zipfile and pickle: the oracle of
tests/test_torch_archive.c.

    python tests/python/torch_golden.py

writes tests/data/golden-torch/NAME.json: {tensor: {dtype, shape, crc32, first, last}}, where
crc32 is over all elements as little-endian f32 in row-major order.
"""

import json
import pathlib
import pickle
import struct
import zipfile
import zlib

import numpy

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
SOURCES = {
    "groma-tiny": sorted((DATA / "models/groma-tiny").glob("pytorch_model-*.bin")),
    "clip-tiny": [DATA / "models/clip-tiny/openai-torchscript.pt"],
}
NUMPY = {"Half": "<f2", "Float": "<f4", "Double": "<f8", "Long": "<i8", "Int": "<i4"}


class Module(dict):
    """A TorchScript module: its attributes."""

    def __setstate__(self, state):
        self.update(state)


def rebuild(storage, offset, shape, stride, *_):
    dtype, values = storage
    item = values.dtype.itemsize
    view = numpy.lib.stride_tricks.as_strided(
        values[offset:], shape, [s * item for s in stride]
    )
    return dtype, view


class Reader(pickle.Unpickler):
    def __init__(self, archive, prefix):
        super().__init__(archive.open(prefix + "/data.pkl"))
        self.archive, self.prefix = archive, prefix

    def find_class(self, module, name):
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        if module == "torch" and name.endswith("Storage"):
            return name.removesuffix("Storage")
        if module.split(".")[0] == "__torch__":
            return Module
        raise ValueError(f"{module}.{name}")

    def persistent_load(self, id):
        _, dtype, key, _, count = id
        data = self.archive.read(f"{self.prefix}/data/{key}")
        values = numpy.frombuffer(data, NUMPY[dtype])
        assert len(values) == count
        return dtype, values


def tensors(node, path=""):
    for name, value in node.items():
        if isinstance(value, dict):
            yield from tensors(value, path + name + ".")
        elif isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], numpy.ndarray):
            yield path + name, value


def describe(dtype, values):
    flat = numpy.ascontiguousarray(values, "<f4").tobytes()
    ends = [struct.unpack("<f", flat[i : i + 4])[0] for i in (0, len(flat) - 4)]
    return {
        "dtype": dtype,
        "shape": list(values.shape),
        "crc32": zlib.crc32(flat),
        "first": ends[0],
        "last": ends[1],
    }


def main():
    for name, files in SOURCES.items():
        found = {}
        for file in files:
            archive = zipfile.ZipFile(file)
            prefix = next(n for n in archive.namelist() if n.endswith("/data.pkl")).split("/")[0]
            found |= {k: describe(*v) for k, v in tensors(Reader(archive, prefix).load())}
        lines = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(found.items()))
        target = DATA / "golden-torch" / f"{name}.json"
        target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(target, len(found), "tensors")


if __name__ == "__main__":
    main()
