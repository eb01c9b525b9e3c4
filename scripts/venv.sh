#!/bin/sh
# Makes .venv with the PyPI packages that the tests compare with. Without network it says so and
# succeeds: those tests are then skipped by name.
set -u
cd "$(dirname "$0")/.." || exit 1
wanted=$(cksum tests/python/requirements.txt)
[ -f .venv/installed ] && [ "$(cat .venv/installed)" = "$wanted" ] && exit 0
if python3 -m venv .venv && .venv/bin/pip install -q --disable-pip-version-check \
    -r tests/python/requirements.txt; then
  echo "$wanted" >.venv/installed
else
  rm -rf .venv
  echo "PyPI is out of reach: tests that need Python packages will be skipped." >&2
fi
exit 0
