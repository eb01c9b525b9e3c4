"""gromatic serve answers what its own /openapi.json allows, and refuses the rest, as schemathesis finds out."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "cli"))
from served import Server  # noqa: E402

server = Server("--quiet", "--timeout", "60")
try:
    # What a schema cannot say, as that a box must lie on the picture, is refused too: not positive_data_acceptance.
    done = subprocess.run([os.path.join(os.path.dirname(sys.executable), "st"), "run",
                           f"http://127.0.0.1:{server.port}/openapi.json", "--max-time", "45", "--phases", "coverage,fuzzing",
                           "--exclude-checks", "positive_data_acceptance", "--seed", "7", "--no-color"],
                          env=dict(os.environ, SCHEMATHESIS_HOOKS="openapi_hooks", PYTHONPATH=HERE), capture_output=True,
                          text=True)
    health = server.get("/health")[0]
finally:
    code = server.stop()
print(done.stdout[-6000:], done.stderr[-2000:])
assert done.returncode == 0, done.returncode
assert (health, code) == (200, 0), (health, code)
assert "Tested:" in done.stdout
