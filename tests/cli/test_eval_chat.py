"""eval chat (LLaVA-Bench): the embedded model answers, a judge of our own behaves and misbehaves."""
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from chat_server import Server, said
from program import GROMATIC, SCENES, run

KINDS = ("conv", "detail", "complex")


class Chat(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.questions = [{"question_id": i, "image": ("000.png", "003.png")[i % 2], "text": f"What is it, {i}?",
                           "category": KINDS[i % 3]} for i in range(6)]
        self.context = [{"id": "x", "image": name, "captions": [f"A thing in {name}.", "It is drawn."],
                         "instances": [{"category": "dog", "bbox": [0.1, 0.25, 0.5, 1.0]}]} for name in ("003.png", "000.png")]
        self.references = [{"question_id": i, "text": f"It is {i}.", "answer_id": "q"} for i in reversed(range(6))]
        self.answers = [{"question_id": i, "text": f"ours {i}", "category": KINDS[i % 3]} for i in range(6)]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(data if isinstance(data, str) else "".join(json.dumps(line) + "\n" for line in data))
        return self.path(name)

    def lines(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def serve(self, answer):
        server = Server(answer)
        self.addCleanup(server.close)
        return server

    def files(self):
        return ["--questions", self.write("q.jsonl", self.questions), "--context", self.write("c.jsonl", self.context),
                "--references", self.write("r.jsonl", self.references)]

    def command(self, server, *options):
        return ["eval", "chat", *self.files(), "--predictions", self.write("a.jsonl", self.answers), "--judge", server.url,
                "--judge-model", "tester", "--json", *map(str, ("--rate", 0, *options))]

    def judge(self, server, *options, code=0):
        out, err = run(*self.command(server, *options), code=code, env={"OPENAI_API_KEY": "secret-key"})
        return (json.loads(out) if code == 0 else out), err

    def number(self, body):
        """The question that a request is about."""
        text = body["messages"][1]["content"]
        return int(text.split("What is it, ")[1].split("?")[0])

    def test_figures(self):
        """Per category 100 * mean(second) / mean(first); 0 and 3 are conv, 1 and 4 detail, 2 and 5 complex."""
        first, second = [8, 9, 10, 8, 7, 10], [6, 9, 5, 7.5, 8, 10]

        def answer(n, body):
            i = self.number(body)
            return said(f"{first[i]}{', ' if i % 2 else ' '}{second[i]}\nBecause of {i}.")

        server = self.serve(answer)
        got, _ = self.judge(server, "--parallel", 4)
        for c, name in enumerate(KINDS):
            self.assertAlmostEqual(got[name], 100 * (second[c] + second[c + 3]) / (first[c] + first[c + 3]), places=6)
        self.assertAlmostEqual(got["overall"], 100 * sum(second) / sum(first), places=6)
        self.assertEqual((got["judge"], got["rules"], got["unread"], got["n"]), ("tester", "ours, version 1", 0, 6))
        path, key, body = server.requests[0]
        i = self.number(body)
        self.assertEqual((path, key, body["model"]), ("/v1/chat/completions", "Bearer secret-key", "tester"))
        self.assertEqual((body["temperature"], body["max_tokens"]), (0.2, 1024))
        self.assertEqual([m["role"] for m in body["messages"]], ["system", "user"])
        image = self.questions[i]["image"]
        self.assertTrue(body["messages"][1]["content"].startswith(
            f"[Context]\nA thing in {image}.\nIt is drawn.\n\ndog: [0.1, 0.25, 0.5, 1.0]\n\n[Question]\nWhat is it, {i}?\n\n"
            f"[Assistant 1]\nIt is {i}.\n\n[End of Assistant 1]\n\n[Assistant 2]\nours {i}\n\n[End of Assistant 2]\n\n"
            "[System]\n"))
        judged = {line["question_id"]: line for line in self.lines("a-judged.jsonl")}
        self.assertEqual(judged[4]["scores"], [7, 8])
        for name in os.listdir(self.folder):  # the key is kept nowhere
            with open(self.path(name), "rb") as file:
                self.assertNotIn(b"secret-key", file.read())

    def test_what_a_judge_may_reply(self):
        """What is not two numbers from 1 to 10 counts as -1 and -1, and is counted."""
        replies = ["8 4", "8,4\n9 9", "nine 4", "8 4 3", "80 4", "0x8 4"]
        server = self.serve(lambda n, body: said(replies[self.number(body)]))
        got, _ = self.judge(server)
        self.assertEqual(got["unread"], 4)
        self.assertAlmostEqual(got["overall"], 100 * (4 + 4 - 4) / (8 + 8 - 4))
        self.assertAlmostEqual(got["conv"], 100 * (4 - 1) / (8 - 1))
        self.assertIsNone(got["complex"])  # the mean of the references is below zero

    def test_a_table_names_the_judge(self):
        server = self.serve(lambda n, body: said("8 8"))
        command = [c for c in self.command(server) if c != "--json"]
        out, _ = run(*command)
        self.assertIn("judge: tester; rules: ours, version 1", out)
        self.assertIn("| conv | detail | complex | overall | unread |", out)
        self.assertIn("| 100.0000 | 100.0000 | 100.0000 | 100.0000 | 0 |", out)

    def test_failures_that_pass_and_that_do_not(self):
        def answer(n, body):
            if n == 1:
                return 429, {"error": {"message": "slow down"}}, ("Retry-After", "1")
            return (200, "no JSON") if self.number(body) == 5 else said("8 8")

        server = self.serve(answer)
        out, err = self.judge(server, code=1)
        self.assertEqual(out, "")
        self.assertIn("1 of 6 questions were not judged; ask again with --resume", err)
        again = self.serve(lambda n, body: said("8 8"))
        got, _ = self.judge(again, "--resume")
        self.assertEqual((len(again.requests), got["overall"]), (1, 100))
        refusing = self.serve(lambda n, body: (401, {"error": {"message": "wrong key"}}))
        _, err = self.judge(refusing, "--force", code=1)
        self.assertEqual(len(refusing.requests), 3)
        self.assertNotIn("secret-key", err)

    def test_killed_and_resumed_nothing_is_paid_twice(self):
        hold = threading.Event()

        def answer(n, body):
            if n == 3:
                hold.set()
                time.sleep(1)
            return said("8 6")

        server = self.serve(answer)
        child = subprocess.Popen([GROMATIC, *self.command(server)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertTrue(hold.wait(60))
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.assertIn("--resume", self.judge(server, code=2)[1])
        got, _ = self.judge(server, "--resume")
        self.assertEqual((len(server.requests), got["overall"]), (7, 75))
        self.assertIn("of an earlier run", self.judge(server, code=2)[1])
        self.answers[2]["text"] = "another"  # only what changed is asked
        self.judge(server, "--resume")
        self.assertEqual(len(server.requests), 8)
        _, err = self.judge(server, "--resume", "--judge-model", "other", code=2)
        self.assertIn("--judge-model", err)
        self.assertEqual(len(server.requests), 8)

    def test_own_rules(self):
        rules = {name: {"role": "Model", "prompt": f"Be strict about {name}."} for name in ("conv", "detail")}
        rules["llava_bench_complex"] = {"prompt": "Think."}
        server = self.serve(lambda n, body: said("5 5"))
        got, _ = self.judge(server, "--rules", self.write("rules.json", json.dumps(rules)))
        self.assertRegex(got["rules"], "^SHA-256 [0-9a-f]{64}$")
        text = {self.number(body): body["messages"][1]["content"] for _, _, body in server.requests}
        self.assertIn("[End of Model 2]\n\n[System]\nBe strict about conv.\n\n", text[0])
        self.assertIn("[Assistant 2]", text[2])
        self.assertIn("[System]\nThink.\n\n", text[2])
        del rules["conv"]
        _, err = self.judge(server, "--force", "--rules", self.write("rules.json", json.dumps(rules)), code=2)
        self.assertIn("--rules", err)

    def test_a_model_answers(self):
        server = self.serve(lambda n, body: said("8 4"))
        # 003 cannot be read at first: its three questions have no answer, and nothing is judged.
        os.mkdir(self.path("pictures"))
        os.symlink(os.path.join(SCENES, "000.png"), self.path("pictures/000.png"))
        command = ["eval", "chat", *self.files(), "-o", self.path("out.jsonl"), "--images", self.path("pictures"), "--json"]
        judge = ["--judge", server.url, "--judge-model", "tester", "--rate", 0]
        _, err = run(*command, *judge, code=1)
        self.assertIn("3 of 6 questions have no answer; ask again with --resume", err)
        self.assertEqual(server.requests, [])
        os.symlink(os.path.join(SCENES, "003.png"), self.path("pictures/003.png"))
        out, _ = run(*command, *judge, "--resume")
        got = json.loads(out)
        self.assertRegex(got["model_sha256"], "^[0-9a-f]{64}$")
        self.assertEqual((got["overall"], len(server.requests)), (50, 6))
        answers = {line["question_id"]: line for line in self.lines("out.jsonl")}
        self.assertEqual(sorted(answers), list(range(6)))
        self.assertEqual(set(answers[0]), {"question_id", "text", "category"})
        # The same words as chat says without boxes.
        chat, _ = run("chat", os.path.join(SCENES, "000.png"), "-p", "What is it, 0?", "--no-grounding", "--json", "-n", 1024)
        self.assertEqual(answers[0]["text"], json.loads(chat.splitlines()[0])["text"].strip())
        # Judged apart from the run, the same.
        os.rename(self.path("out-judged.jsonl"), self.path("first.jsonl"))
        again = ["eval", "chat", *self.files(), "--predictions", self.path("out.jsonl"), "--json", *judge]
        apart = json.loads(run(*again)[0])
        self.assertEqual(apart["overall"], 50)
        self.assertEqual([line["reply"] for line in self.lines("out-judged.jsonl")],
                         [line["reply"] for line in self.lines("first.jsonl")])

    def test_without_a_judge_answers_are_written(self):
        out, _ = run("eval", "chat", "--questions", self.write("q.jsonl", self.questions[:1]), "-o", self.path("o.jsonl"),
                     "--images", SCENES)
        self.assertIn("not judged", out)
        self.assertEqual(len(self.lines("o.jsonl")), 1)

    def test_hostile_files(self):
        server = self.serve(lambda n, body: said("8 8"))
        good = json.dumps(self.questions[0])
        for name, text, says in (
                ("questions", "", "q.jsonl:1: wanted a list"), ("questions", "[]", "has no question"),
                ("questions", good + "\n{}", "q.jsonl:2: an entry without question_id"),
                ("questions", good + "\n" + good, "q.jsonl:2: the question_id of an earlier"),
                ("questions", good.replace('"conv"', '"x"'), "category is not conv"),
                ("questions", good.replace('"000.png"', "3"), "image is not a string"),
                ("questions", good + "\n3", "is not JSON"),
                ("context", '{"image": "000.png", "captions": 3}', "captions is not a list"),
                ("context", '{"image": "000.png", "captions": [1]}', "an entry of captions is not a string"),
                ("context", '{"image": "000.png", "captions": [], "instances": [{}]}', "category of an instance"),
                ("context", '{"image": "000.png", "captions": [], "instances": [{"category": "a", "bbox": [1]}]}', "bbox of an"),
                ("context", '{"image": "000.png", "captions": [], "instances": []}', "has no entry for the image '003.png'"),
                ("references", '{"question_id": 0, "text": "a"}', "has no text for question_id 1"),
                ("references", '{"question_id": 0}', "r.jsonl:1: text is not a string"),
                ("references", '{"question_id": 0, "text": "a"}\n{"question_id": 0, "text": "b"}', "r.jsonl:2: a second text"),
                ("predictions", '{"question_id": 7, "text": "a"}', "a.jsonl:1: question_id is not among"),
                ("predictions", '{"question_id": 0, "text": 3}', "text is not a string"),
                ("predictions", '{"question_id": 0, "text": "a"}', "5 of 6 questions have no answer")):
            with self.subTest(text):
                command = self.command(server)
                at = command.index("--" + name) + 1
                self.write(os.path.basename(command[at]), text)
                _, err = run(*command, code=2)
                self.assertIn(says, err)
        self.assertEqual(server.requests, [])

    def test_usage(self):
        for options, says in (([], "wanted --questions"), (["--questions", "x"], "wanted -o FILE"),
                              (["--questions", "x", "--predictions", "y"], "wants --judge URL"),
                              (["--questions", "x", "-o", "y", "--judge", "z"], "wants --context FILE"),
                              (["--questions", "x", "-o", "y", "--rules", "z"], "want --judge URL"),
                              (["--questions", "x", "-o", "y", "--coco", "z"], "for other tasks")):
            _, err = run("eval", "chat", *options, code=2)
            self.assertIn(says, err)
        _, err = run("eval", "rec", "--coco", "x", "--judge", "y", code=2)
        self.assertIn("--judge is for chat", err)


if __name__ == "__main__":
    unittest.main()
