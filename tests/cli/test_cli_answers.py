"""The commands on the embedded model: the JSON contract, boxes, pictures, several inputs."""
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import unittest

from program import DATA, GROMATIC, REFERENCE_MINI, lines, run, scene


def golden(name):
    with open(os.path.join(DATA, "golden", "groma-mini", name + ".json")) as file:
        return json.load(file)


def size(path):
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


class Answers(unittest.TestCase):
    def check_region(self, region, image):
        x1, y1, x2, y2 = region["box"]
        self.assertTrue(0 <= x1 < x2 <= image["width"] and 0 <= y1 < y2 <= image["height"])
        self.assertTrue(0 <= region["score"] <= 1)
        self.assertIsInstance(region["index"], int)

    def test_caption_is_the_references(self):
        want = golden("caption")
        [got] = lines("caption", os.path.join(DATA, "world/scenes/images", want["image"]), "--raw",
                      "-n", "60", "-m", REFERENCE_MINI)
        self.assertEqual([got["image"]["width"], got["image"]["height"]], want["size"])
        self.assertEqual(got["raw"].strip(), want["generated_text"].strip())
        text = got["text"].encode()
        self.assertNotIn(b"<", text)
        for g in got["grounding"]:
            begin, end = g["span"]
            self.assertEqual(text[begin:end].decode(), g["phrase"])
            self.assertTrue(0 < g["present"] <= 1 and type(g["calibrated"]) is bool, g)
            for region in g["regions"]:
                self.check_region(region, got["image"])

    def test_detect_falls_in_score(self):
        [got] = lines("detect", scene(3))
        scores = [r["score"] for r in got["regions"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertGreater(len(scores), 0)
        [fewer] = lines("detect", scene(3), "--max-det", "1")
        self.assertEqual(fewer["regions"], got["regions"][:1])

    def test_box_formats_agree(self):
        [pixels] = lines("detect", scene(1))
        w, h = pixels["image"]["width"], pixels["image"]["height"]
        self.assertNotIn("box_format", pixels)
        [unit] = lines("detect", scene(1), "--box-format", "cxcywhn")
        self.assertEqual(unit["box_format"], "cxcywhn")
        for p, u in zip(pixels["regions"], unit["regions"]):
            x1, y1, x2, y2 = p["box"]
            cx, cy, bw, bh = u["box"]
            # boxes are rounded to 1/100 pixel: half of that on each corner
            self.assertAlmostEqual(cx * w, (x1 + x2) / 2, delta=0.011)
            self.assertAlmostEqual(bh * h, y2 - y1, delta=0.011)

    def test_ground_keeps_the_order_of_phrases(self):
        [got] = lines("ground", scene(0), "a guitar", "a rabbit")
        self.assertEqual([r["phrase"] for r in got["results"]], ["a guitar", "a rabbit"])
        # annotations.json: the guitar at x 9 y 167 w 51 h 50, the rabbit at x 26 y 16 w 53 h 77
        for result, (x, y) in zip(got["results"], ((34, 192), (52, 54))):
            x1, y1, x2, y2 = result["regions"][0]["box"]
            self.assertTrue(x1 < x < x2 and y1 < y < y2, (result, x, y))
            shares = [r["share"] for r in result["regions"]]
            self.assertLessEqual(sum(shares), 1.0001)
            self.assertLessEqual(len(shares), 5)
            self.assertTrue(0.5 < result["present"] <= 1 and type(result["calibrated"]) is bool, result)
        [alone] = lines("ground", "--phrase", "a rabbit", scene(0))
        self.assertEqual(alone["results"][0]["regions"][0]["box"],
                         got["results"][1]["regions"][0]["box"])

    def test_describe_each_box_by_itself(self):
        # annotations.json: the guitar, and a tree, both named rightly by the reference's weights
        boxes = ("9,167,60,217", "108,46,193,124")
        [both] = lines("describe", scene(0), "--box", boxes[0], "--box", boxes[1])
        self.assertEqual([r["text"].lower() for r in both["results"]], ["a guitar", "a tree"])
        for i, box in enumerate(boxes):
            [alone] = lines("describe", scene(0), "--box", box)
            self.assertEqual(alone["results"][0], both["results"][i])
        [long] = lines("describe", scene(0), "--box", boxes[0], "--long")
        self.assertIn("guitar", long["results"][0]["text"])

    def test_a_full_context_keeps_what_was_said(self):
        # the picture, its regions and the question take 221 positions of the model
        asked = ("describe", scene(0), "--box", "9,167,60,217", "--long", "-m", REFERENCE_MINI)
        [whole] = lines(*asked)
        [cut] = lines(*asked, "-c", "225", code=1)
        self.assertEqual(cut["error"]["code"], "context_full")
        said = cut["results"][0]["text"]
        self.assertTrue(0 < len(said) < len(whole["results"][0]["text"]))
        self.assertTrue(whole["results"][0]["text"].startswith(said))
        [none] = lines(*asked, "-c", "200", code=1)
        self.assertNotIn("results", none)
        self.assertEqual(none["error"]["code"], "context_full")

    def test_chat_turns(self):
        got = lines("chat", scene(0), "-p", "What is {1}?", "-p", "How many objects are there?",
                    "--box", "26,16,79,93", "-n", "30")
        self.assertEqual([g["question"] for g in got],
                         ["What is {1}?", "How many objects are there?"])
        self.assertEqual([g.get("boxes") for g in got], [[[26, 16, 79, 93]], None])
        for question, said in ("What is {2}?", "{2}"), ("{0}", "{0}"), ("", "empty"), (" \n", "empty"):
            _, err = run("chat", "/nonexistent.png", "-p", question, "--box", "26,16,79,93", code=2)
            self.assertIn(said, err)
        run("chat", scene(0), "-p", "What is {} { 3} {x}?", "-n", "2")
        want = golden("describe")
        cx, cy, w, h = want["refer_cxcywh"][0]
        [got] = lines("chat", os.path.join(DATA, "world/scenes/images", want["image"]), "--verbatim",
                      "-p", want["query"], "--box-format", "cxcywhn", "--box",
                      f"{cx},{cy},{w},{h}", "--raw", "-m", REFERENCE_MINI)
        self.assertEqual(got["raw"].strip(), want["generated_text"].strip())

    def test_conversation_on_a_pipe(self):
        script = b"/image %s\n/box 9,167,60,217\nWhat is {1}?\n/clear\n/nonsense\n/quit\n" % \
            scene(0).encode()
        out, err = run("chat", "--no-grounding", stdin=script)
        self.assertIn("guitar", out.lower())
        self.assertIn("/nonsense", err)

    def test_a_new_picture_has_nothing_to_draw(self):
        with tempfile.TemporaryDirectory() as folder:
            old, new = os.path.join(folder, "old.png"), os.path.join(folder, "new.png")
            script = f"/image {scene(0)}\nWhat is this?\n/save {old}\n/image {scene(1)}\n/save {new}\n"
            _, err = run("chat", "-n", "5", stdin=script.encode())
            self.assertIn("nothing to draw", err)
            self.assertEqual(os.listdir(folder), ["old.png"])
            with open(old, "rb") as file:
                drawn = file.read()
            _, err = run("chat", "-n", "5", old, stdin=f"What is this?\n/save {old}\n/save {new}.webp\n".encode())
            self.assertIn("the picture itself", err)
            self.assertIn("a picture's name", err)
            self.assertEqual(os.listdir(folder), ["old.png"])
            with open(old, "rb") as file:
                self.assertEqual(file.read(), drawn)

    def test_a_threshold_of_zero_is_one(self):
        # every proposal's score is above 0, the model's own threshold drops some
        [few], [more] = lines("detect", scene(0)), lines("detect", scene(0), "--conf", "0")
        self.assertGreater(len(more["regions"]), len(few["regions"]))

    def test_many_inputs(self):
        with tempfile.TemporaryDirectory() as folder:
            listing = os.path.join(folder, "list.txt")
            with open(listing, "w") as file:
                file.write(scene(0) + "\n/nonexistent.png\n" + scene(1) + "\n")
            out, _ = run("detect", "@" + listing, "--json", code=1)
            got = [json.loads(line) for line in out.splitlines()]
            self.assertEqual(len(got), 3)
            self.assertEqual(got[1]["error"]["code"], "file_not_found")
            self.assertEqual(got[1]["image"]["file"], "/nonexistent.png")
            with open(scene(1), "rb") as file:
                [piped] = lines("detect", "-", stdin=file.read())
            self.assertEqual(piped["regions"], got[2]["regions"])
            cut = os.path.join(folder, "cut.png")
            with open(scene(0), "rb") as file, open(cut, "wb") as half:
                half.write(file.read()[:5000])
            out, _ = run("detect", cut, "--json", code=1)
            self.assertEqual(json.loads(out)["error"]["code"], "image_truncated")

    def test_inputs_of_all_kinds_in_their_order(self):
        # the next file is read ahead, but not pipes and standard input
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "pipe")
            os.mkfifo(pipe)
            writer = subprocess.Popen(["sh", "-c", f"cat {scene(2)} > {pipe}"])
            names = [scene(0), pipe, "-", "/nonexistent.png", scene(3), scene(4)]
            with open(scene(1), "rb") as file:
                out, _ = run("detect", *names, "--json", stdin=file.read(), code=1)
            writer.wait()
            got = [json.loads(line) for line in out.splitlines()]
            self.assertEqual([g["image"]["file"] for g in got], names)
            self.assertEqual(got[3]["error"]["code"], "file_not_found")
            for g, number in zip(got, (0, 2, 1, None, 3, 4)):
                if number is not None:
                    [alone] = lines("detect", scene(number))
                    self.assertEqual(g["regions"], alone["regions"])

    def test_pictures_that_are_none_of_ours(self):
        heads = {"GIF": b"GIF89a\1\0\1\0\0\0\0;", "BMP": b"BM" + bytes(24),
                 "TIFF": b"II*\0\10\0\0\0", "HEIC": b"\0\0\0\30ftypheic\0\0\0\0mif1heic"}
        for name, head in heads.items():
            out, _ = run("detect", "-", "--json", stdin=head, code=1)
            error = json.loads(out)["error"]
            self.assertEqual(error["code"], "image_unsupported")
            self.assertIn(name, error["message"])
        with tempfile.TemporaryDirectory() as folder:
            _, err = run("detect", folder, code=2)
            self.assertIn("no pictures", err)
            _, err = run("detect", scene(0), "-o", os.path.join(folder, "none", "x.jsonl"), code=1)
            self.assertIn("none/x.jsonl", err)
            self.assertEqual(os.listdir(folder), [])

    def test_sampling_repeats_with_its_seed(self):
        hot = ("caption", scene(0), "--temp", "2", "-n", "40", "--raw", "--seed")
        one, again, other = lines(*hot, "5"), lines(*hot, "5"), lines(*hot, "6")
        self.assertEqual(one, again)
        self.assertNotEqual(one, other)

    def test_regions_of_a_file(self):
        # the guitar and the rabbit of annotations.json as x y w h
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "boxes.txt")
            with open(path, "w") as file:
                file.write("9,167,51,50\n26,16,53,77\n")
            given = ("--regions", path, "--box-format", "xywh")
            [got] = lines("ground", scene(0), "a rabbit", *given)
            first = got["results"][0]["regions"][0]
            self.assertEqual(first["box"], [26, 16, 53, 77])
            self.assertEqual(first["index"], 1)
            [got] = lines("chat", scene(0), "-p", "What is {1}?", "--box", "9,167,51,50",
                          "--append-boxes", "--no-grounding", *given)
            self.assertIn("guitar", got["text"].lower())

    def test_draw(self):
        with tempfile.TemporaryDirectory() as folder:
            one = os.path.join(folder, "one.png")
            run("caption", scene(0), "--draw", one)
            many = os.path.join(folder, "many") + "/"
            run("detect", scene(0), scene(1), "--draw", many)
            for path in (one, many + "000.png", many + "001.png"):
                with open(path, "rb") as file:
                    self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
            jpeg = os.path.join(folder, "one.JPG")
            run("caption", scene(0), "--draw", jpeg)
            with open(jpeg, "rb") as file:
                self.assertEqual(file.read(3), b"\xff\xd8\xff")
            for name in "one.webp", "one":
                _, err = run("detect", "/nonexistent.png", "--draw", os.path.join(folder, name), code=2)
                self.assertIn("ends in .png, .jpg or .jpeg", err)
            _, err = run("detect", scene(0), "--draw", "/nonexistent/x.png", code=1)
            # A streamed answer has its line ended before the error's begins.
            both = subprocess.run([GROMATIC, "caption", scene(0), "-m", "groma-mini", "--draw", "/nonexistent/x.png"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300).stdout.decode()
            out, _ = run("caption", scene(0))
            self.assertTrue(both.startswith(out + "gromatic: "), both)
            self.assertIn("/nonexistent/x.png", err)

    def test_killed_run_resumes_to_the_same_bytes(self):
        names = [scene(i) for i in range(12)] + ["/nonexistent.png"]
        with tempfile.TemporaryDirectory() as folder:
            whole, output = os.path.join(folder, "whole"), os.path.join(folder, "out.jsonl")
            run("detect", *names, "-o", whole, code=1)
            chance = random.Random(1)
            for _ in range(100):
                process = subprocess.Popen([GROMATIC, "detect", *names, "-o", output, "--resume"],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                grown = size(output + ".part")
                while process.poll() is None and size(output + ".part") == grown:
                    time.sleep(0.001)
                time.sleep(chance.random() * 0.03)
                if process.poll() is not None:
                    break
                process.kill()
                process.wait()
            with open(whole, "rb") as a, open(output, "rb") as b:
                self.assertEqual(a.read(), b.read())
            for other, said in (("--conf", "0.5"), "--conf not given, now 0.5"), \
                    (("--iou", "0.5"), "--iou not given, now 0.5"):
                _, err = run("detect", *names, "-o", output, "--resume", *other, code=2)
                self.assertIn("it was begun with " + said, err)
            with open(whole, "rb") as a, open(output, "rb") as b:
                self.assertEqual(a.read(), b.read())

    def test_a_stopped_run_is_not_begun_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "out.jsonl")
            process = subprocess.Popen([GROMATIC, "detect", scene(0), "-", "-o", output], stdin=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
            while process.poll() is None and not size(output + ".part"):
                time.sleep(0.001)
            time.sleep(0.2)  # the ledger's line is written after the part's
            process.kill()
            process.communicate()
            kept = size(output + ".part")
            _, err = run("detect", scene(0), scene(1), "-o", output, code=2)
            self.assertIn("stopped after 1 input; go on with --resume", err)
            self.assertEqual(size(output + ".part"), kept)
            os.rename(output + ".part", output + ".kept")  # as the message suggests
            run("detect", scene(1), "-o", output)
            with open(output) as file:
                self.assertEqual(json.loads(file.read())["image"]["file"], scene(1))

    def test_what_is_shown_does_not_stop_resuming(self):
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "out.jsonl")
            run("detect", scene(0), "-o", output, "--resume", "-v")
            run("detect", scene(0), "-o", output, "--resume", "-q", "--no-cache", "--no-mmap",
                "--draw", os.path.join(folder, "drawn") + "/")
            run("detect", scene(0), scene(1), "-o", output, "--resume", "-t", "1")
            with open(output) as file:
                self.assertEqual([json.loads(line)["image"]["file"] for line in file], [scene(0), scene(1)])
            _, err = run("caption", scene(0), "-o", output, "--resume", "-n", "4", code=2)
            self.assertIn('it was begun with the command "detect", now "caption"; give the same', err)

    def test_failures_of_before_are_told(self):
        with tempfile.TemporaryDirectory() as folder:
            ask = "detect", scene(0), "-o", os.path.join(folder, "out.jsonl")
            run(*ask, "--max-pixels", "100", code=1)
            _, err = run(*ask, "--resume", "--max-pixels", "100")
            self.assertIn("1 input failed before", err)
            self.assertIn("--retry-errors", err)
            _, err = run(*ask, "--resume", code=2)  # the limit has changed: it may no longer fail
            self.assertIn("--max-pixels 100, now not given; --retry-errors tries", err)
            _, err = run(*ask, "--resume", "--retry-errors")
            self.assertEqual(err, "")

    def test_errors_are_tried_again_when_asked(self):
        with tempfile.TemporaryDirectory() as folder:
            late, output = os.path.join(folder, "late.png"), os.path.join(folder, "out.jsonl")
            run("detect", late, scene(0), "-o", output, code=1)
            shutil.copy(scene(1), late)
            run("detect", late, scene(0), "-o", output, "--resume", "--retry-errors")
            with open(output) as file:
                got = [json.loads(line) for line in file]
            self.assertEqual([(g["image"]["file"], "error" in g) for g in got], [(scene(0), False), (late, False)])
            self.assertEqual(sorted(os.listdir(folder)), ["late.png", "out.jsonl", "out.jsonl.ledger"])

    def test_an_answer_that_is_cut_says_so(self):
        """"complete" is false exactly if -n has cut words."""
        def texts(line):
            return line.get("results", [line])

        picture = scene(0)
        for command in ["caption", picture], ["describe", picture, "--box", "10,10,90,90", "--box", "1,1,50,50"], \
                ["chat", picture, "-p", "What is this?"]:
            whole = [texts(line) for line in lines(*command)]
            self.assertTrue(all("complete" not in one for line in whole for one in line))
            seen = set()
            for n in 1, 2, 3, 4, 500:
                got = [texts(line) for line in lines(*command, "-n", n)]
                for a, b in zip(sum(got, []), sum(whole, [])):
                    self.assertTrue(b["text"].startswith(a["text"].removesuffix("\ufffd")))
                    if n == 500 or a["text"] != b["text"]:
                        self.assertEqual(a.get("complete", True), a["text"] == b["text"])
                    seen.add(a.get("complete", True))
                _, err = run(*command, "-n", n)
                cut = sum(not one.get("complete", True) for one in sum(got, []))
                said = {0: "", 1: f"gromatic: {picture}: the answer was cut after {n} tokens (-n)\n"}
                self.assertEqual(err, said.get(cut, f"gromatic: {picture}: {cut} answers were cut after {n} tokens (-n)\n"))
            self.assertEqual(seen, {False, True})
        _, err = run("chat", picture, "-n", "1", stdin=b"What is this?\n")
        self.assertIn("(cut after 1 tokens: -n)", err)

    def test_verbose_names_model_and_times(self):
        [got] = lines("caption", scene(0), "-v")
        self.assertRegex(got["model"]["sha256"], "^[0-9a-f]{64}$")
        self.assertTrue(got["timings"])
        self.assertEqual(got["model"]["cache_type_k"], "f32")
        [got] = lines("caption", scene(0), "-v", "--cache-type-v", "q8_0")
        self.assertEqual(got["model"]["cache_type_v"], "q8_0")

    def test_verbose_tells_of_the_cache_where_one_is_used(self):
        picture, label, box = scene(0), ["--classes", "dog,cat", "--none", "-1"], ["--box", "10,10,90,90"]
        for command, used in ((["caption", picture, "-n", "2"], True), (["ground", picture, "a dog"], True),
                              (["describe", picture, *box, "-n", "2"], True),
                              (["chat", picture, "-p", "what?", "-n", "2"], True),
                              (["detect", picture], False), (["label", picture, *label], False),
                              (["classify", picture, *label[:2], "--method", "clip"], False)):
            with self.subTest(command):
                out, _ = run(*command, "-v")
                self.assertEqual("cache of the language model" in out, used)
                [got] = lines(*command, "-v")
                self.assertEqual({"cache_type_k", "cache_type_v"} <= set(got["model"]), used)
                self.assertTrue(set(got["model"]) >= {"file", "sha256", "type"})


if __name__ == "__main__":
    unittest.main()
