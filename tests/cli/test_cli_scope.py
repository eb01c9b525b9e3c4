"""The notes about the models inside the program: that they know only drawn emoji, and which pictures are unlike those."""
import os
import subprocess
import tempfile
import unittest

from program import DATA, GROMATIC, NOTICE, SCENES, lines, run, scene

PHOTOS = os.path.join(DATA, "photos")
UNLIKE = "unlike what groma-mini knows"


class Scope(unittest.TestCase):
    def test_the_notice_is_one_line_a_run(self):
        classes = ["--classes", "dog,cat"]
        for model, args, stdin in (
                ("groma-mini", ["detect", scene(0), scene(1), scene(2)], b""),
                ("groma-mini", ["detect", scene(0), scene(1), "-q"], b""),  # -q silences progress, not warnings
                ("groma-mini", ["caption", scene(0), "--json"], b""),
                ("groma-mini", ["ground", scene(0), "a tree"], b""),
                ("groma-mini", ["describe", scene(0), "--box", "9,167,60,217"], b""),
                ("groma-mini", ["chat", scene(0), "-p", "What?", "-n", "2"], b""),
                ("groma-mini", ["chat", scene(0), "-n", "2"], b"What?\nWhat?\n"),
                ("clip-mini", ["classify", scene(0), scene(1), *classes, "--method", "clip"], b""),
                ("clip-mini", ["label", scene(0), scene(1), *classes], b"")):
            with self.subTest(args):
                _, err = run(*args, stdin=stdin, notice=True)
                self.assertEqual(err.count(NOTICE), 1, err)
                self.assertIn(f"{NOTICE}{model}, the one inside the program, knows drawn emoji only", err)
                self.assertIn("for photographs", err)
                self.assertNotIn(UNLIKE, err)

    def test_no_notice_with_a_model(self):
        for args in (["detect", scene(0), "-m", "groma-mini"],
                     ["classify", scene(0), "--classes", "dog,cat", "--method", "clip", "-m", "clip-mini"],
                     ["label", scene(0), "--classes", "dog,cat", "-m", "groma-mini", "--clip-model", "clip-mini"]):
            out, err = run(*args, "--json", notice=True)
            self.assertNotIn(NOTICE, err)
            self.assertNotIn('"notice"', out)
        _, err = run("detect", scene(0), env={"GROMATIC_ARG_MODEL": "groma-mini"}, notice=True)
        self.assertNotIn(NOTICE, err)

    def test_json_says_it(self):
        for args in ["detect", scene(0)], ["caption", scene(0)], ["label", scene(0), "--classes", "dog,cat"]:
            [got] = lines(*args)
            self.assertEqual(got["notice"], "groma-mini knows drawn emoji only")
            self.assertNotIn("unlike", got)
        turns = lines("chat", scene(0), "-p", "What?", "-p", "What?", "-n", "2")
        self.assertEqual([t["notice"] for t in turns], ["groma-mini knows drawn emoji only"] * 2)
        [turn] = lines("chat", os.path.join(PHOTOS, "chelsea.png"), "-n", "2", stdin=b"What?\n")
        self.assertIn("notice", turn)
        self.assertGreater(turn["unlike"], 1)
        [got] = lines("classify", scene(0), "--classes", "dog,cat", "--method", "clip")
        self.assertEqual(got["notice"], "clip-mini knows drawn emoji only")

    def test_photographs_are_told_from_the_drawn_world(self):
        """All photographs, and at most one scene in twenty; counted in one line."""
        photographs = lines("detect", PHOTOS)
        self.assertEqual(len(photographs), 4)
        for got in photographs:
            self.assertGreater(got["unlike"], 1, got["image"])
        drawn = lines("detect", SCENES)
        self.assertEqual(len(drawn), 120)
        self.assertLessEqual(sum("unlike" in got for got in drawn), 6)
        _, err = run("detect", PHOTOS, scene(0), scene(1), "-q")
        self.assertIn("4 of 6 pictures are " + UNLIKE, err)
        _, err = run("caption", os.path.join(PHOTOS, "chelsea.png"), "-m", "groma-mini")
        self.assertEqual(err.count(UNLIKE), 1)
        self.assertIn("chelsea.png: this picture is " + UNLIKE, err)
        _, err = run("chat", stdin=f"/image {PHOTOS}/rocket.jpg\n/image {scene(0)}\n".encode())
        self.assertEqual(err.count(UNLIKE), 1)

    def test_it_is_the_same_from_the_cache_and_with_boxes_given(self):
        picture = os.path.join(PHOTOS, "coffee.png")
        with tempfile.TemporaryDirectory() as folder:
            [first], [again] = (lines("detect", picture, "--cache", folder) for _ in range(2))
            self.assertEqual(first, again)
            boxes = os.path.join(folder, "boxes.json")
            with open(boxes, "w") as file:
                file.write("[[10,10,90,90]]")
            [given] = lines("detect", picture, "--regions", boxes, "--no-cache")
            self.assertEqual(given["unlike"], first["unlike"])

    def test_a_model_in_a_file_is_not_judged(self):
        with tempfile.TemporaryDirectory() as folder:
            model = os.path.join(folder, "own.gguf")
            subprocess.run([GROMATIC, "convert", os.path.join(DATA, "models", "groma-mini"), "-o", model, "-q"], check=True)
            [got] = lines("detect", os.path.join(PHOTOS, "chelsea.png"), "-m", model)
            self.assertNotIn("unlike", got)
            self.assertNotIn("notice", got)


if __name__ == "__main__":
    unittest.main()
