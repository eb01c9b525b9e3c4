"""llama.cpp's side: a LLaMA of gromatic's shapes and, tensor by tensor, its types, filled with random blocks.

The GGUF is written from what `gromatic inspect --tensors --json` says of the synthetic model. Timed through
llama-cpp-python's C interface: one batch of 512 tokens, or single tokens after a filled cache.
"""
import ctypes
import json
import os
import subprocess
import sys
import time

import numpy as np

NAMES = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
SCALES = {"q8_0": [0], "q4_0": [0], "q4_k": [0, 1], "q6_k": [104]}  # 16-bit positions of the halves that scale a block


def _peer_name(name):
    if name == "llm.model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "llm.model.norm.weight":
        return "output_norm.weight"
    if name == "llm.lm_head.weight":
        return "output.weight"
    if name.startswith("llm.model.layers."):
        layer, part = name[len("llm.model.layers."):].removesuffix(".weight").split(".", 1)
        return f"blk.{layer}.{NAMES[part]}.weight"
    return None


def _blocks(rng, kind, shape):
    """Random levels under scales that keep values of a usual spread; [rows, bytes of a row]."""
    import gguf
    block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    n = shape[0] * shape[1] // block
    few = rng.integers(0, 256, (min(n, 1 << 16), block_bytes), dtype=np.uint8)
    out = np.resize(few, (n, block_bytes))
    for at in SCALES[kind.name.lower()]:
        out.view(np.uint16)[:, at] = np.float16(1e-3).view(np.uint16)
    return out.reshape(shape[0], -1)


def write_model(gromatic, shape, kind, path):
    """shape: of `gromatic bench model --shape`; kind: q4_k, q8_0, ..."""
    import gguf
    spec = f"synthetic:{shape}:{kind}:fast"
    tensors = json.loads(subprocess.run([gromatic, "inspect", spec, "--tensors", "--json"], check=True,
                                        stdout=subprocess.PIPE).stdout)["tensors"]
    layers = sum(t["name"].endswith("input_layernorm.weight") for t in tensors if t["name"].startswith("llm."))
    writer, rng = gguf.GGUFWriter(path, "llama"), np.random.default_rng(0)
    writer.add_context_length(2048)
    writer.add_embedding_length(4096)
    writer.add_feed_forward_length(11008)
    writer.add_block_count(layers)
    writer.add_head_count(32)
    writer.add_head_count_kv(32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(32000)
    writer.add_tokenizer_model("no_vocab")
    for t in tensors:
        name = _peer_name(t["name"])
        if not name:
            continue
        if t["type"] == "f32":
            writer.add_tensor(name, np.ones(t["shape"], np.float32))
        else:
            quant = gguf.GGMLQuantizationType[t["type"].upper()]
            writer.add_tensor(name, _blocks(rng, quant, t["shape"]), raw_dtype=quant)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Llama:
    def __init__(self, path, repack, threads, context=1024):
        import llama_cpp as lib
        self.lib = lib
        self.log = lib.llama_log_callback(lambda level, text, user: None)
        lib.llama_log_set(self.log, ctypes.c_void_p(0))
        lib.llama_backend_init()
        if os.environ.get("GROMATIC_CPU") == "avx2" and b"AVX512 = 1" in lib.llama_print_system_info():
            sys.exit("this llama.cpp was built for AVX-512")
        model_params = lib.llama_model_default_params()
        model_params.use_extra_bufts = repack
        self.model = lib.llama_model_load_from_file(path.encode(), model_params)
        params = lib.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = context, 512, 512
        params.n_threads = params.n_threads_batch = threads
        self.context = lib.llama_init_from_model(self.model, params) if self.model else None
        if not self.context:
            sys.exit(f"llama.cpp cannot open {path}")
        self.ids = (ctypes.c_int32 * 512)(*[int(i) for i in np.random.default_rng(1).integers(3, 32000, 512)])

    def _decode(self, first, n):
        at = ctypes.cast(ctypes.byref(self.ids, 4 * first), ctypes.POINTER(ctypes.c_int32))
        if self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(at, n)) != 0:
            sys.exit("llama_decode failed")

    def _cut(self, positions):
        memory = self.lib.llama_get_memory(self.context)
        self.lib.llama_memory_seq_rm(memory, 0, positions, -1)

    def prefill(self, n=512):
        self._cut(0)
        start = time.perf_counter()
        self._decode(0, n)
        self.filled = n
        return time.perf_counter() - start

    def fill(self, positions):
        """Fills the cache up to this many positions, untimed."""
        self._cut(0)
        for first in range(0, positions, 512):
            self._decode(0, min(512, positions - first))
        self.filled = positions

    def decode(self, tokens=16):
        """Seconds for all of them, after the filled positions."""
        self._cut(self.filled)
        start = time.perf_counter()
        for i in range(tokens):
            self._decode(i, 1)
        return time.perf_counter() - start
