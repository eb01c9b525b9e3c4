#!/bin/sh
# Makes groma-mini from nothing, in build/train-mini: draws the world, then teaches the model to see and to speak
# in stages of under an hour each. A stage that was broken off goes on where it was; a finished one is left alone.
# Usage: scripts/train-mini.sh [BUILD]   (default build/release)
# SCENES, HELD, SECONDS_PER_STAGE and STEPS_PERCENT (of all stages) may be set, for a short trial. SEEING=FILE begins
# with a model that sees, such as training/groma-mini-seeing.gguf, and leaves the stages out that made it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$root/build/release}" && pwd)
out=$root/build/train-mini
seconds=${SECONDS_PER_STAGE:-3400}
percent=${STEPS_PERCENT:-100}
python=$root/.venv/bin/python
[ -x "$python" ] || python=python3
mkdir -p "$out"
cd "$out"

draw() { # NAME SCENES
  [ -s "$1/scenes/referring.json" ] && return
  echo "drawing $2 scenes: $1"
  "$python" "$root/scripts/world/draw.py" --out "$1" --scenes "$2" --seed "$1"
}

teach() { # PROGRAM BASE OUT STEPS [OPTION]...
  program=$1 base=$2 result=$3 steps=$(($4 * percent / 100))
  shift 4
  [ -e "$result.done" ] && return
  echo "train_$program: $base -> $result, $steps steps (progress: $out/$result.log)"
  "$build/training/train_$program" -m "$base" -s train/scenes -e held/scenes -o "$result" -t "$seconds" \
    -n "$steps" "$@" >> "$result.log" 2>&1 || {
    tail -n 3 "$result.log" >&2
    exit 1
  }
  tail -n 1 "$result.log"
  touch "$result.done"
  rm -f "$result.state" "$result.seen" "$result.held"
}

draw train "${SCENES:-12000}"
draw held "${HELD:-700}"
[ -e fresh.gguf ] ||
  "$build/training/train_fresh" -c "$root/training/groma-mini.json" -w "$root/tests/data/models/groma-mini" -o fresh.gguf

if [ -n "${SEEING:-}" ]; then
  case $SEEING in /*) ;; *) SEEING=$root/$SEEING ;; esac
  cp "$SEEING" see2.gguf
  touch see1.gguf.done see2.gguf.done
fi
teach see fresh.gguf see1.gguf 4000 -l 5e-4
teach see see1.gguf see2.gguf 1120 -l 3e-4 -r
teach see see2.gguf see3.gguf 1000 -l 1e-4 -r -f
teach speak see3.gguf speak1.gguf 5000 -x -l 2e-3
teach speak speak1.gguf speak2.gguf 800 -l 3e-4 -a 0.1 -r

"$build/training/train_threshold" -m speak2.gguf -e held/scenes -o groma-mini.gguf
for task in ground describe caption; do
  "$build/gromatic" eval "$task" -m groma-mini.gguf --coco held/scenes/annotations.json \
    --refs held/scenes/referring.json --images held/scenes/images -q
done
"$build/gromatic" eval detect -m groma-mini.gguf --coco held/scenes/annotations.json --images held/scenes/images -q
