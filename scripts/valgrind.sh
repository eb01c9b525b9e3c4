#!/bin/sh
# Decodes damaged pictures under valgrind: scripts/valgrind.sh [COPIES]. COPIES (400) of every small
# picture of tests/data/image are made by scripts/mutated_pictures.py, the same in every run; a read
# of bytes that nothing has written, which AddressSanitizer does not see, fails. Needs build/release
# with its tests (make test).
set -eu
cd "$(dirname "$0")/.."
tool=build/release/tests/test_tool_decode
[ -x "$tool" ] || { echo "$tool is not there: run make test first" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 scripts/mutated_pictures.py "$work/pictures" tests/data/image/*.png tests/data/image/*.jpg \
  tests/data/image/*.webp -n "${1:-400}"
# libjpeg's vector code computes on whole vectors, whose unused ends valgrind takes for used.
export JSIMD_FORCENONE=1
if ! find "$work/pictures" -type f | LC_ALL=C sort |
  valgrind --quiet --error-exitcode=9 --errors-for-leak-kinds=definite --leak-check=full \
    "$tool" > "$work/results" 2> "$work/log"
then
  head -n 60 "$work/log" >&2
  echo "valgrind: FOUND in damaged pictures (scripts/valgrind.sh)" >&2
  exit 1
fi
decoded=$(grep -c ': [0-9]*x[0-9]* ' "$work/results" || true)
echo "valgrind: $(wc -l < "$work/results") damaged pictures, $decoded of them decoded, clean"
