"""The sources of pictures, and the outputs."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from program import DATA, GROMATIC, REFERENCE_MINI, lines, run, scene


class Inputs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()

    def tearDown(self):
        shutil.rmtree(self.folder)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def put(self, number, *parts):
        os.makedirs(self.path(*parts[:-1]), exist_ok=True)
        shutil.copy(scene(number), self.path(*parts))

    def test_directories_below(self):
        self.put(0, "a.png")
        self.put(3, "b", "c", "d.png")
        self.put(3, ".hidden", "e.png")
        os.symlink(self.folder, self.path("b", "loop"))
        os.mkfifo(self.path("b", "pipe.png"))  # nothing writes to it
        os.mkdir(self.path("folder.png"))
        self.assertEqual(len(lines("detect", self.folder)), 1)
        got = lines("detect", "-r", self.folder)
        self.assertEqual([g["image"]["file"] for g in got],
                         [self.path("a.png"), self.path("b", "c", "d.png")])
        _, err = run("detect", self.path("b"), code=2)
        self.assertIn("-r", err)

    def test_an_empty_name(self):
        """The empty argument of a shell variable that is not set."""
        for names, number in ([""], 1), ([scene(0), ""], 2):
            for options in [], ["--json"]:
                out, err = run("detect", *names, *options, code=2)
                self.assertEqual((out, err), ("", f"gromatic: picture {number}: found an empty name, wanted that of a "
                                                  "file\n"))
        _, err = run("ground", "", "a dog", code=2)
        self.assertIn("found an empty name", err)

    def test_several_together(self):
        """--parallel changes no line, nor the order, nor the effect of a broken picture on the others."""
        for number in range(4):
            self.put(number, "a", os.path.basename(scene(number)))
        with open(self.path("a", "0005.png"), "w") as file:
            file.write("no picture")
        alone, _ = run("caption", "-j", self.path("a"), code=1)
        for n in "2", "8":
            together, _ = run("caption", "-j", "--parallel", n, self.path("a"), code=1)
            self.assertEqual(together, alone)
        self.assertEqual(alone.count("\n"), 5)
        out = self.path("out.jsonl")
        run("caption", "--parallel", "3", "-o", out, self.path("a", os.path.basename(scene(0))))
        run("caption", "--parallel", "3", "-o", out, "--resume", self.path("a"), code=1)
        with open(out) as file:
            self.assertEqual(sorted(file.read().splitlines()), sorted(alone.splitlines()))
        _, err = run("caption", "--parallel", "9", scene(0), code=2)
        self.assertIn("found '9', wanted a whole number from 0 to 8", err)

    def test_together_where_the_context_is_full_for_some(self):
        """Complete answers are kept, the others are asked alone: each line is the same as alone."""
        pictures = [scene(number) for number in range(4)]
        for context in 250, 260, 280:
            alone, _ = run("caption", "-m", REFERENCE_MINI, "-j", "-c", context, *pictures, code=1)
            together, _ = run("caption", "-m", REFERENCE_MINI, "-j", "-c", context, "--parallel", 4, *pictures, code=1)
            self.assertEqual(together, alone)
            full = ["error" in json.loads(line) for line in alone.splitlines()]
            self.assertEqual(set(full), {False, True})

    def test_drawings_of_pictures_with_one_name(self):
        """In a folder, a drawing's name has enough of its picture's path to be unique in the run."""
        self.put(0, "a", "1.png")
        self.put(3, "a", "2.b.png")
        out = self.path("out") + "/"

        def drawn(*names):
            shutil.rmtree(out, ignore_errors=True)
            run("detect", *(self.path(name) for name in names), "--draw", out)
            return sorted(name.replace(self.folder[1:].replace("/", "-"), "") for name in os.listdir(out))

        self.assertEqual(drawn("a"), ["1.png", "2.b.png"])
        self.put(1, "a", "1.jpg")
        self.assertEqual(drawn("a"), ["1.jpg.png", "1.png.png", "2.b.png.png"])
        self.put(3, "b", "1.png")
        self.assertEqual(drawn("a/1.png", "b"), ["-a-1.png", "-b-1.png"])
        self.assertEqual(drawn("a", "b"), ["-a-1.jpg.png", "-a-1.png.png", "-a-2.b.png.png", "-b-1.png.png"])
        _, err = run("detect", scene(0), scene(0), "--draw", out, code=2)
        self.assertIn("two pictures", err)

    def test_drawings_spare_the_pictures(self):
        self.put(0, "1.png")
        with open(self.path("1.png"), "rb") as file:
            before = file.read()
        os.symlink("1.png", self.path("link.png"))
        for target in self.path("1.png"), self.path("link.png"), self.folder + "/":
            _, err = run("detect", self.path("1.png"), "--draw", target, code=2)
            self.assertIn("which this run reads", err)
        with open(self.path("1.png"), "rb") as file:
            self.assertEqual(file.read(), before)
        run("detect", self.path("1.png"), "--draw", self.path("2.png"))
        run("detect", self.path("1.png"), "--draw", self.path("2.png"))  # an earlier drawing
        run("classify", self.path("1.png"), "--classes", "a,b", "--method", "clip", "--draw", self.path("d/"), "--explain",
            self.path("d/"), code=2)

    def test_an_empty_export_is_replaced(self):
        output = self.path("out.json")
        for _ in range(2):
            run("detect", "/nonexistent.png", "-f", "labelstudio", "-o", output, code=1)

    def test_two_writers_of_one_output(self):
        output = self.path("out.jsonl")
        pipe = self.path("pipe.png")
        os.mkfifo(pipe)
        # waits for its picture while the output is open
        first = subprocess.Popen([GROMATIC, "detect", pipe, "-o", output])
        with open(pipe, "wb") as file:
            _, err = run("detect", scene(0), "-o", output, code=1)
            self.assertIn("another process", err)
            with open(scene(1), "rb") as picture:
                file.write(picture.read())
        self.assertEqual(first.wait(), 0)
        with open(output) as file:
            self.assertEqual(json.loads(file.read())["image"]["file"], pipe)

    def test_resume_does_not_touch_a_file_of_others(self):
        output = self.path("out.jsonl")
        with open(output, "w") as file:
            file.write("mine\n")
        run("detect", "/nonexistent.png", "-o", output, "--resume", code=2)
        with open(output) as file:
            self.assertEqual(file.read(), "mine\n")

    def test_an_output_replaces_its_like_only(self):
        """Neither a picture nor a file of the user's is lost by a typing error."""
        groma = os.path.join(DATA, "models", "groma-mini")
        runs = {"json": ["detect", scene(0), "-f", "json"], "csv": ["detect", scene(0), "-f", "csv"],
                "coco": ["detect", scene(0), "-f", "coco"], "classes": ["classify", scene(0), "--classes", "a,b",
                "--method", "clip", "-f", "csv"], "labelstudio": ["detect", scene(0), "-f", "labelstudio"],
                "gguf": ["convert", groma, "--type", "q8_0"]}
        for name, command in runs.items():
            with self.subTest(name):
                for picture in self.path("new.JPG"), self.path("old.png"):
                    shutil.copy(scene(0), self.path("old.png"))
                    _, err = run(*command, "-o", picture, code=2)
                    self.assertIn("found a picture's name", err)
                mine = self.path("mine")
                for text in "mine", "{}", '{"name": "x"}', "a,b\n1,2\n":
                    with open(mine, "w") as file:
                        file.write(text)
                    _, err = run(*command, "-o", mine, code=2)
                    self.assertIn("would be lost", err)
                    with open(mine) as file:
                        self.assertEqual(file.read(), text)
                os.remove(mine)
                result = self.path("result." + name)
                for _ in range(2):  # an earlier result is replaced
                    run(*command, "-o", result)
                self.assertGreater(os.path.getsize(result), 10)
        with open(scene(0), "rb") as a, open(self.path("old.png"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        beside = self.path("new.csv.jsonl")  # the file for the lines
        with open(beside, "w") as file:
            file.write("mine")
        run(*runs["csv"], "-o", self.path("new.csv"), code=2)

    def test_a_model_of_another_kind(self):
        _, err = run("detect", scene(0), "-m", "clip-mini", code=3)
        self.assertIn("kind clip, wanted groma", err)

    def test_names_of_classes(self):
        for name in "nofile.txt", "my names.names", "folder/nofile":
            for command in ["classify", scene(0)], ["label", scene(0)], ["describe-classes", "-o", "x", "--endpoint", "y"]:
                with self.subTest(name, command=command[0]):
                    _, err = run(*command, "--classes", name, code=2)
                    self.assertIn(name + ": there is no such file", err)
        _, err = run("label", scene(0), "--classes", self.folder, code=2)
        self.assertIn("this is a directory", err)
        for name in "a.b,", "version 2.0", "st. bernard":  # names are used unchanged
            [got] = lines("classify", scene(0), "--classes", name, "--method", "clip")
            self.assertEqual(got["results"][0]["label"], name.rstrip(","))
        _, err = run("classify", scene(0), "--classes", "a dog,a cat,a dog", code=2)
        self.assertIn("'a dog' twice", err)

    def test_phrases_are_no_files(self):
        _, err = run("ground", scene(0), scene(1), "a guitar", code=2)
        self.assertIn("--phrase", err)
        phrases = self.path("phrases.txt")
        with open(phrases, "w") as file:
            file.write("a guitar\n")
        _, err = run("ground", scene(0), phrases, code=2)
        self.assertIn(phrases, err)
        run("ground", scene(0), "the phrases.txt")

    def test_an_empty_list_is_told(self):
        with open(self.path("list.txt"), "w") as file:
            file.write("\n\n")
        _, err = run("detect", "@" + self.path("list.txt"), code=2)
        self.assertIn("no names in this list", err)

    def test_an_empty_result_is_told(self):
        for command, said in (["detect", "--conf", "1"], "--conf"), (["label", "--classes", "nonsense", "-m", REFERENCE_MINI], "--none"), \
                (["ground", "--phrase", "a guitar", "--min-score", "1"], "--min-score"):
            for pictures in [scene(0)], [scene(0), scene(1)]:
                with self.subTest(command[0], n=len(pictures)):
                    _, err = run(*command, *pictures)
                    self.assertEqual(err.count("found nothing"), 1)
                    self.assertIn(said, err)
                    _, err = run(*command, *pictures, "--json")
                    self.assertIn("found nothing", err)
        for command in ["detect"], ["label", "--classes", "a guitar"], ["ground", "--phrase", "a guitar"]:
            _, err = run(*command, scene(0))
            self.assertEqual(err, "")
        [got] = lines("detect", scene(0), "--conf", "0.5")
        self.assertTrue(got["regions"] and all(region["score"] > 0.5 for region in got["regions"]))

    def test_thresholds_below_zero(self):
        for option in ("--iou", "--conf"):
            _, err = run("detect", scene(0), option, "-1", code=2)
            self.assertIn("0 to 1", err)

    def test_a_box_without_extent(self):
        _, err = run("describe", scene(0), "--box", "10,10,5,20", code=1)
        self.assertIn("covers nothing", err)
        self.assertIn("pixels", err)

    def test_a_missing_picture_is_named_once(self):
        _, err = run("chat", stdin=b"/image nosuch.png\n")
        self.assertEqual(err.count("nosuch.png"), 1)

    def test_ground_gives_the_region_it_chose(self):
        [got] = lines("ground", scene(0), "a guitar")
        self.assertEqual(len(got["results"][0]["regions"]), 1)
        [more] = lines("ground", scene(0), "a guitar", "--max-det", "3")
        self.assertEqual(len(more["results"][0]["regions"]), 3)
        self.assertEqual(more["results"][0]["regions"][:1], got["results"][0]["regions"])
        out, _ = run("ground", scene(0), "a guitar", "-f", "csv")
        self.assertEqual(len(out.strip().splitlines()), 2)  # a head and a region

    def test_classify_draws_its_label(self):
        asked = ("classify", scene(0), "--classes", "a tree,a dog", "--method", "clip")
        run(*asked, "--draw", self.path("a.png"))
        run("classify", scene(0), "--classes", "a dog", "--method", "clip", "--draw",
            self.path("b.png"))
        with open(self.path("a.png"), "rb") as a, open(self.path("b.png"), "rb") as b:
            self.assertNotEqual(a.read(), b.read())


if __name__ == "__main__":
    unittest.main()
