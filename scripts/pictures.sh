#!/bin/sh
# Makes the pictures of docs/pictures, with the model inside the program.
# Usage: scripts/pictures.sh [PROGRAM [DIRECTORY]]   (default build/release/gromatic, docs/pictures)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
program=${1:-$root/build/release/gromatic}
out=${2:-$root/docs/pictures}
scenes=$root/tests/data/world/scenes/images
mkdir -p "$out"

"$program" caption "$scenes/064.jpg" -q --draw "$out/caption.png"
"$program" ground "$scenes/074.webp" "an elephant" "a sunflower" -q --draw "$out/ground.png"
"$program" describe "$scenes/074.webp" --box 154,46,237,112 --box 148,165,203,218 -q --draw "$out/describe.png"
"$program" classify "$root/tests/data/world/classify/koala/0.png" \
    --descriptions "$root/tests/data/descriptions/world.json" --no-cache -q --explain "$out/explain.png" > /dev/null
