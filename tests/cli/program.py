"""program.py - runs the program under test for the black-box tests."""
import json
import os
import subprocess
import tempfile

GROMATIC = os.environ["GROMATIC"]
DATA = os.environ["GM_TEST_DATA"]
HOME = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = HOME.name  # the tests' own cache, not the user's
SCENES = os.path.join(DATA, "world", "scenes", "images")
# The model of the values in data/golden/groma-mini, which is not the embedded one.
REFERENCE_MINI = os.environ.get("GM_REFERENCE_MINI")


# What a run without a model says first; test_cli_scope.py has the whole text.
NOTICE = "gromatic: no model was given, and "


def run(*args, code=0, stdin=b"", env=None, timeout=300, notice=False, cwd=None):
    """Runs gromatic; checks the exit code; returns (stdout, stderr) as text, the latter without the notice that
    nearly every run has, unless it is asked for."""
    full = dict(os.environ, NO_COLOR="1", **(env or {}))
    command = [GROMATIC, *(a if isinstance(a, bytes) else str(a) for a in args)]
    done = subprocess.run(command, input=stdin, capture_output=True, env=full, timeout=timeout, cwd=cwd)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, (args, done.returncode, out, err)
    if not notice:
        err = "".join(line for line in err.splitlines(True) if not line.startswith(NOTICE))
    return out, err


def lines(*args, **kwargs):
    """The JSON lines of a run with --json."""
    out, _ = run(*args, "--json", **kwargs)
    return [json.loads(line) for line in out.splitlines()]


def scene(number):
    ending = ("png", "jpg", "webp")[number % 3]
    return os.path.join(SCENES, f"{number:03d}.{ending}")
