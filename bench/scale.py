#!/usr/bin/env python3
"""What Ray costs: examples/ray_label.py with actors of one thread, beside one process with as many threads as this
process may use CPUs.

Usage: .venv-ray/bin/python bench/scale.py [PICTURES [ACTORS [OPTION...]]]    (default 2000 4; scripts/venv.sh ray)
Options are those of ray_label.py, such as -m FILE. Pictures are the drawn scenes again and again, each with bytes of
its own, in shards of 50. The time is from the first picture that is read to the last file that is written; what comes
before, such as opening models and starting Ray, is printed beside it. Run it on a quiet machine.
"""
import contextlib
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
DATA = os.path.join(ROOT, "tests", "data")
SHARD = 50


def environment(home):
    library = os.path.join(ROOT, "build", "release", "src", "libgromatic.so")
    return {"GROMATIC_LIBRARY": library, **os.environ, "PYTHONPATH": os.path.join(ROOT, "python"),
            "RAY_USAGE_STATS_ENABLED": "0", "HOME": home}


def make_pictures(folder, n):
    """Bytes after the end of a picture are not read, but make another picture of it."""
    scenes = sorted(glob.glob(os.path.join(DATA, "world", "scenes", "images", "*.jpg")))
    for i in range(n):
        with open(scenes[i % len(scenes)], "rb") as file:
            data = file.read()
        with open(os.path.join(folder, f"{i:06}.jpg"), "wb") as file:
            file.write(data + str(i).encode())


def run(folder, output, env, options):
    """Seconds before the first picture, and from there to the last file; pictures."""
    begin = time.time()
    said = subprocess.run([sys.executable, os.path.join(ROOT, "examples", "ray_label.py"),
                           os.path.join(folder, "in"), os.path.join(folder, output), "--classes",
                           os.path.join(folder, "classes"), "--shard-size", str(SHARD), *options],
                          env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    shards = re.findall(r"^(\S+): (\d+) pictures, 0 errors, ([\d.]+) s$", said, re.M)
    ends = [os.stat(os.path.join(folder, output, name)).st_mtime for name, _, _ in shards]
    first = min(end - float(seconds) for end, (_, _, seconds) in zip(ends, shards))
    return first - begin, max(ends) - first, sum(int(pictures) for _, pictures, _ in shards)


@contextlib.contextmanager
def cluster(env, cpus):
    """A Ray of this machine that gives out so many CPUs, whatever there are."""
    address = "127.0.0.1:6399"
    ray = subprocess.Popen([os.path.join(os.path.dirname(sys.executable), "ray"), "start", "--head", "--block",
                            "--node-ip-address=127.0.0.1", f"--port={address[-4:]}", f"--num-cpus={cpus}"],
                           env=env, stdout=subprocess.DEVNULL)
    try:
        env["RAY_ADDRESS"] = address
        yield
    finally:
        ray.terminate()
        ray.wait()


def main(n=2000, actors=4, *options):
    cpus = len(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        env = environment(folder)
        os.mkdir(os.path.join(folder, "in"))
        make_pictures(os.path.join(folder, "in"), n)
        with open(os.path.join(DATA, "descriptions", "world.json")) as file, \
                open(os.path.join(folder, "classes"), "w") as classes:
            classes.write("\n".join(json.load(file)))
        stack.enter_context(cluster(env, actors))
        rates = []
        for title, output, how in ((f"one process, {cpus} threads", "alone", [0, cpus]),
                                   (f"{actors} actors of one thread", "ray", [actors, 1])):
            how = ["--actors", str(how[0]), "--threads", str(how[1]), *options]
            before, seconds, pictures = run(folder, output, env, how)
            assert pictures == n, (pictures, n)
            rates.append(pictures / seconds)
            print(f"{title}: {before:.1f} s before the first picture, then {pictures} pictures in {seconds:.1f} s, "
                  f"{rates[-1]:.2f} a second", flush=True)
        print(f"with Ray {100 * (rates[0] / rates[1] - 1):+.1f} % time for a picture")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
