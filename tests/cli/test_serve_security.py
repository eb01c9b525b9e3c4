"""gromatic serve against clients that mean no good, or are gone."""
import http.client
import json
import os
import signal
import socket
import tempfile
import threading
import time
import unittest

from program import scene
from served import Server, events, message, picture

CAPTION = "Give me a concise description of the image."


def setUpModule():
    global server, folder, keys
    folder = tempfile.TemporaryDirectory()
    keys = os.path.join(folder.name, "keys")
    with open(keys, "w") as file:
        file.write("# ours\nalpha-key\n\nbeta-key\n")
    server = Server("--api-key-file", keys, "--cors-origin", "https://good.example", "--log-json")
    server.key = "alpha-key"


def tearDownModule():
    server.stop()
    folder.cleanup()


class Keys(unittest.TestCase):
    def test_who_is_let_in(self):
        for key, status in (("alpha-key", 200), ("beta-key", 200), ("alpha-ke", 401), ("alpha-keyx", 401), ("", 401)):
            self.assertEqual(server.request("GET", "/v1/models", headers={"Authorization": "Bearer " + key})[0], status)
        self.assertEqual(server.request("GET", "/v1/models", headers={"Authorization": "", "X-Api-Key": "beta-key"})[0], 200)
        self.assertEqual(server.request("GET", "/health", headers={"Authorization": ""})[0], 200)
        status, answer = server.post("/v1/detect", {"image": picture(1)}, headers={"Authorization": "Bearer no"})
        self.assertEqual((status, answer["error"]["code"]), (401, "invalid_api_key"))

    def test_pictures_belong_to_their_key(self):
        image = server.post("/v1/detect", {"image": picture(1)})[1]["image"]["id"]
        self.assertEqual(server.post("/v1/detect", {"image": image})[0], 200)
        other = {"Authorization": "Bearer beta-key"}
        self.assertEqual(server.post("/v1/detect", {"image": image}, headers=other)[0], 404)

    def test_keys_are_read_again(self):
        with open(keys, "a") as file:
            file.write("gamma-key\n")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if server.request("GET", "/v1/models", headers={"Authorization": "Bearer gamma-key"})[0] == 200:
                return
            time.sleep(0.02)
        self.fail("the new key is not taken")


class Sites(unittest.TestCase):
    def test_rebinding(self):
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]", "8.8.8.8", ""):
            self.assertEqual(server.request("GET", "/health", headers={"Host": host})[0], 403, host)
        for host in ("localhost", "127.0.0.1:99", "[::1]:5", "LOCALHOST:1"):
            self.assertEqual(server.request("GET", "/health", headers={"Host": host})[0], 200, host)

    def test_origins(self):
        status, headers, _ = server.request("GET", "/health", headers={"Origin": "https://evil.example"})
        self.assertEqual((status, headers.get("Access-Control-Allow-Origin")), (403, None))
        self.assertEqual(server.request("GET", "/health", headers={"Origin": "null"})[0], 403)
        status, headers, _ = server.request("GET", "/health", headers={"Origin": "https://good.example"})
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (200, "https://good.example"))
        own = {"Origin": f"http://127.0.0.1:{server.port}"}
        self.assertEqual(server.request("GET", "/health", headers=own)[0], 200)
        status, headers, _ = server.request("OPTIONS", "/v1/detect",
                                            headers={"Origin": "https://good.example", "Authorization": ""})
        self.assertEqual(status, 204)
        self.assertIn("authorization", headers["Access-Control-Allow-Headers"])


class Framing(unittest.TestCase):
    def send(self, head, body=b""):
        return server.raw(b"POST /v1/detect HTTP/1.1\r\nAuthorization: Bearer alpha-key\r\nConnection: close\r\n" + head +
                          b"\r\n" + body)

    def test_two_lengths(self):
        host = b"Host: localhost\r\n"
        for head in (host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                     host + b"Transfer-Encoding: gzip\r\n", host + host + b"Content-Length: 0\r\n"):
            answer = self.send(head, b"0\r\n\r\n")
            self.assertTrue(answer == b"" or answer.startswith(b"HTTP/1.1 400"), answer)

    def test_too_much(self):
        answer = self.send(b"Host: localhost\r\nContent-Length: 33554433\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer)
        answer = server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40000 + b"\r\n\r\n")
        self.assertTrue(answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 413")), answer[:40])
        self.assertEqual(server.get("/health")[0], 200)

    def test_chunked(self):
        body = json.dumps({"image": picture(1)}).encode()
        answer = self.send(b"Host: localhost\r\nTransfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer[:200])


class Clients(unittest.TestCase):
    def test_one_that_goes_costs_nothing(self):
        body = json.dumps({"messages": [message(CAPTION, 64)], "stream": True}).encode()
        head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alpha-key\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode()
        for part, wait in ((head, 0), (head + body[:1000], 0), (head + body, 0), (head + body, 0.05), (head + body, 0.2)):
            with socket.create_connection(("127.0.0.1", server.port)) as s:
                s.sendall(part)
                time.sleep(wait)
            self.assertTrue(server.wait_idle(1), (len(part), wait))

    def test_many_connections_that_say_nothing(self):
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
        for s in idle[:150]:
            s.sendall(b"POST /v1/detect HTTP/1.1\r\nHost: localhost\r\n")
        began = time.monotonic()
        self.assertEqual(server.get("/health")[0], 200)
        self.assertLess(time.monotonic() - began, 1)  # 50 ms on a quiet machine
        for s in idle:
            s.close()
        self.assertEqual(server.post("/v1/detect", {"image": picture(1)})[0], 200)

    def test_more_than_may_wait(self):
        got, lock = [], threading.Lock()

        def ask(number):
            status, headers, _ = server.request("POST", "/v1/chat/completions", {"messages": [message(CAPTION, number)]})
            with lock:
                got.append((status, headers.get("Retry-After")))

        threads = [threading.Thread(target=ask, args=(n % 100,)) for n in range(60)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertLessEqual({status for status, _ in got}, {200, 429})
        self.assertGreaterEqual(sum(status == 200 for status, _ in got), 32)
        self.assertTrue(all(after for status, after in got if status == 429))


    def test_heads_first_and_bodies_later(self):
        # All heads are there before the first request is one that is not answered: the limit of 32 counts all the same.
        heads = []
        for n in range(80):
            body = json.dumps({"messages": [message(CAPTION, n)]}).encode()
            s = socket.create_connection(("127.0.0.1", server.port), timeout=120)
            s.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alpha-key\r\n"
                       f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body[:9])
            heads.append((s, body[9:]))
        server.get("/health")
        for s, body in heads:
            s.sendall(body)
        got = []
        for s, _ in heads:
            got.append(s.recv(12).decode())
            s.close()
        self.assertIn("HTTP/1.1 429", got)
        self.assertGreaterEqual(got.count("HTTP/1.1 200"), 32)
        self.assertTrue(server.wait_idle(10))

    def test_many_streams_at_once(self):
        whole = server.post("/v1/chat/completions", {"messages": [message(CAPTION, 64)]})[1]["choices"][0]["message"]["content"]
        got, lock = [], threading.Lock()

        def ask():
            for _ in range(4):
                raw = server.request("POST", "/v1/chat/completions", {"messages": [message(CAPTION, 64)], "stream": True})[2]
                with lock:
                    got.append("".join(e["choices"][0]["delta"].get("content", "") for e in events(raw)[:-1]))

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(got, [whole] * 96)


class Ends(unittest.TestCase):
    def test_too_late_is_said(self):
        own = Server("--timeout", "1")
        body = {"image": picture(1), "classes": [f"a dog of kind {n}" for n in range(1024)]}
        answers = []

        def ask():
            status, answer = own.post("/v1/classify", body)
            answers.append((status, answer.get("error", {}).get("code")))

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        own.stop()
        self.assertEqual(len(answers), 24)  # nobody is left without one
        self.assertIn((504, "timeout"), answers)
        self.assertLessEqual(set(answers), {(504, "timeout"), (200, None)})

    def test_log_that_nobody_reads(self):
        own = Server("--log-json")  # whose standard error is a pipe of 64 KiB that is not read
        connection = own.connection()
        for _ in range(600):  # about 150 bytes each
            connection.request("GET", "/health")
            answer = connection.getresponse()
            self.assertEqual((answer.status, len(answer.read()) > 0), (200, True))
        connection.close()
        self.assertEqual(own.stop(), 0)
        for line in own.lines[-1].splitlines():
            json.loads(line)

    def test_log_does_not_steer_a_terminal(self):
        own = Server()
        own.raw(b"\x1b[2J /\x1b[2J HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        own.stop()
        self.assertNotIn("\x1b", "".join(own.lines))

    def test_what_runs_is_finished(self):
        own = Server("--log-json")
        result = []
        body = {"messages": [message(CAPTION, 65)]}
        thread = threading.Thread(target=lambda: result.append(own.post("/v1/chat/completions", body)[0]))
        thread.start()
        while not any(slot["is_processing"] for slot in own.get("/slots")[1]) and not result:
            pass
        self.assertEqual(own.stop(), 0)
        thread.join()
        self.assertEqual(result, [200])
        logged = [json.loads(line) for line in own.lines[-1].splitlines()]
        line = next(entry for entry in logged if entry.get("path") == "/v1/chat/completions")
        self.assertEqual((line["status"], line["method"], line["model"]), (200, "POST", "groma-mini"))
        self.assertNotIn("question", line)

    def test_unix_socket(self):
        path = os.path.join(folder.name, "socket")
        import subprocess
        from program import GROMATIC
        process = subprocess.Popen([GROMATIC, "serve", "--unix", path], stderr=subprocess.PIPE, text=True)
        self.assertIn("unix:", process.stderr.readline() + process.stderr.readline())
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        connection = http.client.HTTPConnection("x")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        connection.request("GET", "/health")
        self.assertIn(connection.getresponse().status, (200, 503))
        connection.close()
        process.terminate()
        process.communicate(timeout=60)
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    unittest.main()
