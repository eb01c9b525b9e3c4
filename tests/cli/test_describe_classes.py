"""describe-classes against a server of our own on 127.0.0.1: answers, retries, resuming, refusals."""
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from chat_server import Server, said
from program import GROMATIC, run


class DescribeClasses(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.out = os.path.join(self.folder.name, "d.json")

    def tearDown(self):
        self.folder.cleanup()

    def serve(self, reply):
        server = Server(reply)
        self.addCleanup(server.close)
        return server

    def ask(self, server, classes, *options, code=0, key="secret-key", rate=0):
        return run("describe-classes", "--classes", classes, "--endpoint", server.url, "-o", self.out,
                   "--rate", rate, *options, code=code, env={"OPENAI_API_KEY": key})

    def result(self):
        with open(self.out) as file:
            return json.load(file)

    def test_lines_become_descriptions(self):
        server = self.serve(lambda n, body: said(f"1. A thing, {n}.\n\n- It is round.  \n"))
        self.ask(server, "dog,apple", "--endpoint-model", "tester")
        self.assertEqual(list(self.result()), ["dog", "apple"])
        self.assertEqual(self.result()["dog"][:2], ["A thing, 1.", "It is round."])
        path, key, body = server.requests[0]
        self.assertEqual((path, key, body["model"]), ("/v1/chat/completions", "Bearer secret-key", "tester"))
        self.assertIn("a dog", body["messages"][0]["content"])
        self.assertIn("an apple", server.requests[-1][2]["messages"][0]["content"])

    def test_failures_that_pass_are_retried(self):
        server = self.serve(lambda n, body: (429, {"error": {"message": "slow down"}}) if n == 1 else said("A dog."))
        self.ask(server, "dog")
        self.assertEqual(set(self.result()["dog"]), {"A dog."})

    def test_it_waits_as_long_as_it_is_told(self):
        told = 429, {"error": {"message": "slow down"}}, ("Retry-After", "2")
        server = self.serve(lambda n, body: told if n == 1 else said("A dog."))
        self.ask(server, "dog")
        self.assertEqual(len(server.times), 4)  # three questions, one of them twice
        self.assertGreaterEqual(server.times[1] - server.times[0], 2)

    def test_rate_limit(self):
        server = self.serve(lambda n, body: said("A dog."))
        self.ask(server, "dog", rate=120)
        gaps = [b - a for a, b in zip(server.times, server.times[1:])]
        self.assertEqual(len(gaps), 2)
        # From the beginning of one request to that of the next; what the connection takes differs a little.
        self.assertTrue(all(gap > 0.4 for gap in gaps), gaps)

    def test_a_silent_server_is_given_up(self):
        def silent(n, body):
            if n <= 2:
                time.sleep(3)
            return said("Late.")

        server = self.serve(silent)
        began = time.monotonic()
        _, err = self.ask(server, "dog", "--timeout", 1, "--retries", 0, code=1)
        self.assertLess(time.monotonic() - began, 60)
        self.assertIn("/chat/completions", err)
        self.ask(server, "dog", "--timeout", 1, "--retries", 2)  # the first try is not answered in time either
        self.assertEqual(set(self.result()["dog"]), {"Late."})
        self.assertEqual(len(server.times), 1 + 1 + 3)

    def test_an_endless_answer_is_refused(self):
        server = self.serve(lambda n, body: (200, "x" * (5 << 20)))
        _, err = self.ask(server, "dog", "--retries", 2, code=1)
        self.assertIn("/chat/completions: found an answer of more than 4 MiB", err)
        self.assertEqual(len(server.requests), 1)  # it would take as long again
        self.assertFalse(os.path.exists(self.out))

    def test_a_redirect_is_not_followed(self):
        other = self.serve(lambda n, body: said("A dog."))
        server = self.serve(lambda n, body: (302, "", ("Location", other.url + "/chat/completions")))
        self.ask(server, "dog", "--retries", 0, code=1)
        self.assertEqual(other.requests, [])

    def test_failures_that_stay_are_told_and_the_key_is_not(self):
        server = self.serve(lambda n, body: (401, {"error": {"message": "wrong key"}}))
        _, err = self.ask(server, "dog", code=1)
        self.assertIn("wrong key", err)
        self.assertNotIn("secret-key", err)
        self.assertEqual(len(server.requests), 1)
        self.assertFalse(os.path.exists(self.out))

    def test_a_password_in_the_url_is_used_and_not_told(self):
        server = self.serve(lambda n, body: (403, {"error": {"message": "not you"}}))
        for secret in ("me:s3cret@", "me:s3/c@ret@"):
            server.url = server.url.replace("127.0.0.1", secret + "127.0.0.1").replace("/v1", "/v1?token=s3cret")
            _, err = self.ask(server, "dog", "--retries", 0, code=1)
            self.assertIn("127.0.0.1", err)
            self.assertNotIn("s3", err)
            self.assertNotIn("ret", err.replace("retries", ""))
            server.url = f"http://127.0.0.1:{server.server.server_port}/v1"
        _, key, _ = server.requests[0]
        self.assertEqual(len(server.requests), 1)  # curl does not take the second for a URL

    def test_nonsense_is_refused(self):
        for answer in ("no JSON", {"choices": []}, {"choices": [{"message": {"content": 7}}]}):
            server = self.serve(lambda n, body, answer=answer: (200, answer))
            _, err = self.ask(server, "dog", code=1)
            self.assertIn("choices[0].message.content", err)

    def test_resume_asks_only_what_is_missing(self):
        server = self.serve(lambda n, body: (400, {"error": {"message": "no cats"}})
                            if "cat" in body["messages"][0]["content"] else said("Fine."))
        _, err = self.ask(server, "dog,cat", "--endpoint-model", "one", code=1)
        self.assertIn("1 of 2", err)
        server = self.serve(lambda n, body: said("Good."))
        for other, told in ([], "--endpoint-model \"one\", now not given"), \
                (["--endpoint-model", "two"], "--endpoint-model \"one\", now \"two\""), \
                (["--endpoint-model", "one", "--ctx-size", "9"], "--ctx-size not given, now 9"):
            _, err = self.ask(server, "dog,cat", "--resume", *other, code=2)  # they would be in one file
            self.assertIn("it was begun with", err)
            self.assertIn(told, err)
        os.rename(self.out + ".ledger", self.out + ".kept")
        for how in [], ["--resume"]:
            _, err = self.ask(server, "dog,cat", "--endpoint-model", "one", *how, code=2)
            self.assertIn("--force", err)
        os.rename(self.out + ".kept", self.out + ".ledger")
        self.assertEqual(server.requests, [])
        self.ask(server, "dog,cat", "--resume", "--endpoint-model", "one", "--retries", "1", "-t", "1")  # at another address
        self.assertEqual(set(self.result()["dog"]), {"Fine."})
        self.assertEqual(set(self.result()["cat"]), {"Good."})
        self.assertTrue(all("cat" in r[2]["messages"][0]["content"] for r in server.requests))
        self.ask(server, "dog", "--endpoint-model", "two", "--resume", "--force")
        self.assertEqual(self.result(), {"dog": ["Good."] * len(self.result()["dog"])})

    def test_a_run_that_is_repeated_loses_nothing(self):
        """Results of hours are not replaced by the first class of the next run."""
        server = self.serve(lambda n, body: said("Fine."))
        self.ask(server, "dog,cat")
        before, asked = self.result(), len(server.requests)
        for classes in "dog,cat", "fish":
            _, err = self.ask(server, classes, code=2)
            self.assertIn("go on with --resume", err)
        self.assertEqual((self.result(), len(server.requests)), (before, asked))
        self.ask(server, "fish", "--force")
        self.assertEqual(list(self.result()), ["fish"])

    def check(self, answer, want, left_out="", code=0):
        """What is kept of an answer that comes three times, and the messages about the rest."""
        if os.path.exists(self.out):
            os.remove(self.out)
        server = self.serve(lambda n, body: said(answer))
        _, err = self.ask(server, "dog,", "-q", "--retries", 0, code=code)
        if want:
            self.assertEqual(self.result()["dog"], 3 * want, answer)
        else:
            self.assertFalse(os.path.exists(self.out))
            self.assertIn("dog: there were no descriptions in the answers", err)
        self.assertEqual([line for line in err.splitlines() if "left out" in line],
                         ["gromatic: left out of the answers: " + left_out] if left_out else [], answer)

    def test_only_marks_of_lists_are_stripped(self):
        self.check("3D shapes with 2 wheels.\n1950s cars had fins.\n1. A round thing.\n- 4-legged animal",
                   ["3D shapes with 2 wheels.", "1950s cars had fins.", "A round thing.", "4-legged animal"])
        self.check("• A round thing.\n– A red thing.\n1) One\n(2) Two\n  10. 3D prints\n* + - \n> 4. Four\n---\n"
                   "1.A thing\nb) 2.5 metres\n2.5 metres\n4x4 wheels\n007 was here\n(s)he\n1984 (a book)\r\n90 % water",
                   ["A round thing.", "A red thing.", "One", "Two", "3D prints", "Four", "A thing", "2.5 metres",
                    "2.5 metres", "4x4 wheels", "007 was here", "(s)he", "1984 (a book)", "90 % water"])
        self.check("**Shape:** a round thing.\n* **Colour:** red\n1. **It is _very_ big.**\n`Fur` and __ears__.",
                   ["Shape: a round thing.", "Colour: red", "It is _very_ big.", "Fur and ears."])

    def test_reasoning_is_dropped(self):
        for answer in ("<think>\nThe user wants dogs.\nLet me think.\n</think>\n\nA dog has fur.",
                       "The user wants dogs.\n</think>\nA dog has fur.",  # it began in the prompt
                       "A dog has fur.\n<think>Is that enough?\nI would",  # cut off
                       "<think>a <think>b</think> c</think>A dog has fur.",
                       "<THINKING>x</Thinking>\nA dog has fur.", "<reasoning>x\n</reasoning>A dog has fur.",
                       "[THINK]x[/THINK]A dog has fur.",
                       "<|channel|>analysis<|message|>Dogs.<|end|><|start|>assistant<|channel|>final<|message|>A dog has fur."):
            stretches = 6 if "<think>a" in answer else 3
            self.check(answer, ["A dog has fur."], f"{stretches} stretches of reasoning")
        self.check("<think>\n\n</think>\n\nA dog has fur.", ["A dog has fur."])  # there was none
        self.check("<think>A dog has fur.", None, "3 stretches of reasoning", code=1)

    def test_reasoning_in_a_member_of_its_own(self):
        for member in "reasoning_content", "reasoning":
            for content, code in (("A dog has fur.", 0), (None, 1), ("", 1)):
                message = {"role": "assistant", "content": content, member: "The user wants dogs."}
                server = self.serve(lambda n, body: (200, {"choices": [{"message": message}]}))
                _, err = self.ask(server, "dog", code=code)
                self.assertIn("left out of the answers: 3 stretches of reasoning\n", err)
                if code == 0:
                    self.assertEqual(self.result()["dog"], 3 * ["A dog has fur."])
                    os.remove(self.out)

    def test_answers_in_parts(self):
        self.check([{"type": "text", "text": "A dog "}, {"type": "text", "text": "has fur."}], ["A dog has fur."])
        self.check([{"type": "thinking", "thinking": [{"type": "text", "text": "Dogs."}]},
                    {"type": "text", "text": "A dog has fur."}], ["A dog has fur."], "3 stretches of reasoning")

    def test_code_fences(self):
        self.check("```\nA dog has fur.\n```", ["A dog has fur."], "3 code fences")
        self.check("~~~markdown\n- A dog has fur.\n~~~\nIt barks.", ["A dog has fur.", "It barks."], "3 code fences")
        self.check("```python\nprint('dog')\n```\nA dog has fur.\n```", ["A dog has fur."], "6 code fences")
        self.check("```A dog has fur.```", ["A dog has fur."])
        self.check("```js\nlet dog", None, "3 code fences", code=1)

    def test_quotes_around_a_line(self):
        self.check('"A dog has fur."\n1. "It barks."\n"Rex" is a name, as is "Fido"', ["A dog has fur.", "It barks.",
                   '"Rex" is a name, as is "Fido"'])
        self.check('[\n  "A dog has fur.",\n  "It barks.",\n  "It ha', ["A dog has fur.", "It barks.", '"It ha'])
        self.check('["A dog has fur.",\n"It barks."],\n]', ["A dog has fur.", "It barks."])

    def test_ctrl_c_while_an_answer_is_waited_for(self):
        asked = threading.Event()
        server = self.serve(lambda n, body: (asked.set(), time.sleep(3), said("Late."))[2])
        child = subprocess.Popen([GROMATIC, "describe-classes", "--classes", "dog,cat", "--endpoint", server.url, "-o",
                                  self.out], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(child.kill)
        self.assertTrue(asked.wait(60))
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
        self.assertEqual((child.returncode, err.decode().splitlines()[0]), (130, "gromatic: interrupted"))
        self.assertFalse(os.path.exists(self.out))

    def test_json_gives_its_strings(self):
        want = ["A dog has fur.", "A dog barks."]
        self.check('["A dog has fur.", "A dog barks."]', want)
        self.check('```json\n[\n "A dog has fur.",\n "1. A dog barks."\n]\n```', want, "3 code fences")
        self.check('Here you are:\n{"dog": {"coat": "A dog has fur.", "n": 3, "voice": ["A dog barks."]}}\nIt runs.',
                   want + ["It runs."], "3 lines that only announce")
        self.check("[1] A dog has fur.", ["[1] A dog has fur."])

    def test_tables_and_headings(self):
        self.check("| a | b |\n|---|---|", None, "6 rows of tables", code=1)
        self.check("# Dogs\n\nShape | Colour\n--- | ---\nround | red\n\nA dog has fur.\n**Voice**\n**Coat:**\n"
                   "2. **Tail**", ["A dog has fur."], "9 rows of tables, 12 headings")
        self.check("Sure! Here are five sentences:\nA dog has fur.", ["A dog has fur."], "3 lines that only announce")

    def test_what_is_no_character(self):
        self.check("A caf\ud83d has", ["A caf has"], "3 damaged characters")
        self.check("A dog\0 has fur.", ["A dog has fur."], "3 damaged characters")
        self.check("A dog \U0001f415 has fur.", ["A dog \U0001f415 has fur."])

    def test_bytes_that_are_no_text(self):
        server = self.serve(lambda n, body: (200, b'{"choices": [{"message": {"content": "A \xff\xe9 dog."}}]}'))
        _, err = self.ask(server, "dog")
        self.assertEqual(self.result(), {"dog": 3 * ["A  dog."]})
        self.assertIn("left out of the answers: 6 damaged characters\n", err)

    def test_an_answer_full_of_brackets_takes_no_longer_than_another(self):
        server = self.serve(lambda n, body: said("[\n" * 400000 + "A dog has fur."))
        began = time.monotonic()
        self.ask(server, "dog")  # each bracket may begin JSON, and none of them ends
        self.assertLess(time.monotonic() - began, 60)
        self.assertEqual(self.result(), {"dog": 3 * ["A dog has fur."]})

    def test_a_class_without_descriptions_leaves_the_others(self):
        server = self.serve(lambda n, body: said("" if "cat" in body["messages"][0]["content"] else "Good."))
        _, err = self.ask(server, "cat,dog,cow", code=1)
        self.assertEqual(self.result(), {"dog": 3 * ["Good."], "cow": 3 * ["Good."]})
        self.assertIn("cat: there were no descriptions in the answers\n", err)
        self.assertIn("2 of 3 classes are in", err)
        self.assertRegex(err.splitlines()[-1], r"^gromatic: 3 classes, 6 new descriptions, 1 failure, \d+\.\d s$")

    def test_resume_overwrites_nothing_else(self):
        with open(self.out, "w") as file:
            file.write('{"dog": ["Fine."],')
        server = self.serve(lambda n, body: said("Good."))
        _, err = self.ask(server, "dog", code=2)
        self.assertIn("would be lost", err)
        _, err = self.ask(server, "dog", "--resume", code=2)
        self.assertIn("no ledger that says how it was made", err)
        with open(self.out) as file:
            self.assertEqual(file.read(), '{"dog": ["Fine."],')
        self.assertEqual(server.requests, [])

    def test_usage(self):
        _, err = run("describe-classes", "--classes", "dog", "-o", self.out, "-m", "groma-mini", code=2)
        self.assertIn("Groma-7B", err)
        run("describe-classes", "--classes", "dog", "-o", self.out, code=2)
        _, err = run("describe-classes", "--classes", "dog", "-o", self.out, "--endpoint", "file:///etc/passwd",
                     "--retries", 0, code=1)
        self.assertIn("file:///etc/passwd", err)


if __name__ == "__main__":
    unittest.main()
