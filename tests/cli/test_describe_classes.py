"""describe-classes against a server of our own on 127.0.0.1: answers, retries, resuming, refusals."""
import http.server
import json
import os
import tempfile
import threading
import time
import unittest

from program import run


class Server:
    """Answers with what `reply(number, body)` gives: (status, object or text), and headers where there are some."""

    def __init__(self, reply):
        self.requests, self.times, outer = [], [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.times.append(time.monotonic())
                outer.requests.append((self.path, self.headers.get("Authorization"), body))
                status, answer, *headers = reply(len(outer.requests), body)
                data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:  # it has given up
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def said(text):
    return 200, {"choices": [{"message": {"role": "assistant", "content": text}}]}


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
        self.ask(server, "dog", "--retries", 0, code=1)
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
        _, err = self.ask(server, "dog,cat", code=1)
        self.assertIn("1 of 2", err)
        server = self.serve(lambda n, body: said("Good."))
        self.ask(server, "dog,cat", "--resume")
        self.assertEqual(set(self.result()["dog"]), {"Fine."})
        self.assertEqual(set(self.result()["cat"]), {"Good."})
        self.assertTrue(all("cat" in r[2]["messages"][0]["content"] for r in server.requests))

    def test_resume_overwrites_nothing_else(self):
        with open(self.out, "w") as file:
            file.write('{"dog": ["Fine."],')
        server = self.serve(lambda n, body: said("Good."))
        _, err = self.ask(server, "dog", code=2)
        self.assertIn("would be lost", err)
        _, err = self.ask(server, "dog", "--resume", code=2)
        self.assertIn("an earlier run", err)
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
