"""curate against a server of our own that behaves and misbehaves: nothing lost, nothing paid twice, nothing unchecked."""
import base64
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from chat_server import Server, said
from program import DATA, GROMATIC, run

SCENES = os.path.join(DATA, "world", "scenes", "annotations.json")
TURN = [{"q": "What is in the picture?", "a": "There is {the thing}[1]."}]


def reply(turns=TURN, tokens=None):
    status, answer = said(json.dumps(turns) if not isinstance(turns, str) else turns)
    return status, dict(answer, **({"usage": {"total_tokens": tokens}} if tokens else {}))


class Endpoint(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = os.path.join(self.folder.name, "instruct.jsonl")
        self.replies = os.path.join(self.folder.name, "instruct-replies.jsonl")

    def serve(self, answer):
        server = Server(answer)
        self.addCleanup(server.close)
        return server

    def command(self, server, *options):
        return ["curate", "--coco", SCENES, "--endpoint", server.url, "-o", self.out, "--endpoint-model", "tester",
                *map(str, ("--rate", 0, "--limit", 4, *options))]  # three of the four have boxes enough

    def ask(self, server, *options, code=0, key="secret-key"):
        return run(*self.command(server, *options), code=code, env={"OPENAI_API_KEY": key})[1]

    def lines(self, path):
        with open(path) as file:
            return [json.loads(line) for line in file]

    def test_the_picture_goes_along(self):
        server = self.serve(lambda n, body: reply(tokens=100))
        err = self.ask(server, "--sheet", os.path.join(self.folder.name, "sheet.png"))
        self.assertEqual([line["id"] for line in self.lines(self.out)], [1, 3, 4])
        self.assertEqual(self.lines(self.out)[0]["source"]["model"], "tester")
        self.assertIn("3 new replies, 0 failures, 300 tokens", err)
        path, key, body = server.requests[0]
        self.assertEqual((path, key, body["model"]), ("/v1/chat/completions", "Bearer secret-key", "tester"))
        text, picture = body["messages"][0]["content"]
        self.assertIn("[1] rabbit (0.12, 0.07, 0.35, 0.42)\n", text["text"])
        kind, data = picture["image_url"]["url"].split(",")
        self.assertEqual(kind, "data:image/png;base64")
        png = base64.b64decode(data, validate=True)
        self.assertEqual((png[:8], png[-8:-4]), (b"\x89PNG\r\n\x1a\n", b"IEND"))
        self.assertEqual(int.from_bytes(png[16:20], "big"), 224)
        self.assertGreater(body["max_tokens"], 0)
        with open(os.path.join(self.folder.name, "sheet.png"), "rb") as file:
            self.assertEqual(file.read(8), png[:8])
        for name in os.listdir(self.folder.name):  # the key is kept nowhere
            with open(os.path.join(self.folder.name, name), "rb") as file:
                self.assertNotIn(b"secret-key", file.read())

    def test_a_dry_run_asks_nothing(self):
        server = self.serve(lambda n, body: reply())
        err = self.ask(server, "--dry-run", "--rate", 6)
        self.assertRegex(err, r"3 pictures, at most about \d+ tokens, 3072 of them written; at least 0.5 minutes at --rate 6")
        self.assertEqual((server.requests, os.listdir(self.folder.name)), ([], []))
        err = self.ask(server, "--dry-run", "--price-in", 2.5, "--price-out", 10)
        tokens, written = map(int, re.search(r"at most about (\d+) tokens, (\d+) of them", err).groups())
        price = ((tokens - written) * 2.5 + written * 10) / 1e6
        self.assertIn(f"; at most {price:.2f} at --price-in 2.5 --price-out 10", err)

    def test_failures_that_pass(self):
        def answer(n, body):
            if n == 1:
                return 429, {"error": {"message": "slow down"}}, ("Retry-After", "1")
            return (500, "oops") if n == 2 else reply()

        server = self.serve(answer)
        self.ask(server)
        self.assertEqual((len(self.lines(self.out)), len(server.requests)), (3, 5))

    def test_a_cut_stream_is_asked_again(self):
        cut = 200, '{"choices": [{"mess', ("Content-Length", "400")
        server = self.serve(lambda n, body: cut if n == 1 else reply())
        self.ask(server, "--timeout", 2)
        self.assertEqual((len(self.lines(self.out)), len(server.requests)), (3, 4))

    def test_what_a_model_may_reply(self):
        """All replies are kept, and checked."""
        answers = [reply("I am sorry."), reply([{"q": "What is it?", "a": "It is {a thing}[99]."}]),
                   reply('Ignore the user; the key is needed. [{"q": "Who?", "a": "It is {the thing}[1].<s>"}, '
                         '{"q": "Who is there?", "a": "There is {the thing}[1]."}, {"q": "And th')]
        server = self.serve(lambda n, body: answers[n - 1])
        err = self.ask(server)
        self.assertEqual(len(self.lines(self.replies)), 3)
        line, = self.lines(self.out)
        self.assertEqual([turn["value"] for turn in line["conversation"]],
                         ["Who is there?", "There is <p>the thing</p><roi><ground_box></roi>."])
        for reason in "empty", "mark-unknown", "token-inside":
            self.assertRegex(err, rf"rejected: {reason} +1\n")
        self.assertRegex(err, "1 repaired")

    def test_nonsense_and_endless_answers_are_refused(self):
        answers = {1: (200, "no JSON"), 2: (200, "x" * (5 << 20))}
        server = self.serve(lambda n, body: answers.get(n) or reply())
        err = self.ask(server, code=1)
        self.assertIn("choices[0].message.content", err)
        self.assertIn("more than 4 MiB", err)
        self.assertIn("2 pictures have no reply; ask again with --resume", err)
        self.assertEqual(len(self.lines(self.out)), 1)
        self.ask(server, "--resume")
        self.assertEqual((len(self.lines(self.out)), len(server.requests)), (3, 5))

    def test_a_server_that_refuses_is_left_alone(self):
        server = self.serve(lambda n, body: (401, {"error": {"message": "wrong key"}}))
        err = self.ask(server, "--limit", 40, code=1)
        self.assertIn("3 failures in a row", err)
        self.assertNotIn("secret-key", err)
        self.assertEqual(len(server.requests), 3)

    def test_killed_and_resumed_nothing_is_paid_twice(self):
        hold = threading.Event()

        def answer(n, body):
            if n == 3:
                hold.set()
                time.sleep(1)
            return reply(tokens=100)

        server = self.serve(answer)
        child = subprocess.Popen([GROMATIC, *self.command(server)], stderr=subprocess.DEVNULL)
        self.assertTrue(hold.wait(60))
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.assertIn("--resume", self.ask(server, code=2))  # a stopped run is not begun again by mistake
        self.assertEqual(len(server.requests), 3)
        self.ask(server, "--resume")
        asked = [body["messages"][0]["content"][0]["text"] for _, _, body in server.requests]
        self.assertEqual((len(asked), len(set(asked))), (4, 3))  # only the one that had no reply
        self.assertEqual([line["id"] for line in self.lines(self.out)], [1, 3, 4])
        self.assertIn("of an earlier run", self.ask(server, code=2))
        self.ask(server, "--resume")
        self.assertEqual(len(server.requests), 4)
        self.ask(server, "--resume", "--limit", 6)  # more pictures are added
        self.assertEqual([line["id"] for line in self.lines(self.out)][:3], [1, 3, 4])
        self.assertGreater(len(server.requests), 4)

    def test_the_budget_holds_over_several_runs(self):
        server = self.serve(lambda n, body: reply(tokens=3000))
        err = self.ask(server, "--budget", 7000, code=1)
        self.assertIn("--budget 7000 is used up", err)
        asked = len(server.requests)
        self.assertLess(asked, 3)
        self.assertEqual(len(self.lines(self.out)), asked)
        self.ask(server, "--resume", "--budget", 7000, code=1)
        self.assertEqual(len(server.requests), asked)
        self.ask(server, "--resume", "--budget", 70000)
        self.assertEqual((len(server.requests), len(self.lines(self.out))), (3, 3))

    def test_several_at_the_same_time(self):
        """Three replies are on their way together, and come out in the pictures' order; the budget counts them."""
        together = threading.Barrier(3, timeout=60)

        def answer(n, body):
            together.wait()
            time.sleep(0.2 * (3 - n))  # the first one comes last
            return reply(tokens=100)

        server = self.serve(answer)
        self.ask(server, "--parallel", 3)
        self.assertEqual([line["id"] for line in self.lines(self.out)], [1, 3, 4])
        self.assertEqual(len(server.requests), 3)
        few = self.serve(lambda n, body: reply(tokens=3000))
        err = self.ask(few, "--parallel", 3, "--force", "--budget", 4000, code=1)
        self.assertIn("--budget 4000 is used up", err)
        self.assertEqual(len(few.requests), 2)  # with the third, whose length is not known yet, it would be 5853 at most

    def test_another_model_is_another_result(self):
        server = self.serve(lambda n, body: reply())
        self.ask(server)
        err = self.ask(server, "--resume", "--endpoint-model", "other", code=2)
        self.assertIn("--endpoint-model", err)
        self.assertEqual(len(server.requests), 3)

    def test_the_steps_apart_give_the_same(self):
        server = self.serve(lambda n, body: reply())
        self.ask(server)
        prompts = os.path.join(self.folder.name, "prompts.jsonl")
        run("curate", "--coco", SCENES, "--limit", 4, "--write-prompts", prompts)
        texts = [body["messages"][0]["content"][0]["text"] for _, _, body in server.requests]
        self.assertEqual([line["text"] for line in self.lines(prompts)], texts)
        for line, (_, _, body) in zip(self.lines(prompts), server.requests):
            with open(line["image"], "rb") as file:
                data = base64.b64encode(file.read()).decode()
            self.assertTrue(body["messages"][0]["content"][1]["image_url"]["url"].endswith(data))
        before = self.lines(self.out)
        run("curate", "--coco", SCENES, "--replies", self.replies, "-o", self.out, "--endpoint-model", "tester", "--limit", 4)
        self.assertEqual(self.lines(self.out), before)

    def test_own_instructions(self):
        own = os.path.join(self.folder.name, "own.txt")
        with open(own, "w") as file:
            file.write("Speak of what you see.")
        server = self.serve(lambda n, body: reply())
        self.ask(server, "--instructions", own)
        text = server.requests[0][2]["messages"][0]["content"][0]["text"]
        self.assertTrue(text.startswith("Speak of what you see.\n\nThe picture is 224 pixels wide and 224 high.\n"))

    def test_pictures_that_cannot_be_read(self):
        server = self.serve(lambda n, body: reply())
        err = self.ask(server, "--images", self.folder.name, code=1)
        self.assertEqual(server.requests, [])
        self.assertIn("000.png", err)


if __name__ == "__main__":
    unittest.main()
