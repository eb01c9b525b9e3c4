"""The commands of docs/BENCHMARKS.md run unchanged, with a small model, picture set and files in place of those that
a reader has."""
import os
import re
import shlex
import unittest

from program import DATA, lines, run

PAGE = os.path.join(DATA, "..", "..", "docs", "BENCHMARKS.md")
FILES = {"templates.json": "world-templates.json", "descriptors.json": "world-descriptors.json"}
PRESETS = {"imagenet": 60, "cub": 100, "pets": 100, "dtd": 100, "food101": 100, "places365": 100}


def commands():
    with open(PAGE) as file:
        text = file.read().replace("\\\n", " ")
    return [shlex.split(c)[1:] for c in re.findall(r"^    (gromatic .*)$|`(gromatic [^`]*)`", text, re.M) for c in c if c]


def stand_in(word):
    name = os.path.basename(word)
    if word.endswith(".gguf"):
        return "clip-mini"
    if word.endswith(".json"):
        return os.path.join(DATA, "descriptions", FILES.get(name, "world.json"))
    return os.path.join(DATA, "world", "classify") if word.endswith("/") else word


class Page(unittest.TestCase):
    def test_every_evaluation_runs(self):
        found = {}
        for command in commands():
            if command[:2] == ["eval", "classify"]:
                found[tuple(map(stand_in, command))] = None  # all models are the same here
        crops = {}
        for command in found:
            got = lines(*command, "--limit", 1, "--seeds", 1)
            if "--method" in command:
                self.assertEqual([g["method"] for g in got], ["wca", "wca-released"])
                preset = command[command.index("--preset") + 1]
                crops[preset] = {g["crops"] for g in got}
            else:
                self.assertEqual(len(got), 7)  # all methods
        self.assertEqual(crops, {name: {n} for name, n in PRESETS.items()})

    def test_every_benchmark_has_its_options(self):
        found = [c for c in commands() if c[0] == "eval" and c[1] != "classify"]
        self.assertEqual({c[1] for c in found}, {"rec", "lvis-ground", "region-captions", "proposals", "chat"})
        for command in found:
            _, err = run(*command, code=2)
            self.assertIn("cannot be opened", err)  # the files do not exist; everything else is accepted

    def test_every_conversion_has_its_options(self):
        found = [c for c in commands() if c[0] == "convert"]
        self.assertEqual(len(found), 3)
        for command in found:
            _, err = run(*command, code=3)
            self.assertIn(command[1], err)  # the file does not exist; everything else is accepted


if __name__ == "__main__":
    unittest.main()
