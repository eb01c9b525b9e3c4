"""Element types against the gguf package's quants module: reading of every type and writing of
BF16, F16, Q8_0 and Q4_0, bit-identical. (The K types are written by our own quantiser, which
is judged by its error, not by its bits.)

Run by ctest; by hand: GM_TEST_TOOLS=build/release/tests
"""

import os
import subprocess
import sys

import numpy as np
from gguf import GGMLQuantizationType as Type, quants

SEED = 20240611
TOOL = os.path.join(os.environ["GM_TEST_TOOLS"], "test_tool_types")
BLOCK = {"F32": 1, "F16": 1, "BF16": 1, "Q8_0": 32, "Q4_0": 32, "Q4_K": 256, "Q6_K": 256}


def run(mode, name, data):
    done = subprocess.run([TOOL, mode, name], input=data.tobytes(), stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, dtype=np.uint8 if mode == "write" else np.float32)


def values(rng):
    """Rows of 256 of many kinds and sizes: weights as they are, outliers, zeros, ties."""
    rows = [
        rng.normal(0, 0.02, (64, 256)),
        rng.standard_t(2, (64, 256)) * 0.05,
        rng.uniform(-1, 1, (64, 256)),
        rng.integers(-8, 8, (32, 256)) / 8,
        rng.integers(-127, 128, (32, 256)) / 16,
        np.zeros((1, 256)),
        -np.ones((1, 256)),
        rng.normal(0, 1, (32, 256)) * (10.0 ** rng.integers(-7, 4, (32, 1))),
    ]
    return np.concatenate(rows).astype(np.float32)


def random_blocks(rng, name, n):
    """Valid blocks of the type with random bits; the half-precision factors are kept finite."""
    size = quants.GGML_QUANT_SIZES[Type[name]][1]
    blocks = rng.integers(0, 256, (n, size), dtype=np.uint8)
    at = {"Q8_0": [0], "Q4_0": [0], "Q4_K": [0, 2], "Q6_K": [208]}[name]
    for offset in at:
        factors = rng.normal(0, 0.05, n).astype(np.float16)
        blocks[:, offset : offset + 2] = factors.view(np.uint8).reshape(n, 2)
    return blocks


def check_equal(what, ours, theirs):
    ours, theirs = ours.reshape(-1), theirs.reshape(-1).view(ours.dtype)
    if ours.shape != theirs.shape or (ours != theirs).any():
        bad = np.flatnonzero(ours != theirs) if ours.shape == theirs.shape else []
        sys.exit(f"{what}: {len(bad)} of {theirs.size} differ, first at {bad[:1]}, seed {SEED}")
    print(f"{what}: {theirs.size} equal")


def main():
    rng = np.random.default_rng(SEED)
    x = values(rng)
    for name in ("BF16", "Q8_0", "Q4_0"):
        check_equal(f"write {name}", run("write", name, x), quants.quantize(x, Type[name]))
    check_equal("write F16", run("write", "F16", x), x.astype(np.float16).view(np.uint8))
    for name in ("Q8_0", "Q4_0", "Q4_K", "Q6_K"):
        blocks = random_blocks(rng, name, 2000)
        ours = run("read", name, blocks)
        theirs = quants.dequantize(blocks, Type[name])
        check_equal(f"read {name}", ours.view(np.uint32), theirs.astype(np.float32))
    halves = np.arange(65536, dtype=np.uint16)
    finite = halves[(halves & 0x7C00) != 0x7C00]
    check_equal("read F16", run("read", "F16", finite), finite.view(np.float16).astype(np.float32))
    finite = halves[(halves & 0x7F80) != 0x7F80]
    check_equal("read BF16", run("read", "BF16", finite), quants.dequantize(finite.view(np.uint8).reshape(1, -1), Type.BF16))


main()
