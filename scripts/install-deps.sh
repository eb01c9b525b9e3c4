#!/bin/sh
# Installs the Debian packages that gromatic needs. Usage: install-deps.sh [build|test|ci|aarch64]
# If all of them are installed, it does nothing and needs no rights. Without apt, or without the right to use
# it, it looks for the dependencies themselves and names those that are missing, also by their names on
# Fedora, Arch and Alpine.
# shellcheck disable=SC2317 # each_row calls some functions by their name
set -eu

# One row per dependency. "wanted": build, test, ci or aarch64. "arm64": the package that a cross-build needs
# beside the machine's own (multiarch), = if it has the same name. "found": how to find it without a package
# manager: a name of pkg-config, or command:, font:, python: (a module). - for none.
table() {
  cat <<'END_OF_TABLE'
# wanted debian                  arm64                found            fedora              arch           alpine
build    gcc                     -                    command:cc       gcc                 gcc            gcc
build    libc6-dev               =                    -                glibc-devel         glibc          musl-dev
build    cmake                   -                    command:cmake    cmake               cmake          cmake
build    ninja-build             -                    command:ninja    ninja-build         ninja          ninja-build
build    pkg-config              -                    command:pkg-config pkgconf-pkg-config pkgconf       pkgconf
build    libjpeg-dev             libjpeg62-turbo-dev  libjpeg          libjpeg-turbo-devel libjpeg-turbo  libjpeg-turbo-dev
build    libpng-dev              =                    libpng           libpng-devel        libpng         libpng-dev
build    libwebp-dev             =                    libwebp,libwebpdemux libwebp-devel   libwebp        libwebp-dev
build    libcairo2-dev           =                    cairo,cairo-ft   cairo-devel         cairo          cairo-dev
build    libharfbuzz-dev         =                    harfbuzz         harfbuzz-devel      harfbuzz       harfbuzz-dev
build    libfribidi-dev          =                    fribidi          fribidi-devel       fribidi        fribidi-dev
build    libfontconfig-dev       =                    fontconfig       fontconfig-devel    fontconfig     fontconfig-dev
build    libfreetype-dev         =                    freetype2        freetype-devel      freetype2      freetype-dev
build    libjansson-dev          =                    jansson          jansson-devel       jansson        jansson-dev
build    libutf8proc-dev         =                    libutf8proc      utf8proc-devel      libutf8proc    utf8proc-dev
build    libedit-dev             =                    libedit          libedit-devel       libedit        libedit-dev
build    libmicrohttpd-dev       =                    libmicrohttpd    libmicrohttpd-devel libmicrohttpd  libmicrohttpd-dev
build    libexpat1-dev           =                    expat            expat-devel         expat          expat-dev
build    zlib1g-dev              =                    zlib             zlib-devel          zlib           zlib-dev
build    libarchive-dev          =                    libarchive       libarchive-devel    libarchive     libarchive-dev
build    libcurl4-openssl-dev    =                    libcurl          libcurl-devel       curl           curl-dev
build    fonts-dejavu-core       -                    font:DejaVuSans  dejavu-sans-fonts   ttf-dejavu     font-dejavu
test     libcmocka-dev           =                    cmocka           libcmocka-devel     cmocka         cmocka-dev
test     fonts-noto-color-emoji  -                    -                google-noto-color-emoji-fonts noto-fonts-emoji font-noto-emoji
test     fonts-wqy-microhei      -                    -                wqy-microhei-fonts  wqy-microhei   font-wqy-zenhei
test     fonts-lohit-deva        -                    -                lohit-devanagari-fonts -           -
test     fonts-tlwg-loma-ttf     -                    -                -                   -              -
test     python3                 -                    command:python3  python3             python         python3
test     python3-venv            -                    python:ensurepip python3             python         python3
ci       clang-14                -                    command:clang-14 -                   -              -
ci       clang-format-14         -                    command:clang-format-14 -            -              -
ci       libclang-rt-14-dev      -                    -                -                   -              -
ci       llvm-14                 -                    command:llvm-symbolizer-14 -         -              -
ci       man-db                  -                    command:man      man-db              man-db         mandoc
ci       binutils                -                    command:nm       binutils            binutils       binutils
ci       valgrind                -                    command:valgrind valgrind            valgrind       valgrind
ci       chromium                -                    command:chromium chromium            chromium       chromium
ci       openjdk-17-jre-headless -                   command:java     java-17-openjdk-headless jre17-openjdk-headless openjdk17-jre-headless
aarch64  gcc-aarch64-linux-gnu   -                    command:aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc -
aarch64  qemu-user               -                    command:qemu-aarch64 qemu-user       qemu-user      qemu-aarch64
END_OF_TABLE
}

target="${1:-build}"
case "$target" in
build) purposes=" build " ;;
test) purposes=" build test " ;;
ci) purposes=" build test ci " ;;
aarch64) purposes=" build test aarch64 " ;;
*) echo "usage: $0 [build|test|ci|aarch64]" >&2; exit 2 ;;
esac

# Calls "$1" with the columns of each row that is wanted.
each_row() {
  table >"$rows"
  while read -r wanted debian arm64 found fedora arch alpine; do
    case "$purposes" in *" $wanted "*) "$1" ;; esac
  done <"$rows"
}
rows=$(mktemp)
trap 'rm -f "$rows"' EXIT

# ---- Debian ----

missing=""
want_package() {
  dpkg-query -W -f='${Architecture} ${Status}\n' "$1" 2>/dev/null |
    grep -Eq "^($2|all) install ok installed" || missing="$missing $3"
}
want_debian() {
  want_package "$debian" "$(dpkg --print-architecture)" "$debian"
  [ "$target" = aarch64 ] && [ "$arm64" != - ] || return 0
  case "$arm64" in =) arm64=$debian ;; esac
  want_package "$arm64:arm64" arm64 "$arm64:arm64"
}

# dpkg and apt can be installed on other systems too, which do not manage their packages with
# them.
is_debian() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null &&
    dpkg-query -W -f='${Status}' dpkg 2>/dev/null | grep -q "install ok installed"
}

install() {
  echo "Installing:$missing"
  case "$missing" in *:arm64*) $sudo dpkg --add-architecture arm64 ;; esac
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# ---- elsewhere ----

names="" on_fedora="" on_arch="" on_alpine=""
is_there() {
  case "$1" in
  -) true ;; # what needs it is looked for
  command:*) command -v "${1#command:}" >/dev/null ;;
  python:*) python3 -c "import ${1#python:}" 2>/dev/null ;;
  font:*) ! command -v fc-list >/dev/null || [ -n "$(fc-list ":family=${1#font:}" family)" ] ;;
  *) pkg-config --exists "$1" 2>/dev/null ;;
  esac
}
want_thing() {
  # shellcheck disable=SC2086
  for name in $(echo "$found" | tr , ' '); do
    is_there "$name" && continue
    kind="pkg-config"
    case "$name" in *:*) kind="${name%%:*}" ;; esac
    names="$names
  ${name#*:} ($kind)"
    on_fedora=$(with "$on_fedora" "$fedora")
    on_arch=$(with "$on_arch" "$arch")
    on_alpine=$(with "$on_alpine" "$alpine")
  done
}
# The list $1 and the word $2, each word once.
with() {
  case " $1 " in *" $2 "*) set -- "$1" - ;; esac
  [ "$2" = - ] && echo "$1" || echo "$1 $2"
}

look_for_things() {
  each_row want_thing
  [ -n "$names" ] || exit 0
}

# ---- main ----

if is_debian; then
  each_row want_debian
  [ -n "$missing" ] || exit 0
  sudo=none
  [ "$(id -u)" != 0 ] || sudo=""
  if [ "$sudo" = none ] && command -v sudo >/dev/null; then sudo=sudo; fi
  if [ "$sudo" != none ]; then
    install
    exit 0
  fi
  # Other packages may have installed them. A cross-build's libraries cannot be searched for.
  [ "$target" = aarch64 ] || look_for_things
  echo "These packages are missing, and installing them needs root or sudo:" >&2
  echo "  apt-get install -y$missing" >&2
elif [ "$target" = aarch64 ]; then
  echo "found no apt; wanted Debian, whose libraries of the other architecture a cross-build takes" >&2
else
  look_for_things
  echo "There is no apt here. These are missing:$names" >&2
  echo "Install them, then run make again:" >&2
  echo "  Fedora: sudo dnf install$on_fedora" >&2
  echo "  Arch:   sudo pacman -S$on_arch" >&2
  echo "  Alpine: sudo apk add$on_alpine" >&2
fi
exit 1
