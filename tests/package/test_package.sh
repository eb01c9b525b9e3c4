#!/bin/sh
# Installs into an empty folder, builds a consumer by CMake and by pkg-config, runs the installed program from
# elsewhere, uninstalls, and wants nothing left. Usage: test_package.sh BUILD SOURCE PICTURE
set -eu
build=$1
source=$2
picture=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

# nothing is installed where something is not built
cmake -D built="$build/CMakeCache.txt;$work/none" -D build=BUILD -P "$source/cmake/require_built.cmake" 2>"$work/refused" &&
  { echo "a file that is not there was not missed"; exit 1; }
grep -q "cmake --build BUILD" "$work/refused" || { echo "not told what to build"; exit 1; }
grep -q "^include.*require_built" "$build/cmake_install.cmake" || { echo "installed unchecked"; exit 1; }

cmake --install "$build" --prefix "$prefix" >"$work/log"
cd "$work"
want=$("$prefix/bin/gromatic" caption "$picture" | head -1)
echo "$want" | grep -q "background" || { echo "no caption: $want"; exit 1; }

cmake -S "$source/tests/package" -B consumer -DCMAKE_PREFIX_PATH="$prefix" >>"$work/log"
cmake --build consumer >>"$work/log"
for program in consumer consumer_static; do
  got=$(LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libgromatic.so)") "consumer/$program" "$picture")
  [ "$got" = "$want" ] || { echo "$program: found '$got', wanted '$want'"; exit 1; }
done

pc=$(dirname "$(find "$prefix" -name gromatic.pc)")
flags=$(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs gromatic)
# shellcheck disable=SC2086
cc -o by-pkg-config "$source/tests/package/consumer.c" $flags
got=$(LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libgromatic.so)") ./by-pkg-config "$picture")
[ "$got" = "$want" ] || { echo "pkg-config: found '$got', wanted '$want'"; exit 1; }

# soname, and only public names exported
so=$(find "$prefix" -name 'libgromatic.so.0')
readelf -d "$so" | grep -q 'SONAME.*libgromatic.so.0' || { echo "no soname"; exit 1; }
others=$(nm -D --defined-only "$so" | awk '$2 ~ /[TDBR]/ {print $3}' | grep -v '^gm_' || true)
[ -z "$others" ] || { echo "exported by mistake: $others"; exit 1; }
declared=$(grep -c '^GM_API' "$source/include/gromatic.h")
exported=$(nm -D --defined-only "$so" | awk '$2 == "T"' | wc -l)
[ "$declared" = "$exported" ] || { echo "$declared declared, $exported exported"; exit 1; }

cmake --build "$build" --target uninstall >>"$work/log"
left=$(find "$prefix" -type f -o -type l)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
