"""The results of a run with -o are never lost, and never mixed with those of other settings."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import folders
from folders import files_of, read
from program import GROMATIC, run, scene


class Settings(folders.Folder):
    """Results of differing settings never mix."""

    def test_labels_of_other_classes(self):
        out = self.path("y")
        first = ["label", scene(0), "-f", "yolo", "-o", out, "--none", "-1", "--classes"]
        then = ["label", scene(1), "-f", "yolo", "-o", out, "--none", "-1", "--classes"]
        run(*first, "tree,cat")
        self.assertEqual(read(self.path("y", "classes.txt")), b"tree\ncat\n")
        self.refused(*then, "dog,fish", "--resume", said=["tree", "dog", "--force"])
        self.refused(*then, "dog,fish", said=["--resume"])  # the folder is not empty
        run(*then, "tree,cat", "--resume")
        self.assertEqual(sorted(os.listdir(self.path("y", "labels"))), ["000.txt", "001.txt"])
        os.remove(out + ".jsonl.ledger")
        for classes in "tree,cat", "dog,fish":
            self.refused(*then, classes, "--resume", said=["y.jsonl", "would be lost", "--force"])

    def test_a_long_list_names_its_first_difference(self):
        words = [f"a word of some length, number {i}" for i in range(12)]
        names = self.path("names.txt")
        for more in "house", None:
            with open(names, "w") as file:
                file.write("\n".join(words + ([more] if more else [])))
            _, err = run("label", scene(0), "--classes", names, "-o", self.path("o.jsonl"), "--resume", code=0 if more else 2)
        self.assertIn('begun with --classes number 13 "house", now not given;', err)

    def test_a_picture_that_changed_stands_once_in_an_export(self):
        picture = self.path("a.png")
        label = ["label", picture, "--classes", "a,b", "--none", "-1", "--max-det", "2", "-m", "groma-mini"]
        for form, out in ("coco", "o.json"), ("csv", "o.csv"), ("yolo", "y"):
            shutil.copy(scene(0), picture)
            run(*label, "-f", form, "-o", self.path(out))
            fresh = self.path("fresh", out)
            os.makedirs(os.path.dirname(fresh), exist_ok=True)
            shutil.copy(scene(1), picture)
            _, err = run(*label, "-f", form, "-o", self.path(out), "--resume")
            self.assertIn("1 picture was looked at again", err)
            run(*label, "-f", form, "-o", fresh)
            self.assertEqual(len(files_of(self.path(out + ".jsonl"))), 2)  # the lines of both
            if form == "coco":
                got, wanted = json.loads(read(self.path(out))), json.loads(read(fresh))
                self.assertEqual([len(got["images"]), len(got["annotations"])], [1, len(wanted["annotations"])])
                self.assertEqual([a["bbox"] for a in got["annotations"]], [a["bbox"] for a in wanted["annotations"]])
            elif form == "csv":
                self.assertEqual(read(self.path(out)), read(fresh))
            else:
                self.assertEqual(read(self.path(out, "labels", "a.txt")), read(os.path.join(fresh, "labels", "a.txt")))

    def test_captions_of_more_pictures(self):
        out = self.path("q.jsonl")
        run("caption", scene(0), "-n", "4", "-o", out)
        run("caption", scene(1), "-n", "4", "-o", out, "--resume")
        self.assertEqual(files_of(out), [scene(0), scene(1)])
        self.refused("caption", scene(2), "-n", "5", "-o", out, "--resume", said=["--n-predict 4, now 5"])
        run("caption", scene(2), "-n", "5", "-o", out, "--resume", "--force")
        self.assertEqual(files_of(out), [scene(2)])

    def test_one_folder_in_another_spelling(self):
        os.makedirs(self.path("ch", "in"))
        shutil.copy(scene(0), self.path("ch", "in", "a.png"))
        for spelling in "ch", "./ch", "ch/", ".//ch/.":
            run("detect", "-r", spelling, "-o", "q.jsonl", "--resume", cwd=self.folder)
            self.assertEqual(files_of(self.path("q.jsonl")), ["ch/in/a.png"])

    def test_another_instruction_set(self):
        out = self.path("q.jsonl")
        run("detect", scene(0), "-o", out, env={"GROMATIC_CPU": "ref"})
        env = dict(os.environ, GROMATIC_CPU="")
        done = subprocess.run([GROMATIC, "detect", scene(1), "-o", out, "--resume"], env=env, capture_output=True)
        self.assertIn((done.returncode, b'GROMATIC_CPU) "ref", now' in done.stderr), [(2, True), (0, False)])
        self.assertEqual(len(files_of(out)), 1 if done.returncode else 2)

    def test_classify(self):
        out = self.path("q.csv")
        command = ["classify", "--method", "clip", "-f", "csv", "-o", out, "--resume"]
        run(*command, scene(0), "--classes", "a,b")
        self.refused(*command, scene(1), "--classes", "a,c", said=['["a", "b"], now ["a", "c"]'])
        self.refused(*command, scene(1), "--classes", "a,b", "--top", "1", said=["--top not given, now 1"])
        run(*command, scene(1), "--classes", "a,b")
        self.assertEqual(read(out).count(scene(0).encode()), 2)

    def test_a_result_of_which_no_ledger_tells(self):
        out = self.path("q.csv")
        run("detect", scene(0), "-f", "csv", "-o", out)
        for name in "q.csv.jsonl.ledger", "q.csv.jsonl":
            os.remove(self.path(name))
            for options in [], ["--resume"]:
                self.refused("detect", scene(1), "-f", "csv", "-o", out, *options, said=["would be lost", "--force"])
        run("detect", scene(1), "-f", "csv", "-o", out, "--force")
        self.assertEqual(files_of(out + ".jsonl"), [scene(1)])
        run("detect", scene(0), "-f", "csv", "-o", out)  # now it is our own
        self.assertEqual(files_of(out + ".jsonl"), [scene(0)])

    def test_a_file_that_came_meanwhile(self):
        """It stays, and so do the run's lines: --resume continues with them."""
        for form in [], ["-f", "csv"]:
            with self.subTest(form), tempfile.TemporaryDirectory() as folder:
                out, names = os.path.join(folder, "out"), os.path.join(folder, "names")
                os.mkfifo(names)
                command = [GROMATIC, "detect", scene(0), "--regions", names, "-o", out, *form]
                with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as late:
                    with open(names, "w") as boxes:  # the run has checked the output by now
                        with open(out, "w") as file:
                            file.write("mine\n")
                        boxes.write("10,20,60,50\n")
                    err = late.communicate()[1]
                self.assertIn("would be lost", err)
                self.assertNotEqual(late.returncode, 0)
                with open(out) as file:
                    self.assertEqual(file.read(), "mine\n")
                os.remove(out)
                boxes = os.path.join(folder, "boxes")
                with open(boxes, "w") as file:
                    file.write("10,20,60,50\n")
                _, err = run("detect", scene(0), "--regions", boxes, "-o", out, *form, "--resume")
                self.assertTrue(os.path.getsize(out) > 20)
                self.assertNotIn("begun with", err)

    def test_a_stopped_run(self):
        out = self.path("q.jsonl")
        os.mkfifo(self.path("pipe.png"))
        process = subprocess.Popen([GROMATIC, "detect", scene(0), self.path("pipe.png"), "-o", out],
                                   stderr=subprocess.DEVNULL)
        with open(self.path("pipe.png"), "wb"):  # it has reached the second
            process.kill()
            process.wait()
        os.remove(self.path("pipe.png"))
        self.refused("detect", scene(1), "-o", out, said=["stopped after 1 input", "--resume", "--force"])
        self.refused("detect", scene(1), "--conf", "0.5", "-o", out, "--resume", said=["--conf not given, now 0.5"])
        run("detect", scene(1), "-o", out, "--resume")
        self.assertEqual(files_of(out), [scene(0), scene(1)])

    def test_a_folder_for_lines(self):
        os.mkdir(self.path("y"))
        for options in [], ["--force"]:
            _, err = run("detect", scene(0), "-o", self.path("y"), *options, code=2)
            self.assertIn("found a folder", err)

    def test_two_processes(self):
        """The second is refused, with its export too, before a model is opened, until the first has finished."""
        os.mkfifo(self.path("pipe.png"))
        out = self.path("y")
        first = subprocess.Popen([GROMATIC, "detect", self.path("pipe.png"), "-f", "yolo", "-o", out])
        with open(self.path("pipe.png"), "wb") as pipe:
            for options in [], ["--resume"], ["--force"]:
                _, err = run("detect", scene(0), "-m", "/nonexistent", "-f", "yolo", "-o", out, *options, code=1)
                self.assertIn("another process is writing it", err)
            pipe.write(read(scene(1)))
        self.assertEqual(first.wait(), 0)
        self.assertNotIn("y.jsonl.lock", os.listdir(self.folder))
        run("detect", scene(0), "-f", "yolo", "-o", out, "--resume")


class Killed(folders.Killed):
    def test_errors_that_are_tried_again(self):
        late, out = self.path("late.png"), self.path("out.jsonl")

        def prepare():
            run("detect", scene(0), late, scene(1), "-o", out, code=1)
            shutil.copy(scene(2), late)

        command = ["detect", scene(0), late, scene(1), "-o", out, "--resume", "--retry-errors"]
        self.assertGreater(self.sweep(command, prepare), 15)
        self.assertEqual(files_of(out), [scene(0), scene(1), late])


if __name__ == "__main__":
    unittest.main()
