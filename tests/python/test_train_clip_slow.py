"""The program behind make train-clip-mini: on a few drawn pictures the loss falls, a run that is broken off goes on
exactly, threads change nothing, and the model opens in `gromatic classify`.

Run by ctest; by hand: GROMATIC=build/release/gromatic GM_TRAINING=build/release/training GM_MODELS=models
"""

import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from gguf import GGUFReader

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "world"))
import draw

if not os.path.exists(draw.FONT):
    print(f"skipped: no {draw.FONT} (Debian's fonts-noto-color-emoji)")
    sys.exit(77)

DIRECTORY = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = DIRECTORY.name  # the test's own cache, not the user's
KINDS = 0, 12, 40, 60  # dog, monkey, strawberry, rocket
EACH, BATCH, STEPS = 6, 16, 60


def at(name):
    return os.path.join(DIRECTORY.name, name)


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
    return done.stdout


def draw_pictures():
    singles = [draw.one_single((pathlib.Path(DIRECTORY.name), kind + each * len(draw.OBJECTS), "test"))
               for each in range(EACH) for kind in KINDS]
    with open(at("singles/singles.json"), "w") as file:
        json.dump(singles, file)
    return singles


def train(name, seconds=600, threads=1):
    """The losses that are told, and the share of pictures that are named at the end."""
    out = run(os.path.join(os.environ["GM_TRAINING"], "train_clip"), "-m", at("base.gguf"), "-s", at("singles"), "-e",
              at("singles"), "-o", at(name), "-n", STEPS, "-t", seconds, "-b", BATCH, "-j", threads)
    right = re.findall(r"^held: ([\d.]+) of", out, re.M)
    return [float(loss) for loss in re.findall(r"loss ([\d.]+)", out)], float(right[-1])


def contents(name):
    with open(at(name), "rb") as file:
        return file.read()


singles = draw_pictures()
run(os.environ["GROMATIC"], "convert", os.path.join(os.environ["GM_MODELS"], "clip-mini"), "-o", at("base.gguf"), "-q")

# The time stops the first run after its first step or soon after. Then features are nearly alike, and the loss is the
# logarithm of the batch; what features that tell all classes apart would leave is about log(BATCH / len(KINDS)).
first, _ = train("model.gguf", seconds=0.001)
rest, right = train("model.gguf", threads=2)
print(f"loss {first[0]} at first, {rest[-1]} afterwards; {right} right")
assert abs(first[0] - math.log(BATCH)) < 0.5, first
assert rest[-1] < first[0] - 0.5, (first, rest)
# Chance names one in four of the 24, with a standard error of 0.09.
assert right > 0.65, right

# Unbroken and on one thread: the same model to the byte.
train("unbroken.gguf")
assert contents("model.gguf") == contents("unbroken.gguf")

# The model is whole: its sums are right, and it classifies.
run(os.environ["GROMATIC"], "inspect", at("model.gguf"), "--verify")
names = ",".join(sorted({single["name"] for single in singles}))
out = run(os.environ["GROMATIC"], "classify", at("singles/" + singles[0]["file_name"]), "--model", at("model.gguf"),
          "--classes", names, "--method", "clip", "--json")
assert json.loads(out)["results"][0]["label"] == singles[0]["name"], out

# Back to Hugging Face's layout, and converted from there: the same tensors and logit scale.
run(sys.executable, os.path.join(ROOT, "scripts", "clip-checkpoint.py"), at("model.gguf"),
    os.path.join(os.environ["GM_MODELS"], "clip-mini"), at("checkpoint"))
run(os.environ["GROMATIC"], "convert", at("checkpoint"), "-o", at("back.gguf"), "--type", "f16", "-q")
model, back = GGUFReader(at("model.gguf")), GGUFReader(at("back.gguf"))
assert [tensor.name for tensor in model.tensors] == [tensor.name for tensor in back.tensors]
for trained, read in zip(model.tensors, back.tensors):
    assert trained.tensor_type == read.tensor_type and (trained.data == read.data).all(), trained.name
# The scale passes through a logarithm in f32.
scales = [reader.fields["clip.logit_scale"].contents() for reader in (model, back)]
assert abs(scales[0] / scales[1] - 1) < 1e-6, scales
assert scales[0] != GGUFReader(at("base.gguf")).fields["clip.logit_scale"].contents()
print("ok")
