"""gromatic serve where descriptors run out, where it is stopped early, and with several models."""
import os
import resource
import socket
import subprocess
import tempfile
import time
import unittest

from program import DATA, GROMATIC, run
from served import Server, picture


def seconds_of_cpu(pid):
    with open(f"/proc/{pid}/stat") as file:
        times = file.read().rpartition(")")[2].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


class Ends(unittest.TestCase):
    @unittest.skipUnless("GM_SLOW_LIBRARY" in os.environ, "sanitizers must be loaded first")
    def test_stopped_while_a_model_is_opened(self):
        with tempfile.TemporaryDirectory() as folder:
            model, path = os.path.join(folder, "model.gguf"), os.path.join(folder, "socket")
            env = dict(os.environ, LD_PRELOAD=os.environ["GM_SLOW_LIBRARY"], GM_SLOW_FILE=model)
            with subprocess.Popen([GROMATIC, "serve", "--unix", path, "-m", model], stderr=subprocess.PIPE, text=True,
                                  env=env) as process:
                while "listening" not in process.stderr.readline():
                    pass
                process.terminate()
                self.assertEqual(process.wait(timeout=60), 0)
                self.assertFalse(os.path.exists(path))


class Descriptors(unittest.TestCase):
    def test_the_loop_does_not_spin_without_descriptors(self):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
        try:
            own = Server()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        # The server raises its own limit as far as it may.
        resource.prlimit(own.process.pid, resource.RLIMIT_NOFILE, (40, 40))
        idle = [socket.create_connection(("127.0.0.1", own.port)) for _ in range(120)]
        time.sleep(0.5)
        before = seconds_of_cpu(own.process.pid)
        time.sleep(1)
        self.assertLess(seconds_of_cpu(own.process.pid) - before, 0.1)
        for s in idle:
            s.close()
        self.assertEqual(own.post("/v1/detect", {"image": picture(1)})[0], 200)
        self.assertEqual(own.stop(), 0)
        self.assertIn("connections wait: Too many open files", "".join(own.lines))


class Models(unittest.TestCase):
    def test_several(self):
        with tempfile.TemporaryDirectory() as folder:
            tiny = os.path.join(folder, "tiny.gguf")
            run("convert", os.path.join(DATA, "models", "groma-tiny"), "-o", tiny, "-q")
            own = Server("-m", "groma-mini", "-m", tiny)
            names = [m["id"] for m in own.get("/v1/models")[1]["data"]]
            self.assertEqual(len(names), 3, names)
            answers = [own.post("/v1/detect", {"image": picture(64), "model": name}) for name in names[:2]]
            default = own.post("/v1/detect", {"image": picture(64)})
            self.assertEqual(own.stop(), 0)
            self.assertEqual([status for status, _ in answers], [200, 200])
            self.assertEqual(default, answers[0])
            self.assertNotEqual(answers[0][1]["regions"], answers[1][1]["regions"])
            self.assertIn("two models of the name", run("serve", "--port", "0", "-m", tiny, "-m", tiny, code=3)[1])


if __name__ == "__main__":
    unittest.main()
