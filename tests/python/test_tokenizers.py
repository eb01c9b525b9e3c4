"""The tokenizers against Hugging Face's and Python's own text functions, on random strings.

LLaMA: transformers' LlamaTokenizer(legacy=True), encoding with and without parsing, decoding.
CLIP: cleaning against html, unicodedata, regex and str.lower; words and merges against
transformers' CLIPTokenizer; and, on the descriptions of the fixtures, against upstream's whole
cleaning with ftfy, whose guesses ours leaves out.

Run by ctest; by hand: GM_TEST_TOOLS=build/release/tests GM_TEST_DATA=tests/data GM_MODELS=models
"""

import gzip
import html
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

import ftfy
import regex
from transformers import CLIPTokenizer, LlamaTokenizer
from transformers.models.clip.tokenization_clip import bytes_to_unicode

DATA, MODELS = os.environ["GM_TEST_DATA"], os.environ["GM_MODELS"]
SEED = 20240607
N = 2000


class Tool:
    def __init__(self, *args):
        path = os.path.join(os.environ["GM_TEST_TOOLS"], "test_tool_tokenize")
        self.process = subprocess.Popen([path, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, letter, data, width):
        n = len(data) // (4 if letter == b"d" else 1)
        self.process.stdin.write(letter + struct.pack("<I", n) + data)
        self.process.stdin.flush()
        (n,) = struct.unpack("<I", self.process.stdout.read(4))
        return self.process.stdout.read(n * width)

    def ids(self, text, parse):
        found = self.ask(b"t" if parse else b"p", text.encode(), 4)
        return list(struct.unpack("<%di" % (len(found) // 4), found))

    def decode(self, ids):
        return self.ask(b"d", struct.pack("<%di" % len(ids), *ids), 1).decode()

    def clean(self, text):
        return self.ask(b"c", text.encode(), 1).decode()

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


ASSIGNED = [chr(c) for c in range(1, 0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
SPACES = [c for c in map(chr, range(0x3001)) if c.isspace()]
WORDS = """the a dog cat Dog's we'll I'VE it's they're don't I'd I'm photo of naïve CAFÉ straße ΟΔΟΣ ΣΑΣ
 İstanbul 12.5 1234 ½ ² 日本語 🐶🐱 👨‍👩‍👧 ﬁ e\u0301 \u0301\u0323 “so” ‘it’ — ... !!! U.S.A. def f(x): \u2581 'ſ""".split()
ENTITIES = "&amp; &lt; &gt &notit; &notin; &amp;amp;lt; &#65; &#x2019; &#0; &#xD800; &#x80; &nbsp; & &; &# &eacute &copy2; &#12x".split()
TAGS = "<p> </p> <roi> </roi> <r0> <r42> <r99> <r100> [grounding] <image> <refer_box> <s> </s> <unk> <0x41> [PAD]".split()
SPECIALS = "<|endoftext|> <|startoftext|> <|endoftext".split()


def random_text(rng, *extra):
    kinds = [WORDS, [" "], SPACES, [chr(c) for c in range(1, 128)], ASSIGNED, *extra]
    parts = []
    for _ in range(rng.randrange(1, 20)):
        parts.append(rng.choice(rng.choice(kinds)))
        if rng.random() < 0.5:
            parts.append(" ")
    return "".join(parts)


def check(what, text, found, wanted):
    if found != wanted:
        sys.exit("%s, seed %d: %r\n  found: %r\n wanted: %r" % (what, SEED, text, found, wanted))


def test_llama(folder):
    oracle = LlamaTokenizer.from_pretrained(folder, legacy=True)
    tool = Tool("llama", folder)
    rng = random.Random(SEED)
    sp = oracle.sp_model
    for _ in range(N):
        text = random_text(rng, TAGS)
        wanted = oracle.encode(text)
        check("llama, parsed", text, [1] + tool.ids(text, True), wanted)
        check("llama, decoded", wanted, tool.decode(wanted), oracle.decode(wanted))
        check("llama, plain", text, tool.ids(text, False), sp.encode(text))
        some = [rng.randrange(rng.choice([3, 259, len(oracle)])) for _ in range(rng.randrange(30))]
        check("llama, decoded", some, tool.decode(some), oracle.decode(some).replace("\0", "\ufffd"))
    tool.close()


QUOTES = str.maketrans({c: "'" for c in "\u02bc\u2018\u2019\u201a\u201b"} | {c: '"' for c in "\u201c\u201d\u201e\u201f"})


def clean(text):
    text = html.unescape(html.unescape(text))
    text = unicodedata.normalize("NFC", text).translate(QUOTES)
    return regex.sub(r"\s+", " ", text.strip()).strip().lower()


def clip_ids(oracle, cleaned, parse):
    specials = r"<\|startoftext\|>|<\|endoftext\|>|"
    pattern = oracle.pat.pattern
    assert pattern.startswith(specials)
    pattern = regex.compile(pattern if parse else pattern[len(specials):], regex.IGNORECASE)
    ids = []
    for token in regex.findall(pattern, cleaned):
        if parse and token in ("<|startoftext|>", "<|endoftext|>"):
            ids.append(oracle.encoder[token])
            continue
        symbols = "".join(oracle.byte_encoder[b] for b in token.encode())
        ids += [oracle.encoder[s] for s in oracle.bpe(symbols).split(" ")]
    return ids


def openai_folder(folder):
    """Hugging Face's two files from OpenAI's one."""
    with gzip.open(os.path.join(MODELS, "tokenizers", "bpe_simple_vocab_16e6.txt.gz"), "rt") as f:
        merges = f.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    tokens = list(bytes_to_unicode().values())
    tokens += [t + "</w>" for t in tokens] + ["".join(m.split()) for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    with open(os.path.join(folder, "vocab.json"), "w") as f:
        json.dump({t: i for i, t in enumerate(tokens)}, f)
    with open(os.path.join(folder, "merges.txt"), "w") as f:
        f.write("#version: 0.2\n" + "\n".join(merges) + "\n")
    return folder


def test_clip(folder, *args):
    oracle = CLIPTokenizer(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt"))
    tool = Tool(*args)
    rng = random.Random(SEED)
    for _ in range(N):
        text = random_text(rng, ENTITIES, SPECIALS)
        cleaned = clean(text)
        check("clip, cleaned", text, tool.clean(text), cleaned)
        check("clip, plain", text, tool.ids(text, False), clip_ids(oracle, cleaned, False))
        check("clip, as upstream", text, tool.ids(text, True), clip_ids(oracle, cleaned, True))
    for name in ("oxford-pets-cupl", "world"):
        with open(os.path.join(DATA, "descriptions", name + ".json")) as f:
            for text in sum(json.load(f).values(), []):
                upstream = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
                upstream = regex.sub(r"\s+", " ", upstream).strip().lower()
                check("clip, with ftfy", text, tool.clean(text), upstream)
    tool.close()


def test_every_character():
    """Cleaning, one character at a time: alone, after and before a sigma. Of ideographs and
    Hangul syllables, which are alike, one in 16."""
    tool = Tool("clip", os.path.join(MODELS, "clip-mini"))
    for c in ASSIGNED:
        alike = "CJK UNIFIED" in unicodedata.name(c, "") or "HANGUL SYLLABLE" in unicodedata.name(c, "")
        if not alike or ord(c) % 16 == 0:
            text = "%s a%sΣ Σ%sa" % (c, c, c)
            check("clip, cleaned", text, tool.clean(text), clean(text))
    tool.close()


def test_every_reference():
    tool = Tool("clip", os.path.join(MODELS, "clip-mini"))
    for name in html.entities.html5:
        for text in ("&" + name, "&" + name + "x", "&" + name.rstrip(";") + "."):
            check("clip, cleaned", text, tool.clean(text), clean(text))
    for number in [*range(300), 0xD7FF, 0xE000, 0xFDD0, 0xFFFE, 0x1FFFF, 0x10FFFF, 0x110000, 1 << 40]:
        for text in ("x&#%d;y" % number, "x&#x%X!" % number):
            check("clip, cleaned", text, tool.clean(text), clean(text))
    tool.close()


if __name__ == "__main__":
    test_llama(os.path.join(DATA, "models", "groma-mini"))
    test_llama(os.path.join(DATA, "models", "groma-tiny"))
    test_clip(os.path.join(MODELS, "clip-mini"), "clip", os.path.join(MODELS, "clip-mini"))
    with tempfile.TemporaryDirectory() as made:
        gz = os.path.join(MODELS, "tokenizers", "bpe_simple_vocab_16e6.txt.gz")
        test_clip(openai_folder(made), "clip-gz", gz)
    test_every_character()
    test_every_reference()
    print("the tokenizers agree with their oracles")
