"""Makes the seeds of the fuzz targets: small, valid, one per form that a parser knows.

    python fuzz/make_corpus.py        (needs pillow and numpy: tests/python/requirements.txt)

Files that a fuzzer has found since are kept beside them; their names begin with "found-".
"""

import base64
import gzip
import io
import json
import pathlib
import pickle
import struct
import zipfile
import zlib

from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
MINI = HERE.parent / "tests" / "data" / "models" / "groma-mini"


def save(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


# ---- pictures


def gradient(mode, size=(9, 7)):
    image = Image.new("RGB", size)
    image.putdata([(x * 28, y * 36, (x + y) * 15) for y in range(size[1]) for x in range(size[0])])
    return image.convert(mode)


def encoded(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data.tobytes()


def png_chunk(kind, body):
    return (struct.pack(">I", len(body)) + kind + body
            + struct.pack(">I", zlib.crc32(kind + body)))


def texts():
    """Chunks that tell an orientation, and one that stands before the header."""
    data = exif(6)
    raw = b"\nexif\n%8d\n%s\n" % (len(data), data.hex().encode())
    packet = b'<a tiff:Orientation="6"/>'
    return {
        "raw-profile": png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)),
        "raw-text": png_chunk(b"tEXt", b"Raw profile type exif\0" + raw),
        "xmp": png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet),
        "xmp-packed": png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet)),
        "early-text": png_chunk(b"tEXt", struct.pack(">II", 9, 1000)),
    }


def pictures():
    rgb, grey, cmyk = gradient("RGB"), gradient("L"), gradient("CMYK")
    save("jpeg", "baseline", encoded(rgb, "JPEG"))
    save("jpeg", "progressive", encoded(rgb, "JPEG", progressive=True))
    save("jpeg", "grey", encoded(grey, "JPEG"))
    save("jpeg", "cmyk", encoded(cmyk, "JPEG"))
    save("jpeg", "444-restart", encoded(rgb, "JPEG", subsampling=0, restart_marker_blocks=1))
    save("jpeg", "turned", encoded(rgb, "JPEG", exif=exif(6)))
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        save("png", mode.lower(), encoded(gradient(mode), "PNG"))
    save("png", "grey16", encoded(gradient("L").convert("I;16"), "PNG"))
    save("png", "turned", encoded(rgb, "PNG", exif=exif(8)))
    for name, chunks in texts().items():
        data = encoded(rgb, "PNG")
        at = 8 if name == "early-text" else data.index(b"IDAT") - 4
        save("png", name, data[:at] + chunks + data[at:])
    save("png", "palette-transparent", encoded(gradient("P"), "PNG", transparency=0))
    save("webp", "lossy", encoded(rgb, "WEBP", quality=50))
    save("webp", "lossless", encoded(rgb, "WEBP", lossless=True))
    save("webp", "alpha", encoded(gradient("RGBA"), "WEBP"))
    save("webp", "turned", encoded(rgb, "WEBP", exif=exif(3)))
    save("webp", "animated", encoded(rgb, "WEBP", save_all=True, append_images=[rgb.rotate(180)]))


# ---- PyTorch: pickles written by Python's pickler, so every name must exist for it


class Name:
    """A global that pickles as module.name."""

    def __init__(self, module, name):
        self.text = f"c{module}\n{name}\n".encode()


def op(*parts):
    return b"".join(p.text if isinstance(p, Name) else p for p in parts)


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def tensor(kind, key, n, shape, stride, offset=0):
    def sizes(values):
        return b"(" + b"".join(b"K" + bytes([v]) for v in values) + b"t"

    storage = op(b"(", text("storage"), Name("torch", kind + "Storage"), text(key), text("cpu"))
    return op(
        Name("torch._utils", "_rebuild_tensor_v2"), b"(", storage, b"K", bytes([n]), b"tQK",
        bytes([offset]), sizes(shape), sizes(stride), b"\x89",
        Name("collections", "OrderedDict"), b")RtR",
    )


def state_dict():
    return op(
        b"\x80\x02}q\0(", text("a.weight"), tensor("Float", "0", 6, (2, 3), (3, 1)), b"q\x01",
        text("b"), tensor("Half", "1", 4, (2, 2), (1, 2)), text("c"), b"h\x01u.",
    )


def script():
    module = Name("__torch__.clip", "CLIP")
    return op(
        b"\x80\x02", module, b")\x81}(", text("training"), b"\x88", text("inner"), module,
        b")\x81}", text("scale"), tensor("BFloat16", "0", 1, (), ()), b"sb", b"ub.",
    )


def checkpoint():
    ordered = Name("collections", "OrderedDict")
    return op(
        b"\x80\x02}(", text("epoch"), b"M\x10\x27", text("loss"), b"G", struct.pack(">d", 0.5),
        text("args"), b"](NJ\xff\xff\xff\xff\x8a\x01\x05N\x85N\x86e", text("state_dict"), ordered,
        b")R", text("w"), Name("torch._utils", "_rebuild_parameter"),
        tensor("Long", "0", 2, (2,), (1,)), b"\x88", ordered, b")R\x87Rs}", text("_metadata"),
        b"Nsbu.",
    )


def archive(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in members.items():
            z.writestr(zipfile.ZipInfo(f"archive/{name}"), data)
    return out.getvalue()


def zip64(data):
    """The same archive with a ZIP64 end record and locator, as torch.save writes it."""
    end = data.rindex(b"PK\x05\x06")
    n, size, offset = struct.unpack("<HII", data[end + 10 : end + 20])
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, n, n, size, offset)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
    return data[:end] + record + locator + data[end:]


def torch():
    floats = struct.pack("<6f", *range(6))
    plain = archive({"data.pkl": state_dict(), "data/0": floats, "data/1": b"\0\x3c" * 4})
    save("torch", "state-dict", plain)
    save("torch", "zip64", zip64(plain))
    save("torch", "script", archive({"data.pkl": script(), "constants.pkl": b").",
                                     "byteorder": b"little", "data/0": b"\x80\x3f"}))
    save("pickle", "state-dict", b"\0" + state_dict())
    save("pickle", "script", b"\1" + script())
    save("pickle", "checkpoint", b"\0" + checkpoint())
    simple = {"a": [1, 2, (3, -70000), True, None], "b": {"c": 1.5, "d": 2**40}}
    for protocol in (2, 3, 4, 5):
        save("pickle", f"protocol-{protocol}", b"\0" + pickle.dumps(simple, protocol))


# ---- safetensors, GGUF


def safetensors():
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "F16", "shape": [], "data_offsets": [24, 26]},
        "c": {"dtype": "BF16", "shape": [0], "data_offsets": [26, 26]},
        "d": {"dtype": "I64", "shape": [1], "data_offsets": [26, 34]},
    }
    data = json.dumps(header).encode()
    save("safetensors", "four", struct.pack("<Q", len(data)) + data + bytes(34))
    save("safetensors", "none", struct.pack("<Q", 2) + b"{}")


def gguf_string(value):
    return struct.pack("<Q", len(value)) + value.encode()


def gguf_key(name, kind, value):
    return gguf_string(name) + struct.pack("<I", kind) + value


def gguf_array(name, kind, n, value):
    return gguf_key(name, 9, struct.pack("<IQ", kind, n) + value)


def gguf_file(keys, tensors):
    """tensors: name, dims (innermost first), ggml type, bytes, which are zeros."""
    infos, data = b"", b""
    for name, dims, kind, size in tensors:
        infos += gguf_string(name) + struct.pack("<I", len(dims))
        infos += b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", kind, len(data))
        data += bytes(size) + bytes(-size % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + infos
    return head + bytes(-len(head) % 32) + data


def gguf():
    forms = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    keys = [gguf_key(f"k{kind}", kind, struct.pack("<" + form, 1)) for kind, form in forms.items()]
    keys += [gguf_array(f"a{kind}", kind, 2, struct.pack("<2" + form, 1, 0)) for kind, form in forms.items()]
    keys += [
        gguf_key("general.architecture", 8, gguf_string("groma")),
        gguf_key("general.alignment", 4, struct.pack("<I", 32)),
        gguf_array("tokenizer.ggml.tokens", 8, 2, gguf_string("<s>") + gguf_string("a")),
    ]
    tensors = [("f32", (3, 2), 0, 24), ("f16", (5,), 1, 10), ("q4_0", (32, 2), 2, 36),
               ("q8_0", (32,), 8, 34), ("q4_k", (256,), 12, 144), ("q6_k", (256,), 14, 210),
               ("bf16", (2, 1, 1, 2), 30, 8)]
    save("gguf", "all-types", gguf_file(keys, tensors))
    save("gguf", "empty", b"GGUF" + struct.pack("<IQQ", 3, 0, 0))


def adapter():
    def keys(kind="adapter"):
        return [gguf_key("general.architecture", 8, gguf_string("groma")),
                gguf_key("general.type", 8, gguf_string(kind)),
                gguf_key("adapter.type", 8, gguf_string("lora")),
                gguf_key("adapter.lora.alpha", 6, struct.pack("<f", 2))]

    matrix, vector = "llm.model.layers.0.self_attn.k_proj.weight", "perceiver.input_proj.0.1.bias"
    pair = [(matrix + ".lora_a", (192, 2), 0, 1536), (matrix + ".lora_b", (2, 192), 1, 768)]
    save("adapter", "pair", gguf_file(keys(), pair))
    save("adapter", "difference", gguf_file(keys(), [(vector + ".diff", (96,), 30, 192)]))
    save("adapter", "half", gguf_file(keys(), pair[:1]))
    save("adapter", "model", gguf_file(keys("model"), pair))


# ---- text


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, data):
    if isinstance(data, bytes):
        return varint(number << 3 | 2) + varint(len(data)) + data
    if isinstance(data, float):
        return varint(number << 3 | 5) + struct.pack("<f", data)
    return varint(number << 3) + varint(data)


def sentencepiece():
    pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3)]
    pieces += [(f"<0x{b:02X}>", 6) for b in range(0, 256, 51)]
    pieces += [("\u2581", 1), ("a", 1), ("b", 1), ("\u2581a", 1), ("ab", 1)]
    model = b"".join(
        field(1, field(1, piece.encode()) + field(2, -float(i)) + field(3, kind))
        for i, (piece, kind) in enumerate(pieces)
    )
    trainer = field(3, 2) + field(35, 1) + field(40, 0) + field(41, 1) + field(42, 2)
    normalizer = field(1, b"identity") + field(3, 1) + field(4, 0) + field(5, 1)
    save("sentencepiece", "bpe", model + field(2, trainer) + field(3, normalizer))
    save("sentencepiece", "unigram", model + field(2, field(3, 1)) + field(3, normalizer))


def words():
    for i, line in enumerate((
        "Locate <p>a red ball</p> in the image.", "<roi><r0><r5></roi> here", "  two  spaces ",
        "\u00e9\u4e16\U0001f600 <r99></s><unk>", "[grounding]Give me a concise description.",
    )):
        save("llama_tokenizer", f"plain-{i}", b"\0" + line.encode())
        save("llama_tokenizer", f"parsed-{i}", b"\1" + line.encode())
    save("llama_tokenizer", "broken", b"\1\xff\xc3<p>\xe2\x96\0\xed\xa0\x80")
    # groma-mini has 768 tokens; added: <p> </p> <roi> </roi> [grounding] <r0> ..
    p, p_end, roi, roi_end, r = 768, 769, 770, 771, 773
    answers = {
        "one": [300, p, 301, 302, p_end, roi, r, r + 1, roi_end, 303, 2],
        "two": [p, 310, p_end, roi, r + 2, roi_end, p, 311, p_end, roi, r + 3, r + 3, roi_end],
        "broken": [roi_end, r, p, p, 320, roi, r + 9, p_end, 0, 1, 2, 130, 131, 132],
    }
    for name, ids in answers.items():
        save("grounded_text", name, b"\5" + b"".join(struct.pack("<H", i) for i in ids))


# ---- small files of checkpoints


def converted():
    names = ("config.json", "preprocessor_config.json", "added_tokens.json")
    for i, name in enumerate(names):
        save("convert", name, bytes([i]) + (MINI / name).read_bytes())
    saved = HERE.parent / "tests" / "data" / "golden" / "groma-mini"
    save("convert", "tokenizer_config.json", b"\3" + (saved / "transformers-4" / "tokenizer_config.json").read_bytes())
    pixels = (MINI / "preprocessor_config.json").read_bytes()
    save("convert", "processor_config.json", b"\4" + b'{"image_processor": ' + pixels + b"}")
    save("convert", "tokenizer.json", b"\5" + (saved / "transformers-5" / "tokenizer.json").read_bytes())


def clip():
    # Every byte's two symbols, and one merge: GPT-2's map from bytes to characters.
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    symbols = [chr(b) for b in plain] + [chr(256 + i) for i in range(len(others))]
    tokens = symbols + [s + "</w>" for s in symbols] + ["ab</w>", "<|startoftext|>", "<|endoftext|>"]
    vocab = json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False).encode()
    save("clip_vocabulary", "files", b"\1" + vocab + b"\0#version: 0.2\na b</w>\n")
    packed = gzip.compress(b"#version\na b</w>\nc d\ne f</w>\n", mtime=0)
    save("clip_vocabulary", "merges-gz", b"\0" + packed)
    for i, line in enumerate((
        "a photo of a &amp;amp; cat.", "It's  12\u00bd \u201cq\u201d <|endoftext|>", "\u0130\u00df\u0345 e\u0301",
    )):
        save("clip_tokenizer", f"plain-{i}", b"\0" + line.encode())
        save("clip_tokenizer", f"upstream-{i}", b"\1" + line.encode())
    save("clip_tokenizer", "broken", b"\0&#xffffffff; &#0; &\xff\xc3 \xed\xa0\x80")


# The header of groma-mini's file as GGUF: the places of the seeds' patches are only roughly right;
# mutations find the rest.


def patches():
    for offset in (4, 8, 16, 100, 1000, 20000):
        save("model_load", f"at-{offset}", struct.pack("<I", offset)[:3] + b"\3" + bytes(4))
    save("model_load", "none", struct.pack("<I", 0)[:3] + b"\3GGUF")


def questions():
    referred = "<roi><refer_box></roi><refer_feat>"
    seeds = {
        "typed": (0, 0, "What is there?"),
        "grounded": (1, 0, "How many dogs, and where?"),
        "places": (0, 3, "Compare {2} with {1} and {2}."),
        "missing": (1, 1, "{2} {0} {} {1} {99999999999}"),
        "tags": (0, 1, "<p>a</p> </s><r3> [grounding] <image>" + referred),
        "verbatim": (2, 2, f"[grounding]Compare <p>x</p> {referred} with {referred}."),
        "alone": (2, 1, "<roi><refer_box></roi> <refer_feat>"),
        "forbidden": (2, 0, "<unk> <r0> <s>"),
        "one": (3, 0, "the dog </p> on \u65e5\u672c\u8a9e"),
        "every": (4, 0, " a red ball "),
    }
    for name, (form, boxes, text) in seeds.items():
        save("question", name, bytes([form, boxes]) + text.encode())


def entry_head(kind, body, key, body_at):
    """Without the sum, which is ours alone: the targets make it right themselves."""
    head = b"GMCACHE\1" + kind.ljust(8, b"\0") + struct.pack("<QQ", body, 0) + key
    return head.ljust(body_at, b"\0")


def feature_cache():
    def entry(rows, columns, values):
        packed = struct.pack(f"<{rows * columns}f", *values)
        return bytes([rows, columns]) + entry_head(b"features", len(packed), bytes(32), 64) + packed

    save("feature_cache", "one", entry(1, 2, [0.6, 0.8]))
    save("feature_cache", "three", entry(3, 4, [1, 0, 0, 0, 0.6, 0, -0.8, 0, 0.5, 0.5, 0.5, -0.5]))
    save("feature_cache", "none", entry(0, 4, []))
    save("feature_cache", "not-unit", entry(1, 2, [2, float("nan")]))


def cache_entry():
    def entry(body, change=0):
        head = entry_head(b"fuzz", len(body), bytes(31) + b"\xff", 128)
        return struct.pack("<HB", len(body), change) + head + body

    save("cache_entry", "none", entry(b""))
    save("cache_entry", "short", entry(b"\1\2\3", 2))
    save("cache_entry", "block", entry(bytes(range(64)), 33))
    save("cache_entry", "uneven", entry(bytes(range(100)), 99))


def train_state():
    def state(run=b"00112233445566778899aabbccddeeff" * 2, place=b"", tensors=((b"a", 3), (b"bc", 2)), average=0):
        head = run + struct.pack("<7Q", len(tensors), 5, 1, 0, 0, average, len(place)) + place
        for name, n in tensors:
            head += struct.pack("<I", len(name)) + name + struct.pack("<IQQ", 1, n, 4)
        arrays = b"".join(struct.pack("<f", i) * n for _, n in tensors for i in range(3))
        body = head + arrays + bytes(8)  # the target makes the sum right
        return b"GMSTATE\1" + struct.pack("<Q", 16 + len(body)) + body

    save("train_state", "right", state())
    save("train_state", "place", state(place=b"epoch 3"))
    save("train_state", "other-run", state(run=b"f" * 64))
    save("train_state", "other-name", state(tensors=((b"a", 3), (b"bd", 2))))
    save("train_state", "other-size", state(tensors=((b"a", 3), (b"bc", 3))))
    save("train_state", "average", state(average=1))
    save("train_state", "cut", state()[:150])


def run_options():
    rates = {"bridge": 1e-4, "regions": 2e-5, "embeddings": 0}
    whole = {"stage": "align", "model": "groma-mini", "data": "/data/words.json", "lr": rates, "weight_decay": rates,
             "epochs": 2.0, "steps": 10, "batch": 16, "micro_batch": 2, "chunk": 16, "warmup": 0.03, "clip": 1.0,
             "dropout": 0.0, "ema": 0.999, "bf16": True, "recompute": False, "strict": False, "eval_every": 5,
             "save_every": 0, "patience": 0, "seed": 7}
    for name, changes in {"whole": {}, "uneven": {"micro_batch": 3}, "negative": {"eval_every": -1, "batch": -16},
                          "endless": {"steps": 1 << 60}, "other-kind": {"bf16": 1}, "no-rate": {"lr": {}},
                          "detect": {"stage": "detect", "lr": {"proposer": 1e-4}}}.items():
        save("run_options", name, json.dumps(dict(whole, **changes)).encode())


def cleaned_text():
    save("text", "marks", "\ufeffgreen apple\r\ncrown\r\n\ufeffgrapes\r".encode())
    save("text", "utf16", "a\nb".encode("utf-16"))
    save("text", "latin1", "caf\xe9\n".encode("latin-1"))
    save("text", "controls", "\x1b]0;t\x07\x7f\x9b\u202e\u2066\u2028\ufeff".encode())
    save("text", "wide", "日本 e\u0301 👨\u200d👩\u200d👧 🇩🇪 ❤\ufe0f ก\u0e33 क\u094d\u200dष".encode())


# ---- training data


def dataset():
    def coco(**more):
        image = {"id": 1, "file_name": "a.png", "width": 100, "height": 80, "caption": "a dog and \u00e9"}
        box = {"id": 7, "image_id": 1, "category_id": 2, "bbox": [1, 2, 30, 40.5], "area": 9,
               "iscrowd": 0, "caption": "a Dog", "tokens_positive": [[0, 5], [2, 3]]}
        categories = [{"id": 2, "name": "Dog"}, {"id": 3, "name": "dog"}]
        return {"images": [image], "annotations": [box, {**box, **more}], "categories": categories}

    grit = {"filename": "g", "caption": "two dogs", "ref_exps": [[0, 3, 0.1, 0.1, 0.5, 0.5, 0.9],
                                                                 [0, 3, 0.5, 0.1, 1.5, 0.5, 0.7]]}
    talk = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A dog."}]
    instruct = {"file_name": "i", "width": 100, "height": 80, "boxes": [[1, 2, 30, 40]],
                "conversation": [{"value": "Where is <p>it</p>?"},
                                 {"value": "<p>It</p><roi><ground_box></roi>.", "box_inds": [0]}]}
    for kind in range(4):
        for task in range(2):
            body = json.dumps(coco(bbox=[50, 50, 90, 20]))
            save("dataset", f"coco-{kind}-{task}", bytes([kind + 7 * task]) + body.encode())
    save("dataset", "bad", b"\0" + json.dumps(coco(bbox=[float("nan"), 0, 1, 1])).encode())
    save("dataset", "grit", b"\4" + json.dumps(grit).encode() + b"\n" + json.dumps(grit).encode())
    save("dataset", "llava", b"\5" + json.dumps([{"image": "l", "conversations": talk}]).encode())
    save("dataset", "instruct", b"\6" + json.dumps([instruct]).encode())


def data_config():
    one = {"name": "a", "format": "coco", "file": "a.json", "task": "detect"}
    more = {"images": "i", "source": "sa1b", "share": 0.5}
    save("data_config", "both", json.dumps({"seed": 1, "sets": [one, {**one, **more}], "val": [one]}).encode())
    save("data_config", "unknown", json.dumps({"sets": [{**one, "other": 1}]}).encode())


def user_data():
    for i, names in enumerate(("[a, \"b c\", 'd,e'] # x", "{0: a, 1: 'b'}", "\n  0: a\n  1: b\nnc: 2", "\n- a\n- b")):
        save("user_data", f"names-{i}", b"\0" + f"nc: 2\nnames: {names}\n".encode())
    save("user_data", "labels", b"\1" + b"0 0.5 0.5 0.2 0.4\r\n2 0.9 0.5 0.4 1\n\n1 nan 0 1 1\n0 1 2\n")
    refs = [{"image_id": 1, "expression": "the cat", "annotation_id": 1, "bbox": [1, 2, 30, 40]},
            {"image_id": 2, "expression": "<p>", "bbox": [1, 2, 0, 40]}]
    save("user_data", "refs", b"\2" + json.dumps(refs).encode())
    save("user_data", "refs-open", b"\2" + b"{{" + json.dumps(refs).encode())


def scores():
    coco = {"images": [{"id": 7, "width": 90, "height": 50, "caption": " a dog "}, {"id": "b", "width": 9, "height": 9,
                                                                                    "caption": "x"}],
            "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 30.5, 40], "area": 1024},
                            {"id": 2, "image_id": "b", "category_id": 4, "bbox": [80, 40, 20, 20], "iscrowd": 1}],
            "categories": [{"id": 3, "name": "hot_dog"}, {"id": 4, "name": "cat"}]}
    refs = [{"ref_id": 5, "ann_id": 1, "image_id": 7, "split": "val", "sentences": [{"sent": "a"}, {"sent": "b"}]}]
    pointed = [{"id": 7, "bbox": [1, 2, 30, 40], "regions": [[1, 2, 30, 40], [0, 0, 9, 9]]}, {"id": "b", "bbox": None}]
    found = [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 30, 39], "score": s} for s in (1, 0.5, 0.5)]
    for kind, (name, second) in enumerate((("rec", pointed), ("refs", refs), ("lvis", found), ("proposals", found))):
        save("scores", name, bytes([kind]) + json.dumps(coco).encode() + b"\f" + json.dumps(second).encode())
    texts = ["A dog's ball, the U.S. (can't!) 2 1/2 \u20ac7", "<p>x</p> y'all cannot :) AT&T a.b http://a.b/c #t --"]
    described = {"images": coco["images"][:1], "annotations": [{"image_id": 7, "caption": t} for t in texts]}
    answers = [{"image_id": 7, "caption": " ".join(texts[::-1])}]
    save("scores", "captions", b"\4" + json.dumps(described).encode() + b"\f" + json.dumps(answers).encode())
    asked = {"question_id": 1, "image": "a.png", "text": "What?", "category": "conv"}
    told = {"question_id": 1, "text": "8 7", "image": "a.png", "captions": ["x"],
            "instances": [{"category": "dog", "bbox": [0, 0, 1, 1]}]}
    save("scores", "chat", b"c" + json.dumps(asked).encode() + b"\n\f" + json.dumps(told).encode())
    save("scores", "chat_reply", b"c" + json.dumps(asked).encode() + b"\f8, 7\nBecause")
    said = [{"image_id": i, "expression": "a dog", "annotation_id": 1, "bbox": [1, 2, 30, 40]} for i in (7, 7)]
    nothing = [{"image_id": "b", "expression": "a dog", "kind": "noun"}]
    grounded = [{"image_id": i, "expression": "a dog", "present": 0.7, "calibrated": i == 7,
                 "regions": [{"bbox": [1, 2, 30, 39], "score": 0.5}, {"bbox": [0, 0, 9, 9], "score": 1}]} for i in (7, "b")]
    save("scores", "ground", b"p" + b"\f".join(json.dumps(x).encode() for x in (coco, said, nothing, grounded)))
    save("scores", "broken", b"\0{\"images\": [{\"id\": 1,\f[")
    save("scores", "list-open", b"\4" + json.dumps(described).encode() + b"\f" + json.dumps(answers)[:-1].encode() + b"[")


def serve():
    """The number of an address, a Content-Type and a body."""
    picture = base64.b64encode(encoded(gradient("RGB"), "PNG")).decode()
    plain = "application/json"

    def request(name, address, body, kind=plain):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        save("serve", name, bytes([address]) + kind.encode() + b"\n" + body)

    request("detect", 0, {"image": picture, "conf": 0.3, "iou": 0.5, "max_regions": 9, "box_format": "xywh", "model": "m"})
    request("ground", 1, {"image": "data:image/png;base64," + picture, "phrases": ["a dog", "\u20ac"], "all": True, "max_det": 3})
    request("describe", 2, {"image": picture, "boxes": [[1, 2, 3, 4]], "long": True, "raw": True, "max_tokens": 5, "seed": -1})
    request("classify", 3, {"image": picture, "classes": ["a", "b"], "method": "wca", "top": 2})
    request("detection", 4, {"image": picture, "prompt": "a dog", "threshold": 0.2})
    parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": picture}}]
    request("chat", 5, {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": parts},
                                     {"role": "assistant", "content": "y"}, {"role": "user", "content": "z"}],
                        "stream": True, "stream_options": {"include_usage": True}, "stop": ["a", "b"], "n": 1, "grounding": False})
    request("unknown-picture", 0, {"image": "sha256:" + 64 * "0"})
    request("address", 0, {"image": "http://x"})
    request("unknown-member", 0, {"image": picture, "con": 1})
    request("broken", 0, b'{"image": [1,')
    form = (b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
            b'--b\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n' +
            encoded(gradient("RGB"), "PNG") + b"\r\n--b--\r\n")
    kind = "multipart/form-data; boundary=b"
    request("form", 1, form % (b"phrases", b'["a"]'), kind)
    request("form-text", 1, form % (b"phrases", b"a dog"), kind)
    request("form-json", 1, form % (b"json", b'{"phrases": ["a"], "all": true}'), kind)
    request("form-name", 1, form % (b"\xff", b"a"), kind)
    request("form-null", 1, form % (b"phrases", b"a\0b"), kind)
    request("form-open", 1, (form % (b"phrases", b"a"))[:-9], kind)
    save("serve", "base64", b"\0" + base64.b64encode(bytes(range(97))))
    save("serve", "base64-loose", b"\0 -_A=\t=")


def label_studio():
    """Labelling configurations, one for each tag that is answered, and what is refused."""
    image = '<Image name="i" value="$image"/>'
    label = '<RectangleLabels name="b" toName="i" model_score_threshold="0.3">%s</RectangleLabels>'
    labels = '<Label value="Car" predicted_values="car, truck" alias="c"/><Label value="\u20ac"/>'
    choice = '<Choice value="a"><Choice value="b" predicted_values="x,y"/><Choice value="c, d"/></Choice>'
    texts = {
        "boxes": image + label % labels,
        "choices": image + '<Choices name="b" toName="i" choice="multiple" perRegion="true"><Choice value="a"/></Choices>',
        "taxonomy": f'{image}<View><Taxonomy name="b" toName="i">{choice}</Taxonomy></View>',
        "text": f'<TextArea name="b" toName="i"/>{image}<Header value="&lt;&#65;"/><!-- x --><Style><![CDATA[a]]></Style>',
        "other-picture": image + (label % labels).replace('"i"', '"k"'),
        "no-labels": image + label % "",
        "twice": image + label % (labels + '<Label value="car"/>'),
        "nested": image + f'<Choices name="b" toName="i">{choice}</Choices>',
        "entity": f"{image}&a;",
    }
    for name, text in texts.items():
        save("label_studio", name, f"<View>{text}</View>".encode())
    save("label_studio", "doctype", b'<!DOCTYPE a [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><View>&c;</View>')
    save("label_studio", "declared", b'<?xml version="1.0" encoding="UTF-16"?><View/>')


def main():
    pictures()
    torch()
    safetensors()
    gguf()
    adapter()
    sentencepiece()
    words()
    questions()
    converted()
    clip()
    patches()
    feature_cache()
    cache_entry()
    train_state()
    run_options()
    cleaned_text()
    dataset()
    data_config()
    user_data()
    scores()
    serve()
    label_studio()


if __name__ == "__main__":
    main()
