"""gromatic serve's --media-path and --allow-url-hosts: pictures by name and by address, and nothing else."""
import http.server
import json
import os
import shutil
import tempfile
import threading
import time
import unittest

from program import run, scene
from served import Server, picture


class Other(http.server.BaseHTTPRequestHandler):
    """A host of pictures: what it does is in the path."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            self.server.ended.wait(20)
        elif self.path in ("/endless", "/said"):
            self.send_response(200)
            if self.path == "/said":
                self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
            try:
                while not self.server.ended.is_set():
                    self.wfile.write(bytes(1 << 20))
            except OSError:
                pass
        elif self.path == "/missing":
            self.send_error(404)
        else:
            with open(scene(1), "rb") as file:
                data = file.read()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data if self.path == "/x.jpg" else b"GIF89a, or text")

    def log_message(self, *args):
        pass


def other():
    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other)
    host.asked, host.ended, host.daemon_threads = [], threading.Event(), True
    threading.Thread(target=host.serve_forever, daemon=True).start()
    return host


def setUpModule():
    global server, folder, root, named, unnamed
    named, unnamed = other(), other()
    folder = tempfile.TemporaryDirectory()
    root = os.path.join(folder.name, "media")
    os.makedirs(os.path.join(root, "a", "b"))
    for name in ("x.jpg", "a/b/x.jpg", "../secret.jpg"):
        shutil.copy(scene(1), os.path.join(root, name))
    os.symlink("../secret.jpg", os.path.join(root, "link.jpg"))
    os.symlink("x.jpg", os.path.join(root, "inner.jpg"))
    os.symlink("..", os.path.join(root, "up"))
    os.symlink("/", os.path.join(root, "root"))
    os.mkfifo(os.path.join(root, "pipe.jpg"))
    os.mkdir(os.path.join(root, "folder.jpg"))
    with open(os.path.join(root, "text.txt"), "w") as file:
        file.write("a secret")
    with open(os.path.join(root, "large.jpg"), "wb") as file:
        file.truncate(33 << 20)
    server = Server("--media-path", root, "--allow-url-hosts", f"127.0.0.1:{named.server_port}", "--timeout", "3")


def tearDownModule():
    for host in (named, unnamed):
        host.ended.set()
        host.shutdown()
    folder.cleanup()
    assert server.stop() == 0, server.lines


class Names(unittest.TestCase):
    def ask(self, name):
        return server.post("/v1/detect", {"image": name})

    def test_pictures_below_the_folder(self):
        whole = server.post("/v1/detect", {"image": picture(1)})[1]
        for name in ("x.jpg", "a/b/x.jpg", "file:x.jpg", "file://x.jpg", "FILE://a/b/x.jpg"):
            self.assertEqual(self.ask(name), (200, whole), name)
        talk = [{"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                             {"type": "image_url", "image_url": {"url": "file://a/b/x.jpg"}}]}]
        self.assertEqual(server.post("/v1/chat/completions", {"messages": talk, "max_tokens": 1})[0], 200)

    def test_nothing_else(self):
        absolute = os.path.join(folder.name, "secret.jpg")
        for name in ("../secret.jpg", "a/../../secret.jpg", "a/b/../../../secret.jpg", "..", ".", "./x.jpg", "a/./b/x.jpg",
                     "a//b/x.jpg", "//x.jpg", "/x.jpg", "x.jpg/", "a/b/x.jpg/", "x.jpg/.", "x.jpg/..", absolute,
                     "file://" + absolute, "file:" + absolute, "file:///etc/passwd", "file:/etc/passwd", "file:////etc/passwd",
                     "/etc/passwd.", "/proc/self/environ.", "root/etc/passwd.", "up/secret.jpg", "link.jpg", "inner.jpg",
                     "root" + absolute, "%2e%2e/secret.jpg", "..%2fsecret.jpg", "%2e%2e%2fsecret.jpg", "..\\secret.jpg",
                     "..\\/secret.jpg", "....//secret.jpg", "..;/secret.jpg", "file://localhost/x.jpg", "file://../secret.jpg",
                     "file:../secret.jpg", "~/x.jpg", "folder.jpg", "pipe.jpg", "large.jpg", "a" * 300 + ".jpg",
                     "a/" * 5000 + "x.jpg", " x.jpg", "x.jpg ", "x.jpg?", "x.jpg#a", "X.JPG", ".../x.jpg"):
            status, answer = self.ask(name)
            self.assertEqual(status, 404, (name[:60], answer))
            self.assertNotIn(folder.name, json.dumps(answer))
        for name in ("text.txt", "file:text.txt", "file://x.jpg\0", "x.jpg\0.png", "file:", "\ud800.jpg"):
            self.assertIn(self.ask(name)[0], (400, 404), name)
        body = b'{"image": "x.jpg\\u0000"}'
        self.assertEqual(server.request("POST", "/v1/detect", body, {"Content-Type": "application/json"})[0], 400)


class Addresses(unittest.TestCase):
    def ask(self, path, host=None):
        return server.post("/v1/detect", {"image": f"http://{host or f'127.0.0.1:{named.server_port}'}{path}"})

    def test_a_host_that_is_named(self):
        status, answer = self.ask("/x.jpg")
        self.assertEqual((status, answer), (200, server.post("/v1/detect", {"image": picture(1)})[1]))
        for path, words in (("/text", "none of JPEG"), ("/missing", "answered 404")):
            status, answer = self.ask(path)
            self.assertEqual(status, 400)
            self.assertIn(words, answer["error"]["message"])

    def test_no_other_host(self):
        port = unnamed.server_port
        for host in ("127.0.0.1", "localhost", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1",
                     "017700000001", "127.0.0.2", "0.0.0.0", "0", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]",
                     "127.0.0.1.", "LOCALHOST", "127\u30020\u30020\u30021", "169.254.169.254", "x@127.0.0.1",
                     f"127.0.0.1:{named.server_port}@127.0.0.1", "127.0.0.1%00", "127.0.0.1\\@localhost"):
            status, answer = self.ask("/x.jpg", f"{host}:{port}")
            self.assertEqual(status, 400, (host, answer))
        for url in (f"ftp://127.0.0.1:{named.server_port}/x.jpg", f"gopher://127.0.0.1:{named.server_port}/x.jpg",
                    f"http://a:b@127.0.0.1:{named.server_port}/x.jpg", "http://", "http:///x.jpg", "https://x y/",
                    f"http://127.0.0.1:{named.server_port}0/x.jpg"):
            self.assertIn(server.post("/v1/detect", {"image": url})[0], (400, 404), url)
        self.assertEqual(unnamed.asked, [])

    def test_no_redirect(self):
        for to in (f"http://127.0.0.1:{unnamed.server_port}/x.jpg", "/x.jpg", "file:///etc/passwd"):
            before = len(named.asked)
            status, answer = self.ask("/to/" + to)
            self.assertEqual(status, 400, answer)
            self.assertIn("redirects are not followed", answer["error"]["message"])
            self.assertEqual(len(named.asked), before + 1)
        self.assertEqual(unnamed.asked, [])

    def test_too_much(self):
        for path in ("/endless", "/said"):
            status, answer = self.ask(path)
            self.assertEqual(status, 400, answer)
            self.assertIn("more than 33554432 bytes", answer["error"]["message"])

    def test_slow_hosts_keep_nobody_waiting(self):
        got = []
        threads = [threading.Thread(target=lambda: got.append(self.ask("/slow")[0])) for _ in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        self.assertEqual(server.post("/v1/detect", {"image": picture(1)})[0], 200)  # readers are left
        self.assertEqual(server.get("/health")[0], 200)
        for t in threads:
            t.join()
        self.assertEqual((got.count(504), got.count(429)), (4, 4))


class Options(unittest.TestCase):
    def test_what_cannot_be(self):
        for args, words in ((("--media-path", "/nothing"), "No such file"), (("--media-path", scene(1)), "Not a directory"),
                            (("--allow-url-hosts", "http://a"), "wanted at most"), (("--allow-url-hosts", "a b"), "wanted at most")):
            self.assertIn(words, run("serve", "--port", "0", *args, code=2)[1])


if __name__ == "__main__":
    unittest.main()
