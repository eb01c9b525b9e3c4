#!/bin/sh
# Installs into an empty folder, builds a consumer by CMake and by pkg-config, runs the installed program from
# elsewhere, uninstalls, and checks that nothing is left. Usage: test_package.sh BUILD SOURCE PICTURE
set -eu
build=$1
source=$2
picture=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

# nothing is installed if something is not built
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
libraries=$(dirname "$(find "$prefix" -name libgromatic.so)")
export LD_LIBRARY_PATH="$libraries"
check() { # PROGRAM WANTED
  got=$("$1" "$picture")
  [ "$got" = "$2" ] || { echo "$1: found '$got', wanted '$2'"; exit 1; }
}
version=$(sed -n 's/^project(gromatic VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")
for program in consumer consumer_static; do check "consumer/$program" "$want"; done
for program in drawer drawer_static; do check "consumer/$program" "$version drawn"; done

# by pkg-config: shared, and with the libraries' archives
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name gromatic.pc)")
export PKG_CONFIG_PATH
archives() { pkg-config --static --cflags --libs "$1" | sed 's/-l\(gromatic[a-z_]*\)/-l:lib\1.a/g'; }
for name in gromatic gromatic_tools; do
  [ "$(pkg-config --modversion $name)" = "$version" ] || { echo "$name.pc is not of $version"; exit 1; }
done
# shellcheck disable=SC2046
cc -o by-pkg-config "$source/tests/package/consumer.c" $(pkg-config --cflags --libs gromatic)
# shellcheck disable=SC2046
cc -o by-pkg-config-static "$source/tests/package/consumer.c" $(archives gromatic)
# shellcheck disable=SC2046
c++ -o drawer-by-pkg-config "$source/tests/package/drawer.cpp" $(pkg-config --cflags --libs gromatic_tools)
# shellcheck disable=SC2046
c++ -o drawer-by-pkg-config-static "$source/tests/package/drawer.cpp" $(archives gromatic_tools)
for program in by-pkg-config by-pkg-config-static; do check ./$program "$want"; done
for program in drawer-by-pkg-config drawer-by-pkg-config-static; do check ./$program "$version drawn"; done
for name in gromatic gromatic_tools; do
  readelf -d "$libraries/lib$name.so.1" | grep -q "SONAME.*lib$name.so.1" || { echo "$name: no soname"; exit 1; }
done
for program in consumer/drawer_static drawer-by-pkg-config-static; do
  if readelf -d $program | grep -q "NEEDED.*libgromatic"; then echo "$program: not static"; exit 1; fi
done

cmake --build "$build" --target uninstall >>"$work/log"
left=$(find "$prefix" -type f -o -type l)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
