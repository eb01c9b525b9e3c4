#!/usr/bin/env python3
"""Times the products of training beside PyTorch's, in turn, and prints a table in Markdown.

    ninja -C build/release bench_train_products
    VENV/bin/python bench/train/products.py build/release/bench/bench_train_products

VENV needs torch of PyPI. By default one thread and processor time, which works on a busy
machine too; --threads 2 measures wall time. The least of all rounds counts.
"""
import argparse
import subprocess
import time

import torch
import torch.nn.functional as F

SHAPES = [("linear", 64, 64, 64), ("linear", 1024, 256, 256), ("linear", 1024, 1024, 256),
          ("linear", 256, 4096, 4096), ("conv", 1024, 256, 256)]
ROUNDS = 2


def torch_calls(kind, m, n, k):
    """The three products of a layer, by name."""
    if kind == "linear":
        x, w, dy = torch.randn(m, k), torch.randn(n, k), torch.randn(m, n)
        return {"forward": lambda: F.linear(x, w), "dx": lambda: dy @ w, "dw": lambda: dy.T @ x}
    side = round(m ** 0.5)
    x = torch.randn(1, k, side, side).to(memory_format=torch.channels_last)
    dy = torch.randn(1, n, side, side).to(memory_format=torch.channels_last)
    w = torch.randn(n, k, 3, 3).to(memory_format=torch.channels_last)

    def back(mask):
        return torch.ops.aten.convolution_backward(dy, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask)

    return {"forward": lambda: F.conv2d(x, w, padding=1), "dx": lambda: back([True, False, False]),
            "dw": lambda: back([False, True, False])}


def torch_times(bf16, clock):
    times = {}
    for shape in SHAPES:
        for form, call in torch_calls(*shape).items():
            if bf16 and form != "forward" and shape[0] == "conv":
                continue  # autocast casts in the forward; its backward is the cast one's
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16, cache_enabled=False):
                seconds = []
                for _ in range(9):
                    start = clock()
                    call()
                    seconds.append(clock() - start)
            times[f"{shape[0]} {'x'.join(map(str, shape[1:]))} {form}"] = 1e3 * min(seconds)
    return times


def our_times(program, threads, bf16):
    command = [program, "-t", str(threads)] + (["-p"] if threads == 1 else []) + (["-b"] if bf16 else [])
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {" ".join(line.split()[:3]): float(line.split()[3]) for line in lines}


def least(a, b):
    return {name: min(value, b.get(name, value)) for name, value in a.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    columns = [{}, {}, {}, {}]
    for _ in range(ROUNDS):
        now = [our_times(args.program, args.threads, False), torch_times(False, clock),
               our_times(args.program, args.threads, True), torch_times(True, clock)]
        columns = [least(a, b) for a, b in zip(now, columns)]
    print("| product | gromatic f32 | PyTorch f32 | ratio | gromatic bf16 | PyTorch bf16 |")
    print("|---|---|---|---|---|---|")
    for name in columns[0]:
        kind, shape, _ = name.split()
        m, n, k = map(int, shape.split("x"))
        work = 2e-6 * m * n * k * (9 if kind == "conv" else 1)
        cells = [f"{c[name]:.3g} ms ({work / c[name]:.0f} GFLOP/s)" if name in c else "" for c in columns]
        ratio = columns[1][name] / columns[0][name]
        print(f"| {name} | {cells[0]} | {cells[1]} | {ratio:.2f} | {cells[2]} | {cells[3]} |")


if __name__ == "__main__":
    main()
