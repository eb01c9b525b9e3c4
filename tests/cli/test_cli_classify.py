"""classify and eval classify on the embedded CLIP: the JSON contract, files, tar, caches."""
import csv
import io
import json
import os
import tarfile
import tempfile
import unittest

from program import DATA, lines, run

WORLD = os.path.join(DATA, "world", "classify")
DESCRIPTIONS = os.path.join(DATA, "descriptions", "world.json")
SCENE = os.path.join(DATA, "world", "scenes", "images", "000.png")
TEMPLATES = os.path.join(DATA, "descriptions", "world-templates.json")


def picture(name, number=0):
    return os.path.join(WORLD, name, ("0.png", "1.jpg")[number])


def classify(*args, **kwargs):
    return lines("classify", "--no-cache", *args, **kwargs)


class Classify(unittest.TestCase):
    def test_contract(self):
        [got] = classify(picture("bus"), "--descriptions", DESCRIPTIONS, "--crops", "20", "--top",
                         "0")
        self.assertEqual(got["image"]["file"], picture("bus"))
        self.assertEqual(len(got["results"]), 91)
        self.assertEqual(got["results"][0]["label"], "bus")
        scores = [r["score"] for r in got["results"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertAlmostEqual(sum(scores), 1, delta=91 * 5e-7)  # each rounded to 1e-6
        raw = [r["raw_score"] for r in got["results"]]
        self.assertEqual(raw, sorted(raw, reverse=True))
        [top] = classify(picture("bus"), "--descriptions", DESCRIPTIONS, "--crops", "20")
        self.assertEqual(top["results"], got["results"][:5])

    def test_classes_are_a_list_or_a_file(self):
        names = "dog, bus ,koala"
        [listed] = classify(picture("bus"), "--classes", names, "--method", "clip")
        self.assertEqual({r["label"] for r in listed["results"]}, {"dog", "bus", "koala"})
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "names.txt")
            with open(path, "w") as file:
                file.write("dog\r\nbus\n\nkoala")
            [read] = classify(picture("bus"), "--classes", path, "--method", "clip")
        self.assertEqual(read, listed)

    def test_words_of_waffle_are_the_users(self):
        ask = (picture("bus"), "--classes", "bus,dog,koala", "--method", "waffle")
        [ours] = classify(*ask)
        self.assertEqual(ours["results"][0]["label"], "bus")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "words.txt")
            with open(path, "w") as file:
                file.write("".join(f"{colour}\n" for colour in ("red", "green", "blue", "grey")))
            [theirs] = classify(*ask, "--words", path)
            [again] = classify(*ask, "--words", path)
        self.assertEqual(theirs, again)
        self.assertNotEqual([r["raw_score"] for r in theirs["results"]], [r["raw_score"] for r in ours["results"]])

    def test_names_alone(self):
        """Every class has its label prompt as its one description."""
        names = "bus", "dog", "green apple"
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "prompts.json")
            with open(path, "w") as file:
                json.dump({name: [f"a photo of a {name}."] for name in names}, file)
            for method in "wca", "wca-released":
                common = picture("bus"), "--method", method, "--crops", "10", "--no-cache"
                [alone] = classify(*common, "--classes", " bus, dog,,green apple ,")
                [given] = classify(*common, "--descriptions", path)
                self.assertEqual([r["label"] for r in alone["results"]], [r["label"] for r in given["results"]])
                for one, other in zip(alone["results"], given["results"]):
                    self.assertAlmostEqual(one["raw_score"], other["raw_score"], places=5)
            [default] = classify(picture("bus"), "--classes", "bus,dog,green apple", "--crops", "10", "--no-cache")
            [wca] = classify(picture("bus"), "--classes", "bus,dog,green apple", "--crops", "10", "--no-cache",
                             "--method", "wca")
            self.assertEqual(default, wca)
            [got] = lines("eval", "classify", WORLD, "--method", "wca", "--crops", "2", "--seeds", "1", "--limit", "4",
                          "--no-cache")
            self.assertEqual((got["method"], got["n"]), ("wca", 4))

    def test_names_that_are_none(self):
        for arguments, says in ((["--classes", " , "], "no names"), (["--classes", "a, a"], "found 'a' twice"),
                                ([], "no names of classes given; say which with --classes a,b,c"),
                                (["--method", "waffle"], "no names of classes given")):
            _, err = run("classify", picture("bus"), *arguments, code=2)
            self.assertIn(says, err)

    def test_a_method_without_its_file_names_the_flag(self):
        for method, flag in (("cupl", "--descriptions"), ("clip-e", "--templates"), ("clip-d", "--descriptors")):
            _, err = run("classify", picture("bus"), "--classes", "a,b", "--method", method, code=2)
            self.assertIn(flag, err)
        run("classify", picture("bus"), "--classes", "a,b", "--method", "clip", "--stop", "0.1", code=2)
        _, err = run("classify", picture("bus"), "--classes", "a,b", "--method", "vote", code=2)
        self.assertIn("vote", err)
        _, err = run("classify", picture("bus"), "--classes", "a,b", "--method", "clip",
                     "-m", "groma-mini", code=3)
        self.assertIn("clip", err)

    def test_explanation_adds_up(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "why.png")
            [got] = classify(picture("koala"), "--descriptions", DESCRIPTIONS, "--crops", "30",
                             "--explain", out)
            with open(out, "rb") as file:
                self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n")
        why = got["explanation"]
        self.assertEqual(why["label"], got["results"][0]["label"])
        self.assertEqual(len(why["crops"]), 30)
        for part in ("crops", "descriptions"):  # each rounded to 1e-6
            total = sum(p["share"] for p in why[part])
            self.assertAlmostEqual(total, why["raw_score"], delta=1e-6 * (1 + len(why[part])))
        self.assertEqual(why["raw_score"], got["results"][0]["raw_score"])

    def test_explain_compares_with_the_runner_up(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "why.png")
            for method in ("wca", "wca-released", "clip", "cupl"):
                for against in (None, "koala", "bus"):
                    options = ["--against", against] if against else []
                    [got] = classify(picture("koala"), "--descriptions", DESCRIPTIONS, "--method", method, "--top",
                                     "1", "--explain", out, *options)
                    self.assertEqual(len(got["results"]), 1)
                    why = got["explanation"]
                    ranked = classify(picture("koala"), "--descriptions", DESCRIPTIONS, "--method", method, "--top",
                                      "0")[0]["results"]
                    label, runner_up = (r["label"] for r in ranked[:2])
                    self.assertEqual(why["label"], label)
                    other = against if against and against != label else runner_up
                    self.assertEqual(why["against"], other)
                    scores = {r["label"]: r["raw_score"] for r in ranked}
                    self.assertAlmostEqual(why["against_raw_score"], scores[other], delta=2e-6)
                    self.assertAlmostEqual(why["lead"], scores[label] - scores[other], delta=2e-6)
                    for parts in (why["crops"], why["descriptions"] + why["against_descriptions"]):
                        total = sum(p["lead_share"] for p in parts)  # each rounded to 1e-6
                        self.assertAlmostEqual(total, why["lead"], delta=1e-6 * (1 + len(parts)))

    def test_explain_without_another_class(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "why.png")
            [got] = classify(picture("koala"), "--classes", "koala", "--method", "clip", "--explain", out)
            self.assertNotIn("against", got["explanation"])
            self.assertNotIn("lead_share", got["explanation"]["crops"][0])
            arguments = ["classify", picture("koala"), "--classes", "koala,bus", "--method", "clip"]
            _, err = run(*arguments, "--explain", out, "--against", "tram", code=2)
            self.assertIn("--against tram: found no such class", err)
            _, err = run(*arguments, "--against", "bus", code=2)
            self.assertIn("--explain", err)
            _, err = run("classify", picture("koala"), "--classes", "koala", "--method", "clip", "--explain", out,
                         "--against", "koala", code=2)
            self.assertIn("wanted two or more", err)

    def test_explain_replaces_only_drawings(self):
        arguments = ["classify", picture("koala"), "--classes", "koala,bus", "--method", "clip", "--explain"]
        with tempfile.TemporaryDirectory() as folder:
            for given, name in ("why.png", "why.png"), ("why.jpg", "why.jpg"), ("d/", "d/0.png"):
                given, name = os.path.join(folder, given), os.path.join(folder, name)
                run(*arguments, given)
                run(*arguments, given)  # its own output may be replaced
                with open(picture("koala"), "rb") as file:
                    foreign = file.read()
                with open(name, "wb") as file:
                    file.write(foreign)
                _, err = run(*arguments, given, code=2)
                self.assertIn(name + ": this file is not known as a drawing made by gromatic", err)
                self.assertIn("--force", err)
                with open(name, "rb") as file:
                    self.assertEqual(file.read(), foreign)
                run(*arguments, given, "--force")
                with open(name, "rb") as file:
                    self.assertIn(b"gromatic", file.read(64))

    def test_tar_is_its_pictures_with_keys(self):
        with tempfile.TemporaryDirectory() as folder:
            for ending, mode in (("tar", "w"), ("tar.gz", "w:gz")):
                path = os.path.join(folder, "shard." + ending)
                with tarfile.open(path, mode) as tar:
                    for name in ("bus", "koala"):
                        tar.add(picture(name), f"a/{name}.01.png")
                        text = b"not a picture"
                        info = tarfile.TarInfo(f"a/{name}.txt")
                        info.size = len(text)
                        tar.addfile(info, io.BytesIO(text))
                got = classify(path, "--descriptions", DESCRIPTIONS, "--method", "cupl")
                self.assertEqual([g["image"]["key"] for g in got], ["a/bus", "a/koala"])
                self.assertEqual(got[0]["image"]["file"], path + "/a/bus.01.png")
                alone = classify(picture("bus"), picture("koala"), "--descriptions", DESCRIPTIONS,
                                 "--method", "cupl")
                self.assertEqual([g["results"] for g in got], [a["results"] for a in alone])
            broken = os.path.join(folder, "broken.tar")
            with open(broken, "wb") as file:
                file.write(b"x" * 2000)
            run("classify", broken, "--classes", "a,b", "--method", "clip", code=2)

    def test_csv(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.csv")
            run("classify", os.path.join(WORLD, "bus"), "--descriptions", DESCRIPTIONS, "--method",
                "cupl", "--no-cache", "-f", "csv", "-o", out, "--top", "2")
            with open(out, newline="") as file:
                rows = list(csv.DictReader(file))
        self.assertEqual([r["rank"] for r in rows], ["1", "2", "1", "2"])
        self.assertEqual(rows[0]["label"], "bus")
        _, err = run("classify", picture("bus"), "--classes", "a,b", "--method", "clip", "-f", "yolo",
                     code=2)
        self.assertIn("csv", err)

    def test_verbose_tells_the_stages(self):
        [got] = classify(picture("bus"), "--classes", "bus", "--method", "clip", "-v")
        self.assertEqual(set(got["timings"]), {"crops", "classify"})
        [got] = lines("label", picture("bus"), "--classes", "bus", "--no-cache", "-v")
        self.assertLessEqual({"vision", "naming"}, set(got["timings"]))

    def test_two_boxes_of_one_label_are_one(self):
        """A box, 0.6 of it, and the same box again: all score 1, so the first counts."""
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "boxes.json"), "w") as file:
                json.dump([[20, 20, 120, 120], [20, 20, 120, 80], [20, 20, 120, 120]], file)
            counts = []
            for options in [], ["--merge-iou", "0"], ["--merge-iou", "0.7"], ["--merge-iou", "1"]:
                [got] = lines("label", picture("bus"), "--classes", "bus", "--no-cache", "--iou", "1", "--none", "-1",
                              "--regions", os.path.join(folder, "boxes.json"), *options)
                counts.append([r["box"][3] for r in got["regions"]])
            self.assertEqual([sorted(round(y) for y in c) for c in counts],
                             [[120], [80, 120, 120], [80, 120], [80, 120, 120]])
        err = run("label", picture("bus"), "--classes", "bus", "--merge-iou", "2", code=2)[1]
        self.assertIn("--merge-iou", err)

    def test_resume_skips_what_is_done_with_the_same_settings(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.jsonl")
            common = ("--descriptions", DESCRIPTIONS, "--method", "cupl", "--no-cache", "-o", out)
            run("classify", picture("bus"), *common, "--resume")
            run("classify", picture("bus"), picture("koala"), *common, "--resume")
            with open(out) as file:
                got = [json.loads(line)["image"]["file"] for line in file]
            self.assertEqual(got, [picture("bus"), picture("koala")])

    def test_resume_notices_another_proposer_of_the_same_name(self):
        with tempfile.TemporaryDirectory() as folder:
            out, groma = os.path.join(folder, "out.jsonl"), os.path.join(folder, "groma.gguf")
            common = ("classify", picture("bus"), "--classes", "bus,dog", "--no-cache", "-o", out,
                      "--descriptions", DESCRIPTIONS, "--proposals", "--groma-model", groma)
            source = os.path.join(DATA, "models", "groma-mini")
            run("convert", source, "-o", groma, "--type", "f16")
            run(*common)
            run(*common, "--resume")
            run("convert", source, "-o", groma, "--type", "q8_0")
            _, err = run(*common, "--resume", code=2)
            self.assertIn("begun with --groma-model's SHA-256", err)
            _, err = run(*common, "--resume", "--crops", "7", code=2)
            self.assertIn("--crops not given, now 7", err)

    def test_cache_gives_the_same_and_survives_damage(self):
        with tempfile.TemporaryDirectory() as folder:
            cache = os.path.join(folder, "deep", "cache")
            args = ("classify", picture("bus"), "--descriptions", DESCRIPTIONS, "--crops", "10",
                    "--cache", cache)
            first = lines(*args)
            entries = [os.path.join(cache, name) for name in os.listdir(cache)]
            self.assertEqual(len(entries), 1)  # the texts
            self.assertEqual(lines(*args), first)
            with open(entries[0], "r+b") as file:
                file.seek(500)
                byte = file.read(1)
                file.seek(500)
                file.write(bytes([byte[0] ^ 1]))
            self.assertEqual(lines(*args), first)
            with open(entries[0], "wb"):
                pass
            self.assertEqual(lines(*args), first)
            self.assertGreater(os.path.getsize(entries[0]), 1000)  # made again

    def test_proposals_look_at_the_regions(self):
        [regions] = lines("detect", SCENE)
        [got] = classify(SCENE, "--descriptions", DESCRIPTIONS, "--proposals", "--top", "3")
        self.assertEqual(got["n_crops"], len(regions["regions"]))


class Label(unittest.TestCase):
    def raw(self, *options):
        [got] = lines("label", SCENE, "--descriptions", DESCRIPTIONS, "--no-cache", *options)
        return [r["raw_score"] for r in got["regions"]]

    def test_a_preset_is_its_numbers(self):
        published = "--crops", "60", "--alpha", "0.5", "--beta", "0.9"
        self.assertEqual(self.raw("--preset", "imagenet"), self.raw(*published))
        self.assertNotEqual(self.raw("--preset", "imagenet"), self.raw())
        self.assertEqual(self.raw("--preset", "imagenet", "--crops", "5"), self.raw(*published, "--crops", "5"))


class Evaluate(unittest.TestCase):
    def test_exponents(self):
        """exp(0) is 1: the crops differ in weight. Below 0 they do not."""
        ask = [picture("bus"), "--classes", "dog,bus,koala", "--descriptions", DESCRIPTIONS]
        for option in "--image-scale", "--text-scale":
            [own], [zero], [less], [least] = (classify(*ask, *how) for how in ([], [option, "0"], [option, "-0.1"], [option, "-13"]))
            self.assertEqual(less, least)
            self.assertNotEqual(zero, less)
            self.assertNotEqual(zero, own)

    def test_baselines(self):
        got = lines("eval", "classify", WORLD, "--descriptions", DESCRIPTIONS, "--templates",
                    TEMPLATES, "--method", "clip,clip-e,cupl", "--no-cache")
        self.assertEqual([g["method"] for g in got], ["clip", "clip-e", "cupl"])
        for g in got:
            self.assertEqual(g["n"], 182)
            self.assertEqual(g["top1"], round(166 / 182, 6))  # 91.21 %, the reference's run
            self.assertEqual(g["top1_std"], 0)
            self.assertAlmostEqual(sum(g["per_class"].values()) / 91, g["top1"], delta=1e-6)

    def test_csv_and_seeds(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "set.csv")
            with open(path, "w") as file:
                file.write("label,file\nbus,%s\n\"alarm clock\",%s\n" %
                           (picture("bus"), picture("alarm_clock")))
            [got] = lines("eval", "classify", path, "--descriptions", DESCRIPTIONS, "--method", "wca",
                          "--crops", "5", "--seeds", "3", "--cache", os.path.join(folder, "c"))
            self.assertEqual((got["n"], got["seeds"], got["crops"]), (2, 3, 5))
            self.assertEqual(set(got["per_class"]), {"bus", "alarm clock"})
            # texts, and a picture's features for each seed
            self.assertEqual(len(os.listdir(os.path.join(folder, "c"))), 1 + 2 * 3)
            with open(path, "a") as file:
                file.write("unicorn,%s\n" % picture("bus"))
            out, err = run("eval", "classify", path, "--descriptions", DESCRIPTIONS, "--method", "cupl",
                           "--no-cache", "--json")
            self.assertIn("('unicorn')", err)
            self.assertEqual((json.loads(out)["n"], json.loads(out)["skipped"]["entries"]), (2, 1))


if __name__ == "__main__":
    unittest.main()
