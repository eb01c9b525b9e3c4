#!/bin/sh
# Fits the head of groma-mini, models/groma-mini-present.gguf, on drawn scenes, and measures it on others. To be run
# whenever the weights of groma-mini or clip-mini change; the next build embeds the head.
# Usage: scripts/calibrate-mini.sh [BUILD]   (default build/release)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
program=$(cd "${1:-$root/build/release}" && pwd)/gromatic
out=$root/build/calibrate-mini
python=$root/.venv/bin/python
[ -x "$python" ] || python=python3
mkdir -p "$out"
draw() { # NAME SCENES
  [ -s "$out/$1/scenes/referring.json" ] || "$python" "$root/scripts/world/draw.py" --out "$out/$1" --scenes "$2" --seed "$1"
}
draw calibrate "${SCENES:-400}"
draw calibrate-held "${HELD:-200}"
"$program" calibrate -m groma-mini --coco "$out/calibrate/scenes/annotations.json" \
  --refs "$out/calibrate/scenes/referring.json" -o "$root/models/groma-mini-present.gguf" --force -q
"$python" "$root/scripts/present.py" "$program" "$out/calibrate" "$out/calibrate-held" \
  "$root/models/groma-mini-present.gguf" | tee "$out/figures.md"
