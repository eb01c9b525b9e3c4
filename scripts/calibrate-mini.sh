#!/bin/sh
# Fits the heads of groma-mini and clip-mini, models/groma-mini-present.gguf and models/clip-mini-label.gguf, on drawn
# scenes, and measures them on others. To be run whenever the weights of groma-mini or clip-mini change; the next build
# embeds the heads.
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
"$program" calibrate label -m groma-mini --clip-model clip-mini --coco "$out/calibrate/scenes/annotations.json" \
  -o "$root/models/clip-mini-label.gguf" --force -q
"$python" "$root/scripts/label_none.py" "$program" "$out/calibrate-held/scenes" "$root/models/clip-mini-label.gguf" |
  tee -a "$out/figures.md"
