"""GGUF files against the gguf package: it reads ours and finds the checkpoint's values in them, and
we read one that it wrote.

Run by ctest; by hand: GROMATIC=build/release/gromatic GM_TEST_TOOLS=build/release/tests GM_MODELS=models
"""

import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np
from gguf import GGMLQuantizationType as Type, GGUFReader, GGUFWriter, quants

GROMATIC = os.environ["GROMATIC"]
MINI = os.path.join(os.environ["GM_TEST_DATA"], "models", "groma-mini")
PREFIXES = {"ddetr.": "perceiver.ddetr_transformer.", "dinov2.": "perceiver.vis_encoder."}


def check(ok, message):
    if not ok:
        sys.exit(message)


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + n + o for o in entry["data_offsets"])
        check(entry["dtype"] == "F16", "the fixture is in half precision")
        tensors[name] = np.frombuffer(data[begin:end], np.float16).astype(np.float32).reshape(entry["shape"])
    return tensors


def upstream_name(name):
    for ours, theirs in PREFIXES.items():
        if name.startswith(ours):
            return theirs + name[len(ours) :]
    return name


def laid_out(tensors, name):
    """The tensor that our file must have under this (upstream) name, by docs/FORMAT.md."""
    source = name.replace(".coord", ".weight")
    if source not in tensors:
        source = source.replace("ddetr_transformer.", "ddetr_transformer.decoder.")
    x = tensors[source]
    if "input_conv" in name and x.ndim == 4:
        x = x[:, :, 0, 0]
        return x[:, -2:] if name.endswith(".coord") else x[:, :-2]
    if x.ndim == 4 and x.shape[2:] == (3, 3):
        return x.transpose(2, 3, 0, 1)
    if x.ndim == 4:
        return x.reshape(x.shape[0], -1)
    if "flatten_linear.weight" in name:
        return x.reshape(x.shape[0], 128, -1).transpose(0, 2, 1).reshape(x.shape[0], -1)
    return x


def convert(directory, kind):
    path = os.path.join(directory, kind + ".gguf")
    subprocess.run([GROMATIC, "convert", MINI, "-o", path, "--type", kind], check=True, stdout=subprocess.DEVNULL)
    return path


def check_ours(directory, tensors):
    for kind in ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_k"):
        reader = GGUFReader(convert(directory, kind))
        kinds = {}
        for t in reader.tensors:
            wanted = np.ascontiguousarray(laid_out(tensors, upstream_name(t.name)))
            check(tuple(reversed(t.shape.tolist())) == wanted.shape, f"{kind} {t.name}: shape {t.shape}")
            kinds[t.tensor_type.name] = kinds.get(t.tensor_type.name, 0) + 1
            if t.tensor_type in (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0):
                bits = quants.quantize(wanted, t.tensor_type)
                same = (np.ascontiguousarray(t.data).view(np.uint8).ravel() == bits.view(np.uint8).ravel()).all()
                check(same, f"{kind} {t.name} ({t.tensor_type.name}): other bits than gguf writes")
            else:
                values = quants.dequantize(t.data, t.tensor_type).reshape(wanted.shape)
                error = np.sqrt(((values - wanted) ** 2).mean() / (wanted**2).mean())
                # 4 bits of a normal distribution: about 7 % (a plain quantiser has 8 %).
                check(error < 0.1, f"{kind} {t.name}: relative error {error}")
        field = reader.fields["groma.image_size"]
        check(field.contents() == 224, "groma.image_size")
        check(reader.fields["tokenizer.ggml.tokens"].contents()[770] == "<img>", "token 770")
        check(len(reader.tensors) == 352, "352 tensors")
        print(kind, kinds)


def tool(*args):
    path = os.path.join(os.environ["GM_TEST_TOOLS"], "test_tool_gguf")
    return subprocess.run([path, *args], check=True, stdout=subprocess.PIPE).stdout


def check_theirs(directory):
    path = os.path.join(directory, "theirs.gguf")
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3, 64)).astype(np.float32)
    writer = GGUFWriter(path, "groma")
    writer.add_uint32("u32", 7)
    writer.add_float64("f64", 0.5)
    writer.add_int8("i8", -3)
    writer.add_uint64("u64", 2**63)
    writer.add_bool("bool", True)
    writer.add_string("text", "größe")
    writer.add_array("words", ["a", "bc", ""])
    writer.add_array("numbers", [1.5, 2.5])
    writer.add_tensor("plain", x)
    writer.add_tensor("half", x.astype(np.float16))
    writer.add_tensor("blocks", quants.quantize(x, Type.Q8_0), raw_dtype=Type.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    keys = dict(line.split(" ", 1) for line in tool(path).decode().splitlines())
    wanted = {
        "u32": "u32 1 7",
        "f64": "f64 1 0.5",
        "i8": "i8 1 -3",
        "u64": "u64 1 9.22337204e18",
        "bool": "bool 1 true",
        "text": 'str 1 "größe"',
        "words": 'str[] 3 ["a", "bc", ""]',
        "numbers": "f32[] 2 [1.5, 2.5]",
    }
    for name, value in wanted.items():
        check(keys.get(name) == value, f"key {name}: found {keys.get(name)}, wanted {value}")
    for name, values in {
        "plain": x,
        "half": x.astype(np.float16).astype(np.float32),
        "blocks": quants.dequantize(quants.quantize(x, Type.Q8_0), Type.Q8_0),
    }.items():
        found = np.frombuffer(tool(path, name), np.float32)
        check((found == values.ravel()).all(), f"tensor {name}: other values than gguf wrote")
    print("theirs: read")


def main():
    tensors = read_safetensors(os.path.join(MINI, "model.safetensors"))
    with tempfile.TemporaryDirectory() as directory:
        check_ours(directory, tensors)
        check_theirs(directory)


main()
