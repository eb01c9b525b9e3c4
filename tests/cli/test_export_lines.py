"""gromatic export: its output for the lines of each command, bad lines, and refusals."""
import csv
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse
import xml.etree.ElementTree as ElementTree

from made_lines import image, labelled, region, write
from program import GROMATIC, lines, run, scene


class Lines(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory()
        self.addCleanup(self.holder.cleanup)
        self.folder = self.holder.name

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def rows(self, made, *options, code=0):
        """The CSV of the lines, and stderr."""
        out, err = run("export", write(self.path("lines.jsonl"), made), "-f", "csv", *options, code=code)
        return list(csv.DictReader(out.splitlines())), err

    def coco(self, made, *options):
        out, _ = run("export", write(self.path("lines.jsonl"), made), "-f", "coco", *options)
        return json.loads(out)

    def boxes(self, rows):
        return [(r["file"], r["label"], float(r["score"]), *(float(r[k]) for k in ("x1", "y1", "x2", "y2")))
                for r in rows]

    def test_every_commands_lines(self):
        """The class and the score, as docs/JSON.md defines them."""
        box = [10, 20, 30, 40]
        one = ("a.png", 10, 20, 30, 40)
        made = {
            "detect": ({"regions": [region(box)]}, [("object", 0.5)]),
            "label": ({"regions": [region(box, "a dog", 0.5, 0.5), {**region(box, "x"), "label": None}]},
                      [("a dog", 0.25)]),
            "ground": ({"results": [{"phrase": "the dog", "regions": [region(box, score=0.75)]},
                                    {"phrase": "a cat", "regions": []}]}, [("the dog", 0.75)]),
            "caption": ({"text": "A dog.", "grounding": [{"phrase": "A dog", "span": [0, 5],
                                                          "regions": [region(box), region(box, score=1)]}]},
                        [("A dog", 0.5), ("A dog", 1)]),
            "describe": ({"results": [{"box": box, "text": "A brown dog"}]}, [("A brown dog", 1)]),
        }
        for command, (line, wanted) in made.items():
            with self.subTest(command):
                rows, _ = self.rows([{"image": image("a.png"), **line}])
                self.assertEqual(self.boxes(rows), [(one[0], label, score, *one[1:]) for label, score in wanted])

    def test_classify_is_csv_only(self):
        made = [{"image": image(name), "results": [{"label": "dog", "score": 0.75, "raw_score": 0.25},
                                                   {"label": "a, b", "score": 0.25, "raw_score": 0.125}]}
                for name in ("a.png", "b.png")]
        rows, _ = self.rows(made)
        self.assertEqual([list(r.values()) for r in rows[:2]],
                         [["a.png", "1", "dog", "0.75", "0.25"], ["a.png", "2", "a, b", "0.25", "0.125"]])
        self.assertEqual(len(rows), 4)
        for form in "coco", "yolo", "voc", "labelstudio":
            _, err = run("export", self.path("lines.jsonl"), "-f", form, "-o", self.path("out"), code=1)
            self.assertIn("-f csv", err)
            self.assertFalse(os.path.exists(self.path("out")))

    def test_the_same_as_the_run_itself(self):
        """Of real lines of label, caption and describe every format is what -f or the answer says."""
        classes = "a rabbit,a guitar,a hot dog"
        label = ["label", scene(0), scene(1), scene(3), "--classes", classes, "--none", "-1"]
        run(*label, "-o", self.path("lines.jsonl"))
        for form in "csv", "coco", "labelstudio":
            wanted, _ = run(*label, "-f", form)
            found, _ = run("export", self.path("lines.jsonl"), "-f", form, "--classes", classes)
            if form == "labelstudio":
                wanted = wanted.replace("groma-mini", "gromatic")  # the lines do not name the model
            self.assertEqual(found, wanted)
        for form in "yolo", "voc":
            run(*label, "-f", form, "-o", self.path("run"))
            run("export", self.path("lines.jsonl"), "-f", form, "--classes", classes, "-o", self.path("lines"))
            done = subprocess.run(["diff", "-r", self.path("run"), self.path("lines")], capture_output=True)
            self.assertEqual(done.stdout.decode(), "")
            for name in "run", "run.jsonl", "run.jsonl.ledger", "lines":
                subprocess.run(["rm", "-rf", self.path(name)], check=True)
        caption = lines("caption", scene(0)) + lines("describe", scene(0), "--box", "10,10,60,60")
        rows, _ = self.rows(caption)
        wanted = [(g["phrase"], *r["box"]) for g in caption[0]["grounding"] for r in g["regions"]]
        wanted += [(r["text"], *r["box"]) for r in caption[1]["results"]]
        self.assertGreater(len(wanted), 1)
        self.assertEqual([(r[1], *r[3:]) for r in self.boxes(rows)], wanted)

    def test_box_formats(self):
        """Lines say the format of their boxes; sizes are those of the line."""
        wanted = (20, 8, 60, 40)
        boxes = {"xyxy": [20, 8, 60, 40], "xywh": [20, 8, 40, 32], "xyxyn": [0.2, 0.1, 0.6, 0.5],
                 "cxcywhn": [0.4, 0.3, 0.4, 0.4], "qwen3": [200, 100, 600, 500]}
        for form, box in boxes.items():
            rows, _ = self.rows([{"image": image("a.png"), "regions": [region(box)], "box_format": form}])
            self.assertEqual(self.boxes(rows)[0][3:], wanted)

    def test_class_numbers(self):
        """In order of appearance, with phrases that have no box; or as in --classes."""
        made = [{"image": image("a.png"), "results": [{"phrase": "b", "regions": []},
                                                      {"phrase": "a", "regions": [region([1, 2, 3, 4])]}]},
                labelled("b.png", ("c", 1, 2, 3, 4), ("b", 1, 2, 3, 4))]
        data = self.coco(made)
        self.assertEqual([c["name"] for c in data["categories"]], ["b", "a", "c"])
        self.assertEqual([a["category_id"] for a in data["annotations"]], [2, 3, 1])
        data = self.coco(made, "--classes", "a,b,unseen,c")
        self.assertEqual([c["name"] for c in data["categories"]], ["a", "b", "unseen", "c"])
        self.assertEqual([a["category_id"] for a in data["annotations"]], [1, 4, 2])
        rows, err = self.rows(made, "--classes", "a,b", code=1)
        self.assertIn("lines.jsonl:2: found 'c', which is none of the classes", err)
        self.assertEqual([r["label"] for r in rows], ["a"])

    def test_bad_lines_are_named_and_left_out(self):
        good = labelled("a.png", ("x", 1, 2, 3, 4))
        bad = ['{"image": {"file": "q.png", "width"', "[1]", "null", '{"image": {"file": "q.png"}, "regions": []}',
               {"image": image("q.png", 0), "regions": []}, {"image": image("q.png")},
               {"image": image("q.png"), "regions": {}}, labelled("q.png", ("x", 101, 2, 103, 4)),
               labelled("q.png", ("x", 3, 2, 1, 4)), {"image": image("q.png"), "regions": [{"box": [1, 2, 3]}]},
               {"image": image("q.png"), "regions": [{"box": [1, 2, 3, "4"], "score": 1}]},
               {"image": image("q.png"), "regions": [{**region([1, 2, 3, 4]), "score": "high"}]},
               {"image": image("q.png"), "regions": [{**region([1, 2, 3, 4]), "label": 3}]},
               {"image": image("q.png"), "results": [{"label": "dog", "score": 1}]},
               {"image": image("q.png"), "results": [{"word": "dog"}]},
               {"image": image("q.png"), "regions": [], "box_format": "polar"}]
        for line in bad:
            with self.subTest(str(line)):
                rows, err = self.rows([good, line, good], code=1)
                self.assertEqual(len(rows), 2)
                self.assertRegex(err, re.escape(self.path("lines.jsonl")) + r":2: .*; the line is left out\n")
                self.assertIn("2 pictures, 2 boxes, 1 class; 1 line is left out", err)
        _, err = self.rows([good, *["{"] * 30], "-q", code=1)
        self.assertEqual(err.count("the line is left out"), 20)  # the rest is counted
        self.assertIn("30 lines are left out", err)

    def test_lines_of_errors_are_counted(self):
        failed = {"image": {"file": "q.png"}, "error": {"code": "io_error", "message": "gone"}}
        cut = {**labelled("c.png", ("x", 1, 2, 3, 4)), "error": {"code": "context_full", "message": "full"}}
        rows, err = self.rows([failed, labelled("a.png", ("x", 1, 2, 3, 4)), "", cut])
        self.assertEqual([r["file"] for r in rows], ["a.png"])
        self.assertIn("1 picture, 1 box, 1 class; 2 lines tell an error", err)
        data = self.coco([failed, labelled("a.png", ("x", 1, 2, 3, 4))])
        self.assertEqual([i["id"] for i in data["images"]], [2])  # the same as in the run's export

    def test_marks_and_line_ends(self):
        with open(self.path("dos.jsonl"), "wb") as file:
            for i, name in enumerate(("a.png", "b.png")):
                line = json.dumps(labelled(name, ("x", 1, 2, 3, 4))).encode()
                file.write((b"" if i else b"\xef\xbb\xbf") + line + b"\r\n")
        out, _ = run("export", self.path("dos.jsonl"), "-f", "csv")
        self.assertEqual(len(out.splitlines()), 3)
        text = "".join(json.dumps(labelled("a.png", ("x", 1, 2, 3, 4))) + "\n")
        for encoding in "utf-16", "utf-32":
            with open(self.path("wide.jsonl"), "w", encoding=encoding) as file:
                file.write(text)
            _, err = run("export", self.path("wide.jsonl"), "-f", "csv", code=1)
            self.assertIn("wide.jsonl:1: ", err)

    def test_standard_input_and_pipes(self):
        path = write(self.path("lines.jsonl"), [labelled("a.png", ("x", 1, 2, 3, 4)), labelled("b.png")])
        wanted, _ = run("export", path, "-f", "coco")
        with open(path, "rb") as file:
            text = file.read()
        self.assertEqual(run("export", "-", "-f", "coco", stdin=text)[0], wanted)
        done = subprocess.run(["bash", "-c", '"$0" export <(cat "$1") -f coco', GROMATIC, path], capture_output=True)
        self.assertEqual(done.stdout.decode(), wanted)

    def test_label_studio(self):
        names = ["a b/c#1.png", "./d?e&f+100%.png", "/g/é.png"]
        path = write(self.path("lines.jsonl"), [labelled(n, ("x", 1, 2, 3, 4)) for n in names])

        def addresses(*options):
            out, _ = run("export", path, "-f", "labelstudio", *options)
            return [task["data"]["image"] for task in json.loads(out)]

        self.assertEqual(addresses(), names)
        local = addresses("--url-prefix", "/data/local-files/?d=")
        self.assertEqual(local, ["/data/local-files/?d=" + urllib.parse.quote(n.removeprefix("./")) for n in names])
        web = addresses("--url-prefix", "https://example.org/p/")
        for address, name in zip(web, names):
            parts = urllib.parse.urlsplit(address)
            self.assertEqual((parts.netloc, parts.query, parts.fragment), ("example.org", "", ""))
            self.assertEqual(urllib.parse.unquote(parts.path), "/p/" + name.removeprefix("./").lstrip("/"))

    def test_label_config(self):
        labels = ['a "b" <c> & \'d\'', "é 猫", "plain", "two\tparts"]
        made = [labelled("a.png", *((label, 1, 2, 3, 4) for label in labels))]
        config = self.path("config.xml")
        command = ["export", write(self.path("lines.jsonl"), made), "-f", "labelstudio", "--label-config", config]
        run(*command)
        root = ElementTree.parse(config).getroot()
        self.assertEqual(root.find("Image").get("value"), "$image")
        found = root.findall("RectangleLabels/Label")
        self.assertEqual([label.get("value") for label in found], labels)
        colours = [label.get("background") for label in found]
        self.assertEqual(len(set(colours)), len(labels))
        for colour in colours:
            self.assertRegex(colour, "^#[0-9a-f]{6}$")
        run(*command)  # its own output is replaced
        with open(config, "w") as file:
            file.write("<View/>")
        _, err = run(*command, code=2)
        self.assertIn("no earlier result", err)
        run(*command, "--force")
        for same in config, self.path("./config.xml"):
            _, err = run(*command, "-o", same, "--force", code=2)
            self.assertIn("twice, wanted two files", err)

    def test_what_is_refused(self):
        path = write(self.path("lines.jsonl"), [labelled("a.png", ("x", 1, 2, 3, 4))])
        out = self.path("out")
        for options, word in ((["-f", "coco", "--split", "0.8"], "--split goes with -f yolo or -f voc"),
                              (["-f", "csv", "--link-images"], "--link-images goes with"),
                              (["-f", "labelstudio", "--save-conf"], "--save-conf goes with"),
                              (["-f", "yolo", "--label-config", "c.xml"], "--label-config goes with -f labelstudio"),
                              (["-f", "coco", "--url-prefix", "x"], "--url-prefix goes with -f labelstudio"),
                              (["-f", "yolo", "--split", "1"], "between 0 and 1"),
                              (["-f", "yolo", "--split", "0"], "between 0 and 1"),
                              (["-f", "yolo", "--split", "80"], "between 0 and 1"),
                              (["-f", "json"], "JSON already"), ([], "JSON already"), (["-f", "jolo"], "yolo")):
            _, err = run("export", path, "-o", out, *options, code=2)
            self.assertIn(word, err)
            self.assertFalse(os.path.exists(out))
        _, err = run("detect", scene(0), "--split", "0.5", code=2)
        self.assertIn("--split goes with -f yolo or -f voc; found -f json", err)
        run("export", "-f", "csv", code=2)
        run("export", path, path, "-f", "csv", code=2)
        run("export", self.path("nothing.jsonl"), "-f", "csv", code=1)
        run("export", self.folder, "-f", "csv", code=1)
        run("export", path, "-f", "yolo", code=2)
        run("export", path, "-f", "csv", "-o", "/dev/null", code=2)
        _, err = run("export", path, "-f", "csv", "-o", path, "--force", code=2)
        self.assertIn("which this run reads", err)
        run("export", path, "-f", "csv", "-o", path + "/", "--force", code=1)
        with open(path) as file:
            self.assertEqual(json.loads(file.read())["image"]["file"], "a.png")
        with open(out, "w") as file:
            file.write("mine\n")
        run("export", path, "-f", "csv", "-o", out, code=2)
        run("export", path, "-f", "csv", "-o", out, "--force")

    def test_nothing_is_left_beside_the_file(self):
        """The part of an earlier, killed run is removed; those of other files and of running processes stay."""
        name = "x" * 255
        path = write(self.path("lines.jsonl"), [labelled("a.png", ("x", 1, 2, 3, 4))])
        run("export", path, "-f", "csv", "-o", self.path(name))
        self.assertEqual(sorted(os.listdir(self.folder)), ["lines.jsonl", name])
        dead = subprocess.run(["python3", "-c", "import hashlib, sys; print('.gromatic-' + hashlib.sha256("
                               "sys.argv[1].encode()).hexdigest()[:8] + '-aaaaaa')", name],
                              capture_output=True, text=True).stdout.strip()
        others = ["x.csv.backup", ".gromatic-00000000-aaaaaa"]
        for part in [dead, *others]:
            write(self.path(part), ["half"])
        run("export", path, "-f", "csv", "-o", self.path(name))
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(["lines.jsonl", name, *others]))

    def test_processes_that_begin_at_once(self):
        """No run mistakes another's part, which is not locked yet, for an abandoned one."""
        path = write(self.path("lines.jsonl"), [labelled("a.png", ("x", 1, 2, 3, 4))])
        for form, out in ("csv", "out.csv"), ("yolo", "out"):
            command = [GROMATIC, "export", path, "-q", "-f", form, "-o", self.path(out)]
            for _ in range(15):
                started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
                told = [(process.communicate()[1], process.returncode) for process in started]
                if form == "csv":
                    self.assertEqual(told, 6 * [("", 0)])
                else:  # a folder is written once; the others are refused
                    self.assertEqual([code for _, code in told].count(0), 1)
                    self.assertNotIn("No such file", "".join(err for err, _ in told))
                    shutil.rmtree(self.path(out))
        self.assertEqual(sorted(os.listdir(self.folder)), ["lines.jsonl", "out.csv"])


if __name__ == "__main__":
    unittest.main()
