#!/bin/sh
# Runs one Python test with the environment of scripts/venv.sh; exit code 77 means skipped.
root=$(cd "$(dirname "$0")/.." && pwd)
if [ ! -x "$root/.venv/bin/python" ]; then
  echo "skipped: no Python packages (run scripts/venv.sh with network)"
  exit 77
fi
exec "$root/.venv/bin/python" "$@"
