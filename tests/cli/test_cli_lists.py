"""Lists of names in several encodings, links in folders and tar files, and long names."""
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
import unittest

from program import GROMATIC, lines, run, scene

ENV = dict(os.environ, NO_COLOR="1")


class Fixture(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()

    def tearDown(self):
        shutil.rmtree(self.folder)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def put(self, number, *parts):
        os.makedirs(self.path(*parts[:-1]), exist_ok=True)
        shutil.copy(scene(number), self.path(*parts))
        return self.path(*parts)

    def start(self, *args, **kwargs):
        child = subprocess.Popen([GROMATIC, *args], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        timer = threading.Timer(120, child.kill)  # kills it if a line never comes
        timer.start()
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.addCleanup(timer.cancel)
        return child


def files(got):
    return [g["image"]["file"] for g in got]


class Lists(Fixture):
    def test_answers_come_before_the_next_name(self):
        fifo = self.path("names")
        os.mkfifo(fifo)
        for command in ["detect"], ["caption"], ["caption", "--parallel", "8"]:
            with self.subTest(command):
                child = self.start(*command, "--json", "@" + fifo)
                with open(fifo, "wb", buffering=0) as names:
                    for number in 0, 1, 2:
                        names.write(scene(number).encode() + b"\n")
                        self.assertEqual(files([json.loads(child.stdout.readline())]), [scene(number)])
                    names.write(b"/nonexistent.png\n")
                    got = json.loads(child.stdout.readline())
                    self.assertEqual(got["error"]["code"], "file_not_found")
                    names.write(scene(0).encode())  # half a line
                    time.sleep(0.1)
                    names.write(b"\n")
                    self.assertEqual(files([json.loads(child.stdout.readline())]), [scene(0)])
                self.assertEqual(child.wait(), 1)

    def test_standard_input_as_words(self):
        child = self.start("detect", "-m", "groma-mini", "@-", scene(3), stdin=subprocess.PIPE)
        child.stdin.write(scene(0).encode() + b"\n")
        child.stdin.flush()
        self.assertEqual(child.stdout.readline().decode(), f"== {scene(0)}\n")
        while child.stdout.readline() != b"\n":
            pass
        child.stdin.write(b"/nonexistent.png\n")
        child.stdin.flush()
        self.assertIn(b"/nonexistent.png", child.stderr.readline())
        child.stdin.close()
        self.assertEqual(child.stdout.readline().decode(), f"== {scene(3)}\n")
        self.assertEqual(child.wait(), 1)
        self.assertNotIn(b"nonexistent", child.stderr.read())  # named once

    def test_ctrl_c_while_a_name_is_waited_for(self):
        child = self.start("detect", "--json", "@-", stdin=subprocess.PIPE)
        child.stdin.write(scene(0).encode() + b"\n")
        child.stdin.flush()
        child.stdout.readline()
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        self.assertEqual(child.wait(), 130)
        child.stdin.close()

    def test_the_same_as_from_a_file(self):
        names = [scene(number) for number in range(12)]
        text = "".join(name + "\n" for name in names).encode()
        with open(self.path("list"), "wb") as file:
            file.write(text)
        want = run("caption", "--parallel", "4", "--json", "@" + self.path("list"))[0]
        self.assertEqual(run("caption", "--parallel", "4", "--json", "@-", stdin=text)[0], want)
        self.assertEqual(files(map(json.loads, want.splitlines())), names)
        out = self.path("o")
        run("detect", "@-", "-f", "csv", "-o", out, stdin=text)
        run("detect", "@-", "--draw", self.path("d") + "/", stdin=text)
        self.assertEqual(len(os.listdir(self.path("d"))), 12)

    def test_resume(self):
        out = self.path("o.jsonl")
        first = [scene(0), scene(1), "/nonexistent.png"]
        second = first + [scene(2)]
        run("detect", "@-", "-o", out, stdin="\n".join(first).encode(), code=1)
        run("detect", "@-", "-o", out, "--resume", stdin="\n".join(second).encode())
        with open(out) as file:
            got = [json.loads(line) for line in file]
        self.assertEqual(sorted(files(got)), sorted(second))

    def test_names_with_a_zero_byte_after_them(self):
        odd = self.put(0, "a\nb.png"), self.put(1, "r\r.jpg"), self.put(0, "m\ufeff.png")
        text = b"".join(name.encode() + b"\0" for name in odd)
        with open(self.path("list"), "wb") as file:
            file.write(text)
        self.assertEqual(files(lines("detect", "@-", stdin=text)), list(odd))
        self.assertEqual(files(lines("detect", "@" + self.path("list"))), list(odd))
        out = subprocess.run(["bash", "-c", 'find "$1" -name "*.png" -print0 | "$2" detect --json @-', "-", self.folder,
                              GROMATIC], env=ENV, capture_output=True, check=True).stdout
        self.assertEqual(len(out.splitlines()), 2)
        _, err = run("detect", "@-", stdin=scene(0).encode() + b"\n" + b"x" * (1 << 16) + b"\0\n", code=2)
        self.assertIn("wanted a name of a file", err)

    def test_ends_of_names_that_come_by_themselves(self):
        for end in b"\0", b"\n":
            child = self.start("detect", "@-", "--json", "-q", stdin=subprocess.PIPE)
            with child.stdin:
                for piece in scene(0).encode()[:9], scene(0).encode()[9:], end, scene(1).encode() + end:
                    child.stdin.write(piece)
                    child.stdin.flush()
                    time.sleep(0.1)
            got = [json.loads(line) for line in child.stdout]
            self.assertEqual(files(got), [scene(0), scene(1)])
            self.assertEqual(child.wait(), 0)

    def test_a_list_is_taken_once(self):
        _, err = run("detect", "@-", "@-", stdin=scene(0).encode(), code=2)
        self.assertIn("standard input: cannot read the list: it is read for something else already", err)

    def test_lists_that_are_none(self):
        for text, said in (b"\n\n", "no names in this list"), ((scene(0) + "\n").encode("utf-16"), "line 1: found UTF-16"), \
                ((scene(0) + "\n").encode("utf-32"), "line 1: found UTF-32"), (b"a\ncaf\xe9.png\n", "line 2: found"):
            with open(self.path("list"), "wb") as file:
                file.write(text)
            with self.subTest(said):
                _, err = run("detect", "@" + self.path("list"), code=2)
                self.assertIn(said, err)
                _, err = run("detect", "@-", stdin=text, code=2)
                self.assertIn(said, err)
        name = os.path.join(self.folder.encode(), b"caf\xe9.png")  # but file names are bytes
        shutil.copy(scene(0), name)
        lines("detect", "@-", stdin=name + b"\n")

    def test_a_missing_picture_is_named_once(self):
        for form in ([], ["--json"], ["-o", self.path("o.jsonl")]):
            out, err = run("detect", scene(0), "/nonexistent.png", scene(1), *form, code=1)
            self.assertEqual((out + err).count("nonexistent"), 1)


class Links(Fixture):
    def test_linked_folders_are_told(self):
        self.put(0, "store", "b.png")
        self.put(0, "set", "a.png")
        for name in "val", "test":
            os.symlink(self.path("store"), self.path("set", name))
        out, err = run("detect", "-r", "--json", self.path("set"))
        self.assertEqual(files(map(json.loads, out.splitlines())), [self.path("set", "a.png")])
        self.assertIn("1 other link", err)
        self.assertIn("follows no links", err)
        self.assertEqual(files(lines("detect", "-r", self.path("set", "val"))), [self.path("set", "val", "b.png")])
        os.symlink(self.path("store", "b.png"), self.path("set", "c.png"))  # a linked picture is a picture
        self.assertEqual(len(lines("detect", self.path("set"))), 2)

    def test_pictures_of_other_formats_are_told(self):
        self.put(0, "set", "a.png")
        for name in "b.HEIC", "c.gif", "d.txt":
            with open(self.path("set", name), "w") as file:
                file.write("x")
        out, err = run("detect", "--json", self.path("set"))
        self.assertEqual(len(out.splitlines()), 1)
        self.assertRegex(err, r"set/(b.HEIC|c.gif) and 1 other file were not read: its format is none of JPEG, PNG and WebP")
        self.assertNotIn("d.txt", err)

    def test_folders_that_lie_too_deep_are_told(self):
        self.put(0, "set", "a.png")
        self.put(0, "set", *64 * ["d"], "b.png")
        self.put(0, "set", *65 * ["d"], "c.png")
        out, err = run("detect", "-r", "--json", self.path("set"))
        self.assertEqual([os.path.basename(file) for file in files(map(json.loads, out.splitlines()))],
                         ["a.png", "b.png"])
        self.assertIn(self.path("set", *65 * ["d"]) + ": this folder was not read: it lies too deep", err)

    def test_links_in_tars(self):
        name = self.path("s.tar")
        with tarfile.open(name, "w") as tar:
            def link(path, kind, target):
                info = tarfile.TarInfo(path)
                info.type, info.linkname = kind, target
                tar.addfile(info)
            link("early.png", tarfile.SYMTYPE, "a/first.png")
            tar.add(scene(0), "a/first.png")
            link("hard.png", tarfile.LNKTYPE, "a/first.png")
            tar.add(scene(3), "blob")
            link("a/soft.png", tarfile.SYMTYPE, "../blob")
            link("a/chain.png", tarfile.SYMTYPE, "./soft.png")
            link("out.png", tarfile.SYMTYPE, "/nonexistent/x.png")
            link("round.png", tarfile.SYMTYPE, "round.png")
            tar.add(scene(3), "last.png")
        out, _ = run("detect", "--json", name, code=1)
        got = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([os.path.relpath(file, name) for file in files(got)],
                         ["early.png", "a/first.png", "hard.png", "a/soft.png", "a/chain.png", "out.png", "round.png",
                          "last.png"])
        [zero], [three] = lines("detect", scene(0)), lines("detect", scene(3))
        want = [zero, zero, zero, three, three, None, None, three]
        for one, wanted in zip(got, want):
            if wanted:
                self.assertEqual(one["regions"], wanted["regions"], one["image"])
            else:
                self.assertIn("a link to what is not in this archive", one["error"]["message"])

    def test_links_out_of_a_tar(self):
        name = self.path("s.tar")
        with tarfile.open(name, "w") as tar:
            tar.add(scene(0), "b.png")  # not the target of a link to ../b.png
            tar.add(scene(0), "../c.png", filter=lambda info: info)
            for path, target in ("a.png", "../b.png"), ("d/e.png", "../../b.png"), ("d/f.png", "../g/../b.png"), \
                    ("h.png", "../c.png"), ("i.png", "./d/.././b.png"):
                info = tarfile.TarInfo(path)
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)
        out, _ = run("detect", "--json", name, code=1)
        got = {os.path.basename(line["image"]["file"]): line for line in map(json.loads, out.splitlines())}
        self.assertEqual({file: "regions" in line for file, line in got.items()},
                         {"b.png": True, "c.png": True, "a.png": False, "e.png": False, "f.png": True, "h.png": True,
                          "i.png": True})
        self.assertIn("a link to what is not in this archive", got["a.png"]["error"]["message"])

    def test_one_tar_twice(self):
        name = self.path("s.tar")
        with tarfile.open(name, "w") as tar:
            tar.add(scene(0), "a.png")
            tar.add(scene(1), "b.jpg")
        once = lines("detect", name)
        self.assertEqual(lines("detect", name, name), once + once)
        self.assertEqual(lines("detect", name, scene(2), name)[:2], once)
        with tarfile.open(name, "a") as tar:  # the same name twice
            tar.add(scene(3), "a.png")
        got = lines("detect", name, name)
        [three] = lines("detect", scene(3))
        self.assertEqual([g.get("regions") for g in got],
                         2 * [once[0]["regions"], once[1]["regions"], three["regions"]])

    def test_names_in_tars_that_the_locale_has_not(self):
        name = self.path("s.tar")
        with tarfile.open(name, "w", format=tarfile.PAX_FORMAT) as tar:
            tar.add(scene(0), "日本.png")
        for locale in "C", "C.UTF-8":
            self.assertEqual(files(lines("detect", name, env={"LC_ALL": locale})), [name + "/日本.png"])

    def test_an_output_that_is_a_link(self):
        os.mkdir(self.path("store"))
        for name in "o.jsonl", "o.csv":
            os.symlink(self.path("store", name), self.path(name))  # the target does not exist yet
            for again in [], ["--resume"]:
                run("detect", scene(0), "-o", self.path(name), *(["-f", "csv"] if name == "o.csv" else []), *again)
                self.assertTrue(os.path.islink(self.path(name)))
                self.assertGreater(os.path.getsize(self.path("store", name)), 10)
            os.chmod(self.path("store", name), 0o640)
            run("detect", scene(0), "-o", self.path(name), *(["-f", "csv"] if name == "o.csv" else []))
            self.assertEqual(os.stat(self.path("store", name)).st_mode & 0o777, 0o640)
        picture = self.path("store", "p.png")
        run("detect", scene(0), "--draw", picture)
        os.chmod(picture, 0o604)
        os.symlink(picture, self.path("p.png"))
        run("detect", scene(0), "--draw", self.path("p.png"))
        self.assertTrue(os.path.islink(self.path("p.png")))
        self.assertEqual(os.stat(picture).st_mode & 0o777, 0o604)


class LongNames(Fixture):
    def test_what_is_made_of_long_names(self):
        for stem in "x" * 250, "\u860b" * 82, "y" * 241:
            with self.subTest(stem[:3]):
                picture = self.put(0, stem + ".jpg")
                run("label", "--classes", "tree,guitar", picture, "--draw", self.path("d") + "/")
                self.assertEqual(os.listdir(self.path("d")), [stem + ".png"])
                for form, name in ("yolo", "labels/" + stem + ".txt"), ("voc", stem + ".xml"):
                    out = self.path(form)
                    run("label", "--classes", "tree,guitar", picture, "--none", "-1", "-f", form, "-o", out)
                    found = [os.path.relpath(os.path.join(f, n), out) for f, _, ns in os.walk(out) for n in ns]
                    self.assertTrue(any(n.endswith(os.path.basename(name)) for n in found), found)
                    shutil.rmtree(out)
                shutil.rmtree(self.path("d"))
        for n in 230, 235, 240, 249:
            out = self.path("o" * n + ".jsonl")
            run("detect", scene(0), "/nonexistent.png", "-o", out, code=1)
            run("detect", scene(0), "/nonexistent.png", scene(1), "-o", out, "--resume")
            with open(out) as file:
                self.assertEqual(len(file.readlines()), 3)
        long = self.path("z" * 250 + ".jpg")
        run("detect", scene(0), "--draw", long)
        self.assertTrue(os.path.exists(long))


if __name__ == "__main__":
    unittest.main()
