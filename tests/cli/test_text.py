"""Text from outside: byte order marks, line ends, encodings, forms of Unicode, pipes; and what of it
reaches a terminal."""
import json
import os
import pty
import shutil
import subprocess
import tempfile
import unicodedata
import unittest

from program import DATA, GROMATIC, lines, run, scene

WORLD = os.path.join(DATA, "world", "classify")
CONTROLS = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *map(chr, range(0x2028, 0x202F)),
            *map(chr, range(0x2066, 0x2070))]


class Fixture(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()

    def tearDown(self):
        shutil.rmtree(self.folder)

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        return path

    def labels(self, *args, **kwargs):
        [got] = lines("classify", scene(0), "--top", "0", *args, **kwargs)
        return {r["label"]: r["raw_score"] for r in got["results"]}


class Text(Fixture):
    def test_marks_and_line_ends(self):
        plain = self.labels("--method", "clip", "--classes", self.file("p.txt", "green apple\ncrown\ngrapes\n"))
        self.assertEqual(set(plain), {"green apple", "crown", "grapes"})
        marked = self.file("m.txt", "\ufeffgreen apple\r\ncrown\r\n\r\ngrapes  \r\n")
        self.assertEqual(self.labels("--method", "clip", "--classes", marked), plain)
        for option, content in ("--descriptions", {"apple": ["a green apple"], "crown": ["a crown"]}), \
                ("--descriptors", {"apple": ["a stalk"], "crown": ["gold"]}), ("--templates", ["a photo of a {}."]):
            method = {"--descriptions": "wca", "--descriptors": "clip-d", "--templates": "clip-e"}[option]
            text = json.dumps(content, indent=1)
            for classes in [("--classes", "apple,crown")]:
                got = [self.labels("--method", method, *classes, option, self.file("t.json", t))
                       for t in (text, "\ufeff" + text.replace("\n", "\r\n"))]
                self.assertEqual(got[0], got[1])
        words = "red\ngreen\nblue\ngrey\n"
        got = [self.labels("--method", "waffle", "--classes", "crown,apple", "--words", self.file("w.txt", t))
               for t in (words, "\ufeff" + words.replace("\n", "\r\n"))]
        self.assertEqual(got[0], got[1])
        boxes = "10,10,60,60\n20,20,90,90\n"
        as_json = "[[10,10,60,60],[20,20,90,90]]"
        got = [lines("detect", scene(0), "--regions", self.file("b", t))
               for t in (boxes, "\ufeff" + boxes.replace("\n", "\r\n"), "\ufeff" + as_json)]
        self.assertEqual(got[0], got[1])
        self.assertEqual(got[0], got[2])
        listed = lines("detect", "@" + self.file("list", f"\ufeff{scene(0)}\r\n"))
        self.assertEqual(listed, lines("detect", scene(0)))

    def test_a_csv_as_spreadsheets_write_it(self):
        bus = os.path.join(WORLD, "bus", "0.png")
        crown = os.path.join(WORLD, "koala", "1.jpg")
        rows = f"{bus},bus\n{crown},koala\n"
        wanted = run("eval", "classify", self.file("p.csv", "file,label\n" + rows), "--json", "--method", "clip")[0]
        wanted = json.loads(wanted)["per_class"]
        self.assertEqual(set(wanted), {"bus", "koala"})
        for head, text in ("file, label", f"{bus}, bus\n{crown}, koala \n"), ("File,Label", rows), ("FILE,LABEL", rows), \
                ("label, File", f"bus, {bus}\nkoala, {crown}\n"), \
                ('"file", "label"', f'"{bus}", "bus"\n"{crown}" ,"koala"\n'):
            for mark, end in ("", "\n"), ("\ufeff", "\r\n"):
                with self.subTest(head, end=end):
                    path = self.file("t.csv", mark + (head + "\n" + text).replace("\n", end))
                    [got] = [json.loads(run("eval", "classify", path, "--json", "--method", "clip")[0])]
                    self.assertEqual((got["n"], got["per_class"]), (2, wanted))

    def test_annotations(self):
        coco = {"images": [{"id": 1, "file_name": scene(0)}], "categories": [{"id": 1, "name": "a"}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 50, 50]}]}
        text = json.dumps(coco, indent=1)
        run("eval", "detect", "--coco", self.file("c.json", "\ufeff" + text.replace("\n", "\r\n")), "--images", "/")
        _, err = run("eval", "detect", "--coco", self.file("c.json", text.encode("utf-16")), code=2)
        self.assertIn("line 1: found UTF-16", err)

    def test_other_encodings_are_refused_with_file_and_line(self):
        text = "tree\ncat\ncafé\n"
        for encoding, said in ("utf-16", "line 1: found UTF-16"), ("utf-16-be", "line 1: found zero bytes as in UTF-16"), \
                ("utf-32", "line 1: found UTF-32"), ("latin-1", "line 3: found the byte 0xE9"):
            path = self.file("names.txt", text.encode(encoding))
            for command in "label", "classify":
                with self.subTest(encoding, command=command):
                    _, err = run(command, scene(0), "--classes", path, code=2)
                    self.assertIn(f"{path}: {said}", err)
                    self.assertIn("wanted UTF-8" if encoding[0] == "u" else "not UTF-8", err)
        for option, method in ("--descriptions", "wca"), ("--templates", "clip-e"), ("--words", "waffle"), \
                ("--descriptors", "clip-d"):
            path = self.file("x.json", '["a",\n"é"]'.encode("latin-1"))
            _, err = run("classify", scene(0), "--classes", "a,b", "--method", method, option, path, code=2)
            self.assertIn(f"{option} {path}: line 2: found the byte 0xE9", err)
        _, err = run("detect", scene(0), "--regions", self.file("b", b"1,2,30,40\n\xff"), code=2)
        self.assertIn("line 2: found the byte 0xFF", err)
        _, err = run("eval", "classify", self.file("c.csv", b"file,label\na.png,caf\xe9\n"), code=2)
        self.assertIn("c.csv: line 2: found the byte 0xE9", err)
        for phrase in ["ground", scene(0), b"caf\xe9"], ["chat", scene(0), "-p", b"caf\xe9"]:
            _, err = run(*phrase, code=2)
            self.assertIn("not UTF-8", err)
        _, err = run("label", scene(0), "--classes", b"tree,caf\xe9", code=2)
        self.assertIn("--classes: line 1: found the byte 0xE9", err)

    def test_names_are_compared_in_nfc_and_shown_as_given(self):
        nfc, nfd = "café", unicodedata.normalize("NFD", "café")
        self.assertNotEqual(nfc, nfd)
        _, err = run("classify", scene(0), "--classes", f"{nfc},a,{nfd}", code=2)
        self.assertIn("twice", err)
        path = self.file("d.json", json.dumps({nfd: ["a green apple"], "crown": ["a crown"]}, ensure_ascii=False))
        got = self.labels("--classes", f"{nfc},crown", "--descriptions", path)
        self.assertEqual(set(got), {nfc, "crown"})
        shown = self.labels("--descriptions", path)
        self.assertEqual(set(shown), {nfd, "crown"})
        self.assertEqual(got[nfc], shown[nfd])
        path = self.file("d.json", json.dumps({nfd: ["a"], nfc: ["b"]}, ensure_ascii=False))
        _, err = run("classify", scene(0), "--descriptions", path, code=2)
        self.assertIn("twice", err)
        path = self.file("o.jsonl", json.dumps({"image": {"file": "a.png", "width": 9, "height": 9}, "regions": [
            {"box": [1, 2, 3, 4], "score": 1, "label": nfd}]}) + "\n")
        out, _ = run("export", path, "-f", "coco", "--classes", f"b,{nfc}")
        self.assertEqual(json.loads(out)["annotations"][0]["category_id"], json.loads(out)["categories"][1]["id"])
        csv = self.file("c.csv", f"{os.path.join(WORLD, 'bus', '0.png')},{nfd}\n")
        run("eval", "classify", csv, "--classes", f"{nfc},bus", "--method", "clip")


class Pipes(Fixture):
    def bash(self, command, code=0):
        env = dict(os.environ, NO_COLOR="1", G=GROMATIC, P=scene(0), D=self.folder)
        done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, timeout=300)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, (command, out, err))
        return out, err

    def test_process_substitution(self):
        want = self.labels("--classes", "green apple,crown", "--method", "clip")
        out, _ = self.bash('$G classify $P --top 0 --method clip --json --classes <(printf "green apple\\ncrown\\n")')
        self.assertEqual({r["label"]: r["raw_score"] for r in json.loads(out)["results"]}, want)
        out, _ = self.bash('printf "green apple\\ncrown\\n" | $G classify $P --top 0 --method clip --json --classes -')
        self.assertEqual({r["label"]: r["raw_score"] for r in json.loads(out)["results"]}, want)
        out, _ = self.bash('mkfifo $D/names; printf "green apple\\ncrown\\n" > $D/names & '
                           '$G classify $P --top 0 --method clip --json --classes $D/names')
        self.assertEqual({r["label"]: r["raw_score"] for r in json.loads(out)["results"]}, want)

    def test_a_run_on_pipes_is_resumed_by_what_came_out(self):
        self.file("a", '{"apple": ["a green apple"], "crown": ["a crown"]}')
        self.file("b", '{"apple": ["a red apple"], "crown": ["a crown"]}')
        go = '$G classify $P /nonexistent.png -o $D/o.jsonl --descriptions '
        self.bash(go + '<(cat $D/a)', code=1)
        _, err = self.bash(go + '<(cat $D/b) --resume', code=2)
        self.assertIn('begun with --descriptions "SHA-256 ', err)
        self.bash('exec 9</dev/null; ' + go + '<(cat $D/a) --resume')
        self.bash(go + '$D/a --resume')

    def test_several_methods_read_a_pipe_once(self):
        self.file("a", '{"bus": ["a bus"], "koala": ["a koala"]}')
        rows = os.path.join(WORLD, "bus", "0.png") + ",bus\n"
        self.file("c.csv", rows)
        out, _ = self.bash('$G eval classify $D/c.csv --json --seeds 1 --crops 2 --descriptions <(cat $D/a)')
        self.assertGreater(len(out.splitlines()), 2)

    def test_standard_input_is_given_once(self):
        _, err = run("classify", "-", "--classes", "-", "--method", "clip", stdin=b"a\nb\n", code=1)
        self.assertIn("already", err)
        _, err = run("classify", scene(0), "--classes", "-", "--descriptions", "-", stdin=b'{"a": ["b"]}', code=2)
        self.assertIn("standard input: it is read for something else already; it can be given once", err)


class Terminal(Fixture):
    """Through a pseudo-terminal."""

    def shown(self, *args, code=0):
        leader, follower = pty.openpty()
        command = [GROMATIC, *args]
        child = subprocess.Popen(command, stdout=follower, stderr=follower, stdin=subprocess.DEVNULL,
                                 env=dict(os.environ, NO_COLOR="1"))
        os.close(follower)
        out = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            out += part
        os.close(leader)
        self.assertEqual(child.wait(), code, out)
        return out.decode().replace("\r\n", "\n")

    def check(self, text):
        for c in text:
            self.assertFalse(c in CONTROLS and c not in "\r\n", (c, text))  # \r: the bar, and lines of CSV

    def test_nothing_steers_the_terminal(self):
        evil = "\033]0;title\007" + "\x7f\x9b31m\u202e\u2066"
        name = os.path.join(self.folder, "evil" + evil + "\n.png")
        shutil.copy(scene(0), name)
        names = self.file("names.json", json.dumps({"apple" + evil: [], "crown": []}))
        runs = [(("label", scene(0), "--descriptions", names, "--none", "-1"), 0),
                (("label", scene(0), "--descriptions", names, "--none", "-1", "--json"), 0),
                (("classify", scene(0), "--descriptions", names), 0),
                (("classify", scene(0), "--descriptions", names, "--json"), 0),
                (("ground", scene(0), "a" + evil), 0),
                (("detect", name, scene(0)), 0),
                (("detect", name, "--json"), 0),
                (("detect", name + "no"), 1),
                (("label", scene(0), "--descriptions", names, "--none", "-1", "-f", "csv"), 0),
                (("label", scene(0), "--descriptions", names, "--none", "-1", "-f", "coco"), 0),
                (("convert", "synthetic:tiny" + evil, "-o", os.path.join(self.folder, "x.gguf")), 2),
                (("detect", "--conf" + evil, "1", name), 2),
                (("detect", "--conf", evil, name), 2),
                (("detect", "--box-format", evil, name), 2),
                (("chat", name, "-p", evil + "what", "--json"), 0),
                (("bench", evil), 2),
                (("inspect", name), 3),
                ((evil,), 2)]
        for args, code in runs:
            with self.subTest(args):
                self.check(self.shown(*args, code=code))

    def test_tables_are_padded_by_display_width(self):
        out = self.shown("ground", "-m", "groma-mini", scene(0), "日本語", "café", unicodedata.normalize("NFD", "café"), "🦀")
        rows = [line.rsplit("\r")[-1] for line in out.split("\n") if line]  # after the bar
        self.assertEqual(len(rows), 4, out)
        width = {"日本語": 6, "café": 4, unicodedata.normalize("NFD", "café"): 4, "🦀": 2}
        for phrase, columns in width.items():
            [row] = [r for r in rows if r.startswith(phrase)]
            rest = row[len(phrase):]
            self.assertEqual(columns + len(rest) - len(rest.lstrip(" ")), 25, row)


if __name__ == "__main__":
    unittest.main()
