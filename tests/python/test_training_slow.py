"""The programs behind make train-mini, on a few drawn scenes and a model that is smaller still: losses fall, a run
goes on after a break, and the model that is written is opened by gromatic.

Run by ctest; by hand: GROMATIC=build/release/gromatic GM_TRAINING=build/release/training GM_MODELS=models
"""

import json
import os
import re
import subprocess
import sys
import tempfile

GROMATIC, TRAINING = os.environ["GROMATIC"], os.environ["GM_TRAINING"]
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
DIRECTORY = tempfile.TemporaryDirectory()
os.environ["XDG_CACHE_HOME"] = DIRECTORY.name  # the test's own cache, not the user's


def at(name):
    return os.path.join(DIRECTORY.name, name)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(ok, message):
    if not ok:
        sys.exit(message)


def number(text, pattern):
    found = re.search(pattern, text)
    check(found, f"found no '{pattern}' in\n{text}")
    return float(found[1])


def small_config():
    with open(os.path.join(ROOT, "training", "groma-mini.json")) as file:
        config = json.load(file)
    vision = config["perceiver_cfg"]["vis_encoder_cfg"]
    vision.update(hidden_size=64, num_hidden_layers=4, num_attention_heads=2)
    config["region_cfg"].update(image_size=112, region_dim=64)
    config["llm_cfg"].update(hidden_size=96, intermediate_size=128)
    with open(at("config.json"), "w") as file:
        json.dump(config, file)


def teach(program, model, out, seconds, steps, *more):
    return run(os.path.join(TRAINING, program), "-m", at(model), "-s", at("train/scenes"), "-e", at("held/scenes"), "-o",
               at(out), "-t", seconds, "-n", steps, *more)


def main():
    if not os.path.exists(FONT):
        print("skipped: no", FONT)
        sys.exit(77)
    for name, scenes in ("train", 32), ("held", 16):
        run(sys.executable, os.path.join(ROOT, "scripts/world/draw.py"), "--out", at(name), "--scenes", scenes, "--seed",
            name)
    small_config()
    run(os.path.join(TRAINING, "train_fresh"), "-c", at("config.json"), "-w",
        os.path.join(os.environ["GM_TEST_DATA"], "models", "groma-mini"), "-o", at("fresh.gguf"))

    # One step has the rate 0 of the warm-up: it says what there is to begin with.
    patches, proposals = r"held: patches ([\d.]+)", r"held: .* proposals ([\d.]+)"
    before = teach("train_see", "fresh.gguf", "see0.gguf", 100, 1, "-r")
    after = teach("train_see", "fresh.gguf", "see.gguf", 100, 15, "-r", "-l", "3e-3")
    for what in patches, proposals:
        check(number(after, what) < number(before, what), f"{what} did not fall:\n{before}{after}")

    words = r"held: words ([\d.]+)"
    before = teach("train_speak", "see.gguf", "speak0.gguf", 100, 1, "-x")
    after = teach("train_speak", "see.gguf", "speak.gguf", 100, 30, "-x", "-l", "4e-3")
    check(number(after, words) < 0.7 * number(before, words), f"words did not fall:\n{before}{after}")

    # Half of the time, then the rest: as if there had been no break.
    teach("train_speak", "speak.gguf", "whole.gguf", 100, 3, "-r")
    first = teach("train_speak", "speak.gguf", "broken.gguf", 0.001, 3, "-r")
    second = teach("train_speak", "speak.gguf", "broken.gguf", 100, 3, "-r")
    check("goes on" not in first and "goes on after 1 steps" in second, first + second)
    with open(at("whole.gguf"), "rb") as whole, open(at("broken.gguf"), "rb") as broken:
        check(whole.read() == broken.read(), "a run with a break gives another model")

    [image] = [i for i in os.listdir(at("held/scenes/images")) if i.startswith("000000")]
    said = run(GROMATIC, "caption", "-m", at("broken.gguf"), at("held/scenes/images/" + image), "--json", "-n", 8)
    check("text" in json.loads(said), said)


main()
