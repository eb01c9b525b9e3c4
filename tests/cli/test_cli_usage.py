"""Options, errors and exit codes that need no inference."""
import json
import os
import subprocess
import tempfile
import unittest

from program import DATA, lines, run, scene

DESCRIPTIONS = os.path.join(DATA, "descriptions", "world.json")
WORLD = os.path.join(DATA, "world", "classify")


class Usage(unittest.TestCase):
    def test_version_and_help(self):
        out, _ = run("--version")
        self.assertRegex(out, r"^gromatic \d+\.\d+\.\d+\n$")
        out, _ = run("--help")
        for command in ("caption", "chat", "ground", "describe", "detect", "convert", "inspect"):
            self.assertIn(command, out)
            text, _ = run(command, "--help")
            self.assertIn("usage: gromatic " + command, text)
            self.assertLessEqual(max(map(len, text.splitlines())), 130)

    def test_a_cache_is_kept_or_not(self):
        with tempfile.TemporaryDirectory() as folder:
            for command in ["detect", scene(0)], ["label", scene(0), "--classes", "a,b"], \
                    ["classify", scene(0), "--classes", "a,b"]:
                for options in ["--cache", folder, "--no-cache"], ["--no-cache", "--cache", folder]:
                    out, err = run(*command, *options, code=2)
                    self.assertEqual(out, "")
                    self.assertEqual(err, "gromatic: --cache: found --no-cache too, wanted one of them\n")
            # The command line wins over the environment.
            run("detect", scene(0), "--no-cache", env={"GROMATIC_ARG_CACHE": folder})
            self.assertEqual(os.listdir(folder), [])

    def test_unknown_words_get_a_suggestion(self):
        _, err = run("captoin", "x.png", code=2)
        self.assertIn("did you mean caption?", err)
        _, err = run("caption", "x.png", "--jsno", code=2)
        self.assertIn("did you mean --json?", err)
        _, err = run("caption", "x.png", "-Z", code=2)
        self.assertIn("unknown option '-Z'", err)
        for box in ("--box", "1,1,5,5"), ("--box=1,1,5,5",):
            _, err = run("caption", "x.png", *box, code=2)
            self.assertIn(f"unknown option '{box[0]}'; it is an option of chat, describe", err)
        _, err = run("caption", "-n", "many", "x.png", code=2)
        self.assertIn("found 'many', wanted a whole number", err)

    def test_numbers_out_of_range(self):
        # 2^32 + 1 would be 1 in 32 bits
        for args in (["detect", "-t", "5000"], ["detect", "-t", "4294967297"],
                     ["caption", "-n", "4294967297"], ["caption", "--top-k", "4294967297"],
                     ["caption", "--top-p", "1.5"], ["caption", "--temp", "-1"],
                     ["detect", "--conf", "1.5"], ["detect", "--max-det", "100001"],
                     ["convert", "-t", "4294967297", "-o", "x.gguf"],
                     ["bench", "--repeat", "4294967297"], ["eval", "--iou", "2"],
                     ["chat", "--conf", "2"]):
            _, err = run(*args, "x", code=2)
            self.assertIn(args[1] if args[1].startswith("--") else "gromatic", err)

    def test_a_wrong_number_gets_the_options_own_range(self):
        for command, option, wrong, wanted in (
                ("detect", "--threads", "-1", "a whole number from 0 to 1024"),
                ("detect", "--threads", "1.5", "a whole number from 0 to 1024"),
                ("detect", "--threads", "5000", "a whole number from 0 to 1024"),
                ("bench", "--parallel", "two", "a whole number from 0 to 8"),
                ("bench", "--repeat", "1001", "a whole number from 0 to 1000"),
                ("caption", "--top-k", "-1", "a whole number from 0 to 4294967295"),
                ("caption", "--seed", "-1", "a whole number, 0 or more"),
                ("caption", "--temp", "hot", "a number, 0 or more"),
                ("caption", "--top-p", "x", "a number from 0 to 1"),
                ("classify", "--image-scale", "14", "a number from -13 to 13")):
            _, err = run(command, option, wrong, "x", code=2)
            self.assertEqual(err, f"gromatic {command}: {option}: found '{wrong}', wanted {wanted}\n")

    def test_numbers_of_the_classes_out_of_range(self):
        for args in (["--dedup-iou", "-0.1"], ["--dedup-iou", "1.1"], ["--dedup-cosine", "-1"],
                     ["--dedup-cosine", "2"], ["--crops", "0"], ["--crops", "65537"], ["--crops", "-1"],
                     ["--draws", "0"], ["--redraws", "0"], ["--redraws", "65537"], ["--alpha", "-0.5"],
                     ["--alpha", "0"], ["--alpha", "0.95"], ["--beta", "1.5"], ["--beta", "0.4"],
                     ["--image-scale", "14"], ["--text-scale", "-14"], ["--text-scale", "nan"]):
            for command in (["classify", scene(0)], ["label", scene(0)], ["eval", "classify", WORLD]):
                if command[0] == "label" and args == ["--alpha", "0.95"]:
                    continue  # beta is 1 there
                _, err = run(*command, "--descriptions", DESCRIPTIONS, *args, code=2)
                self.assertIn(args[0], err)
        for command, args in (("classify", ["--stop", "-0.1"]), ("classify", ["--stop", "1.1"]),
                              ("eval", ["--seeds", "0"]), ("eval", ["--seeds", "1001"]),
                              ("label", ["--none", "-1.5"]), ("label", ["--none", "2"])):
            _, err = run(command, scene(0), "--classes", "a,b", *args, code=2)
            self.assertIn(args[0], err)

    def test_a_value_glued_to_a_name_of_two_letters(self):
        for command in ["caption", scene(0)], ["bench", "model"]:
            for given, wanted in ("-ctkq8_0", "-ctk q8_0"), ("-ctv=f16", "-ctv f16"), ("-ctv=", "-ctv TYPE"):
                _, err = run(*command, given, code=2)
                self.assertEqual(err, f"gromatic {command[0]}: found '{given}', wanted the value of {given[:4]} apart: "
                                      f"{wanted}\n")
        _, err = run("caption", scene(0), "-c", "-ctkq8_0", code=2)  # here it is a value
        self.assertIn("--ctx-size: found '-ctkq8_0'", err)

    def test_an_unknown_instruction_set(self):
        """A misspelt cap must not allow all instruction sets."""
        for command in ["detect", scene(0)], ["classify", scene(0), "--classes", "a,b"], ["bench", "model"], \
                ["bench", "kernels"]:
            _, err = run(*command, code=2, env={"GROMATIC_CPU": "avx-2"})
            self.assertEqual(err, "gromatic: the environment's GROMATIC_CPU: found 'avx-2', wanted ref, avx2, avxvnni, "
                                  "avx512f, avx512vnni, avx512, amx, neon-base, neon-dotprod or neon\n")
        for known in "", "ref", "neon", "avx2", "amx":  # on any processor
            run("detect", scene(0), env={"GROMATIC_CPU": known})

    def test_a_wrong_value_is_usage_whoever_finds_it(self):
        """The library knows some options' values, and reports bad ones with a status."""
        for command in ["caption", scene(0)], ["bench", "model"]:
            for option in ["-ctk", "q5"], ["--cache-type-v", "q5"]:
                _, err = run(*command, *option, code=2)
                self.assertIn("found cache type q5", err)
        _, err = run("caption", scene(0), "-c", "4294967295", code=2)
        self.assertIn("context", err)

    def test_a_full_disk_is_no_success(self):
        for words in (["--help"], ["--version"], ["detect", "--help"], ["completion", "bash"], ["detect", scene(0)],
                      ["detect", scene(0), "--json"], ["detect", scene(0), "-f", "csv"],
                      ["inspect", os.path.join(os.environ["GM_MODELS"], "none.gguf")]):
            with self.subTest(words):
                command = subprocess.list2cmdline([os.environ["GROMATIC"], *words]) + " >/dev/full"
                done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
                if words[0] == "inspect":  # other failures keep their code
                    self.assertEqual(done.returncode, 3)
                else:
                    self.assertEqual(done.returncode, 1)
                    self.assertEqual(done.stderr.count("cannot write to standard output"), 1, done.stderr)

    def test_an_output_is_a_file(self):
        """The finished file would replace a device or a pipe."""
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "pipe")
            os.mkfifo(pipe)
            for name in ("", "-", pipe):
                with self.subTest(name=name):
                    _, err = run("detect", scene(0), "-o", name, code=2)
                    self.assertIn("wanted the name of a file", err)
            self.assertEqual(os.listdir(folder), ["pipe"])

    def test_options_of_other_commands_are_refused(self):
        for option in (["--regions", "f"], ["--draw", "o.png"], ["-o", "o.jsonl"]):
            _, err = run("chat", scene(0), *option, code=2)
            self.assertIn("-p", err)
        _, err = run("eval", "detect", "--coco", "f", "--regions", "f", code=2)
        self.assertIn("--regions", err)

    def test_missing_arguments(self):
        for args in (["caption"], ["ground", scene(0)], ["describe", scene(0)], ["convert", "x"],
                     ["eval", "detect"], ["caption", scene(0), "--resume"],
                     ["caption", scene(0), scene(1), "--draw", "one.png"],
                     ["detect", scene(0), "--box-format", "polar"],
                     ["describe", scene(0), "--box", "1,2,3"], ["completion", "tcsh"]):
            _, err = run(*args, code=2)
            self.assertIn("wanted" if args[0] not in ("caption", "describe") else "gromatic", err)

    def test_a_model_that_is_none(self):
        _, err = run("detect", scene(0), "-m", "/nonexistent/model.gguf", code=3)
        self.assertIn("/nonexistent/model.gguf", err)
        _, err = run("detect", scene(0), "-m", scene(0) + "", code=3)
        _, err = run("bench", "model", "-m", "/nonexistent/model.gguf", code=3)
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "pipe.gguf")
            os.mkfifo(pipe)
            _, err = run("detect", scene(0), "-m", pipe, code=3, timeout=60)
            self.assertIn("wanted a regular file", err)

    def test_annotations_that_are_not_there(self):
        _, err = run("eval", "detect", "--coco", "/nonexistent.json", code=2)
        self.assertEqual(err, "gromatic: /nonexistent.json: cannot read: No such file or directory\n")
        _, err = run("eval", "detect", "--coco", __file__, code=2)
        self.assertIn(f"{__file__}: line 1: ", err)

    def test_a_benchmark_refuses_what_it_would_not_use(self):
        _, err = run("bench", "model", "--type", "q8_0", code=2)
        self.assertIn("--shape", err)
        for what in (["model"], ["kernels"], ["image", scene(0)]):
            _, err = run("bench", *what, "--parallel", "2", code=2)
            self.assertIn("several pictures", err)

    def test_a_benchmarks_table(self):
        out, _ = run("bench", "image", scene(0), "--stage", "picture,vision,ground 1", "--repeat", "1")
        rows = {line[:14].strip(): line for line in out.splitlines()}
        # "picture" counts no operations, "ground 1" neither these nor bytes: no rate of 0 is printed.
        self.assertNotRegex(rows["picture"], r" 0\.0+( |$)")
        self.assertGreater(float(rows["picture"].split()[-1]), 0)
        self.assertRegex(rows["ground 1"], r"e-0\d +\S+e-0\d *$")
        self.assertRegex(rows["vision"], r"\d % of [\d.]+ \w+$")

    def test_benchmark_of_several_pictures(self):
        [got] = lines("bench", "image", scene(0), scene(1), "-m", "groma-mini", "-n", "4", "--count", "2", "--repeat", "1")
        self.assertGreater(got["pictures_per_hour"], 0)
        self.assertIn("ground", [stage["stage"] for stage in got["stages"]])
        run("bench", "image", scene(0), "/nonexistent.png", "--repeat", "1", "--count", "1", "-n", "1", code=1)
        run("bench", "image", code=2)

    def test_benchmark_of_a_clip(self):
        out, _ = run("bench", "clip", "-m", "clip-mini", "--stage", "crops,texts", "--count", "3", "--repeat", "1",
                     "--json")
        stages = json.loads(out)["stages"]
        self.assertEqual(["crops", "texts"], [s["stage"] for s in stages])
        self.assertTrue(stages[0]["shape"].startswith("3 crops"))
        _, err = run("bench", "clip", "-m", "clip-mini", "--stage", "vision", code=2)
        self.assertIn("crops, texts", err)

    def test_text_that_is_no_utf8(self):
        _, err = run("ground", scene(0), b"a \xff", code=2)
        self.assertIn("not UTF-8", err)
        _, err = run("chat", scene(0), "-p", b"what \xff?", code=2)
        self.assertIn("not UTF-8", err)
        # a file's name may be anything, but must not control the terminal
        out, _ = run("detect", b"/nonexistent/\xff.png", "--json", code=1)
        self.assertEqual(json.loads(out)["image"]["file"], "/nonexistent/?.png")
        _, err = run("detect", "/nonexistent/\033[2J.png", code=1)
        self.assertNotIn("\033", err)
        self.assertIn("?[2J.png", err)

    def test_environment_sets_options(self):
        _, err = run("detect", scene(0), code=3, env={"GROMATIC_ARG_MODEL": "/nonexistent.gguf"})
        self.assertIn("/nonexistent.gguf", err)
        _, err = run("caption", scene(0), code=2, env={"GROMATIC_ARG_CTX_SIZE": "wide"})
        self.assertIn("GROMATIC_ARG_CTX_SIZE", err)


if __name__ == "__main__":
    unittest.main()
