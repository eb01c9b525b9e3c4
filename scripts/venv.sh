#!/bin/sh
# Makes .venv with the PyPI packages that the tests compare with; given a NAME, makes .venv-NAME
# with those of requirements-NAME.txt. Without network or room it says so and succeeds; those tests are
# then skipped by name.
set -u
cd "$(dirname "$0")/.." || exit 1
venv=.venv${1:+-$1}
list=tests/python/requirements${1:+-$1}.txt
wanted=$(cksum "$list") || exit 1
[ -f "$venv/installed" ] && [ "$(cat "$venv/installed")" = "$wanted" ] && exit 0
if python3 -m venv "$venv" && "$venv/bin/pip" install -q --disable-pip-version-check -r "$list"; then
  echo "$wanted" >"$venv/installed"
else
  rm -rf "$venv"
  echo "The packages of $list could not be installed (pip says why above): tests that need them will be skipped." >&2
fi
exit 0
