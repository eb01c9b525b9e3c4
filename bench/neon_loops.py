#!/usr/bin/env python3
"""Instructions of the hottest loops of the kernels for 64-bit ARM, from their machine code.

    bench/neon_loops.py [BUILD]        # build/aarch64, as scripts/aarch64.sh leaves it

There is no ARM processor to time here, but the instructions of a loop per product can be counted.
Of the loops of a kernel that have products in them, and no other such loop inside,
the one with most products is taken. Prints instructions and products (multiply-adds) of one pass,
and instructions for 1000 of them.
"""
import argparse
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OBJDUMP = "aarch64-linux-gnu-objdump"

# kernel: (object, function of it)
KERNELS = {}
for level in ("neon", "dotprod", "i8mm"):
    name = f"{level}/matmul_quant_{level}.c.o"
    for kind, tile in (("q8_0", "tile_q32"), ("q4_0", "tile_q32"), ("q4_k", "tile_q4_k"),
                       ("q6_k", "tile_q6_k")):
        KERNELS[level, "gemm " + kind] = (name, tile)
        KERNELS[level, "gemv " + kind] = (name, "gemv_" + kind)
for kind in ("f32", "f16", "bf16"):
    KERNELS["neon", "gemv " + kind] = ("neon/matmul_float_neon.c.o", "gemv_" + kind)
    KERNELS["neon", "gemm " + kind] = ("neon/matmul_float_neon.c.o", "tile")
for part in ("dots", "mix"):
    for kind in ("f16", "q8_0"):
        KERNELS["neon", f"{part} {kind}"] = ("neon/rows_neon.c.o", f"{part}_{kind}_vec")
KERNELS["neon", "attention f32"] = ("neon/rows_neon.c.o", "tile_product_vec")

# Products of one instruction: (mnemonic, form of its result) -> multiply-adds.
BYTES = {("smmla", "4s"): 32, ("sdot", "4s"): 16, ("sdot", "2s"): 8, ("smull", "8h"): 8, ("smull2", "8h"): 8,
         ("smlal", "8h"): 8, ("smlal2", "8h"): 8}
WORDS = {("smull", "4s"): 4, ("smull2", "4s"): 4, ("smlal", "4s"): 4, ("smlal2", "4s"): 4}
FLOAT = {("fmla", "4s"): 4, ("fmla", "2s"): 2}


def functions(path):
    """{function: [(address, mnemonic, operands)]}"""
    text = subprocess.run([OBJDUMP, "-d", "--no-show-raw-insn", path], check=True, stdout=subprocess.PIPE,
                          text=True).stdout
    out, code = {}, None
    for line in text.splitlines():
        head = re.match(r"[0-9a-f]+ <(\w+)>:", line)
        if head:
            code = out[head[1]] = []
            continue
        parts = line.split("//")[0].split("\t")
        if code is not None and len(parts) >= 2 and parts[0].endswith(":"):
            code.append((int(parts[0].strip(" :"), 16), parts[1].strip(), parts[2] if len(parts) > 2 else ""))
    return out


def products(code, table):
    """Multiply-adds that these instructions make."""
    n = 0
    for _, name, operands in code:
        form = re.match(r"v\d+\.(\w+)", operands)
        n += table.get((name, form[1]), 0) if form else 0
    return n


def loops(code):
    """[(first, last)] of the instructions of each loop, the shortest first."""
    places = {address: i for i, (address, _, _) in enumerate(code)}
    found = {}
    for i, (_, name, operands) in enumerate(code):
        target = re.search(r"\b([0-9a-f]+) <", operands)
        if target and (name[0] == "b" or name.startswith(("cb", "tb"))):
            first = places.get(int(target[1], 16), i)
            if first < i:
                found[first] = max(i, found.get(first, 0))
    return sorted(found.items(), key=lambda span: span[1] - span[0])


def hottest(code):
    """(instructions, products) of one pass through the loop with most of the work."""
    table = next((t for t in (BYTES, WORDS) if products(code, t)), FLOAT)
    inner = []
    for first, last in loops(code):
        made = products(code[first:last + 1], table)
        if made and not any(first <= a and b <= last for a, b, _ in inner):
            inner.append((first, last, made))
    return max(((last - first + 1, made) for first, last, made in inner), key=lambda loop: loop[1], default=None)


def rows(build):
    """[{level, kernel, function, instructions, products, per_1000}]"""
    base = os.path.join(build, "src", "CMakeFiles", "gromatic_objects.dir", "kernels")
    objects, out = {}, []
    for (level, kernel), (name, function) in KERNELS.items():
        if name not in objects:
            objects[name] = functions(os.path.join(base, name))
        loop = hottest(objects[name][function])
        if not loop:
            sys.exit(f"neon_loops.py: found no loop with products in {function} of {name}")
        out.append({"level": level, "kernel": kernel, "function": function, "instructions": loop[0],
                    "products": loop[1], "per_1000": 1000 * loop[0] / loop[1]})
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=os.path.join(ROOT, "build", "aarch64"))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = rows(args.build)
    if args.json:
        print(json.dumps(found))
        return
    for r in found:
        print(f"{r['level']:8} {r['kernel']:13} {r['function']:18} {r['instructions']:5} instructions "
              f"{r['products']:5} products {r['per_1000']:7.1f} for 1000")


if __name__ == "__main__":
    main()
