#!/bin/sh
# Keeps the public interface of this version, which later libraries must still support: the headers and the
# exported names, in tests/data/abi-MAJOR.MINOR. Run it before a release of a new MAJOR.MINOR, and never for a
# released one: tests are built from that copy and run with the current libraries. Usage: freeze-abi.sh [BUILD]
set -eu
cd "$(dirname "$0")/.."
build=${1:-build/release}
version=$(sed -n 's/^project(gromatic VERSION \([0-9]*\.[0-9]*\).*/\1/p' CMakeLists.txt)
folder=tests/data/abi-$version
mkdir -p "$folder"
cp include/*.h "$folder/"
for name in gromatic gromatic_tools; do
  nm -D --defined-only --with-symbol-versions "$build/src/lib$name.so" |
    sed -n 's/.* T \(.*\)@@GROMATIC_[0-9].*/\1/p' | LC_ALL=C sort >"$folder/$name.symbols"
done
