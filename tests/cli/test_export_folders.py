"""The folders of -f yolo and -f voc: names, splits, links, and existing folders."""
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

from made_lines import labelled, write
from program import GROMATIC, run, scene

BOX = (10, 20, 60, 50)


class Folder(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory()
        self.addCleanup(self.holder.cleanup)
        self.folder = self.holder.name
        self.lines = self.path("lines.jsonl")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def picture(self, *parts):
        """A file that differs from all others."""
        os.makedirs(os.path.dirname(self.path(*parts)), exist_ok=True)
        with open(self.path(*parts), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + "/".join(parts).encode())
        return self.path(*parts)

    def export(self, form, names, *options, label="x", code=0):
        write(self.lines, [labelled(name, (label, *BOX)) for name in names])
        return run("export", self.lines, "-f", form, "-o", self.path("out"), *options, code=code)[1]

    def tree(self, folder="out"):
        """{name: content} of all files, without gromatic's own list."""
        found = {}
        for parent, _, names in os.walk(self.path(folder)):
            for name in names:
                path = os.path.join(parent, name)
                if name != ".gromatic-export":
                    with open(path, "rb") as file:
                        found[os.path.relpath(path, self.path(folder))] = file.read()
        return found

    def read(self, *parts):
        with open(self.path("out", *parts), encoding="utf-8") as file:
            return file.read()

    def names(self, *parts):
        return sorted(os.listdir(self.path("out", *parts)))


class Names(Folder):
    def test_as_little_as_tells_apart(self):
        cases = ((["a/x.jpg", "b/y.png"], ["x", "y"]), (["a/x.jpg", "b/x.jpg", "b/y.jpg"], ["a-x", "b-x", "y"]),
                 (["a/x.jpg", "a/x.png"], ["x.jpg", "x.png"]),
                 (["a/x.jpg", "a/x.png", "b/x.jpg"], ["a-x", "b-x", "x.png"]),
                 (["../a/x.jpg", "a/x.jpg"], ["a-x.jpg", "a-x.jpg-2"]),
                 (["a/x.jpg", "b/x.jpg", "a-x.jpg"], ["a-x", "a-x.jpg-2", "b-x"]))
        for names, wanted in cases:
            with self.subTest(names):
                err = self.export("yolo", names, "--force")
                self.assertEqual(self.names("labels"), sorted(stem + ".txt" for stem in wanted))
                self.assertEqual("under another name" in err, any("-" in s or "." in s for s in wanted))
                self.export("voc", names, "--force")
                self.assertEqual(self.names("Annotations"), sorted(stem + ".xml" for stem in wanted))
                self.assertEqual(sorted(self.read("ImageSets", "Main", "trainval.txt").split()), sorted(wanted))

    def test_odd_names(self):
        """What lists cannot hold becomes '_': line ends as Python knows them, in VOC white space at the ends, '#'."""
        names = ["a\nb.png", "c\u2028d.png", "e\x85f.png", "#g.png", " h .png", "\u3000i.png", ".j.png", "k'\"&<.png"]
        self.export("yolo", names)
        self.assertEqual(set(self.names("labels")), {"a_b.txt", "c_d.txt", "e_f.txt", "#g.txt", " h .txt",
                                                     "\u3000i.txt", "_j.txt", "k'\"&<.txt"})
        self.export("voc", names, "--force")
        stems = ["a_b", "c_d", "e_f", "_g", "_h_", "_i", "_j", "k'\"&<"]
        self.assertEqual(self.read("ImageSets", "Main", "trainval.txt").splitlines(), stems)
        self.assertEqual(set(self.names("Annotations")), {s + ".xml" for s in stems})

    def test_a_name_in_another_encoding_is_named(self):
        name = os.fsencode(self.path("b")) + b"\xe9.png"
        with open(name, "wb") as file, open(scene(0), "rb") as picture:
            file.write(picture.read())
        _, err = run("detect", name, "-f", "yolo", "-o", self.path("out"), code=2)
        self.assertIn("b?.png: its name is not UTF-8, and -f yolo cannot hold it; rename the file", err)

    def test_long_names(self):
        """Names of 255 bytes are legal; so is each name made from them."""
        names = ["x" * 251 + ".png", "\u860b" * 83 + ".png", "y" * 250 + ".webp", "d" * 200 + "/" + "z" * 251 + ".png",
                 "e" * 200 + "/" + "z" * 251 + ".png"]
        pictures = [self.picture(name) for name in names]
        for form, inside, ending in ("yolo", "labels", ".txt"), ("voc", "Annotations", ".xml"):
            self.export(form, pictures, "--link-images", "--force")
            found = self.names(inside)
            self.assertEqual(len(found), 5)
            for name in names[:3]:
                self.assertIn(os.path.splitext(name)[0] + ending, found)
            self.assertTrue(all(len(name.encode()) <= 255 for name in found))
        run("detect", scene(0), "-f", "yolo", "-o", self.path("v" * 200))
        self.assertEqual(sorted(os.listdir(self.path("v" * 200))), [".gromatic-export", "classes.txt", "data.yaml",
                                                                    "labels"])

    def test_one_picture_twice(self):
        err = self.export("yolo", ["a.png", "b.png", "a.png"], code=1)
        self.assertIn("a.png: found this picture twice, as number 1 and 3", err)
        self.assertFalse(os.path.exists(self.path("out")))

    def test_voc_class_names(self):
        """labelmap.txt separates its fields by ':'."""
        err = self.export("voc", ["a.png"], label="a: b")
        self.assertIn("is called 'a_ b'", err)
        self.assertEqual(self.read("labelmap.txt").splitlines()[1:], ["a_ b:::"])
        self.assertIn("<name>a_ b</name>", self.read("Annotations", "a.xml"))
        write(self.lines, [labelled("a.png", ("a: b", *BOX), ("a_ b", *BOX))])
        _, err = run("export", self.lines, "-f", "voc", "-o", self.path("two"), code=1)
        self.assertIn("would both call 'a_ b'", err)
        self.assertFalse(os.path.exists(self.path("two")))


class Split(Folder):
    def sets(self, n, *options, form="yolo", extra=()):
        self.export(form, [f"p/{i}.png" for i in range(n)] + list(extra), "--force", *options)
        if form == "voc":
            return [set(self.read("ImageSets", "Main", name).split()) for name in ("train.txt", "val.txt")]
        return [{line.removeprefix("./images/").removesuffix(".png") for line in self.read(name).split()}
                for name in ("train.txt", "val.txt")]

    def test_shares(self):
        for n, share, wanted in ((10, 0.8, 8), (100, 0.8, 80), (3, 0.5, 2), (2, 0.9, 1), (2, 0.1, 1), (1, 0.8, 1)):
            train, val = self.sets(n, "--split", share)
            self.assertEqual((len(train), len(val)), (wanted, n - wanted))
            self.assertEqual(train | val, {str(i) for i in range(n)})

    def test_it_is_fixed_by_the_seed(self):
        first = self.sets(50, "--split", "0.7")
        self.assertEqual(self.sets(50, "--split", "0.7", "--seed", "0"), first)
        self.assertEqual(self.sets(50, "--split", "0.7", form="voc"), first)
        self.assertNotEqual(self.sets(50, "--split", "0.7", "--seed", "1"), first)
        self.assertNotEqual(first[0], {str(i) for i in range(35)})

    def test_more_pictures_move_few(self):
        before = self.sets(100, "--split", "0.8")
        after = self.sets(100, "--split", "0.8", extra=["q/new.png"])
        self.assertLessEqual(len(before[0] - after[0]) + len(before[1] - after[1]), 1)


class Links(Folder):
    def test_hard_links(self):
        pictures = [self.picture("a", "1.png"), self.picture("b", "1.png"), self.picture("b", "no ending")]
        os.symlink(pictures[0], self.path("link.png"))
        for form, inside in ("yolo", "images"), ("voc", "JPEGImages"):
            self.export(form, [*pictures, self.path("link.png")], "--link-images", "--force")
            found = self.names(inside)
            self.assertEqual(len(found), 4)
            self.assertIn("no ending.png", found)  # after its bytes, so that trainers take it
            same = {(s.st_ino, s.st_dev) for s in (os.lstat(self.path("out", inside, name)) for name in found)}
            self.assertEqual(same, {(os.stat(p).st_ino, os.stat(p).st_dev) for p in pictures})

    def test_another_file_system(self):
        """If a hard link is impossible, it is a symbolic link to the absolute path."""
        if not os.path.isdir("/dev/shm") or os.stat("/dev/shm").st_dev == os.stat(self.folder).st_dev:
            self.skipTest("no other file system")
        with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
            os.makedirs(os.path.join(other, "a"))
            with open(os.path.join(other, "a", "1.png"), "wb") as file:
                file.write(b"x")
            write(self.lines, [labelled("a/1.png", ("x", *BOX))])
            subprocess.run([GROMATIC, "export", self.lines, "-f", "yolo", "-o", self.path("out"), "--link-images"],
                           cwd=other, check=True, capture_output=True)
            self.assertEqual(os.readlink(self.path("out", "images", "1.png")),
                             os.path.realpath(os.path.join(other, "a", "1.png")))

    def test_missing_pictures_are_named_once(self):
        pictures = [self.picture("a", f"{i}.png") for i in range(4)]
        os.remove(pictures[1])
        os.remove(pictures[2])
        os.mkdir(pictures[2])
        err = self.export("yolo", [*pictures, self.path("lines.jsonl/x.png"), "-"], "--link-images", "--split", "0.5",
                          code=1)
        for name in pictures[1], pictures[2], "tar", "3.png", "gromatic: -: ":
            self.assertEqual(err.count(name), name != "3.png", name)
        self.assertIn("4 pictures were not linked", err)
        self.assertEqual(self.names("images"), ["0.png", "3.png"])
        self.assertEqual(len(self.names("labels")), 6)
        self.assertEqual(sorted(self.read("train.txt").split() + self.read("val.txt").split()),
                         ["./images/0.png", "./images/3.png"])

    def test_pictures_that_are_there_stay(self):
        """Pictures that the user put into images/ stay, also with --force."""
        own = self.picture("out", "images", "own.png")
        self.picture("out", "images", "other.png")
        other = self.picture("a", "other.png")
        err = self.export("yolo", [own, other], "--link-images", "--force", code=1)
        self.assertIn("images/other.png is there", err)
        err = self.export("yolo", ["none.png"], "--force")
        self.assertEqual(self.names("images"), ["other.png", "own.png"])
        self.assertEqual(self.names("labels"), ["none.txt"])

    def test_the_last_name_of_a_picture_stays(self):
        picture = self.picture("a", "1.png")
        self.export("yolo", [picture], "--link-images")
        os.remove(picture)
        self.export("yolo", ["b.png"], "--force")
        self.assertEqual(self.names("images"), ["1.png"])

    def test_standard_input_has_no_link(self):
        with open(scene(0), "rb") as file:
            _, err = run("detect", "-", "-f", "yolo", "-o", self.path("out"), "--link-images", stdin=file.read(),
                         code=2)
        self.assertIn("standard input", err)


class Again(Folder):
    def test_only_what_gromatic_wrote_is_removed(self):
        picture = self.picture("a", "1.png")
        self.export("yolo", [picture, "b.png"], "--link-images", "--split", "0.5", code=1)
        os.makedirs(self.path("out", "labels", "mine"))
        for name in "notes.md", "labels/extra.txt", "labels/mine/x.txt", "images/own.png":
            write(self.path("out", name), ["mine"])
        err = self.export("yolo", ["c.png"], label="other", code=2)
        self.assertIn("--force", err)
        self.assertIn("labels/b.txt", self.tree())
        self.export("yolo", ["c.png"], "--force", label="other")
        self.assertEqual(set(self.tree()), {"notes.md", "labels/extra.txt", "labels/mine/x.txt", "images/own.png",
                                            "labels/c.txt", "classes.txt", "data.yaml"})
        self.export("voc", ["c.png"], "--force", label="other")
        self.assertEqual(set(self.tree()), {"notes.md", "labels/extra.txt", "labels/mine/x.txt", "images/own.png",
                                            "Annotations/c.xml", "ImageSets/Main/trainval.txt", "labelmap.txt"})
        self.assertTrue(os.path.exists(picture))

    def test_a_list_of_others_removes_nothing_outside(self):
        """A folder and its list may come from elsewhere."""
        victim = write(self.path("victim"), ["mine"])
        inside = write(self.path("elsewhere.txt"), ["mine"])
        self.export("yolo", ["a.png"])
        with open(self.path("out", ".gromatic-export")) as file:
            made = json.load(file)
        os.makedirs(self.path("linked"))
        write(self.path("linked", "x.txt"), ["mine"])
        os.symlink(self.path("linked"), self.path("out", "link"))
        for names in (["../victim"], [victim], ["labels/../../victim"], [".."], [""], [3]), (["link/x.txt"],):
            for files in names:
                with open(self.path("out", ".gromatic-export"), "w") as file:
                    json.dump({**made, "files": files}, file)
                subprocess.run([GROMATIC, "export", self.lines, "-f", "yolo", "-o", self.path("out"), "--force"],
                               capture_output=True, check=False)
                self.assertTrue(os.path.exists(victim) and os.path.exists(inside))
                self.assertTrue(os.path.exists(self.path("linked", "x.txt")))

    def test_labels_of_others_stay(self):
        os.makedirs(self.path("out", "labels"))
        write(self.path("out", "labels", "a.txt"), ["0 0.5 0.5 0.1 0.1"])
        for options in [], ["--force"]:
            err = self.export("yolo", ["a.png"], *options, code=2)
            self.assertTrue("labels/ has files" in err or "something in it" in err)
        self.assertEqual(self.tree(), {"labels/a.txt": b"0 0.5 0.5 0.1 0.1\n"})

    def test_a_file_of_others_is_not_replaced(self):
        """Nothing else is changed then either."""
        for name in "labels/c.txt", "data.yaml", "classes.txt":
            with self.subTest(name):
                self.export("yolo", ["a.png", "b.png"])
                # a list without the file: the file is the user's own, made after the export
                self.forget(name)
                write(self.path("out", name), ["mine"])
                before = self.tree()
                err = self.export("yolo", ["b.png", "c.png"], "--force", label="other", code=1)
                self.assertIn(f"{name} is there, and no list", err)
                self.assertNotIn("1 class", err)
                self.assertEqual(self.tree(), before)
                os.remove(self.path("out", name))
                self.export("yolo", ["b.png", "c.png"], "--force", label="other")
                self.assertEqual(self.names("labels"), ["b.txt", "c.txt"])
                subprocess.run(["rm", "-r", self.path("out")], check=True)

    def forget(self, name):
        path = self.path("out", ".gromatic-export")
        with open(path) as file:
            made = json.load(file)
        with open(path, "w") as file:
            kept = [(n, s) for n, s in zip(made["files"], made["sums"], strict=True) if n != name]
            json.dump({**made, "files": [n for n, _ in kept], "sums": [s for _, s in kept]}, file)

    def test_a_name_without_a_place(self):
        """A folder that is linked or is a file: nothing is changed, no labels of two exports are left."""
        self.picture("a.png")
        for make in (lambda path: os.symlink("../elsewhere", path), lambda path: write(path, ["mine"]) and None):
            for inside in "labels", "images":
                self.export("yolo", ["a.png", "b.png"])
                if os.path.isdir(self.path("out", inside)):
                    os.rename(self.path("out", inside), self.path("elsewhere"))
                else:
                    os.makedirs(self.path("elsewhere"))
                make(self.path("out", inside))
                states = self.tree(), self.tree("elsewhere")
                err = self.export("yolo", [self.path("a.png")], "--link-images", "--force", label="other", code=1)
                self.assertIn(f"{inside}/a.", err)
                self.assertIn("has no place", err)
                self.assertEqual((self.tree(), self.tree("elsewhere")), states)
                subprocess.run(["rm", "-r", self.path("out"), self.path("elsewhere")], check=True)

    def test_a_folder_that_came_meanwhile_stays(self):
        """A folder that is made while the lines are still read, after the run checked."""
        command = [GROMATIC, "export", "-", "-f", "yolo", "-o", self.path("out")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as late:
            time.sleep(0.5)
            self.export("yolo", ["a.png"], label="first")
            before = self.tree()
            late.communicate((json.dumps(labelled("b.png", ("second", *BOX))) + "\n").encode())
            self.assertNotEqual(late.returncode, 0)
        self.assertEqual(self.tree(), before)

    def test_changed_labels_stay(self):
        """--resume does not overwrite manual corrections; --resume --force replaces them without a new run."""
        out = self.path("out")
        label = ["label", "-f", "yolo", "-o", out, "--classes", "tree,cat", "--none", "-1"]
        run(*label, scene(0))
        for name in "labels/000.txt", "data.yaml":
            with self.subTest(name):
                made = self.tree()
                with open(self.path("out", name), "a") as file:
                    file.write("# mine\n")
                before = self.tree()
                _, err = run(*label, scene(0), scene(1), "--resume", code=1)
                self.assertIn(f"{name} was changed since gromatic wrote it", err)
                self.assertEqual(self.tree(), before)
                _, err = run(*label, scene(0), scene(1), "--resume", "--force")
                self.assertIn("0 pictures and 2 done before", err)
                self.assertEqual(self.tree()[name], made[name])
                self.assertIn("labels/001.txt", self.tree())

    def test_a_folder_by_another_name(self):
        os.makedirs(self.path("out"))
        for name in ".", "./", "../out":
            write(self.lines, [labelled("a.png", ("x", *BOX))])
            done = subprocess.run([GROMATIC, "export", self.lines, "-f", "yolo", "-o", name],
                                  cwd=self.path("out"), capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(set(self.tree()), {"labels/a.txt", "classes.txt", "data.yaml"})
            for entry in os.listdir(self.path("out")):
                subprocess.run(["rm", "-r", self.path("out", entry)], check=True)

    def test_classes_never_mix(self):
        """The finished folder of other classes is not resumed; --force starts it again."""
        first, second = scene(0), scene(1)
        out = self.path("y")
        label = ["label", "-f", "yolo", "-o", out, "--none", "-1"]
        run(*label, first, "--classes", "tree,cat")
        before = self.tree("y")
        for classes, told in (("dog,fish", "number 0 is 'tree', now 'dog'"),
                              ("tree,cat,dog", "number 2 is not there, now 'dog'"),
                              ("cat,tree", "number 0 is 'tree', now 'cat'"), ("tree", "number 1 is 'cat', now not")):
            _, err = run(*label, second, "--classes", classes, "--resume", code=2)
            self.assertIn(told, err)
            self.assertEqual(self.tree("y"), before)
        # also if the lines of the run are missing
        for name in os.listdir(self.folder):
            if name.startswith("y."):
                os.remove(self.path(name))
        for classes in "dog,fish", "tree,cat":
            _, err = run(*label, second, "--classes", classes, "--resume", code=2)
            self.assertIn("has something in it", err)
            self.assertEqual(self.tree("y"), before)
        run(*label, second, "--classes", "dog,fish", "--force")
        self.assertEqual(self.tree("y")["classes.txt"], b"dog\nfish\n")
        self.assertEqual({n for n in self.tree("y") if n.startswith("labels/")}, {"labels/001.txt"})

    def test_a_readers_cache_goes(self):
        """Older versions of Ultralytics trust their labels.cache if names and sizes are the same."""
        self.export("yolo", ["a.png"])
        write(self.path("out", "labels.cache"), ["stale"])
        self.export("yolo", ["a.png"], "--force", label="y")
        self.assertNotIn("labels.cache", self.tree())

    def test_empty_folders_and_files_of_that_name(self):
        os.mkdir(self.path("out"))
        self.export("yolo", ["a.png"])
        self.assertIn("labels/a.txt", self.tree())
        write(self.path("file"), ["mine"])
        _, err = run("export", self.lines, "-f", "yolo", "-o", self.path("file"), code=2)
        self.assertIn("wanted a folder", err)
        run("export", self.lines, "-f", "yolo", "-o", self.path("no", "folder"), code=1)


@unittest.skipUnless("GM_KILL_LIBRARY" in os.environ, "sanitizers have no library in front of them")
class Killed(Folder):
    def sweep(self, form, before, after):
        """Kills a replacing run before each of its calls: then the folder is the old one, the new one, or
        one without the files that say what the labels mean; and the next run leaves the new one alone."""
        old, new = ([f"{prefix}{i}.png" for i in range(3)] for prefix in ("s", "n"))
        self.export(form, new + old[:1], label="new")
        wanted = self.tree()
        subprocess.run(["rm", "-rf", self.path("out")], check=True)
        heads = {"yolo": "data.yaml", "voc": "labelmap.txt"}
        killed = 0
        for n in range(1, 1000):
            if before:
                self.export(form, old, label="old")
            states = (self.tree() if before else {}, wanted)
            write(self.lines, [labelled(name, ("new", *BOX)) for name in new + old[:1]])
            command = [GROMATIC, "export", self.lines, "-f", form, "-o", self.path("out"), "--force"]
            env = dict(os.environ, LD_PRELOAD=os.environ["GM_KILL_LIBRARY"], GM_KILL_AT=str(n),
                       GM_KILL_FOLDER=self.folder)
            done = subprocess.run(command, env=env, capture_output=True)
            found = {k: v for k, v in self.tree().items() if not k.startswith(".gromatic-")}
            if heads[form] in found:
                self.assertIn(found, states)
            else:
                self.assertEqual(set(found) - set(states[0]) - set(states[1]), set())
            if done.returncode == 0:
                break
            self.assertEqual(done.returncode, -signal.SIGKILL)
            killed += 1
            after(command)
            self.assertEqual(self.tree(), wanted)
            self.assertEqual([n for n in os.listdir(self.folder) if n not in ("lines.jsonl", "out")], [])
            subprocess.run(["rm", "-rf", self.path("out")], check=True)
        self.assertGreater(killed, 15)

    def test_a_new_folder(self):
        self.sweep("yolo", False, lambda command: run(*command[1:]))

    def test_a_folder_that_is_there(self):
        for form in "yolo", "voc":
            with self.subTest(form):
                self.sweep(form, True, lambda command: run(*command[1:]))
                subprocess.run(["rm", "-rf", self.path("out")], check=True)


if __name__ == "__main__":
    unittest.main()
