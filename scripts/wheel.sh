#!/bin/sh
# Makes the Python wheel in build/wheel: libraries and program of a release build, with Debian's libraries bundled by
# auditwheel, which proves the tag. The wheel is for the kind of machine that makes it.
set -eu
cd "$(dirname "$0")/.."
machine=$(uname -m)
# What the libraries of Debian 12 need; auditwheel fails if they need a later glibc.
platform=manylinux_2_36_$machine
tools=$PWD/.venv-wheel/bin
sh scripts/venv.sh wheel
[ -x "$tools/auditwheel" ] || { echo "wheel.sh: found no .venv-wheel; wanted the packages of PyPI" >&2; exit 1; }

cmake --preset release >/dev/null
cmake --build --preset release --target gromatic_shared gromatic_tools_shared gromatic_linked
stage=build/wheel/$machine
rm -rf "$stage"
mkdir -p "$stage"
cp -r python "$stage/"
package=$stage/python/gromatic
rm -rf "$package/__pycache__"
mkdir -p "$package/lib" "$package/bin"
for name in gromatic gromatic_tools; do
  cp "build/release/src/lib$name.so.1" "$package/lib/"
done
cp "build/release/gromatic_linked" "$package/bin/gromatic"
PATH=$tools:$PATH
# shellcheck disable=SC2016 # $ORIGIN is for the loader
{
  patchelf --set-rpath '$ORIGIN' "$package/lib/libgromatic.so.1" "$package/lib/libgromatic_tools.so.1"
  patchelf --set-rpath '$ORIGIN/../lib' "$package/bin/gromatic"
}
cp LICENSE NOTICE "$stage/python/"
"$tools/python" scripts/wheel-licences.py "$stage/python/licences" "$package"/lib/*.so.1 "$package/bin/gromatic"

version=$(sed -n 's/^project(gromatic VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
GROMATIC_VERSION=$version GROMATIC_PLATFORM=linux_$machine "$tools/pip" wheel -q --disable-pip-version-check \
  --no-deps --no-build-isolation -w "$stage/plain" "$stage/python"
"$tools/python" scripts/wheel-repair.py "$stage"/plain/*.whl build/wheel "$platform" >"$stage/repair.log" 2>&1 ||
  { cat "$stage/repair.log" >&2; exit 1; }
wheel=build/wheel/gromatic-$version-py3-none-$platform.whl
"$tools/auditwheel" show "$wheel" | tr '\n' ' ' | grep -q "\"$platform\"" ||
  { "$tools/auditwheel" show "$wheel" >&2; exit 1; }
ls -l "$wheel"
