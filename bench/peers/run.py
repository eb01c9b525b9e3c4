#!/usr/bin/env python3
"""gromatic beside its peers: same shapes, same types, random weights, in turn, in one run.

    bench/peers/run.py PROGRAM [--only prefill,decode] [--cpu avx2]   # measures, adds to bench/peers/results.json
    bench/peers/run.py PROGRAM --prepare [--only ...]                 # installs and writes models, times nothing
    bench/peers/run.py --table                                        # prints the table, writes it to docs/SPEED.md

README.md says what each side runs. Nothing else should run on the machine meanwhile.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import venv

import cases
import table

HERE = os.path.dirname(os.path.abspath(__file__))
STORE = os.path.join(HERE, "results.json")
PACKAGES = ["torch", "torchvision", "transformers", "open_clip_torch", "onnxruntime", "llama_cpp_python"]


def install(python):
    """Installs everything needed. A failure does not stop the others; its columns say so."""
    wanted = os.path.join(HERE, "requirements.txt")
    pip = [python, "-m", "pip", "install"]
    if subprocess.run([*pip, "-r", wanted]).returncode == 0:
        return
    with open(wanted) as file:
        for package in file.read().split():
            if subprocess.run([*pip, package]).returncode != 0:
                print(f"{package}: not installed; its columns will say that it failed", file=sys.stderr)


def environment(directory):
    """The Python of the peers' environment, which is made if it is missing."""
    python = os.path.join(directory, "bin", "python")
    if not os.path.exists(python):
        venv.create(directory, with_pip=True)
        install(python)
    return os.path.abspath(python)


def versions(python):
    """The versions of the installed packages."""
    code = ("import sys, importlib.metadata as m\nfor p in sys.argv[1:]:\n"
            "    try: print(p, m.version(p))\n    except m.PackageNotFoundError: pass")
    out = subprocess.run([python, "-c", code, *PACKAGES], check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(line.split() for line in out.splitlines())


# ggml chooses its instruction set when it is compiled.
LLAMA_FLAGS = ("-DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON "
               "-DGGML_AVX512=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_TOOLS=OFF "
               "-DLLAVA_BUILD=OFF")


def llama_for_avx2(python, directory):
    """A second llama.cpp of the environment's version, built for AVX2 if it is missing (ten minutes)."""
    if not os.path.exists(os.path.join(directory, "llama_cpp")):
        version = versions(python).get("llama_cpp_python")
        if not version:
            raise cases.Failed("llama-cpp-python is not installed")
        # pip caches the wheel that it built for the whole instruction set
        subprocess.run([python, "-m", "pip", "install", "--no-deps", "--no-cache-dir", "--no-binary",
                        "llama-cpp-python", "--target", directory, "llama-cpp-python==" + version], check=True,
                       env=dict(os.environ, CMAKE_ARGS=LLAMA_FLAGS))
    return os.path.abspath(directory)


def commit():
    return subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE,
                          text=True).stdout.strip()


def prepare_one(setting, name):
    if name.startswith(("prefill", "decode")):
        kind = "q8_0" if name.endswith("q8") else "q4_k"
        setting.model(kind), setting.peer_model(kind)
    elif name in ("ground", "again", "memory"):
        setting.model("q4_k")
    elif name.startswith("clip"):
        shape = "clip-vit-l-14" if name == "clip-l" else "clip-vit-b-32"
        kind = "text" if name == "clip-text" else "vision"
        code = "import sys, peer_clip; peer_clip.export(*sys.argv[1:])"
        subprocess.run([setting.python, "-c", code, shape, kind, setting.store], check=True, cwd=HERE)


def each(names, work):
    """A failure does not stop the others. Returns the exit code."""
    failed = []
    for name in names:
        try:
            work(name)
        except (subprocess.CalledProcessError, cases.Failed, OSError) as error:
            failed.append(name)
            print(f"{name}: {error}", file=sys.stderr, flush=True)
    if failed:
        print("failed: " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def share_of(limit, shares):
    """The memory's limit varies by the minute. The arithmetic's is constant, but measures too low in a disturbed process."""
    if limit == "read":
        return statistics.median(share for share, _ in shares)
    return max(share * rate for share, rate in shares) / max(rate for _, rate in shares)


def measure(setting, name, results):
    began = time.time()
    case, work, wanted = cases.CASES[name]
    wanted = cases.WANTED_AVX2.get(name, wanted) if setting.cpu == "avx2" else wanted
    setting.limits.clear()
    result = case(setting)
    entry = {"work": work, "wanted": wanted, "layers": setting.layers, "threads": setting.threads,
             "processor": setting.processor, "kernels": setting.kernels, "limits": dict(setting.limits),
             "commit": commit(), "date": time.strftime("%Y-%m-%d"), "peers": versions(setting.python), **result}
    entry["seconds"] = {side: {"min": min(t), "median": statistics.median(t), "runs": len(t)}
                        for side, t in entry.pop("times").items()}
    if "shares" in entry:
        entry["share"] = share_of(entry["limit"], entry.pop("shares"))
    store = table.load(results)
    store.setdefault(setting.cpu, {})[name] = entry
    with open(results + ".new", "w") as file:
        json.dump(store, file, indent=1)
        file.write("\n")
    os.replace(results + ".new", results)
    print(f"{name} ({time.time() - began:.0f} s)", table.line(name, entry), sep="\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="gromatic")
    parser.add_argument("--venv", default=os.path.join(HERE, "venv"), help="the peers' environment; made if missing")
    parser.add_argument("--store", default=os.path.join(HERE, "work"), help="models made for both sides")
    parser.add_argument("--results", default=STORE, help="what was measured (default: results.json beside this file)")
    parser.add_argument("--only", help="some of " + ", ".join(cases.CASES))
    parser.add_argument("--cpu", choices=["best", "avx2"], default="best", help="cap both sides' instruction set")
    parser.add_argument("--llama-avx2", default=os.path.join(HERE, "llama-avx2"),
                        help="llama.cpp for --cpu avx2; built if missing")
    parser.add_argument("--layers", type=int, default=32, help="of LLaMA-7B, on both sides (default 32)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    names = args.only.split(",") if args.only else cases.names(args.cpu)
    if args.table:
        table.write(args.results)
    elif not args.program or any(n not in cases.CASES for n in names):
        parser.error("wanted the program, and --only some of " + ", ".join(cases.CASES))
    else:
        os.makedirs(args.store, exist_ok=True)
        python, llama = environment(args.venv), None
        if args.cpu == "avx2" and any(n.startswith(("prefill", "decode")) for n in names):
            try:
                llama = llama_for_avx2(python, args.llama_avx2)
            except (subprocess.CalledProcessError, cases.Failed) as error:
                print(f"llama.cpp for AVX2: {error}; its columns will say that it failed", file=sys.stderr)
                llama = os.path.abspath(args.llama_avx2)
        setting = cases.Setting(os.path.abspath(args.program), python, os.path.abspath(args.store), args.cpu,
                                args.threads, args.rounds, args.layers, llama)
        if args.prepare:
            return each(names, lambda name: prepare_one(setting, name))
        return each(names, lambda name: measure(setting, name, args.results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
