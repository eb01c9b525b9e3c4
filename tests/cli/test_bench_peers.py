"""bench/peers/run.py with a fake gromatic and fake peers: one that dies, one that fails, one that answers."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "peers", "run.py")

GROMATIC = """
import json, sys
if sys.argv[1] == "convert":
    open(sys.argv[sys.argv.index("-o") + 1], "w").close()
    sys.exit()
if "vision" in sys.argv:
    sys.exit(3)
names = sys.argv[sys.argv.index("--stage") + 1].split(",")
stage = {"kernels": "none", "seconds_min": 2.0, "seconds_median": 2.0, "operations": 1, "bytes": 1, "limit": "int8",
         "limit_rate": 1, "share": 0.5}
print(json.dumps({"processor": "none", "stages": [dict(stage, stage=n) for n in names], "peak_bytes": 1,
                  "limits": {"fp32_gflops": 1, "int8_gops": 1, "read_gbs": 1}}))
"""

# argv: -c CODE ... asks for versions, or writes a model; else worker.py and the part that it plays
PEER = """
import json, os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
if sys.argv[1] == "-c":
    if "write_model" in sys.argv[2]:
        open(sys.argv[-1], "w").close()
    else:
        print("torch 1.0")
    sys.exit()
how = sys.argv[2:]
if "q4_k" not in str(how) and how[0] == "torch":
    sys.exit("Traceback:\\nModuleNotFoundError: No module named 'torch'\\n")
if "DIES" in os.environ and os.environ["DIES"] == "at once" and "repack" in how:
    os.kill(os.getpid(), signal.SIGILL)
print(json.dumps("ready"), flush=True)
for n, line in enumerate(sys.stdin):
    if os.environ.get("DIES") == "later" and "repack" in how and n == 2:
        os.kill(os.getpid(), signal.SIGILL)
    print(3.0, flush=True)
"""


class Peers(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        os.makedirs(os.path.join(self.folder, "venv", "bin"))
        self.program = self.script("gromatic", GROMATIC)
        self.script(os.path.join("venv", "bin", "python"), PEER)
        self.results = os.path.join(self.folder, "results.json")

    def script(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(f"#!{sys.executable}\n{text}")
        os.chmod(path, 0o755)
        return path

    def measure(self, only, dies="", code=0, cpu="best"):
        """The printed rows by the first word of their work, the kept results, and stderr."""
        done = subprocess.run([sys.executable, RUN, self.program, "--venv", os.path.join(self.folder, "venv"), "--store",
                               os.path.join(self.folder, "work"), "--results", self.results, "--only", only, "--cpu", cpu,
                               "--llama-avx2", os.path.join(self.folder, "llama-avx2")],
                              capture_output=True, text=True, env=dict(os.environ, DIES=dies), timeout=120)
        self.assertEqual(done.returncode, code, done)
        rows = {line.split()[1]: line for line in done.stdout.splitlines() if line.startswith("|")}
        kept = {}
        if os.path.exists(self.results):
            with open(self.results) as file:
                kept = json.load(file)[cpu]
        return rows, kept, done.stderr

    def test_all_live(self):
        rows, kept, _ = self.measure("prefill")
        self.assertIn("| llama.cpp 3 s (3 s), llama.cpp not repacked 3 s (3 s) | 1.50 |", rows["prefill"])
        self.assertNotIn("ends", kept["prefill"])

    def test_one_dies(self):
        """At once, or between two runs: its column says so; the other columns and rows stay."""
        for dies in "at once", "later":
            rows, kept, _ = self.measure("prefill,decode", dies)
            for row in rows["prefill"], rows["decode"]:
                self.assertIn("| llama.cpp not repacked 3 s (3 s), llama.cpp died: SIGILL | 1.50 |", row)
            self.assertEqual(kept["prefill"]["ends"], {"llama.cpp": "died: SIGILL"})
            self.assertEqual(sorted(kept["prefill"]["seconds"]), ["gromatic", "llama.cpp not repacked"])
            os.remove(self.results)

    def test_one_is_not_installed(self):
        rows, kept, _ = self.measure("proposer,prefill")
        self.assertIn("| 2 s (2 s) | transformers fp32 failed: ModuleNotFoundError: No module named 'torch' |  |",
                      rows["proposer,"])
        self.assertIn("llama.cpp 3 s", rows["prefill"])
        rows, _, err = self.measure("prefill", cpu="avx2")  # where llama.cpp is built a second time
        self.assertIn("llama-cpp-python is not installed; its columns will say that it failed", err)
        self.assertIn("prefill", rows)

    def test_gromatic_fails(self):
        rows, kept, err = self.measure("vit,prefill", code=1)
        self.assertEqual((list(rows), list(kept)), (["prefill"], ["prefill"]))
        self.assertIn("failed: vit\n", err)

    def test_rows_of_another_machine_are_marked(self):
        _, kept, _ = self.measure("prefill")
        sys.path.insert(0, os.path.dirname(RUN))
        import table
        self.assertTrue(table.line("prefill", kept["prefill"], "another").endswith(", stale: none |"))
        self.assertNotIn("stale", table.line("prefill", kept["prefill"], "none"))

    def test_no_index_is_a_must(self):
        with open(os.path.join(os.path.dirname(RUN), "requirements.txt")) as file:
            self.assertNotIn("index", file.read())


if __name__ == "__main__":
    unittest.main()
