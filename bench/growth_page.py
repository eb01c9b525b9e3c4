"""growth.json -> docs/pictures/growth-CURVE.svg and the part of docs/SPEED.md beneath them."""
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "SPEED.md")
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"
COLOURS = ["#1b6ca8", "#d1495b", "#3c8d5a", "#8a5a9e"]

# curve: title, what is along x, {line: its name, "" if there is one only}, unit of y, what grows how and why
TEXT = {
    "regions": ("Region vectors", "regions of one picture", {"regions": ""}, "s",
                "A region costs {slope} ms, and {start} ms are there before the first: nothing of one region serves "
                "another. The start is the flatten layer's weights (205 million), read and unpacked once however many "
                "regions there are, and the transforms of the convolutions' weights."),
    "phrases": ("Phrases on one scene, in one batch", "phrases grounded on one scene", {"ground": ""}, "s",
                "{slope} ms a phrase and {start} ms for the batch. A phrase is some ten positions of its own, multiplied "
                "together with those of the others, so the weights are unpacked once for all; its attention to the "
                "picture's positions is its own. (2 layers of language; 32 cost some sixteen times as much.)"),
    "crops": ("CLIP ViT-B/32", "crops of one picture", {"crops": ""}, "s",
              "{slope} ms a crop; a single one takes {first_ms} ms. Crops are independent of each other, but a group of them, 20 in "
              "1024 rows, goes through each layer together; in a smaller one unpacking the weights shows."),
    "prompt": ("Prefill, 2 layers of LLaMA-7B", "positions of the prompt", {"prefill": ""}, "s",
               "{slope} ms a position over the whole range; the first {first_value} take {first_ms} ms, since weights "
               "are unpacked once whatever the number of rows. Attention grows with the square: from {before_last} to "
               "{last} positions a position costs {last_slope} ms, from {second} to {third} {early_slope} ms."),
    "context": ("Decoding, 2 layers of LLaMA-7B and the head", "positions in the cache",
                {"f16": "cache of f16", "q8_0": "cache of q8_0"}, "ms a token",
                "Straight lines: a token reads every position's keys and values once, 32 KB a position in the two layers with f16 and 17 KB "
                "with q8_0. A thousand positions cost {slope_f16} ms with f16 ({rate_f16} GB/s) and {slope_q8_0} ms with q8_0 "
                "({rate_q8_0} GB/s). The rest, {start_f16} ms, are the weights, read once a token whatever the context. One thread: "
                "what two of them read swings (above)."),
    "threads": ("Threads", "", {}, "times one thread",
                "How many times as fast as with one thread; some per cent are the neighbours' on this machine. Arithmetic scales with cores, "
                "decoding with the memory that one core can't draw alone. The proposer's products are small, and each waits for the "
                "one before it."),
    "processes": ("One model file, several processes", "processes that share one model file",
                  {"rss": "Rss: each page counted in each process", "pss": "Pss: what the machine gives",
                   "pss_anon": "of it, memory of their own"}, "GB at the peak of all",
                  "`ground`, one thread each, a file of {file_gb} GB. What the machine gives grows by {slope_gb} GB a process, all but "
                  "nothing of it weights: the file's pages are there once ({shared_gb} GB of them in use). A process's own peak is the region "
                  "encoder's maps and scratch."),
}


def line_fit(points):
    """(start, slope) of the least squares."""
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    slope = sum((x - mx) * (y - my) for x, y in points) / sum((x - mx) ** 2 for x, _ in points)
    return my - slope * mx, slope


def slope_between(points, i, j):
    return (points[j][1] - points[i][1]) / (points[j][0] - points[i][0])


def figures(name, curve):
    """What the text's braces stand for."""
    if name == "processes":
        rows = curve["rows"]
        start, slope = line_fit([(r["processes"], r["pss"] / 1e9) for r in rows])
        return {"file_gb": f"{curve['file_bytes'] / 1e9:.2f}", "slope_gb": f"{slope:.2f}",
                "shared_gb": f"{(rows[0]['pss'] - rows[0]['pss_anon']) / 1e9:.2f}"}
    if name == "threads":
        return {}
    if name == "context":
        out = {}
        for kind, bytes_each in (("f16", 2 * 2 * 4096 * 2), ("q8_0", 2 * 2 * 4096 * 34 / 32)):
            start, slope = line_fit([(r["value"], r["seconds"][kind] / 16 * 1e3) for r in curve["rows"]])
            out[f"slope_{kind}"], out[f"start_{kind}"] = f"{1000 * slope:.2f}", f"{start:.1f}"
            out[f"rate_{kind}"] = f"{bytes_each / slope * 1e-6:.0f}"
        return out
    stage = next(iter(TEXT[name][2]))
    points = [(r["value"], r["seconds"][stage] * 1e3) for r in curve["rows"]]
    start, slope = line_fit(points)
    return {"slope": f"{slope:.3g}", "start": f"{max(start, 0):.3g}", "first_value": points[0][0],
            "first_ms": f"{points[0][1]:.3g}", "before_last": points[-2][0], "last": points[-1][0],
            "last_slope": f"{slope_between(points, -2, -1):.3g}", "second": points[1][0], "third": points[2][0],
            "early_slope": f"{slope_between(points, 1, 2):.3g}"}


def series(name, curve):
    """[(title, [(x, y)])]"""
    _, _, lines, _, _ = TEXT[name]
    if name == "processes":
        return [(title, [(r["processes"], r[key] / 1e9) for r in curve["rows"]]) for key, title in lines.items()]
    scale = 1e3 / 16 if name == "context" else 1
    return [(title, [(r["value"], r["seconds"][key] * scale) for r in curve["rows"]]) for key, title in lines.items()]


HEAD = ["set border 3 linecolor '#555555'", "set tics nomirror textcolor '#333333'", "set grid ytics linecolor '#dddddd' linetype 1",
        "set yrange [0:*]", "set key left top Left reverse samplen 2 textcolor '#333333'"]


def gnuplot(path, lines, blocks):
    script = ["set terminal svg noenhanced size 600,340 font 'Helvetica,Arial,sans-serif,13' background '#ffffff'", f"set output '{path}'", *HEAD, *lines]
    for block in blocks:
        script += [*block, "e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def draw_lines(name, curve, path):
    title, label, _, unit, _ = TEXT[name]
    drawn = series(name, curve)
    most = max(x for _, points in drawn for x, _ in points)
    plots = [f"'-' with linespoints linewidth 2 pointtype 7 pointsize 0.6 linecolor '{COLOURS[i]}' " +
             (f"title '{t}'" if t else "notitle") for i, (t, _) in enumerate(drawn)]
    ticks = {"processes": ["set xtics 1"], "context": ["set key right bottom"]}.get(name, [])
    gnuplot(path, [f"set title '{title}'", f"set xlabel '{label}'", f"set ylabel '{'time, s' if unit == 's' else unit}'",
                   f"set xrange [0:{most * 1.03}]", *ticks, "plot " + ", ".join(plots)],
            [[f"{x} {y:.6g}" for x, y in points] for _, points in drawn])


def draw_bars(curve, path):
    """How many times as fast each stage is as with one thread; a cluster for each number of threads."""
    rows = curve["rows"]
    stages, one = list(rows[0]["seconds"]), rows[0]["seconds"]
    plots = [f"'-' using 2:xtic(1) title '{r['value']} threads' linecolor '{COLOURS[i]}'" for i, r in enumerate(rows[1:])]
    most = rows[-1]["value"]
    gnuplot(path, ["set title 'Speed with more threads'", "set ylabel 'times the speed of one thread'", "set style data histograms",
                   "set style fill solid 0.9 noborder", "set boxwidth 0.7", f"set yrange [0:{most * 1.15}]",
                   f"set arrow from graph 0, first {most} to graph 1, first {most} nohead dashtype 2 linecolor '#888888'",
                   f"set label 'all cores, no loss' at graph 0.99, first {most * 1.04} right textcolor '#666666'", *(["set key off"] if len(rows) == 2 else []),
                   "plot " + ", ".join(plots)],
            [[f"{s} {one[s] / r['seconds'][s]:.4g}" for s in stages] for r in rows[1:]])


def table(name, curve):
    rows = curve["rows"]
    if name == "processes":
        keys = list(TEXT[name][2])
        head, body = ["processes", "Rss, GB", "Pss, GB", "their own, GB"], [[r["processes"]] + [f"{r[k] / 1e9:.2f}" for k in keys] for r in rows]
    elif name == "threads":
        stages = list(rows[0]["seconds"])
        head, body = ["threads"] + [f"{s}, s" for s in stages], [[r["value"]] + [f"{r['seconds'][s]:.3g}" for s in stages] for r in rows]
    else:
        _, label, lines, unit, _ = TEXT[name]
        drawn = series(name, curve)
        head = [label] + [f"{t}, {unit}" if t else unit for t, _ in drawn]
        body = [[x] + [f"{points[i][1]:.3g}" for _, points in drawn] for i, (x, _) in enumerate(drawn[0][1])]
    return "\n".join(["| " + " | ".join(map(str, row)) + " |" for row in [head, ["---"] * len(head), *body]])


def write(store):
    parts = []
    for name, (title, _, _, _, text) in TEXT.items():
        if name not in store:
            continue
        curve = store[name]
        picture = os.path.join(ROOT, "docs", "pictures", f"growth-{name}.svg")
        if name == "threads":
            if len(curve["rows"]) < 2:
                continue
            draw_bars(curve, picture)
        else:
            draw_lines(name, curve, picture)
        parts.append(f"### {title}\n\n![{title}](pictures/growth-{name}.svg)\n\n{text.format(**figures(name, curve))}\n\n{table(name, curve)}")
    with open(PAGE) as file:
        page = file.read()
    head, rest = page.split(BEGIN)
    with open(PAGE, "w") as file:
        file.write(head + BEGIN + "\n\n" + "\n\n".join(parts) + "\n\n" + END + rest.split(END)[1])
