#!/bin/sh
# Cross-builds the whole project for 64-bit ARM and runs, under qemu, the tests of the kernels at every level
# that NEON has, and one whole caption, whose words must equal those of this machine's own build.
set -eu
cd "$(dirname "$0")/.."
sh scripts/install-deps.sh aarch64
cmake --preset aarch64 >/dev/null
cmake --build --preset aarch64
ctest --preset aarch64 -j2

picture=tests/data/world/scenes/images/064.jpg
want=$(build/release/gromatic caption "$picture" --json)
got=$(qemu-aarch64 build/aarch64/gromatic caption "$picture" --json -t 2)
python3 - "$want" "$got" <<'END'
import json
import sys
want, got = (json.loads(text) for text in sys.argv[1:])
assert got["text"] == want["text"], (got["text"], want["text"])
for a, b in zip(got["grounding"], want["grounding"]):
    for x, y in zip(a["regions"], b["regions"]):
        # sums are in another order, so boxes are printed to 1/100 pixel
        assert all(abs(p - q) <= 0.02 for p, q in zip(x["box"], y["box"])), (x, y)
print("the caption under qemu is this machine's:", got["text"])
END
