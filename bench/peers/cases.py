"""The cases: a piece of work each, with gromatic's command for it and the peers' workers.

A case times both sides in turn and returns {"times": {side: [seconds, ...]}}; sides other than "gromatic" are peers.
Peers that died or failed are listed in "ends", with the signal or their last output.
"""
import json
import os
import signal
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PHOTO = os.path.join(ROOT, "tests", "data", "photos", "astronaut.png")
SCENE = os.path.join(ROOT, "tests", "data", "world", "scenes", "images", "000.png")


class Failed(Exception):
    """gromatic did not do the work to be timed."""


class Setting:
    """Paths and settings of a run."""

    def __init__(self, program, python, store, cpu, threads, rounds, layers, llama_avx2):
        self.program, self.python, self.store, self.cpu = program, python, store, cpu
        self.threads, self.rounds, self.layers = threads, rounds, layers
        self.environment = dict(os.environ, OMP_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="false",
                                HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
        self.limits = {}  # the best limits of all reports of this run
        self.processor = self.kernels = ""
        if cpu == "avx2":
            self.environment.update(GROMATIC_CPU="avx2", ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2",
                                    MKL_ENABLE_INSTRUCTIONS="AVX2")
            if llama_avx2:
                self.environment["PYTHONPATH"] = llama_avx2

    def peers(self, best, avx2):
        """The peers that can be compared: under a cap, those that obey it."""
        return avx2 if self.cpu == "avx2" else best

    def shape(self):
        return "groma-7b" if self.layers == 32 else f"groma-7b-{self.layers}l"

    def model(self, kind):
        """A file of the synthetic model."""
        path = os.path.join(self.store, f"{self.shape()}-{kind}.gguf")
        if not os.path.exists(path):
            subprocess.run([self.program, "convert", "-q", f"synthetic:{self.shape()}:{kind}:fast", "-o", path],
                           check=True)
        return path

    def peer_model(self, kind):
        """The same shapes and types as a LLaMA, for llama.cpp."""
        path = os.path.join(self.store, f"llama-{self.layers}l-{kind}.gguf")
        if not os.path.exists(path):
            code = "import sys, peer_llama; peer_llama.write_model(*sys.argv[1:])"
            subprocess.run([self.python, "-c", code, self.program, self.shape(), kind, path + ".new"], check=True,
                           cwd=HERE)
            os.replace(path + ".new", path)
        return path

    def bench(self, *arguments, repeat=2):
        """{stage: (seconds, shares)}: one process of gromatic bench, `repeat` (at most 2) runs of each stage."""
        command = [self.program, "bench", *arguments, "--json", "--repeat", str(repeat), "-t", str(self.threads)]
        report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=self.environment).stdout)
        self.processor, self.kernels = report["processor"], report["stages"][0]["kernels"]
        for name, value in report["limits"].items():
            self.limits[name] = max(value, self.limits.get(name, 0))
        for stage in report["stages"]:
            if stage["limit"] == "read":
                self.limits["read_gbs"] = max(stage["limit_rate"] * 1e-9, self.limits["read_gbs"])
        self.peak = report["peak_bytes"]
        return {s["stage"]: {"times": [s["seconds_min"], s["seconds_median"]][:repeat], "operations": s["operations"],
                             "bytes": s["bytes"], "limit": s["limit"], "limit_rate": s["limit_rate"], "share": s["share"]}
                for s in report["stages"]}

    def ask(self, *arguments):
        """Starts a worker, which warms up."""
        return Worker([self.python, os.path.join(HERE, "worker.py"), *arguments], self.environment)


def _end_of(process, errors):
    """Why a process ended: its signal, or its last output."""
    code = process.wait()
    if code < 0:
        return "died: " + signal.Signals(-code).name
    errors.seek(0)
    words = errors.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(words) if line.strip()), f"exit code {code}")
    return "failed: " + last[:120]


class Worker:
    """A peer's process. `end` says why it ended; None while it answers."""

    def __init__(self, command, environment):
        self.end, self.errors = None, tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment, stderr=self.errors)
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.end = _end_of(self.process, self.errors)
        return None

    def __call__(self, *call):
        if self.end:
            return None
        try:
            self.process.stdin.write(json.dumps(call) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # reading says why
        return self._answer()

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Absent:
    """Stands in for a peer's process that could not be started."""

    def __init__(self, end):
        self.end = end

    def __call__(self, *call):
        return None

    def close(self):
        pass


def run_peers(workers, times, runs, *call):
    """Adds `runs` runs of each peer to its times."""
    for name, worker in workers.items():
        times.setdefault(name, []).extend(filter(None, (worker(*call) for _ in range(runs))))


def result_of(workers, times):
    """Ends the peers. If one ended early, its times mean nothing: the reason replaces them."""
    for worker in workers.values():
        worker.close()
    ends = {name: worker.end for name, worker in workers.items() if worker.end}
    return {"times": {side: seconds for side, seconds in times.items() if seconds and side not in ends},
            **({"ends": ends} if ends else {})}


def _work(before, stages, report):
    """The limit, and each process's share of the limit that it measured beside the stage."""
    limit, rate = report[stages[0]]["limit"], report[stages[0]]["limit_rate"]
    shares = [report[s]["share"] * report[s]["times"][0] for s in stages]
    share = sum(shares) / sum(report[s]["times"][0] for s in stages)
    return {"limit": limit, "shares": before.get("shares", []) + [(share, rate)]}


def in_turn(setting, stages, command, peers, runs=2):
    """Rounds of one gromatic process and `runs` runs of each peer; gromatic's time is the sum of the stages."""
    times, work = {"gromatic": []}, {}
    workers = {name: setting.ask(*arguments) for name, arguments in peers.items()}
    for _ in range(setting.rounds):
        report = setting.bench(*command, "--stage", ",".join(stages), repeat=runs)
        times["gromatic"] += [sum(parts) for parts in zip(*(report[s]["times"] for s in stages))]
        work = _work(work, stages, report)
        run_peers(workers, times, runs, "run")
    return {**result_of(workers, times), **work}


# ---- vision


def vit(setting):
    return in_turn(setting, ["vision"], ["model", "--shape", "groma-7b-1l", "--type", "q4_k"],
                   setting.peers({"PyTorch bf16": ["torch", "vit", "bf16"],
                                  "PyTorch bf16 compiled": ["torch", "vit", "bf16-compiled"],
                                  "PyTorch fp32": ["torch", "vit", "fp32"]},
                                 {"PyTorch fp32": ["torch", "vit", "fp32"],
                                  "PyTorch int8": ["torch", "vit", "int8"]}))


def region(setting):
    return in_turn(setting, ["maps", "regions"], ["model", "--shape", "groma-7b-1l", "--type", "q4_k"],
                   setting.peers({"PyTorch bf16 channels-last": ["torch", "region_encoder", "bf16"],
                                  "PyTorch fp32 channels-last": ["torch", "region_encoder", "fp32"]},
                                 {"PyTorch fp32 channels-last": ["torch", "region_encoder", "fp32"]}), runs=1)


def proposer(setting):
    return in_turn(setting, ["proposer"], ["model", "--shape", "groma-7b-1l", "--type", "q4_k"],
                   {"transformers fp32": ["torch", "proposer", "fp32"]})


def clip(shape, stage, kind, runs=2, most=5, few=None):
    """few: the number of crops under a cap, where a peer would take minutes for all; time is proportional to it."""
    def case(setting):
        peers = setting.peers({"onnxruntime int8": "ort-int8", "open_clip bf16": "bf16",
                               "open_clip bf16 compiled": "bf16-compiled", "onnxruntime fp32": "ort-fp32",
                               "open_clip fp32": "fp32"}, {"open_clip fp32": "fp32", "open_clip int8": "int8"})
        count = [str(few)] if few and setting.cpu == "avx2" else []
        more = ["--count", *count] if count else []
        result = in_turn(setting, [stage], ["clip", "--shape", shape, "--type", "q8_0", *more],
                         {name: ["clip", shape, kind, variant, setting.store, *count]
                          for name, variant in list(peers.items())[:most]}, runs=runs)
        return {**result, "count": few} if count else result
    return case


# ---- language


def _llamas(setting, kind):
    names = {"llama.cpp": "repack", "llama.cpp not repacked": "plain"}
    try:
        path, threads = setting.peer_model(kind), str(setting.threads)
    except subprocess.CalledProcessError:
        return {name: Absent("failed: its model could not be written") for name in names}
    return {name: setting.ask("llama", path, how, threads) for name, how in names.items()}


def prefill(kind):
    def case(setting):
        workers, times, work = _llamas(setting, kind), {}, {}
        for _ in range(setting.rounds):
            report = setting.bench("model", "-m", setting.model(kind), "--stage", "prefill")
            times.setdefault("gromatic", []).extend(report["prefill"]["times"])
            work = _work(work, ["prefill"], report)
            run_peers(workers, times, 2, "prefill")
        return {**work, **result_of(workers, times), "tokens": 512}
    return case


def decode(kind, filled, tokens=16):
    def case(setting):
        workers, times, work = _llamas(setting, kind), {}, {}
        for worker in workers.values():
            worker("fill", filled)
            worker("decode", 2)
        for _ in range(setting.rounds):
            report = setting.bench("model", "-m", setting.model(kind), "--stage", "decode", "-c", str(filled or 1),
                                   "-n", str(tokens))
            times.setdefault("gromatic", []).extend(report["decode"]["times"])
            work = _work(work, ["decode"], report)
            run_peers(workers, times, 2, "decode", tokens)
        return {**work, **result_of(workers, times), "tokens": tokens}
    return case


# ---- gromatic against itself


def ground(setting):
    """32 phrases: with the batch, one by one on the same scene, and one by one from the file each time; least of 3."""
    report = setting.bench("image", PHOTO, "-m", setting.model("q4_k"), "-n", "1", repeat=3)
    seconds = {name: min(stage["times"]) for name, stage in report.items()}
    scene = sum(seconds[s] for s in ("picture", "pixels", "vision", "proposer", "maps", "regions", "prefill"))
    return {"times": {"gromatic": [scene + seconds["ground"]],
                      "one by one from scratch": [32 * (scene + seconds["ground 1"])]},
            "on one scene": {"gromatic": seconds["ground"], "one by one": 32 * seconds["ground 1"]}}


def _first_word(setting, command):
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=setting.environment)
    first = process.stdout.read(1)
    seconds = time.perf_counter() - start
    process.stdout.read()
    process.wait()
    if process.returncode or not first.strip():
        raise Failed(f"{' '.join(command)}: no first word")
    return seconds


def again(setting):
    """First word of a question, then of another one in a new process, the picture in the cache on disk."""
    times = {"first question": [], "gromatic": []}
    for _ in range(2):
        with tempfile.TemporaryDirectory(dir=setting.store) as cache:
            ask = [setting.program, "chat", PHOTO, "-m", setting.model("q4_k"), "-t", str(setting.threads), "-n", "2",
                   "--cache", cache, "-q", "-p"]
            times["first question"].append(_first_word(setting, [*ask, "What is in the picture?"]))
            times["gromatic"].append(_first_word(setting, [*ask, "Who is it?"]))
    return {"times": times}


def cold_start(setting):
    """Process start to the first word, embedded groma-mini, no cache."""
    command = [setting.program, "caption", SCENE, "-q",
               "--no-cache", "-t", str(setting.threads)]
    return {"times": {"gromatic": [_first_word(setting, command) for _ in range(7)]}}


def memory(setting):
    """Peak resident memory of picture, regions, a filled cache of 2,048 positions and decoding, mapped pages too."""
    bench = ["model", "-m", setting.model("q4_k"), "-c", "2040", "-n", "8"]
    out = {}
    for name, more in {"f16 cache": [], "q8_0 cache": ["-ctk", "q8_0", "-ctv", "q8_0"]}.items():
        try:
            setting.bench(*bench, *more, repeat=1)
            out[name] = setting.peak
        except subprocess.CalledProcessError:
            out[name] = None
    return {"times": {}, "bytes": out}


# name: (case, work, wanted ratio to the fastest peer or what else is wanted)
CASES = {
    "prefill": (prefill("q4_k"), "prefill of 512 tokens, Q4_K", 2),
    "prefill-q8": (prefill("q8_0"), "prefill of 512 tokens, Q8_0", 2),
    "decode": (decode("q4_k", 0), "decode of 16 tokens, Q4_K, empty cache", 1.15),
    "decode-512": (decode("q4_k", 512), "decode of 16 tokens, Q4_K, after 512", 1.15),
    "decode-600": (decode("q4_k", 600), "decode of 16 tokens, Q4_K, after 600", 1.15),
    "vit": (vit, "DINOv2-L/14, one picture of 448", 1.6),
    "region": (region, "region encoder, 100 regions, C = 1024", 2),
    "proposer": (proposer, "proposer, 300 queries", 3),
    "clip-b": (clip("clip-vit-b-32", "crops", "vision"), "CLIP ViT-B/32, 60 crops of a decoded picture", 1.4),
    "clip-l": (clip("clip-vit-l-14", "crops", "vision", 1, 2, few=12), "CLIP ViT-L/14, 60 crops of a decoded picture",
               1.4),
    "clip-text": (clip("clip-vit-b-32", "texts", "text"), "CLIP ViT-B/32, 50 strings", None),
    "ground": (ground, "32 phrases on one picture", 20),
    "again": (again, "second question, picture cached, new process", 10),
    "cold": (cold_start, "groma-mini, process start to first word", "< 0.35 s"),
    "memory": (memory, "peak resident memory, whole chain, 2,048 positions", "< 5.5 GiB (q8_0 cache)"),
}

# Without AVX-512 the wanted ratios differ, and only the cases with a peer are run.
WANTED_AVX2 = {"prefill": 1.4, "prefill-q8": 1.4, "decode": 1.5, "decode-512": 1.5, "decode-600": 1.5, "vit": 1.3,
               "region": 2, "proposer": 3, "clip-b": 1.3, "clip-l": 1.3}


def names(cpu):
    """The cases that run if none is chosen."""
    return list(CASES) if cpu == "best" else [n for n in WANTED_AVX2 if n != "prefill-q8"]
