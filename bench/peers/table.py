"""results.json -> the table of docs/SPEED.md."""
import json
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "SPEED.md")
BEGIN, END = "<!-- peers: begin -->", "<!-- peers: end -->"


def load(path):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)


def number(seconds):
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


def peers_of(entry):
    """[(name, seconds)], the fastest first."""
    return sorted(((n, s) for n, s in entry["seconds"].items() if n != "gromatic"), key=lambda p: p[1]["min"])


def share(entry):
    """The share of the limit that gromatic measured beside the stage, in the same process."""
    return f"{100 * entry['share']:.0f} % {entry['limit']}" if entry.get("share") else ""


def cells(name, entry):
    work = entry["work"]
    if name.startswith(("prefill", "decode", "ground", "again", "memory")) and entry["layers"] != 32:
        work += f", {entry['layers']} of 32 layers"
    if "count" in entry:
        work += f"; here {entry['count']}"
    if name == "memory":
        found = ", ".join(f"{n} {b / 2**30:.2f} GiB" for n, b in entry["bytes"].items() if b)
        return [work, found, "", "", str(entry["wanted"]), ""]
    ours, peers = entry["seconds"]["gromatic"], peers_of(entry)
    others = ", ".join([f"{n} {number(s['min'])} ({number(s['median'])})" for n, s in peers] +
                       [f"{n} {end}" for n, end in entry.get("ends", {}).items()])
    ratio = f"{peers[0][1]['min'] / ours['min']:.2f}" if peers else ""
    if "on one scene" in entry:
        one = entry["on one scene"]
        ratio += f"; {one['one by one'] / one['gromatic']:.2f} on the same scene"
    wanted = entry["wanted"]
    wanted = f">= {wanted}" if isinstance(wanted, (int, float)) else wanted or ""
    if name == "ground":
        wanted += "; >= 4"
    return [work, f"{number(ours['min'])} ({number(ours['median'])})", others, ratio, wanted, share(entry)]


def line(name, entry, processor=""):
    """A row that was measured on another processor than this one is kept, and marked."""
    stale = entry["processor"] and processor and entry["processor"] != processor
    origin = [entry["commit"], entry["date"]] + ([f"stale: {entry['processor']}"] if stale else [])
    return "| " + " | ".join([*cells(name, entry), ", ".join(origin)]) + " |"


TITLES = {"best": "All that the processor has", "avx2": "Capped at AVX2"}


def section(cpu, entries, processor):
    import cases
    first = next(iter(entries.values()))
    limits = [e["limits"] for e in entries.values() if e["limits"]]
    low_high = ", ".join(
        f"{min(l[key] for l in limits):.0f}-{max(l[key] for l in limits):.0f} {unit}"
        for key, unit in (("fp32_gflops", "GFLOP/s fp32"), ("int8_gops", "GOP/s int8"), ("read_gbs", "GB/s read")))
    machine = next(e for e in entries.values() if e["processor"])
    out = [f"**{TITLES[cpu]}.** {machine['processor']}, {first['threads']} threads, kernels {machine['kernels']}; "
           f"limits in the same runs: {low_high}.", "",
           "| work | gromatic | peers | ratio to the fastest | wanted | of the limit | commit, date |", "|---|---|---|---|---|---|---|"]
    return out + [line(name, entries[name], processor) for name in cases.CASES if name in entries]


def write(path):
    store = load(path)
    versions = {}
    for entries in store.values():
        for entry in entries.values():
            versions.update(entry["peers"])
    text = ["Least time (median in brackets) of alternating runs. Peers: " +
            ", ".join(f"{n} {v}" for n, v in sorted(versions.items())) + ".", ""]
    newest = max((e for entries in store.values() for e in entries.values() if e["processor"]),
                 key=lambda e: e["date"], default={"processor": ""})
    for cpu in ("best", "avx2"):
        if cpu in store:
            text += [*section(cpu, store[cpu], newest["processor"]), ""]
    print("\n".join(text))
    with open(PAGE) as file:
        page = file.read()
    head, rest = page.split(BEGIN)
    with open(PAGE, "w") as file:
        file.write(head + BEGIN + "\n" + "\n".join(text) + END + rest.split(END)[1])
