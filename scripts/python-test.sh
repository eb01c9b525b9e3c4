#!/bin/sh
# Runs one Python test with an environment of scripts/venv.sh: .venv, or that of GROMATIC_VENV. Exit
# code 77 means skipped.
root=$(cd "$(dirname "$0")/.." && pwd)
venv=${GROMATIC_VENV:-.venv}
if [ ! -x "$root/$venv/bin/python" ]; then
  echo "skipped: no $venv with Python packages (run scripts/venv.sh with network)"
  exit 77
fi
exec "$root/$venv/bin/python" "$@"
