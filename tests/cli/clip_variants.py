"""clip_variants.py - makes variants of the repository's two small CLIP checkpoints, without PyTorch:
scripts/clip-reference/reference.py runs them in the real libraries, test_clip_variants.py in gromatic."""
import copy
import json
import os
import shutil
import struct

import torch_file

PICTURE = os.path.join("world", "scenes", "images", "010.jpg")  # 320 x 280: not square
CLASSES = ["dog", "cat", "red car", "airplane"]
TEXT = "a photo of a {}."
START, END = "<|startoftext|>", "<|endoftext|>"


def write_safetensors(path, tensors):
    head, data = {}, b""
    for name, (kind, shape, content) in tensors.items():
        head[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def doubles(tensors):
    """The same numbers as f64, each slightly off an f32 value, so that rounding matters."""
    out = {}
    for name, (kind, shape, content) in tensors.items():
        assert kind == "F32", kind
        n = len(content) // 4
        out[name] = "F64", shape, struct.pack(f"<{n}d", *(x * (1 + 2e-9) for x in struct.unpack(f"<{n}f", content)))
    return out


def tokenizer_json(folder, joined):
    """What transformers writes for the vocabulary of vocab.json and merges.txt: merges joined by a space in older
    files, pairs in newer ones."""
    with open(os.path.join(folder, "vocab.json"), encoding="utf-8") as file:
        vocab = json.load(file)
    with open(os.path.join(folder, "merges.txt"), encoding="utf-8") as file:
        merges = [line.rstrip("\n") for line in file][1:]
    merges = [m for m in merges if m]
    words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    level = {"add_prefix_space": False, "trim_offsets": True}
    if not joined:
        words = r"<\|startoftext\|>|<\|endoftext\|>|" + words
        level["use_regex"] = True
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": vocab[t], "content": t, **flags} for t in (START, END)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
            {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": words}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", **level}]},
        "post_processor": {"type": "RobertaProcessing", "sep": [END, vocab[END]], "cls": [START, vocab[START]],
                           "trim_offsets": False, "add_prefix_space": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": END, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "</w>", "fuse_unk": False, "byte_fallback": False,
                  **({} if joined else {"ignore_merges": False}),
                  "vocab": vocab, "merges": merges if joined else [m.split(" ") for m in merges]},
    }


class HuggingFace:
    """clip-mini with changes."""

    def __init__(self, models, folder):
        self.source, self.folder = os.path.join(models, "clip-mini"), folder

    def make(self, name, config=None, pre=None, files=None, tensors=None, drop=(), edit=None):
        """config(c) changes config.json in place, pre is merged into preprocessor_config.json, files are written as
        JSON, tensors(t) gives others, drop names files to leave out, edit(folder) does the rest."""
        out = os.path.join(self.folder, name)
        shutil.copytree(self.source, out)
        for file in drop:
            os.remove(os.path.join(out, file))
        if config:
            path = os.path.join(out, "config.json")
            with open(path) as file:
                content = json.load(file)
            config(content)
            with open(path, "w") as file:
                json.dump(content, file)
        if pre:
            path = os.path.join(out, "preprocessor_config.json")
            with open(path) as file:
                content = json.load(file)
            with open(path, "w") as file:
                json.dump({**content, **pre}, file)
        for file, content in (files or {}).items():
            with open(os.path.join(out, file), "w") as stream:
                json.dump(content, stream)
        if tensors:
            path = os.path.join(out, "model.safetensors")
            write_safetensors(path, tensors(torch_file.read_safetensors(path)))
        if edit:
            edit(out)
        return out

    def pre(self):
        with open(os.path.join(self.source, "preprocessor_config.json")) as file:
            return json.load(file)


def towers(**values):
    def change(config):
        config["text_config"].update(values)
        config["vision_config"].update(values)
    return change


def mark(folder):
    for name in ("config.json", "vocab.json"):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8-sig") as file:
            file.write(text)


def crlf(folder):
    path = os.path.join(folder, "merges.txt")
    with open(path, newline="") as file:
        text = file.read()
    with open(path, "w", newline="") as file:
        file.write(text.replace("\n", "\r\n"))


def as_dict(config):
    """text_config_dict and similar, from before transformers 4.26, which override."""
    for tower in ("text", "vision"):
        config[f"{tower}_config_dict"] = {**config[f"{tower}_config"], "num_attention_heads": 2}


def only_dict(config):
    for tower in ("text", "vision"):
        config[f"{tower}_config_dict"] = config.pop(f"{tower}_config")
        config[f"{tower}_config"] = None


def positions(tensors):
    return {**tensors, "text_model.embeddings.position_ids": ("I64", [1, 32], struct.pack("<32q", *range(32))),
            "vision_model.embeddings.position_ids": ("I64", [1, 65], struct.pack("<65q", *range(65)))}


def huggingface(models, folder):
    """{name: folder} of the variants that transformers reads."""
    h = HuggingFace(models, folder)
    pre = h.pre()
    half = {"image_mean": [.5] * 3, "image_std": [.5] * 3}
    slow = ("vocab.json", "merges.txt", "special_tokens_map.json")
    v5 = {"processor_config.json": {"image_processor": {**pre, "do_rescale": True, "rescale_factor": 1 / 255},
                                    "processor_class": "CLIPProcessor"},
          "tokenizer_config.json": {"backend": "tokenizers", "bos_token": START, "eos_token": END, "unk_token": END,
                                    "pad_token": END, "clean_up_tokenization_spaces": True, "errors": "replace",
                                    "is_local": True, "local_files_only": False, "model_max_length": 32,
                                    "processor_class": "CLIPProcessor", "tokenizer_class": "CLIPTokenizer"}}

    def both(config):
        towers(hidden_act="gelu", attention_dropout=0.1)(config)
        config["text_config"]["hidden_act"] = "gelu_pytorch_tanh"

    def epsilons(config):
        config["text_config"]["layer_norm_eps"] = 1e-2
        config["vision_config"]["layer_norm_eps"] = 1e-3

    return {name: h.make(name, **how) for name, how in {
        "hf_base": {},
        "hf_half": {"pre": half},
        "hf_squash": {"pre": {"size": {"height": 64, "width": 64}}},
        "hf_squash_uncropped": {"pre": {"size": {"height": 64, "width": 64}, "do_center_crop": False}},
        "hf_bigger": {"pre": {"size": {"shortest_edge": 96}}},
        "hf_size_int": {"pre": {"size": 64, "crop_size": 64}},
        "hf_no_rescale": {"pre": {"do_rescale": False}},
        "hf_rescale_factor": {"pre": {"rescale_factor": 1 / 127.5}},
        "hf_no_normalize": {"pre": {"do_normalize": False}},
        "hf_processor": {"files": {"processor_config.json": {"image_processor": {**pre, **half},
                                                             "processor_class": "CLIPProcessor"}},
                         "drop": ["preprocessor_config.json"]},
        "hf_v5": {"files": {**v5, "tokenizer.json": tokenizer_json(h.source, False)},
                  "drop": [*slow, "preprocessor_config.json"]},
        "hf_tokenizer_json": {"files": {"tokenizer.json": tokenizer_json(h.source, True)},
                              "drop": ["vocab.json", "merges.txt"]},
        "hf_gelu": {"config": towers(hidden_act="gelu")},
        "hf_gelu_of_two_kinds": {"config": both},
        "hf_two_epsilons": {"config": epsilons},
        "hf_config_dict": {"config": only_dict},
        "hf_config_dict_overrides": {"config": as_dict},
        "hf_position_ids": {"tensors": positions},
        "hf_f64": {"tensors": doubles},
        "hf_crlf": {"edit": crlf},
    }.items()}


class OpenClip:
    """clip-tiny-openclip with changes."""

    def __init__(self, data, folder):
        source = os.path.join(data, "models", "clip-tiny-openclip")
        with open(os.path.join(source, "open_clip_config.json")) as file:
            self.config = json.load(file)
        self.tensors = torch_file.read_safetensors(os.path.join(source, "open_clip_model.safetensors"))
        self.folder = folder

    def make(self, name, vision=None, text=None, model=None, pre=None, extra=None, rename=None, archive=False,
             drop=()):
        config = copy.deepcopy(self.config)
        inner = config["model_cfg"]
        inner["vision_cfg"].update(vision or {})
        inner["text_cfg"].update(text or {})
        inner.update(model or {})
        config["preprocess_cfg"].update(pre or {})
        for tower, member in drop:
            del inner[tower][member]
        out = os.path.join(self.folder, name)
        os.mkdir(out)
        with open(os.path.join(out, "open_clip_config.json"), "w") as file:
            json.dump(config, file)
        tensors = {(rename or str)(k): v for k, v in self.tensors.items()}
        tensors.update(extra or {})
        if archive:
            torch_file.write_archive(os.path.join(out, "open_clip_pytorch_model.bin"), tensors)
        else:
            write_safetensors(os.path.join(out, "open_clip_model.safetensors"), tensors)
        return out


def of_text(name):
    own = ("text_projection", "positional_embedding", "token_embedding", "transformer", "ln_final")
    return f"text.{name}" if name.startswith(own) else name


def vector(n, value):
    return "F32", [n], struct.pack(f"<{n}f", *[value] * n)


def open_clip(data, folder):
    """{name: folder} of the variants that open_clip reads."""
    o = OpenClip(data, folder)
    scale = o.tensors["logit_scale"]
    tanh, eps = {"act_kwargs": {"approximate": "tanh"}}, {"norm_kwargs": {"eps": 1e-2}}
    return {name: o.make(name, **how) for name, how in {
        "oc_base": {},
        "oc_eps": {"vision": eps, "text": eps},
        "oc_eps_of_text": {"text": {"norm_kwargs": {"eps": 1e-1}}},
        "oc_tanh": {"vision": tanh, "text": tanh},
        "oc_quick_gelu": {"model": {"quick_gelu": True}},
        "oc_ln_after_pool": {"vision": {"final_ln_after_pool": True}},
        "oc_clean_lower": {"text": {"tokenizer_kwargs": {"clean": "lower"}}},
        "oc_logit_bias": {"model": {"init_logit_bias": -10}, "extra": {"logit_bias": ("F32", [], struct.pack("<f", -10))}},
        "oc_logit_scale_vector": {"model": {"nonscalar_logit_scale": True},
                                  "extra": {"logit_scale": (scale[0], [1], scale[2])}},
        "oc_size_ignored": {"pre": {"size": 128}},
        "oc_squash": {"pre": {"resize_mode": "squash"}},
        "oc_mean": {"pre": {"mean": [.5] * 3, "std": [.25] * 3}},
        "oc_custom_text": {"model": {"custom_text": True}, "rename": of_text},
        "oc_no_heads": {"drop": [("text_cfg", "heads")]},
        "oc_module": {"archive": True, "rename": "module.{}".format},
    }.items()}


def alike(models, data, folder):
    """{name: (folder, the variant with the same cosines)} of variants that the libraries do not read."""
    h, o = HuggingFace(models, folder), OpenClip(data, folder)
    lists = {"tokenizer.json": tokenizer_json(h.source, False)}
    return {
        "marks": (h.make("marks", edit=mark), "hf_base"),
        "trainer": (h.make("trainer", tensors=lambda t: {"model." + k: v for k, v in t.items()}), "hf_base"),
        "both_vocabularies": (h.make("both_vocabularies", files=lists), "hf_base"),
        "compiled": (o.make("compiled", rename="_orig_mod.module.{}".format), "oc_base"),
        "optimizer": (o.make("optimizer", rename="model.{}".format,
                             extra={"optimizer.state.0.exp_avg": vector(2, 0.0)}), "oc_base"),
    }


def refused(models, data, folder):
    """{name: (folder, words that the error must contain)}."""
    h, o = HuggingFace(models, folder), OpenClip(data, folder)

    def unknown(config):
        config["vision_config"].update(rotary=True, window=7)
        config["fuse"] = "late"

    def end(config):
        config["text_config"]["eos_token_id"] = 5

    scale = {f"visual.transformer.resblocks.{i}.ls_{k}.gamma": vector(64, .1) for i in range(3) for k in (1, 2)}
    norms = {f"visual.transformer.resblocks.{i}.attn.ln_{k}.{w}": vector(32, 1.0 if w == "weight" else 0.0)
             for i in range(3) for k in "qk" for w in ("weight", "bias")}
    pre, config = "preprocessor_config.json: ", "open_clip_config.json: "
    different = {"processor_config.json": {"image_processor": {**h.pre(), "image_mean": [.5] * 3}}}
    other = tokenizer_json(h.source, False)
    other["model"]["merges"][10:12] = other["model"]["merges"][11:9:-1]
    prefix = tokenizer_json(h.source, False)
    prefix["normalizer"]["normalizers"].pop()
    return {name: (made, words) for name, made, words in (
        ("no_resize", h.make("no_resize", pre={"do_resize": False}), [pre + "do_resize: found false"]),
        ("crop", h.make("crop", pre={"crop_size": {"height": 48, "width": 48}}), [pre + "crop_size: found 48"]),
        ("small", h.make("small", pre={"size": {"shortest_edge": 32}}), [pre + "size: found 32"]),
        ("oblong", h.make("oblong", pre={"size": {"height": 64, "width": 96}}), [pre + "size: found {"]),
        ("uncropped", h.make("uncropped", pre={"do_center_crop": False}), [pre + "do_center_crop: found false"]),
        ("bilinear", h.make("bilinear", pre={"resample": 2}), [pre + "resample: found 2; only 3"]),
        ("unknown", h.make("unknown", config=unknown, pre={"sharpen": 2}),
         ["config.json: vision_config.rotary = true, vision_config.window = 7, fuse = \"late\"",
          "preprocessor_config.json: sharpen = 2",
          "--ignore-config vision_config.rotary,vision_config.window,fuse,sharpen"]),
        ("end", h.make("end", config=end), ["text_config.eos_token_id: found 5"]),
        ("two_processors", h.make("two_processors", files=different), ["found different preprocessing"]),
        ("two_vocabularies", h.make("two_vocabularies", files={"tokenizer.json": other}),
         ["found different vocabularies"]),
        ("capitals", h.make("capitals", files={"tokenizer.json": prefix}, drop=["vocab.json", "merges.txt"]),
         ["tokenizer.json: normalizer: found {"]),
        ("more_tokens", h.make("more_tokens", files={"added_tokens.json": {"<new>": 914}}),
         ["added_tokens.json: \"<new>\" is not in the model's vocabulary"]),
        ("oc_interpolation", o.make("oc_interpolation", pre={"interpolation": "bilinear"}),
         [config + "preprocess_cfg.interpolation: found \"bilinear\""]),
        ("oc_clean", o.make("oc_clean", text={"tokenizer_kwargs": {"clean": "canonicalize"}}),
         [config + "model_cfg.text_cfg.tokenizer_kwargs.clean: found \"canonicalize\""]),
        ("oc_bias", o.make("oc_bias", text={"proj_bias": True}), ["text_cfg.proj_bias: found true"]),
        ("oc_qk_norm", o.make("oc_qk_norm", vision={"qk_norm": True}, extra=norms),
         ["vision_cfg.qk_norm: found true; only false"]),
        ("oc_qk_norm_untold", o.make("oc_qk_norm_untold", extra=norms), ["found 12 tensors that no part", "attn.ln_"]),
        ("oc_layer_scale", o.make("oc_layer_scale", extra=scale), ["found 6 tensors that no part", "ls_1.gamma"]),
        ("oc_image_size", o.make("oc_image_size", drop=[("vision_cfg", "image_size")]),
         ["vision_cfg.image_size is absent, so open_clip takes 224, but the weights have 96"]),
        ("oc_unknown", o.make("oc_unknown", vision={"rope": True}, model={"mystery": [1]}),
         ["model_cfg.vision_cfg.rope = true", "model_cfg.mystery = [1]"]),
    )}
