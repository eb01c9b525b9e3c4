#!/bin/sh
# Installs the Debian packages that gromatic needs. Usage: install-deps.sh [build|test|ci]
# Nothing is done, and no rights are needed, where all of them are there already.
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config libjpeg-dev libpng-dev libwebp-dev libcairo2-dev
 libjansson-dev libutf8proc-dev libedit-dev zlib1g-dev libarchive-dev libcurl4-openssl-dev fonts-dejavu-core"
test="libcmocka-dev python3 python3-venv"
ci="clang-14 clang-format-14 libclang-rt-14-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
 man-db"

case "${1:-build}" in
build) wanted="$build" ;;
test) wanted="$build $test" ;;
ci) wanted="$build $test $ci" ;;
*) echo "usage: $0 [build|test|ci]" >&2; exit 2 ;;
esac

missing=""
for package in $wanted; do
  state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
  sudo=""
elif command -v sudo >/dev/null 2>&1; then
  sudo="sudo"
else
  echo "These packages are missing, and installing them needs root or sudo:" >&2
  echo "  apt-get install -y$missing" >&2
  exit 1
fi
echo "Installing:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
