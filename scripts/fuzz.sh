#!/bin/sh
# Runs every fuzz target from its committed corpus: scripts/fuzz.sh [SECONDS [TARGET...]]
# (60 seconds each, two at a time). Fails if any finds something; the input is left in
# build/fuzz/findings. New inputs go to build/fuzz/corpus, never to the committed one. The random
# seed is 1, so that a run can be repeated; FUZZ_SEED=0 draws another.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
cmake --preset fuzz > /dev/null
cmake --build --preset fuzz > /dev/null
targets=${*:-$(cd fuzz && ls fuzz_*.c | sed 's/^fuzz_//; s/\.c$//')}
mkdir -p build/fuzz/findings build/fuzz/corpus build/fuzz/logs

# Run by xargs, one target each.
run='
  target=$1 seconds=$2
  mkdir -p build/fuzz/corpus/$target
  log=build/fuzz/logs/$target.log
  dict=fuzz/$target.dict
  [ -f "$dict" ] && dict="-dict=$dict" || dict=
  if build/fuzz/fuzz/fuzz_$target build/fuzz/corpus/$target fuzz/corpus/$target $dict \
    -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
    -max_len=65536 -print_final_stats=1 -seed="${FUZZ_SEED:-1}" -artifact_prefix=build/fuzz/findings/$target- \
    > "$log" 2>&1
  then
    echo "fuzz $target: $(sed -n "s/^stat::number_of_executed_units: *//p" "$log") runs, clean"
  else
    tail -n 60 "$log"
    echo "fuzz $target: FOUND, see build/fuzz/findings and $log"
    exit 1
  fi'
echo "$targets" | tr ' ' '\n' | xargs -P 2 -I {} sh -c "$run" fuzz {} "$seconds"
