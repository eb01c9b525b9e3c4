"""torch_file.py - PyTorch's archives and safetensors in the tests, without PyTorch: a tensor is (type, shape, bytes)."""
import collections
import io
import json
import math
import pickle
import struct
import sys
import types
import zipfile

STORAGES = {"F32": ("FloatStorage", 4), "F16": ("HalfStorage", 2), "I64": ("LongStorage", 8)}
OF_STORAGE = {name: kind for kind, (name, _) in STORAGES.items()}


def _fake_torch():
    """Modules of torch's names, so that pickle writes (and finds) its globals; removed by the caller."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*_):
        raise AssertionError("only written, never called")

    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = "torch._utils", *["_rebuild_tensor_v2"] * 2
    utils._rebuild_tensor_v2 = rebuild
    for name, _ in STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    return {"torch": torch, "torch._utils": utils}


class _Tensor:
    """One tensor: a view of a storage from its first element."""

    def __init__(self, key, kind, shape, storage_n):
        self.key, self.kind, self.shape, self.storage_n = key, kind, shape, storage_n


class _Storage:
    def __init__(self, tensor):
        self.tensor = tensor


def write_archive(path, tensors, storages=None):
    """A state dict as torch.save writes it. tensors: {name: (type, shape, bytes)}; a storage's key in the place of
    the bytes lets many tensors share what storages[key] = (elements, iterable of bytes) gives."""
    fakes, kept = _fake_torch(), {name: sys.modules.get(name) for name in ("torch", "torch._utils")}

    class Pickler(pickle.Pickler):
        def reducer_override(self, value):
            if not isinstance(value, _Tensor):
                return NotImplemented
            strides, step = [], 1
            for n in reversed(value.shape):
                strides.insert(0, step)
                step *= n
            return fakes["torch._utils"]._rebuild_tensor_v2, (
                _Storage(value), 0, tuple(value.shape), tuple(strides), False, collections.OrderedDict())

        def persistent_id(self, value):
            if not isinstance(value, _Storage):
                return None
            t = value.tensor
            return "storage", getattr(fakes["torch"], STORAGES[t.kind][0]), t.key, "cpu", t.storage_n

    root, members = collections.OrderedDict(), dict(storages or {})
    for i, (name, (kind, shape, data)) in enumerate(tensors.items()):
        key = data if isinstance(data, str) else f"own{i}"
        if not isinstance(data, str):
            members[key] = math.prod(shape), [data]
        root[name] = _Tensor(key, kind, shape, members[key][0])
    stream = io.BytesIO()
    sys.modules.update(fakes)
    try:
        Pickler(stream, protocol=2).dump(root)
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        for key, (_, pieces) in members.items():
            with archive.open(f"archive/data/{key}", "w", force_zip64=True) as member:
                for piece in pieces:
                    member.write(piece)
        archive.writestr("archive/version", "3\n")


class _Inert:
    """A TorchScript archive's object: a tree of attributes."""

    def __setstate__(self, state):
        self.__dict__.update(state)


def read_script_archive(path):
    """{name: (type, shape, bytes)} of a TorchScript archive's parameters and buffers."""
    with zipfile.ZipFile(path) as archive:
        [pickled] = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        folder = pickled[:-len("data.pkl")] + "data/"

        class Unpickler(pickle.Unpickler):
            def find_class(self, module, name):
                if name == "OrderedDict":
                    return collections.OrderedDict
                if name.startswith("_rebuild_tensor"):
                    return lambda storage, offset, shape, strides, *_: (storage, offset, shape, strides)
                if name.endswith("Storage"):
                    return name
                return _Inert if module.startswith("__torch__") else lambda *_: None

            def persistent_load(self, saved):
                _, kind, key, _, _ = saved
                return OF_STORAGE[kind], archive.read(folder + key)

        root = Unpickler(io.BytesIO(archive.read(pickled))).load()
    found = collections.OrderedDict()

    def walk(value, name):
        if isinstance(value, tuple) and len(value) == 4 and isinstance(value[0], tuple):
            (kind, data), offset, shape, strides = value
            size, step = STORAGES[kind][1], 1
            for n, stride in zip(reversed(shape), reversed(strides)):
                assert n == 1 or stride == step, (name, shape, strides)
                step *= n
            found[name] = kind, list(shape), data[offset * size:(offset + math.prod(shape)) * size]
        elif isinstance(value, _Inert):
            for key, member in vars(value).items():
                walk(member, f"{name}.{key}" if name else key)

    walk(root, "")
    return found


def read_safetensors(path):
    with open(path, "rb") as file:
        [length] = struct.unpack("<Q", file.read(8))
        head, data = json.loads(file.read(length)), file.read()
    head.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for name, t in head.items()}
