"""Conversations of `gromatic chat` without -p: at a terminal and on a pipe."""
import json
import os
import shutil
import tempfile
import unittest

from program import REFERENCE_MINI, SCENES, run, scene
from terminal import Terminal

LOCALES = {"LC_ALL": None, "LC_CTYPE": None, "LANG": None}


class Typed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, *args, **env):
        chat = Terminal("chat", *args, env={**LOCALES, **env}, folder=self.folder)
        chat.until(b"> ")
        return chat

    def say(self, chat, line, until):
        chat.at_prompt(line + b"\n")
        got = chat.until(until)
        chat.until(b"> ")
        return got

    def test_utf8_is_kept_in_every_locale(self):
        """Letters of one to four bytes, typed one by one and pasted, in a question and in the name of a file."""
        question = "Où est le 猫? Grüße 🐈"
        for env in {}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "C.UTF-8"}, {"LC_ALL": "xx_YY.nonsense"}:
            with self.subTest(env):
                chat = self.start(scene(0), "-n", "4", **env)
                chat.at_prompt(b"")
                for byte in question.encode():
                    chat.type(bytes([byte]))
                self.say(chat, b"", b"\n")
                name = "Gespräch 猫 🐈.jsonl"
                self.say(chat, f"/save {name}".encode(), b"wrote " + name.encode())
                chat.type(b"/quit\n")
                self.assertEqual(chat.wait(), 0)
                with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                    [turn] = [json.loads(line) for line in file]
                self.assertEqual(turn["question"], question)
                # LC_NUMERIC is C's: scores and boxes have points
                self.assertIsInstance(turn["text"], str)
                os.unlink(os.path.join(self.folder, name))

    def test_a_letter_is_erased_whole(self):
        chat = self.start()
        self.say(chat, "/nonéé\x7f\x7fsense".encode(), b"/nonsense: wanted")
        chat.at_prompt(b"\x04")
        self.assertEqual(chat.wait(), 0)

    def test_one_ctrl_d_ends_it(self):
        for before in (), (b"\x03",), (b"/nonsense\n",), (b"half a line\x03",):
            with self.subTest(before):
                chat = self.start()
                for typed in before:
                    chat.at_prompt(typed)
                    chat.until(b"> ")
                chat.at_prompt(b"\x04")
                self.assertEqual(chat.wait(10), 0)

    def test_tab_completes_names_of_files(self):
        shutil.copy(scene(0), os.path.join(self.folder, "Grüne Äpfel 猫.png"))
        os.mkdir(os.path.join(self.folder, "my pictures"))
        for name in "a first.jpg", "a second.jpg", ".hidden.jpg":
            shutil.copy(scene(1), os.path.join(self.folder, "my pictures", name))
        chat = self.start()
        self.say(chat, "/image Gr\t".encode(), "Grüne Äpfel 猫.png: ".encode())
        self.say(chat, "/image Grüne Ä\t".encode(), "Grüne Äpfel 猫.png: ".encode())
        chat.at_prompt(b"/im\t")  # the command itself, then a folder, then what two names share, then both names
        chat.type(b"m\t")
        chat.until(b"my pictures/")
        chat.type(b"\t\t")
        listed = chat.until(b"a second.jpg")
        self.assertIn(b"a first.jpg", listed)
        self.assertNotIn(b".hidden.jpg", listed)
        self.say(chat, b"s\t", b"my pictures/a second.jpg: ")
        chat.at_prompt(b"\x04")
        self.assertEqual(chat.wait(), 0)

    def test_tab_elsewhere_does_nothing(self):
        open(os.path.join(self.folder, "What.png"), "w").close()
        chat = self.start()
        self.say(chat, b"/box Wh\t", b"no picture yet")
        self.say(chat, b"/clear Wh\tx", b"\n")
        chat.at_prompt(b"\x04")
        self.assertEqual(chat.wait(), 0)


class Piped(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def chat(self, *lines, args=(), **kwargs):
        return run("chat", "-n", "5", *args, stdin="".join(line + "\n" for line in lines).encode(), **kwargs)

    def path(self, name):
        return os.path.join(self.folder, name)

    def content(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_what_is_missing_is_said(self):
        _, err = self.chat("/image", "/save", f"/image {scene(0)}", "/image  ")
        self.assertEqual(err.count("/image wants a file"), 2, err)
        self.assertIn("/save wants a file", err)
        for command in "/box", "/box ":
            _, err = self.chat(command, args=[scene(0), "--box-format", "xywh"])
            self.assertIn("/box wants a box as xywh: four numbers", err)

    def test_a_place_without_a_box_names_the_command(self):
        box = "/box 9,167,60,217"
        out, err = self.chat("What is {1}?", box, "What is {2}?", "What is {1}?", "What is {1}?", args=[scene(0)])
        self.assertEqual(out.lower().count("guitar"), 1, out)  # the box stayed for the corrected question
        told = [line for line in err.splitlines() if "boxes were given" in line]
        self.assertEqual(len(told), 3, err)
        self.assertIn("says {1}, but 0 boxes", told[0])
        self.assertIn("says {2}, but 1 boxes", told[1])
        self.assertIn("says {1}, but 0 boxes", told[2])
        for line in told:
            self.assertIn("/box", line)
            self.assertIn("last one question", line)

    def test_a_box_that_is_none(self):
        _, err = self.chat("/box 1,2,three,4", "/box 500,500,600,600", "/box 0.1,0.2,0.5,0.6", args=[scene(0)])
        self.assertIn("/box 0.1,0.2,0.5,0.6: as xyxy it is within the first pixel", err)
        self.assertIn("--box-format xyxyn", err)
        self.assertIn("found '1,2,three,4', wanted four numbers", err)
        self.assertIn("/box 500,500,600,600: as xyxy it covers nothing of this picture of 224 x 224", err)

    def test_a_box_of_the_command_line_that_is_none(self):
        for box, args in ("1,2,three,4", [scene(0)]), ("500,500,600,600", [scene(0)]), ("1,2,30,40", []):
            _, err = self.chat("What?", args=[*args, "--box", box], code=2)
            self.assertIn("--box", err)
            self.assertIn(box, err)

    def test_names_in_quotes(self):
        shutil.copy(scene(0), self.path("two words.png"))
        shutil.copy(scene(0), self.path("'so'"))
        _, err = self.chat(f"/image '{self.path('two words.png')}'", f"/image \"{self.path('two words.png')}\"",
                           f"/image {self.path(chr(39) + 'so' + chr(39))}")
        self.assertNotIn("two words.png", err)
        self.assertNotIn("so", err)

    def test_only_what_gromatic_wrote_is_replaced(self):
        picture, other = self.path("mine.png"), self.path("notes.png")
        shutil.copy(scene(0), picture)
        shutil.copy(scene(3), other)
        before = self.content("notes.png")
        with open(self.path("notes.txt"), "w") as file:
            file.write("my notes\n")
        first = [f"/image {picture}", "Give me a concise description of the image."]
        _, err = self.chat(*first, f"/save {other}", f"/save {self.path('notes.txt')}", f"/save {picture}",
                           f"/image {scene(1)}", "What is this?", f"/save! {picture}")
        self.assertIn("is not known as a drawing of gromatic", err)
        for name in other, self.path("notes.txt"):
            self.assertIn(f"gromatic: /save {name}: found a file", err)
            self.assertIn(f"replace it with /save! {name}", err)
        self.assertEqual(err.count("this is the picture itself"), 2)  # the earlier one too, and by force too
        self.assertTrue(self.content("notes.png") == before)
        self.assertEqual(self.content("notes.txt"), b"my notes\n")
        with open(scene(0), "rb") as file:
            self.assertTrue(self.content("mine.png") == file.read())

        drawing, lines = self.path("drawn.png"), self.path("turns.jsonl")
        out, err = self.chat(*first, f"/save {drawing}", f"/save {lines}")
        self.assertEqual(out.count("wrote "), 2, err)
        drawn, turns = self.content("drawn.png"), self.content("turns.jsonl")
        out, err = self.chat(*first, "/box 9,9,90,90", "What is {1}?", f"/save {drawing}", f"/save {lines}")  # its own: replaced
        self.assertEqual(out.count("wrote "), 2, err)
        self.assertTrue(self.content("drawn.png") != drawn)
        self.assertEqual(self.content("turns.jsonl").splitlines()[0], turns.splitlines()[0])
        self.assertEqual(len(self.content("turns.jsonl").splitlines()), 2)

    def test_force_replaces_a_file(self):
        first = [f"/image {scene(0)}", "Give me a concise description of the image."]
        for command, args in ("/save!", []), ("/save", ["--force"]):
            shutil.copy(scene(3), self.path("notes.png"))
            with open(self.path("notes.txt"), "w") as file:
                file.write("my notes\n")
            out, err = self.chat(*first, f"{command} {self.path('notes.png')}", f"{command} {self.path('notes.txt')}",
                                 args=args)
            self.assertEqual(out.count("wrote "), 2, err)
            self.assertEqual(json.loads(self.content("notes.txt"))["question"], first[1])

    def test_the_questions_of_help_are_answered(self):
        """All commands of /help, on pictures whose objects and boxes are known."""
        out, _ = run("chat", stdin=b"/help\n")
        questions = [line.strip() for line in out.splitlines() if line.startswith("  ")]
        self.assertEqual(sum("{1}" in q for q in questions), 9)
        self.assertEqual(len(questions), 16)
        pictures = (("064.jpg", "34,19,106,72", "grapes", {"grapes", "crown", "green apple", "pineapple"}),
                    ("000.png", "9,167,60,217", "guitar", {"tree", "guitar"}))
        for name, box, thing, things in pictures:
            script = f"/image {os.path.join(SCENES, name)}\n"
            for question in questions:
                script += f"/clear\n/box {box}\n{question}\n" if "{1}" in question else f"/clear\n{question}\n"
            out, _ = run("chat", "--json", "-m", REFERENCE_MINI, stdin=script.encode())
            answers = [json.loads(line) for line in out.splitlines()]
            self.assertEqual([a["question"] for a in answers], questions)
            for answer in answers:
                with self.subTest(answer["question"]):
                    if "{1}" in answer["question"]:
                        self.assertIn(thing, answer["text"].lower())
                    else:
                        phrases = " ".join(g["phrase"] for g in answer["grounding"]).lower()
                        self.assertGreaterEqual(sum(t in phrases for t in things), len(things) - 1, phrases)

    def test_grounding_of_a_question_about_a_box(self):
        asked = ("chat", scene(0), "-p", "What is {1}?", "--box", "9,167,60,217", "--raw", "--json", "-m", REFERENCE_MINI)
        usual, bare, grounded = (json.loads(run(*asked, *more)[0]) for more in ([], ["--no-grounding"], ["--grounding"]))
        self.assertEqual((usual["text"], usual["raw"]), (bare["text"], bare["raw"]))
        self.assertEqual(usual["text"], "A guitar")
        self.assertNotEqual(usual["raw"], grounded["raw"])
        _, err = run(*asked, "--grounding", "--no-grounding", code=2)
        self.assertIn("wanted one of them", err)

    def test_a_mark_and_line_ends_of_windows(self):
        [turn] = (json.loads(line) for line in run("chat", "--json", scene(0), stdin=b"\xef\xbb\xbf/clear\r\nWhat?\r\n")[0].splitlines())
        self.assertEqual(turn["question"], "What?")

    def test_a_question_that_is_no_utf8(self):
        _, err = run("chat", "-n", "5", scene(0), stdin=b"What is \xff?\n")
        self.assertIn("not UTF-8", err)


if __name__ == "__main__":
    unittest.main()
