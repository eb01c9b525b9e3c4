"""examples/ray_label.py: the labels are those of the program; nothing is lost and nothing double when a worker or the
driver is killed; what changed is done again."""
import glob
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = os.path.realpath(os.path.join(os.environ["GM_TEST_DATA"], "..", ".."))
SCRIPT = os.path.join(ROOT, "examples", "ray_label.py")
SCENES = sorted(glob.glob(os.path.join(os.environ["GM_TEST_DATA"], "world", "scenes", "images", "*")))[:60]
CLASSES = ["grapes", "crown", "rocket", "green apple", "tree"]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write_tar(path, scenes):
    with tarfile.open(path, "w") as tar:
        for scene in scenes:
            tar.add(scene, os.path.basename(scene))
            about = tarfile.TarInfo(os.path.basename(scene)[:3] + ".json")
            about.size = 2
            tar.addfile(about, io.BytesIO(b"{}"))


def wait_for(what, seconds=300):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)


def descendants(pid):
    """Process ids and names of all that the process started."""
    parents, names = {}, {}
    for place in glob.glob("/proc/[0-9]*"):
        try:
            stat, command = read(place + "/stat"), read(place + "/cmdline")
        except OSError:
            continue
        number = int(os.path.basename(place))
        parents[number], names[number] = int(stat.rpartition(b")")[2].split()[1]), command.decode(errors="replace")
    found, fresh = [], [pid]
    while fresh:
        fresh = [child for child, parent in parents.items() if parent in fresh]
        found += fresh
    return [(child, names[child]) for child in found]


class Labels(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="ray-")
        self.addCleanup(holder.cleanup)
        self.folder = holder.name
        for name in ("in", "out", "home"):
            os.mkdir(self.path(name))
        with open(self.path("classes.txt"), "w") as file:
            file.write("\n".join(CLASSES))
        self.env = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "python"), HOME=self.path("home"),
                        RAY_USAGE_STATS_ENABLED="0")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def start(self, *options):
        with open(self.path("log"), "ab") as log:
            return subprocess.Popen([sys.executable, SCRIPT, self.path("in"), self.path("out"), "--classes",
                                     self.path("classes.txt"), "--shard-size", "8", *options],
                                    env=self.env, stdout=log, stderr=log)

    def run_all(self, *options, code=0):
        before = os.path.getsize(self.path("log")) if os.path.exists(self.path("log")) else 0
        self.assertEqual(self.start(*options).wait(600), code, self.log())
        return self.log()[before:]

    def wait_for_output(self, driver):
        wait_for(lambda: self.outputs() or driver.poll() is not None)
        self.assertIsNone(driver.poll(), self.log())

    def log(self):
        return read(self.path("log")).decode()

    def outputs(self):
        return sorted(os.path.basename(path) for path in glob.glob(self.path("out", "*.parquet")))

    def rows(self, name):
        return pq.read_table(self.path("out", name)).to_pylist()

    def make_input(self):
        """All kinds of input. Returns what is wanted: {output: [(name, scene or error)]}."""
        plain, first, second, raw, faces = (SCENES[:22], SCENES[22:32], SCENES[32:42], SCENES[42:52], SCENES[52:])
        os.mkdir(self.path("in", "some"))
        for scene in plain:
            shutil.copy(scene, self.path("in", "some"))
        wanted = {}
        with open(self.path("in", "some", "x-bad.jpg"), "w") as file:
            file.write("no picture")
        with open(self.path("in", "some", "x-cut.png"), "wb") as file:
            file.write(read(SCENES[0])[:2000])
        listed = [(f"some/{os.path.basename(scene)}", scene) for scene in plain]
        listed += [("some/x-bad.jpg", "image_unsupported"), ("some/x-cut.png", "image_truncated")]
        for i in range(3):
            wanted[f"pictures-{i:06}.parquet"] = listed[8 * i:8 * i + 8]
        for name, scenes in (("a.tar", first), ("b.tar", second)):
            write_tar(self.path("in", name), scenes)
            wanted[name + ".parquet"] = [(os.path.basename(scene), scene) for scene in scenes]
        pq.write_table(pa.table({"image": pa.array([*map(read, raw), None], pa.binary())}),
                       self.path("in", "raw.parquet"))
        wanted["raw.parquet.parquet"] = [*((str(i), scene) for i, scene in enumerate(raw)), ("10", "io_error")]
        pq.write_table(pa.table({"image": [{"bytes": read(scene), "path": os.path.basename(scene)}
                                           for scene in faces]}), self.path("in", "faces.parquet"))
        wanted["faces.parquet.parquet"] = [(os.path.basename(scene), scene) for scene in faces]
        return wanted

    def check(self, wanted):
        """Every row is there once, and has the labels of the program, which is a single process."""
        out = subprocess.run([os.environ["GROMATIC"], "label", "--json", "-q", "--method", "clip", "--none", "-1",
                              "--merge-iou", "0", "--classes", ",".join(CLASSES), *SCENES],
                             check=True, capture_output=True, env=self.env).stdout
        labels = {line["image"]["file"]: line for line in map(json.loads, out.splitlines())}
        self.assertEqual(self.outputs(), sorted(wanted))
        self.assertEqual(sorted(os.listdir(self.path("out"))), sorted(wanted))
        ids = set()
        for name, pictures in wanted.items():
            rows = self.rows(name)
            self.assertEqual([row["name"] for row in rows], [picture for picture, _ in pictures])
            for row, (_, scene) in zip(rows, pictures):
                if scene not in labels:
                    self.assertEqual(row["error"], scene)
                    self.assertTrue(row["message"])
                    self.assertIsNone(row["regions"])
                    continue
                ids.add(row["id"])
                image, regions = labels[scene]["image"], labels[scene]["regions"]
                self.assertEqual((row["width"], row["height"], row["error"]), (image["width"], image["height"], None))
                self.assertEqual([region["label"] for region in row["regions"]], [want["label"] for want in regions])
                for region, want in zip(row["regions"], regions):
                    for edge, value in zip(("x1", "y1", "x2", "y2"), want["box"]):
                        self.assertAlmostEqual(region[edge], value, delta=0.0051)
                    for score in ("score", "label_score", "raw_score"):
                        self.assertAlmostEqual(region[score], want[score], delta=1e-5)
        self.assertEqual(len(ids), len(SCENES))

    def test_a_worker_is_killed(self):
        wanted = self.make_input()
        driver = self.start("--actors", "2")
        self.addCleanup(driver.kill)
        self.wait_for_output(driver)
        workers = [pid for pid, name in descendants(driver.pid) if "MapWorker" in name]
        os.kill(workers[0], signal.SIGKILL)
        self.assertLess(len(self.outputs()), len(wanted), "it was done before the worker was killed")
        self.assertEqual(driver.wait(600), 0, self.log())
        self.check(wanted)

    def test_the_driver_is_killed(self):
        wanted = self.make_input()
        driver = self.start("--actors", "2")
        self.wait_for_output(driver)
        started = [pid for pid, _ in descendants(driver.pid)]
        driver.kill()
        driver.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in started))  # Ray ends what it started
        before = self.outputs()
        self.assertTrue(0 < len(before) < len(wanted), before)
        times = [os.stat(self.path("out", name)).st_mtime_ns for name in before]
        said = self.run_all("--actors", "0")
        self.assertIn(f"{len(wanted)} shards, {len(before)} of them done before", said)
        self.assertEqual([os.stat(self.path("out", name)).st_mtime_ns for name in before], times)
        self.check(wanted)

    def test_what_changed_is_done_again(self):
        alone = ("--actors", "0")
        write_tar(self.path("in", "a.tar"), SCENES[:2])
        write_tar(self.path("in", "cut.tar"), SCENES[2:4])
        os.truncate(self.path("in", "cut.tar"), os.path.getsize(SCENES[2]) // 512 * 512 + 3000)
        self.assertIn("cut.tar.parquet: 2 pictures, 1 errors", self.run_all(*alone))
        self.assertEqual([(row["name"], row["error"]) for row in self.rows("cut.tar.parquet")],
                         [(os.path.basename(SCENES[2]), None), ("cut.tar", "io_error")])
        self.assertIn("2 shards, 2 of them done before", self.run_all(*alone))
        self.assertIn("2 shards, 1 of them done before", self.run_all(*alone, "--retry-errors"))
        write_tar(self.path("in", "a.tar"), SCENES[:3])
        self.assertIn("a.tar.parquet: 3 pictures, 0 errors", self.run_all(*alone))
        self.assertIn("found labels of other models, classes or options",
                      self.run_all(*alone, "--conf", "0.3", code=1))
        os.unlink(self.path("in", "a.tar"))
        self.assertIn("found a.tar.parquet, which belongs to no shard", self.run_all(*alone, code=1))


if __name__ == "__main__":
    unittest.main()
