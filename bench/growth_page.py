"""growth.json -> docs/pictures/growth-CURVE.svg, and their part of docs/SPEED.md."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "SPEED.md")
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
COLOURS = ["#1b6ca8", "#d1495b", "#3c8d5a", "#8a5a9e"]

# curve: (title, what is along x, what is along y, {line of growth.json: its name in the picture})
CURVES = {
    "regions": ("Region vectors", "regions of one picture", "s", {"regions": ""}),
    "phrases": ("Phrases on one scene, in one batch", "phrases", "s", {"ground": ""}),
    "crops": ("CLIP ViT-B/32", "crops of one picture", "s", {"crops": ""}),
    "prompt": ("Prefill, 4 layers of LLaMA-7B", "positions of the prompt", "s", {"prefill": ""}),
    "context": ("Decoding, 4 layers of LLaMA-7B and the head, one thread", "positions in the cache", "ms a token",
                {"f16": "cache of f16", "q8_0": "cache of q8_0"}),
    "threads": ("Threads", "", "times the speed of one thread", {}),
    "processes": ("Processes that share one model file", "processes", "GB at the peak of all",
                  {"rss": "Rss: each page counted in each process", "pss": "Pss: shared pages counted once",
                   "pss_anon": "of it, private memory"}),
}

# How each curve grows, and why; figures() gives the values in braces.
TEXT = {
    "regions": """
A region costs {slope} ms, and there are {start} ms before the first. Regions share no work with each other. The fixed part is
the flatten layer's weights (205 million), which are read and unpacked once however many regions there are, and the transforms
of the convolutions' weights.""",
    "phrases": """
A phrase costs {slope} ms and the batch {start} ms. The positions of all phrases, some ten each, are multiplied together, so
weights are unpacked and the picture's keys widened only once. Each phrase has its own attention scores. With 32 language layers
instead of 4, all of it takes some eight times as long.""",
    "crops": """
A crop costs {slope} ms; a single one takes {first_ms} ms. Crops do not depend on each other, but a group of 20 (1024 rows)
goes through each layer together. In a smaller group, the time for unpacking the weights shows.""",
    "prompt": """
A position costs {slope} ms over the whole range. The first {first_value} take {first_ms} ms, since weights are unpacked once
whatever the number of rows. The share of attention grows: a position costs {early_slope} ms from {second} to {third} positions,
and {last_slope} ms from {before_last} to {last}.""",
    "context": """
The lines are straight: a token reads the keys and values of every position once, 64 KB a position in the four layers with f16
and 34 KB with q8_0. A thousand positions cost {slope_f16} ms with f16 ({rate_f16} GB/s) and {slope_q8_0} ms with q8_0
({rate_q8_0} GB/s). The rest, {start_f16} ms, is for the weights, which are read once a token whatever the context. Measured with
one thread, since the reading speed of two threads [swings](#why-the-read-limit-swings).""",
    "threads": """
Arithmetic scales with the number of cores. Decoding scales with memory, which one core cannot use fully. The proposer's products
are small, and each waits for the one before it. A few per cent either way are noise from other work on this machine.""",
    "processes": """
`ground` with one thread in each process, a model file of {file_gb} GB. Each process more takes {slope_gb} GB, next to none of it
for weights: the file's pages are in memory once ({shared_gb} GB of them in use). A process's own memory peaks in the region
encoder, with its maps and scratch.""",
}


# ---- figures


def line_fit(points):
    """(start, slope) of the least squares."""
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    slope = sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x, _ in points)
    return my - slope * mx, slope


def series(name, curve):
    """[(name, [(x, y)])]"""
    out = []
    for line, title in CURVES[name][3].items():
        if name == "processes":
            points = [(r["processes"], r[line] / 1e9) for r in curve["rows"]]
        else:
            scale = 1e3 / 16 if name == "context" else 1  # of 16 tokens
            points = [(r["value"], r["seconds"][line] * scale) for r in curve["rows"]]
        out.append((title, points))
    return out


def memory_figures(curve):
    one = curve["rows"][0]
    slope = line_fit([(r["processes"], r["pss"] / 1e9) for r in curve["rows"]])[1]
    return {"file_gb": f"{curve['file_bytes'] / 1e9:.2f}", "slope_gb": f"{slope:.2f}",
            "shared_gb": f"{(one['pss'] - one['pss_anon']) / 1e9:.2f}"}


def context_figures(drawn):
    out = {}
    for kind, (_, points), value_bytes in zip(("f16", "q8_0"), drawn, (2, 34 / 32)):
        start, slope = line_fit(points)
        position = 2 * 4 * 4096 * value_bytes  # keys and values of four layers
        out.update({f"slope_{kind}": f"{1000 * slope:.2f}", f"start_{kind}": f"{start:.1f}",
                    f"rate_{kind}": f"{position / slope * 1e-6:.0f}"})
    return out


def time_figures(points):
    def between(i, j):
        return f"{(points[j][1] - points[i][1]) / (points[j][0] - points[i][0]) * 1e3:.3g}"

    start, slope = line_fit(points)
    return {"slope": f"{slope * 1e3:.3g}", "start": f"{max(start, 0) * 1e3:.2g}", "first_value": points[0][0],
            "first_ms": f"{points[0][1] * 1e3:.3g}", "second": points[1][0], "third": points[2][0],
            "before_last": points[-2][0], "last": points[-1][0], "early_slope": between(1, 2),
            "last_slope": between(-2, -1)}


def figures(name, curve):
    if name == "threads":
        return {}
    if name == "processes":
        return memory_figures(curve)
    drawn = series(name, curve)
    return context_figures(drawn) if name == "context" else time_figures(drawn[0][1])


# ---- pictures


def gnuplot(name, lines, blocks):
    path = os.path.join(ROOT, "docs", "pictures", f"growth-{name}.svg")
    title, x, y, _ = CURVES[name]
    script = ["set terminal svg noenhanced size 600,340 font 'Helvetica,Arial,sans-serif,13' background '#ffffff'",
              f"set output '{path}'", "set border 3 linecolor '#555555'", "set tics nomirror textcolor '#333333'",
              "set grid ytics linecolor '#dddddd' linetype 1", "set yrange [0:*]",
              "set key left top Left reverse samplen 2 textcolor '#333333'", f"set title '{title}'",
              f"set xlabel '{x}'", f"set ylabel '{'time, s' if y == 's' else y}'", *lines]
    for block in blocks:
        script += [*block, "e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def draw_lines(name, curve):
    drawn = series(name, curve)
    most = max(x for _, points in drawn for x, _ in points)
    style = "with linespoints linewidth 2 pointtype 7 pointsize 0.6"
    plots = [f"'-' {style} linecolor '{COLOURS[i]}' " + (f"title '{title}'" if title else "notitle")
             for i, (title, _) in enumerate(drawn)]
    more = {"processes": ["set xtics 1"], "context": ["set key right bottom"]}.get(name, [])
    gnuplot(name, [f"set xrange [0:{most * 1.03}]", *more, "plot " + ", ".join(plots)],
            [[f"{x} {y:.6g}" for x, y in points] for _, points in drawn])


def draw_threads(curve):
    """How many times as fast as with one thread each stage is: a bar for each number of threads."""
    one, more = curve["rows"][0]["seconds"], curve["rows"][1:]
    most = curve["rows"][-1]["value"]
    plots = [f"'-' using 2:xtic(1) title '{r['value']} threads' linecolor '{COLOURS[i]}'" for i, r in enumerate(more)]
    lines = ["set style data histograms", "set style fill solid 0.9 noborder", "set boxwidth 0.7",
             f"set yrange [0:{most * 1.15}]",
             f"set arrow from graph 0, first {most} to graph 1, first {most} nohead dashtype 2 linecolor '#888888'",
             f"set label 'all cores, no loss' at graph 0.99, first {most * 1.04} right textcolor '#666666'"]
    if len(more) == 1:
        lines.append("set key off")
    gnuplot("threads", [*lines, "plot " + ", ".join(plots)],
            [[f"{s} {one[s] / r['seconds'][s]:.4g}" for s in one] for r in more])


# ---- page


def table(name, curve):
    if name == "threads":
        stages = list(curve["rows"][0]["seconds"])
        rows = [["threads"] + [f"{s}, s" for s in stages]]
        rows += [[r["value"]] + [f"{r['seconds'][s]:.3g}" for s in stages] for r in curve["rows"]]
    else:
        drawn, (_, x, y, _) = series(name, curve), CURVES[name]
        rows = [[x] + [f"{title}, {y}" if title else y for title, _ in drawn]]
        rows += [[value] + [f"{points[i][1]:.3g}" for _, points in drawn]
                 for i, (value, _) in enumerate(drawn[0][1])]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def write(store):
    parts = []
    for name, (title, _, _, _) in CURVES.items():
        curve = store.get(name)
        if not curve or len(curve["rows"]) < 2:
            continue
        draw_threads(curve) if name == "threads" else draw_lines(name, curve)
        parts += [f"### {title}", f"![{title}](pictures/growth-{name}.svg)",
                  TEXT[name].strip().format(**figures(name, curve)), table(name, curve)]
    with open(PAGE) as file:
        page = file.read()
    head, rest = page.split(BEGIN)
    with open(PAGE, "w") as file:
        file.write(head + "\n\n".join([BEGIN, *parts, END]) + rest.split(END)[1])
