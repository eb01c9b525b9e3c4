"""Ways to open a model: by name, from a file, mapped or read; and what inspect says of a damaged one."""
import fcntl
import json
import os
import resource
import signal
import subprocess
import tempfile
import unittest

from program import DATA, GROMATIC, lines, run, scene

CHECKPOINT = os.path.join(DATA, "models", "groma-mini")


def is_locked(path):
    """Whether the file is locked; False if it does not exist."""
    try:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


class Models(unittest.TestCase):
    def test_every_way_gives_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.gguf")
            run("convert", os.environ["GM_EMBEDDED_MINI"], "-o", path, "--type", "f32", "-q")
            [want] = lines("caption", scene(0), "--raw")
            self.assertEqual(want.pop("notice"), "groma-mini knows drawn emoji only")
            ways = [["-m", "groma-mini"], ["-m", path], ["-m", path, "--no-mmap"], ["-m", path, "-t", "1"],
                    ["-m", path, "-t", "3"]]
            limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
            if limit == resource.RLIM_INFINITY or limit > 2 * os.path.getsize(path):
                ways.append(["-m", path, "--mlock"])
            for way in ways:
                self.assertEqual(lines("caption", scene(0), "--raw", *way), [want], way)
            [plain] = lines("caption", scene(0), "--raw", env={"GROMATIC_CPU": "ref"})
            self.assertEqual(plain["raw"], want["raw"])

    def test_what_a_killed_convert_left_goes(self):
        """The next convert to that file removes a part, unless it is still being written."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.gguf")
            alike = {f"model.gguf{end}" for end in (".backup", ".sha256", ".part", ".1-.part", ".-1.part", ".1-2.part.txt",
                                                    "2.1-2.part", ".1-2.part/")}
            for name in alike:
                if name.endswith("/"):
                    os.mkdir(os.path.join(folder, name))
                else:
                    open(os.path.join(folder, name), "w").close()
            os.symlink(os.path.join(folder, "model.gguf.backup"), os.path.join(folder, "model.gguf.3-4.part"))
            others = {name.rstrip("/") for name in alike} | {"model.gguf.3-4.part", "model.gguf"}

            writer = None
            while writer is None:  # a writer that is stopped in the middle
                writer = subprocess.Popen([GROMATIC, "convert", CHECKPOINT, "-o", path, "--type", "q6_k", "-q", "-t", "1"])
                part = f"model.gguf.{writer.pid}-0.part"
                while writer.poll() is None and part not in os.listdir(folder):
                    pass
                writer.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, writer.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                if not is_locked(os.path.join(folder, part)):  # stopped too early, or too late
                    writer.kill()
                    writer.wait()
                    writer = None
            self.addCleanup(writer.kill)
            run("convert", CHECKPOINT, "-o", path, "-q")
            self.assertEqual(set(os.listdir(folder)), others | {part})
            writer.kill()
            self.assertEqual(writer.wait(), -signal.SIGKILL)
            self.assertEqual(set(os.listdir(folder)), others | {part})
            run("convert", CHECKPOINT, "-o", path, "-q")
            self.assertEqual(set(os.listdir(folder)), others)

    def test_verify_finds_a_changed_byte(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.gguf")
            run("convert", CHECKPOINT, "-o", path, "-q")
            out, _ = run("inspect", path, "--verify", "--json")
            whole = json.loads(out)
            self.assertEqual(whole["damaged"], 0)
            largest = max(whole["tensors"], key=lambda t: t["bytes"])
            with open(path, "r+b") as file:
                file.seek(largest["offset"] + largest["bytes"] // 2)
                byte = file.read(1)[0]
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte ^ 1]))
            out, _ = run("inspect", path, "--verify", "--json", code=3)
            found = json.loads(out)
            self.assertEqual(found["damaged"], 1)
            self.assertEqual([t["name"] for t in found["tensors"] if t["damaged"]],
                             [largest["name"]])

    def test_large_pictures_are_refused(self):
        # the scenes have 224 x 224 = 50176 pixels
        out, _ = run("detect", scene(0), "--max-pixels", "50175", "--json", code=1)
        self.assertEqual(json.loads(out)["error"]["code"], "image_too_large")
        run("detect", scene(0), "--max-pixels", "50176")


if __name__ == "__main__":
    unittest.main()
