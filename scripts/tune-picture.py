#!/usr/bin/env python3
"""Makes docs/pictures/tune.png: what a model says of things that it does not know, before and after tune.

Usage: tune-picture.py PROGRAM [--scenes 160] [-o FILE] [-- OPTIONS OF TUNE, as -m MODEL --time 30m]

The things are drawn as those of world/draw.py are (Noto Color Emoji, OFL 1.1), and are none of them. Needs Pillow and
Debian's fonts-noto-color-emoji.
"""
import argparse
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "world"))
import draw  # noqa: E402
from objects import OBJECTS  # noqa: E402
from PIL import Image  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NEW = [(name, "new", emoji) for name, emoji in (
    ("hedgehog", "🦔"), ("parrot", "🦜"), ("lobster", "🦞"), ("squid", "🦑"), ("crocodile", "🐊"), ("teddy", "🧸"),
    ("pretzel", "🥨"), ("avocado", "🥑"), ("violin", "🎻"), ("drum", "🥁"), ("compass", "🧭"), ("anchor", "⚓"))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--scenes", type=int, default=160)
    parser.add_argument("--rows", type=int, default=2, help="of the sheet that are shown")
    parser.add_argument("-o", "--output", default=os.path.join(ROOT, "docs", "pictures", "tune.png"))
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args, options = parser.parse_args(sys.argv[1:split]), sys.argv[split + 1:]
    known = {emoji for _, _, emoji in OBJECTS}
    assert not known & {emoji for _, _, emoji in NEW}
    program = os.path.abspath(args.program)
    draw.OBJECTS = NEW
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["draw.py", "--out", folder, "--scenes", str(args.scenes), "--seed", "new things"]
        draw.main()
        scenes, adapter = os.path.join(folder, "scenes"), os.path.join(folder, "my.gguf")
        subprocess.run([program, "tune", "--coco", scenes, "--refs", os.path.join(scenes, "referring.json"), "-o", adapter,
                        *options], check=True)
        sheet = Image.open(os.path.join(folder, "my.png")).convert("RGB")
        sheet.crop((0, 0, sheet.width, rows_end(sheet, args.rows))).save(args.output)


def rows_end(sheet, rows):
    """Where the sheet's first rows end: a band of white lines, left out, comes after each."""
    grey, seen, inside = sheet.convert("L"), 0, False
    for y in range(sheet.height):
        white = grey.crop((0, y, sheet.width, y + 1)).getextrema()[0] == 255
        if inside and white:
            seen += 1
            if seen == rows:
                return y
        inside = not white
    return sheet.height


if __name__ == "__main__":
    main()
