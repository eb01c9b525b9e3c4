#!/bin/sh
# Installs the Debian packages that gromatic needs. Usage: install-deps.sh [build|test|ci|aarch64]
# Nothing is done, and no rights are needed, where all of them are there already.
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config libjpeg-dev libpng-dev libwebp-dev libcairo2-dev
 libjansson-dev libutf8proc-dev libedit-dev zlib1g-dev libarchive-dev libcurl4-openssl-dev fonts-dejavu-core"
test="libcmocka-dev python3 python3-venv"
ci="clang-14 clang-format-14 libclang-rt-14-dev llvm-14 man-db binutils"
# The libraries of the other architecture stand beside the machine's own (multiarch).
aarch64="gcc-aarch64-linux-gnu qemu-user libc6-dev:arm64 libjpeg62-turbo-dev:arm64 libpng-dev:arm64
 libwebp-dev:arm64 libcairo2-dev:arm64 libjansson-dev:arm64 libutf8proc-dev:arm64 libedit-dev:arm64
 zlib1g-dev:arm64 libarchive-dev:arm64 libcurl4-openssl-dev:arm64 libcmocka-dev:arm64"

case "${1:-build}" in
build) wanted="$build" ;;
test) wanted="$build $test" ;;
ci) wanted="$build $test $ci" ;;
aarch64) wanted="$build $test $aarch64" ;;
*) echo "usage: $0 [build|test|ci|aarch64]" >&2; exit 2 ;;
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
case "$missing" in *:arm64*) $sudo dpkg --add-architecture arm64 ;; esac
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
