#!/bin/sh
# Decodes damaged pictures under valgrind: scripts/valgrind.sh [COPIES]. COPIES (400) of every small
# picture of tests/data/image are made by scripts/mutated_pictures.py, the same in every run. A read
# of uninitialised bytes, which AddressSanitizer does not see, fails. Needs build/release with its
# tests (make test).
set -eu
cd "$(dirname "$0")/.."
tool=build/release/tests/test_tool_decode
[ -x "$tool" ] || { echo "$tool is not there: run make test first" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 scripts/mutated_pictures.py "$work/pictures" tests/data/image/*.png tests/data/image/*.jpg \
  tests/data/image/*.webp -n "${1:-400}"
# libjpeg's vector code computes on whole vectors; valgrind takes their unused ends for used.
export JSIMD_FORCENONE=1
if ! find "$work/pictures" -type f | LC_ALL=C sort |
  valgrind --quiet --error-exitcode=9 --errors-for-leak-kinds=definite --leak-check=full \
    "$tool" > "$work/results" 2> "$work/log"
then
  head -n 60 "$work/log" >&2
  echo "valgrind: FOUND in damaged pictures (scripts/valgrind.sh)" >&2
  exit 1
fi
made=$(find "$work/pictures" -type f | wc -l)
read=$(wc -l < "$work/results")
decoded=$(grep -c ': [0-9]*x[0-9]* ' "$work/results" || true)
# Fail if nothing was checked.
if [ "$made" -eq 0 ] || [ "$read" -ne "$made" ] || [ "$decoded" -eq 0 ]; then
  echo "valgrind: found $read results and $decoded decoded pictures of $made that were made;" \
    "wanted a result of each, and some decoded" >&2
  exit 1
fi
echo "valgrind: $made damaged pictures, $decoded of them decoded, clean"
