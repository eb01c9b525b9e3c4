"""Adapters made by the gguf package, as other trainers make them: a model with one is the model that is merged
in numpy; and the package reads the adapters that we write.

Run by ctest; by hand: GROMATIC=build/release/gromatic GM_TEST_TOOLS=build/release/tests GM_MODELS=models
GM_TEST_DATA=tests/data
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from gguf import GGUFReader, GGUFWriter

GROMATIC = os.environ["GROMATIC"]
DATA, MODELS = os.environ["GM_TEST_DATA"], os.environ["GM_MODELS"]
PICTURE = os.path.join(DATA, "world", "scenes", "images", "064.jpg")
DIRECTORY = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = DIRECTORY.name  # the test's own cache, not the user's
RANK, ALPHA = 4, 6.0


def check(ok, message):
    if not ok:
        sys.exit(message)


def at(name):
    return os.path.join(DIRECTORY.name, name)


def run(*args, code=0):
    done = subprocess.run([GROMATIC, *map(str, args)], capture_output=True, env=dict(os.environ, NO_COLOR="1"))
    check(done.returncode == code, f"{args}: exit {done.returncode}, wanted {code}\n{done.stderr.decode()}")
    return done.stdout.decode(), done.stderr.decode()


def convert(source, name, *options):
    run("convert", source, "-o", at(name), "-q", *options)
    return at(name)


def base_tensors(path):
    """By name, in the order and the shape that PyTorch prints."""
    return {t.name: t.data.astype(np.float32) for t in GGUFReader(path).tensors}


def vocabulary_hash(path):
    field = GGUFReader(path).fields["tokenizer.ggml.tokens"]
    sha = hashlib.sha256()
    for i in field.data:
        sha.update(bytes(field.parts[i]) + b"\0")
    return sha.hexdigest()


# ---- making adapters ----


def write(name, tensors, architecture="groma", kind="adapter", adapter="lora", alpha=ALPHA, extra=None):
    writer = GGUFWriter(at(name), architecture)
    writer.add_string("general.type", kind)
    writer.add_string("adapter.type", adapter)
    if alpha is not None:
        writer.add_float32("adapter.lora.alpha", alpha)
    for key, value in (extra or {}).items():
        writer.add_string(key, value)
    for tensor, values in tensors.items():
        writer.add_tensor(tensor, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return at(name)


def pair(rng, tensor, size=0.1, kind=np.float32):
    """A pair whose b a has about `size` of the matrix's own magnitude."""
    rows, columns = tensor.shape
    a = rng.standard_normal((RANK, columns))
    b = rng.standard_normal((rows, RANK)) * size * tensor.std() / np.sqrt(RANK) * RANK / ALPHA
    return a.astype(kind), b.astype(kind)


def random_adapter(name, tensors, chosen, seed, kind=np.float32, **how):
    """Pairs for the matrices of chosen, differences for the other tensors. Returns path and changes."""
    rng, stored, changes = np.random.default_rng(seed), {}, {}
    for tensor in chosen:
        w = tensors[tensor]
        short = tensor.removesuffix(".weight") if len(tensor + ".lora_a") > 63 else tensor
        if w.ndim == 2 and min(w.shape) > 2 and "sampling" not in tensor:
            a, b = pair(rng, w, kind=kind)
            stored[short + ".lora_a"], stored[short + ".lora_b"] = a, b
            changes[tensor] = b.astype(np.float64) @ a.astype(np.float64) * ALPHA / RANK
        else:
            d = (rng.standard_normal(w.shape) * 0.02 * (np.abs(w).mean() + 1e-3)).astype(kind)
            stored[short + ".diff"] = d
            changes[tensor] = d.astype(np.float64)
    return write(name, stored, **how), changes


# ---- what a model answers ----


def answers(model, *options):
    """Regions with boxes and scores, and the caption."""
    out, _ = run("detect", "-m", model, PICTURE, "--json", "-q", "--no-cache", *options)
    regions = json.loads(out)["regions"]
    out, _ = run("caption", "-m", model, PICTURE, "--json", "-q", "--no-cache", *options)
    return regions, json.loads(out)["text"]


def compare(one, other, score, pixels, what):
    check(len(one[0]) == len(other[0]), f"{what}: {len(one[0])} and {len(other[0])} regions")
    for a, b in zip(one[0], other[0]):
        check(abs(a["score"] - b["score"]) <= score, f"{what}: scores {a['score']} and {b['score']}")
        check(np.abs(np.subtract(a["box"], b["box"])).max() <= pixels, f"{what}: boxes {a['box']}, {b['box']}")
    check(one[1] == other[1], f"{what}: captions\n{one[1]}\n{other[1]}")


# Products of up to 512 terms in f32 are off by 1e-5 of their size at most (test_linear.c), and about a hundred
# follow one another: 1e-3 of a score, and of a picture's 448 pixels, if they all add up.
SCORE, PIXELS = 1e-3, 0.45


def check_merged(path, tensors, changes, what):
    """Each element is the sum of the weight and RANK products: as many roundings of f32, and one of each."""
    merged = base_tensors(path)
    for name, w in tensors.items():
        change = sum((c[name] for c in changes if name in c), np.zeros(w.shape))
        wanted = w.astype(np.float64) + change
        bound = (2 * RANK * len(changes) + 4) * 2.0**-24 * (np.abs(w) + 8 * np.abs(change).max() + 1e-30)
        check((np.abs(merged[name] - wanted) <= bound).all(), f"{what}: {name}")


def test_groma():
    f32 = convert(os.path.join(DATA, "models", "groma-mini"), "f32.gguf", "--type", "f32")
    q8 = convert(os.path.join(DATA, "models", "groma-mini"), "q8.gguf", "--type", "q8_0")
    tensors = base_tensors(f32)
    words = [n for n in tensors if n.startswith("llm.model.layers.") or n in ("llm.lm_head.weight", "llm.model.norm.weight")]
    seeing = [n for n in tensors if n not in words and "embed_tokens" not in n]
    adapter, changes = random_adapter("all.gguf", tensors, words + seeing, 1)
    other, more = random_adapter("words.gguf", tensors, words + ["llm.model.embed_tokens.weight"], 2, kind=np.float16)
    plain = answers(f32)

    merged = convert(f32, "merged.gguf", "--type", "f32", "--adapter", adapter)
    check_merged(merged, tensors, [changes], "merged")
    with_adapter = answers(f32, "--adapter", adapter)
    check(with_adapter != plain, "the adapter changes nothing")
    compare(with_adapter, answers(merged), SCORE, PIXELS, "an adapter and its merged model")

    check(answers(f32, "--adapter", adapter + ":0") == plain, "the scale 0 changes something")
    halves = answers(f32, "--lora", adapter + ":0.5", "--adapter", adapter + ":0.5")
    compare(halves, with_adapter, SCORE, PIXELS, "twice the half of an adapter")
    both = convert(f32, "both.gguf", "--type", "f32", "--adapter", adapter, "--adapter", other + ":-0.5")
    check_merged(both, tensors, [changes, {n: -0.5 * c for n, c in more.items()}], "two merged")
    compare(answers(f32, "--adapter", adapter, "--adapter", other + ":-0.5"), answers(both), SCORE, PIXELS, "two adapters")

    # int8 rounds activations and weights: a hundredth of a product's size (test_linear.c).
    q8_merged = convert(q8, "q8-merged.gguf", "--type", "q8_0", "--adapter", adapter)
    compare(answers(q8, "--adapter", adapter)[:1] + ("",), answers(q8_merged)[:1] + ("",), 0.1, 10, "q8_0")
    # Panels of weights in a cache, beside pairs of the same weights, and beside a matrix that is changed as a whole.
    layer = "perceiver.vis_encoder.encoder.layer.1.mlp.fc1.weight"
    whole = write("whole.gguf", {layer + ".diff": (0.02 * np.sin(np.arange(tensors[layer].size))).astype(np.float32)
                                 .reshape(tensors[layer].shape)})
    for options in (["--adapter", adapter], ["--adapter", adapter, "--adapter", whole], []):
        kept, _ = run("detect", "-m", q8, PICTURE, "--json", "-q", "--cache", at("panels"), *options)
        check(kept == run("detect", "-m", q8, PICTURE, "--json", "-q", "--no-cache", *options)[0], f"panels: {options}")
    return f32, adapter, plain, with_adapter


def test_caches_and_resume(f32, adapter, plain, with_adapter):
    cache = at("cache")
    for options, wanted in (([], plain), (["--adapter", adapter], with_adapter), ([], plain)):
        out, _ = run("caption", "-m", f32, PICTURE, "--json", "-q", "--cache", cache, *options)
        check(json.loads(out)["text"] == wanted[1], "a cache gives another model's answer")
    result = at("result.jsonl")
    run("detect", "-m", f32, PICTURE, "-o", result, "-q", "--adapter", adapter)
    run("detect", "-m", f32, PICTURE, "-o", result, "-q", "--adapter", adapter, "--resume")
    _, err = run("detect", "-m", f32, PICTURE, "-o", result, "-q", "--adapter", adapter + ":0.5", "--resume", code=2)
    check("--adapter" in err, "resume does not say that the adapter differs: " + err)
    _, err = run("detect", "-m", f32, PICTURE, "-o", result, "-q", "--resume", code=2)
    check("--adapter" in err, "resume does not say that the adapter is gone: " + err)


def test_refused(f32):
    name, out, width = "llm.model.layers.0.self_attn.q_proj.weight", 192, 192
    a, b = np.ones((RANK, width), np.float32), np.ones((out, RANK), np.float32)
    good = {name + ".lora_a": a, name + ".lora_b": b}
    nan = a.copy()
    nan[1, 1] = np.nan
    conv = "region_encoder.roi_align.pconvs.0.weight"
    ones = np.ones
    cases = {
        "another architecture": (dict(tensors=good, architecture="llama"), "architecture"),
        "CLIP's": (dict(tensors=good, architecture="clip"), "architecture"),
        "a model": (dict(tensors=good, kind="model"), "general.type"),
        "another kind": (dict(tensors=good, adapter="dora"), "adapter.type"),
        "no alpha": (dict(tensors=good, alpha=None), "adapter.lora.alpha"),
        "alpha NaN": (dict(tensors=good, alpha=float("nan")), "adapter.lora.alpha"),
        "alpha infinite": (dict(tensors=good, alpha=float("inf")), "adapter.lora.alpha"),
        "an unknown key": (dict(tensors=good, extra={"adapter.lora.task_name": "x"}), "adapter.lora.task_name"),
        "another vocabulary": (dict(tensors=good, extra={"gromatic.adapter.vocabulary_sha256": "0" * 64}), "vocabulary"),
        "no tensors": (dict(tensors={}), "nothing"),
        "half a pair": (dict(tensors={name + ".lora_a": a}), "without"),
        "the other half": (dict(tensors={name + ".lora_b": b}), "without"),
        "two ranks": (dict(tensors={name + ".lora_a": a, name + ".lora_b": b[:, :3]}), "rank"),
        "a is transposed": (dict(tensors={name + ".lora_a": a.T, name + ".lora_b": b}), "rank"),
        "too few rows": (dict(tensors={name + ".lora_a": a, name + ".lora_b": b[:-1]}), "shape [191, 192]"),
        "too many columns": (dict(tensors={name + ".lora_a": ones((RANK, 193), np.float32), name + ".lora_b": b}), "[192, 193]"),
        "a vector as pair": (dict(tensors={"llm.model.norm.weight.lora_a": a, "llm.model.norm.weight.lora_b": b}), "1 dimensions"),
        "a convolution as pair": (dict(tensors={conv + ".lora_a": a, conv + ".lora_b": b}), "4 dimensions"),
        "a pair in three dimensions": (dict(tensors={name + ".lora_a": a[None], name + ".lora_b": b}), "matrices"),
        "an unknown tensor": (dict(tensors={"llm.model.layers.99.self_attn.q_proj.weight.diff": a}), "does not have"),
        "no tensor's name": (dict(tensors={".diff": a}), ".diff"),
        "no known ending": (dict(tensors={name + ".magnitude": a}), "magnitude"),
        "a difference of another shape": (dict(tensors={name + ".diff": ones((width, 3), np.float32)}), "[192, 3]"),
        "a flat difference": (dict(tensors={name + ".diff": ones(width * out, np.float32)}), "[36864]"),
        "a value NaN": (dict(tensors={name + ".lora_a": nan, name + ".lora_b": b}), "NaN"),
        "a value infinite": (dict(tensors={name + ".diff": np.full((out, width), np.inf, np.float32)}), "infinity"),
        "integers": (dict(tensors={name + ".diff": np.ones((out, width), np.int32)}), "bad.gguf"),
    }
    for what, (how, wanted) in cases.items():
        path = write("bad.gguf", **how)
        for command in (("detect", "-m", f32, PICTURE), ("convert", f32, "-o", at("never.gguf"))):
            _, err = run(*command, "--adapter", path, code=3)
            check(wanted in err and "bad.gguf" in err, f"{what}: wanted '{wanted}' in: {err}")
    check(not os.path.exists(at("never.gguf")), "a refused adapter leaves a model behind")
    for given, code in (("", 2), (":2", 2), ("a.gguf:nan", 2), ("a.gguf:1e9", 2), (at("absent.gguf"), 3), (PICTURE, 3), (f32, 3)):
        run("detect", "-m", f32, PICTURE, "--adapter", given, code=code)
    run("convert", os.path.join(DATA, "models", "groma-mini"), "-o", at("never.gguf"), "--adapter", write("good.gguf", good), code=2)
    whole = open(at("good.gguf"), "rb").read()
    for n in list(range(0, 400, 13)) + [len(whole) - 1]:
        open(at("cut.gguf"), "wb").write(whole[:n])
        run("detect", "-m", f32, PICTURE, "--adapter", at("cut.gguf"), code=3)
    ties = {"gromatic.adapter.vocabulary_sha256": vocabulary_hash(f32), "gromatic.adapter.base_header_sha256": "0" * 64}
    _, err = run("detect", "-m", f32, PICTURE, "--adapter", write("other.gguf", good, extra=ties))
    check("another file" in err, "no note of another base: " + err)


def test_clip(groma, groma_adapter):
    f32 = convert(os.path.join(MODELS, "clip-mini"), "clip.gguf", "--type", "f32")
    tensors = base_tensors(f32)
    adapter, changes = random_adapter("clip-adapter.gguf", tensors, tensors, 3, architecture="clip")
    merged = convert(f32, "clip-merged.gguf", "--type", "f32", "--adapter", adapter)
    check_merged(merged, tensors, [changes], "clip")

    def scores(model, *options):
        out, _ = run("classify", "-m", model, PICTURE, "--classes", "a dog,a cat,a tree", "--json", "-q", "--no-cache", *options)
        return {s["label"]: s["raw_score"] for s in json.loads(out)["results"]}

    plain, one, other = scores(f32), scores(f32, "--adapter", adapter), scores(merged)
    check(max(abs(one[n] - plain[n]) for n in one) > 10 * SCORE, "the adapter changes nothing of a CLIP")
    check(max(abs(one[n] - other[n]) for n in one) <= SCORE, f"clip: {one} and {other}")
    check(scores(f32, "--adapter", adapter + ":0") == plain, "clip: the scale 0 changes something")
    # Each model of a command takes those that were made for it.
    label = ("label", "-m", groma, "--clip-model", f32, PICTURE, "--classes", "a dog,a cat", "--json", "-q")
    both, _ = run(*label, "--adapter", adapter, "--adapter", groma_adapter)
    swapped, _ = run(*label, "--adapter", groma_adapter, "--adapter", adapter)
    check(both == swapped and both != run(*label)[0], "label with adapters for both models")


def test_ours(f32):
    """The gguf package reads what the trainer's writer makes."""
    values = np.arange(8192) % 1000 + 1
    for kind in ("f32", "f16"):
        path = at("ours.gguf")
        subprocess.run([os.path.join(os.environ["GM_TEST_TOOLS"], "test_tool_adapter"), f32, path, kind], check=True)
        reader = GGUFReader(path)
        text = lambda key: bytes(reader.fields[key].parts[-1]).decode()
        check(text("general.type") == "adapter" and text("adapter.type") == "lora", "types")
        check(text("general.architecture") == "groma", "architecture")
        check(float(reader.fields["adapter.lora.alpha"].parts[-1][0]) == 6.0, "alpha")
        check(text("gromatic.adapter.vocabulary_sha256") == vocabulary_hash(f32), "the vocabulary's hash")
        wanted = {
            "llm.model.layers.0.mlp.down_proj.weight.lora_a": (values[:1536] / 8).reshape(3, 512),
            "llm.model.layers.0.mlp.down_proj.weight.lora_b": (values[1536:2112] / 8).reshape(192, 3),
            "llm.model.norm.weight.diff": values[2112:2304] / 8,
            "ddetr.decoder.layers.0.encoder_attn.attention_weights.diff": (values[2304:3840] / 8).reshape(16, 96),
        }
        found = {t.name: t for t in reader.tensors}
        check(set(found) == set(wanted), f"tensors {set(found)}")
        for name, w in wanted.items():
            check(found[name].tensor_type.name.lower() == kind, name)
            check(found[name].data.shape == w.shape and (found[name].data == w.astype(np.float32)).all(), name)
        run("convert", f32, "-o", at("with-ours.gguf"), "--type", "f32", "--adapter", path, "-q")
        out, _ = run("inspect", path)
        run("convert", f32, "-o", path, "--adapter", path, "--force", code=2)  # does not replace what it reads
        check("low-rank pairs for 1 tensors, differences to 2" in out, "inspect: " + out)
        _, err = run("detect", "-m", path, PICTURE, code=3)
        check("found an adapter, wanted a model" in err, "an adapter as a model: " + err)


f32, adapter, plain, with_adapter = test_groma()
test_caches_and_resume(f32, adapter, plain, with_adapter)
test_refused(f32)
test_clip(f32, adapter)
test_ours(f32)
