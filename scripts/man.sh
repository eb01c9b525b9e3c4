#!/bin/sh
# Writes man/gromatic.1 from its template and the program's table of commands and options.
# Usage: man.sh PROGRAM [OUTPUT]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
program=$1
output=${2:-$root/man/gromatic.1}
version=$("$program" --version | cut -d' ' -f2)
options=$(mktemp)
commands=$(mktemp)
trap 'rm -f "$options" "$commands"' EXIT
"$program" completion man-options >"$options"
"$program" completion man-commands >"$commands"
sed -e "s/@VERSION@/$version/" \
  -e "/^@OPTIONS@/{r $options
d}" -e "/^@COMMANDS@/{r $commands
d}" "$root/man/gromatic.1.in" >"$output"
