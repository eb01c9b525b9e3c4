"""A peer in a process of its own: reads calls, one JSON line each, runs them, answers in seconds.

    worker.py torch STAGE VARIANT
    worker.py clip SHAPE KIND VARIANT DIR [CROPS]
    worker.py llama FILE REPACK THREADS

The first line of output says that it is ready, after one untimed run.
"""
import json
import os
import sys
import time


def timed(work):
    def run():
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    work()
    return {"run": run}


def calls_of(kind, *args):
    if kind == "torch":
        import peer_torch
        import torch
        torch.manual_seed(0)
        stage, variant = args
        return timed(getattr(peer_torch, stage)(variant))
    if kind == "clip":
        import peer_clip
        return timed(peer_clip.make(*args))
    import peer_llama
    path, repack, threads = args
    llama = peer_llama.Llama(path, repack == "repack", int(threads))
    llama.prefill(64)
    return {"prefill": llama.prefill, "decode": llama.decode, "fill": llama.fill}


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the output of libraries is not an answer
    calls = calls_of(*sys.argv[1:])
    print(json.dumps("ready"), file=out, flush=True)
    for line in sys.stdin:
        name, *args = json.loads(line)
        print(json.dumps(calls[name](*args)), file=out, flush=True)


main()
